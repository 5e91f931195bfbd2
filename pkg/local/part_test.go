package local_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/verify"
)

const (
	numberBits  = 10 // of the number that each frame of numbered shows
	numberWidth = 16 // columns of a bit
	numberRate  = 25
)

// numbered returns the ffmpeg input of some seconds of video in which each frame shows its number: a black or white column for each bit.
func numbered(seconds int) []string {
	return []string{"-f", "lavfi", "-i", fmt.Sprintf("nullsrc=size=%dx32:rate=%d:duration=%d,format=gray,geq=lum='16+219*mod(floor(N/pow(2,floor(X/%d))),2)',format=yuv420p",
		numberBits*numberWidth, numberRate, seconds, numberWidth)}
}

// numbers returns the numbers that the frames of a video show.
func numbers(t *testing.T, path string) (list []int) {
	t.Helper()
	const width, height = numberBits * numberWidth, 32
	raw, err := exec.Command("ffmpeg", "-v", "error", "-nostdin", "-i", "file:"+path, "-map", "0:v:0", "-fps_mode", "passthrough",
		"-vf", fmt.Sprintf("scale=%d:%d", width, height), "-pix_fmt", "gray", "-f", "rawvideo", "-").Output()
	if err != nil {
		t.Fatal(err)
	}
	for ; len(raw) >= width*height; raw = raw[width*height:] {
		n := 0
		for bit := range numberBits {
			if raw[height/2*width+bit*numberWidth+numberWidth/2] > 128 {
				n |= 1 << bit
			}
		}
		list = append(list, n)
	}
	return list
}

