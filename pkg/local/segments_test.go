package local_test

import (
	"bytes"
	"cmp"
	"context"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/mapreel/mapreel/pkg/isobmff"
)

// mediaSegments returns the media segments of a rendition's folder in their order, each with its headers read.
func mediaSegments(t *testing.T, folder string) (segments []isobmff.Chunk) {
	t.Helper()
	init, err := os.ReadFile(filepath.Join(folder, "init.mp4"))
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(folder, "*.m4s"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range files {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		data = slices.Concat(init, data)
		chunk, _, err := isobmff.ReadFragments(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			t.Fatal(err)
		}
		segments = append(segments, chunk)
	}
	slices.SortFunc(segments, func(a, b isobmff.Chunk) int { return cmp.Compare(a.Start, b.Start) })
	return segments
}

// The last frame of a media segment lasts until the first one of the next, wherever that lies: Matroska's times are
// milliseconds, and where frames come at uneven times, none may lie at the end of a segment.
func TestMediaSegmentsFollowEachOtherWithoutHoles(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		file, filter, video string
		durations           []uint32 // of all samples but the last; nil: any
	}{
		"H.264, 23.976 a second": {"in.mkv", "settb=1/24000,setpts=N*1001", `{"preset": "veryfast"}`, []uint32{41, 42}},
		"H.265, 23.976 a second": {"in.mkv", "settb=1/24000,setpts=N*1001", `{"codec": "h265", "preset": "ultrafast"}`, []uint32{41, 42}},
		"VP9, 23.976 a second":   {"in.mkv", "settb=1/24000,setpts=N*1001", `{"codec": "vp9", "preset": "8"}`, []uint32{41, 42}},
		"a frame now and then":   {"in.mkv", "select='lt(n,20)+eq(n,60)+gt(n,80)'", `{"preset": "ultrafast"}`, nil},
		"no index":               {"in.ts", "null", `{"preset": "veryfast"}`, []uint32{3750}},
		"a constant rate":        {"in.mkv", "settb=1/24000,setpts=N*1001", `{"preset": "veryfast", "frameRate": "30"}`, []uint32{512}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source := clip(t, c.file, args(picture(5), tone(5), []string{
				"-vf", c.filter, "-fps_mode", "passthrough", "-c:v", "libx264", "-preset", "ultrafast", "-g", "12", "-c:a", "aac", "-metadata:s:a:0", "language=ger",
			})...)
			out := t.TempDir()
			req := packageRequest(t, source, out, `{"name": "film", "container": "dash", "video": [`+c.video+`], "package": {"seconds": 1}}`)
			if _, err := run(context.Background(), req, t.TempDir(), nil); err != nil {
				t.Fatal(err)
			}
			folders, err := filepath.Glob(filepath.Join(out, "film", "*", "*", "init.mp4"))
			if err != nil || len(folders) != 3 { // video, audio, trick play
				t.Fatalf("renditions: %q, %v", folders, err)
			}
			for _, init := range folders {
				segments := mediaSegments(t, filepath.Dir(init))
				trickPlay := filepath.Base(filepath.Dir(init)) == "trickplay" // a frame a second
				if len(segments) < 4 {
					t.Errorf("%s: %d media segments", init, len(segments))
				}
				for i, s := range segments {
					if i > 0 && s.Start != segments[i-1].End() {
						t.Errorf("%s: segment %d starts at %d, the one before ends at %d", init, i, s.Start, segments[i-1].End())
					}
					if s.Track.Handler == "soun" {
						if s.Track.Language != "deu" {
							t.Errorf("the sound's language is %q, want deu", s.Track.Language)
						}
						continue
					}
					for n, sample := range s.Samples {
						last := i == len(segments)-1 && n == len(s.Samples)-1
						if c.durations != nil && !last && !trickPlay && !slices.Contains(c.durations, sample.Duration) {
							t.Fatalf("segment %d: sample %d lasts %d ticks, want one of %d", i, n, sample.Duration, c.durations)
						}
					}
				}
			}
		})
	}
}
