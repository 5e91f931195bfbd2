package split

import (
	"bytes"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/internal/filmtest"
	"github.com/mapreel/mapreel/pkg/film/plan"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/work"
)

// splitter splits a source as the engine would.
type splitter struct {
	kind  Kind
	job   film.Job
	files blob.Store
}

// newSplitter makes an MPEG-TS of 9 s at 25 frames per second, with a keyframe each second, and
// plans source chunks of 2 s.
func newSplitter(t *testing.T) *splitter {
	t.Helper()
	found, files := filmtest.Source(t, "in.ts", "-f", "lavfi", "-i", "testsrc2=size=160x90:rate=25:duration=9",
		"-c:v", "libx264", "-preset", "ultrafast", "-bf", "2", "-g", "25")
	if found.Index != nil || !found.Splittable {
		t.Fatalf("index %v, splittable %t", found.Index, found.Splittable)
	}
	s := &splitter{kind: Kind{Tools: filmtest.Tools(t)}, job: film.Job{ID: filmtest.Job, Source: found.Source}, files: files}
	s.job.Request.Segment.Seconds = film.Seconds(2 * time.Second)
	return s
}

// run does the unit of the split, and returns its result and facts.
func (s *splitter) run(t *testing.T, scratch blob.Store) (work.Result, film.SplitFacts) {
	t.Helper()
	var facts film.SplitFacts
	r := filmtest.Run(t, s.kind, s.job, film.SplitUnit, s.files, scratch, &facts)
	return r, facts
}

func TestTheIndexInScratchCoversTheVideo(t *testing.T) {
	s, scratch := newSplitter(t), filmtest.Store(t)
	_, facts := s.run(t, scratch)
	if facts.Jumps {
		t.Error("a clock that does not jump is said to")
	}
	index, err := ReadIndex(t.Context(), scratch, facts.Index)
	if err != nil {
		t.Fatal(err)
	}
	const second = 90_000
	start := s.job.Source.Video.Start
	want := plan.Index{Start: start, End: start + 9*second}
	for at := start; at < start+8*second; at += 2 * second {
		want.Sync = append(want.Sync, at)
	}
	// The last source chunk begins 8 s after the start, or is part of the one before.
	got := index
	if n := len(got.Sync); n == len(want.Sync)+1 && got.Sync[n-1] == start+8*second {
		got.Sync = got.Sync[:n-1]
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("index (-want +got):\n%s", diff)
	}
	if len(index.Sync) != facts.Chunks {
		t.Errorf("the index has %d source chunks, the facts have %d", len(index.Sync), facts.Chunks)
	}
	segments := plan.SourceChunks(index)
	if first, last := segments[0], segments[len(segments)-1]; first.Start != start || last.End != start+9*second || !last.Last {
		t.Errorf("segments from %+v to %+v", first, last)
	}
}

// ffmpeg takes a step back of the audio's clock for a jump, which moves the video too.
func TestAStepBackOfTheAudioAloneIsAJump(t *testing.T) {
	part := func(offset, audio string) []string {
		return []string{
			"-f", "lavfi", "-i", "testsrc2=size=64x36:rate=25:duration=2", "-f", "lavfi", "-i", "sine=duration=" + audio, "-c:v", "libx264", "-preset", "ultrafast",
			"-c:a", "aac", "-output_ts_offset", offset,
		}
	}
	for audio, want := range map[string]bool{"2": false, "2.4": true} {
		found, files := filmtest.Joined(t, "in.ts", part("0", audio), part("2.03", audio))
		s := &splitter{kind: Kind{Tools: filmtest.Tools(t)}, job: film.Job{ID: filmtest.Job, Source: found.Source}, files: files}
		s.job.Request.Segment.Seconds = film.Seconds(2 * time.Second)
		if _, facts := s.run(t, filmtest.Store(t)); facts.Jumps != want {
			t.Errorf("audio of %s s in two recordings of 2 s: jumps %t, want %t", audio, facts.Jumps, want)
		}
	}
}

// What the container declares of a track behind the jump is on another clock than the video.
func TestSplitTellsWhenAudioBehindAJumpBegins(t *testing.T) {
	video := []string{"-f", "lavfi", "-i", "testsrc2=size=64x36:rate=25:duration=2"}
	coded := []string{"-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac", "-output_ts_offset"}
	found, files := filmtest.Joined(t, "in.ts", slices.Concat(video, coded, []string{"10"}),
		slices.Concat(video, []string{"-f", "lavfi", "-i", "sine=duration=2"}, coded, []string{"45"}))
	s := &splitter{kind: Kind{Tools: filmtest.Tools(t)}, job: film.Job{ID: filmtest.Job, Source: found.Source}, files: files}
	s.job.Request.Segment.Seconds = film.Seconds(2 * time.Second)
	_, facts := s.run(t, filmtest.Store(t))
	if !facts.Jumps || len(facts.AudioStarts) != 1 || facts.AudioStarts[0] == nil {
		t.Fatalf("facts %+v", facts)
	}
	v := s.job.Source.Video
	want := media.Rescale(v.Start, v.Timebase, media.Microseconds) + 2_000_000
	if got := *facts.AudioStarts[0]; got < want-50_000 || got > want+50_000 { // audio has priming
		t.Errorf("the audio begins at %d µs, the video's second part at %d µs", got, want)
	}
}

