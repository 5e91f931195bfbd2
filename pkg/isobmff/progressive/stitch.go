package progressive

import (
	"bytes"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/isobmff"
	"github.com/mapreel/mapreel/pkg/isobmff/internal/box"
)

// Stitcher combines the sample tables of chunks into those of a movie. It stores a few bytes a
// sample in its Tables. In memory it keeps only data that grows with the number of chunks and of
// seconds.
type Stitcher struct {
	movie  Movie
	tracks []*stitched
	spill  *spill // nil if all sample tables stay in memory

	// The chapter track: chapters is nil if the movie has none, titles holds its samples.
	chapters *stitched
	titles   []byte
	chapter  Track
}

// stitched holds the samples that were added to a track.
type stitched struct {
	durations, offsets, sizes column
	sync                      column // numbers of the sync samples, as differences from the previous one
	lastSync                  int64  // number of the last sync sample
	inputs                    []input
	entries                   [][]byte // sample entries, all different
	timescale                 uint32

	start   int64 // decode time of the first sample
	now     int64 // decode time of the last sample
	pending int64 // duration of the last sample, which the next chunk may change
	count   int64 // samples
	first   int64 // earliest presentation time
	last    int64 // latest presentation time
	lowest  int64 // smallest composition offset
	highest int64 // largest composition offset
}

// input is a stored chunk that was added to a track.
type input struct {
	samples, header int64
	entry           int // index in entries
	interleaved     []gap
}

// gap is a place in a stored chunk with bytes of other tracks: so many bytes before one of its
// samples.
type gap struct {
	before int64
	bytes  int64
}

// NewStitcher starts a movie. If tables is nil, the sample tables are kept in memory.
func NewStitcher(movie Movie, tables Tables) *Stitcher {
	s := &Stitcher{movie: movie}
	if tables != nil {
		s.spill = &spill{file: tables}
	}
	for range movie.Tracks {
		c := column{spill: s.spill}
		s.tracks = append(s.tracks, &stitched{durations: c, offsets: c, sizes: c, sync: c})
	}
	return s
}

// Add appends a stored chunk to a track. Chunks must be added in order of time. If a chunk ends
// before the next one starts, its last sample is extended to the start of the next. A chunk that
// starts no later than the previous chunk's last sample is fault.Corrupt. The stitcher does not
// retain the chunk.
func (s *Stitcher) Add(track int, chunk isobmff.Chunk) error {
	if track < 0 || track >= len(s.tracks) {
		return fault.New(fault.Internal, "no track %d in a movie of %d", track, len(s.tracks))
	}
	t := s.tracks[track]
	if err := t.add(chunk); err != nil {
		return fmt.Errorf("chunk %d of track %d: %w", len(t.inputs), track, err)
	}
	return s.spillError()
}

// spillError returns the first error of reading or writing the Tables.
func (s *Stitcher) spillError() error {
	if s.spill == nil {
		return nil
	}
	return s.spill.err
}

