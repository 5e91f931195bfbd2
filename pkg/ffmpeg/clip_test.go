package ffmpeg

import (
	"bytes"
	"cmp"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// found are the tools of this machine. Without them the tests fail: mapreel is nothing without ffmpeg.
func found(t *testing.T) Tools {
	t.Helper()
	tools, err := Find(t.Context(), FindOptions{})
	if err != nil {
		t.Fatalf("Find: %v", err)
	}
	return tools
}

// sh runs a plain ffmpeg or ffprobe, not through the code under test, and returns its standard output.
func sh(t *testing.T, program string, args ...string) string {
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

// clip makes a test film in the test's folder: testsrc2 at 320x180 and 25 frames a second, then args, then the name.
func clip(t *testing.T, name string, seconds int, args ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	all := []string{
		"-v", "error", "-nostdin", "-y", "-f", "lavfi", "-i",
		"testsrc2=size=320x180:rate=25:duration=" + strconv.Itoa(seconds),
	}
	sh(t, "ffmpeg", append(append(all, args...), "file:"+path)...)
	return path
}

// packet is what ffprobe says of one packet.
type packet struct {
	pts int64
	key bool
}

// packets lists the packets of a stream in the order of their presentation.
func packets(t *testing.T, path, stream string) []packet {
	t.Helper()
	out := sh(t, "ffprobe", "-v", "error", "-select_streams", stream, "-show_entries", "packet=pts,flags",
		"-of", "csv=p=0:nk=1", "file:"+path)
	var list []packet
	for line := range strings.Lines(out) {
		if strings.TrimSpace(line) == "" {
			continue // where a packet's side data would stand
		}
		fields := strings.Split(strings.TrimSpace(line), ",")
		pts, err := strconv.ParseInt(fields[0], 10, 64)
		if err != nil {
			t.Fatalf("ffprobe %s: packet without timestamp: %q", path, line)
		}
		list = append(list, packet{pts, strings.HasPrefix(fields[1], "K")})
	}
	slices.SortFunc(list, func(a, b packet) int { return cmp.Compare(a.pts, b.pts) })
	return list
}

// times are the timestamps of packets.
func times(list []packet) []int64 {
	var pts []int64
	for _, p := range list {
		pts = append(pts, p.pts)
	}
	return pts
}

// streamOf probes a file and returns its first stream of a type, and the input to use for it.
func streamOf(t *testing.T, tools Tools, path, demuxer, kind string) (Input, Stream) {
	t.Helper()
	in := Input{Location: path, Demuxer: demuxer}
	media, err := Probe(t.Context(), tools, in)
	if err != nil {
		t.Fatalf("Probe %s: %v", path, err)
	}
	for _, s := range media.Streams {
		if s.Type == kind {
			return in, s
		}
	}
	t.Fatalf("Probe %s: no %s stream", path, kind)
	return Input{}, Stream{}
}

// pictures are the hashes of the decoded frames of a file, in order.
func pictures(t *testing.T, args ...string) []string {
	t.Helper()
	out := sh(t, "ffmpeg", append(append([]string{"-v", "error", "-nostdin"}, args...), "-fps_mode", "passthrough", "-f", "framemd5", "-")...)
	var hashes []string
	for line := range strings.Lines(out) {
		if fields := strings.Fields(line); !strings.HasPrefix(line, "#") && len(fields) > 0 {
			hashes = append(hashes, fields[len(fields)-1])
		}
	}
	return hashes
}
