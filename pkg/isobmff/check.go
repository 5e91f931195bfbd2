package isobmff

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"sort"

	"github.com/Eyevinn/mp4ff/mp4"

	"github.com/mapreel/mapreel/pkg/fault"
)

// Expected is what a track of a finished movie must hold.
type Expected struct {
	Handler string
	Samples int
	// First and Last are the presentation times of the earliest and the latest sample on the movie's timeline, in ticks
	// of the track: a track's first is its Delay minus its Skip.
	First, Last int64
	// Times, where not nil, are all of them, sorted.
	Times []int64
}

// Check reads a finished movie back and compares it to what was planned, track by track in the file's order: the
// samples' number and presentation times, no two alike; a sync sample first; in a video track every sample within the
// edit; every chunk within mdat, none on another, and nothing of mdat left over. It needs the bytes up to mdat's content only, and
// takes nothing from the Stitcher on trust. What differs is an error of kind Corrupt.
func Check(r io.ReaderAt, size int64, want []Expected) error {
	w := &window{r: r, size: size}
	var moov, mdat box
	for at := int64(0); at < size && mdat.kind == ""; {
		b, err := w.header(at, size)
		if err != nil {
			return fmt.Errorf("check movie: %w", err)
		}
		switch b.kind {
		case "moov":
			moov = b
		case "mdat":
			mdat = b
		}
		at = b.end
	}
	switch {
	case moov.kind == "" || mdat.kind == "":
		return fault.New(fault.Corrupt, "check movie: no moov before the mdat")
	case mdat.end != size:
		return fault.New(fault.Corrupt, "check movie: mdat ends at byte %d of %d", mdat.end, size)
	}
	c := &checker{w: w, mdat: mdat}
	tracks := 0
	err := w.children(moov.body, moov.end, func(b box) error {
		switch b.kind {
		case "mvhd":
			mvhd, err := decode[*mp4.MvhdBox](w, b, maxSmallBox)
			if err != nil {
				return err
			}
			c.scale = int64(mvhd.Timescale)
		case "trak":
			if tracks++; tracks > len(want) {
				return nil
			}
			if err := c.track(b, want[tracks-1]); err != nil {
				return fmt.Errorf("track %d: %w", tracks, err)
			}
		}
		return nil
	})
	if err == nil && tracks != len(want) {
		err = fault.New(fault.Corrupt, "%d tracks where %d were planned", tracks, len(want))
	}
	if err == nil {
		err = c.checkChunks()
	}
	if err != nil {
		return fmt.Errorf("check movie: %w", err)
	}
	return nil
}

type checker struct {
	w      *window
	mdat   box
	scale  int64
	chunks []Extent
}

func (c *checker) track(trak box, want Expected) error {
	found := map[string]box{}
	var visit func(b box) error
	visit = func(b box) error {
		switch b.kind {
		case "mdia", "minf", "stbl", "edts":
			return c.w.children(b.body, b.end, visit)
		}
		found[b.kind] = b
		return nil
	}
	if err := c.w.children(trak.body, trak.end, visit); err != nil {
		return err
	}
	hdlr, err := decode[*mp4.HdlrBox](c.w, found["hdlr"], maxSmallBox)
	if err != nil {
		return err
	}
	mdhd, err := decode[*mp4.MdhdBox](c.w, found["mdhd"], maxSmallBox)
	if err != nil {
		return err
	}
	switch {
	case hdlr.HandlerType != want.Handler:
		return fault.New(fault.Corrupt, "handler %q where %q was planned", hdlr.HandlerType, want.Handler)
	case mdhd.Timescale == 0 || c.scale == 0:
		return fault.New(fault.Corrupt, "no timescale")
	}
	samples, err := c.readChunks(found)
	if err != nil {
		return err
	}
	if samples != want.Samples {
		return fault.New(fault.Corrupt, "%d samples where %d were planned", samples, want.Samples)
	}
	var start, shown, delay int64
	if samples > 0 {
		if start, shown, delay, err = c.edits(found["elst"], int64(mdhd.Timescale)); err != nil {
			return err
		}
	}
	move := delay - start
	var first, last int64
	n := 0
	end, err := c.times(found, samples, func(at int64) error {
		switch {
		case n == 0:
			first = at
		case at <= last:
			return fault.New(fault.Corrupt, "two samples are shown at %d", at+move)
		}
		if want.Times != nil && at+move != want.Times[n] {
			return fault.New(fault.Corrupt, "sample %d is shown at %d where %d was planned", n+1, at+move, want.Times[n])
		}
		last = at
		n++
		return nil
	})
	if err != nil {
		return err
	}
	if uint64(end) != mdhd.Duration {
		return fault.New(fault.Corrupt, "durations of %d ticks in a track of %d", end, mdhd.Duration)
	}
	if err := c.checkSync(found["stss"]); err != nil || samples == 0 {
		return err
	}
	if want.Handler == "vide" && (first < start || last >= start+shown) {
		return fault.New(fault.Corrupt, "samples from %d to %d where %d to %d are shown", first, last, start, start+shown)
	}
	if first+move != want.First || last+move != want.Last {
		return fault.New(fault.Corrupt, "shown from %d to %d where %d to %d was planned", first+move, last+move, want.First, want.Last)
	}
	return nil
}

