package isobmff

import (
	"math"
	"slices"

	"github.com/mapreel/mapreel/pkg/fault"
)

// Sample is one frame of a track.
type Sample struct {
	Size     uint32 // bytes
	Duration uint32 // ticks until the next sample is decoded
	Offset   int32  // ticks from decoding to presentation; may be negative
	Sync     bool   // decoding may start here
}

// Track describes a chunk's track.
type Track struct {
	Handler   string // "vide", "soun", "text", "subt", …
	Timescale uint32 // ticks per second
	// Entry is the sample entry, one whole box ("avc1", "mp4a", …) without btrt: bit rates differ
	// between chunks even if the encoder's settings do not, and equal settings must give equal
	// bytes.
	Entry         []byte
	Width, Height uint32 // display size, 16.16 fixed point; 0 for audio
	Language      string // ISO 639-2/T; "" and "und" are undetermined
	Name          string // the title that ffmpeg and QuickTime show
	Enabled       bool   // played unless the viewer chooses another track
}

// Codec returns the sample entry's type, or "" if there is no entry.
func (t Track) Codec() string {
	if len(t.Entry) < 8 {
		return ""
	}
	return string(t.Entry[4:8])
}

// Chunk is one track's samples for one part of the timeline.
type Chunk struct {
	Track       Track
	Start       int64 // decode time of the first sample, ticks
	Samples     []Sample
	Header      int64              // bytes of the stored chunk before the first sample's; 0 if it is not stored
	Bytes       int64              // of all samples
	Interleaved []InterleavedRange // in the order in which they are stored
}

// Presentation returns the presentation times, sorted.
func (c Chunk) Presentation() []int64 {
	times := make([]int64, len(c.Samples))
	now := c.Start
	for i, s := range c.Samples {
		times[i] = now + int64(s.Offset)
		now += int64(s.Duration)
	}
	slices.Sort(times)
	return times
}

// End returns the decode time at which the last sample ends.
func (c Chunk) End() int64 {
	end := c.Start
	for _, s := range c.Samples {
		end += int64(s.Duration)
	}
	return end
}

// Shift returns the chunk moved by ticks, which may be negative. The result shares Samples.
func (c Chunk) Shift(ticks int64) Chunk {
	c.Start += ticks
	return c
}

// Slice returns the samples whose decode times lie in [from, until). Header is moved to the first
// of them, so the result still describes the stored bytes. It shares Samples.
func (c Chunk) Slice(from, until int64) Chunk {
	out, now := c, c.Start
	i := 0
	for ; i < len(c.Samples) && now < from; i++ {
		out.Header += int64(c.Samples[i].Size)
		now += int64(c.Samples[i].Duration)
	}
	out.Start, out.Bytes = now, 0
	first := i
	for ; i < len(c.Samples) && now < until; i++ {
		out.Bytes += int64(c.Samples[i].Size)
		now += int64(c.Samples[i].Duration)
	}
	out.Samples = c.Samples[first:i]
	return out
}

// Normalise returns the chunk with its sorted presentation times as decode times, and signed
// composition offsets that keep each sample's presentation time. Decode times then depend only on
// presentation times, not on the encoder's delay, so chunks that follow each other in presentation
// also do in decoding. The last sample keeps its duration. Samples that share a presentation time,
// or whose offset exceeds 32 bits, are fault.Corrupt.
func (c Chunk) Normalise() (Chunk, error) {
	if len(c.Samples) == 0 {
		return c, nil
	}
	times := c.Presentation()
	out := c
	out.Start = times[0]
	out.Samples = slices.Clone(c.Samples)
	out.Header = 0
	now := c.Start
	for i, s := range c.Samples {
		offset := now + int64(s.Offset) - times[i]
		now += int64(s.Duration)
		if offset != int64(int32(offset)) {
			return c, fault.New(fault.Corrupt, "sample %d has a composition offset of %d ticks", i+1, offset)
		}
		out.Samples[i].Offset = int32(offset)
		if i+1 == len(times) {
			break
		}
		duration := times[i+1] - times[i]
		if duration <= 0 {
			return c, fault.New(fault.Corrupt, "two samples are shown at tick %d", times[i])
		}
		if duration > math.MaxUint32 {
			return c, fault.New(fault.Unsupported, "the gap at tick %d is %d ticks long", times[i], duration)
		}
		out.Samples[i].Duration = uint32(duration)
	}
	return out, nil
}
