package isobmff

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"math/bits"
	"slices"
	"time"

	"github.com/Eyevinn/mp4ff/mp4"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/media"
)

// MovieTrack is a track of a Movie. Its Entry is not used: the pieces bring theirs.
type MovieTrack struct {
	Track
	Delay  int64 // presentation time of the first sample that is shown, ticks, ≥ 0
	Skip   int64 // ticks of media before the first sample that is shown: an audio encoder's priming
	Length int64 // ticks that are shown; 0 is all
	Group  int   // tracks of the same group ≠ 0 are alternatives of which a player plays one
	// Flags say what the track is for: "forced", "comment", "hearing_impaired" and others that ffmpeg calls so.
	Flags []string
}

// Movie describes a progressive MP4.
type Movie struct {
	Tracks []MovieTrack
	// Brands are the file type's, the first being the major one. None: isom and what the tracks call for.
	Brands     []string
	Created    time.Time // the zero time leaves it out
	Title      string    // as players show it; may be empty
	Tags       []media.Tag
	Cover      []byte          // a JPEG or PNG picture; others are left out
	Chapters   []media.Chapter // in order of time, no two in the same millisecond
	Tool       string          // the program that made the file; may be empty
	Interleave time.Duration   // how much of a track lies in one stretch, from 1 ms to an hour; 0 is a second
}

// Range is a range of a piece's bytes. Chunk counts a track's calls of Add from 0, Offset from the piece's first byte.
type Range struct {
	Track, Chunk   int
	Offset, Length int64
}

// File is a finished movie: the header, then the ranges one after the other. The titles of the chapters, which are
// samples, belong to the header.
type File struct {
	Header int64 // its size
	Ranges []Range
	Size   int64 // of the whole file
}

// Stitcher folds pieces' sample tables into a movie's. It keeps a few bytes a sample in its Tables, and in memory what
// goes by pieces and seconds.
type Stitcher struct {
	movie  Movie
	tracks []*stitched
	spill  *spill // nil: all is in memory

	chapters *stitched // nil where there are none
	titles   []byte    // the samples of chapters
	chapter  MovieTrack
}

// stitched is a track as far as it was added.
type stitched struct {
	durations, offsets, sizes column
	sync                      column // numbers of sync samples, each as the distance from the one before
	lastSync                  int64
	pieces                    []stitchedPiece
	entries                   [][]byte
	timescale                 uint32

	start   int64 // decode time of the first sample
	now     int64 // decode time of the last sample
	pending int64 // its duration, which the next piece may change
	count   int64
	first   int64 // earliest presentation time
	last    int64 // latest presentation time
	lowest  int64 // smallest composition offset
	highest int64
}

type stitchedPiece struct {
	samples, header int64
	entry           int // index in entries
	guests          []seat
}

// seat is where a piece has bytes that are not its own: before which of its samples, and how many.
type seat struct {
	before int64
	bytes  int64
}

// NewStitcher starts a movie. Where tables is nil, what would go there is kept in memory.
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

// Add appends a stored piece to a track. Pieces come in order of time. Where one ends before the next starts, the last
// sample before the gap lasts until then; where one starts before the last sample of the piece before it is
// decoded, the pieces are Corrupt. The stitcher keeps nothing of the piece.
func (s *Stitcher) Add(track int, piece Chunk) error {
	if track < 0 || track >= len(s.tracks) {
		return fault.New(fault.Internal, "no track %d in a movie of %d", track, len(s.tracks))
	}
	t := s.tracks[track]
	if err := t.add(piece); err != nil {
		return fmt.Errorf("piece %d of track %d: %w", len(t.pieces), track, err)
	}
	return s.spilt()
}

// spilt is what went wrong with what was put aside.
func (s *Stitcher) spilt() error {
	if s.spill == nil {
		return nil
	}
	return s.spill.err
}

