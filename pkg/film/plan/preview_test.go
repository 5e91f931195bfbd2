package plan

import (
	"fmt"
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

func TestASliceReachesTheSegmentOfItsLastFrame(t *testing.T) {
	// Picture 9 of an animation shows the frame nearest to 0.9 s: that at 0.94 s, with which the next segment begins. A still does not.
	v := film.VideoTrack{Timebase: media.Rational{Num: 1, Den: 100}, Start: 500, End: 500 + 300}
	segments := []film.Segment{{Index: 0, Start: 500, End: 594, Seek: 500}, {Index: 1, Start: 594, End: v.End, Seek: 500, Last: true}}
	every := media.Rational{Num: 10, Den: 1}
	j := film.Job{
		Source: film.Source{Video: &v}, Pictures: []film.Pictures{{Rate: every}, {Rate: every, Shown: true}, {Rate: media.Rational{Num: 1000, Den: 1}, Times: []int64{935, 940}, Shown: true}},
		Outputs: []film.OutputPlan{{Previews: []film.PreviewPlan{
			{Form: film.GIF, Every: 1e6, Length: 1e6}, {Form: film.Stills, Pictures: 1, Unit: 10}, {Form: film.Stills, Pictures: 2, Unit: 1},
		}}},
	}
	var got []string
	list := Slices(j, segments)
	for _, s := range list {
		got = append(got, fmt.Sprintf("%d: %d to %d in %d to %d", s.Preview, s.From, s.To, s.FirstSegment, s.LastSegment))
	}
	want := []string{
		"0: 0 to 10 in 0 to 1", "1: 0 to 10 in 0 to 0", "2: 0 to 1 in 0 to 0", "2: 1 to 2 in 1 to 1",
		"0: 10 to 20 in 1 to 1", "1: 10 to 20 in 1 to 1", "0: 20 to 30 in 1 to 1", "1: 20 to 30 in 1 to 1",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	needed := func(keyframes bool, s film.Slice) (list []int) {
		j.Keyframes = keyframes
		for _, seg := range Needed(j, segments, []film.Slice{s}) {
			list = append(list, seg.Index)
		}
		return list
	}
	if diff := cmp.Diff([][]int{{1}, {0, 1}}, [][]int{needed(false, list[3]), needed(true, list[3])}); diff != "" {
		t.Errorf("segments of the last still, with all frames and with keyframes alone (-want +got):\n%s", diff)
	}
}

func TestKeyframesAreDecodedAloneWhereEveryOutputAllowsIt(t *testing.T) {
	few, all := film.Output{Container: film.Sprites, Preview: &film.Preview{Keyframes: true}}, film.Output{Container: film.GIF, Preview: &film.Preview{}}
	for name, c := range map[string]struct {
		want       bool
		interlaced string
		outputs    []film.Output
	}{
		"keyframes":           {true, "", []film.Output{few, few}},
		"beside an animation": {false, "", []film.Output{few, all}},
		"beside a film":       {false, "", []film.Output{few, {Container: film.MP4}}},
		"of fields":           {false, "tff", []film.Output{few}},
		"without being asked": {false, "", []film.Output{all}},
	} {
		if got := keyframesSuffice(film.Request{Outputs: c.outputs}, film.Source{Video: &film.VideoTrack{Interlaced: c.interlaced}}); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
	j := film.Job{Keyframes: true, Pictures: []film.Pictures{{Rate: media.Rational{Num: 1, Den: 5}, Size: media.Size{Width: 160, Height: 90}}}}
	j.Request.Segment.Seconds = film.Seconds(10 * time.Second)
	if got := SegmentLength(j); got != 15*time.Minute {
		t.Errorf("segments of %v for thumbnails of keyframes", got)
	}
	j.Pictures[0].Rate, j.Pictures[0].Size = media.Rational{Num: 1, Den: 1}, media.Size{Width: 3840, Height: 2160}
	if got := SegmentLength(j).Round(time.Second); got != 32*time.Second {
		t.Errorf("segments of %v for large stills of keyframes: their pictures would fill a disk", got)
	}
}

func TestASheetIsNoLargerThanItsFormatHolds(t *testing.T) {
	v := film.VideoTrack{Width: 1080, Height: 1920, Timebase: media.Rational{Num: 1, Den: 25}, End: 2500}
	for rows, want := range map[int]string{46: "", 47: "47 rows of 356 pixels make a sheet of 16732; at most 16383"} {
		j := film.Job{ID: "0123456789", Source: film.Source{Video: &v}}
		if got := addPreview(&j, film.Output{
			Name: "film", Container: film.Sprites, Preview: &film.Preview{Every: film.Seconds(time.Second), Width: 200, Columns: 1, Rows: rows, Format: film.WebP},
		}); got != want {
			t.Errorf("%d rows: %q, want %q", rows, got, want)
		}
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
