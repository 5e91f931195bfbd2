// Package movieindex reads the index of MP4 and MOV files: the moov's sample tables and edit lists,
// which give the presentation time of each frame, the sync samples and the end of each track. It
// uses ranged reads and never reads mdat.
//
//	index, err := movieindex.Read(ctx, file, size)
//	times := index.Tracks[0].Presentation
//
// Times are ticks of the track's timescale. Errors carry fault.Corrupt if bytes contradict
// themselves and fault.Unsupported if the file is valid but beyond this package's limits. Errors of
// the reader keep their kind.
package movieindex

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/Eyevinn/mp4ff/mp4"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/isobmff/internal/box"
	"github.com/mapreel/mapreel/pkg/isobmff/internal/ticks"
)

// Limits on the reads and allocations that a file can cause.
const (
	// maxTopLevel limits the boxes before a file's moov, as each costs a ranged read.
	maxTopLevel = 4096
	// maxTracks limits the tracks of a moov.
	maxTracks = 1024
)

// maxSamples is box.MaxSamples, except while fuzzing, which would spend all its time on files of a
// few bytes that declare millions of samples.
var maxSamples = box.MaxSamples

// Index holds the parts of a file's moov that are needed to cut the file.
type Index struct {
	// Fragmented reports whether the samples lie in fragments. The moov then does not list them,
	// and Tracks have no times.
	Fragmented bool
	Tracks     []Track
	// Damage is the error, of kind fault.Corrupt, because of which samples of some track are
	// missing: the file ends within its media. nil if none are. See Track.Missing.
	Damage error
}

// Track is one track of an Index. Only video tracks have times.
type Track struct {
	ID        uint32
	Handler   string // "vide", "soun", "text", …
	Timescale uint32 // ticks per second, never 0
	Samples   int
	// Missing is how many of the samples do not lie wholly in the file. They have no times.
	Missing int
	// Presentation holds the sorted presentation times of the frames that are shown, with the edit
	// list applied: what ffprobe reports as pts of the packets that it does not mark as discarded.
	Presentation []int64
	// Sync holds the sorted presentation times of the sync samples that are shown.
	Sync []int64
	// End is when the last shown frame ends.
	End int64
	// Hidden is how many samples the demuxer gives to a decoder before the first that is shown, to be
	// decoded and not shown. Not all decoders heed that.
	Hidden int
	// Irregular reports whether the edit list has more than an initial gap and one edit, or the
	// tables do not cover all samples. The times are then a best effort to predict what ffmpeg
	// does.
	Irregular bool
	// Even reports, of an audio track, whether all samples but perhaps the last have the same
	// duration and the edit list shows one continuous range of them. Timestamps then identify the
	// PCM samples that a packet holds.
	Even bool

	tables      tables
	first       int   // the number in decode order of the first sample that the demuxer gives
	syncSamples []int // the numbers of the samples of Sync
}

