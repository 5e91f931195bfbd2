package plan_test

import (
	"math/big"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/plan"
	"github.com/mapreel/mapreel/pkg/media"
	"pgregory.net/rapid"
)

func TestRenditionOfAVideoTrack(t *testing.T) {
	makeFilm := func(change func(*film.VideoTrack)) film.VideoTrack {
		p := film.VideoTrack{Width: 1920, Height: 1080, Timebase: media.Rational{Num: 1, Den: 1000}, PixelFormat: "yuv420p", Depth: 8}
		change(&p)
		return p
	}
	hdr := makeFilm(func(p *film.VideoTrack) {
		p.PixelFormat, p.Depth, p.Color.Transfer = "yuv420p10le", 10, "smpte2084"
	})
	fields := makeFilm(func(p *film.VideoTrack) { p.Height, p.Interlaced = 1082, "tff" })
	sized := func(width, height int) film.VideoTrack {
		return makeFilm(func(p *film.VideoTrack) { p.Width, p.Height = width, height })
	}
	base := film.Rendition{Codec: film.H264, CRF: 21, Preset: "medium", Width: 1920, Height: 1080, PixelFormat: "yuv420p"}
	for _, c := range []struct {
		name           string
		p              film.VideoTrack
		container      string
		video, compute string
		want           func(*film.Rendition)
		warning        string // a part of it; "" for none
	}{
		{"unchanged", makeFilm(func(*film.VideoTrack) {}), "mp4", `{}`, "", func(*film.Rendition) {}, ""},
		{"HDR in H.264", hdr, "mp4", `{}`, "", func(r *film.Rendition) { r.ToneMap = true }, "tone-mapped"},
		{"HDR in AV1", hdr, "mp4", `{"codec": "av1"}`, "", func(r *film.Rendition) {
			r.Codec, r.CRF, r.Preset, r.PixelFormat = film.AV1, 32, "8", "yuv420p10le"
		}, ""},
		{"HDR on a GPU", hdr, "mp4", `{"codec": "h265"}`, `, "compute": {"gpu": true}`, func(r *film.Rendition) {
			r.Codec, r.CRF, r.Preset, r.PixelFormat = film.H265, 24, "p4", "p010le"
		}, ""},
		{"10 bits without HDR in H.264", makeFilm(func(p *film.VideoTrack) { p.Depth = 10 }), "mp4", `{}`, "", func(*film.Rendition) {}, "has 10 bits"},
		{"full chroma resolution", makeFilm(func(p *film.VideoTrack) { p.PixelFormat = "yuv444p" }), "mp4", `{}`, "", func(*film.Rendition) {}, "yuv444p"},
		{"anamorphic and rotated", makeFilm(func(p *film.VideoTrack) { p.Rotation, p.SampleAspect = 90, media.Rational{Num: 4, Den: 3} }), "mp4", `{}`, "", func(r *film.Rendition) {
			r.Width, r.Height, r.SampleAspect = 1080, 1920, media.Rational{Num: 3, Den: 4}
		}, ""},
		{"fields", fields, "mp4", `{}`, "", func(r *film.Rendition) { r.Height, r.Deinterlace = 1082, true }, ""},
		{"fields, kept", fields, "mp4", `{"interlaced": "keep"}`, "", func(r *film.Rendition) {
			r.Interlaced, r.Crop = "tff", media.Size{Width: 1920, Height: 1080}
		}, ""},
		{"fields, kept but not flagged in HEVC", fields, "mp4", `{"codec": "h265", "interlaced": "keep"}`, "", func(r *film.Rendition) {
			r.Codec, r.CRF, r.Height = film.H265, 24, 1082
		}, "woven"},
		{"odd", sized(161, 91), "mp4", `{}`, "", func(r *film.Rendition) {
			r.Width, r.Height, r.Crop = 160, 90, media.Size{Width: 160, Height: 90}
		}, ""},
		{"one row", sized(63, 1), "mp4", `{}`, "", func(r *film.Rendition) {
			r.Width, r.Height, r.Crop, r.Inner = 62, 2, media.Size{Width: 62, Height: 1}, media.Size{Width: 62, Height: 1}
		}, "padded with black"},
		{"tiny in AV1", sized(16, 100), "mp4", `{"codec": "av1"}`, "", func(r *film.Rendition) {
			r.Codec, r.CRF, r.Preset, r.Width, r.Height, r.Inner = film.AV1, 32, "8", 64, 100, media.Size{Width: 16, Height: 100}
		}, "64x100"},
		{"higher than the source", sized(854, 480), "mp4", `{"height": 1080}`, "", func(r *film.Rendition) { r.Width, r.Height = 854, 480 }, "height 1080 does nothing: the source has 480 lines"},
		{"as high as the source", sized(854, 480), "mp4", `{"height": 480}`, "", func(r *film.Rendition) { r.Width, r.Height = 854, 480 }, ""},
		{"upscaled", sized(640, 360), "mp4", `{"height": 720, "upscale": true}`, "", func(r *film.Rendition) { r.Width, r.Height = 1280, 720 }, ""},
		{"constant rate", sized(640, 360), "mp4", `{"frameRate": 29.97}`, "", func(r *film.Rendition) {
			r.Width, r.Height, r.Rate = 640, 360, media.Rational{Num: 30000, Den: 1001}
		}, ""},
	} {
		src := film.Source{URL: "/in/a.mkv", Size: 1, Version: "1", Video: &c.p}
		j := planned(t, src, `{"name": "a", "container": "`+c.container+`", "video": [`+c.video+`]}`, c.compute)
		want := base
		c.want(&want)
		if diff := cmp.Diff(want, j.Renditions[0]); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
		if warnings := strings.Join(j.Warnings, "; "); (c.warning == "") != (warnings == "") || !strings.Contains(warnings, c.warning) {
			t.Errorf("%s: warnings %q, want %q", c.name, warnings, c.warning)
		}
	}
}

