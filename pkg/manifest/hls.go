package manifest

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// version is the EXT-X-VERSION of every playlist. EXT-X-MAP outside of I-frame playlists needs 6
// (RFC 8216, 7), and nothing else that this package writes needs more.
const version = 6

// HLS returns the playlists of a package: the media playlists first and the multivariant playlist,
// for the given path, last. If they are written in this order, no playlist ever refers to a file
// that does not exist yet.
func HLS(p Package, path string) ([]File, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	if err := checkPath(path); err != nil {
		return nil, err
	}
	target := p.target()
	var files []File
	for r := range p.renditions {
		files = append(files, File{r.Playlist, mediaPlaylist(r, target)})
	}
	for _, v := range p.iFrames() {
		if len(v.Keyframes) > 0 {
			files = append(files, File{v.IFrames, iFramePlaylist(v)})
		}
	}
	for _, t := range p.Thumbnails {
		files = append(files, File{t.Playlist, imagePlaylist(t)})
	}
	for _, s := range p.Subtitles {
		files = append(files, File{s.Playlist, subtitlePlaylist(s, p.length())})
	}
	return append(files, File{path, p.multivariant(path, target)}), nil
}

func mediaPlaylist(r Rendition, target int64) string {
	var b strings.Builder
	mediaHead(&b, target, "")
	keyLines(&b, r)
	extMap(&b, r.Playlist, r.Init)
	var clock rounder
	for i, s := range r.Segments {
		if p := r.Protection; p != nil && i < len(p.PerSegment) {
			b.WriteString(p.PerSegment[i])
		}
		entry(&b, r.Playlist, s.Resource, clock.next(s.Duration, r.Timescale))
	}
	b.WriteString("#EXT-X-ENDLIST\n")
	return b.String()
}

// keyLines writes how all of a rendition is encrypted.
func keyLines(b *strings.Builder, r Rendition) {
	if r.Protection != nil {
		b.WriteString(r.Protection.Lines)
	}
}

// sessionKeys returns the keys that players may ask for before they read a media playlist, each once.
func (p Package) sessionKeys() string {
	var b strings.Builder
	seen := map[string]bool{}
	for r := range p.all {
		if r.Protection == nil {
			continue
		}
		for line := range strings.Lines(r.Protection.Session) {
			if !seen[line] {
				seen[line] = true
				b.WriteString(line)
			}
		}
	}
	return b.String()
}

// iFramePlaylist lists keyframes. Each lasts until the next one.
func iFramePlaylist(v Video) string {
	shown := v.shown()
	target := int64(1)
	for _, d := range shown {
		target = max(target, rounded(nanoseconds(d, v.Timescale)))
	}
	var b strings.Builder
	mediaHead(&b, target, "#EXT-X-I-FRAMES-ONLY\n")
	keyLines(&b, v.Rendition)
	extMap(&b, v.IFrames, v.Init)
	var clock rounder
	for i, k := range v.Keyframes {
		k.Part = true
		entry(&b, v.IFrames, k.Resource, clock.next(shown[i], v.Timescale))
	}
	b.WriteString("#EXT-X-ENDLIST\n")
	return b.String()
}

// shown returns how long each keyframe is shown, in ticks.
func (v Video) shown() []int64 {
	out := make([]int64, len(v.Keyframes))
	end := v.Start + v.duration()
	for i, k := range slices.Backward(v.Keyframes) {
		out[i] = end - k.Start
		end = k.Start
	}
	return out
}

func subtitlePlaylist(s Subtitle, length int64) string {
	var b strings.Builder
	mediaHead(&b, max(rounded(length), 1), "")
	entry(&b, s.Playlist, s.File, length)
	b.WriteString("#EXT-X-ENDLIST\n")
	return b.String()
}

