// Package manifest writes what players read first of a package: HLS playlists and a DASH MPD, over the same media files.
//
// A Package describes what lies in a folder: Video renditions (the rungs of a ladder), Audio renditions in groups, and
// Subtitles. Each rendition has an initialisation segment and media segments, each a Resource: a file of its own, or a
// byte range of one that holds them all. Every path is relative to the package's folder, with slashes, unescaped.
//
//	files, err := manifest.HLS(p, "film.m3u8") // media playlists, then the multivariant playlist that names them
//	mpd, err := manifest.DASH(p, "film.mpd")
//	err = manifest.Check(os.DirFS(folder), "film.m3u8")
//
// Media time runs Lead seconds ahead of what viewers see, in every rendition alike: the picture of second 0 has a
// timestamp of Lead seconds, and so may sound that starts before the picture (an encoder's priming) have one
// without a negative number. HLS players take the earliest timestamp for the start; DASH says it in
// presentationTimeOffset, WebVTT in X-TIMESTAMP-MAP.
//
// Times are ticks of a rendition's timescale, sizes bytes, rates bits per second. A package that no playlist can
// describe truly is fault.Internal: it is a mistake of the caller, who cut the segments. What Check finds is
// fault.Corrupt.
package manifest

import (
	"fmt"
	"math"
	"math/bits"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/mapreel/mapreel/pkg/fault"
)

// Package is one film as players get it.
type Package struct {
	Title     string // may be empty
	Lead      int64  // seconds from a media timestamp to presentation time
	Video     []Video
	Audio     []Audio
	Subtitles []Subtitle
}

// Resource is a file, or where Part is set a range of one.
type Resource struct {
	Path   string
	Offset int64 // of the first byte
	Size   int64 // bytes
	Part   bool
}

// Segment is a media segment of a rendition.
type Segment struct {
	Resource
	Duration int64 // ticks
	Frames   int   // of pictures; 0 is unknown
}

// Rendition is what video and sound have in common.
type Rendition struct {
	// Name tells the rendition from all others of the package: letters, digits, "-" and "_" ("video-1080p").
	Name      string
	Playlist  string // path of its HLS media playlist
	Codecs    string // as RFC 6381 writes it: "avc1.640028"
	Timescale uint32 // ticks per second
	Start     int64  // media timestamp of the first segment, Lead included
	Init      Resource
	// Index is the sidx of a rendition that is one file, between its Init and its first segment. DASH needs it there.
	Index    Resource
	Segments []Segment
}

// Video is one rung of the ladder.
type Video struct {
	Rendition
	Width, Height int   // pixels as coded
	PixelAspect   Ratio // width of a pixel to its height; zero is square
	FrameRate     Ratio // frames per second, the average where it varies; zero is unknown
	// Range is VIDEO-RANGE: "SDR", "HLG" or "PQ"; "" is "SDR".
	Range string
	// Colour is the code points of ISO/IEC 23091-2 for primaries, transfer and matrix; zeros are unknown.
	Colour [3]int
	// Keyframes are the frames that an I-frame playlist shows, in order. None: no I-frame playlist.
	Keyframes []Keyframe
	IFrames   string // path of the I-frame playlist
}

// Ratio is a number as a fraction.
type Ratio struct{ Num, Den int64 }

func (r Ratio) known() bool { return r.Num > 0 && r.Den > 0 }

// Keyframe is a frame that a player can show alone.
type Keyframe struct {
	Start int64 // media timestamp, ticks, Lead included
	// Resource is the part of the segment's file from the frame's moof to the end of its bytes.
	Resource
}

// Audio is one sound of one language in one codec.
type Audio struct {
	Rendition
	// Group holds the sounds of which a player plays one: all languages in one codec at one rate. "" is a group, too.
	Group      string
	Language   string // of RFC 5646 or ISO 639-2: "en", "eng"; "" is unknown
	Title      string // for the viewer; empty: the language's own name
	Default    bool   // played unless the viewer chooses; where none of a group is, its first
	Channels   int
	SampleRate int // Hz
	Commentary bool
	Described  bool // for people who do not see the picture
}

// Subtitle is a WebVTT file of a package's whole length.
type Subtitle struct {
	Name     string // as of a Rendition
	Playlist string // path of its HLS media playlist
	File     Resource
	Language string
	Title    string
	Default  bool
	Forced   bool // only what the film's own language does not say
	Captions bool // for people who do not hear the sound
}

// File is a text of a package.
type File struct {
	Path string
	Text string
}

// duration returns the sum of the segments' durations in ticks.
func (r Rendition) duration() int64 {
	var sum int64
	for _, s := range r.Segments {
		sum += s.Duration
	}
	return sum
}

// nanoseconds returns t ticks in nanoseconds, rounded to the nearest.
func nanoseconds(t int64, timescale uint32) int64 { return scale(t, 1_000_000_000, int64(timescale)) }

