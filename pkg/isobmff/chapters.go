package isobmff

import (
	"encoding/binary"
	"math"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/Eyevinn/mp4ff/mp4"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/media"
)

const (
	// chapterScale is the timescale of the chapter track: milliseconds, as ffmpeg writes it, for a chapter may be hours
	// long and a sample's duration has 32 bits.
	chapterScale = 1000
	// maxNeroChapters and maxNeroTitle are what the fields of Nero's list, of one byte each, can count.
	maxNeroChapters, maxNeroTitle = 255, 255
)

// ChapterTrack is what Check finds of the chapters' track, the last of a movie that has chapters.
func ChapterTrack(chapters []media.Chapter) Expected {
	e := Expected{Handler: "text", Samples: len(chapters)}
	for _, c := range chapters {
		e.Times = append(e.Times, chapterTick(c.Start))
	}
	if n := len(e.Times); n > 0 {
		e.First, e.Last = e.Times[0], e.Times[n-1]
	}
	return e
}

func chapterTick(us media.Ticks) int64 { return int64(us+500) / 1000 }

// chapterTrack is the text track that QuickTime's and Apple's players, and ffmpeg, read chapters from (QuickTime File
// Format, "Chapter Lists"): each sample is a title that is shown until the next one. Its bytes stand at the front of
// the mdat. ends is the track that the samples' table describes.
func chapterTrack(chapters []media.Chapter) (t *stitched, m MovieTrack, payload []byte, err error) {
	t, m = &stitched{}, MovieTrack{Track: Track{Handler: "text", Entry: chapterEntry()}, Delay: chapterTick(chapters[0].Start)}
	p := Chunk{Track: Track{Handler: "text", Timescale: chapterScale, Entry: m.Entry}, Header: 1}
	for i, c := range chapters {
		end := chapterTick(c.End)
		if i+1 < len(chapters) {
			end = chapterTick(chapters[i+1].Start)
		}
		d := end - chapterTick(c.Start)
		if c.Start < 0 || d <= 0 || d > math.MaxUint32 {
			return t, m, nil, fault.New(fault.Internal, "chapter %d lies from %d to %d", i+1, c.Start, c.End)
		}
		title := cutText(c.Title, math.MaxUint16)
		sample := append(binary.BigEndian.AppendUint16(nil, uint16(len(title))), title...)
		sample = append(sample, 0, 0, 0, 12, 'e', 'n', 'c', 'd', 0, 0, 1, 0) // UTF-8
		p.Samples = append(p.Samples, Sample{Size: uint32(len(sample)), Duration: uint32(d), Sync: true})
		payload = append(payload, sample...)
	}
	p.Bytes = int64(len(payload))
	if err := t.add(p); err != nil {
		return t, m, nil, err
	}
	t.durations.add(t.pending, 1)
	return t, m, payload, nil
}

// cutText is text of at most limit bytes, cut between characters.
func cutText(text string, limit int) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if len(text) <= limit {
		return text
	}
	for limit > 0 && !utf8.RuneStart(text[limit]) {
		limit--
	}
	return text[:limit]
}

// chapterEntry is a text sample description (QuickTime File Format, "Text sample description") that leaves all to the
// player.
func chapterEntry() []byte {
	content := make([]byte, 52)
	content[7] = 1  // data reference
	content[15] = 1 // centred
	return appendBox(nil, "text", content)
}

// baseHeader is the media header that QuickTime wants of a text track: no graphics, the matrix of no change.
func baseHeader() mp4.Box {
	gmin := []byte{0, 0, 0, 0, 0, 0x40, 0x80, 0, 0x80, 0, 0x80, 0, 0, 0, 0, 0}
	matrix := make([]byte, 36)
	matrix[1], matrix[17], matrix[32] = 1, 1, 0x40
	return rawBox("gmhd", appendBox(appendBox(nil, "gmin", gmin), "text", matrix))
}

