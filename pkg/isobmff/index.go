package isobmff

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/Eyevinn/mp4ff/mp4"

	"github.com/mapreel/mapreel/pkg/fault"
)

// Index is what a file's moov says, as far as cutting it needs to know.
type Index struct {
	// Fragmented: the samples lie in fragments, so the moov does not list them. Tracks then have no times.
	Fragmented bool
	Tracks     []TrackIndex
}

// TrackIndex is one track of an Index. Times are filled in for video tracks only.
type TrackIndex struct {
	ID        uint32
	Handler   string // "vide", "soun", "text", …
	Timescale uint32 // ticks per second, never 0
	Samples   int
	// Presentation holds the presentation times of the frames that are shown, sorted: what ffprobe reports as pts of
	// the packets that it does not mark as discarded. The edit list is applied.
	Presentation []int64
	// Sync holds those of sync samples, sorted.
	Sync []int64
	// End is when the last shown frame ends.
	End int64
	// Irregular: the edit list has more than an initial gap and one edit, or the tables do not cover the samples. Times
	// are then our best reading of what ffmpeg does.
	Irregular bool
	// Even, of a sound track: its samples follow each other, all equally long but perhaps the last, and the edit list
	// shows one stretch of them. So timestamps tell which sample of the sound is which.
	Even bool
}

