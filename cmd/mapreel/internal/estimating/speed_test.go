package estimating

import (
	"encoding/json"
	"fmt"
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
	s := ofTrials([]local.Trial{trial(10, 1250, 50_000), trial(70, 2750, 170_000), trial(70, 3450, 170_000)}, false)
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
	s := ofTrials([]local.Trial{trial(10, 3000, 50_000), trial(70, 2750, 40_000)}, false)
	if s.Start != 0 || s.Head != 0 || !s.Known() {
		t.Errorf("%+v", s)
	}
	if one := ofTrials([]local.Trial{trial(10, 3000, 50_000)}, false); one.Known() {
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
	for _, duration := range []media.Ticks{0, 5_000_000, 30_000_000, 60_000_000, 61_000_000, 600_000_000} {
		for _, first := range []media.Ticks{0, 100_000_000} {
			begins := first + 5_000_000 // by its clock
			src := film.Source{Duration: duration, Cut: &film.Cut{Start: &begins, Origin: media.Instant{Ticks: 5, Timebase: media.Rational{Num: 1, Den: 1}}}}
			starts, length := excerpts(src)
			if last := starts[len(starts)-1]; last != first {
				t.Errorf("of %d us from %d: the last resort is at %d", duration, first, last)
			}
			for _, at := range starts {
				if duration > 0 && (at < first || at+length > first+duration) || duration == 0 && at != first {
					t.Errorf("of %d us from %d: %d us from %d", duration, first, length, at)
				}
			}
		}
	}
}

func TestExcerptsOfAStuffedStreamAreNotWeighed(t *testing.T) {
	t.Parallel()
	j := film.Job{Source: film.Source{Size: 100_000_000, Duration: 100_000_000}} // a megabyte a second
	for name, c := range map[string]struct {
		all, own weighing
		want     float64
	}{
		"a heavy place": {all: weighing{video: 1_900_000, others: 100_000, micros: 2_000_000}, own: weighing{video: 2_700_000, micros: 2_000_000}, want: math.Pow(1.5, elastic)},
		"stuffed":       {all: weighing{video: 500_000, others: 100_000, micros: 2_000_000}, own: weighing{video: 2_700_000, micros: 2_000_000}, want: 1},
		"not weighed":   {want: 1},
	} {
		if got := heavierThan(j, &c.all, &c.own); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}

// Of two segments the second has the samples. Else they lie in the middle and in the first and the last third.
func TestSamplesLieInAllThirdsOfTheFilm(t *testing.T) {
	t.Parallel()
	j := film.Job{Source: film.Source{Video: &film.VideoTrack{Timebase: media.Microseconds}}}
	for segments, want := range map[int][]int{1: {0, 0}, 2: {1, 1}, 3: {1, 1, 0, 2}, 6: {3, 3, 1, 5}, 60: {30, 30, 10, 50}} {
		var units []work.Unit
		for i := range segments {
			spec, err := json.Marshal(film.Segment{Index: i, Start: media.Ticks(i) * 10_000_000, End: media.Ticks(i+1) * 10_000_000})
			if err != nil {
				t.Fatal(err)
			}
			units = append(units, work.Unit{Name: fmt.Sprintf("%s/%05d", film.VideoKind, i), Spec: spec})
		}
		var got []int
		for n, unit := range samples(work.Plan{Phases: []work.Phase{{Units: slices.Values(units)}}}, j) {
			var s film.Segment
			if err := json.Unmarshal(unit.Spec, &s); err != nil {
				t.Fatal(err)
			}
			got = append(got, s.Index)
			if length := s.End - s.Start; length != longSample && (n > 0 || length != shortSample) {
				t.Errorf("of %d segments: sample %d has %d us", segments, n, length)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("of %d segments %v have samples, want %v", segments, got, want)
		}
	}
}
