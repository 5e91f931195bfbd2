package manifest

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"path"
	"strings"

	"github.com/mapreel/mapreel/pkg/fault"
)

// Check reads an HLS package as a player does, starting at the multivariant playlist name. It
// returns every violation of RFC 8216 or of Apple's "HLS Authoring Specification" that playlists,
// file sizes and the first bytes of segments reveal, or nil if there is none. Each finding is an
// error of kind fault.Corrupt; errors.Join combines them.
//
// It does not need a Package, so it can also check packages written by other programs.
func Check(files fs.FS, name string) error {
	c := &hlsCheck{files: files, sizes: map[string]int64{}}
	c.multivariant(name)
	return errors.Join(c.findings...)
}

type hlsCheck struct {
	files    fs.FS
	findings []error
	sizes    map[string]int64 // file sizes in bytes; -1 for a missing file
}

// found records a finding.
func (c *hlsCheck) found(where, format string, args ...any) {
	c.findings = append(c.findings, fault.New(fault.Corrupt, "%s: %s", where, fmt.Sprintf(format, args...)))
}

// mediaTiming holds the durations and rates of a media playlist that are compared with other
// playlists.
type mediaTiming struct {
	target        int64 // seconds
	spans         []span
	starts        []int64 // when each segment starts, nanoseconds after the first
	length        int64   // nanoseconds
	peak, average int64   // bits per second
	name          string  // NAME and CHANNELS of a rendition in a group
}

// multivariant checks the multivariant playlist and all playlists that it refers to.

func (c *hlsCheck) multivariant(name string) {
	p, ok := c.read(name)
	if !ok {
		return
	}
	if p.version < version {
		c.found(name, "EXT-X-VERSION is %d, fragmented MP4 needs %d", p.version, version)
	}
	if !p.independent {
		c.found(name, "no EXT-X-INDEPENDENT-SEGMENTS")
	}
	if len(p.variants) == 0 {
		c.found(name, "no variant streams")
		return
	}
	groups := c.renditions(name, p)
	var first *mediaTiming // of the first video variant, to which all others must be aligned
	var firstName string
	var target int64
	video, iframes := false, false
	for _, v := range p.variants {
		uri := c.resolve(name, v.uri)
		where := name + ": variant " + v.uri
		if v.iframes {
			iframes = true
			c.variant(where, v)
			m := c.media(uri, true)
			c.rates(where, v.attributeList, m.peak, m.average)
			continue
		}
		c.variant(where, v)
		m := c.media(uri, false)
		audio, audioAverage, subtitles, subtitlesAverage := int64(0), int64(0), int64(0), int64(0)
		for kind, id := range map[string]string{"AUDIO": v.attributeList["AUDIO"], "SUBTITLES": v.attributeList["SUBTITLES"]} {
			if id == "" {
				continue
			}
			group, ok := groups[kind+" "+id]
			if !ok {
				c.found(where, "no %s group %q", kind, id)
			}
			for _, other := range group {
				if kind == "AUDIO" {
					audio, audioAverage = max(audio, other.peak), max(audioAverage, other.average)
					if other.target != m.target && m.target > 0 {
						c.found(where, "the target duration is %d, that of the audio is %d", m.target, other.target)
					}
				} else {
					subtitles, subtitlesAverage = max(subtitles, other.peak), max(subtitlesAverage, other.average)
				}
			}
		}
		if target == 0 {
			target = m.target
		} else if m.target != target {
			c.found(where, "the target duration is %d, that of other variants is %d", m.target, target)
		}
		if v.attributeList["RESOLUTION"] != "" {
			video = true
			c.rates(where, v.attributeList, m.peak+audio+subtitles, m.average+audioAverage+subtitlesAverage)
			if first == nil {
				first, firstName = &m, v.uri
			} else {
				c.aligned(where, firstName, m, *first)
			}
			continue
		}
		c.rates(where, v.attributeList, max(audio, m.peak)+subtitles, max(audioAverage, m.average)+subtitlesAverage)
	}
	if video && !iframes {
		c.found(name, "no I-frame playlist")
	}
	c.audioRates(name, p.variants, groups)
}

