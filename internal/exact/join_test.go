package main

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/kinds"
)

// A film that is joined from three clips of different size, frame rate, container and sound shows all of their frames by the numbers in
// their pictures, each at its own time after the beginning of its clip. Each clip sounds as long as it is seen.
func TestAJoinedFilmShowsTheRightNumbersAndSoundsAtTheRightTimes(t *testing.T) {
	t.Parallel()
	found, err := tools()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	clips := []struct {
		file, size, rate, length string
		encoder                  []string
		frames, width, left      int // of the picture in the film
		start, frame             float64
		sine                     int // Hz; 0: the clip has no sound
	}{
		{
			file: "a.mp4", size: "96x54", rate: "24", length: "4", frames: 96, width: 96, start: 0, frame: 1.0 / 24, sine: 500,
			encoder: []string{"-c:v", "libx264", "-bf", "2", "-c:a", "aac", "-ar", "48000", "-ac", "2"},
		},
		{
			file: "b.mkv", size: "108x108", rate: "30000/1001", length: "3.003", frames: 90, width: 54, left: 20, start: 4, frame: 1001.0 / 30000,
			encoder: []string{"-c:v", "libx264", "-bf", "2", "-an"},
		},
		{
			file: "c.mov", size: "192x108", rate: "25", length: "5", frames: 125, width: 96, start: 7.003, frame: 1.0 / 25, sine: 2000,
			encoder: []string{"-c:v", "mpeg4", "-q:v", "1", "-c:a", "pcm_s16le", "-ar", "32000", "-ac", "1"},
		},
	}
	var sources []string
	for _, c := range clips {
		args := []string{"-f", "lavfi", "-i", "testsrc2=s=96x54:r=" + c.rate + ":d=" + c.length}
		if c.sine > 0 {
			args = append(args, "-f", "lavfi", "-i", "sine=sample_rate=48000:d="+c.length+":f="+strconv.Itoa(c.sine))
		}
		args = append(args, "-vf", numbered+",scale="+c.size+":flags=neighbor,setsar=1", "-g", "13") //nolint:misspell // ffmpeg's word
		runTool(t, append(append(args, c.encoder...), in(c.file))...)
		sources = append(sources, in(c.file))
	}
	facts := transcoded(t, found, kinds.Options{AudioPartLength: 3 * time.Second}, film.Request{
		Source: sources[0], Join: sources[1:], Destination: dir, Segment: film.Segmenting{Seconds: film.Seconds(time.Second)},
		Outputs: []film.Output{{Name: "film", Video: []film.Video{{CRF: new(1), Preset: "ultrafast"}}}},
	})
	if facts.Joined != 3 || len(facts.Seams) < 9 || facts.Frames != 96+90+125 {
		t.Errorf("%d sources, %d seams, %d frames", facts.Joined, len(facts.Seams), facts.Frames)
	}
	const size = numberedWidth * numberedHeight
	frames := runTool(t, "-i", in("film.mp4"), "-fps_mode", "passthrough", "-pix_fmt", "gray", "-f", "rawvideo", "-")
	if len(frames) != facts.Frames*size {
		t.Fatalf("%d frames can be decoded, want %d", len(frames)/size, facts.Frames)
	}
	times := shownTimes(t, in("film.mp4"))
	at := 0
	for _, c := range clips {
		for n := range c.frames {
			if got := numberIn(frames[at*size:], numberedWidth, c.width, c.left); got != n {
				t.Errorf("frame %d shows number %d of %s, want %d", at, got, c.file, n)
			}
			if want := c.start + float64(n)*c.frame; math.Abs(times[at]-want) > 0.0006 { // Matroska rounds to milliseconds
				t.Errorf("frame %d is shown at %.6f, want %.6f", at, times[at], want)
			}
			at++
		}
	}
	sound := runTool(t, "-i", in("film.mp4"), "-ac", "1", "-f", "s16le", "-")
	if samples := len(sound) / 2; samples < 12_003*48 || samples > 12_003*48+1024 {
		t.Errorf("%d samples, want %d", samples, 12_003*48)
	}
	for _, c := range clips {
		length := float64(c.frames) * c.frame
		for _, from := range []float64{c.start + 0.03, c.start + length/2, c.start + length - 0.08} {
			if got := pitch(sound, from, 0.05); got < c.sine-25 || got > c.sine+25 {
				t.Errorf("%.3f s sounds at %d Hz, want %d", from, got, c.sine)
			}
		}
	}
}

// shownTimes returns when the frames of a file are shown, in seconds.
func shownTimes(t *testing.T, file string) (list []float64) {
	t.Helper()
	var out struct {
		Frames []struct {
			Time float64 `json:"best_effort_timestamp_time,string"`
		}
	}
	cmd := exec.CommandContext(t.Context(), "ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", "frame=best_effort_timestamp_time", "-of", "json", file)
	cmd.Stderr = t.Output()
	data, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &out); err != nil {
		t.Fatal(err)
	}
	for _, f := range out.Frames {
		list = append(list, f.Time)
	}
	return list
}

// pitch returns the frequency of a tone in mono sound of 48,000 samples a second of 16 bits, from its zero crossings; 0 in silence.
func pitch(sound []byte, from, length float64) int {
	crossings, loud, before := 0, false, int16(0)
	for i := int(from * 48000); i < int((from+length)*48000); i++ {
		s := int16(binary.LittleEndian.Uint16(sound[2*i:])) //nolint:gosec // two's complement
		loud = loud || s > 300 || s < -300
		if (s < 0) != (before < 0) {
			crossings++
		}
		before = s
	}
	if !loud {
		return 0
	}
	return int(float64(crossings) / 2 / length)
}
