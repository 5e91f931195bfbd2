// Package manifest writes the manifests of a package: HLS playlists and a DASH MPD, over the same
// media files.
//
// A Package describes the files in a folder: Video renditions (the rungs of a ladder), Audio
// renditions in groups, and Subtitles. Each rendition has an initialisation segment and media
// segments. Each of these is a Resource: a whole file, or a byte range of a file that holds them
// all. Every path is relative to the package's folder, with slashes, unescaped.
//
//	files, err := manifest.HLS(p, "film.m3u8") // media playlists, then the multivariant playlist that names them
//	mpd, err := manifest.DASH(p, "film.mpd")
//	err = manifest.Check(os.DirFS(folder), "film.m3u8")
//
// Media timestamps are MediaTimeOffset seconds later than presentation time, in every rendition
// alike: the frame shown at second 0 has a timestamp of MediaTimeOffset seconds. So audio that
// starts before the video (an encoder's priming) has a timestamp that is not negative. HLS players
// start at the earliest timestamp; DASH declares the offset in presentationTimeOffset, WebVTT in
// X-TIMESTAMP-MAP.
//
// Times are ticks of a rendition's timescale, sizes are bytes, rates are bits per second. A package
// that a playlist cannot describe correctly is fault.Internal, because it is a mistake of the
// caller, who cut the segments. Check's findings are fault.Corrupt.
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

// Package is a film, packaged for players.
type Package struct {
	Title           string // may be empty
	MediaTimeOffset int64  // seconds by which media timestamps are later than presentation times
	Video           []Video
	// TrickPlay holds renditions with few frames, of which all or most are keyframes, for players that
	// play fast or scrub. HLS lists their keyframes only.
	TrickPlay  []Video
	Thumbnails []Thumbnails
	Audio      []Audio
	// AudioRates are the groups that have the same audio at several rates, from the lowest. HLS lists each video rendition with one of
	// them. None: with each group.
	AudioRates []string
	Subtitles  []Subtitle
	Chapters   string // path of a file of ChaptersJSON; "": there are none
}

// Resource is a file, or a byte range of one.
type Resource struct {
	Path   string
	Offset int64 // of the first byte
	Size   int64 // bytes
	Part   bool  // the resource is a range of the file, not the whole file
}

// Segment is a media segment of a rendition.
type Segment struct {
	Resource
	Duration int64 // ticks
	Frames   int   // video frames; 0 is unknown
}

// Rendition holds the fields that video and audio renditions share.
type Rendition struct {
	// Name identifies the rendition within the package: letters, digits, "-" and "_"
	// ("video-1080p").
	Name      string
	Playlist  string // path of its HLS media playlist
	Codecs    string // as RFC 6381 writes it: "avc1.640028"
	Timescale uint32 // ticks per second
	Start     int64  // media timestamp of the first segment, MediaTimeOffset included
	Init      Resource
	// Index is the sidx box of a rendition that is one file. It lies between Init and the first
	// segment, where DASH requires it.
	Index      Resource
	Segments   []Segment
	Protection *Protection // nil: it is not encrypted
}

// Protection says how a rendition is encrypted.
type Protection struct {
	Scheme     string   // "cbcs", "cenc" or "aes-128"
	KID        string   // of the key, as a UUID
	Lines      string   // of media playlists: EXT-X-KEY
	PerSegment []string // likewise, where each segment has a line of its own
	Session    string   // of the multivariant playlist: EXT-X-SESSION-KEY
	Systems    []System // of the MPD
}

// System is a content protection system.
type System struct {
	ID, Name string // a UUID; what players read may be empty
	PSSH     string // in base64; may be empty
}

// Video is one rung of the ladder.
type Video struct {
	Rendition
	Width, Height int   // pixels as coded
	PixelAspect   Ratio // pixel aspect ratio, width to height; zero is square
	FrameRate     Ratio // frames per second, on average if the rate varies; zero is unknown
	ShortestFrame int64 // ticks; 0 is unknown
	// Range is the value of VIDEO-RANGE: "SDR", "HLG" or "PQ"; "" is "SDR".
	Range string
	// Colour holds the code points of ISO/IEC 23091-2 for primaries, transfer and matrix; zeros are
	// unknown.
	Colour [3]int
	// Keyframes are the frames of the I-frame playlist, in order. Without any there is no I-frame
	// playlist.
	Keyframes []Keyframe
	IFrames   string // path of the I-frame playlist
}

// Ratio is a fraction.
type Ratio struct{ Num, Den int64 }

func (r Ratio) known() bool { return r.Num > 0 && r.Den > 0 }

// Keyframe is a frame that a player can show without decoding others.
type Keyframe struct {
	Start int64 // media timestamp, ticks, MediaTimeOffset included
	// Resource is the range of the segment's file from the frame's moof to the frame's last byte.
	Resource
}