// renditions checks the EXT-X-MEDIA tags and returns the playlists of each group, by type and group
// ID.
func (c *hlsCheck) renditions(name string, p playlist) map[string][]mediaTiming {
	groups := map[string][]mediaTiming{}
	names := map[string]bool{}
	defaults := map[string]int{}
	for _, a := range p.media {
		key := a["TYPE"] + " " + a["GROUP-ID"]
		where := name + ": " + key + " " + a["NAME"]
		if a["NAME"] == "" || a["GROUP-ID"] == "" {
			c.found(where, "no NAME or no GROUP-ID")
		}
		if names[key+"\n"+a["NAME"]] {
			c.found(where, "the name is used twice")
		}
		names[key+"\n"+a["NAME"]] = true
		if a["DEFAULT"] == "YES" {
			if defaults[key]++; defaults[key] > 1 {
				c.found(where, "the group has a second default")
			}
			if a["AUTOSELECT"] != "YES" {
				c.found(where, "the default does not have AUTOSELECT=YES")
			}
		}
		if a["TYPE"] == "AUDIO" && a["CHANNELS"] == "" {
			c.found(where, "no CHANNELS")
		}
		if a["URI"] == "" {
			c.found(where, "no URI")
			continue
		}
		m := c.media(c.resolve(name, a["URI"]), false)
		m.name = a["NAME"] + "\n" + a["CHANNELS"]
		groups[key] = append(groups[key], m)
	}
	return groups
}

// variant checks the attributes of a variant stream.
func (c *hlsCheck) variant(where string, v variant) {
	a := v.attributeList
	if a["CODECS"] == "" {
		c.found(where, "no CODECS")
	}
	if a["AVERAGE-BANDWIDTH"] == "" {
		c.found(where, "no AVERAGE-BANDWIDTH")
	}
	if mean, peak := a.number("AVERAGE-BANDWIDTH"), a.number("BANDWIDTH"); mean > peak {
		c.found(where, "AVERAGE-BANDWIDTH is %d, above BANDWIDTH, which is %d", mean, peak)
	}
	if !isVideo(a["CODECS"]) {
		return
	}
	if a["RESOLUTION"] == "" {
		c.found(where, "no RESOLUTION")
	}
	if a["FRAME-RATE"] == "" && !v.iframes {
		c.found(where, "no FRAME-RATE")
	}
	switch a["VIDEO-RANGE"] {
	case "SDR", "HLG", "PQ":
	default:
		c.found(where, "VIDEO-RANGE is %q", a["VIDEO-RANGE"])
	}
}

func isVideo(codecs string) bool {
	for codec := range strings.SplitSeq(codecs, ",") {
		kind, _, _ := strings.Cut(strings.TrimSpace(codec), ".")
		switch kind {
		case "avc1", "avc3", "hvc1", "hev1", "av01", "vp08", "vp09", "dvh1", "dvhe":
			return true
		}
	}
	return false
}

// rates compares the declared rates with the measured ones. Apple allows a deviation of 10 % for
// on-demand content.
func (c *hlsCheck) rates(where string, a attributeList, peak, average int64) {
	if declared := a.number("BANDWIDTH"); peak > declared+declared/10 || declared > peak+peak/10 {
		c.found(where, "BANDWIDTH is %d, the peak is %d", declared, peak)
	}
	if declared := a.number("AVERAGE-BANDWIDTH"); average > declared+declared/10 || declared > average+average/10 {
		c.found(where, "AVERAGE-BANDWIDTH is %d, the average is %d", declared, average)
	}
}

// aligned compares the segment starts of two variants. They must agree to 1 ms, as a player
// switches at any segment.
func (c *hlsCheck) aligned(where, firstName string, m, first mediaTiming) {
	if len(m.starts) != len(first.starts) {
		c.found(where, "%d segments, but %s has %d", len(m.starts), firstName, len(first.starts))
		return
	}
	for i := range m.starts {
		if d := m.starts[i] - first.starts[i]; d > 1_000_000 || d < -1_000_000 {
			c.found(where, "segment %d starts %d µs from that of %s", i+1, d/1000, firstName)
			return
		}
	}
}

