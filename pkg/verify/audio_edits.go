package verify

import (
	"fmt"
	"math"
	"time"

	"github.com/mapreel/mapreel/pkg/ffmpeg/decode"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/verify/sound"
)

// SoundEdit is a place where samples are missing or added, so that everything after it is early or late.
type SoundEdit struct {
	Kind    string       `json:"kind"` // Missing or Added
	At      film.Seconds `json:"at"`   // after the first frame
	Length  float64      `json:"length"`
	Samples int64        `json:"samples"` // of the source's rate
}

func (e SoundEdit) String() string {
	return fmt.Sprintf("%s are %s at %s", Plural(int(e.Samples), "sample"), e.Kind, ClockTime(time.Duration(e.At)))
}

// minSoundEdit is the change of the offset between two places that is taken for samples missing or added: a tenth of it
// is measured exactly, and an encoder's noise stays below it.
const minSoundEdit = 2 * time.Millisecond

// soundEdits locates where the offset changes: between two places that match, at the sample where the source's sound
// ceases to fit at the offset of the first and begins to fit at that of the second.
func soundEdits(source, output *sound.Track, sourceOrigin, outputOrigin time.Duration, places []placement) ([]SoundEdit, error) {
	var edits []SoundEdit
	last := -1
	for i, p := range places {
		if p.match < matchThreshold || p.silent || p.onset || p.ambiguity > maxAudioOffset {
			continue
		}
		if last >= 0 {
			change := p.offset - places[last].offset
			if change.Abs() >= minSoundEdit {
				at, sharp, err := changePoint(source, output, sourceOrigin, outputOrigin, places[last], p)
				if err != nil {
					return nil, err
				}
				if !sharp { // a drift
					return nil, nil
				}
				e := SoundEdit{Added, film.Seconds(at), change.Abs().Seconds(), int64(math.Round(change.Abs().Seconds() * float64(source.Rate)))}
				if change < 0 {
					e.Kind = Missing
				}
				edits = append(edits, e)
			}
		}
		last = i
	}
	return edits, nil
}

// maxChangeError is how large a part of the sound's energy may differ on both sides of a change. Encoders leave a few
// per cent; sound that drifts fits on neither side.
const maxChangeError = 0.3

// changePoint returns the time between two places at which the offset changes from that of the first to that of the
// second, as the least squared error has it. sharp reports whether the sound fits on both sides of it.
func changePoint(source, output *sound.Track, sourceOrigin, outputOrigin time.Duration, a, b placement) (at time.Duration, sharp bool, err error) {
	const rate = decode.AudioRate
	n := int((b.at - a.at + windowLength).Seconds() * rate)
	own, _, err := source.Window(sourceOrigin+a.at, n)
	if err != nil {
		return 0, false, err
	}
	before, _, err := output.Window(outputOrigin+a.at+a.offset, n)
	if err != nil {
		return 0, false, err
	}
	after, _, err := output.Window(outputOrigin+a.at+b.offset, n)
	if err != nil {
		return 0, false, err
	}
	// What is missing lies between the two, and fits neither.
	gap := min(max(int((a.offset-b.offset).Seconds()*rate), 0), n)
	rest := make([]float64, n+1) // the error of all samples from one on
	energy := 0.0
	for i := n - 1; i >= 0; i-- {
		energy += own[i] * own[i]
		rest[i] = rest[i+1] + (own[i]-after[i])*(own[i]-after[i])
	}
	best, where, left := math.Inf(1), 0, 0.0
	for i := 0; i+gap <= n; i++ {
		if v := left + rest[i+gap]; v < best {
			best, where = v, i
		}
		if i < n {
			left += (own[i] - before[i]) * (own[i] - before[i])
		}
	}
	return a.at + time.Duration(where)*time.Second/rate, best <= maxChangeError*energy, nil
}
