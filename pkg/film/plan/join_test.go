package plan_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/plan"
	"github.com/mapreel/mapreel/pkg/media"
)

// joinable returns a source of n frames at rate/1 frames a second, whose clock begins at start, with sound at its sample rate, 0 = none.
func joinable(url string, tb, start, rate int64, n int, sampleRate int) (film.Source, plan.Index) {
	timebase := media.Rational{Num: 1, Den: tb}
	end := media.Ticks(start + int64(n)*tb/rate)
	x := plan.Index{Start: media.Ticks(start), End: end}
	for i := range n {
		if x.Times = append(x.Times, media.Ticks(start+int64(i)*tb/rate)); i%int(rate) == 0 {
			x.Sync = append(x.Sync, x.Times[i])
		}
	}
	src := film.Source{
		URL: url, Size: 1 << 20, Version: "1", Demuxer: "mov", Origin: media.Instant{Ticks: media.Ticks(start), Timebase: timebase},
		Video: &film.VideoTrack{
			Timebase: timebase, Start: x.Start, End: end, Frames: n, Width: 1280, Height: 720, PixelFormat: "yuv420p", Depth: 8,
			FrameRate: media.Rational{Num: rate, Den: 1}, ConstantRate: media.Rational{Num: rate, Den: 1},
		},
	}
	src.Duration = media.Rescale(end-x.Start, timebase, media.Microseconds)
	if sampleRate > 0 {
		src.Audio = []film.AudioTrack{{Codec: "aac", SampleRate: sampleRate, Channels: 2, Layout: "stereo", Timebase: media.Rational{Num: 1, Den: int64(sampleRate)}}}
	}
	return src, x
}

// The frames of a joined film follow one another without a gap, whatever the clocks of the sources, and its segments hold each of them once.
func TestJoinedSourcesFollowEachOtherOnOneClock(t *testing.T) {
	t.Parallel()
	var sources []film.Source
	var each [][]film.Segment
	frames := 0
	for _, s := range []struct{ tb, start, rate int64 }{{12800, 0, 25}, {1000, 80, 20}, {90000, 126000, 30}} {
		src, x := joinable("film", s.tb, s.start, s.rate, 95, 48000)
		sources, each = append(sources, src), append(each, plan.Segments(x, src.Video.Timebase, 2e9))
		frames += 95
	}
	joined, err := plan.JoinSources(sources)
	if err != nil {
		t.Fatal(err)
	}
	tb := joined.Video.Timebase
	// 3.8 s, 4.75 s and 3 1/6 s.
	if got := media.Rescale(joined.Video.End, tb, media.Microseconds); got != 11_716_667 || joined.Duration != got {
		t.Errorf("the film ends at %d µs and lasts %d", got, joined.Duration)
	}
	if joined.Video.Frames != frames || joined.Video.ConstantRate.Known() {
		t.Errorf("%d frames at a constant rate of %v", joined.Video.Frames, joined.Video.ConstantRate)
	}
	segments, err := plan.JoinSegments(joined, each)
	if err != nil {
		t.Fatal(err)
	}
	at, counted := joined.Video.Start, 0
	for i, s := range segments {
		if s.Start != at || s.Index != i || s.Last != (i == len(segments)-1) {
			t.Errorf("segment %d: %+v does not begin at %d", i, s, at)
		}
		if first := i == 0 || segments[i-1].Source != s.Source; s.SourceBegins != first || s.OpenStart() != first || first != (s.Boundary == film.AtJoin || i == 0) {
			t.Errorf("segment %d: %+v; first of its source: %t", i, s, first)
		}
		at, counted = s.End, counted+s.Frames
	}
	if at != joined.Video.End || counted != frames {
		t.Errorf("the segments end at %d of %d, and hold %d of %d frames", at, joined.Video.End, counted, frames)
	}
}

// Edges of the sound are rounded one by one: after a hundred sources whose lengths are no whole number of samples, it has not drifted.
func TestJoinedSoundDoesNotDrift(t *testing.T) {
	t.Parallel()
	var sources []film.Source
	for range 100 {
		src, _ := joinable("film", 30000, 1001, 30, 31, 44100)
		src.Video.End += 7 // a last frame of an odd length
		sources = append(sources, src)
	}
	joined, err := plan.JoinSources(sources)
	if err != nil {
		t.Fatal(err)
	}
	var samples int64
	for i, r := range plan.JoinedRanges(joined, 0) {
		if want := int64(1471); i > 0 && (r.First < want || r.First > want+1) { // 1001/30000 s
			t.Errorf("source %d is heard from sample %d on, want %d", i, r.First, want)
		}
		samples += r.Count
	}
	if want := int64(media.Rescale(joined.Video.End, joined.Video.Timebase, media.Rational{Num: 1, Den: 44100})); samples != want {
		t.Errorf("%d samples, want %d", samples, want)
	}
}