func (t *stitched) add(c isobmff.Chunk) error {
	entry := slices.IndexFunc(t.entries, func(e []byte) bool { return bytes.Equal(e, c.Track.Entry) })
	switch {
	case len(c.Track.Entry) < 8:
		return fault.New(fault.Corrupt, "the chunk has no sample description")
	case c.Header <= 0:
		return fault.New(fault.Internal, "the chunk was not stored")
	case len(t.inputs) > 0 && c.Track.Timescale != t.timescale:
		return fault.New(fault.Corrupt, "the chunk has timescale %d, the track %d", c.Track.Timescale, t.timescale)
	case c.Track.Timescale == 0:
		return fault.New(fault.Corrupt, "the chunk has no timescale")
	case entry < 0 && len(t.entries) == math.MaxUint16:
		return fault.New(fault.Unsupported, "more than %d sample descriptions", len(t.entries))
	}
	if len(c.Samples) > 0 && t.count > 0 {
		distance := c.Start - t.now
		if distance < 0 || distance == 0 && t.pending > 0 {
			return fault.New(fault.Corrupt, "the chunk starts at decode time %d, the last sample before it at %d", c.Start, t.now)
		}
		if distance > math.MaxUint32 {
			return fault.New(fault.Unsupported, "the gap before the chunk makes a sample last %d ticks", distance)
		}
		t.pending = distance
	}
	if entry < 0 {
		entry = len(t.entries)
		t.entries = append(t.entries, c.Track.Entry)
	}
	t.timescale = c.Track.Timescale
	in := input{int64(len(c.Samples)), c.Header, entry, nil}
	for _, r := range c.Interleaved {
		in.interleaved = append(in.interleaved, gap{int64(r.Before), r.Length})
	}
	t.inputs = append(t.inputs, in)
	now := c.Start
	for _, sample := range c.Samples {
		if t.count > 0 {
			t.durations.add(t.pending, 1)
		} else {
			t.start, t.first, t.last = now, now+int64(sample.Offset), now+int64(sample.Offset)
		}
		t.count++
		t.now, t.pending = now, int64(sample.Duration)
		t.offsets.add(int64(sample.Offset), 1)
		t.sizes.add(int64(sample.Size), 1)
		if sample.Sync {
			t.sync.add(t.count-t.lastSync, 1)
			t.lastSync = t.count
		}
		t.lowest, t.highest = min(t.lowest, int64(sample.Offset)), max(t.highest, int64(sample.Offset))
		t.first, t.last = min(t.first, now+int64(sample.Offset)), max(t.last, now+int64(sample.Offset))
		now += int64(sample.Duration)
	}
	return nil
}

// Finish writes the header, some megabytes for each hour, and returns the layout of the file. The
// stitcher must not be used afterwards.
func (s *Stitcher) Finish(header io.Writer) (File, error) {
	scale := uint32(1)
	for i, t := range s.tracks {
		if t.count == 0 {
			return File{}, fault.New(fault.Corrupt, "track %d has no samples", i)
		}
		m := s.movie.Tracks[i]
		if m.Timescale != 0 && m.Timescale != t.timescale {
			return File{}, fault.New(fault.Internal, "track %d has timescale %d, the movie declares %d", i, t.timescale, m.Timescale)
		}
		if m.Delay < 0 || m.Skip < 0 || m.Length < 0 {
			return File{}, fault.New(fault.Internal, "track %d has delay %d, skip %d, length %d", i, m.Delay, m.Skip, m.Length)
		}
		scale = max(scale, t.timescale)
		t.durations.add(t.pending, 1)
	}
	var err error
	if len(s.movie.Chapters) > 0 {
		if s.chapters, s.chapter, s.titles, err = chapterTrack(s.movie.Chapters); err != nil {
			return File{}, err
		}
	}
	layout, err := s.layOut()
	if err != nil {
		return File{}, err
	}
	file := File{Ranges: layout.ranges}
	ftyp, err := box.Encode(s.fileType())
	if err != nil {
		return file, err
	}
	media := int64(len(s.titles))
	for _, r := range layout.ranges {
		media += r.Length
	}
	mdat := box.AppendMdat(nil, media)

	moov, err := s.moov(scale, layout)
	if err != nil {
		return file, err
	}
	// Offsets have a fixed width, so the header's size is known before the offsets are.
	head := int64(len(ftyp)) + int64(moov.Size()) + int64(len(mdat))
	file.Size = head + media
	if file.Size > math.MaxUint32 {
		head += layout.widen()
		file.Size = head + media
		if moov, err = s.moov(scale, layout); err != nil {
			return file, err
		}
	}
	layout.moveTo(head)
	if moov.Size() > math.MaxUint32 {
		return file, fault.New(fault.Unsupported, "the moov would have %d bytes", moov.Size())
	}
	file.Header = head + int64(len(s.titles))
	if _, err := header.Write(ftyp); err != nil {
		return file, fmt.Errorf("write ftyp: %w", err)
	}
	if err := moov.Encode(header); err != nil {
		return file, fmt.Errorf("write moov: %w", err)
	}
	if _, err := header.Write(append(mdat, s.titles...)); err != nil {
		return file, fmt.Errorf("write mdat: %w", err)
	}
	return file, s.spillError()
}