// Read reads the index of an MP4 or MOV file of size bytes. It reads box headers, the small boxes
// of the moov and the sample tables of video tracks, wherever the moov lies, and never reads mdat.
func Read(ctx context.Context, file io.ReaderAt, size int64) (*Index, error) {
	r := &box.Reader{File: file, Size: size, Lenient: true}
	moov, hasMedia, cut, err := findMoov(ctx, r)
	if err != nil {
		return nil, err
	}
	index := &Index{}
	var movieScale uint32
	var traks []box.Box
	err = r.Children(moov, func(b box.Box) error {
		switch b.Type {
		case "mvhd":
			mvhd, err := box.Decode[*mp4.MvhdBox](r, b, box.MaxSmall)
			if err != nil {
				return err
			}
			movieScale = max(mvhd.Timescale, 1) // as ffmpeg takes a scale of 0
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
	if index.Fragmented && !hasMedia {
		return nil, fault.WithHint(fault.New(fault.Unsupported, "the file is an initialisation segment: it describes tracks and holds no media"), joinHint)
	}
	total := 0 // samples so far: a thousand tracks of MaxSamples would take minutes to look for
	for _, b := range traks {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		track, err := readTrak(r, b, movieScale, index.Fragmented, cut != nil && total < maxSamples)
		if err != nil {
			return nil, err
		}
		total += track.Samples
		if index.Tracks = append(index.Tracks, track); track.Missing > 0 {
			index.Damage = cut
		}
	}
	return index, nil
}

// joinHint is what to do with a segment of a package.
const joinHint = "join the initialisation segment and the media segments, in this order, to one file: cat init.mp4 *.m4s > film.mp4"

// findMoov walks the top level of the file. It continues after the moov, because cut media must be
// reported now rather than by a worker: cut is the error of a file that may end within its media.
// hasMedia reports whether it has any.
func findMoov(ctx context.Context, r *box.Reader) (moov box.Box, hasMedia bool, cut, err error) {
	const hint = "the file is truncated or is not an MP4"
	var sawMedia, sawFragment bool
	for at, n := int64(0), 0; at < r.Size; n++ {
		if err := ctx.Err(); err != nil {
			return moov, false, nil, err
		}
		if n == maxTopLevel {
			break
		}
		b, err := r.Header(at, r.Size)
		switch {
		case err != nil && fault.KindOf(err) != fault.Corrupt:
			return moov, false, nil, err
		case err != nil && b.Type == "mdat" && b.End > 0 && moov.Type != "":
			// The index is there, so what is left of the media can be decoded.
			return moov, true, err, nil
		case err != nil && b.Type == "mdat" && b.End > 0, err != nil && !sawMedia:
			return moov, false, nil, fault.WithHint(err, hint)
		case err != nil: // garbage after the last box does no harm
			at = r.Size
			continue
		}
		switch b.Type {
		case "moov":
			if moov.Type == "" {
				moov = b
			}
		case "mdat":
			sawMedia = true
			if raw, err := r.Bytes(at, 4); err == nil && binary.BigEndian.Uint32(raw) == 0 {
				cut = fault.New(fault.Corrupt, "the file ends within box %v, at byte %d", b, r.Size)
			}
		case "moof": // the moov of a fragmented file precedes the first fragment, so there is no need to walk over all of them
			n, sawFragment = maxTopLevel-1, true
		}
		at = b.End
	}
	switch {
	case moov.Type == "" && sawFragment:
		return moov, true, nil, fault.WithHint(fault.New(fault.Unsupported, "the file is a media segment, whose initialisation segment is missing"), joinHint)
	case moov.Type == "":
		return moov, false, nil, fault.WithHint(fault.New(fault.Corrupt, "the file has no moov"), hint)
	}
	return moov, sawMedia || sawFragment, cut, nil
}

// tables holds the boxes of a track's sample tables.
type tables struct {
	stsd, stts, ctts, stss, stsz, stps, sbgp, stsc, stco, co64 box.Box
}

// readTrak reads a track. cut reports that samples may lie beyond the end of the file.
func readTrak(r *box.Reader, trak box.Box, movieScale uint32, fragmented, cut bool) (Track, error) {
	var track Track
	var edits []box.Edit
	var t tables
	var external bool // the media lie in another file
	var scheme string // of encryption
	var visit func(b box.Box) error
	visit = func(b box.Box) error {
		switch b.Type {
		case "edts", "mdia", "minf", "dinf", "stbl":
			return r.Children(b, visit)
		case "dref":
			content, err := r.Content(b, box.MaxSmall)
			if err != nil {
				return err
			}
			external, err = isExternal(content)
			return err
		case "tkhd":
			tkhd, err := box.Decode[*mp4.TkhdBox](r, b, box.MaxSmall)
			if err != nil {
				return err
			}
			track.ID = tkhd.TrackID
		case "mdhd":
			mdhd, err := box.Decode[*mp4.MdhdBox](r, b, box.MaxSmall)
			if err != nil {
				return err
			}
			track.Timescale = mdhd.Timescale
		case "hdlr":
			// QuickTime has a second hdlr in minf, for the data.
			if track.Handler != "" {
				return nil
			}
			hdlr, err := box.Decode[*mp4.HdlrBox](r, b, box.MaxSmall)
			if err != nil {
				return err
			}
			track.Handler = hdlr.HandlerType
		case "elst":
			content, err := r.Content(b, box.MaxSmall)
			if err != nil {
				return err
			}
			edits, err = box.ParseEdits(content)
			return err
		case "stsd":
			t.stsd = b
			var err error
			scheme, err = encryption(r, b)
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
		case "stsc":
			t.stsc = b
		case "stco":
			t.stco = b
		case "co64":
			t.co64 = b
		case "sbgp":
			content, err := r.Content(box.Box{Type: b.Type, Start: b.Start, Body: b.Body, End: min(b.End, b.Body+8)}, 8)
			if err != nil {
				return err
			}
			if len(content) == 8 && string(content[4:8]) == "rap " {
				t.sbgp = b
			}
		}
		return nil
	}
	if err := r.Children(trak, visit); err != nil {
		return track, err
	}
	if track.Timescale == 0 {
		return track, fault.New(fault.Corrupt, "track %d has no timescale", track.ID)
	}
	if external && (track.Handler == "vide" || track.Handler == "soun") {
		return track, fault.WithHint(fault.New(fault.Unsupported, "track %d has its media in another file", track.ID),
			"save the film as a self-contained file first")
	}
	if scheme != "" && (track.Handler == "vide" || track.Handler == "soun") {
		return track, encryptedError(track, scheme)
	}
	if fragmented || t.stsz.Type == "" {
		return track, nil
	}
	head, err := r.Bytes(t.stsz.Body, 12)
	if err != nil {
		return track, err
	}
	count := binary.BigEndian.Uint32(head[8:])
	track.Samples = int(count)
	gone := func(int) {}
	countMissing := func() error {
		if !cut || int64(count) > int64(maxSamples) {
			return nil
		}
		err := eachExtent(r.File, t, int(count), func(n int, start, end uint64) {
			if end < start || end > uint64(r.Size) {
				track.Missing++
				gone(n)
			}
		})
		if err != nil {
			return fmt.Errorf("sample tables of track %d: %w", track.ID, err)
		}
		return nil
	}
	if track.Handler == "soun" {
		if track.Even, err = isEven(r, t.stts, edits); err != nil {
			return track, err
		}
		return track, countMissing()
	}
	if track.Handler != "vide" || count == 0 {
		return track, nil
	}
	if int64(count) > int64(maxSamples) {
		return track, fault.New(fault.Unsupported, "track %d has %d samples, more than the limit of %d", track.ID, count, maxSamples)
	}
	if binary.BigEndian.Uint32(head[4:]) == 0 && t.stsz.Type == "stsz" && int64(count)*4 > t.stsz.End-t.stsz.Body-12 {
		return track, fault.New(fault.Corrupt, "box %v declares %d samples in %d bytes", t.stsz, count, t.stsz.End-t.stsz.Body)
	}
	samples, shift, complete, err := readSamples(r.File, t, int(count))
	if err != nil {
		return track, fmt.Errorf("sample tables of track %d: %w", track.ID, err)
	}
	gone = func(n int) { samples[n].gone = true }
	if err := countMissing(); err != nil {
		return track, err
	}
	track.Irregular = !complete
	for i := range edits {
		edits[i].Duration = ticks.Rescale(edits[i].Duration, int64(track.Timescale), int64(movieScale))
	}
	// An edit's end may be early by a tick of the movie's timescale because of rounding. slack is
	// that in ticks of the track.
	slack := (int64(track.Timescale) + int64(movieScale) - 1) / int64(movieScale)
	shown, err := applyEdits(samples, shift, edits, slack)
	if err != nil {
		return track, fmt.Errorf("track %d: %w", track.ID, err)
	}
	track.Presentation, track.Sync, track.End, track.Hidden = shown.presentation, shown.sync, shown.end, shown.hidden
	track.tables, track.first, track.syncSamples = t, shown.first, shown.numbers
	track.Irregular = track.Irregular || shown.irregular
	return track, nil
}

// isExternal reports whether the content of a data reference box (ISO/IEC 14496-12, 8.7.2) names
// another file, by URL, URN or, in QuickTime, by an alias. mapreel does not follow such references.
// An entry without a name is the file itself, whatever its flag.
func isExternal(dref []byte) (bool, error) {
	for rest := dref[min(8, len(dref)):]; len(rest) > 0; {
		if len(rest) < 12 {
			return false, fault.New(fault.Corrupt, "a data reference is truncated")
		}
		size := int64(binary.BigEndian.Uint32(rest))
		if size < 12 || size > int64(len(rest)) {
			return false, fault.New(fault.Corrupt, "a data reference declares %d bytes where %d are left", size, len(rest))
		}
		const selfContained = 1
		if name := rest[12:size]; rest[11]&selfContained == 0 && len(bytes.Trim(name, "\x00")) > 0 {
			return true, nil
		}
		rest = rest[size:]
	}
	return false, nil
}

// isEven reports whether a time-to-sample table gives all samples but perhaps the last the same
// duration, and the edit list has at most one edit after an initial gap. See Track.Even.
func isEven(r *box.Reader, stts box.Box, edits []box.Edit) (bool, error) {
	if stts.Type == "" || stts.End-stts.Body < 8 || len(edits) > 2 || len(edits) == 2 && edits[0].Time != -1 {
		return false, nil
	}
	head, err := r.Bytes(stts.Body, 8)
	if err != nil {
		return false, err
	}
	rows := binary.BigEndian.Uint32(head[4:])
	if rows != 2 || stts.End-stts.Body < 8+2*8 {
		return rows == 1, nil
	}
	table, err := r.Bytes(stts.Body+8, 16)
	if err != nil {
		return false, err
	}
	return binary.BigEndian.Uint32(table[8:]) == 1, nil
}
