package isobmff

import (
	"fmt"
	"io"
	"math"
	"slices"
	"sort"

	"github.com/Eyevinn/mp4ff/mp4"

	"github.com/mapreel/mapreel/pkg/fault"
)

// SampleRun is a run of a piece's samples: what one media segment of a package holds.
type SampleRun struct {
	Chunk       // the samples; video is normalised
	End   int64 // presentation time at which the stretch ends and the next one starts, ticks
}

// Cut divides a piece at presentation times, which rise, into stretches in order; their samples are the piece's, none
// lost. The first stretch starts where the piece does; the last one lasts until end.
//
// A video piece is normalised first, and each time must be that of a sync sample that nothing reaches across: no frame
// decoded before it is shown after it, or the other way round. Any other time is fault.Corrupt. Elsewhere a cut falls on
// the first sample at or after its time, and a stretch that would be empty is left out.
func (p Chunk) Cut(at []int64, end int64) ([]SampleRun, error) {
	if len(p.Samples) == 0 {
		return nil, fault.New(fault.Corrupt, "a piece without samples cannot be cut")
	}
	if p.Track.Handler == "vide" {
		normal, err := p.Normalise()
		if err != nil {
			return nil, err
		}
		return normal.cut(at, end)
	}
	return p.cut(at, end)
}

func (p Chunk) cut(at []int64, end int64) ([]SampleRun, error) {
	video := p.Track.Handler == "vide"
	decode := make([]int64, len(p.Samples)+1)
	decode[0] = p.Start
	latest := int64(math.MinInt64) // latest presentation time of the samples so far
	reach := make([]int64, len(p.Samples)+1)
	for i, s := range p.Samples {
		reach[i] = latest
		latest = max(latest, decode[i]+int64(s.Offset))
		decode[i+1] = decode[i] + int64(s.Duration)
	}
	if end <= decode[len(p.Samples)-1] {
		return nil, fault.New(fault.Corrupt, "a piece that ends at %d has a sample at %d", end, decode[len(p.Samples)-1])
	}
	var out []SampleRun
	from := 0
	add := func(to int, end int64) {
		if to == from {
			return
		}
		s := SampleRun{Chunk: Chunk{Track: p.Track, Start: decode[from], Samples: slices.Clone(p.Samples[from:to])}, End: end}
		for _, sample := range s.Samples {
			s.Bytes += int64(sample.Size)
		}
		// The last sample lasts until the next stretch, whatever its encoder said.
		s.Samples[to-from-1].Duration = uint32(min(end-decode[to-1], math.MaxUint32))
		out = append(out, s)
		from = to
	}
	for i, t := range at {
		if i > 0 && t <= at[i-1] {
			return nil, fault.New(fault.Internal, "a cut at %d after one at %d", t, at[i-1])
		}
		n := sort.Search(len(p.Samples), func(n int) bool { return decode[n] >= t })
		if !video {
			if n < len(p.Samples) {
				add(n, decode[n])
			}
			continue
		}
		switch {
		case n == 0 || n == len(p.Samples) || decode[n] != t:
			return nil, fault.New(fault.Corrupt, "no frame is shown at %d, where a segment should start", t)
		case !p.Samples[n].Sync || p.Samples[n].Offset != 0 || reach[n] >= t:
			return nil, fault.New(fault.Corrupt, "the frame at %d, where a segment should start, depends on frames before it", t)
		}
		add(n, t)
	}
	add(len(p.Samples), end)
	return out, nil
}

// Segment is a stretch as a file of a package: fragments one after the other, in a video track one for each sync
// sample.
type Segment struct {
	Start, Duration int64 // presentation, ticks
	Bytes           int64 // of the file
	Fragments       []Fragment
}

// Fragment is a moof with its mdat.
type Fragment struct {
	Header []byte // everything before the first sample's bytes
	Bytes  int64  // of the samples that follow it
	// Keyframe is the range of the segment's file from the moof to the end of the fragment's first sample, which is all
	// that a player of I-frames reads; Start is when that frame is shown.
	Keyframe Extent
	Start    int64
}

// Segment lays a stretch out as a media segment. The first sample is decoded when it is shown, and no sample is shown
// before it is decoded. So the tfdt of the segment is its earliest presentation time, whatever the encoder's delay;
// segments that follow each other in presentation do so in decoding; and neither edit lists nor negative
// composition offsets are needed, which libavformat before 6.0 takes for a delay of the whole file.
//
// Fragments are numbered by their time in milliseconds, so that workers need not agree on how many each of them wrote.
func (s SampleRun) Segment() (Segment, error) {
	p := s.Chunk
	if p.Start < 0 {
		return Segment{}, fault.New(fault.Internal, "a segment at tick %d", p.Start)
	}
	if p.Track.Handler == "vide" {
		var err error
		if p, err = s.delayed(); err != nil {
			return Segment{}, err
		}
	}
	out := Segment{Start: s.Start, Duration: s.End - s.Start}
	for from, now := 0, p.Start; from < len(p.Samples); {
		part := Chunk{Track: p.Track, Start: now}
		to := from
		for to < len(p.Samples) && (to == from || p.Track.Handler != "vide" || !p.Samples[to].Sync) {
			part.Bytes += int64(p.Samples[to].Size)
			now += int64(p.Samples[to].Duration)
			to++
		}
		part.Samples = p.Samples[from:to]
		sequence := 1 + uint64(part.Start)*1000/uint64(p.Track.Timescale)
		header, err := part.fragment(uint32(min(sequence, math.MaxUint32)))
		if err != nil {
			return Segment{}, err
		}
		first := part.Samples[0]
		out.Fragments = append(out.Fragments, Fragment{
			Header: header, Bytes: part.Bytes, Start: part.Start + int64(first.Offset),
			Keyframe: Extent{Offset: out.Bytes, Length: int64(len(header)) + int64(first.Size)},
		})
		out.Bytes += int64(len(header)) + part.Bytes
		from = to
	}
	return out, nil
}

