package doctor

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
)

// check returns the check of a name, which must be there.
func check(t *testing.T, r Report, name string) Check {
	t.Helper()
	for _, c := range r {
		if c.Name == name {
			return c
		}
	}
	t.Fatalf("no check of %s in %+v", name, r)
	return Check{}
}

func TestAGoodMachineHasNothingMissingAndKeepsNothing(t *testing.T) {
	scratch := filepath.Join(t.TempDir(), "a", "b")
	r := Machine(t.Context(), MachineOptions{Find: ffmpeg.Find, Scratch: scratch})
	for _, name := range []string{"ffmpeg", "encoder h264", "encoder h265", "encoder vp9", "encoder av1", "encoder aac", "encoder opus", "file system"} {
		if c := check(t, r, name); c.Level != OK {
			t.Errorf("%+v", c)
		}
	}
	if c := check(t, r, "scratch"); !strings.Contains(c.Text, scratch) || !strings.Contains(c.Text, "GB free") {
		t.Errorf("%+v", c)
	}
	if r.Failed() {
		t.Errorf("failed: %+v", r)
	}
	for _, folder := range []string{scratch, filepath.Dir(filepath.Dir(scratch))} {
		if left, _ := filepath.Glob(filepath.Join(folder, "*")); len(left) > 0 {
			t.Errorf("left behind: %v", left)
		}
	}
}

// tools returns a finder of a program that says that it is an ffprobe, and an ffmpeg without one encoder or filter, and whose encoder broken
// fails.
func tools(t *testing.T, without, broken string) func(context.Context, ffmpeg.FindOptions) (ffmpeg.Tools, error) {
	t.Helper()
	script := fmt.Sprintf(`#!/bin/sh
case "$*" in
-version) echo "ffprobe version 5.1" ;;
*-encoders*) for e in libx264 libx265 libvpx-vp9 libsvtav1 aac libopus; do echo " V....D $e  encoder $e"; done | grep -v ' %[1]s ' ;;
*-filters*) for f in zscale bwdif; do echo " TSC $f  V->V  filter $f"; done | grep -v ' %[1]s ' ;;
*"-c:v %[2]s "*|*"-c:a %[2]s "*) echo "cannot load the library" >&2; exit 1 ;;
esac
`, without, broken)
	name := filepath.Join(t.TempDir(), "ffmpeg")
	if err := os.WriteFile(name, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return func(context.Context, ffmpeg.FindOptions) (ffmpeg.Tools, error) {
		return ffmpeg.Tools{FFmpeg: name, FFprobe: name, Version: "5.1"}, nil
	}
}

func TestAMissingEncoderFailsOnlyWhereDefaultsNeedIt(t *testing.T) {
	for _, c := range []struct {
		without, broken, name string
		want                  Level
		text                  string
	}{
		{"libx265", "none", "encoder h265", Warning, "was built without libx265"},
		{"libx264", "none", "encoder h264", Failure, "was built without libx264"},
		{"nothing", "aac", "encoder aac", Failure, "cannot load the library"},
		{"nothing", "libsvtav1", "encoder av1", Warning, "cannot load the library"},
		{"zscale", "none", "filter zscale", Warning, "HDR sources cannot be tone-mapped"},
	} {
		t.Run(c.name, func(t *testing.T) {
			find := tools(t, c.without, c.broken) // before others start programs: one that is being written cannot be started
			t.Parallel()
			var r Report
			r.examineFFmpeg(t.Context(), find)
			got := check(t, r, c.name)
			if got.Level != c.want || !strings.Contains(got.Text, c.text) {
				t.Errorf("%+v; want %s and %q", got, c.want, c.text)
			}
			if r.Failed() != (c.want == Failure) {
				t.Errorf("failed: %v", r.Failed())
			}
			if other := check(t, r, "encoder opus"); other.Level != OK {
				t.Errorf("%+v", other)
			}
		})
	}
}

func TestAMissingFFmpegIsSaidWithTheWayToGetIt(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	var r Report
	r.examineFFmpeg(t.Context(), ffmpeg.Find)
	if c := check(t, r, "ffmpeg"); c.Level != Failure || c.Text != "ffmpeg is not installed, or not in PATH" || c.Hint == "" {
		t.Errorf("%+v", c)
	}
}

func TestLimitsOfAContainerCount(t *testing.T) {
	files := func(memory ...string) fstest.MapFS {
		system := fstest.MapFS{
			"proc/meminfo":     {Data: []byte("MemTotal:       16000000 kB\nMemAvailable:   8000000 kB\n")},
			"proc/self/cgroup": {Data: []byte("0::/pod/container\n")},
		}
		for i, name := range []string{"sys/fs/cgroup/pod/memory.max", "sys/fs/cgroup/pod/memory.current"} {
			if i < len(memory) {
				system[name] = &fstest.MapFile{Data: []byte(memory[i] + "\n")}
			}
		}
		return system
	}
	for _, c := range []struct {
		name          string
		system        fstest.MapFS
		cores, usable int
		want          Report
	}{
		{"enough", files(), 4, 4, Report{
			{"cores", OK, "4: as many segments are encoded at once", ""},
			{"memory", OK, "8.2 GB free, 2.0 GB for each of 4 encoders", ""},
		}},
		{"a quota of processor time", files("max", "5"), 16, 2, Report{
			{"cores", Warning, "16, but this process may use 2 of them at once", "a limit of the container or GOMAXPROCS; transcode --jobs 2 starts no more encoders than that"},
			{"memory", Warning, "8.2 GB free, 0.5 GB for each of 16 encoders", "an encoder of 1080p takes up to 0.6 GB, of 2160p 2.2 GB: use transcode --jobs 13, or free some memory"},
		}},
		{"a limit of memory above the process's own group", files("2000000000", "500000000"), 4, 4, Report{
			{"cores", OK, "4: as many segments are encoded at once", ""},
			{"memory", Warning, "1.5 GB free, 0.4 GB for each of 4 encoders", "an encoder of 1080p takes up to 0.6 GB, of 2160p 2.2 GB: use transcode --jobs 2, or free some memory"},
		}},
		{"no /proc", fstest.MapFS{}, 1, 1, Report{
			{"cores", OK, "1: as many segments are encoded at once", ""},
			{"memory", Warning, "unknown: open proc/meminfo: file does not exist", ""},
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var r Report
			o := MachineOptions{System: c.system, Cores: c.cores, Usable: c.usable}
			r.examineCores(o)
			r.examineMemory(o)
			if diff := cmp.Diff(c.want, r); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}
