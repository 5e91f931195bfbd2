package manifest

import (
	"fmt"
	"math/big"
	"slices"
	"strings"

	"github.com/Eyevinn/dash-mpd/mpd"

	"github.com/mapreel/mapreel/pkg/fault"
)

// Thumbnails are small pictures of the film at even distances, many of them in a sheet. Thumbnail k is at
// row k ÷ Columns of sheet k ÷ (Columns × Rows), counted from the sheet's first, and stands for the time
// from k × Interval to the next one.
type Thumbnails struct {
	Name          string // as Rendition.Name
	Playlist      string // path of its HLS image playlist
	Width, Height int    // of a thumbnail, pixels
	Columns, Rows int    // of a sheet
	Interval      int64  // microseconds from a thumbnail to the next
	Length        int64  // microseconds of the film, all of which they cover
	Sheets        []Resource
	// Frames are the thumbnails one by one, each a fragment of a video of JPEGs: moof and mdat. Without any, there are only sheets.
	Frames  []Resource
	Init    Resource // their initialisation segment
	IFrames string   // path of their I-frame playlist
}

// video returns the thumbnails as a video of which all frames are keyframes.
func (t Thumbnails) video() Video {
	v := Video{
		Rendition: Rendition{Name: t.Name, Codecs: "mjpg", Timescale: 1_000_000, Init: t.Init, Segments: []Segment{{Duration: t.Length}}},
		Width:     t.Width, Height: t.Height, IFrames: t.IFrames,
	}
	for k, f := range t.Frames {
		v.Keyframes = append(v.Keyframes, Keyframe{Start: int64(k) * t.Interval, Resource: f})
	}
	return v
}

// iFrames returns what the I-frame playlists of a package list. The thumbnails come last: players should prefer video (Apple's HLS
// Authoring Specification, "I-frame image sequences").
func (p Package) iFrames() []Video {
	list := slices.Concat(p.Video, p.TrickPlay)
	for _, t := range p.Thumbnails {
		list = append(list, t.video())
	}
	return list
}

// thumbnailTile is DASH-IF's scheme for sheets of thumbnails (IOP 4.3, 6.2.6).
const thumbnailTile = "http://dashif.org/guidelines/thumbnail_tile"

// perSheet returns how long a whole sheet lasts, in microseconds.
func (t Thumbnails) perSheet() int64 { return int64(t.Columns) * int64(t.Rows) * t.Interval }

// check returns an error if manifests cannot describe the thumbnails.
func (t Thumbnails) check() error {
	bad := func(format string, args ...any) error {
		return fault.New(fault.Internal, "package: "+t.Name+": "+format, args...)
	}
	if t.Width <= 0 || t.Height <= 0 || t.Columns <= 0 || t.Rows <= 0 || t.Interval <= 0 || t.Length <= 0 {
		return bad("%d × %d thumbnails of %d × %d pixels, one in %d µs of %d", t.Columns, t.Rows, t.Width, t.Height, t.Interval, t.Length)
	}
	if want := (t.Length + t.perSheet() - 1) / t.perSheet(); int64(len(t.Sheets)) != want {
		return bad("%d sheets instead of %d", len(t.Sheets), want)
	}
	if want := (t.Length + t.Interval - 1) / t.Interval; len(t.Frames) > 0 && int64(len(t.Frames)) != want {
		return bad("%d frames instead of %d", len(t.Frames), want)
	}
	for _, f := range t.Frames {
		if err := checkPath(f.Path); err != nil || f.Size <= 0 || !f.Part {
			return bad("%d bytes of %s are not a frame", f.Size, f.Path)
		}
	}
	for _, s := range t.Sheets {
		if s.Size <= 0 || s.Part {
			return bad("%s is not a file", s.Path)
		}
		if err := checkPath(s.Path); err != nil {
			return err
		}
	}
	return nil
}

// spans returns the sheets as they are shown. The last one ends with the film.
func (t Thumbnails) spans() []span {
	out := make([]span, len(t.Sheets))
	left := t.Length
	for i, s := range t.Sheets {
		length := min(left, t.perSheet())
		out[i], left = span{length * 1000, s.Size}, left-length
	}
	return out
}

// peak returns the rate of the sheet with the highest.
func (t Thumbnails) peak() (highest int64) {
	for _, s := range t.spans() {
		highest = max(highest, s.rate())
	}
	return highest
}

// imagePlaylist lists sheets as Roku's and Disney's specification of image media playlists has them.
func imagePlaylist(t Thumbnails) string {
	target := int64(1)
	for _, s := range t.spans() {
		target = max(target, rounded(s.nanoseconds))
	}
	var b strings.Builder
	mediaHead(&b, target, "#EXT-X-IMAGES-ONLY\n")
	for i, s := range t.spans() {
		fmt.Fprintf(&b, "#EXTINF:%s,\n", seconds(s.nanoseconds))
		attributes(&b, "#EXT-X-TILES", fmt.Sprintf("RESOLUTION=%dx%d", t.Width, t.Height), fmt.Sprintf("LAYOUT=%dx%d", t.Columns, t.Rows),
			"DURATION="+seconds(t.Interval*1000))
		fmt.Fprintf(&b, "%s\n", uri(t.Playlist, t.Sheets[i].Path))
	}
	b.WriteString("#EXT-X-ENDLIST\n")
	return b.String()
}

// imageStream writes the tag of a multivariant playlist that names an image playlist.
func imageStream(b *strings.Builder, t Thumbnails, path string) {
	attributes(b, "#EXT-X-IMAGE-STREAM-INF", number("BANDWIDTH", t.peak()), fmt.Sprintf("RESOLUTION=%dx%d", t.Width, t.Height),
		quoted("CODECS", "jpeg"), quoted("URI", uri(path, t.Playlist)))
}

// thumbnailSet describes sheets in an MPD. Players assume that all last equally long.
func thumbnailSet(t Thumbnails, path string) (*mpd.AdaptationSetType, error) {
	r := Rendition{Name: t.Name, Init: t.Sheets[0]}
	numbers := make([]int64, len(t.Sheets))
	for i, s := range t.Sheets {
		r.Segments = append(r.Segments, Segment{Resource: s})
		numbers[i] = int64(i)
	}
	_, media, ok := templateOf(path, r, "Number", numbers, 9)
	if !ok {
		return nil, fault.New(fault.Internal, "package: the sheets of %s are not numbered from 0", t.Name)
	}
	set := mpd.NewAdaptationSet()
	set.ContentType, set.MimeType = "image", "image/jpeg"
	out := &mpd.RepresentationType{Id: t.Name, Bandwidth: rate32(t.peak())}
	out.Width, out.Height = uint32(t.Columns*t.Width), uint32(t.Rows*t.Height)
	out.EssentialProperties = []*mpd.DescriptorType{{SchemeIdUri: thumbnailTile, Value: fmt.Sprintf("%dx%d", t.Columns, t.Rows)}}
	length := big.NewRat(t.perSheet(), 1_000_000)
	timescale, duration, zero := uint32(length.Denom().Int64()), uint32(length.Num().Int64()), uint32(0)
	out.SegmentTemplate = &mpd.SegmentTemplateType{Media: media}
	out.SegmentTemplate.Timescale, out.SegmentTemplate.Duration, out.SegmentTemplate.StartNumber = &timescale, &duration, &zero
	set.AppendRepresentation(out)
	return set, nil
}
