package plan_test

import (
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/plan"
	"github.com/mapreel/mapreel/pkg/media"
)

// Packages have thumbnails at a distance that follows from the length of the film, in sheets that a player
// loads quickly. Files have none, nor has a film of unknown length.
func TestPackagesHaveThumbnails(t *testing.T) {
	for name, c := range map[string]struct {
		width, height int
		length        time.Duration
		output        string
		size          media.Size // zero: no thumbnails
		every         time.Duration
	}{
		"a clip":         {1920, 1080, time.Minute, `{"name": "a", "container": "cmaf"}`, media.Size{Width: 240, Height: 135}, time.Second},
		"a film":         {1920, 800, 2 * time.Hour, `{"name": "a", "container": "hls"}`, media.Size{Width: 240, Height: 100}, 5 * time.Second},
		"a day":          {1920, 1080, 30 * time.Hour, `{"name": "a", "container": "dash"}`, media.Size{Width: 240, Height: 135}, 11 * time.Second},
		"portrait":       {1080, 1920, time.Minute, `{"name": "a", "container": "hls"}`, media.Size{Width: 135, Height: 240}, time.Second},
		"a small source": {160, 90, time.Minute, `{"name": "a", "container": "hls"}`, media.Size{Width: 160, Height: 90}, time.Second},
		"none":           {1920, 1080, time.Minute, `{"name": "a", "container": "hls", "package": {"thumbnails": "none"}}`, media.Size{}, 0},
		"a file":         {1920, 1080, time.Minute, `{"name": "a"}`, media.Size{}, 0},
		"unknown length": {1920, 1080, 0, `{"name": "a", "container": "hls"}`, media.Size{}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			src := source(c.width, c.height)
			src.Duration, src.Video.End = media.Ticks(c.length.Microseconds()), media.Ticks(c.length.Milliseconds())
			j := planned(t, src, c.output, "")
			plan.AddThumbnails(&j)
			if c.size == (media.Size{}) {
				if len(j.Pictures)+len(j.Outputs[0].Previews) > 0 {
					t.Errorf("thumbnails are planned: %+v", j.Outputs[0].Previews)
				}
				return
			}
			if len(j.Pictures) != 1 || len(j.Outputs[0].Previews) != 1 {
				t.Fatalf("%d sequences of pictures, %d previews", len(j.Pictures), len(j.Outputs[0].Previews))
			}
			p, v := j.Pictures[0], j.Outputs[0].Previews[0]
			if every := media.Microseconds.Duration(p.Time(1)); p.Size != c.size || every != c.every || !p.Shown {
				t.Errorf("pictures of %v every %v, want %v every %v", p.Size, every, c.size, c.every)
			}
			if v.Form != film.Sprites || v.Format != film.JPEG || int64(v.Columns*v.Rows) != v.Unit {
				t.Errorf("the sheets are %+v", v)
			}
			if n := p.Count(*src.Video); n > 11_000 {
				t.Errorf("%d thumbnails", n)
			}
		})
	}
}
