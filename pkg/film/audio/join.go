package audio

import (
	"math"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/plan"
	"github.com/mapreel/mapreel/pkg/isobmff"
	"github.com/mapreel/mapreel/pkg/media"
)

// Use is what an audio part contributes to its track: the packets whose decode times lie in [From,
// Until). Parts overlap their neighbours. The zero Use is all of a part.
type Use struct{ From, Until media.Ticks }

// Samples returns the samples of the part's chunk that are used.
func (u Use) Samples(chunk isobmff.Chunk) isobmff.Chunk {
	if u.Until > 0 {
		return chunk.Slice(int64(u.From), int64(u.Until))
	}
	return chunk
}

// Join returns what each part of a rendition contributes, in order. parts may leave out some at the
// beginning and the end of the track. There are fewer results than parts where the audio ends
// before the duration that its source declares.
func Join(codec film.AudioCodec, parts []film.AudioPart, all []film.AudioFacts) ([]Use, error) {
	if parts[0].Whole {
		return []Use{{}}, nil
	}
	if all[0].Samples == 0 {
		return nil, fault.New(fault.Corrupt, "no audio of the source could be decoded")
	}
	list := []Use{{Until: math.MaxInt64}}
	for i := 1; i < len(all); i++ {
		from, to := plan.JoinRange(codec, parts[i].Start)
		var at int
		var ok bool
		if left, right := all[i-1].Tail, all[i].Head; left != nil && right != nil {
			at, ok = plan.Join(*left, *right, from, to)
		}
		if ok {
			start := media.Ticks(at) * codec.Frame()
			list[i-1].Until = start
			list = append(list, Use{From: start, Until: math.MaxInt64})
			continue
		}
		end := all[i-1].Last
		for _, rest := range all[i:] { // these hold some of their pre-roll at most
			if rest.Samples > 0 && rest.Last > end {
				return nil, fault.New(fault.Corrupt, "an audio part ends with packet %d, and a later one with packet %d",
					int(end/codec.Frame())+1, int(rest.Last/codec.Frame())+1)
			}
		}
		break
	}
	return list, nil
}

// Combine combines the facts of a rendition's parts, of which the first used ones contribute, into
// those of the whole track.
func Combine(codec film.AudioCodec, all []film.AudioFacts, used int) film.AudioFacts {
	whole, last := all[0], all[used-1]
	whole.StoredObject, whole.Head, whole.Tail = film.StoredObject{}, nil, nil
	whole.Last, whole.Length = last.Last, last.Length
	// All packets but the last hold a frame.
	whole.Samples = last.Samples + int(last.Begin/codec.Frame())
	return whole
}
