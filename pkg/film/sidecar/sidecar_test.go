package sidecar

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/internal/filmtest"
	"github.com/mapreel/mapreel/pkg/isobmff"
	"github.com/mapreel/mapreel/pkg/process"
	"github.com/mapreel/mapreel/pkg/work"
)

const subtitles = `1
00:00:00,500 --> 00:00:01,000
one

2
00:00:01,000 --> 00:00:01,750
two
`

// newSource makes a Matroska of 2 s with subtitles, a subtitle track without events, an attachment
// and a cover.
func newSource(t *testing.T) (film.Source, blob.Store) {
	t.Helper()
	folder := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(folder, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	found, files := filmtest.Source(t, "in.mkv",
		"-f", "lavfi", "-i", "testsrc2=size=160x90:rate=25:duration=2", "-i", file("text.srt", subtitles),
		"-f", "webvtt", "-i", file("empty.vtt", "WEBVTT\n\n"),
		"-map", "0", "-map", "1", "-map", "2", "-c:v", "libx264", "-preset", "ultrafast", "-c:s", "subrip",
		"-attach", file("font.ttf", "not really a font"), "-metadata:s:t", "mimetype=application/x-truetype-font")
	return found.Source, files
}

func TestEverySidecarIsStoredAndListedAsAnArtifact(t *testing.T) {
	src, files := newSource(t)
	if len(src.Subtitles) != 2 || len(src.Attachments) != 1 {
		t.Fatalf("the source has %d subtitle tracks and %d attachments", len(src.Subtitles), len(src.Attachments))
	}
	job := film.Job{
		ID: filmtest.Job, Source: src, Outputs: []film.OutputPlan{{Attachments: true}},
		SubtitleRenditions: []film.SubtitleRendition{
			{Track: 0, Codec: "mov_text", Mux: film.MP4},
			{Track: 0, Codec: "copy", Mux: film.Matroska},
			{Track: 0, Codec: "webvtt", Mux: film.HLS},
			{Track: 1, Codec: "mov_text", Mux: film.MP4},
			{Track: 1, Codec: "webvtt", Mux: film.HLS},
		},
	}
	scratch := filmtest.Store(t)
	var facts film.SidecarFacts
	r := filmtest.Run(t, Kind{Tools: filmtest.Tools(t)}, job, film.SidecarUnit, files, scratch, &facts)

	sizes, err := work.Sizes(t.Context(), scratch, "")
	if err != nil {
		t.Fatal(err)
	}
	var listed int64
	for _, a := range r.Artifacts {
		if size, ok := sizes[a.Key]; !ok || size != a.Size || !a.OfAttempt() {
			t.Errorf("artifact %+v, stored are %d bytes", a, size)
		}
		listed += a.Size
	}
	if len(r.Artifacts) != len(sizes) || len(sizes) != 4 || r.Done.Bytes != listed {
		t.Errorf("%d artifacts and %d objects, want 4; %d bytes reported of %d", len(r.Artifacts), len(sizes), r.Done.Bytes, listed)
	}
	if diff := cmp.Diff([]string{"left out: subtitle track 2, which is empty"}, r.Warnings); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
	for i, s := range facts.Subtitles {
		if want := 2 * min(1, len(s.Key)); s.Events != want || (i < 3) != (s.Key != "") {
			t.Errorf("subtitle rendition %d has %d events in %q", i, s.Events, s.Key)
		}
	}
	read := func(o film.StoredObject) string {
		data, err := blob.ReadRange(t.Context(), scratch, o.Key, 0, o.Size)
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	timed := facts.Subtitles[0]
	chunk, err := isobmff.ReadChunk([]byte(read(timed.StoredObject))[:timed.Header])
	if err != nil || len(chunk.Samples) != timed.Samples || timed.Header+chunk.Bytes != timed.Size {
		t.Errorf("%d samples of timed text in %d + %d bytes, reported are %+v; %v", len(chunk.Samples), timed.Header, chunk.Bytes, timed, err)
	}
	if text := read(facts.Subtitles[2].StoredObject); !strings.HasPrefix(text, "WEBVTT") || !strings.Contains(text, "two") {
		t.Errorf("WebVTT file:\n%s", text)
	}
	if text := read(facts.Attachments[0]); text != "not really a font" {
		t.Errorf("attachment: %q", text)
	}
}

// A film goes on without a subtitle track that ffmpeg cannot decode, or takes too long for.
func TestATrackThatCannotBeExtractedIsLeftOutAlone(t *testing.T) {
	src, files := newSource(t)
	tools := filmtest.Tools(t)
	for name, test := range map[string]struct {
		fail string // a command of the shell in place of ffmpeg, where it is to extract the track
		want string // what the warning begins with: a regular expression
	}{
		"damaged":       {"echo 'Invalid data found when processing input' >&2; exit 1", "left out: subtitle track 1: Invalid data found"},
		"unknown words": {"echo 'never heard before' >&2; exit 1", "left out: subtitle track 1: never heard before"},
		"endless":       {"while :; do :; done", "left out: subtitle track 1: fake computed for more than"},
		"huge":          {"head -c 300000000 /dev/zero >huge; exit 1", "left out: subtitle track 1: fake (wrote|would write a file of) more than 67 MB"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if testing.Short() && name == "endless" {
				t.Skip("takes 20 s of CPU time")
			}
			fake := filepath.Join(t.TempDir(), "fake")
			script := fmt.Sprintf("#!/bin/sh\ncase \"$*\" in *'-map 0:%d '*) %s;; esac\nexec %s \"$@\"\n", src.Subtitles[0].Stream, test.fail, tools.FFmpeg)
			if err := os.WriteFile(fake, []byte(script), 0o700); err != nil {
				t.Fatal(err)
			}
			tools := tools
			tools.FFmpeg = fake
			job := film.Job{
				ID: filmtest.Job, Source: src, Outputs: []film.OutputPlan{{Attachments: true}},
				SubtitleRenditions: []film.SubtitleRendition{
					{Track: 0, Codec: "copy", Mux: film.Matroska}, {Track: 1, Codec: "copy", Mux: film.Matroska},
				},
			}
			scratch := filmtest.Store(t)
			var facts film.SidecarFacts
			r := filmtest.Run(t, Kind{Tools: tools}, job, film.SidecarUnit, files, scratch, &facts)
			if len(r.Warnings) != 2 || !regexp.MustCompile("^"+test.want).MatchString(r.Warnings[0]) || r.Warnings[1] != "left out: subtitle track 2, which is empty" {
				t.Errorf("warnings %q, want %q and one of the empty track", r.Warnings, test.want)
			}
			if facts.Subtitles[0].Key != "" || facts.Attachments[0].Size != int64(len("not really a font")) {
				t.Errorf("facts %+v, want no first subtitle and the whole attachment", facts)
			}
		})
	}
}

// What is not a track's fault ends the unit.
func TestASourceThatIsGoneIsNoReasonToLeaveTracksOut(t *testing.T) {
	a := &attempt{Env: &work.Env{Attempt: 1}}
	free := process.Unlimited()
	for name, err := range map[string]error{
		"the disk is full":   free.Within(process.Limits{Written: 1}).Exceeded("ffmpeg", process.Written, nil),
		"the deadline comes": free.Within(process.Limits{CPU: 1}).Exceeded("ffmpeg", process.CPU, nil),
		"the source is gone": fault.Wrap(fault.NotFound, &process.ExitError{Code: 1}, ""),
		"a first crash":      fault.Wrap(fault.Transient, &process.ExitError{Signal: syscall.SIGSEGV}, ""),
		"no exit":            fault.New(fault.Corrupt, "read"),
	} {
		if a.dispensable(err) {
			t.Errorf("%s: the film would go on without its tracks", name)
		}
	}
	a.Attempt = 2
	if !a.dispensable(fault.Wrap(fault.Transient, &process.ExitError{Signal: syscall.SIGSEGV}, "")) {
		t.Error("a second crash fails the film")
	}
}

func TestAJobWithoutASidecarHasNoSuchUnit(t *testing.T) {
	env := &work.Env{Job: filmtest.Job, Doc: []byte(`{}`)}
	if _, err := (Kind{}).Run(t.Context(), env, work.Unit{Name: film.SidecarUnit}); err == nil {
		t.Error("it succeeded")
	}
}
