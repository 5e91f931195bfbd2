package stage

import (
	"context"
	"math"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/plan"
	"github.com/mapreel/mapreel/pkg/media"
)

// heard is one sound of an output: what its pieces are together.
type heard struct {
	film.AudioFacts // of the whole; StoredObject only where it is one piece
	sound           int
	parts           []part // what to stitch, in order; none of what ffmpeg remuxes
}

// packets are how many samples the packets hold of codecs whose decoders need one packet before the first that is heard.
var packets = map[string]media.Ticks{"aac": 1024, "mp3": 1152, "ac3": 1536, "eac3": 1536}

// from is where the packets of a copied sound begin that Matroska needs, in microseconds of the output; nil keeps all.
// It has no edit list, so all that the source's own cuts off would be heard before the picture.
func from(src film.Source, track film.AudioTrack, codec film.AudioCodec) *int64 {
	length := packets[track.Codec]
	if codec != film.AudioCopy || length == 0 || src.Demuxer != "mov" {
		return nil
	}
	const slack = 1000 // a packet that begins here may seem to be earlier by Matroska's rounding
	before := media.Rescale(2*length, media.Rational{Num: 1, Den: int64(track.SampleRate)}, media.Microseconds)
	return new(int64(media.Rescale(track.Start, track.Timebase, media.Microseconds)-src.Origin.In(media.Microseconds)-before) + slack)
}

// join reads what the workers reported of a sound's pieces, and puts these together.
func (m *merge) join(ctx context.Context, sound int) (heard, error) {
	h := heard{sound: sound}
	var pieces []film.AudioPart
	var names []string
	for i, p := range m.job.AudioParts() {
		if p.Rendition == sound {
			pieces, names = append(pieces, p), append(names, film.AudioUnit(i))
		}
	}
	all := make([]film.AudioFacts, len(pieces))
	for i := range pieces {
		u, err := m.Ledger.Unit(ctx, m.job.ID, names[i])
		if err := reported(u, err, &all[i]); err != nil {
			return h, err
		}
	}
	if pieces[0].Whole {
		h.AudioFacts = all[0]
		if m.job.AudioRenditions[sound].Mux == film.MP4 {
			h.parts = []part{{name: names[0], facts: all[0].StoredObject}}
		}
		return h, nil
	}
	starts, err := joints(m.job.AudioRenditions[sound].Codec, pieces, all)
	if err != nil {
		return h, err
	}
	for i, start := range starts {
		p := part{name: names[i], facts: all[i].StoredObject, from: start, until: math.MaxInt64}
		if i+1 < len(starts) {
			p.until = starts[i+1]
		}
		h.parts = append(h.parts, p)
	}
	h.AudioFacts = together(m.job.AudioRenditions[sound].Codec, all, starts)
	return h, nil
}

// joints are the decode times from which each piece of a sound is used. There are fewer than pieces where the sound ends
// before its source said it would.
func joints(codec film.AudioCodec, pieces []film.AudioPart, all []film.AudioFacts) ([]media.Ticks, error) {
	if all[0].Samples == 0 {
		return nil, fault.New(fault.Corrupt, "no sound of the source could be decoded")
	}
	starts := []media.Ticks{0}
	for i := 1; i < len(all); i++ {
		from, to := plan.JoinRange(codec, pieces[i].Start)
		var at int
		var ok bool
		if left, right := all[i-1].Tail, all[i].Head; left != nil && right != nil {
			at, ok = plan.Join(*left, *right, from, to)
		}
		if ok {
			starts = append(starts, media.Ticks(at)*codec.Frame())
			continue
		}
		end := all[i-1].Last
		for _, rest := range all[i:] { // these hold at most some of their pre-roll
			if rest.Samples > 0 && rest.Last > end {
				return nil, fault.New(fault.Corrupt, "a piece of the sound ends with packet %d, and a later one with packet %d",
					int(end/codec.Frame())+1, int(rest.Last/codec.Frame())+1)
			}
		}
		break
	}
	return starts, nil
}

// together is what the pieces of a sound are, each taken from its start on.
func together(codec film.AudioCodec, all []film.AudioFacts, starts []media.Ticks) film.AudioFacts {
	last := len(starts) - 1
	whole := all[0]
	whole.StoredObject, whole.Head, whole.Tail = film.StoredObject{}, nil, nil
	whole.Last, whole.Length = all[last].Last, all[last].Length
	// All packets but the last hold a frame.
	whole.Samples = all[last].Samples + int(all[last].Begin/codec.Frame())
	return whole
}
