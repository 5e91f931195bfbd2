package progressive

import (
	"strings"

	"github.com/Eyevinn/mp4ff/mp4"
	"github.com/mapreel/mapreel/pkg/isobmff/internal/box"
)

// tagKinds maps a tag's name to the item of iTunes' metadata list that ffmpeg and all players read.
var tagKinds = map[string]string{
	"artist": "\xa9ART", "album_artist": "aART", "album": "\xa9alb", "composer": "\xa9wrt", "genre": "\xa9gen", "date": "\xa9day",
	"comment": "\xa9cmt", "description": "desc", "copyright": "cprt",
}

// coverKind returns the type code of a cover picture in iTunes' metadata list, judging by its first
// bytes, or 0 for other formats.
func coverKind(picture []byte) byte {
	switch {
	case strings.HasPrefix(string(picture[:min(len(picture), 3)]), "\xff\xd8\xff"):
		return 13
	case strings.HasPrefix(string(picture[:min(len(picture), 8)]), "\x89PNG\r\n\x1a\n"):
		return 14
	}
	return 0
}

// userData returns the movie's udta box, or nil if it would be empty: iTunes' metadata list with
// title, tool, tags and cover, which all players read, and Nero's chapter list.
func (s *Stitcher) userData() mp4.Box {
	var items []byte
	add := func(kind string, of byte, data []byte) {
		if len(data) > 0 {
			items = box.Append(items, kind, box.Append(nil, "data", append([]byte{0, 0, 0, of, 0, 0, 0, 0}, data...))) // no locale
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
		meta := box.Append(make([]byte, 4), "hdlr", hdlr)
		content = box.Append(content, "meta", box.Append(meta, "ilst", items))
	}
	if len(s.movie.Chapters) > 0 {
		content = append(content, neroChapters(s.movie.Chapters)...)
	}
	if content == nil {
		return nil
	}
	return box.Raw("udta", content)
}
