package film

import "github.com/mapreel/mapreel/pkg/media"

// AudioPart is a part of a sound, encoded by itself: the samples Start ≤ n < End of the output's sample clock, counted
// from the track's first. The pieces of a sound cover it without gap or overlap, and their edges are multiples of
// the codec's frame. What lies after the last belongs to it.
type AudioPart struct {
	Rendition int  // index into Job.AudioRenditions
	Whole     bool // all of the sound: it is not cut
	Last      bool // of its sound
	Start     media.Ticks
	End       media.Ticks // 0 for the last piece: it is open
}

// Frame is how many samples a packet of the codec holds, as ffmpeg's encoders write it; 0 for what is not encoded. AAC:
// 1024 (ISO/IEC 14496-3). Opus: 20 ms of its 48 kHz, the length that libopus is asked for by default.
func (c AudioCodec) Frame() media.Ticks {
	switch c {
	case AAC:
		return 1024
	case Opus:
		return 960
	}
	return 0
}

// Priming is how many samples the encoder puts before the first one it is given: a frame for ffmpeg's AAC, the
// look-ahead of 6.5 ms for libopus.
func (c AudioCodec) Priming() media.Ticks {
	switch c {
	case AAC:
		return 1024
	case Opus:
		return 312
	}
	return 0
}

// AudioParts lists the pieces of all sounds, in the order of their units.
func (j Job) AudioParts() []AudioPart {
	var pieces []AudioPart
	for i, s := range j.AudioRenditions {
		if s.Parts < 2 {
			pieces = append(pieces, AudioPart{Rendition: i, Whole: true, Last: true})
			continue
		}
		for n := range s.Parts {
			p := AudioPart{Rendition: i, Start: media.Ticks(n) * s.Step, End: media.Ticks(n+1) * s.Step}
			if n == s.Parts-1 {
				p.Last, p.End = true, 0
			}
			pieces = append(pieces, p)
		}
	}
	return pieces
}

// SampleClock says how well a worker that starts reading in the middle of an audio track knows which sample it has.
type SampleClock string

const (
	ClockUnknown SampleClock = ""       // not: the track is read from its beginning
	ClockExact   SampleClock = "exact"  // timestamps count samples
	ClockFramed  SampleClock = "framed" // timestamps are rounded, and all packets hold equally many samples
)

// Overlap is what a piece of sound tells of its packets around an edge, for the choice of where it is joined to its
// neighbour. Packets are counted from the sound's first.
type Overlap struct {
	First  int      `json:"first"`            // number of the first packet told of
	Sums   []uint32 `json:"sums"`             // CRC-32 of each packet
	Shapes []byte   `json:"shapes,omitempty"` // of each: how its transform meets its neighbours'
	RMS    []int32  `json:"rms,omitempty"`    // root mean square of the samples that each packet completes
}
