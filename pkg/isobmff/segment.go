package isobmff

import (
	"fmt"
	"io"
	"math"
	"slices"
	"sort"

	"github.com/Eyevinn/mp4ff/mp4"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/isobmff/internal/box"
)

// SampleRun is a run of consecutive samples of a chunk: those of one fragment of a package.
type SampleRun struct {
	Chunk       // the samples; video is normalised
	End   int64 // presentation time at which the run ends and the next one starts, ticks
	// Sequence is the number of the fragment that the run becomes (mfhd). The fragments of a track
	// count up from 1; Cut leaves it 0.
	Sequence uint32
}

// Cut divides a chunk into runs at the given presentation times, which must rise. Together the runs
// have all samples of the chunk. The first run starts where the chunk does; the last one lasts
// until end.
//
// A video chunk is normalised first. Each time must be that of a closed sync sample: no frame that
// is decoded before it is shown after it, and vice versa. Any other time is fault.Corrupt. In other
// tracks a cut falls on the first sample at or after its time, and empty runs are left out.
func (c Chunk) Cut(at []int64, end int64) ([]SampleRun, error) { return c.cutAt(at, end, true) }

// CutInOrder does what Cut does, but a run of video may also begin with a frame that is not a sync
// sample, if no frame is decoded before it and shown after it. A media segment must not begin with such
// a run.
func (c Chunk) CutInOrder(at []int64, end int64) ([]SampleRun, error) { return c.cutAt(at, end, false) }

func (c Chunk) cutAt(at []int64, end int64, sync bool) ([]SampleRun, error) {
	if len(c.Samples) == 0 {
		return nil, fault.New(fault.Corrupt, "a chunk without samples cannot be cut")
	}
	if c.Track.Handler == "vide" {
		normal, err := c.Normalise()
		if err != nil {
			return nil, err
		}
		return normal.cut(at, end, sync)
	}
	return c.cut(at, end, sync)
}

func (c Chunk) cut(at []int64, end int64, sync bool) ([]SampleRun, error) {
	video := c.Track.Handler == "vide"
	decode := make([]int64, len(c.Samples)+1)
	decode[0] = c.Start
	latest := int64(math.MinInt64) // latest presentation time of the samples so far
	reach := make([]int64, len(c.Samples)+1)
	for i, s := range c.Samples {
		reach[i] = latest
		latest = max(latest, decode[i]+int64(s.Offset))
		decode[i+1] = decode[i] + int64(s.Duration)
	}
	if end <= decode[len(c.Samples)-1] {
		return nil, fault.New(fault.Corrupt, "the last sample starts at %d, but the chunk ends at %d", decode[len(c.Samples)-1], end)
	}
	var out []SampleRun
	from := 0
	add := func(to int, end int64) {
		if to == from {
			return
		}
		s := SampleRun{Chunk: Chunk{Track: c.Track, Start: decode[from], Samples: slices.Clone(c.Samples[from:to])}, End: end}
		for _, sample := range s.Samples {
			s.Bytes += int64(sample.Size)
		}
		// The last sample lasts until the next run, whatever duration the encoder wrote.
		s.Samples[to-from-1].Duration = uint32(min(end-decode[to-1], math.MaxUint32))
		out = append(out, s)
		from = to
	}
	for i, t := range at {
		if i > 0 && t <= at[i-1] {
			return nil, fault.New(fault.Internal, "the cut at %d does not come after the previous one at %d", t, at[i-1])
		}
		n := sort.Search(len(c.Samples), func(n int) bool { return decode[n] >= t })
		if !video {
			if n < len(c.Samples) {
				add(n, decode[n])
			}
			continue
		}
		switch {
		case n == 0 || n == len(c.Samples) || decode[n] != t:
			return nil, fault.New(fault.Corrupt, "no frame is shown at %d, where a segment should start", t)
		case sync && !c.Samples[n].Sync || c.Samples[n].Offset != 0 || reach[n] >= t:
			return nil, fault.New(fault.Corrupt, "the frame at %d, where a segment should start, depends on earlier frames", t)
		}
		add(n, t)
	}
	add(len(c.Samples), end)
	return out, nil
}

// Segment is a media segment of a package: consecutive fragments.
type Segment struct {
	Start, Duration int64 // presentation, ticks
	Bytes           int64 // of the file
	Fragments       []Fragment
}

// Fragment is a moof with its mdat.
type Fragment struct {
	Header []byte // everything before the first sample's bytes
	Bytes  int64  // of the samples after the header
	// Keyframe is the range of the segment's file from the moof to the end of the fragment's first
	// sample: the bytes that a player reads for an I-frame playlist.
	Keyframe Extent
	Start    int64 // presentation time of the first sample, ticks
}

// NewSegment lays out runs that follow each other as a media segment, each run as a fragment. Composition times are
// delay ticks later than presentation times; for audio, delay is 0. Sample n of a run is decoded at the n-th smallest
// presentation time, so each sample's duration is that of a frame, and fragments that follow each other in presentation
// also do in decoding: a fragment's tfdt is its earliest presentation time, and its durations add up to the tfdt of the
// next one. Composition offsets include the delay, which the edit list of Track.DelayedInit takes back: none is
// negative, because libavformat before 6.0 takes that for a delay of the whole file. A frame that is shown earlier than
// the delay allows is decoded earlier.
func NewSegment(runs []SampleRun, delay int64) (Segment, error) {
	var out Segment
	for i, run := range runs {
		f, err := run.layOut(delay)
		if err != nil {
			return Segment{}, err
		}
		if i == 0 {
			out.Start = run.Start
		} else if end := runs[i-1].End; run.Start != end {
			return Segment{}, fault.New(fault.Internal, "the fragment at %d follows one that ends at %d", run.Start, end)
		}
		f.Keyframe.Offset = out.Bytes
		out.Fragments = append(out.Fragments, f)
		out.Bytes += int64(len(f.Header)) + f.Bytes
		out.Duration = run.End - out.Start
	}
	return out, nil
}