// media checks a media playlist and its segments.
func (c *hlsCheck) media(name string, iframes bool) mediaTiming {
	var m mediaTiming
	p, ok := c.read(name)
	if !ok {
		return m
	}
	m.target = p.target
	if !p.vod {
		c.found(name, "EXT-X-PLAYLIST-TYPE is not VOD")
	}
	if !p.ended {
		c.found(name, "no EXT-X-ENDLIST")
	}
	if p.iframes != iframes {
		c.found(name, "EXT-X-I-FRAMES-ONLY is %v, want %v", p.iframes, iframes)
	}
	if len(p.entries) == 0 {
		c.found(name, "no segments")
		return m
	}
	webVTT := strings.HasSuffix(strings.ToLower(p.entries[0].uri), "vtt")
	switch {
	case webVTT:
	case p.init == nil:
		c.found(name, "no EXT-X-MAP")
	default:
		if p.version < version {
			c.found(name, "EXT-X-VERSION is %d, EXT-X-MAP needs %d", p.version, version)
		}
		c.resource(name, *p.init, "ftyp")
	}
	for i, s := range p.entries {
		if rounded(s.nanoseconds) > m.target {
			c.found(name, "segment %d lasts %d µs, longer than the target of %d s", i+1, s.nanoseconds/1000, m.target)
		}
		first := []string{"moof", "styp"}
		if webVTT {
			first = []string{"WEBV"}
		}
		size := c.resource(name, s.reference, first...)
		m.starts = append(m.starts, m.length)
		m.length += s.nanoseconds
		m.spans = append(m.spans, span{s.nanoseconds, size})
	}
	m.peak, m.average = peak(m.spans, m.target), average(m.spans)
	if webVTT {
		m.peak = m.average
	}
	return m
}

// resource checks that a reference lies within its file and starts with one of the given boxes. It
// returns its size.
func (c *hlsCheck) resource(from string, r reference, first ...string) int64 {
	name := c.resolve(from, r.uri)
	size, known := c.sizes[name]
	if !known {
		size = -1
		if info, err := fs.Stat(c.files, name); err == nil && info.Mode().IsRegular() {
			size = info.Size()
		}
		c.sizes[name] = size
	}
	if size < 0 {
		c.found(from, "no file %s", name)
		return 0
	}
	offset, limit := r.offset, r.length
	if limit == 0 {
		limit = size - offset
	}
	if offset < 0 || limit <= 0 || offset+limit > size {
		c.found(from, "refers to bytes %d to %d of %s, which has %d", offset, offset+limit, name, size)
		return 0
	}
	head, err := c.head(name, offset)
	if err != nil {
		c.found(from, "read %s: %v", name, err)
		return limit
	}
	for _, kind := range first {
		if string(head[4:]) == kind || string(head[:4]) == kind {
			return limit
		}
	}
	c.found(from, "%s starts with %q at byte %d, not with %s", name, head, offset, strings.Join(first, " or "))
	return limit
}

// head returns the eight bytes of a file at offset.
func (c *hlsCheck) head(name string, offset int64) ([]byte, error) {
	f, err := c.files.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	if seeker, ok := f.(io.Seeker); ok {
		_, err = seeker.Seek(offset, io.SeekStart)
	} else {
		_, err = io.CopyN(io.Discard, f, offset)
	}
	if err != nil {
		return nil, err
	}
	head := make([]byte, 8)
	_, err = io.ReadFull(f, head)
	return head, err
}

// read parses a playlist. ok is false if it cannot be read.
func (c *hlsCheck) read(name string) (p playlist, ok bool) {
	text, err := fs.ReadFile(c.files, name)
	if err != nil {
		c.found(name, "cannot be opened: %v", err)
		return playlist{}, false
	}
	p, err = parsePlaylist(string(text))
	if err != nil {
		c.found(name, "cannot be read: %v", err)
		return playlist{}, false
	}
	return p, true
}

// resolve returns the path of the file that a playlist refers to.
func (c *hlsCheck) resolve(from, uri string) string {
	u, err := url.Parse(uri)
	if err != nil || u.IsAbs() || u.Host != "" || path.IsAbs(u.Path) {
		c.found(from, "%q is not a reference within the package", uri)
		return "."
	}
	out := path.Join(path.Dir(from), u.Path)
	if !fs.ValidPath(out) {
		c.found(from, "%q leads out of the package", uri)
		return "."
	}
	return out
}
