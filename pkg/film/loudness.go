package film

import (
	"errors"
	"math"
	"strconv"
)

// Loudness is a level in hundredths: of LUFS, or of decibels. In JSON it is a number: -23.
type Loudness int64

// Limits of the loudness that a request may ask for, and of what makes it so.
const (
	minLoudness = -50_00
	maxLoudness = -5_00
	// PeakLimit is the highest true peak, in hundredths of dBTP, that a track is amplified to: what EBU R 128 allows.
	PeakLimit = Loudness(-1_00)
	// silence is the loudness below which ITU-R BS.1770 counts nothing: such a track is silent.
	silence = Loudness(-70_00)
)

func (l *Loudness) UnmarshalJSON(data []byte) error {
	v, err := strconv.ParseFloat(string(data), 64)
	if err != nil || math.Abs(v) > 1000 {
		return errors.New("must be a number of LUFS, such as -23")
	}
	*l = Loudness(math.Round(v * 100))
	return nil
}

func (l Loudness) MarshalJSON() ([]byte, error) { return []byte(l.String()), nil }

// String returns the level as a decimal number.
func (l Loudness) String() string { return strconv.FormatFloat(float64(l)/100, 'f', -1, 64) }

// LoudnessFacts are the facts of a unit that measures an audio rendition before it is encoded.
type LoudnessFacts struct {
	Integrated Loudness `json:"integrated"` // LUFS, of the whole track as ITU-R BS.1770 gates it
	Peak       Loudness `json:"peak"`       // dBTP, the highest of all channels
}

// Gain returns by how many hundredths of a decibel a track is amplified so that it has the loudness target, and whether that is less
// than the target needs, because peaks would exceed PeakLimit. A silent track is left as it is.
func (f LoudnessFacts) Gain(target Loudness) (gain Loudness, limited bool) {
	if f.Integrated <= silence {
		return 0, false
	}
	gain = target - f.Integrated
	if most := PeakLimit - f.Peak; gain > most {
		return max(most, min(gain, 0)), true
	}
	return gain, false
}

// Silent reports whether the track is.
func (f LoudnessFacts) Silent() bool { return f.Integrated <= silence }

// checkLoudness returns the problems of the loudness that o asks for. at is its pointer.
func (o Output) checkLoudness(at string) (ps Problems) {
	if o.Audio == nil || o.Audio.Loudness == 0 {
		return nil
	}
	const pointer = "/audio/loudness"
	switch l := o.Audio.Loudness; {
	case l < minLoudness || l > maxLoudness:
		ps = append(ps, Problem{at + pointer, l.String() + " is outside -50 to -5 LUFS"})
	case o.Audio.Codec == AudioNone:
		ps = append(ps, Problem{at + pointer, "the output has no audio; leave out one of the two"})
	case o.Audio.Codec == AudioCopy:
		ps = append(ps, Problem{at + pointer, "the loudness of what is copied cannot be changed; leave out one of the two"})
	}
	return ps
}