// ReadIndex reads the index of an MP4 or MOV file of size bytes. It reads the boxes' headers, the small boxes of the moov
// and the sample tables of video tracks, wherever the moov lies, and nothing of mdat.
func ReadIndex(ctx context.Context, r io.ReaderAt, size int64) (*Index, error) {
	w := &window{r: r, size: size}
	moov, err := findMoov(ctx, w)
	if err != nil {
		return nil, err
	}
	index := &Index{}
	var movieScale uint32
	var traks []box
	err = w.children(moov.body, moov.end, func(b box) error {
		switch b.kind {
		case "mvhd":
			mvhd, err := decode[*mp4.MvhdBox](w, b, maxSmallBox)
			if err != nil {
				return err
			}
			movieScale = mvhd.Timescale
		case "mvex":
			index.Fragmented = true
		case "trak":
			if traks = append(traks, b); len(traks) > maxTracks {
				return fault.New(fault.Unsupported, "more than %d tracks", maxTracks)
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if movieScale == 0 {
		return nil, fault.New(fault.Corrupt, "the movie has no timescale")
	}
	for _, b := range traks {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		track, err := readTrak(w, b, movieScale, index.Fragmented)
		if err != nil {
			return nil, err
		}
		index.Tracks = append(index.Tracks, track)
	}
	return index, nil
}

// findMoov walks the top level. It goes on behind the moov, for an mdat that the file's end cuts off must be found now,
// not by a worker.
func findMoov(ctx context.Context, w *window) (box, error) {
	var moov box
	var sawMedia bool
	for at, n := int64(0), 0; at < w.size; n++ {
		if err := ctx.Err(); err != nil {
			return moov, err
		}
		if n == maxIndexBoxes {
			break
		}
		b, err := w.header(at, w.size)
		switch {
		case err != nil && fault.KindOf(err) != fault.Corrupt:
			return moov, err
		case err != nil && b.kind == "mdat" && b.end > 0, err != nil && !sawMedia:
			return moov, fault.WithHint(err, "the file is cut short or is no MP4")
		case err != nil: // rubbish behind the last box harms nobody
			at = w.size
			continue
		}
		switch b.kind {
		case "moov":
			if moov.kind == "" {
				moov = b
			}
		case "mdat":
			sawMedia = true
		case "moof": // a fragmented file's moov stands before its first fragment, and a walk over all of them is no index
			n = maxIndexBoxes - 1
		}
		at = b.end
	}
	if moov.kind == "" {
		return moov, fault.WithHint(fault.New(fault.Corrupt, "no moov among the file's boxes"),
			"the file is cut short or is no MP4")
	}
	return moov, nil
}

// tables are the places of a track's sample tables.
type tables struct {
	stts, ctts, stss, stsz, stps, sbgp box
}

func readTrak(w *window, trak box, movieScale uint32, fragmented bool) (TrackIndex, error) {
	var track TrackIndex
	var edits []edit
	var t tables
	var elsewhere bool
	var visit func(b box) error
	visit = func(b box) error {
		switch b.kind {
		case "edts", "mdia", "minf", "dinf", "stbl":
			return w.children(b.body, b.end, visit)
		case "dref":
			body, err := w.body(b, maxSmallBox)
			if err != nil {
				return err
			}
			elsewhere, err = refersElsewhere(body)
			return err
		case "tkhd":
			tkhd, err := decode[*mp4.TkhdBox](w, b, maxSmallBox)
			if err != nil {
				return err
			}
			track.ID = tkhd.TrackID
		case "mdhd":
			mdhd, err := decode[*mp4.MdhdBox](w, b, maxSmallBox)
			if err != nil {
				return err
			}
			track.Timescale = mdhd.Timescale
		case "hdlr":
			// QuickTime has a second one in minf, for the data.
			if track.Handler != "" {
				return nil
			}
			hdlr, err := decode[*mp4.HdlrBox](w, b, maxSmallBox)
			if err != nil {
				return err
			}
			track.Handler = hdlr.HandlerType
		case "elst":
			body, err := w.body(b, maxSmallBox)
			if err != nil {
				return err
			}
			edits, err = parseEdits(body)
			return err
		case "stts":
			t.stts = b
		case "ctts":
			t.ctts = b
		case "stss":
			t.stss = b
		case "stps":
			t.stps = b
		case "stsz", "stz2":
			t.stsz = b
		case "sbgp":
			body, err := w.body(box{kind: b.kind, start: b.start, body: b.body, end: min(b.end, b.body+8)}, 8)
			if err != nil {
				return err
			}
			if len(body) == 8 && string(body[4:8]) == "rap " {
				t.sbgp = b
			}
		}
		return nil
	}
	if err := w.children(trak.body, trak.end, visit); err != nil {
		return track, err
	}
	if track.Timescale == 0 {
		return track, fault.New(fault.Corrupt, "track %d has no timescale", track.ID)
	}
	if elsewhere && (track.Handler == "vide" || track.Handler == "soun") {
		return track, fault.WithHint(fault.New(fault.Unsupported, "track %d has its media in another file", track.ID),
			"save the film as a self-contained file first")
	}
	if fragmented || t.stsz.kind == "" {
		return track, nil
	}
	head, err := w.bytes(t.stsz.body, 12)
	if err != nil {
		return track, err
	}
	count := binary.BigEndian.Uint32(head[8:])
	track.Samples = int(count)
	if track.Handler == "soun" {
		track.Even, err = even(w, t.stts, edits)
		return track, err
	}
	if track.Handler != "vide" || count == 0 {
		return track, nil
	}
	if int64(count) > int64(maxSamples) {
		return track, fault.New(fault.Unsupported, "track %d has %d samples, more than the %d we accept", track.ID, count, maxSamples)
	}
	if binary.BigEndian.Uint32(head[4:]) == 0 && t.stsz.kind == "stsz" && int64(count)*4 > t.stsz.end-t.stsz.body-12 {
		return track, fault.New(fault.Corrupt, "box %v claims %d samples", t.stsz, count)
	}
	samples, shift, complete, err := readSamples(w.r, t, int(count))
	if err != nil {
		return track, fmt.Errorf("sample tables of track %d: %w", track.ID, err)
	}
	track.Irregular = !complete
	for i := range edits {
		edits[i].duration = rescale(edits[i].duration, int64(track.Timescale), int64(movieScale))
	}
	// A tick of the movie's timescale in the track's, rounded up: what an edit's end may lose by rounding.
	slack := (int64(track.Timescale) + int64(movieScale) - 1) / int64(movieScale)
	shown, err := applyEdits(samples, shift, edits, slack)
	if err != nil {
		return track, fmt.Errorf("track %d: %w", track.ID, err)
	}
	track.Presentation, track.Sync, track.End = shown.presentation, shown.sync, shown.end
	track.Irregular = track.Irregular || shown.irregular
	return track, nil
}

// refersElsewhere says whether a data reference box (ISO/IEC 14496-12, 8.7.2) names another file, by URL, URN or, in
// QuickTime, by an alias. Nobody here follows one. An entry without a name is the file itself, whatever its flag says.
func refersElsewhere(dref []byte) (bool, error) {
	for rest := dref[min(8, len(dref)):]; len(rest) > 0; {
		if len(rest) < 12 {
			return false, fault.New(fault.Corrupt, "a data reference is cut off")
		}
		size := int64(binary.BigEndian.Uint32(rest))
		if size < 12 || size > int64(len(rest)) {
			return false, fault.New(fault.Corrupt, "a data reference claims %d bytes of %d", size, len(rest))
		}
		const selfContained = 1
		if name := rest[12:size]; rest[11]&selfContained == 0 && len(bytes.Trim(name, "\x00")) > 0 {
			return true, nil
		}
		rest = rest[size:]
	}
	return false, nil
}

// even says whether a time-to-sample table has one duration, but perhaps for the last sample, and an edit list at most
// one edit after an initial gap.
func even(w *window, stts box, edits []edit) (bool, error) {
	if stts.kind == "" || stts.end-stts.body < 8 || len(edits) > 2 || len(edits) == 2 && edits[0].time != -1 {
		return false, nil
	}
	head, err := w.bytes(stts.body, 8)
	if err != nil {
		return false, err
	}
	rows := binary.BigEndian.Uint32(head[4:])
	if rows != 2 || stts.end-stts.body < 8+2*8 {
		return rows == 1, nil
	}
	table, err := w.bytes(stts.body+8, 16)
	if err != nil {
		return false, err
	}
	return binary.BigEndian.Uint32(table[8:]) == 1, nil
}

// sample is a row of the sample tables: sum of durations before it, composition offset, sync.
type sample struct {
	decode int64
	offset int32
	sync   bool
}

// readSamples unrolls a track's tables. shift is by how much libavformat moves decode times back because of negative
// offsets. complete: the tables cover the samples.
func readSamples(r io.ReaderAt, t tables, count int) (samples []sample, shift int64, complete bool, err error) {
	durations, err := openTable(r, t.stts, 8, 8)
	if err != nil {
		return nil, 0, false, err
	}
	samples = make([]sample, 0, count+1)
	complete = true
	var now, last int64
	for len(samples) < count {
		row, ok, err := durations.next()
		if err != nil {
			return nil, 0, false, err
		}
		n := int64(count - len(samples))
		if ok {
			n = min(n, int64(binary.BigEndian.Uint32(row)))
			last = int64(int32(binary.BigEndian.Uint32(row[4:])))
			if last < 0 { // libavformat's reading of a duration that turns time back
				last = 1
				complete = false
			}
		} else if complete = false; t.stts.kind == "" {
			return nil, 0, false, fault.New(fault.Corrupt, "no stts")
		}
		for range n {
			samples = append(samples, sample{decode: now})
			now += last
		}
	}
	if t.ctts.kind != "" {
		var whole bool
		if shift, whole, err = readOffsets(r, t.ctts, samples); err != nil {
			return nil, 0, false, err
		}
		complete = complete && whole
	}
	if err := readSync(r, t, samples); err != nil {
		return nil, 0, false, err
	}
	// The end of the last sample, for whoever wants its duration.
	samples = append(samples, sample{decode: now})
	return samples, shift, complete, nil
}

func readOffsets(r io.ReaderAt, ctts box, samples []sample) (shift int64, complete bool, err error) {
	offsets, err := openTable(r, ctts, 8, 8)
	if err != nil {
		return 0, false, err
	}
	at, rows := 0, offsets.left
	for {
		row, ok, err := offsets.next()
		if err != nil {
			return 0, false, err
		}
		if !ok {
			break
		}
		offset := int32(binary.BigEndian.Uint32(row[4:]))
		// libavformat looks at all rows but the last two.
		if rows > 2 && offsets.left >= 2 {
			shift = max(shift, -int64(offset))
		}
		for n := min(int64(binary.BigEndian.Uint32(row)), int64(len(samples)-at)); n > 0; n-- {
			samples[at].offset = offset
			at++
		}
	}
	return shift, at == len(samples), nil
}

// readSync marks sync samples: those of stss, all where there is none; QuickTime's partial sync samples (stps) and
// random access points of open GOPs (sbgp rap) as well, for ffmpeg starts decoding there too.
func readSync(r io.ReaderAt, t tables, samples []sample) error {
	if t.stss.kind == "" && t.stps.kind == "" && t.sbgp.kind == "" {
		for i := range samples {
			samples[i].sync = true
		}
		return nil
	}
	for _, b := range []box{t.stss, t.stps} {
		if b.kind == "" {
			continue
		}
		numbers, err := openTable(r, b, 8, 4)
		if err != nil {
			return err
		}
		for {
			row, ok, err := numbers.next()
			if err != nil {
				return err
			}
			if !ok {
				break
			}
			if n := binary.BigEndian.Uint32(row); n >= 1 && int64(n) <= int64(len(samples)) {
				samples[n-1].sync = true
			}
		}
	}
	if t.stss.kind == "" && t.stps.kind == "" {
		for i := range samples {
			samples[i].sync = true
		}
	}
	if t.sbgp.kind == "" {
		return nil
	}
	version := make([]byte, 1)
	if err := readFull(r, version, t.sbgp.body); err != nil {
		return err
	}
	head := int64(12) // version and flags, grouping type, count
	if version[0] == 1 {
		head += 4 // grouping type's parameter
	}
	groups, err := openTable(r, t.sbgp, head, 8)
	if err != nil {
		return err
	}
	for at := 0; ; {
		row, ok, err := groups.next()
		if err != nil || !ok {
			return err
		}
		in := binary.BigEndian.Uint32(row[4:]) > 0
		for n := min(int64(binary.BigEndian.Uint32(row)), int64(len(samples)-at)); n > 0; n-- {
			samples[at].sync = samples[at].sync || in
			at++
		}
	}
}

// table streams the rows of a sample table.
type table struct {
	name string
	r    *bufio.Reader
	row  [12]byte
	each int
	left uint32
}

// tableStep is what a table reads at once: large enough that a ranged read over the network pays.
const tableStep = 128 << 10

// openTable opens the table in b, whose rows of each bytes follow head bytes that end with their count.
func openTable(r io.ReaderAt, b box, head int64, each int) (*table, error) {
	t := &table{name: b.kind, each: each}
	if b.kind == "" {
		return t, nil
	}
	if b.end-b.body < head {
		return nil, fault.New(fault.Corrupt, "box %v is cut in its header", b)
	}
	space := b.end - b.body
	t.r = bufio.NewReaderSize(io.NewSectionReader(r, b.body, space), int(min(space, tableStep)))
	raw := make([]byte, head)
	if _, err := io.ReadFull(t.r, raw); err != nil {
		return nil, tableError(b.kind, err)
	}
	t.left = binary.BigEndian.Uint32(raw[head-4:])
	if int64(t.left)*int64(each) > space-head {
		return nil, fault.New(fault.Corrupt, "box %v claims %d rows in %d bytes", b, t.left, space)
	}
	return t, nil
}

func (t *table) next() (row []byte, ok bool, err error) {
	if t.left == 0 {
		return nil, false, nil
	}
	t.left--
	row = t.row[:t.each]
	if _, err := io.ReadFull(t.r, row); err != nil {
		return nil, false, tableError(t.name, err)
	}
	return row, true, nil
}

func tableError(name string, err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fault.Wrap(fault.Corrupt, err, "the file ends within "+name)
	}
	return fmt.Errorf("read %s: %w", name, err)
}

func sorted(times []int64) []int64 {
	slices.Sort(times)
	return times
}