// neroChapters is the list that Nero invented and most other players read: up to 255 chapters, in units of 100 ns.
func neroChapters(chapters []media.Chapter) []byte {
	chapters = chapters[:min(len(chapters), maxNeroChapters)]
	content := append([]byte{1, 0, 0, 0, 0, 0, 0, 0}, byte(len(chapters)))
	for _, c := range chapters {
		title := cutText(c.Title, maxNeroTitle)
		content = binary.BigEndian.AppendUint64(content, uint64(max(c.Start, 0))*10)
		content = append(append(content, byte(len(title))), title...)
	}
	return appendBox(nil, "chpl", content)
}

// Tag is a text about a movie. Name is one of "artist", "album_artist", "album", "composer", "genre", "date", "comment",
// "description" and "copyright"; others have no place in a movie.
type Tag struct{ Name, Value string }

// tagKinds are the items of iTunes' list, as ffmpeg and every player know them.
var tagKinds = map[string]string{
	"artist": "\xa9ART", "album_artist": "aART", "album": "\xa9alb", "composer": "\xa9wrt", "genre": "\xa9gen", "date": "\xa9day",
	"comment": "\xa9cmt", "description": "desc", "copyright": "cprt",
}

// coverKind is the type of a cover picture in iTunes' list, by its first bytes; 0 where it cannot be one.
func coverKind(picture []byte) byte {
	switch {
	case strings.HasPrefix(string(picture[:min(len(picture), 3)]), "\xff\xd8\xff"):
		return 13
	case strings.HasPrefix(string(picture[:min(len(picture), 8)]), "\x89PNG\r\n\x1a\n"):
		return 14
	}
	return 0
}

// userData holds what iTunes writes and everybody reads: title, tool, tags and cover; and Nero's chapters.
func (s *Stitcher) userData() mp4.Box {
	var items []byte
	add := func(kind string, of byte, data []byte) {
		if len(data) > 0 {
			items = appendBox(items, kind, appendBox(nil, "data", append([]byte{0, 0, 0, of, 0, 0, 0, 0}, data...))) // no locale
		}
	}
	const utf8Text = 1
	add("\xa9nam", utf8Text, []byte(s.movie.Title))
	for _, t := range s.movie.Tags {
		if kind := tagKinds[t.Name]; kind != "" {
			add(kind, utf8Text, []byte(t.Value))
		}
	}
	add("\xa9too", utf8Text, []byte(s.movie.Tool))
	if kind := coverKind(s.movie.Cover); kind != 0 {
		add("covr", kind, s.movie.Cover)
	}
	var content []byte
	if items != nil {
		hdlr := make([]byte, 25)
		copy(hdlr[8:], "mdirappl")
		meta := appendBox(make([]byte, 4), "hdlr", hdlr)
		content = appendBox(content, "meta", appendBox(meta, "ilst", items))
	}
	if len(s.movie.Chapters) > 0 {
		content = append(content, neroChapters(s.movie.Chapters)...)
	}
	if content == nil {
		return nil
	}
	return rawBox("udta", content)
}

// dashRoles are the words of ISO/IEC 23009-1 (DASH role scheme) for what a track is for, by ffmpeg's names, in the
// order in which they are written. ffmpeg reads and writes the same.
var dashRoles = []struct{ flag, role string }{
	{"hearing_impaired", "caption"},
	{"captions", "caption"},
	{"comment", "commentary"},
	{"visual_impaired", "description"},
	{"descriptions", "description"},
	{"dub", "dub"},
	{"forced", "forced-subtitle"},
}

// kinds are a track's roles as boxes (ISO/IEC 14496-12, 8.10.4).
func kinds(flags []string) (boxes []byte) {
	var said []string
	for _, r := range dashRoles {
		if slices.Contains(flags, r.flag) && !slices.Contains(said, r.role) {
			said = append(said, r.role)
			boxes = appendBox(boxes, "kind", []byte("\x00\x00\x00\x00urn:mpeg:dash:role:2011\x00"+r.role+"\x00"))
		}
	}
	return boxes
}
