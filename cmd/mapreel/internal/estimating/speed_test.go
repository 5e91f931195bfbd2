package estimating

import (
	"math"
	"slices"
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/target"
	"github.com/mapreel/mapreel/pkg/local"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/work"
)

// trial is a sample with so many frames that took so many milliseconds and wrote so many bytes.
func trial(frames, millis, bytes int64) local.Trial {
	return local.Trial{CPU: time.Duration(millis) * time.Millisecond, Result: work.Result{Done: work.Amount{Count: frames, Bytes: bytes}}}
}

func TestTheStartOfAnEncoderIsToldApartFromItsFrames(t *testing.T) {
	// 1,000 ms and 25 ms a frame, and a keyframe of 30,000 bytes before frames of 2,000; the late sample has frames that take 35 ms.
	s := ofTrials([]local.Trial{trial(10, 1250, 50_000), trial(70, 2750, 170_000), trial(70, 3450, 170_000)})
	if s.Start != 1000 || s.Head != 30_000 {
		t.Errorf("a unit takes %d ms and %d bytes to start, want 1000 and 30000", s.Start, s.Head)
	}
	if mid := (s.CPU.Low + s.CPU.High) / 2; mid < 29_500 || mid > 31_000 { // microseconds; the range is -15 and +18 %
		t.Errorf("a frame takes %d us, want about 30000", mid)
	}
	if mid := (s.Bytes.Low + s.Bytes.High) / 2; mid < 1_990_000 || mid > 2_040_000 { // thousandths
		t.Errorf("a frame has %d thousandths of a byte, want about 2000000", mid)
	}
}

func TestSamplesThatSayNothingOfTheStartAreAllFrames(t *testing.T) {
	// The longer sample took less, as where a machine was busy during the first.
	s := ofTrials([]local.Trial{trial(10, 3000, 50_000), trial(70, 2750, 40_000)})
	if s.Start != 0 || s.Head != 0 || !s.Known() {
		t.Errorf("%+v", s)
	}
	if one := ofTrials([]local.Trial{trial(10, 3000, 50_000)}); one.Known() {
		t.Errorf("one sample shows the speed %+v", one)
	}
}

// A job of another version, whose ID is another, says nothing of a search. Without one, its speed still counts.
func TestSearchesOfOtherVersionsAreNoHistory(t *testing.T) {
	past := film.Job{Request: film.Request{Source: "film.mkv"}, Source: film.Source{URL: "film.mkv", Size: 5}, Encoder: "5.1"}
	id, err := film.ID(past.Request, past.Source, past.Encoder)
	if err != nil {
		t.Fatal(err)
	}
	searched := film.Rendition{Quality: target.Quality{Metric: target.XPSNR, Target: 40}}
	for _, c := range []struct {
		id        string
		rendition film.Rendition
		want      bool
	}{{id, searched, true}, {"0123", searched, false}, {"0123", film.Rendition{Bitrate: 1}, false}, {"0123", film.Rendition{CRF: 21}, true}} {
		past.ID, past.Renditions = c.id, []film.Rendition{{CRF: 30}, c.rendition}
		if got := searchesAlike(past); got != c.want {
			t.Errorf("%s, %+v: %v, want %v", c.id, c.rendition, got, c.want)
		}
	}
}

// TestASourceWithoutSamplesIsNotWeighed is about one that is split first, such as a transport stream: its plan has no segments yet.
func TestASourceWithoutSamplesIsNotWeighed(t *testing.T) {
	t.Parallel()
	j := film.Job{Source: film.Source{Duration: 8_000_000, Size: 1, Video: &film.VideoTrack{}}}
	if got := weigh(t.Context(), work.Plan{Open: true}, j, samples(work.Plan{Open: true}, j), Options{}); got != 1 {
		t.Errorf("it is %v times as heavy as itself", got)
	}
}

func TestSamplesThatAreHeavierThanTheSourceWriteMore(t *testing.T) {
	t.Parallel()
	src := film.Source{Size: 110_000_000, Duration: 100_000_000} // 1,100,000 bytes a second
	for name, c := range map[string]struct {
		w    weighing
		want float64
	}{
		"twice as heavy":             {weighing{video: 12_000_000, others: 600_000, micros: 6_000_000}, math.Pow(2, elastic)},
		"lighter":                    {weighing{video: 3_000_000, others: 600_000, micros: 6_000_000}, math.Pow(0.5, elastic)},
		"no packets were found":      {weighing{others: 600_000, micros: 6_000_000}, 1},
		"the file has other things":  {weighing{video: 600_000, others: 600_000, micros: 6_000_000}, 1},
		"the others are all of it":   {weighing{video: 600_000, others: 6_600_000, micros: 6_000_000}, 1},
		"there was nothing to weigh": {weighing{}, 1},
	} {
		late := src // as Matroska whose first frame is at 100 s
		late.Duration, late.Video = 2*src.Duration, &film.VideoTrack{Timebase: media.Rational{Num: 1, Den: 1000}, Start: 100_000, End: 200_000}
		if got := c.w.heavier(late); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%s, of a file that begins late: %v, want %v", name, got, c.want)
		}
		if got := c.w.heavier(src); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

func TestExcerptsLieWithinTheSource(t *testing.T) {
	t.Parallel()
	for duration, want := range map[media.Ticks][]media.Ticks{
		0: {0}, 29_000_000: {0}, 30_000_000: {10_000_000, 5_000_000, 25_000_000}, 600_000_000: {295_000_000, 100_000_000, 500_000_000},
	} {
		if got := excerpts(duration); !slices.Equal(got, want) {
			t.Errorf("of %d us: %v, want %v", duration, got, want)
		}
	}
}
