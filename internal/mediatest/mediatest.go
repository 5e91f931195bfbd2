// Package mediatest helps to test packages that read and write media files. It runs ffmpeg and
// ffprobe, which serve as the second opinion, provides readers that misbehave, and checks that
// hostile files are refused cheaply.
package mediatest

import (
	"bytes"
	"encoding/csv"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// Run runs a program and returns what it writes to its standard output. The test fails if the
// program does.
func Run(t testing.TB, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	var out, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, stderr.Bytes())
	}
	return out.Bytes()
}

// FFmpeg runs ffmpeg with args, which are split at spaces, followed by more, which are not. It
// returns ffmpeg's output.
func FFmpeg(t testing.TB, args string, more ...string) []byte {
	t.Helper()
	return Run(t, "ffmpeg", append(append([]string{"-v", "error", "-nostdin", "-y"}, strings.Fields(args)...), more...)...)
}

// Picture returns the ffmpeg arguments for an input of test pictures, 25 a second, that lasts so
// many seconds.
func Picture(seconds string) string {
	return "-f lavfi -i testsrc2=size=128x72:rate=25:duration=" + seconds
}

// Tone returns the ffmpeg arguments for an input of 48 kHz sound that lasts so many seconds.
func Tone(seconds string) string {
	return "-f lavfi -i sine=frequency=440:sample_rate=48000:duration=" + seconds
}

// Packet is a packet as ffprobe describes it.
type Packet struct {
	PTS, DTS, Duration int64 // ticks of the stream's time base
	Sync, Discarded    bool
	MD5                string // of the data, in hexadecimal digits
}

// Packets returns the packets of a stream in the file's order.
func Packets(t testing.TB, path, stream string) []Packet {
	t.Helper()
	out := Run(t, "ffprobe", "-v", "error", "-select_streams", stream, "-show_data_hash", "md5",
		"-show_entries", "packet=pts,dts,duration,flags,data_hash", "-of", "csv=p=0", path)
	r := csv.NewReader(bytes.NewReader(out))
	r.FieldsPerRecord = -1
	rows, err := r.ReadAll()
	if err != nil {
		t.Fatalf("read ffprobe's packets of %s: %v", path, err)
	}
	var all []Packet
	for _, row := range rows {
		hash := strings.TrimPrefix(row[len(row)-1], "MD5:")
		if row[0] == "" { // after side data, ffprobe continues on another line
			all[len(all)-1].MD5 = hash
			continue
		}
		number := func(s string) int64 {
			if s == "N/A" {
				return 0
			}
			v, err := strconv.ParseInt(s, 10, 64)
			if err != nil {
				t.Fatalf("ffprobe of %s: %q: %v", path, row, err)
			}
			return v
		}
		all = append(all, Packet{number(row[0]), number(row[1]), number(row[2]), strings.Contains(row[3], "K"), strings.Contains(row[3], "D"), hash})
	}
	return all
}

// ShownTimes returns the sorted presentation times of the packets that are not discarded, and those
// of the sync samples among them.
func ShownTimes(all []Packet) (times, sync []int64) {
	for _, p := range all {
		if p.Discarded {
			continue
		}
		times = append(times, p.PTS)
		if p.Sync {
			sync = append(sync, p.PTS)
		}
	}
	slices.Sort(times)
	slices.Sort(sync)
	return times, sync
}

// FrameHashes returns a hash of each decoded frame of a stream.
func FrameHashes(t testing.TB, path, stream string) []string {
	t.Helper()
	out := FFmpeg(t, "-i", path, "-map", "0:"+stream, "-fps_mode", "passthrough", "-f", "framemd5", "-")
	var hashes []string
	for line := range strings.Lines(string(out)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.Split(line, ",")
		hashes = append(hashes, strings.TrimSpace(fields[len(fields)-1]))
	}
	return hashes
}

// Open opens a file until the test ends, and returns its size.
func Open(t testing.TB, path string) (*os.File, int64) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() }) //nolint:errcheck // it was only read
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return f, info.Size()
}

// ReadFile returns the content of a file.
func ReadFile(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}
