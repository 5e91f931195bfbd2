package plan_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/plan"
	"github.com/mapreel/mapreel/pkg/media"
)

// partSource returns 100 s of 25 frames a second that begin at 2 s, with a keyframe each second, and its index.
func partSource() (film.Source, *plan.Index) {
	tb := media.Rational{Num: 1, Den: 1000}
	x := &plan.Index{Start: 2000, End: 102_000}
	for t := media.Ticks(2000); t < 102_000; t += 40 {
		if x.Times = append(x.Times, t); t%1000 == 0 {
			x.Sync = append(x.Sync, t)
		}
	}
	return film.Source{
		Duration: 100_000_000, Origin: media.Instant{Ticks: 2000, Timebase: tb},
		Video: &film.VideoTrack{Timebase: tb, Start: 2000, End: 102_000, Frames: len(x.Times)},
		Chapters: []media.Chapter{
			{Start: 0, End: 10_000_000, Title: "one"}, {Start: 10_000_000, End: 30_000_000, Title: "two"}, {Start: 30_000_000, End: 100_000_000, Title: "three"},
		},
	}, x
}

func seconds(s float64) film.Seconds { return film.Seconds(s * float64(time.Second)) }

// The frames of the segments of a part are those whose times lie in it, each once, whatever the length of segments.
func TestSegmentsOfAPartHaveItsFrames(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		src, index := partSource()
		start := rapid.Int64Range(0, 99_000).Draw(t, "start")
		end := rapid.Int64Range(start+40, 100_000).Draw(t, "end")
		part := film.Part{Start: film.Seconds(time.Duration(start) * time.Millisecond), End: film.Seconds(time.Duration(end) * time.Millisecond)}
		var want []media.Ticks
		for _, at := range index.Times {
			if at >= media.Ticks(2000+start) && at < media.Ticks(2000+end) {
				want = append(want, at)
			}
		}
		cut, err := plan.Take(&src, index, part)
		if err != nil {
			t.Fatal(err)
		}
		length := time.Duration(rapid.IntRange(1, 30).Draw(t, "length")) * time.Second
		list := plan.Segments(*cut, src.Video.Timebase, length)
		if rapid.Bool().Draw(t, "aligned") {
			list = plan.AlignedSegments(*cut, src.Video.Timebase, length, 2*time.Second)
		}
		var got []media.Ticks
		frames := 0
		for i, s := range list {
			if s.Index != i || s.Seek > s.Start || s.Last != (i == len(list)-1) || s.OpenStart() != (i == 0 && start == 0) || s.OpenEnd() != (s.Last && end == 100_000) {
				t.Fatalf("segment %d is %+v", i, s)
			}
			frames += s.Frames
			for _, at := range index.Times {
				if (s.OpenStart() || at >= s.Start) && (s.OpenEnd() || at < s.End) {
					got = append(got, at)
				}
			}
		}
		if !slices.Equal(got, want) || frames != len(want) {
			t.Fatalf("from %d to %d: %d frames, %d announced, want %d", start, end, len(got), frames, len(want))
		}
	})
}

func TestAPartIsTakenOfTheSource(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name       string
		part       film.Part
		origin     media.Ticks
		duration   media.Ticks
		start, end media.Ticks
		frames     int
		chapters   string
		open       bool
	}{
		{"all", film.Part{}, 2_000_000, 100_000_000, 2000, 102_000, 2500, "one two three", true},
		{"between two frames", film.Part{Start: seconds(9.99), End: seconds(20.01)}, 11_990_000, 10_020_000, 12_000, 22_010, 251, "one two", false},
		{"a duration", film.Part{Start: seconds(10), Duration: seconds(5)}, 12_000_000, 5_000_000, 12_000, 17_000, 125, "two", false},
		{"chapters", film.Part{Chapters: "2"}, 12_000_000, 20_000_000, 12_000, 32_000, 500, "two", false},
		{"chapters to the end", film.Part{Chapters: "2-3"}, 12_000_000, 90_000_000, 12_000, 102_000, 2250, "two three", false},
		{"beyond the end", film.Part{Start: seconds(90), End: seconds(200)}, 92_000_000, 10_000_000, 92_000, 102_000, 250, "three", false},
	} {
		src, index := partSource()
		cut, err := plan.Take(&src, index, c.part)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		v := src.Video
		var titles []string
		for _, chapter := range src.Chapters {
			titles = append(titles, chapter.Title)
		}
		if got := src.Origin.In(media.Microseconds); got != c.origin || src.Duration != c.duration {
			t.Errorf("%s: origin %d, duration %d, want %d and %d", c.name, got, src.Duration, c.origin, c.duration)
		}
		if v.Start != c.start || v.End != c.end || v.Frames != c.frames || len(cut.Times) != c.frames || strings.Join(titles, " ") != c.chapters || (src.Cut == nil) != c.open {
			t.Errorf("%s: video %+v, %d times, chapters %v, cut %+v", c.name, *v, len(cut.Times), titles, src.Cut)
		}
		if src.FirstFrame() != 2000 || src.WholeOrigin().In(media.Microseconds) != 2_000_000 {
			t.Errorf("%s: the whole source begins at %v, its video at %d", c.name, src.WholeOrigin(), src.FirstFrame())
		}
	}
}

