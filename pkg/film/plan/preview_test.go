package plan

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/media"
)

func TestPicturesAreInSquarePixelsAndKeepTheirShape(t *testing.T) {
	hd := film.VideoTrack{Width: 1920, Height: 1080}
	pal := film.VideoTrack{Width: 720, Height: 576, SampleAspect: media.Rational{Num: 64, Den: 45}}
	phone := film.VideoTrack{Width: 1920, Height: 1080, Rotation: 90}
	for name, c := range map[string]struct {
		track        film.VideoTrack
		p            film.Preview
		size, scaled media.Size
	}{
		"as the source":            {hd, film.Preview{}, media.Size{Width: 1920, Height: 1080}, media.Size{Width: 1920, Height: 1080}},
		"smaller":                  {hd, film.Preview{Width: 240}, media.Size{Width: 240, Height: 135}, media.Size{Width: 240, Height: 135}},
		"never larger":             {hd, film.Preview{Width: 4000}, media.Size{Width: 1920, Height: 1080}, media.Size{Width: 1920, Height: 1080}},
		"anamorphic":               {pal, film.Preview{}, media.Size{Width: 1024, Height: 576}, media.Size{Width: 1024, Height: 576}},
		"rotated":                  {phone, film.Preview{Width: 270}, media.Size{Width: 270, Height: 480}, media.Size{Width: 270, Height: 480}},
		"cropped to a square":      {hd, film.Preview{Width: 240, Aspect: film.Aspect{Num: 1, Den: 1}, Fit: film.FitCrop}, media.Size{Width: 240, Height: 240}, media.Size{Width: 427, Height: 240}},
		"padded to a square":       {hd, film.Preview{Width: 240, Aspect: film.Aspect{Num: 1, Den: 1}, Fit: film.FitPad}, media.Size{Width: 240, Height: 240}, media.Size{Width: 240, Height: 135}},
		"upright, padded to 16:9":  {phone, film.Preview{Width: 320, Aspect: film.Aspect{Num: 16, Den: 9}, Fit: film.FitPad}, media.Size{Width: 320, Height: 180}, media.Size{Width: 101, Height: 180}},
		"upright, cropped to 16:9": {phone, film.Preview{Aspect: film.Aspect{Num: 16, Den: 9}, Fit: film.FitCrop}, media.Size{Width: 1080, Height: 608}, media.Size{Width: 1080, Height: 1920}},
	} {
		size, scaled := pictureSize(c.track, c.p)
		if size != c.size || scaled != c.scaled {
			t.Errorf("%s: got %v of %v, want %v of %v", name, size, scaled, c.size, c.scaled)
		}
	}
}

func TestSlicesCoverTheFilmAndTheLastOneIsShorter(t *testing.T) {
	v := film.VideoTrack{Timebase: media.Rational{Num: 1, Den: 24}, Start: 48, End: 48 + 24*75} // 75 s
	j := film.Job{Source: film.Source{Video: &v}}
	out := func(c film.Container, p film.Preview) film.Output {
		r, err := film.Request{Outputs: []film.Output{{Name: "film", Container: c, Preview: &p}}}.Normalise(true)
		if err != nil {
			t.Fatal(err)
		}
		return r.Outputs[0]
	}
	j.ID = "0123456789"
	addPreview(&j, out(film.GIF, film.Preview{}))
	addPreview(&j, out(film.Clip, film.Preview{Length: film.Seconds(5 * time.Second)}))
	addPreview(&j, out(film.Sprites, film.Preview{Columns: 2, Rows: 5}))
	if len(j.Outputs) != 1 || len(j.Pictures) != 2 {
		t.Fatalf("%d outputs and %d sequences of pictures; want one of each name, and the animations to share theirs", len(j.Outputs), len(j.Pictures))
	}
	segments := []film.Segment{{Index: 0, Start: 48, End: 500}, {Index: 1, Start: 500, End: 1400}, {Index: 2, Start: 1400, End: v.End, Last: true}}
	const second = 1_000_000
	want := []film.Slice{
		{Preview: 0, From: 0, To: 300, Start: 0, End: 30 * second, FirstSegment: 0, LastSegment: 1},
		{Preview: 1, From: 0, To: 50, Start: 0, End: 5 * second},
		{Preview: 2, From: 0, To: 10, Start: 0, End: 50 * second, FirstSegment: 0, LastSegment: 1},
		{Preview: 0, From: 300, To: 600, Start: 30 * second, End: 60 * second, FirstSegment: 1, LastSegment: 2},
		{Preview: 1, From: 300, To: 350, Start: 30 * second, End: 35 * second, FirstSegment: 1, LastSegment: 1},
		{Preview: 2, From: 10, To: 15, Start: 50 * second, End: 75 * second, FirstSegment: 1, LastSegment: 2},
		{Preview: 0, From: 600, To: 750, Start: 60 * second, End: 75 * second, FirstSegment: 2, LastSegment: 2},
		{Preview: 1, From: 600, To: 650, Start: 60 * second, End: 65 * second, FirstSegment: 2, LastSegment: 2},
	}
	if diff := cmp.Diff(want, Slices(j, segments)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestADayOfStillsIsShownBeforeTheRun(t *testing.T) {
	v := film.VideoTrack{Timebase: media.Rational{Num: 1, Den: 25}, End: 25 * 24 * 3600}
	j := film.Job{Source: film.Source{Video: &v}, Pictures: []film.Pictures{{Rate: media.Rational{Num: 1, Den: 1}, Shown: true}}}
	for archive, want := range map[bool]int64{false: 86_400, true: 288} {
		p := film.PreviewPlan{Form: film.Stills, Unit: film.MaxStillsUnit, Archive: archive}
		if got := Objects(j, p); got != want {
			t.Errorf("archive %v: %d files, want %d", archive, got, want)
		}
		if n := CountSlices(j, p); n != 288 {
			t.Errorf("%d units for a day of stills, want 288 of 300 each", n)
		}
	}
}
