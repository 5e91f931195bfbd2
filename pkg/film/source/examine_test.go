package source

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/mapreel/mapreel/internal/mediatest"
	"github.com/mapreel/mapreel/pkg/blob/dir"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/media"
)

// examine examines a file.
// findTools looks for the tools once for all tests: it starts ffmpeg.
var findTools = sync.OnceValues(func() (ffmpeg.Tools, error) { return ffmpeg.Find(context.Background(), ffmpeg.FindOptions{}) }) //nolint:forbidigo // shared by all tests, so no test owns the context

func examine(t *testing.T, path string) Found {
	t.Helper()
	tools, err := findTools()
	if err != nil {
		t.Fatal(err)
	}
	store, err := dir.New(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	found, err := Examine(t.Context(), tools, store, filepath.Base(path), path, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// ffprobe says that such a source begins at 0, and its first frames lie before that.
func TestTheOriginIsNoLaterThanTheFirstFrameThatAnEditListShows(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.mp4")
	mediatest.FFmpeg(t, mediatest.Picture("2")+" -c:v libx264 -preset veryfast -g 20 -bf 3 -movflags negative_cts_offsets", path)
	data := mediatest.ReadFile(t, path)
	stss, elst := bytes.Index(data, []byte("stss")), bytes.Index(data, []byte("elst"))
	copy(data[stss+12:stss+16], data[stss+16:stss+20]) // the first sample is no sync sample
	ctts := bytes.Index(data, []byte("ctts"))
	for row := range binary.BigEndian.Uint32(data[ctts+8:]) { // all are shown before they are decoded
		offset := data[ctts+16+8*int(row):]
		binary.BigEndian.PutUint32(offset, binary.BigEndian.Uint32(offset)-9*512)
	}
	binary.BigEndian.PutUint32(data[elst+12:], 1600) // an edit of 1.6 s
	binary.BigEndian.PutUint32(data[elst+16:], 2*512)
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	times, _ := mediatest.ShownTimes(mediatest.Packets(t, path, "v:0"))
	if times[0] >= 0 {
		t.Fatalf("the first frame of the clip is at %d, not before 0", times[0])
	}
	found := examine(t, path)
	if !slices.Equal(found.Index.Times, media.TicksOf(times)) {
		t.Errorf("got times %v, want %v", found.Index.Times, times)
	}
	if got := found.Source.Origin.In(found.Source.Video.Timebase); got != media.Ticks(times[0]) {
		t.Errorf("the origin is %d, want %d", got, times[0])
	}
}

func TestASourceThatEndsWithinItsMediaIsExaminedAndTheLossNamed(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.mp4")
	mediatest.FFmpeg(t, mediatest.Picture("2")+" -c:v libx264 -preset veryfast -g 20 -movflags faststart", path)
	data := mediatest.ReadFile(t, path)
	if err := os.WriteFile(path, data[:len(data)*7/10], 0o600); err != nil {
		t.Fatal(err)
	}
	found := examine(t, path)
	if n := len(found.Index.Times); n < 20 || n >= 50 || !found.Index.Cut {
		t.Errorf("got %d frames of 50, cut %v", n, found.Index.Cut)
	}
	if len(found.Source.Losses) != 1 || !strings.Contains(found.Source.Losses[0], "cut short") {
		t.Errorf("got losses %q", found.Source.Losses)
	}
}

func TestARawStreamNeedsARate(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "a.h264")
	mediatest.FFmpeg(t, mediatest.Picture("1")+" -c:v libx264 -preset veryfast -bf 2", path)
	tools, err := findTools()
	if err != nil {
		t.Fatal(err)
	}
	store, err := dir.New(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	_, err = Examine(t.Context(), tools, store, "a.h264", path, Options{})
	var f *fault.Error
	if fault.KindOf(err) != fault.Unsupported || !errors.As(err, &f) || f.Hint != "say its frame rate: mapreel transcode a.h264 -o out.mp4 --fps 25" {
		t.Errorf("without a rate: %v, hint %+v", err, f)
	}
	rate := media.Rational{Num: 30000, Den: 1001}
	found, err := Examine(t.Context(), tools, store, "a.h264", path, Options{Rate: rate})
	if err != nil {
		t.Fatal(err)
	}
	v := found.Source.Video
	if found.Source.Rate != rate || v.FrameRate != rate || v.Timebase != (media.Rational{Num: 1001, Den: 30000}) || found.Index != nil || found.Splittable {
		t.Errorf("got %+v and %+v", found, v)
	}
}

// A decoder may show a frame that the edit list hides: then the timeline begins with it.
func TestTheOriginIsThatOfAFrameThatIsShownAlthoughItIsHidden(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	whole, cut := filepath.Join(dir, "whole.mov"), filepath.Join(dir, "cut.mov")
	for codec, early := range map[string]bool{"mjpeg -pix_fmt yuvj420p": true, "libx264 -preset ultrafast -g 12": false} {
		mediatest.FFmpeg(t, mediatest.Picture("2")+" -y -c:v "+codec, whole)
		mediatest.FFmpeg(t, "-y -ss 0.73 -i "+whole+" -c copy", cut)
		found := examine(t, cut)
		v := found.Source.Video
		if got := v.Start < 0; got != early || found.Source.Origin.Ticks != v.Start || found.Index.Start != v.Start || found.Index.Times[0] != v.Start {
			t.Errorf("%s: the video begins at %d, the index at %d, the source at %v; want before 0: %t", codec, v.Start, found.Index.Start, found.Source.Origin, early)
		}
	}
}
