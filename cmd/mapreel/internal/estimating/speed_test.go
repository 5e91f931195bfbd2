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
	s := ofTrials([]local.Trial{trial(10, 1250, 50_000), trial(70, 2750, 170_000), trial(70, 3450, 170_000)}, nil)
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
	s := ofTrials([]local.Trial{trial(10, 3000, 50_000), trial(70, 2750, 40_000)}, nil)
	if s.Start != 0 || s.Head != 0 || !s.Known() {
		t.Errorf("%+v", s)
	}
	if one := ofTrials([]local.Trial{trial(10, 3000, 50_000)}, nil); one.Known() {
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

// Its plan has no segments yet, as that of a transport stream.
func TestASourceWithoutSamplesIsNotWeighed(t *testing.T) {
	t.Parallel()
	j := film.Job{Source: film.Source{Duration: 8_000_000, Size: 1, Video: &film.VideoTrack{}}}
	if got := weigh(t.Context(), work.Plan{Open: true}, j, samples(work.Plan{Open: true}, j), Options{}); got != nil {
		t.Errorf("it has weights: %v", got)
	}
}

func TestSamplesAreWeighedAgainstTheSource(t *testing.T) {
	t.Parallel()
	src := film.Source{Size: 110_000_000, Duration: 100_000_000} // 1,100,000 bytes a second
	micros := []media.Ticks{3_000_000, 3_000_000}
	for name, c := range map[string]struct {
		w    weighing
		want []float64
	}{
		"one is heavier":             {weighing{video: []int64{9_000_000, 3_000_000}, others: 600_000, micros: micros}, []float64{3, 1}},
		"lighter":                    {weighing{video: []int64{1_500_000, 1_500_000}, others: 600_000, micros: micros}, []float64{0.5, 0.5}},
		"no packets were found":      {weighing{video: []int64{0, 0}, others: 600_000, micros: micros}, nil},
		"the file has other things":  {weighing{video: []int64{300_000, 300_000}, others: 600_000, micros: micros}, nil},
		"the others are all of it":   {weighing{video: []int64{300_000, 300_000}, others: 6_600_000, micros: micros}, nil},
		"there was nothing to weigh": {weighing{}, nil},
	} {
		late := src // as Matroska whose first frame is at 100 s
		late.Duration, late.Video = 2*src.Duration, &film.VideoTrack{Timebase: media.Rational{Num: 1, Den: 1000}, Start: 100_000, End: 200_000}
		for _, source := range []film.Source{src, late} {
			if got := c.w.weights(source); !slices.EqualFunc(got, c.want, func(x, y float64) bool { return math.Abs(x-y) < 1e-9 }) {
				t.Errorf("%s: %v, want %v", name, got, c.want)
			}
		}
	}
}

// What a film takes lies where its weight does, between those of its samples.
func TestAFilmTakesWhatItsWeightSays(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		each, weights []float64
		elastic       float64
		least, most   float64
	}{
		"on the line of two":       {[]float64{20, 10}, []float64{1.75, 0.75}, 0.3, 12.5, 12.7},
		"of equal weight":          {[]float64{20, 10}, []float64{1, 1}, 0.3, 15, 15},
		"as usual where all are":   {[]float64{15, 15}, []float64{1.25, 1.25}, 0.8, 12.59, 12.61},
		"nothing is known of it":   {[]float64{20, 10}, nil, 0.8, 15, 15},
		"lighter ones take longer": {[]float64{10, 20}, []float64{1.75, 0.75}, 0.3, 15, 15},
		"beyond all samples":       {[]float64{30, 10}, []float64{2.5, 2}, 0.8, 20 / 2.25, 20 / 2.25},
		"far beyond them":          {[]float64{40, 0}, []float64{8, 1.1}, 0.8, 20 / most, 20 / most},
	} {
		if got := ofFilm(c.each, c.weights, c.elastic); got < c.least-1e-9 || got > c.most+1e-9 {
			t.Errorf("%s: %v, want %v to %v", name, got, c.least, c.most)
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
