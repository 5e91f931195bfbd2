package progressive

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"sort"

	"github.com/Eyevinn/mp4ff/mp4"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/isobmff"
	"github.com/mapreel/mapreel/pkg/isobmff/internal/box"
	"github.com/mapreel/mapreel/pkg/isobmff/internal/ticks"
)

// Expected describes what a track of a finished movie must contain.
type Expected struct {
	Handler string
	Samples int
	// First and Last are the presentation times of the earliest and the latest sample on the
	// movie's timeline, in ticks of the track. A track's first is its Delay minus its Skip.
	First, Last int64
	// Times are all presentation times, sorted; nil if they are not to be compared.
	Times []int64
}

// Check reads a finished movie and compares it with the expected tracks, in the file's order. It
// checks the number of samples and their presentation times, no two of which may be equal; that the
// first sample is a sync sample; that every sample of a video track lies within the edit; and that
// chunks fill mdat exactly, without overlap or gap. It needs only the bytes up to mdat's content,
// and does not rely on the Stitcher. A difference is an error of kind fault.Corrupt.
func Check(file io.ReaderAt, size int64, want []Expected) error {
	r := &box.Reader{File: file, Size: size}
	var moov, mdat box.Box
	for at := int64(0); at < size && mdat.Type == ""; {
		b, err := r.Header(at, size)
		if err != nil {
			return fmt.Errorf("check movie: %w", err)
		}
		switch b.Type {
		case "moov":
			moov = b
		case "mdat":
			mdat = b
		}
		at = b.End
	}
	switch {
	case moov.Type == "" || mdat.Type == "":
		return fault.New(fault.Corrupt, "check movie: there is no moov before the mdat")
	case mdat.End != size:
		return fault.New(fault.Corrupt, "check movie: mdat ends at byte %d of %d", mdat.End, size)
	}
	c := &checker{r: r, mdat: mdat}
	tracks := 0
	err := r.Children(moov, func(b box.Box) error {
		switch b.Type {
		case "mvhd":
			mvhd, err := box.Decode[*mp4.MvhdBox](r, b, box.MaxSmall)
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
		err = fault.New(fault.Corrupt, "the file has %d tracks, expected %d", tracks, len(want))
	}
	if err == nil {
		err = c.checkChunks()
	}
	if err != nil {
		return fmt.Errorf("check movie: %w", err)
	}
	return nil
}

// checker holds the parts of a movie that concern all tracks.
type checker struct {
	r      *box.Reader
	mdat   box.Box
	scale  int64            // the movie's timescale
	chunks []isobmff.Extent // of all tracks
}

// track compares a track with the expected one and collects its chunks.
func (c *checker) track(trak box.Box, want Expected) error {
	found := map[string]box.Box{}
	var visit func(b box.Box) error
	visit = func(b box.Box) error {
		switch b.Type {
		case "mdia", "minf", "stbl", "edts":
			return c.r.Children(b, visit)
		}
		found[b.Type] = b
		return nil
	}
	if err := c.r.Children(trak, visit); err != nil {
		return err
	}
	hdlr, err := box.Decode[*mp4.HdlrBox](c.r, found["hdlr"], box.MaxSmall)
	if err != nil {
		return err
	}
	mdhd, err := box.Decode[*mp4.MdhdBox](c.r, found["mdhd"], box.MaxSmall)
	if err != nil {
		return err
	}
	switch {
	case hdlr.HandlerType != want.Handler:
		return fault.New(fault.Corrupt, "the handler is %q, expected %q", hdlr.HandlerType, want.Handler)
	case mdhd.Timescale == 0 || c.scale == 0:
		return fault.New(fault.Corrupt, "no timescale")
	}
	samples, err := c.readChunks(found)
	if err != nil {
		return err
	}
	if samples != want.Samples {
		return fault.New(fault.Corrupt, "the track has %d samples, expected %d", samples, want.Samples)
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
			return fault.New(fault.Corrupt, "sample %d is shown at %d, expected %d", n+1, at+move, want.Times[n])
		}
		last = at
		n++
		return nil
	})
	if err != nil {
		return err
	}
	if uint64(end) != mdhd.Duration {
		return fault.New(fault.Corrupt, "the samples last %d ticks, the track declares %d", end, mdhd.Duration)
	}
	if err := c.checkSync(found["stss"]); err != nil || samples == 0 {
		return err
	}
	if want.Handler == "vide" && (first < start || last >= start+shown) {
		return fault.New(fault.Corrupt, "the samples lie from %d to %d, the edit list shows %d to %d", first, last, start, start+shown)
	}
	if first+move != want.First || last+move != want.Last {
		return fault.New(fault.Corrupt, "samples are shown from %d to %d, expected %d to %d", first+move, last+move, want.First, want.Last)
	}
	return nil
}

// edits returns what a track's edit list shows: shown ticks of media from time start on, after a
// delay, all in ticks of the track.
func (c *checker) edits(elst box.Box, timescale int64) (start, shown, delay int64, err error) {
	body, err := c.r.Content(elst, box.MaxSmall)
	if err != nil {
		return 0, 0, 0, err
	}
	edits, err := box.ParseEdits(body)
	if err != nil {
		return 0, 0, 0, err
	}
	if len(edits) == 2 && edits[0].Time == -1 {
		delay = ticks.Rescale(edits[0].Duration, timescale, c.scale)
		edits = edits[1:]
	}
	if len(edits) != 1 || edits[0].Time < 0 {
		return 0, 0, 0, fault.New(fault.Corrupt, "the edit list has other edits than a delay and one edit")
	}
	return edits[0].Time, ticks.Rescale(edits[0].Duration, timescale, c.scale), delay, nil
}