// edits returns what a track's edit list shows: from media time start on, shown ticks, after a delay.
func (c *checker) edits(elst box, timescale int64) (start, shown, delay int64, err error) {
	body, err := c.w.body(elst, maxSmallBox)
	if err != nil {
		return 0, 0, 0, err
	}
	edits, err := parseEdits(body)
	if err != nil {
		return 0, 0, 0, err
	}
	if len(edits) == 2 && edits[0].time == -1 {
		delay = rescale(edits[0].duration, timescale, c.scale)
		edits = edits[1:]
	}
	if len(edits) != 1 || edits[0].time < 0 {
		return 0, 0, 0, fault.New(fault.Corrupt, "an edit list that no movie of ours has")
	}
	return edits[0].time, rescale(edits[0].duration, timescale, c.scale), delay, nil
}

// readChunks follows stsc, stsz and the chunk offsets, notes where the chunks lie and counts the samples.
func (c *checker) readChunks(found map[string]box) (samples int, err error) {
	offsets, width := found["stco"], 4
	if offsets.kind == "" {
		offsets, width = found["co64"], 8
	}
	chunks, err := openTable(c.w.r, offsets, 8, width)
	if err != nil {
		return 0, err
	}
	groups, err := openTable(c.w.r, found["stsc"], 8, 12)
	if err != nil {
		return 0, err
	}
	head, err := c.w.bytes(found["stsz"].body, 12)
	if err != nil {
		return 0, err
	}
	uniform := int64(binary.BigEndian.Uint32(head[4:]))
	count := int64(binary.BigEndian.Uint32(head[8:]))
	each := 4
	if uniform > 0 {
		each = 0
	}
	sizes, err := openTable(c.w.r, found["stsz"], 12, each)
	if err != nil {
		return 0, err
	}
	row, more, err := groups.next()
	var perChunk int64
	for n := uint32(1); err == nil; n++ {
		var at []byte
		var ok bool
		if at, ok, err = chunks.next(); err != nil || !ok {
			break
		}
		if more && binary.BigEndian.Uint32(row) == n {
			perChunk = int64(binary.BigEndian.Uint32(row[4:]))
			if binary.BigEndian.Uint32(row[8:]) == 0 {
				return 0, fault.New(fault.Corrupt, "chunk %d has no sample description", n)
			}
			row, more, err = groups.next()
		}
		chunk := Extent{Offset: int64(binary.BigEndian.Uint32(at))}
		if width == 8 {
			chunk.Offset = int64(binary.BigEndian.Uint64(at))
		}
		for range min(perChunk, count-int64(samples)) {
			size := uniform
			if uniform == 0 {
				row, _, err := sizes.next()
				if err != nil {
					return 0, err
				}
				size = int64(binary.BigEndian.Uint32(row))
			}
			chunk.Length += size
			samples++
		}
		c.chunks = append(c.chunks, chunk)
	}
	if err != nil {
		return 0, err
	}
	if int64(samples) != count {
		return 0, fault.New(fault.Corrupt, "chunks of %d samples in a track of %d", samples, count)
	}
	return samples, nil
}

