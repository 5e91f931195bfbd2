package manifest

import (
	"fmt"
	"strconv"
	"strings"
)

// playlist holds the tags of a multivariant or media playlist that Check examines.
type playlist struct {
	version     int
	independent bool
	// Fields of a multivariant playlist.
	media    []attributeList // EXT-X-MEDIA
	variants []variant
	// Fields of a media playlist.
	target  int64 // seconds
	vod     bool
	ended   bool
	iframes bool
	init    *reference
	entries []segmentEntry
}

// variant is an EXT-X-STREAM-INF or an EXT-X-I-FRAME-STREAM-INF.
type variant struct {
	attributeList
	uri     string
	iframes bool
}

// reference is a playlist's reference to a file or a byte range of it.
type reference struct {
	uri            string
	offset, length int64 // length 0 is the rest of the file
}

// segmentEntry is a media segment of a playlist.
type segmentEntry struct {
	reference
	nanoseconds int64 // duration
}

type attributeList map[string]string

func (a attributeList) number(name string) int64 {
	n, _ := strconv.ParseInt(a[name], 10, 64)
	return n
}

// parsePlaylist reads a playlist (RFC 8216, 4). It knows the tags of on-demand playlists with
// fragmented MP4, and ignores others as players do.
func parsePlaylist(text string) (playlist, error) {
	var p playlist
	var next segmentEntry
	var stream attributeList
	timed := false
	end := map[string]int64{} // where the last range of each file ends
	for number, line := range strings.Split(strings.ReplaceAll(text, "\r\n", "\n"), "\n") {
		bad := func(what string) error { return fmt.Errorf("line %d: %s: %q", number+1, what, line) }
		if number == 0 {
			if line != "#EXTM3U" {
				return p, bad("not #EXTM3U")
			}
			continue
		}
		tag, value, _ := strings.Cut(line, ":")
		var err error
		switch {
		case line == "":
		case !strings.HasPrefix(line, "#"):
			switch {
			case stream != nil:
				p.variants = append(p.variants, variant{stream, line, false})
			case timed:
				next.uri = line
				if next.length > 0 && next.offset < 0 {
					next.offset = end[line]
				}
				end[line] = next.offset + next.length
				p.entries = append(p.entries, next)
			default:
				return p, bad("a reference without EXTINF or EXT-X-STREAM-INF")
			}
			stream, timed, next = nil, false, segmentEntry{}
		case tag == "#EXT-X-VERSION":
			p.version, err = strconv.Atoi(value)
		case tag == "#EXT-X-INDEPENDENT-SEGMENTS":
			p.independent = true
		case tag == "#EXT-X-MEDIA":
			var list attributeList
			list, err = parseAttributes(value)
			p.media = append(p.media, list)
		case tag == "#EXT-X-STREAM-INF":
			stream, err = parseAttributes(value)
		case tag == "#EXT-X-I-FRAME-STREAM-INF":
			var list attributeList
			list, err = parseAttributes(value)
			p.variants = append(p.variants, variant{list, list["URI"], true})
		case tag == "#EXT-X-TARGETDURATION":
			p.target, err = strconv.ParseInt(value, 10, 64)
		case tag == "#EXT-X-PLAYLIST-TYPE":
			p.vod = value == "VOD"
		case tag == "#EXT-X-ENDLIST":
			p.ended = true
		case tag == "#EXT-X-I-FRAMES-ONLY":
			p.iframes = true
		case tag == "#EXT-X-MAP":
			var list attributeList
			if list, err = parseAttributes(value); err == nil {
				p.init = &reference{uri: list["URI"]}
				if r, ok := list["BYTERANGE"]; ok {
					p.init.length, p.init.offset, err = parseRange(r)
				}
			}
		case tag == "#EXT-X-BYTERANGE":
			next.length, next.offset, err = parseRange(value)
		case tag == "#EXTINF":
			seconds, _, _ := strings.Cut(value, ",")
			var f float64
			f, err = strconv.ParseFloat(seconds, 64)
			next.nanoseconds, timed = int64(f*1e9+0.5), true
		}
		if err != nil {
			return p, bad(err.Error())
		}
	}
	return p, nil
}

// parseRange reads "length@offset". Without an offset the range follows the previous one, and
// offset is -1.
func parseRange(text string) (length, offset int64, err error) {
	first, second, ok := strings.Cut(text, "@")
	if length, err = strconv.ParseInt(first, 10, 64); err != nil {
		return 0, 0, err
	}
	if !ok {
		return length, -1, nil
	}
	offset, err = strconv.ParseInt(second, 10, 64)
	return length, offset, err
}

// parseAttributes reads an attribute list (RFC 8216, 4.2) and removes quotation marks.
func parseAttributes(text string) (attributeList, error) {
	out := attributeList{}
	for text != "" {
		name, rest, ok := strings.Cut(text, "=")
		if !ok || name == "" || strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-") != "" {
			return nil, fmt.Errorf("no attribute name at %q", text)
		}
		if _, twice := out[name]; twice {
			return nil, fmt.Errorf("%s appears twice", name)
		}
		var value string
		if strings.HasPrefix(rest, `"`) {
			if value, rest, ok = strings.Cut(rest[1:], `"`); !ok {
				return nil, fmt.Errorf("no closing quotation mark of %s", name)
			}
			if rest != "" && !strings.HasPrefix(rest, ",") {
				return nil, fmt.Errorf("no comma after %s", name)
			}
			text = strings.TrimPrefix(rest, ",")
		} else {
			value, text, _ = strings.Cut(rest, ",")
		}
		out[name] = value
	}
	return out, nil
}