// readChunks reads stsc, stsz and the chunk offsets, collects the places of the chunks and counts
// the samples.
func (c *checker) readChunks(found map[string]box.Box) (samples int, err error) {
	offsets, width := found["stco"], 4
	if offsets.Type == "" {
		offsets, width = found["co64"], 8
	}
	chunks, err := box.OpenTable(c.r.File, offsets, 8, width)
	if err != nil {
		return 0, err
	}
	groups, err := box.OpenTable(c.r.File, found["stsc"], 8, 12)
	if err != nil {
		return 0, err
	}
	head, err := c.r.Bytes(found["stsz"].Body, 12)
	if err != nil {
		return 0, err
	}
	uniform := int64(binary.BigEndian.Uint32(head[4:]))
	count := int64(binary.BigEndian.Uint32(head[8:]))
	each := 4
	if uniform > 0 {
		each = 0
	}
	sizes, err := box.OpenTable(c.r.File, found["stsz"], 12, each)
	if err != nil {
		return 0, err
	}
	row, more, err := groups.Next()
	var perChunk int64
	for n := uint32(1); err == nil; n++ {
		var at []byte
		var ok bool
		if at, ok, err = chunks.Next(); err != nil || !ok {
			break
		}
		if more && binary.BigEndian.Uint32(row) == n {
			perChunk = int64(binary.BigEndian.Uint32(row[4:]))
			if binary.BigEndian.Uint32(row[8:]) == 0 {
				return 0, fault.New(fault.Corrupt, "chunk %d has no sample description", n)
			}
			row, more, err = groups.Next()
		}
		chunk := isobmff.Extent{Offset: int64(binary.BigEndian.Uint32(at))}
		if width == 8 {
			chunk.Offset = int64(binary.BigEndian.Uint64(at))
		}
		for range min(perChunk, count-int64(samples)) {
			size := uniform
			if uniform == 0 {
				row, _, err := sizes.Next()
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
		return 0, fault.New(fault.Corrupt, "the chunks have %d samples, the track %d", samples, count)
	}
	return samples, nil
}

// times reports the samples' presentation times in the media, from the earliest to the latest, and
// returns the sum of their durations. It buffers the few samples that are decoded before others
// that are shown earlier.
func (c *checker) times(found map[string]box.Box, samples int, report func(at int64) error) (end int64, err error) {
	durations, err := openRuns(c.r.File, found["stts"])
	if err != nil {
		return 0, err
	}
	offsets, err := openRuns(c.r.File, found["ctts"])
	if err != nil {
		return 0, err
	}
	reordered := found["ctts"].Type != ""
	var held []int64 // sorted
	for n := range samples {
		at := end
		if reordered {
			offset, ok, err := offsets.next()
			if err != nil {
				return 0, err
			}
			if !ok {
				return 0, fault.New(fault.Corrupt, "the ctts describes %d samples of %d", n, samples)
			}
			at += offset
		}
		duration, ok, err := durations.next()
		if err != nil {
			return 0, err
		}
		if !ok {
			return 0, fault.New(fault.Corrupt, "the stts describes %d samples of %d", n, samples)
		}
		end += duration
		i, _ := slices.BinarySearch(held, at)
		held = slices.Insert(held, i, at)
		for len(held) > 0 && held[0] <= end { // offsets are not negative, so samples decoded later are shown no earlier than end
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
			return 0, cmp.Or(err, fault.New(fault.Corrupt, "the %s describes more samples than the track has", r.table.Name))
		}
	}
	return end, nil
}

// runs reads stts or ctts, rows of a count and a value, sample by sample.
type runs struct {
	table       *box.Table
	left, value int64
}

func openRuns(r io.ReaderAt, b box.Box) (*runs, error) {
	t, err := box.OpenTable(r, b, 8, 8)
	return &runs{table: t}, err
}

func (r *runs) next() (value int64, ok bool, err error) {
	for r.left == 0 {
		row, ok, err := r.table.Next()
		if err != nil || !ok {
			return 0, false, err
		}
		r.left, r.value = int64(binary.BigEndian.Uint32(row)), int64(binary.BigEndian.Uint32(row[4:]))
	}
	r.left--
	return r.value, true, nil
}

// checkSync checks that the first sample is a sync sample.
func (c *checker) checkSync(stss box.Box) error {
	if stss.Type == "" {
		return nil
	}
	numbers, err := box.OpenTable(c.r.File, stss, 8, 4)
	if err != nil {
		return err
	}
	row, ok, err := numbers.Next()
	if err != nil {
		return err
	}
	if !ok || binary.BigEndian.Uint32(row) != 1 {
		return fault.New(fault.Corrupt, "the first sample is not a sync sample")
	}
	return nil
}

// checkChunks checks that the chunks of all tracks fill mdat exactly.
func (c *checker) checkChunks() error {
	c.chunks = slices.DeleteFunc(c.chunks, func(e isobmff.Extent) bool { return e.Length == 0 })
	sort.Slice(c.chunks, func(i, j int) bool { return c.chunks[i].Offset < c.chunks[j].Offset })
	at := c.mdat.Body
	for _, e := range c.chunks {
		if e.Offset < at {
			return fault.New(fault.Corrupt, "a chunk starts at byte %d, before the end of the previous one at %d", e.Offset, at)
		}
		if e.Offset > at {
			return fault.New(fault.Corrupt, "%d bytes at byte %d belong to no chunk", e.Offset-at, at)
		}
		at += e.Length
	}
	if at != c.mdat.End {
		return fault.New(fault.Corrupt, "the chunks end at byte %d, mdat at %d", at, c.mdat.End)
	}
	return nil
}