// times reports the samples' presentation times in the media, from the earliest to the latest, and returns the sum of
// their durations. It holds those few that are decoded before others that are shown earlier.
func (c *checker) times(found map[string]box, samples int, report func(at int64) error) (end int64, err error) {
	durations, err := openRuns(c.w.r, found["stts"])
	if err != nil {
		return 0, err
	}
	offsets, err := openRuns(c.w.r, found["ctts"])
	if err != nil {
		return 0, err
	}
	reordered := found["ctts"].kind != ""
	var held []int64 // sorted
	for n := range samples {
		at := end
		if reordered {
			offset, ok, err := offsets.next()
			if err != nil {
				return 0, err
			}
			if !ok {
				return 0, fault.New(fault.Corrupt, "composition offsets of %d samples where there are %d", n, samples)
			}
			at += offset
		}
		duration, ok, err := durations.next()
		if err != nil {
			return 0, err
		}
		if !ok {
			return 0, fault.New(fault.Corrupt, "durations of %d samples where there are %d", n, samples)
		}
		end += duration
		i, _ := slices.BinarySearch(held, at)
		held = slices.Insert(held, i, at)
		for len(held) > 0 && held[0] <= end { // offsets are not negative: what is decoded from here on is shown from here on
			if err := report(held[0]); err != nil {
				return 0, err
			}
			held = held[1:]
		}
	}
	for _, at := range held {
		if err := report(at); err != nil {
			return 0, err
		}
	}
	for _, r := range []*runs{durations, offsets} {
		if _, more, err := r.next(); err != nil || more {
			return 0, cmp.Or(err, fault.New(fault.Corrupt, "more rows of %s than samples", r.table.name))
		}
	}
	return end, nil
}

// runs reads stts or ctts, rows of a count and a value, sample by sample.
type runs struct {
	table       *table
	left, value int64
}

func openRuns(r io.ReaderAt, b box) (*runs, error) {
	t, err := openTable(r, b, 8, 8)
	return &runs{table: t}, err
}

func (r *runs) next() (value int64, ok bool, err error) {
	for r.left == 0 {
		row, ok, err := r.table.next()
		if err != nil || !ok {
			return 0, false, err
		}
		r.left, r.value = int64(binary.BigEndian.Uint32(row)), int64(binary.BigEndian.Uint32(row[4:]))
	}
	r.left--
	return r.value, true, nil
}

func (c *checker) checkSync(stss box) error {
	if stss.kind == "" {
		return nil
	}
	numbers, err := openTable(c.w.r, stss, 8, 4)
	if err != nil {
		return err
	}
	row, ok, err := numbers.next()
	if err != nil {
		return err
	}
	if !ok || binary.BigEndian.Uint32(row) != 1 {
		return fault.New(fault.Corrupt, "the first sample is no sync sample")
	}
	return nil
}

func (c *checker) checkChunks() error {
	c.chunks = slices.DeleteFunc(c.chunks, func(e Extent) bool { return e.Length == 0 })
	sort.Slice(c.chunks, func(i, j int) bool { return c.chunks[i].Offset < c.chunks[j].Offset })
	at := c.mdat.body
	for _, e := range c.chunks {
		if e.Offset < at {
			return fault.New(fault.Corrupt, "a chunk at byte %d where the one before it ends at %d", e.Offset, at)
		}
		if e.Offset > at {
			return fault.New(fault.Corrupt, "%d bytes of no chunk at byte %d", e.Offset-at, at)
		}
		at += e.Length
	}
	if at != c.mdat.end {
		return fault.New(fault.Corrupt, "chunks end at byte %d where mdat ends at %d", at, c.mdat.end)
	}
	return nil
}