// Rendered frames and image files are RGB, so every film of them has less chroma resolution: --strict must not refuse it.
func TestChromaOfImagesIsNoLoss(t *testing.T) {
	track := film.VideoTrack{Width: 1920, Height: 1080, Timebase: media.Rational{Num: 1, Den: 25}, PixelFormat: "rgb24", Depth: 8}
	for images, want := range map[*film.FrameSequence]bool{nil: false, {Extension: "png", Rate: media.Rational{Num: 25, Den: 1}}: true} {
		src := film.Source{URL: "/in/a", Size: 1, Version: "1", Video: &track, Sequence: images}
		j := planned(t, src, `{"name": "a", "container": "mp4"}`, "")
		if len(j.Warnings) != 1 || !strings.Contains(j.Warnings[0], "rgb24") || film.IsNotice(j.Warnings[0]) != want {
			t.Errorf("%q: a notice: want %v", j.Warnings, want)
		}
	}
}

// At a constant frame rate, each frame belongs to the segment in which its time lies.
func TestFrameGridsDivideTheFramesOfAConstantRate(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		rate := rapid.SampledFrom([]media.Rational{{Num: 30, Den: 1}, {Num: 30000, Den: 1001}, {Num: 25, Den: 2}, {Num: 1, Den: 60}}).Draw(t, "rate")
		p := film.VideoTrack{
			Timebase: rapid.SampledFrom([]media.Rational{{Num: 1, Den: 1000}, {Num: 1, Den: 12800}, {Num: 1001, Den: 30000}, {Num: 1, Den: 90000}}).Draw(t, "timebase"),
			Start:    media.Ticks(rapid.Int64Range(-1<<33, 1<<33).Draw(t, "start")),
		}
		p.End = p.Start + p.Timebase.Ticks(100*time.Second)
		cuts := rapid.SliceOfNDistinct(rapid.Int64Range(int64(p.Start)+1, int64(p.End)-1), 1, 8, rapid.ID).Draw(t, "cuts")
		slices.Sort(cuts)
		frameTime := func(k int64) *big.Rat { // of frame k, in ticks after Start
			m := new(big.Rat).SetFrac64(k, rate.Num)
			return m.Mul(m, new(big.Rat).SetFrac64(rate.Den, p.Timebase.Num)).Mul(m, new(big.Rat).SetInt64(p.Timebase.Den))
		}
		next, start := int64(0), p.Start
		for i := range len(cuts) + 1 {
			seg := film.Segment{Index: i, Start: start, End: p.End, Last: i == len(cuts)}
			if !seg.Last {
				seg.End = media.Ticks(cuts[i])
			}
			g := plan.FrameGridOf(rate, p, seg)
			if g.First != next {
				t.Fatalf("segment %d begins with frame %d, want %d", i, g.First, next)
			}
			if seg.Last {
				break
			}
			for k := max(g.First, g.Next-1); k <= g.Next; k++ { // the last frame of the segment and the first of the next
				inside := frameTime(k).Cmp(new(big.Rat).SetInt64(int64(seg.End-p.Start))) < 0
				if inside != (k < g.Next) {
					t.Fatalf("frame %d at %v: segment %d has frames %d to %d and ends at %d", k, frameTime(k), i, g.First, g.Next, seg.End-p.Start)
				}
			}
			if at := frameTime(g.Base); !at.IsInt() || at.Num().Int64() != int64(g.Origin-p.Start) || g.Base > g.First {
				t.Fatalf("segment %d counts from frame %d at %v, but Origin is tick %d", i, g.Base, at, g.Origin-p.Start)
			}
			next, start = g.Next, seg.End
		}
	})
}