// Audio is an audio rendition: one language in one codec.
type Audio struct {
	Rendition
	// Group names the group from which a player plays one rendition: all languages in one codec at
	// one rate. "" is a valid group.
	Group      string
	Also       []string // further groups that have it, in HLS
	Language   string   // of RFC 5646 or ISO 639-2: "en", "eng"; "" is unknown
	Title      string   // shown to the viewer; if empty, players show the language's own name
	Default    bool     // played unless the viewer chooses another; if a group has no default, its first rendition is
	Channels   int
	SampleRate int // Hz
	Commentary bool
	Described  bool // an audio description for blind viewers
	// Track is the number of the source's track. Players of DASH switch between renditions of one track by their rates, so all
	// renditions of a number sound the same.
	Track int
	// DolbyChannels are the channels of AC-3 and E-AC-3 as the bits of ETSI TS 102 366, table E.1.4; 0 is unknown.
	DolbyChannels uint16
	Objects       int // the complexity index of objects in E-AC-3 (Dolby Atmos); 0: there are none
}

// Subtitle is a subtitle rendition: one WebVTT file that covers the whole package.
type Subtitle struct {
	Name     string // as Rendition.Name
	Playlist string // path of its HLS media playlist
	File     Resource
	Language string
	Title    string
	Default  bool
	Forced   bool // translates only dialogue that is not in the film's own language
	Captions bool // for deaf viewers
}

// File is a playlist: its path in the package and its text.
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

// length returns the package's duration in nanoseconds, from presentation time 0 to the end of the
// longest rendition.
func (p Package) length() int64 {
	var longest int64
	for r := range p.renditions {
		end := r.Start + r.duration() - p.MediaTimeOffset*int64(r.Timescale)
		longest = max(longest, nanoseconds(end, r.Timescale))
	}
	return longest
}

// renditions yields the video renditions, then the audio renditions.
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

// all yields renditions, then those for trick play.
func (p Package) all(yield func(Rendition) bool) {
	for r := range p.renditions {
		if !yield(r) {
			return
		}
	}
	for _, v := range p.TrickPlay {
		if !yield(v.Rendition) {
			return
		}
	}
}

// check returns an error if manifests cannot describe the package.
func (p Package) check() error {
	bad := func(format string, args ...any) error { return fault.New(fault.Internal, "package: "+format, args...) }
	if len(p.Video)+len(p.Audio) == 0 {
		return bad("neither video nor audio")
	}
	names := map[string]bool{}
	checkName := func(name, playlist string) error {
		if name == "" || strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_") != "" {
			return bad("%q is not a valid rendition name", name)
		}
		if names[name] {
			return bad("two renditions are named %s", name)
		}
		names[name] = true
		return checkPath(playlist)
	}
	for r := range p.all {
		if err := checkName(r.Name, r.Playlist); err != nil {
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
		if err := checkPath(r.Init.Path); err != nil {
			return err
		}
		for i, s := range r.Segments {
			if s.Duration <= 0 || s.Size <= 0 || s.Offset < 0 {
				return bad("segment %d of %s lasts %d ticks and has %d bytes at offset %d", i+1, r.Name, s.Duration, s.Size, s.Offset)
			}
			if err := checkPath(s.Path); err != nil {
				return err
			}
		}
		whole := append([]Segment{{Resource: r.Init}}, r.Segments...)
		if r.Index.Part && slices.ContainsFunc(whole, func(s Segment) bool { return !s.Part || s.Path != r.Index.Path }) {
			return bad("%s has an index in %s and segments in other files", r.Name, r.Index.Path)
		}
	}
	for _, v := range slices.Concat(p.Video, p.TrickPlay) {
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
			if err := checkPath(v.IFrames); err != nil {
				return err
			}
		}
	}
	for _, t := range p.Thumbnails {
		if err := checkName(t.Name, t.Playlist); err != nil {
			return err
		}
		if err := t.check(); err != nil {
			return err
		}
	}
	for _, s := range p.Subtitles {
		if err := checkName(s.Name, s.Playlist); err != nil {
			return err
		}
		if err := checkPath(s.File.Path); err != nil {
			return err
		}
	}
	return nil
}

// checkPath returns an error unless p is a clean relative path within the package.
func checkPath(p string) error {
	if p == "" || path.IsAbs(p) || path.Clean(p) != p || strings.HasPrefix(p, "../") || p == ".." ||
		strings.ContainsFunc(p, func(r rune) bool { return r < ' ' }) {
		return fault.New(fault.Internal, "package: %q is not a clean path within the package", p)
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
	// Players would take a first path element with a colon for a URI scheme.
	if strings.Contains(strings.SplitN(out, "/", 2)[0], ":") {
		out = "./" + out
	}
	return out
}

// TimestampMap returns the line that follows WEBVTT at the start of a package's subtitle files. It
// maps time 0 of the file to media time offset, in seconds, which is the package's MediaTimeOffset
// (RFC 8216, 3.5; MPEG-2 clocks tick 90,000 times a second).
func TimestampMap(offset int64) string {
	return fmt.Sprintf("X-TIMESTAMP-MAP=MPEGTS:%d,LOCAL:00:00:00.000", offset*90_000)
}