func mediaHead(b *strings.Builder, target int64, more string) {
	fmt.Fprintf(b, "#EXTM3U\n#EXT-X-VERSION:%d\n#EXT-X-TARGETDURATION:%d\n#EXT-X-MEDIA-SEQUENCE:0\n#EXT-X-PLAYLIST-TYPE:VOD\n%s", version, target, more)
	if more == "" {
		b.WriteString("#EXT-X-INDEPENDENT-SEGMENTS\n")
	}
}

func extMap(b *strings.Builder, from string, init Resource) {
	bytes := ""
	if init.Part {
		bytes = fmt.Sprintf("%d@%d", init.Size, init.Offset)
	}
	attributes(b, "#EXT-X-MAP", quoted("URI", uri(from, init.Path)), quoted("BYTERANGE", bytes))
}

// entry writes a media segment that lasts length nanoseconds.
func entry(b *strings.Builder, from string, r Resource, length int64) {
	fmt.Fprintf(b, "#EXTINF:%s,\n", seconds(length))
	if r.Part {
		fmt.Fprintf(b, "#EXT-X-BYTERANGE:%d@%d\n", r.Size, r.Offset)
	}
	fmt.Fprintf(b, "%s\n", uri(from, r.Path))
}

// rounder converts durations in ticks to nanoseconds, rounded to whole microseconds. Rounding
// errors do not accumulate: the sum of its results is never off by more than a microsecond.
type rounder struct{ ticks, nanoseconds int64 } // the sums so far

// next returns the next duration in nanoseconds.
func (r *rounder) next(ticks int64, timescale uint32) int64 {
	r.ticks += ticks
	now := (nanoseconds(r.ticks, timescale) + 500) / 1000 * 1000
	length := now - r.nanoseconds
	r.nanoseconds = now
	return length
}

// seconds formats nanoseconds as seconds with six decimal places.
func seconds(nanoseconds int64) string {
	micro := (nanoseconds + 500) / 1000
	return fmt.Sprintf("%d.%06d", micro/1_000_000, micro%1_000_000)
}