// streamStart returns when a stream of a file begins, in seconds.
func streamStart(t *testing.T, path, stream string) float64 {
	t.Helper()
	out, err := exec.Command("ffprobe", "-v", "error", "-select_streams", stream, "-show_entries", "stream=start_time", "-of", "csv=p=0", "file:"+path).Output()
	if err != nil {
		t.Fatal(err)
	}
	line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	at, err := strconv.ParseFloat(strings.Trim(line, ","), 64)
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// packetHash returns the hash of all audio packets that ffmpeg writes.
func packetHash(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command("ffmpeg", append([]string{"-v", "error", "-nostdin"}, append(args, "-fflags", "+bitexact", "-flags:a", "+bitexact", "-f", "streamhash", "-")...)...).Output()
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// A part has the frames whose times lie in it, and sound of the same samples as one pass of ffmpeg that trims it, on one segment and on
// many, from sources with an index and without.
func TestAPartHasItsFramesAndSamples(t *testing.T) {
	t.Parallel()
	const start, end = 1.02, 4.0
	for name, c := range map[string]struct {
		options  string // of the source
		lossless bool   // so that the sound can be compared exactly
		rate     string // constant frame rate of the output
	}{
		"in.mkv":       {"-c:v libx264 -preset ultrafast -bf 3 -g 30 -c:a flac", true, ""},
		"in.mov":       {"-c:v libx264 -preset veryfast -bf 3 -g 300 -c:a pcm_s16le", true, ""},
		"in.ts":        {"-c:v libx264 -preset ultrafast -bf 2 -g 30 -x264-params open-gop=1 -c:a aac", false, ""},
		"constant.mov": {"-c:v libx264 -preset ultrafast -g 30 -c:a pcm_s16le", true, "25"},
		"in.avi":       {"-c:v mpeg4 -g 30 -q:v 2 -c:a pcm_s16le", false, ""}, // its clock counts frames, so the part begins with one
	} {
		source := clip(t, name, args(numbered(5), tone(5), strings.Fields(c.options))...)
		origin := min(streamStart(t, source, "v:0"), streamStart(t, source, "a:0"))
		first := int(math.Ceil((origin+start-streamStart(t, source, "v:0"))*numberRate - 1e-4))
		last := int(math.Ceil((origin+end-streamStart(t, source, "v:0"))*numberRate-1e-4)) - 1
		want := []int{}
		for n := first; n <= last; n++ {
			want = append(want, n)
		}
		for _, segment := range []time.Duration{time.Second, 30 * time.Second} {
			if segment > time.Second && name != "in.mkv" {
				continue
			}
			t.Run(fmt.Sprintf("%s, segments of %v", name, segment), func(t *testing.T) {
				t.Parallel()
				out := t.TempDir()
				req := request(source, out, "mp4")
				req.Segment.Seconds = film.Seconds(segment)
				req.Part = film.Part{Start: film.Seconds(1020 * time.Millisecond), End: film.Seconds(4 * time.Second)}
				req.Outputs[0].Audio = &film.Audio{Codec: film.AAC, Bitrate: 128_000}
				if c.rate != "" {
					req.Outputs[0].Video[0].FrameRate = film.FrameRate{Num: 25, Den: 1}
				}
				report, err := run(context.Background(), req, t.TempDir(), nil)
				if err != nil {
					t.Fatal(err)
				}
				if n := report.Units[film.VideoKind]; (n > 1) != (segment == time.Second) {
					t.Errorf("%d segments of %v", n, segment)
				}
				path := filepath.Join(out, "out.mp4")
				if diff := cmp.Diff(want, numbers(t, path)); diff != "" {
					t.Errorf("frame numbers (-want +got):\n%s", diff)
				}
				if c.lossless {
					onePass := packetHash(t, "-i", source, "-vn", "-af", fmt.Sprintf("atrim=start=%g:end=%g,asetpts=PTS-STARTPTS", start, end), "-c:a", "aac", "-b:a", "128k")
					if got := packetHash(t, "-i", path, "-map", "0:a", "-c", "copy"); got != onePass {
						t.Errorf("sound: %s, want that of one pass, %s", got, onePass)
					}
				}
				tools, err := findTools()
				if err != nil {
					t.Fatal(err)
				}
				verified, err := verify.Files(context.Background(), tools, source, path, verify.Options{Part: req.Part})
				if err != nil {
					t.Fatal(err)
				}
				for _, check := range verified.Checks {
					if check.Verdict == verify.Bad && (c.rate == "" || check.Name != "timestamps") {
						t.Errorf("verify: %s: %s", check.Name, check.Figure)
					}
				}
			})
		}
	}
}

// Copied sound, subtitles and chapters are cut off where the part begins and ends, and moved with it.
func TestAPartKeepsWhatAccompaniesIt(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cues := filepath.Join(dir, "cues.srt")
	text := ""
	for i, c := range []string{"00:00:00,200 --> 00:00:01,000\nbefore", "00:00:00,500 --> 00:00:02,000\nat the start", "00:00:02,500 --> 00:00:03,000\nwithin & out", "00:00:03,500 --> 00:00:04,500\nat the end", "00:00:04,010 --> 00:00:05,000\nafter"} {
		text += fmt.Sprintf("%d\n%s\n\n", i+1, c)
	}
	meta := filepath.Join(dir, "meta.txt")
	chapters := ";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1\nSTART=0\nEND=2\ntitle=one\n[CHAPTER]\nTIMEBASE=1/1\nSTART=2\nEND=4\ntitle=two\n[CHAPTER]\nTIMEBASE=1/1\nSTART=4\nEND=5\ntitle=three\n"
	for path, data := range map[string]string{cues: text, meta: chapters} {
		if err := os.WriteFile(path, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	inputs := args(numbered(5), tone(5), []string{"-i", cues, "-i", meta, "-map", "0", "-map", "1", "-map", "2", "-map_metadata", "3", "-c:v", "libx264", "-preset", "ultrafast", "-g", "30"})
	mkv := clip(t, "in.mkv", append(inputs, "-c:a", "ac3", "-c:s", "srt")...)
	mp4 := clip(t, "in.mp4", append(inputs, "-c:a", "aac", "-c:s", "mov_text")...)
	wantCues := []string{"0.00 0.98 at the start", "1.48 1.98 within & out", "2.48 2.98 at the end"}
	for _, source := range []string{mkv, mp4} {
		for _, container := range []string{"mp4", "mkv", "webm"} {
			if source == mkv && container == "webm" {
				continue
			}
			t.Run(filepath.Ext(source)+" to "+container, func(t *testing.T) {
				t.Parallel()
				out := t.TempDir()
				req := request(source, out, container)
				req.Part = film.Part{Start: film.Seconds(1020 * time.Millisecond), End: film.Seconds(4 * time.Second)}
				report, err := run(context.Background(), req, t.TempDir(), nil)
				if err != nil {
					t.Fatal(err)
				}
				path := filepath.Join(out, "out."+container)
				if got := numbers(t, path); len(got) != 74 || got[0] != 26 {
					t.Errorf("%d frames from %d", len(got), got[0])
				}
				if diff := cmp.Diff(wantCues, cueList(t, path)); diff != "" {
					t.Errorf("subtitles (-want +got):\n%s", diff)
				}
				if got := chapterList(t, path); got != "0.000-0.980 one, 0.980-2.980 two" {
					t.Errorf("chapters %s", got)
				}
				tools, err := findTools()
				if err != nil {
					t.Fatal(err)
				}
				facts := outputs(t, report)[0]
				if facts.Part == nil || *facts.Part != req.Part {
					t.Errorf("the output reports the part %+v", facts.Part)
				}
				verified, err := verify.Files(context.Background(), tools, source, path, verify.Options{Job: verify.Job{Part: *facts.Part}})
				if err != nil {
					t.Fatal(err)
				}
				for _, check := range verified.Checks {
					if check.Verdict == verify.Bad {
						t.Errorf("verify: %s: %s", check.Name, check.Figure)
					}
				}
			})
		}
	}
}

// cueList returns the subtitles of a file: start, end, text.
func cueList(t *testing.T, path string) (list []string) {
	t.Helper()
	out, err := exec.Command("ffmpeg", "-v", "error", "-nostdin", "-copyts", "-i", "file:"+path, "-map", "0:s:0", "-f", "webvtt", "-").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range strings.Split(string(out), "\n\n") {
		times, text, ok := strings.Cut(strings.TrimSpace(block), "\n")
		from, to, cue := strings.Cut(times, " --> ")
		if !ok || !cue {
			continue
		}
		text = strings.ReplaceAll(text, "&amp;", "&")
		// To a hundredth of a second, rounded down: Matroska shifts the source of AC-3 by its priming.
		list = append(list, strings.TrimPrefix(from, "00:0")[:4]+" "+strings.TrimPrefix(to, "00:0")[:4]+" "+text)
	}
	return list
}

// chapterList returns the chapters of a file.
func chapterList(t *testing.T, path string) string {
	t.Helper()
	out, err := exec.Command("ffprobe", "-v", "error", "-show_chapters", "-of", "json", "file:"+path).Output()
	if err != nil {
		t.Fatal(err)
	}
	var probed struct {
		Chapters []struct {
			Start string            `json:"start_time"`
			End   string            `json:"end_time"`
			Tags  map[string]string `json:"tags"`
		} `json:"chapters"`
	}
	if err := json.Unmarshal(out, &probed); err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, c := range probed.Chapters {
		list = append(list, strings.TrimSuffix(c.Start, "000")+"-"+strings.TrimSuffix(c.End, "000")+" "+c.Tags["title"])
	}
	return strings.Join(list, ", ")
}

// Packages and previews show the part, too.
func TestPackagesAndPreviewsOfAPart(t *testing.T) {
	t.Parallel()
	source := clip(t, "in.mp4", args(numbered(5), tone(5), strings.Fields("-c:v libx264 -preset ultrafast -g 30 -c:a aac"))...)
	out := t.TempDir()
	req := packageRequest(t, source, out, `{"name": "film", "container": "hls", "video": [{"preset": "ultrafast", "maxBitrate": "1M"}], "package": {"seconds": 1, "thumbnails": "none"}},
		{"name": "stills", "container": "stills", "preview": {"every": 1, "width": 160}}`)
	req.Part = film.Part{Start: film.Seconds(1020 * time.Millisecond), End: film.Seconds(4 * time.Second)}
	req.Segment.Seconds = film.Seconds(time.Second)
	if _, err := run(context.Background(), req, t.TempDir(), nil); err != nil {
		t.Fatal(err)
	}
	if got := numbers(t, filepath.Join(out, "film.m3u8")); len(got) != 74 || got[0] != 26 || got[73] != 99 {
		t.Errorf("the package has %d frames: %v", len(got), got)
	}
	stills, err := filepath.Glob(filepath.Join(out, "stills.preview", "*", "*.jpg"))
	if err != nil {
		t.Fatal(err)
	}
	var shown []int
	for _, path := range stills {
		shown = append(shown, numbers(t, path)...)
	}
	if diff := cmp.Diff([]int{26, 51, 76}, shown); diff != "" {
		t.Errorf("stills (-want +got):\n%s", diff)
	}
}