func (t *stitched) add(p Chunk) error {
	entry := slices.IndexFunc(t.entries, func(e []byte) bool { return bytes.Equal(e, p.Track.Entry) })
	switch {
	case len(p.Track.Entry) < 8:
		return fault.New(fault.Corrupt, "no sample description")
	case p.Header <= 0:
		return fault.New(fault.Internal, "the piece was not stored")
	case len(t.pieces) > 0 && p.Track.Timescale != t.timescale:
		return fault.New(fault.Corrupt, "timescale %d after %d", p.Track.Timescale, t.timescale)
	case p.Track.Timescale == 0:
		return fault.New(fault.Corrupt, "no timescale")
	case entry < 0 && len(t.entries) == math.MaxUint16:
		return fault.New(fault.Unsupported, "more than %d sample descriptions", len(t.entries))
	}
	if len(p.Samples) > 0 && t.count > 0 {
		gap := p.Start - t.now
		if gap < 0 || gap == 0 && t.pending > 0 {
			return fault.New(fault.Corrupt, "decode time goes back to %d, where the last sample has %d", p.Start, t.now)
		}
		if gap > math.MaxUint32 {
			return fault.New(fault.Unsupported, "a gap of %d ticks", gap)
		}
		t.pending = gap
	}
	if entry < 0 {
		entry = len(t.entries)
		t.entries = append(t.entries, p.Track.Entry)
	}
	t.timescale = p.Track.Timescale
	stored := stitchedPiece{int64(len(p.Samples)), p.Header, entry, nil}
	for _, g := range p.Interleaved {
		stored.guests = append(stored.guests, seat{int64(g.Before), g.Length})
	}
	t.pieces = append(t.pieces, stored)
	now := p.Start
	for _, sample := range p.Samples {
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

// Finish writes the header, some megabytes for each hour, and returns where the rest lies. The stitcher must not be used
// afterwards.
func (s *Stitcher) Finish(header io.Writer) (File, error) {
	scale := uint32(1)
	for i, t := range s.tracks {
		if t.count == 0 {
			return File{}, fault.New(fault.Corrupt, "track %d has no samples", i)
		}
		m := s.movie.Tracks[i]
		if m.Timescale != 0 && m.Timescale != t.timescale {
			return File{}, fault.New(fault.Internal, "track %d has timescale %d where the movie says %d", i, t.timescale, m.Timescale)
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
	ftyp, err := encode(s.fileType())
	if err != nil {
		return file, err
	}
	media := int64(len(s.titles))
	for _, r := range layout.ranges {
		media += r.Length
	}
	mdat := appendMdat(nil, media)

	moov, err := s.moov(scale, layout)
	if err != nil {
		return file, err
	}
	// Offsets take a fixed number of bytes, so the header's size is known before they are.
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
		return file, fault.New(fault.Unsupported, "sample tables of %d bytes", moov.Size())
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
	return file, s.spilt()
}

// layout says which samples make a chunk, and where the chunks lie.
type layout struct {
	ranges []Range
	tracks []trackLayout
	wide   bool // offsets need 64 bits
}

type trackLayout struct {
	chunks column // samples in each chunk
	entry  column // sample description of each chunk, from 0
	offset []int64
}

// widen makes offsets 64 bits wide and returns by how many bytes the header grows.
func (l *layout) widen() int64 {
	l.wide = true
	var n int64
	for _, t := range l.tracks {
		n += 4 * int64(len(t.offset))
	}
	return n
}

// moveTo turns chunk offsets that count from the first sample's byte into offsets in the file.
func (l *layout) moveTo(head int64) {
	for _, t := range l.tracks {
		for i := range t.offset {
			t.offset[i] += head
		}
	}
}

// layOut divides each track into chunks along a grid of the movie's time, so that the division into pieces leaves no
// trace, and puts the chunks of each grid cell side by side. All text comes first: it is little, and beside the picture it
// would cut what a store can copy whole.
func (s *Stitcher) layOut() (*layout, error) {
	l := &layout{tracks: make([]trackLayout, len(s.tracks))}
	chunkers := make([]*chunker, len(s.tracks))
	for i, t := range s.tracks {
		chunkers[i] = newChunker(t, s.movie.Tracks[i], newGrid(s.movie.Interleave, t.timescale))
	}
	at := int64(len(s.titles))
	if s.chapters != nil {
		titles := trackLayout{offset: []int64{0}}
		titles.chunks.add(s.chapters.count, 1)
		titles.entry.add(0, 1)
		l.tracks = append(l.tracks, titles)
	}
	for {
		next := -1
		for i, c := range chunkers {
			if c.left > 0 && (next < 0 || c.cell < chunkers[next].cell) {
				next = i
			}
		}
		if next < 0 {
			return l, nil
		}
		t := &l.tracks[next]
		n, size, entry := chunkers[next].chunk(func(piece int, offset, length int64) {
			l.ranges = appendRange(l.ranges, Range{next, piece, offset, length})
		})
		t.chunks.add(n, 1)
		t.entry.add(int64(entry), 1)
		t.offset = append(t.offset, at)
		at += size
	}
}

func appendRange(to []Range, r Range) []Range {
	if r.Length == 0 {
		return to
	}
	if n := len(to); n > 0 && to[n-1].Track == r.Track && to[n-1].Chunk == r.Chunk && to[n-1].Offset+to[n-1].Length == r.Offset {
		to[n-1].Length += r.Length
		return to
	}
	return append(to, r)
}

// chunker walks a track from chunk to chunk.
type chunker struct {
	pieces           []stitchedPiece
	durations, sizes *cursor
	grid             grid
	whole            bool // all of the track lies before the first cell

	left   int64 // samples left
	now    int64 // movie time of the next sample, ticks; negative while priming
	cell   int64 // its cell on the grid
	until  int64 // first tick that is in a later cell
	piece  int
	taken  int64 // samples of the piece
	seat   int   // guests of the piece that were passed
	offset int64 // of the next sample in the piece
}

func newChunker(t *stitched, m MovieTrack, cells grid) *chunker {
	c := &chunker{
		pieces: t.pieces, durations: t.durations.cursor(), sizes: t.sizes.cursor(),
		grid: cells, whole: m.Handler == "sbtl" || m.Handler == "text" || m.Handler == "subt", left: t.count, now: m.Delay - m.Skip, offset: t.pieces[0].header,
	}
	c.enter()
	c.settle()
	return c
}

// enter finds the cell of the next sample.
func (c *chunker) enter() {
	if c.whole {
		c.cell, c.until = -1, math.MaxInt64
		return
	}
	c.cell = c.grid.cell(c.now)
	c.until = c.grid.after(c.cell)
}

// settle moves on to the next sample, in the piece that holds it and past the guests before it.
func (c *chunker) settle() {
	for c.left > 0 && c.taken == c.pieces[c.piece].samples {
		c.piece++
		c.taken, c.seat, c.offset = 0, 0, c.pieces[c.piece].header
	}
	if c.left == 0 {
		return
	}
	for guests := c.pieces[c.piece].guests; c.seat < len(guests) && guests[c.seat].before == c.taken; c.seat++ {
		c.offset += guests[c.seat].bytes
	}
}

// chunk takes the samples of a chunk and reports where their bytes lie.
func (c *chunker) chunk(report func(piece int, offset, length int64)) (samples, size int64, entry int) {
	entry = c.pieces[c.piece].entry
	for c.left > 0 && c.pieces[c.piece].entry == entry {
		n := c.sizes.next()
		report(c.piece, c.offset, n)
		c.offset += n
		size += n
		samples++
		c.taken++
		c.left--
		c.now += c.durations.next()
		c.settle()
		if c.now >= c.until {
			break
		}
	}
	if c.left > 0 && c.now >= c.until {
		c.enter()
	}
	return samples, size, entry
}

func (s *Stitcher) fileType() mp4.Box {
	brands := s.movie.Brands
	if len(brands) == 0 {
		brands = []string{"isom", "iso6", "mp41"}
		for _, t := range s.tracks {
			for _, e := range t.entries {
				// Registered brands that tell a player which codec to expect.
				if kind := string(e[4:8]); (kind == "avc1" || kind == "av01") && !slices.Contains(brands, kind) {
					brands = append(brands, kind)
				}
			}
		}
	}
	return mp4.NewFtyp(brands[0], 512, brands)
}

// moov builds the movie box. Chunk offsets are those of the layout's own slices, so that moveTo reaches them.
func (s *Stitcher) moov(scale uint32, l *layout) (mp4.Box, error) {
	var created uint64
	if !s.movie.Created.IsZero() {
		created = uint64(max(0, s.movie.Created.Unix()+mp4.EpochDiffS))
	}
	mvhd := mp4.CreateMvhd()
	mvhd.CreationTime, mvhd.ModificationTime, mvhd.Timescale = created, created, scale
	mvhd.NextTrackID = uint32(len(s.tracks) + 1)
	content := []mp4.Box{mvhd}
	tracks, described := s.tracks, s.movie.Tracks
	var chapters uint32
	if s.chapters != nil {
		tracks, described = append(slices.Clone(tracks), s.chapters), append(slices.Clone(described), s.chapter)
		chapters = uint32(len(tracks))
		mvhd.NextTrackID++
	}
	for i, t := range tracks {
		m := described[i]
		edts, duration := t.edits(m, scale)
		mvhd.Duration = max(mvhd.Duration, duration)
		header := trakHeader{
			id: uint32(i + 1), created: created, movieDuration: duration,
			mediaDuration: uint64(t.now + t.pending - t.start), alternateGroup: m.Group, flags: m.Flags,
		}
		if m.Handler == "vide" || m.Handler == "soun" {
			header.chapters = chapters
		}
		m.Timescale = t.timescale
		content = append(content, newTrak(m.Track, header, edts, t.sampleTable(&l.tracks[i], l.wide)))
	}
	mvhd.Version = wide(created, mvhd.Duration)
	if udta := s.userData(); udta != nil {
		content = append(content, udta)
	}
	moov := mp4.NewMoovBox()
	moov.Children = content
	return moov, nil
}

// edits returns the edit list of a track and how long it is shown, in the movie's timescale, rounded up so that no
// frame is cut.
func (t *stitched) edits(m MovieTrack, scale uint32) (mp4.Box, uint64) {
	length := m.Length
	if length == 0 {
		// Frames that are shown in another order than decoded last as long altogether; the last one at least a tick.
		length = max(t.now+t.pending-t.start, t.last-t.first+1) - m.Skip
	}
	length = max(length, 0)
	var entries []mp4.ElstEntry
	var total uint64
	if m.Delay > 0 {
		total = uint64(rescale(m.Delay, int64(scale), int64(t.timescale)))
		entries = append(entries, mp4.ElstEntry{SegmentDuration: total, MediaTime: -1, MediaRateInteger: 1})
	}
	shown := rescaleUp(uint64(length), uint64(scale), uint64(t.timescale))
	start := t.first - t.start - t.lowest + m.Skip
	entries = append(entries, mp4.ElstEntry{SegmentDuration: shown, MediaTime: start, MediaRateInteger: 1})
	elst := &mp4.ElstBox{Entries: entries}
	if wide(total, shown) == 1 || start > math.MaxInt32 {
		elst.Version = 1
	}
	edts := &mp4.EdtsBox{}
	edts.AddChild(elst)
	return edts, total + shown
}

func rescaleUp(v, to, from uint64) uint64 {
	hi, lo := bits.Mul64(v, to)
	lo, carry := bits.Add64(lo, from-1, 0)
	hi += carry
	if hi >= from {
		return math.MaxInt64
	}
	q, _ := bits.Div64(hi, lo, from)
	return min(q, math.MaxInt64)
}

func (t *stitched) sampleTable(l *trackLayout, wide bool) mp4.Box {
	stbl := mp4.NewStblBox()
	stbl.AddChild(stsd(t.entries))
	stbl.AddChild(runTable("stts", &t.durations, 0))
	if t.lowest != 0 || t.highest != 0 {
		stbl.AddChild(runTable("ctts", &t.offsets, -t.lowest))
	}
	if t.sync.rows < t.count {
		stbl.AddChild(syncTable(&t.sync))
	}
	stbl.AddChild(chunkTable(l))
	stbl.AddChild(sizeTable(&t.sizes))
	stbl.AddChild(offsetTable(l.offset, wide))
	for _, b := range t.preRoll() {
		stbl.AddChild(b)
	}
	return stbl
}

// preRoll returns the sample groups that say how many samples a decoder must run before one that it may play, after a
// seek: 80 ms for Opus, which its mapping to ISOBMFF demands, and one frame for AAC, as ffmpeg and Apple write it.
func (t *stitched) preRoll() []mp4.Box {
	var samples int64
	switch string(t.entries[0][4:8]) {
	case "Opus":
		each := max(t.durations.cursor().next(), 1)
		samples = (int64(t.timescale)*80/1000 + each - 1) / each
	case "mp4a":
		samples = 1
	}
	if samples == 0 || samples > math.MaxInt16 || len(t.entries) > 1 {
		return nil
	}
	sgpd := append([]byte{1, 0, 0, 0}, "roll"...)
	sgpd = append(sgpd, 0, 0, 0, 2, 0, 0, 0, 1) // each entry has 2 bytes; one entry
	sgpd = binary.BigEndian.AppendUint16(sgpd, uint16(-int16(samples)))
	sbgp := append(make([]byte, 4), "roll"...)
	sbgp = binary.BigEndian.AppendUint32(sbgp, 1)
	sbgp = binary.BigEndian.AppendUint32(sbgp, uint32(t.count))
	sbgp = binary.BigEndian.AppendUint32(sbgp, 1)
	return []mp4.Box{rawBox("sgpd", sgpd), rawBox("sbgp", sbgp)}
}