// multivariant returns the multivariant playlist. Each rung of the ladder appears once with each
// audio group, and once with the groups that differ in their rates.
func (p Package) multivariant(path string, target int64) string {
	var b strings.Builder
	fmt.Fprintf(&b, "#EXTM3U\n#EXT-X-VERSION:%d\n#EXT-X-INDEPENDENT-SEGMENTS\n", version)
	if p.Title != "" {
		attributes(&b, "#EXT-X-SESSION-DATA", quoted("DATA-ID", "com.apple.hls.title"), quoted("VALUE", p.Title))
	}
	if p.Chapters != "" {
		attributes(&b, "#EXT-X-SESSION-DATA", quoted("DATA-ID", "com.apple.hls.chapters"), quoted("URI", uri(path, p.Chapters)))
	}
	b.WriteString(p.sessionKeys())
	groups := p.groups()
	b.WriteString(p.audioMedia(groups, path))
	var subtitles string
	var subtitleRate int64
	names := map[string]bool{}
	defaultSubtitle := slices.IndexFunc(p.Subtitles, func(s Subtitle) bool { return s.Default })
	for i, s := range p.Subtitles {
		subtitles = "subtitles"
		subtitleRate = max(subtitleRate, average([]span{{p.length(), s.File.Size}}))
		forced := ""
		if s.Forced {
			forced = "FORCED=YES"
		}
		attributes(&b, "#EXT-X-MEDIA", "TYPE=SUBTITLES", quoted("GROUP-ID", subtitles),
			quoted("NAME", unique(names, label(s.Title, s.Language, "Subtitles"))), quoted("LANGUAGE", tag(s.Language)),
			yesOrNo("DEFAULT", i == defaultSubtitle), "AUTOSELECT=YES", forced,
			quoted("CHARACTERISTICS", characteristics(false, s.Captions)), quoted("URI", uri(path, s.Playlist)))
	}
	scores := p.scores()
	for _, pair := range p.pairs(groups) {
		g := pair.group
		audioPeak, audioAverage := g.rates(target)
		if v := pair.video; v != nil {
			attributes(&b, "#EXT-X-STREAM-INF", number("BANDWIDTH", peak(v.spans(), target)+audioPeak+subtitleRate),
				number("AVERAGE-BANDWIDTH", average(v.spans())+audioAverage+subtitleRate), quoted("CODECS", g.codecs(v.Codecs)),
				fmt.Sprintf("RESOLUTION=%dx%d", v.shownWidth(), v.Height), v.highestRate(target).attribute(), "VIDEO-RANGE="+v.dynamicRange(), scores[v.Name],
				quoted("AUDIO", g.id), quoted("SUBTITLES", subtitles), "CLOSED-CAPTIONS=NONE")
			fmt.Fprintf(&b, "%s\n", uri(path, v.Playlist))
		}
		if pair.video == nil {
			attributes(&b, "#EXT-X-STREAM-INF", number("BANDWIDTH", audioPeak+subtitleRate), number("AVERAGE-BANDWIDTH", audioAverage+subtitleRate),
				quoted("CODECS", g.codecs("")), quoted("AUDIO", g.id), quoted("SUBTITLES", subtitles))
			fmt.Fprintf(&b, "%s\n", uri(path, g.members[g.defaultMember].Playlist))
		}
	}
	for _, v := range p.iFrames() {
		if len(v.Keyframes) == 0 {
			continue
		}
		spans := make([]span, len(v.Keyframes))
		longest := int64(1)
		for i, d := range v.shown() {
			spans[i] = span{nanoseconds(d, v.Timescale), v.Keyframes[i].Size}
			longest = max(longest, rounded(spans[i].nanoseconds))
		}
		attributes(&b, "#EXT-X-I-FRAME-STREAM-INF", number("BANDWIDTH", peak(spans, longest)), number("AVERAGE-BANDWIDTH", average(spans)),
			quoted("CODECS", v.Codecs), fmt.Sprintf("RESOLUTION=%dx%d", v.shownWidth(), v.Height), "VIDEO-RANGE="+v.dynamicRange(), quoted("URI", uri(path, v.IFrames)))
	}
	for _, t := range p.Thumbnails {
		imageStream(&b, t, path)
	}
	return b.String()
}

// group is an audio group: a player plays one of its members.
type group struct {
	id            string
	members       []Audio
	defaultMember int // index in members
}

func (p Package) groups() []group {
	var out []group
	for _, a := range p.Audio {
		for _, id := range append([]string{cmp.Or(a.Group, "audio")}, a.Also...) {
			i := slices.IndexFunc(out, func(g group) bool { return g.id == id })
			if i < 0 {
				i = len(out)
				out = append(out, group{id: id})
			}
			out[i].members = append(out[i].members, a)
		}
	}
	for i := range out {
		out[i].defaultMember = max(0, slices.IndexFunc(out[i].members, func(a Audio) bool { return a.Default }))
	}
	return out
}

// audioMedia returns the tags of the groups' members, in the order of the package's renditions: so players that show all of them have
// the source's order, as in DASH.
func (p Package) audioMedia(groups []group, path string) string {
	var b strings.Builder
	names := make([]map[string]bool, len(groups))
	for i := range groups {
		names[i] = map[string]bool{}
	}
	for _, a := range p.Audio {
		for i, g := range groups {
			n := slices.IndexFunc(g.members, func(m Audio) bool { return m.Name == a.Name })
			if n < 0 {
				continue
			}
			isDefault := n == g.defaultMember
			attributes(&b, "#EXT-X-MEDIA", "TYPE=AUDIO", quoted("GROUP-ID", g.id),
				quoted("NAME", unique(names[i], label(a.Title, a.Language, "Audio"))), quoted("LANGUAGE", tag(a.Language)),
				yesOrNo("DEFAULT", isDefault), yesOrNo("AUTOSELECT", isDefault || !a.Commentary),
				quoted("CHARACTERISTICS", characteristics(a.Described, false)), quoted("CHANNELS", a.channels()), quoted("URI", uri(path, a.Playlist)))
		}
	}
	return b.String()
}