func TestAPartThatTheSourceDoesNotHaveIsRefused(t *testing.T) {
	t.Parallel()
	for want, part := range map[string]film.Part{
		"/part/start: 1m40s is not within the source, which is 1m40s long": {Start: seconds(100)},
		"/part/chapters: the source has 3 chapters":                        {Chapters: "2-4"},
		"/part: the source's video has no frame in it":                     {Start: seconds(10.001), End: seconds(10.03)},
	} {
		src, index := partSource()
		_, err := plan.Take(&src, index, part)
		if fault.KindOf(err) != fault.Invalid || err.Error() != "invalid request: "+want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// Only the source chunks with something of the part are encoded, and workers still find the chunks around them.
func TestChunksOutsideAPartAreLeftOut(t *testing.T) {
	t.Parallel()
	src, _ := partSource()
	if _, err := plan.Take(&src, nil, film.Part{Start: seconds(25), End: seconds(40)}); err != nil {
		t.Fatal(err)
	}
	var sync []media.Ticks
	for at := media.Ticks(2000); at < 102_000; at += 10_000 {
		sync = append(sync, at)
	}
	plan.Recut(&src, 2000, 102_000)
	got := plan.TakeChunks(plan.SourceChunks(plan.Index{Start: 2000, End: 102_000, Sync: sync}), src)
	want := []film.Segment{
		{Index: 0, Skipped: 2, Start: 27_000, End: 32_000, Seek: 22_000, LeadSync: 12_000, NextKeyframe: new(media.Ticks(32_000)), CutStart: true, Boundary: film.AtSourceChunk},
		{Index: 1, Skipped: 2, Start: 32_000, End: 42_000, Seek: 32_000, LeadSync: 22_000, NextKeyframe: new(media.Ticks(42_000)), CutEnd: true, Last: true, Boundary: film.AtSourceChunk},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// The parts of an audio track together have exactly the samples of the job's part, and the resampler has the phase of the whole track.
func TestAudioPartsOfAPartCoverItsSamples(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		src, _ := partSource()
		src.Audio = []film.AudioTrack{{Codec: "flac", SampleRate: 44_100, Timebase: media.Rational{Num: 1, Den: 44_100}, Start: 88_200, Duration: 4_410_000, Clock: film.ClockExact}}
		start := rapid.Int64Range(0, 90_000).Draw(t, "start")
		end := rapid.Int64Range(start+500, 100_000).Draw(t, "end")
		if _, err := plan.Take(&src, nil, film.Part{Start: film.Seconds(time.Duration(start) * time.Millisecond), End: film.Seconds(time.Duration(end) * time.Millisecond)}); err != nil {
			t.Fatal(err)
		}
		j := film.Job{Source: src, AudioRenditions: []film.AudioRendition{{Codec: rapid.SampledFrom([]film.AudioCodec{film.AAC, film.Opus}).Draw(t, "codec")}}}
		j.AudioRenditions = plan.DivideAudio(j, 5*time.Second)
		r := j.AudioRenditions[0]
		rate := media.Rational{Num: 1, Den: int64(r.Rate)}
		first, last := media.Rescale(media.Ticks(2000+start), media.Rational{Num: 1, Den: 1000}, rate), media.Rescale(media.Ticks(2000+end), media.Rational{Num: 1, Den: 1000}, rate)
		for _, p := range j.AudioParts() {
			read := plan.ReadAudio(r, src, src.Audio[0], p)
			if read.Zero != first || (start > 0 || p.Start > 0) && read.Start != nil && *read.Start < first || read.End != nil && *read.End > last || p.Last && end < 100_000 && (read.End == nil || *read.End != last) {
				t.Fatalf("%+v of %d to %d is read as %+v", p, first, last, read)
			}
			if start > 0 && (read.Start == nil || *read.Start > first+p.Start) {
				t.Fatalf("%+v of %d to %d begins at %v", p, first, last, read.Start)
			}
			if read.First != nil && (int64(*read.First)-88_200)*int64(r.Rate)%44_100 != 0 {
				t.Fatalf("%+v is resampled from sample %d, where no output sample lies", p, *read.First)
			}
		}
	})
}
