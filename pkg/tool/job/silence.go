package job

import (
	"bytes"
	"context"
	"encoding/binary"
	"os"
	"path/filepath"
	"time"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg/encode"
	"github.com/mapreel/mapreel/pkg/media"
)

// A cut of sound lies at the quietest place near its boundary. Both units that meet there find it, each for itself: they look at
// the same samples.
const (
	cutRate  = 16000                  // samples a second of what is looked at
	cutReach = 3 * time.Second        // before and after the boundary
	cutShare = 2                      // the reach is at most this share of a piece, as a divisor, so that cuts keep their order
	cutWidth = 300 * time.Millisecond // how long it is quiet: a pause between words, not a stop consonant within one
	cutStep  = cutRate / 100          // samples between two places that are compared
	// cutGrid is 10 ms, in microseconds. Cuts lie at its multiples, so that a tool which looks at frames of 10 ms sees the same ones
	// wherever its piece begins.
	cutGrid = 10_000
)

// cut moves the ends of the piece to where the sound is quiet.
func (a *attempt) cut(ctx context.Context) (err error) {
	if a.piece.Start > 0 {
		if a.piece.Start, err = a.quietNear(ctx, a.piece.Start); err != nil {
			return err
		}
	}
	if !a.piece.Last {
		a.piece.End, err = a.quietNear(ctx, a.piece.End)
	}
	return err
}

// searched returns the middle of the sound in which a cut is searched, and how far it reaches before and after.
func searched(boundary media.Ticks, length time.Duration) (middle, reach media.Ticks) {
	reach = media.Ticks(min(cutReach, length/cutShare) / time.Microsecond)
	return boundary - boundary%cutGrid, reach - reach%cutGrid
}

// quietNear returns the quietest time near a boundary.
func (a *attempt) quietNear(ctx context.Context, boundary media.Ticks) (media.Ticks, error) {
	boundary, reach := searched(boundary, time.Duration(a.doc.Request.Segment.Seconds))
	path := filepath.Join(a.Dir, "window.wav")
	defer os.Remove(path) //nolint:errcheck // the attempt's folder is removed with what it holds
	x, err := a.soundPart(ctx)
	if err != nil {
		return 0, err
	}
	origin := a.origin()
	x.Start, x.End = origin+int64(boundary-reach), new(origin+int64(boundary+reach))
	x.Rate, x.Channels, x.Format, x.Path = cutRate, 1, "wav", path
	if err := a.ffmpeg(ctx, encode.SoundExtractArgs(x), a.soundLimits(x)); err != nil {
		return 0, err
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return 0, fault.Wrap(fault.KindOf(err), err, "sound near a cut")
	}
	const width = int(cutWidth * cutRate / time.Second)
	samples := samplesOf(data)
	if len(samples) < width { // the track has ended
		return boundary, nil
	}
	at := quietest(samples, width)
	return boundary - reach + media.Ticks(int64(at)*int64(time.Second/time.Microsecond)/cutRate), nil
}

// samplesOf returns the samples of a WAV file of 16 bits and one channel that ffmpeg has written; nil if it has none.
func samplesOf(wav []byte) []int16 {
	const chunkHeader = 8
	at := bytes.Index(wav, []byte("data"))
	if at < 0 || at+chunkHeader > len(wav) {
		return nil
	}
	wav = wav[at+chunkHeader:]
	samples := make([]int16, len(wav)/2)
	for i := range samples {
		samples[i] = int16(binary.LittleEndian.Uint16(wav[2*i:])) //nolint:gosec // two's complement
	}
	return samples
}

// quietest returns the middle of the stretch of width samples that has the least energy. Of several, it is that nearest to the middle
// of all samples, and the earlier of two.
func quietest(samples []int16, width int) int {
	middle := len(samples) / 2
	sums := make([]int64, len(samples)+1)
	for i, s := range samples {
		sums[i+1] = sums[i] + int64(s)*int64(s)
	}
	best, least := middle, int64(-1)
	for from := 0; from+width <= len(samples); from += cutStep {
		at, energy := from+width/2, sums[from+width]-sums[from]
		if least < 0 || energy < least || energy == least && distance(at, middle) < distance(best, middle) {
			best, least = at, energy
		}
	}
	return best
}

func distance(a, b int) int { return max(a-b, b-a) }