// rates returns the highest peak rate and the highest average rate of the group's members.
func (g group) rates(target int64) (highest, mean int64) {
	for _, a := range g.members {
		highest, mean = max(highest, peak(a.spans(), target)), max(mean, average(a.spans()))
	}
	return highest, mean
}

// codecs returns the value of CODECS: the video's codec, if any, and those of all members of the
// group.
func (g group) codecs(video string) string {
	var all []string
	if video != "" {
		all = append(all, video)
	}
	for _, a := range g.members {
		if !slices.Contains(all, a.Codecs) {
			all = append(all, a.Codecs)
		}
	}
	return strings.Join(all, ",")
}

// dynamicRange returns the value of VIDEO-RANGE.
func (v Video) dynamicRange() string {
	if v.Range == "" {
		return "SDR"
	}
	return v.Range
}

// shownWidth returns the width in square pixels.
func (v Video) shownWidth() int64 {
	if !v.PixelAspect.known() {
		return int64(v.Width)
	}
	return scale(int64(v.Width), v.PixelAspect.Num, v.PixelAspect.Den)
}

// attribute returns FRAME-RATE with three decimal places, or "" if the rate is unknown.
func (r Ratio) attribute() string {
	if !r.known() {
		return ""
	}
	milli := scale(r.Num, 1000, r.Den)
	return fmt.Sprintf("FRAME-RATE=%d.%03d", milli/1000, milli%1000)
}

func characteristics(described, captions bool) string {
	switch {
	case described:
		return "public.accessibility.describes-video"
	case captions:
		return "public.accessibility.transcribes-spoken-dialog,public.accessibility.describes-music-and-sound"
	}
	return ""
}

// label returns the name that a viewer reads: the title, else the language's own name, else
// fallback.
func label(title, language, fallback string) string {
	if title != "" {
		return title
	}
	if name := ownName(language); name != "" {
		return name
	}
	return fallback
}

// unique returns name, followed by a number if it was used before. Names must be unique within a
// group.
func unique(used map[string]bool, name string) string {
	out := name
	for n := 2; used[out]; n++ {
		out = fmt.Sprintf("%s %d", name, n)
	}
	used[out] = true
	return out
}

// attributes writes a tag with its attributes, leaving out empty ones.
func attributes(b *strings.Builder, tag string, list ...string) {
	b.WriteString(tag)
	separator := ":"
	for _, a := range list {
		if a != "" {
			b.WriteString(separator + a)
			separator = ","
		}
	}
	b.WriteString("\n")
}

// quoted formats an attribute whose value is a quoted-string, or returns "" if the value is empty.
// A quoted-string cannot contain quotation marks or line breaks (RFC 8216, 4.2), so they are
// replaced.
func quoted(name, value string) string {
	if value == "" {
		return ""
	}
	value = strings.Map(func(r rune) rune {
		switch {
		case r == '"':
			return '\''
		case r < ' ' || r == 0x7f:
			return ' '
		}
		return r
	}, value)
	return name + `="` + value + `"`
}

func number(name string, value int64) string { return name + "=" + strconv.FormatInt(value, 10) }

// channels returns the value of CHANNELS: the number of channels, or that of objects in a bed of them.
func (a Audio) channels() string {
	if a.Objects > 0 {
		return fmt.Sprintf("%d/JOC", a.Objects)
	}
	return positive(a.Channels)
}

// positive formats n, or returns "" if it is not positive.
func positive(n int) string {
	if n <= 0 {
		return ""
	}
	return strconv.Itoa(n)
}

// yesOrNo formats an attribute whose value is YES or NO.
func yesOrNo(name string, yes bool) string {
	if yes {
		return name + "=YES"
	}
	return name + "=NO"
}