// layOut lays out the run as a fragment at the start of its segment.
func (s SampleRun) layOut(delay int64) (Fragment, error) {
	c := s.Chunk
	if c.Start < 0 {
		return Fragment{}, fault.New(fault.Internal, "a segment cannot start at tick %d", c.Start)
	}
	if c.Track.Codec() == "" {
		return Fragment{}, fault.New(fault.Internal, "the track has no sample entry")
	}
	if c.Track.Handler == "vide" {
		var err error
		if c, err = s.delayed(delay); err != nil {
			return Fragment{}, err
		}
	}
	if got := c.End(); got != s.End {
		return Fragment{}, fault.New(fault.Internal, "the samples of the segment at %d end at %d, not at %d", s.Start, got, s.End)
	}
	first := c.Samples[0]
	groups := box.PreRoll(c.Track.Entry, c.Track.Timescale, int64(first.Duration), int64(len(c.Samples)), box.FragmentGroup)
	header, err := c.fragment(s.Sequence, groups)
	if err != nil {
		return Fragment{}, err
	}
	return Fragment{
		Header: header, Bytes: c.Bytes, Start: c.Start + int64(first.Offset) - delay,
		Keyframe: Extent{Length: int64(len(header)) + int64(first.Size)},
	}, nil
}

// Write writes the segment's file. It reads exactly the segment's samples from payload, so one
// reader of a chunk's samples serves all of its segments in order.
func (s Segment) Write(w io.Writer, payload io.Reader) error {
	for _, f := range s.Fragments {
		if _, err := w.Write(f.Header); err != nil {
			return fmt.Errorf("write segment: %w", err)
		}
		n, err := io.CopyN(w, payload, f.Bytes)
		if err == io.EOF { //nolint:errorlint // io.CopyN returns it bare
			return fault.New(fault.Corrupt, "the segment's samples end after %d of %d bytes", n, f.Bytes)
		}
		if err != nil {
			return fmt.Errorf("write segment: %w", err)
		}
	}
	return nil
}

// delayed returns the run's samples with the decode times and composition offsets that Segment
// describes.
func (s SampleRun) delayed(delay int64) (Chunk, error) {
	c, err := s.Normalise()
	if err != nil {
		return c, err
	}
	n := len(c.Samples)
	decode := make([]int64, n+1)
	shown := make([]int64, n) // with the delay
	decode[0] = c.Start
	for i, sample := range c.Samples {
		shown[i] = decode[i] + int64(sample.Offset) + delay
		decode[i+1] = decode[i] + int64(sample.Duration)
	}
	decode[n] = s.End
	if shown[0]-delay != c.Start {
		return c, fault.New(fault.Corrupt, "the segment at %d starts with the frame shown at %d", c.Start, shown[0]-delay)
	}
	latest := s.End // at which the sample may be decoded
	for i, at := range slices.Backward(decode[:n]) {
		decode[i] = min(at, shown[i], latest)
		latest = decode[i] - 1
	}
	if decode[0] != c.Start {
		return c, fault.New(fault.Unsupported, "%d frames cannot be decoded in order within %d ticks at %d", n, s.End-c.Start, c.Start)
	}
	for i := range n {
		duration, offset := decode[i+1]-decode[i], shown[i]-decode[i]
		if duration <= 0 || offset < 0 || duration > math.MaxUint32 || offset > math.MaxInt32 {
			return c, fault.New(fault.Unsupported, "the frame at %d cannot be decoded at %d for %d ticks", shown[i], decode[i], duration)
		}
		c.Samples[i].Duration, c.Samples[i].Offset = uint32(duration), int32(offset)
	}
	return c, nil
}

// Sidx returns the segment index (ISO/IEC 14496-12, 8.16.3) of consecutive segments in one file, to
// be placed directly before the first. DASH players read it to find the segments. Its size depends
// only on their number, so a writer may reserve room for it. More than 65,535 segments, or a
// segment of 2 GiB, is fault.Unsupported.
func (t Track) Sidx(segments []Segment) ([]byte, error) {
	if len(segments) == 0 || len(segments) > math.MaxUint16 {
		return nil, fault.New(fault.Unsupported, "a segment index cannot list %d segments", len(segments))
	}
	sidx := &mp4.SidxBox{Version: 1, ReferenceID: 1, Timescale: t.Timescale, EarliestPresentationTime: uint64(segments[0].Start)}
	for i, s := range segments {
		if s.Bytes > math.MaxInt32 || s.Duration > math.MaxUint32 {
			return nil, fault.New(fault.Unsupported, "segment %d, of %d bytes and %d ticks, is too large for a segment index", i+1, s.Bytes, s.Duration)
		}
		sidx.SidxRefs = append(sidx.SidxRefs, mp4.SidxRef{
			ReferencedSize: uint32(s.Bytes), SubSegmentDuration: uint32(s.Duration), StartsWithSAP: 1, SAPType: 1,
		})
	}
	return box.Encode(sidx)
}
