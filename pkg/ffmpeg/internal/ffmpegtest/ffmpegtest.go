// Package ffmpegtest makes short test videos and inspects files, for the tests of ffmpeg and the
// packages below it.
package ffmpegtest

import (
	"bytes"
	"cmp"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"unicode"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/probe"
)

// AllocationLimits are the options of ffmpeg.AllocationLimits, as tests of exact arguments expect
// them.
const AllocationLimits = "-max_alloc 1073741824 -max_pixels 142606336 -max_streams 1000"

// find looks for the tools once for all tests of a package: it starts ffmpeg.
var find = sync.OnceValues(func() (ffmpeg.Tools, error) {
	return ffmpeg.Find(context.Background(), ffmpeg.FindOptions{})
})

// Find returns the tools of this machine. The test fails without them, because mapreel cannot work
// without ffmpeg.
func Find(t *testing.T) ffmpeg.Tools {
	t.Helper()
	tools, err := find()
	if err != nil {
		t.Fatalf("Find: %v", err)
	}
	return tools
}

// Exec runs ffmpeg or ffprobe directly, without the code under test, and returns its standard
// output.
func Exec(t *testing.T, program string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, errs.String())
	}
	return string(out)
}

// Clip makes a test video in a temporary folder and returns its path: testsrc2 at 320x180 and 25
// frames a second, encoded with args.
func Clip(t *testing.T, name string, seconds int, args ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	all := []string{
		"-v", "error", "-nostdin", "-y", "-f", "lavfi", "-i",
		"testsrc2=size=320x180:rate=25:duration=" + strconv.Itoa(seconds),
	}
	Exec(t, "ffmpeg", append(append(all, args...), "file:"+path)...)
	return path
}

// Tone makes an audio file in a temporary folder and returns its path: a frequency sweep that never
// repeats, so that a shift of one sample is detected.
func Tone(t *testing.T, name, seconds string, args ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	all := []string{"-v", "error", "-nostdin", "-y", "-f", "lavfi", "-i", "aevalsrc='0.4*sin(2*PI*(200*t+40*t*t))':s=48000:d=" + seconds}
	Exec(t, "ffmpeg", append(append(all, args...), "file:"+path)...)
	return path
}

// Packet is ffprobe's description of one packet.
type Packet struct {
	PTS int64
	Key bool
}

// Packets returns the packets of a stream in the order of presentation.
func Packets(t *testing.T, path, stream string) []Packet {
	t.Helper()
	out := Exec(t, "ffprobe", "-v", "error", "-select_streams", stream, "-show_entries", "packet=pts,flags",
		"-of", "csv=p=0:nk=1", "file:"+path)
	var list []Packet
	for line := range strings.Lines(out) {
		if strings.TrimSpace(line) == "" {
			continue // in place of a packet's side data
		}
		fields := strings.Split(strings.TrimSpace(line), ",")
		pts, err := strconv.ParseInt(fields[0], 10, 64)
		if err != nil {
			t.Fatalf("ffprobe %s: packet without timestamp: %q", path, line)
		}
		list = append(list, Packet{pts, strings.HasPrefix(fields[1], "K")})
	}
	slices.SortFunc(list, byTime)
	return list
}

// Video is what a file holds of its first video stream.
type Video struct {
	Packets []Packet // in the order of presentation
	Frames  []string // hashes of the decoded frames
}

// Videos returns the packets and frames of several files by one start of ffmpeg, which takes longer than reading a short file.
func Videos(t *testing.T, paths ...string) []Video {
	t.Helper()
	dir := t.TempDir()
	args := []string{"-v", "error", "-nostdin", "-copyts"}
	for _, path := range paths {
		args = append(args, "-i", "file:"+path)
	}
	at := func(kind string, i int) string { return filepath.Join(dir, kind+strconv.Itoa(i)) }
	for i := range paths {
		stream := strconv.Itoa(i) + ":v:0"
		args = append(args, "-map", stream, "-c", "copy", "-f", "framecrc", at("packets", i),
			"-map", stream, "-fps_mode", "passthrough", "-f", "framemd5", at("frames", i))
	}
	Exec(t, "ffmpeg", args...)
	list := make([]Video, len(paths))
	for i := range paths {
		for _, fields := range records(t, at("packets", i)) { // stream, dts, pts, duration, size, checksum, and flags if it is no keyframe
			pts, err := strconv.ParseInt(fields[2], 10, 64)
			if err != nil {
				t.Fatalf("ffmpeg %s: packet without timestamp: %q", paths[i], fields)
			}
			key := !slices.ContainsFunc(fields[6:], func(f string) bool { return strings.HasPrefix(f, "F=") })
			list[i].Packets = append(list[i].Packets, Packet{pts, key})
		}
		slices.SortFunc(list[i].Packets, byTime)
		for _, fields := range records(t, at("frames", i)) {
			list[i].Frames = append(list[i].Frames, fields[len(fields)-1])
		}
	}
	return list
}

// records returns the fields of the lines of a file that ffmpeg's framecrc or framemd5 wrote.
func records(t *testing.T, path string) (list [][]string) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		if !strings.HasPrefix(line, "#") {
			list = append(list, strings.FieldsFunc(line, func(r rune) bool { return r == ',' || unicode.IsSpace(r) }))
		}
	}
	return list
}

func byTime(a, b Packet) int { return cmp.Compare(a.PTS, b.PTS) }

// PTS returns the timestamps of packets.
func PTS(packets []Packet) []int64 {
	var pts []int64
	for _, p := range packets {
		pts = append(pts, p.PTS)
	}
	return pts
}

// Keyframes returns the timestamps of the packets that are keyframes.
func Keyframes(packets []Packet) []int64 {
	var pts []int64
	for _, p := range packets {
		if p.Key {
			pts = append(pts, p.PTS)
		}
	}
	return pts
}

// Stream inspects a file and returns its first stream of a type ("video"), with the input to read
// it.
func Stream(t *testing.T, tools ffmpeg.Tools, path, demuxer, kind string) (ffmpeg.Input, probe.Stream) {
	t.Helper()
	in := ffmpeg.Input{Location: path, Demuxer: demuxer}
	source, err := probe.Inspect(t.Context(), tools, in)
	if err != nil {
		t.Fatalf("Inspect %s: %v", path, err)
	}
	for _, s := range source.Streams {
		if s.Type == kind {
			return in, s
		}
	}
	t.Fatalf("Inspect %s: no %s stream", path, kind)
	return ffmpeg.Input{}, probe.Stream{}
}

// Frames returns the hashes of the decoded frames of a file, in order. args are ffmpeg's, from the
// input on.
func Frames(t *testing.T, args ...string) []string {
	t.Helper()
	out := Exec(t, "ffmpeg", append(append([]string{"-v", "error", "-nostdin"}, args...), "-fps_mode", "passthrough", "-f", "framemd5", "-")...)
	var hashes []string
	for line := range strings.Lines(out) {
		if fields := strings.Fields(line); !strings.HasPrefix(line, "#") && len(fields) > 0 {
			hashes = append(hashes, fields[len(fields)-1])
		}
	}
	return hashes
}

// Before returns the timestamps of a frame log that lie before end; nil is no end. A log also has the first frame after the segment,
// which says how long the last one lasts.
func Before(pts []int64, end *int64) []int64 {
	return slices.DeleteFunc(slices.Clone(pts), func(t int64) bool { return end != nil && t >= *end })
}
