package isobmff

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// ffmpeg runs ffmpeg with args, which are split at spaces, and returns what it prints.
func ffmpeg(t testing.TB, args string, more ...string) []byte {
	t.Helper()
	return run(t, "ffmpeg", append(append([]string{"-v", "error", "-nostdin", "-y"}, strings.Fields(args)...), more...)...)
}

func run(t testing.TB, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.Command(name, args...)
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, complaint.Bytes())
	}
	return out.Bytes()
}

// picture is a source of test pictures of so many seconds; sound one of sound.
func picture(seconds string) string {
	return "-f lavfi -i testsrc2=size=128x72:rate=25:duration=" + seconds
}

func sound(seconds string) string {
	return "-f lavfi -i sine=frequency=440:sample_rate=48000:duration=" + seconds
}

// packet is a row of ffprobe's.
type packet struct {
	pts, dts, duration int64
	sync, discarded    bool
}

// packets asks ffprobe for the packets of a stream, in the file's order.
func packets(t testing.TB, path, stream string) []packet {
	t.Helper()
	out := run(t, "ffprobe", "-v", "error", "-select_streams", stream, "-show_entries", "packet=pts,dts,duration,flags", "-of", "csv=p=0", path)
	r := csv.NewReader(bytes.NewReader(out))
	r.FieldsPerRecord = -1
	rows, err := r.ReadAll()
	if err != nil {
		t.Fatalf("read ffprobe's packets of %s: %v", path, err)
	}
	var all []packet
	for _, row := range rows {
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
		all = append(all, packet{number(row[0]), number(row[1]), number(row[2]), strings.Contains(row[3], "K"), strings.Contains(row[3], "D")})
	}
	return all
}

// shownTimes returns the sorted times of the packets that are not discarded, and of the sync samples among them.
func shownTimes(all []packet) (times, sync []int64) {
	for _, p := range all {
		if p.discarded {
			continue
		}
		times = append(times, p.pts)
		if p.sync {
			sync = append(sync, p.pts)
		}
	}
	slices.Sort(times)
	slices.Sort(sync)
	return times, sync
}

// pictures returns a hash of each decoded frame of a stream.
func pictures(t testing.TB, path, stream string) []string {
	t.Helper()
	out := ffmpeg(t, "-i", path, "-map", "0:"+stream, "-fps_mode", "passthrough", "-f", "framemd5", "-")
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

func open(t testing.TB, path string) (*os.File, int64) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	return f, info.Size()
}

// fragmented is how a worker's ffmpeg writes a piece.
const fragmented = "-f mp4 -movflags empty_moov+default_base_moof+frag_discont+delay_moov+frag_keyframe " +
	"-use_editlist 0 -avoid_negative_ts disabled -output_ts_offset 10"

// store reads a worker's file and writes the piece beside it, moved back by the worker's 10 s; video is
// normalised, sound starts at 0 at the earliest.
func store(t testing.TB, path string) (Chunk, string) {
	t.Helper()
	f, size := open(t, path)
	piece, extents, err := ReadFragments(f, size)
	if err != nil {
		t.Fatalf("fragments of %s: %v", path, err)
	}
	back := -10 * int64(piece.Track.Timescale)
	if piece.Track.Handler == "vide" {
		if piece, err = piece.Shift(back).Normalise(); err != nil {
			t.Fatalf("normalise %s: %v", path, err)
		}
	} else {
		// Priming lies before 0, where a piece cannot be stored.
		piece = piece.Shift(max(back, -piece.Start))
	}
	var payload []io.Reader
	for _, e := range extents {
		payload = append(payload, io.NewSectionReader(f, e.Offset, e.Length))
	}
	out := strings.TrimSuffix(path, ".mp4") + ".piece"
	w, err := os.Create(out)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if err := piece.Write(w, io.MultiReader(payload...)); err != nil {
		t.Fatalf("write %s: %v", out, err)
	}
	stored, err := ReadPieceAt(w, fileSize(t, out))
	if err != nil {
		t.Fatalf("read %s: %v", out, err)
	}
	return stored, out
}

func fileSize(t testing.TB, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// assemble writes a finished movie from stored pieces, paths[track][piece].
func assemble(t testing.TB, file finished, paths [][]string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "movie.mp4")
	w, err := os.Create(out)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if _, err := w.Write(file.Header); err != nil {
		t.Fatal(err)
	}
	for _, r := range file.Ranges {
		f, _ := open(t, paths[r.Track][r.Chunk])
		if _, err := io.Copy(w, io.NewSectionReader(f, r.Offset, r.Length)); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	if got := fileSize(t, out); got != file.Size {
		t.Fatalf("a movie of %d bytes, want %d", got, file.Size)
	}
	return out
}

// entry is a sample entry that is good enough for everything but a decoder.
func entry(kind string) []byte {
	return appendBox(nil, kind, make([]byte, visualEntry-8))
}

func describe(times []int64) string {
	if len(times) > 12 {
		return fmt.Sprintf("%v … %v (%d)", times[:6], times[len(times)-6:], len(times))
	}
	return fmt.Sprint(times)
}

func movedBy(times []int64, ticks int64) []int64 {
	out := slices.Clone(times)
	for i := range out {
		out[i] += ticks
	}
	return out
}