// The decoder may report nothing of them, and what it shows depends on its number of threads.
func TestSplitTellsThatPacketsMayHaveLostBytes(t *testing.T) {
	s, scratch := newSplitter(t), filmtest.Store(t)
	if _, facts := s.run(t, scratch); facts.Damaged {
		t.Errorf("a source without damage: %+v", facts)
	}
	key := s.job.Source.URL
	data, err := blob.ReadRange(t.Context(), s.files, key, 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	const packet = 188
	at := len(data) / packet / 2 * packet
	for data[at+1]&0x1f != 1 || data[at+2] != 0 { // the video, PID 0x100
		at += packet
	}
	if _, err := s.files.Put(t.Context(), key, bytes.NewReader(slices.Concat(data[:at], data[at+packet:]))); err != nil {
		t.Fatal(err)
	}
	if _, facts := s.run(t, filmtest.Store(t)); !facts.Damaged {
		t.Errorf("a packet is missing: %+v", facts)
	}
}

// A lost source chunk must make the artifact incomplete, so that resume splits again.
func TestTheArtifactIsAllThatSplitWrote(t *testing.T) {
	s, scratch := newSplitter(t), filmtest.Store(t)
	r, facts := s.run(t, scratch)
	sizes, err := work.Sizes(t.Context(), scratch, "")
	if err != nil {
		t.Fatal(err)
	}
	var sum int64
	for _, size := range sizes {
		sum += size
	}
	want := []work.Artifact{{Prefix: film.SourceChunkPrefix(filmtest.Job), Size: sum}}
	if diff := cmp.Diff(want, r.Artifacts); diff != "" {
		t.Errorf("artifacts (-want +got):\n%s", diff)
	}
	if len(sizes) != facts.Chunks+1 || r.Done.Bytes != sum {
		t.Errorf("%d objects of %d bytes, %d source chunks and %d bytes reported", len(sizes), sum, facts.Chunks, r.Done.Bytes)
	}
}

func TestASecondAttemptWritesTheSameBytes(t *testing.T) {
	s, scratch := newSplitter(t), filmtest.Store(t)
	digests := func() map[string]string {
		list := map[string]string{}
		sizes, err := work.Sizes(t.Context(), scratch, "")
		for key, size := range sizes {
			if err == nil {
				list[key], err = blob.Digest(t.Context(), scratch, key, size)
			}
		}
		if err != nil {
			t.Fatal(err)
		}
		return list
	}
	first, _ := s.run(t, scratch)
	once := digests()
	second, _ := s.run(t, scratch)
	if twice := digests(); !maps.Equal(once, twice) {
		t.Errorf("other bytes: %s", cmp.Diff(once, twice))
	}
	if diff := cmp.Diff(first, second, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("results (-first +second):\n%s", diff)
	}
}

func TestADamagedIndexIsCorrupt(t *testing.T) {
	scratch := filmtest.Store(t)
	_, err := scratch.Put(t.Context(), "index", strings.NewReader(`{"start": 0, "sync": [0, 1`))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := ReadIndex(t.Context(), scratch, "index"); fault.KindOf(err) != fault.Corrupt {
		t.Errorf("%v, want an error of kind Corrupt", err)
	}
	if _, err := ReadIndex(t.Context(), scratch, "none"); fault.KindOf(err) != fault.NotFound {
		t.Errorf("%v, want an error of kind NotFound", err)
	}
}

// B-frames at the end of a source chunk may be shown before its first frame, and the last sample
// may have no duration.
func TestTheIndexHoldsTheEarliestAndTheLatestFrame(t *testing.T) {
	c := clockChunk(1000, 10, 10, 0)
	c.Samples[0].Offset, c.Samples[1].Offset = 5, -15
	var x index
	x.add(c, media.Rational{})
	x.add(clockChunk(1020, 0), media.Rational{})
	if want := (index{Start: 995, End: 1020, Sync: []media.Ticks{1005, 1020}, latest: 1020, last: 1020, frames: 4, uneven: true, Chunks: []plan.ChunkEntry{{}, {}}}); !cmp.Equal(want, x, cmp.AllowUnexported(index{})) {
		t.Errorf("got %+v, want %+v", x, want)
	}
}
