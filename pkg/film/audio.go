package film

import "github.com/mapreel/mapreel/pkg/media"

// AudioPart is a part of an audio rendition that one unit encodes: the samples Start ≤ n < End of
// the rendition's sample clock, counted from the track's first sample. The parts cover the track
// without gap or overlap, and their edges are multiples of the codec's frame. The last part has no
// fixed end: it runs to the end of the track.
type AudioPart struct {
	Rendition int  // index into Job.AudioRenditions
	Whole     bool // the whole track, in one pass
	Last      bool // of its rendition
	Start     media.Ticks
	End       media.Ticks // 0 for the last part
}

// AudioParts lists the parts of all audio renditions, in the order of their units.
func (j Job) AudioParts() []AudioPart {
	var parts []AudioPart
	for i, r := range j.AudioRenditions {
		if r.Parts < 1 {
			parts = append(parts, AudioPart{Rendition: i, Whole: true, Last: true})
			continue
		}
		for n := range r.Parts {
			p := AudioPart{Rendition: i, Start: media.Ticks(n) * r.Step, End: media.Ticks(n+1) * r.Step}
			if n == r.Parts-1 {
				p.Last, p.End = true, 0
			}
			parts = append(parts, p)
		}
	}
	return parts
}

// Frame returns the number of samples in a packet that ffmpeg's encoder for the codec writes; 0 for
// a copy. AAC: 1024 (ISO/IEC 14496-3). Opus: 20 ms at 48 kHz, the frame duration that ffmpeg asks
// libopus for by default.
func (c AudioCodec) Frame() media.Ticks {
	switch c {
	case AAC:
		return 1024
	case Opus:
		return 960
	}
	return 0
}

// Priming returns the number of samples that ffmpeg's encoder for the codec puts before the first
// sample it is given: one frame for AAC, the look-ahead of 6.5 ms for libopus.
func (c AudioCodec) Priming() media.Ticks {
	switch c {
	case AAC:
		return 1024
	case Opus:
		return 312
	}
	return 0
}