// scale returns v·num/den, rounded to the nearest, for v ≥ 0 and results of 63 bits.
func scale(v, num, den int64) int64 {
	hi, lo := bits.Mul64(uint64(max(v, 0)), uint64(num))
	lo, carry := bits.Add64(lo, uint64(den)/2, 0)
	if hi += carry; hi >= uint64(den) {
		return math.MaxInt64
	}
	q, _ := bits.Div64(hi, lo, uint64(den))
	return int64(min(q, math.MaxInt64))
}

// length returns how long the package lasts in nanoseconds: from presentation time 0 to the end of its longest rendition.
func (p Package) length() int64 {
	var longest int64
	for r := range p.renditions {
		end := r.Start + r.duration() - p.Lead*int64(r.Timescale)
		longest = max(longest, nanoseconds(end, r.Timescale))
	}
	return longest
}

// renditions calls yield for each rendition of video and sound.
func (p Package) renditions(yield func(Rendition) bool) {
	for _, v := range p.Video {
		if !yield(v.Rendition) {
			return
		}
	}
	for _, a := range p.Audio {
		if !yield(a.Rendition) {
			return
		}
	}
}

// check refuses a package that cannot be written down.
func (p Package) check() error {
	bad := func(format string, args ...any) error { return fault.New(fault.Internal, "package: "+format, args...) }
	if len(p.Video)+len(p.Audio) == 0 {
		return bad("neither picture nor sound")
	}
	names := map[string]bool{}
	name := func(name, playlist string) error {
		if name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != "" {
			return bad("the name %q is none", name)
		}
		if names[name] {
			return bad("two renditions are called %s", name)
		}
		names[name] = true
		return goodPath(playlist)
	}
	for r := range p.renditions {
		if err := name(r.Name, r.Playlist); err != nil {
			return err
		}
		switch {
		case r.Codecs == "" || strings.ContainsAny(r.Codecs, "\"\n"):
			return bad("%s has no codec", r.Name)
		case r.Timescale == 0:
			return bad("%s has no timescale", r.Name)
		case r.Start < 0:
			return bad("%s starts at %d", r.Name, r.Start)
		case len(r.Segments) == 0:
			return bad("%s has no segments", r.Name)
		case r.Init.Size <= 0:
			return bad("%s has no initialisation segment", r.Name)
		}
		if err := goodPath(r.Init.Path); err != nil {
			return err
		}
		for i, s := range r.Segments {
			if s.Duration <= 0 || s.Size <= 0 || s.Offset < 0 {
				return bad("segment %d of %s lasts %d ticks and has %d bytes from %d", i+1, r.Name, s.Duration, s.Size, s.Offset)
			}
			if err := goodPath(s.Path); err != nil {
				return err
			}
		}
		whole := append([]Segment{{Resource: r.Init}}, r.Segments...)
		if r.Index.Part && slices.ContainsFunc(whole, func(s Segment) bool { return !s.Part || s.Path != r.Index.Path }) {
			return bad("%s has an index of %s and lies elsewhere", r.Name, r.Index.Path)
		}
	}
	for _, v := range p.Video {
		if v.Width <= 0 || v.Height <= 0 {
			return bad("%s has %d × %d pixels", v.Name, v.Width, v.Height)
		}
		end := v.Start + v.duration()
		for i, k := range v.Keyframes {
			if k.Start < v.Start || k.Start >= end || i > 0 && k.Start <= v.Keyframes[i-1].Start || k.Size <= 0 {
				return bad("keyframe %d of %s at %d", i+1, v.Name, k.Start)
			}
		}
		if len(v.Keyframes) > 0 {
			if err := goodPath(v.IFrames); err != nil {
				return err
			}
		}
	}
	for _, s := range p.Subtitles {
		if err := name(s.Name, s.Playlist); err != nil {
			return err
		}
		if err := goodPath(s.File.Path); err != nil {
			return err
		}
	}
	return nil
}

func goodPath(p string) error {
	if p == "" || path.IsAbs(p) || path.Clean(p) != p || strings.HasPrefix(p, "../") || p == ".." || strings.ContainsFunc(p, func(r rune) bool { return r < ' ' }) {
		return fault.New(fault.Internal, "package: the path %q is not one inside it", p)
	}
	return nil
}

// uri returns the reference from one file of the package to another.
func uri(from, to string) string {
	base := strings.Split(path.Dir(from), "/")
	if base[0] == "." {
		base = nil
	}
	parts := strings.Split(to, "/")
	for len(base) > 0 && len(parts) > 1 && base[0] == parts[0] {
		base, parts = base[1:], parts[1:]
	}
	out := strings.Repeat("../", len(base))
	for i, p := range parts {
		if i > 0 {
			out += "/"
		}
		out += url.PathEscape(p)
	}
	// A first part with a colon would be taken for a scheme.
	if strings.Contains(strings.SplitN(out, "/", 2)[0], ":") {
		out = "./" + out
	}
	return out
}

// TimestampMap returns the line that follows WEBVTT at the start of a package's subtitle files: it ties the file's zero to
// the package's, lead seconds into media time (RFC 8216, 3.5; MPEG-2 clocks tick 90,000 times a second).
func TimestampMap(lead int64) string {
	return fmt.Sprintf("X-TIMESTAMP-MAP=MPEGTS:%d,LOCAL:00:00:00.000", lead*90_000)
}