// Write writes the segment's file. It takes the samples' bytes from payload and no byte more, so one reader of a piece's
// samples serves its segments one after the other.
func (s Segment) Write(w io.Writer, payload io.Reader) error {
	for _, f := range s.Fragments {
		if _, err := w.Write(f.Header); err != nil {
			return fmt.Errorf("write segment: %w", err)
		}
		n, err := io.CopyN(w, payload, f.Bytes)
		if err == io.EOF { //nolint:errorlint // io.CopyN returns it bare
			return fault.New(fault.Corrupt, "a segment's samples end after %d of %d bytes", n, f.Bytes)
		}
		if err != nil {
			return fmt.Errorf("write segment: %w", err)
		}
	}
	return nil
}

// delayed returns the stretch's samples with decode times that are never later than their presentation times, and the
// composition offsets, none negative, that keep those.
//
// The latest decode time that a sample may have is the earliest presentation time from it on. Starting from the end,
// each sample gets that, or the one before its successor's by as much as the frames lie apart there. What
// would then fall before the first frame is spread evenly over the first frame's time on the screen.
func (s SampleRun) delayed() (Chunk, error) {
	p, err := s.Normalise()
	if err != nil {
		return p, err
	}
	n := len(p.Samples)
	times := make([]int64, n+1) // sorted presentation times
	shown := make([]int64, n)   // presentation times in order of decoding
	times[0] = p.Start
	for i, sample := range p.Samples {
		shown[i] = times[i] + int64(sample.Offset)
		times[i+1] = times[i] + int64(sample.Duration)
	}
	times[n] = s.End
	if shown[0] != p.Start {
		return p, fault.New(fault.Corrupt, "a segment at %d starts with the frame of %d", p.Start, shown[0])
	}
	decode, squeezed := latest(shown, times, true)
	if squeezed > 0 && min(decode[squeezed], times[1])-p.Start < int64(squeezed) {
		// One long wait moves all frames before it. Where they are too many for that, each goes as late as it can.
		decode, squeezed = latest(shown, times, false)
	}
	// The sample that fits first may be later than the second frame is shown, where frames lie unevenly.
	if squeezed > 0 {
		room := min(decode[squeezed], times[1]) - p.Start
		if room < int64(squeezed) {
			return p, fault.New(fault.Unsupported, "%d frames must be decoded within %d ticks at %d", squeezed, room, p.Start)
		}
		for i := range squeezed {
			decode[i] = p.Start + room*int64(i)/int64(squeezed)
		}
	}
	decode[0] = p.Start
	for i := range n {
		duration, offset := decode[i+1]-decode[i], shown[i]-decode[i]
		if duration <= 0 || offset < 0 || duration > math.MaxUint32 || offset > math.MaxInt32 {
			return p, fault.New(fault.Unsupported, "the frame at %d cannot be decoded at %d for %d ticks", shown[i], decode[i], duration)
		}
		p.Samples[i].Duration, p.Samples[i].Offset = uint32(duration), int32(offset)
	}
	return p, nil
}

// Sidx returns the index of segments that follow each other in one file, to stand right before the first: what a player
// of DASH reads of a rendition that is one file. Its size follows from their number alone, so that a writer may leave
// room for it. More than 65,535 segments, or a segment of 2 GiB, is fault.Unsupported.
func (t Track) Sidx(segments []Segment) ([]byte, error) {
	if len(segments) == 0 || len(segments) > math.MaxUint16 {
		return nil, fault.New(fault.Unsupported, "an index of %d segments", len(segments))
	}
	sidx := &mp4.SidxBox{Version: 1, ReferenceID: 1, Timescale: t.Timescale, EarliestPresentationTime: uint64(segments[0].Start)}
	for i, s := range segments {
		if s.Bytes > math.MaxInt32 || s.Duration > math.MaxUint32 {
			return nil, fault.New(fault.Unsupported, "segment %d of %d bytes and %d ticks in an index", i+1, s.Bytes, s.Duration)
		}
		sidx.SidxRefs = append(sidx.SidxRefs, mp4.SidxRef{
			ReferencedSize: uint32(s.Bytes), SubSegmentDuration: uint32(s.Duration), StartsWithSAP: 1, SAPType: 1,
		})
	}
	return encode(sidx)
}

// latest returns the latest decode times of samples shown at the given times, in order of decoding, and how many of the first
// samples would have to be decoded before the first frame is shown. times are the sorted ones, and the end. Regular samples
// keep the distance to the next that frames have there; others a tick.
func latest(shown, times []int64, regular bool) (decode []int64, squeezed int) {
	n := len(shown)
	decode = make([]int64, n+1)
	decode[n] = times[n]
	earliest := times[n]
	for i := n - 1; i >= 0; i-- {
		distance := int64(1)
		if regular {
			distance = times[i+1] - times[i]
		}
		earliest = min(earliest, shown[i])
		decode[i] = min(earliest, decode[i+1]-distance)
		if i > 0 && decode[i] <= times[0] {
			return decode, i + 1
		}
	}
	return decode, 0
}
