package planner

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/plan"
)

// A machine without a GPU is told so before any work, with what ffmpeg missed.
func TestAMissingGPUIsNamed(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "ffmpeg")
	script := "#!/bin/sh\ncase \"$*\" in *hevc_nvenc*) echo '[hevc_nvenc @ 0x1] Cannot load libcuda.so.1' >&2; exit 1;; esac\n"
	if err := os.WriteFile(program, []byte(script), 0o700); err != nil { //nolint:gosec // it is run
		t.Fatal(err)
	}
	p := Planner{Tools: ffmpeg.Tools{FFmpeg: program}}
	if err := p.requireGPU(t.Context(), []string{"libx265", "aac", "h264_nvenc"}); err != nil {
		t.Error(err)
	}
	err := p.requireGPU(t.Context(), []string{"h264_nvenc", "hevc_nvenc"})
	if fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), "/compute/gpu: this machine cannot encode with hevc_nvenc: Cannot load libcuda.so.1") || !strings.Contains(err.Error(), "needs a GPU") {
		t.Error(err)
	}
}

// Where SVT-AV1 sets keyframes where it is told, segments of AV1 packages are as long as the request says. Elsewhere each is a media
// segment. What ffmpeg printed is that of 5.1 and of 7.1.
func TestSegmentsOfAV1PackagesAreAsLongAsTheEncoderAllows(t *testing.T) {
	t.Parallel()
	const packet = "0, %[1]d, %[1]d, 1, 100, 0x4f2e0a5b%s"
	for name, c := range map[string]struct {
		keys []int // the keyframes among twelve frames
		want time.Duration
	}{
		"obeys":         {[]int{0, 5}, 30 * time.Second},
		"does not obey": {[]int{0}, 6 * time.Second},
		"is late":       {[]int{0, 6}, 6 * time.Second},
	} {
		script := "#!/bin/sh\ncat >&3 <<'END'\n#tb 0: 1/25\n"
		for i := range 12 {
			flag := ", F=0x0"
			if slices.Contains(c.keys, i) {
				flag = ""
			}
			script += fmt.Sprintf(packet, i, flag) + "\n"
		}
		program := filepath.Join(t.TempDir(), "ffmpeg")
		if err := os.WriteFile(program, []byte(script+"END\n"), 0o700); err != nil { //nolint:gosec // it is run
			t.Fatal(err)
		}
		j := film.Job{
			Request: film.Request{Segment: film.Segmenting{Seconds: film.Seconds(30 * time.Second)}},
			Renditions: []film.Rendition{
				{Codec: film.AV1, SegmentDuration: 6_000_000, Keyframes: 3}, {Codec: film.AV1}, {Codec: film.H264, SegmentDuration: 6_000_000, Keyframes: 3},
			},
		}
		p := Planner{Tools: ffmpeg.Tools{FFmpeg: program}}
		if err := p.tryKeyframes(t.Context(), &j); err != nil {
			t.Fatal(err)
		}
		if got := plan.SegmentLength(j); got != c.want || j.Renditions[1].AV1Forced || j.Renditions[2].AV1Forced {
			t.Errorf("%s: segments of %v, want %v: %+v", name, got, c.want, j.Renditions)
		}
	}
}

// The trial says of this ffmpeg what ffprobe finds in a file.
func TestTheTrialOfKeyframesIsRight(t *testing.T) {
	t.Parallel()
	tools, err := ffmpeg.Find(t.Context(), ffmpeg.FindOptions{})
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "forced.mkv")
	encode := exec.CommandContext(t.Context(), tools.FFmpeg, "-v", "error", "-f", "lavfi", "-i", "testsrc2=s=128x96:r=10:d=4", "-c:v", "libsvtav1", "-preset", "12", "-crf", "40", "-g", "500",
		"-force_key_frames", "1.3,2.9", name)
	if out, err := encode.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	out, err := exec.CommandContext(t.Context(), tools.FFprobe, "-v", "error", "-show_entries", "packet=pts_time,flags", "-of", "csv=p=0", name).Output()
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for line := range strings.Lines(string(out)) {
		if at, flags, _ := strings.Cut(strings.TrimSpace(line), ","); strings.HasPrefix(flags, "K") {
			keys = append(keys, at)
		}
	}
	obeys := slices.Equal(keys, []string{"0.000000", "1.300000", "2.900000"})
	if !obeys && len(keys) != 1 {
		t.Fatalf("keyframes at %q", keys)
	}
	j := film.Job{Renditions: []film.Rendition{{Codec: film.AV1, SegmentDuration: 6_000_000}}}
	if err := (Planner{Tools: tools}).tryKeyframes(t.Context(), &j); err != nil {
		t.Fatal(err)
	}
	if j.Renditions[0].AV1Forced != obeys {
		t.Errorf("the trial says %t, and keyframes are at %q", j.Renditions[0].AV1Forced, keys)
	}
}