// The picture of each source keeps its shape within the frame of the first.
func TestJoinedPicturesFitIntoTheFrameOfTheFirst(t *testing.T) {
	t.Parallel()
	size := func(w, h int) media.Size { return media.Size{Width: w, Height: h} }
	for name, c := range map[string]struct {
		size  media.Size
		sar   media.Rational
		turn  int
		inner media.Size // zero: the whole frame
	}{
		"same":        {size: size(1280, 720)},
		"larger":      {size: size(3840, 2160)},
		"smaller":     {size: size(320, 180)},
		"square":      {size: size(500, 500), inner: size(720, 720)},
		"wide":        {size: size(1920, 800), inner: size(1280, 534)},
		"portrait":    {size: size(1920, 1080), turn: 90, inner: size(406, 720)},
		"almost":      {size: size(854, 480)},
		"anamorphic":  {size: size(720, 576), sar: media.Rational{Num: 64, Den: 45}},
		"anamorphic3": {size: size(720, 576), sar: media.Rational{Num: 16, Den: 15}, inner: size(960, 720)},
	} {
		first, _ := joinable("a.mp4", 12800, 0, 25, 50, 48000)
		next, _ := joinable("b.mp4", 12800, 0, 25, 50, 48000)
		next.Video.Width, next.Video.Height, next.Video.SampleAspect, next.Video.Rotation = c.size.Width, c.size.Height, c.sar, c.turn
		joined, err := plan.JoinSources([]film.Source{first, next})
		if err != nil {
			t.Fatal(err)
		}
		j, err := plan.Job(film.Request{Source: "s3://b/a.mp4", Join: []string{"s3://b/b.mp4"}, Destination: "s3://b/out/", Outputs: []film.Output{{Name: "film"}}}, joined, "5.1",
			func(string, film.Container) bool { return false })
		if err != nil {
			t.Fatal(err)
		}
		if err := plan.FitJoined(&j); err != nil {
			t.Fatal(err)
		}
		r := j.Source.Joined[1].Renditions[0]
		if r.Inner != c.inner || r.Width != 1280 || r.Height != 720 || r.PixelFormat != j.Renditions[0].PixelFormat {
			t.Errorf("%s: %dx%d around %v, want %v", name, r.Width, r.Height, r.Inner, c.inner)
		}
	}
}

// What cannot be joined is refused by the name of its field, and what is lost is said.
func TestWhatIsJoinedNamesWhatItRefusesAndLoses(t *testing.T) {
	t.Parallel()
	first, _ := joinable("s3://b/a.mp4", 12800, 0, 25, 50, 48000)
	mute, _ := joinable("s3://b/mute.mp4", 12800, 0, 25, 50, 0)
	mute.Subtitles, mute.Audio = []film.SubtitleTrack{{Codec: "subrip"}}, nil
	two, _ := joinable("s3://b/two.mp4", 12800, 0, 25, 50, 48000)
	two.Audio = append(two.Audio, two.Audio[0])
	joined, err := plan.JoinSources([]film.Source{mute, first, two})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"mute.mp4: its subtitles are left out: those of joined sources cannot be kept yet", film.NoticeMark + "mute.mp4: has no sound, and is silent in the film",
		"two.mp4: audio tracks from 2 on are left out: the first source with sound has no more",
	}
	if diff := cmp.Diff(want, joined.Losses); diff != "" || len(joined.Audio) != 1 {
		t.Errorf("%d tracks (-want +got):\n%s", len(joined.Audio), diff)
	}
	heard, endless, images := first, first, first
	images.Sequence = &film.FrameSequence{}
	heard.Video = nil
	endless.Video = new(*first.Video)
	endless.Video.End = 0
	_, err = plan.JoinSources([]film.Source{first, heard, endless, images})
	for _, text := range []string{"/join/0: has no video", "/join/1: does not say how long", "/join/2: is an image sequence"} {
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("got %v, want %q", err, text)
		}
	}
}

// The size of a file decides on the bytes of every source in it.
func TestJoinedSourcesShareTheSizeOfTheFile(t *testing.T) {
	t.Parallel()
	first, _ := joinable("a.mp4", 12800, 0, 25, 50, 48000)
	next, _ := joinable("b.mp4", 12800, 0, 25, 50, 48000)
	joined, err := plan.JoinSources([]film.Source{first, next})
	if err != nil {
		t.Fatal(err)
	}
	j, err := plan.Job(film.Request{Source: "s3://b/a.mp4", Join: []string{"s3://b/b.mp4"}, Destination: "s3://b/out/", Outputs: []film.Output{{Name: "film", TargetSize: 5_000_000}}}, joined, "5.1",
		func(string, film.Container) bool { return false })
	if err != nil {
		t.Fatal(err)
	}
	if err := plan.FitJoined(&j); err != nil {
		t.Fatal(err)
	}
	for i, one := range j.Source.Joined {
		if r := one.Renditions[0]; r.FileSize != 5_000_000 || r.SizedFile != "film.mp4" {
			t.Errorf("source %d: %v of %q, want 5M of film.mp4", i, r.FileSize, r.SizedFile)
		}
	}
}
