package local_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/film"
)

// description is what ffprobe reports of a file's streams, chapters and tags.
type description struct {
	Streams []struct {
		Index       int
		Codec       string `json:"codec_name"`
		Type        string `json:"codec_type"`
		Disposition map[string]int
		Tags        map[string]string
	}
	Chapters []struct {
		Start string `json:"start_time"`
		End   string `json:"end_time"`
		Tags  map[string]string
	}
	Format struct{ Tags map[string]string }
}

func describe(t *testing.T, path string) (all description) {
	t.Helper()
	out, err := exec.Command("ffprobe", "-v", "error", "-show_streams", "-show_chapters", "-show_format", "-of", "json", "file:"+path).Output()
	if err != nil {
		t.Fatalf("ffprobe %s: %v", path, err)
	}
	if err := json.Unmarshal(out, &all); err != nil {
		t.Fatal(err)
	}
	return all
}

// subtitles lists the subtitle tracks: codec, language, title and flags.
func (all description) subtitles() (list []string) {
	for _, s := range all.Streams {
		if s.Type != "subtitle" {
			continue
		}
		line := s.Codec + " " + s.Tags["language"] + " " + s.Tags["title"]
		if s.Tags["title"] == "" && s.Tags["handler_name"] != "SubtitleHandler" {
			line += s.Tags["handler_name"]
		}
		for _, flag := range []string{"default", "forced", "hearing_impaired"} {
			if s.Disposition[flag] != 0 {
				line += " " + flag
			}
		}
		list = append(list, line)
	}
	return list
}

// chapters lists the chapters: start, end and title.
func (all description) chapters() (list []string) {
	for _, c := range all.Chapters {
		list = append(list, c.Start+" "+c.End+" "+c.Tags["title"])
	}
	return list
}

// events lists the start and the duration of each subtitle track's events that are not empty, in milliseconds from the first
// video frame. One start of ffprobe reads all tracks.
func events(t *testing.T, path string) (tracks [][]string) {
	t.Helper()
	out, err := exec.Command("ffprobe", "-v", "error", "-show_entries", "stream=index,codec_type:packet=stream_index,codec_type,pts_time,duration_time,size,flags",
		"-of", "json", "file:"+path).Output()
	if err != nil {
		t.Fatal(err)
	}
	var probed struct {
		Streams []struct {
			Index int
			Type  string `json:"codec_type"`
		}
		Packets []struct {
			Stream   int     `json:"stream_index"`
			Type     string  `json:"codec_type"`
			PTS      float64 `json:"pts_time,string"`
			Duration float64 `json:"duration_time,string"`
			Size     int     `json:",string"`
			Flags    string
		}
	}
	if err := json.Unmarshal(out, &probed); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	first, track := math.Inf(1), map[int]int{}
	for _, s := range probed.Streams {
		if s.Type == "subtitle" {
			track[s.Index] = len(track)
		}
	}
	for _, p := range probed.Packets {
		if p.Type == "video" && !strings.Contains(p.Flags, "D") && p.Stream == 0 {
			first = min(first, p.PTS)
		}
	}
	tracks = make([][]string, len(track))
	for _, p := range probed.Packets {
		if n, ok := track[p.Stream]; ok && p.Size > 2 {
			tracks[n] = append(tracks[n], fmt.Sprintf("%.0f+%.0f", (p.PTS-first)*1000, p.Duration*1000))
		}
	}
	return tracks
}

// withSidecar makes a source with everything that a film can have besides video and audio. Its video begins at 0.
func withSidecar(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	srt := write("a.srt", "1\n00:00:00,500 --> 00:00:01,251\nHällo <b>du</b>\n\n2\n00:00:02,001 --> 00:00:02,900\nzwei\nZeilen\n")
	about := write("about", ";FFMETADATA1\ntitle=Größe\nartist=Wer\ncreation_time=2020-01-02T03:04:05.000000Z\n"+
		"[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=1234\ntitle=Eins \\= ü\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=1234\nEND=3000\ntitle=Zwei\n")
	cover := clip(t, "cover.jpg", args(picture(1), []string{"-frames:v", "1"})...)
	return clip(t, "rich.mkv", args(picture(3), []string{
		"-f", "lavfi", "-i", "sine=d=3", "-i", srt, "-i", srt, "-i", about, "-map", "0", "-map", "1", "-map", "2", "-map", "3",
		"-map_metadata", "4", "-map_chapters", "4", "-c:v", "libx264", "-preset", "ultrafast", "-g", "24", "-c:a", "flac", "-c:s:0", "srt", "-c:s:1", "ass",
		"-metadata:s:a:0", "language=eng", "-disposition:a:0", "comment", "-metadata:s:s:0", "language=ger", "-metadata:s:s:0", "title=Deutsch",
		"-disposition:s:0", "default+forced", "-metadata:s:s:1", "language=fre", "-disposition:s:1", "hearing_impaired",
		"-attach", srt, "-metadata:s:t:0", "mimetype=font/ttf", "-metadata:s:t:0", "filename=../a.ttf",
		"-attach", cover, "-metadata:s:t:1", "mimetype=image/jpeg", "-metadata:s:t:1", "filename=cover.jpg",
	})...)
}

func TestSidecarDataIsKept(t *testing.T) {
	t.Parallel()
	source, scratch := withSidecar(t), t.TempDir()
	for _, c := range []struct {
		container string
		subtitles []string
		events    []string
		cover     bool
		fonts     int
		warnings  []string
	}{
		{
			"mp4",
			[]string{"mov_text ger Deutsch default forced", "mov_text fre  hearing_impaired"},
			[]string{"500+751", "2001+899"},
			true, 0,
			[]string{"out.mp4: left out: 1 attached file, such as fonts, which mp4 cannot hold"},
		},
		{
			"mkv",
			[]string{"subrip ger Deutsch default forced", "ass fre  hearing_impaired"},
			[]string{"500+751", "2001+899"},
			true, 1,
			nil,
		},
		{
			"webm",
			[]string{"webvtt ger Deutsch default forced", "webvtt fre "},
			[]string{"500+751", "2001+899"},
			false, 0,
			[]string{
				"out.webm: left out: 1 attached file, such as fonts, which webm cannot hold",
				"out.webm: left out: the cover picture, which webm cannot hold",
			},
		},
	} {
		t.Run(c.container, func(t *testing.T) {
			var files [2][]byte
			for i := range files {
				out := t.TempDir()
				report, err := run(t.Context(), request(source, out, c.container), scratch, nil)
				if err != nil {
					t.Fatal(err)
				}
				path := filepath.Join(out, "out."+c.container)
				if files[i], err = os.ReadFile(path); err != nil {
					t.Fatal(err)
				}
				if i > 0 {
					break
				}
				if diff := cmp.Diff(c.warnings, report.Warnings); diff != "" {
					t.Errorf("warnings (-want +got):\n%s", diff)
				}
				all := describe(t, path)
				if diff := cmp.Diff(c.subtitles, all.subtitles()); diff != "" {
					t.Errorf("subtitles (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff([][]string{c.events, c.events}, events(t, path)); diff != "" {
					t.Errorf("events of the tracks (-want +got):\n%s", diff)
				}
				if diff := cmp.Diff([]string{"0.000000 1.234000 Eins = ü", "1.234000 3.000000 Zwei"}, all.chapters()); diff != "" {
					t.Errorf("chapters (-want +got):\n%s", diff)
				}
				tags := all.Format.Tags
				if tags["title"] != "Größe" || tags["artist"]+tags["ARTIST"] != "Wer" || tags["creation_time"] != "2020-01-02T03:04:05.000000Z" {
					t.Errorf("tags %v", tags)
				}
				cover, fonts := false, 0
				for _, s := range all.Streams {
					cover = cover || s.Disposition["attached_pic"] != 0
					if s.Type == "attachment" {
						fonts++
						if s.Tags["filename"] != "a.ttf" || s.Tags["mimetype"] != "font/ttf" {
							t.Errorf("attachment %v", s.Tags)
						}
					}
				}
				if cover != c.cover || fonts != c.fonts {
					t.Errorf("cover %v, %d fonts", cover, fonts)
				}
				if s := all.Streams[1]; s.Tags["language"] != "eng" || c.container != "webm" && s.Disposition["comment"] != 1 {
					t.Errorf("the audio's language and flags: %v %v", s.Tags, s.Disposition)
				}
			}
			if !bytes.Equal(files[0], files[1]) {
				t.Error("a second job gave other bytes")
			}
		})
	}
}

func TestSubtitlesOfMovTextKeepTheirTicksAndCanBeLeftOut(t *testing.T) {
	t.Parallel()
	first, scratch := t.TempDir(), t.TempDir()
	req := request(withSidecar(t), first, "mp4")
	if _, err := run(t.Context(), req, scratch, nil); err != nil {
		t.Fatal(err)
	}
	source := filepath.Join(first, "out.mp4")
	shown, chapters := events(t, source), describe(t, source).chapters()
	if len(shown) != 2 || len(chapters) != 2 {
		t.Fatalf("the source has the events %v and the chapters %q", shown, chapters)
	}
	for _, container := range []string{"mp4", "mkv"} {
		out := t.TempDir()
		req := request(source, out, container)
		bare := req.Outputs[0]
		bare.Name, bare.Subtitles = "bare", film.SubtitlesNone
		req.Outputs = append(req.Outputs, bare)
		report, err := run(t.Context(), req, scratch, nil)
		if err != nil || len(report.Warnings) > 0 {
			t.Fatal(err, report.Warnings)
		}
		path := filepath.Join(out, "out."+container)
		if diff := cmp.Diff(shown, events(t, path)); diff != "" {
			t.Errorf("%s: events of the tracks (-source +output):\n%s", container, diff)
		}
		if got := describe(t, path).chapters(); !slices.Equal(chapters, got) {
			t.Errorf("%s: chapters %q, in the source %q", container, got, chapters)
		}
		if left := describe(t, filepath.Join(out, "bare."+container)); len(left.subtitles()) > 0 || len(left.Chapters) != 2 {
			t.Errorf("%s: without subtitles it has %q and %d chapters", container, left.subtitles(), len(left.Chapters))
		}
	}
}

func TestBitmapSubtitlesAreKeptWhereTheContainerCanHoldThem(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	srt := filepath.Join(dir, "a.srt")
	if err := os.WriteFile(srt, []byte("1\n00:00:00,500 --> 00:00:01,250\nHello\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	sub := clip(t, "dvd.mkv", args(picture(3), []string{"-i", srt, "-map", "0", "-map", "1", "-c:v", "libx264", "-preset", "ultrafast", "-c:s", "srt"})...)
	data, err := os.ReadFile(sub)
	if err != nil {
		t.Fatal(err)
	}
	// Only the codec's name distinguishes text from bitmaps here: "S_TEXT/UTF8" becomes PGS, padded with zeros.
	data = bytes.ReplaceAll(data, []byte("S_TEXT/UTF8"), []byte("S_HDMV/PGS\x00"))
	if err := os.WriteFile(sub, data, 0o600); err != nil {
		t.Fatal(err)
	}
	for container, want := range map[string][]string{
		"mp4": {"out.mp4: left out: subtitle track 1 (hdmv_pgs_subtitle), which mp4 cannot hold"},
		"mkv": nil,
	} {
		out := t.TempDir()
		report, err := run(t.Context(), request(sub, out, container), t.TempDir(), nil)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, report.Warnings); diff != "" {
			t.Errorf("%s: warnings (-want +got):\n%s", container, diff)
		}
		if got := describe(t, filepath.Join(out, "out."+container)).subtitles(); container == "mkv" && len(got) != 1 || container == "mp4" && len(got) != 0 {
			t.Errorf("%s: subtitles %q", container, got)
		}
	}
}

func TestSubtitlesFollowAClockThatJumps(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	srt := filepath.Join(dir, "a.srt")
	if err := os.WriteFile(srt, []byte("1\n00:00:00,500 --> 00:00:01,250\nHello\n\n2\n00:00:01,500 --> 00:00:02,000\nLater\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	path := clip(t, "text.mkv", args(picture(3), []string{"-i", srt, "-map", "0", "-map", "1", "-c:v", "libx264", "-preset", "ultrafast", "-c:s", "srt"})...)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	drawn := filepath.Join(dir, "drawn.mkv")
	if err := os.WriteFile(drawn, bytes.ReplaceAll(data, []byte("S_TEXT/UTF8"), []byte("S_DVBSUB\x00\x00\x00")), 0o600); err != nil {
		t.Fatal(err)
	}
	var twice []byte
	for _, offset := range []string{"45", "10"} { // two recordings in one file
		part, err := os.ReadFile(clip(t, offset+".ts", "-i", drawn, "-map", "0", "-c", "copy", "-output_ts_offset", offset))
		if err != nil {
			t.Fatal(err)
		}
		twice = append(twice, part...)
	}
	source, out := filepath.Join(dir, "in.ts"), t.TempDir()
	if err := os.WriteFile(source, twice, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := run(t.Context(), request(source, out, "mkv"), t.TempDir(), nil); err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(out, "out.mkv")
	listed, err := exec.Command("ffprobe", "-v", "quiet", "-select_streams", "s:0", "-show_entries", "packet=pts_time", "-of", "csv=p=0", "file:"+path).Output()
	if err != nil {
		t.Fatal(err)
	}
	_, first := pts(t, path)
	var at []float64
	for _, line := range strings.Fields(string(listed)) {
		v, err := strconv.ParseFloat(strings.Trim(line, ","), 64)
		if err != nil {
			t.Fatal(err)
		}
		at = append(at, v-first)
	}
	// The second recording's video begins 3 s after the first's.
	want := []float64{0.5, 1.5, 3.5, 4.5}
	if !slices.EqualFunc(at, want, func(a, b float64) bool { return math.Abs(a-b) < 0.06 }) {
		t.Errorf("shown at %v, want %v", at, want)
	}
}

func TestAnAudiobookKeepsItsChaptersAndCover(t *testing.T) {
	t.Parallel()
	about := filepath.Join(t.TempDir(), "about")
	if err := os.WriteFile(about, []byte(";FFMETADATA1\ntitle=Buch\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=1000\ntitle=I\n"+
		"[CHAPTER]\nTIMEBASE=1/1000\nSTART=1000\nEND=2000\ntitle=II\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cover := clip(t, "cover.jpg", args(picture(1), []string{"-frames:v", "1"})...)
	base := []string{"-f", "lavfi", "-i", "sine=d=2", "-i", about, "-i", cover, "-map", "0", "-map_metadata", "1"}
	for name, extra := range map[string][]string{
		"book.m4a":  {"-map", "2", "-disposition:v", "attached_pic", "-c:v", "copy", "-c:a", "aac"},
		"book.mp3":  {"-map", "2", "-disposition:v", "attached_pic", "-c:v", "copy"},
		"book.flac": {"-map", "2", "-disposition:v", "attached_pic", "-c:v", "copy"},
		"book.ogg":  {"-c:a", "libopus"},
	} {
		source, containers := clip(t, name, args(base, extra)...), []string{"mp4", "mkv", "webm"}
		req := film.Request{Source: source, Destination: t.TempDir()}
		for _, container := range containers {
			req.Outputs = append(req.Outputs, film.Output{Name: "out", Container: film.Container(container)})
		}
		report, err := run(t.Context(), req, t.TempDir(), nil)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		original := describe(t, source)
		for i, container := range containers {
			all := describe(t, outputs(t, report)[i].URL)
			kinds := map[string]int{}
			for _, s := range all.Streams {
				if s.Type == "video" && s.Disposition["attached_pic"] != 0 {
					s.Type = "cover"
				}
				kinds[s.Type]++
			}
			covers := 1
			if container == "webm" || name == "book.ogg" {
				covers = 0
			}
			if kinds["audio"] != 1 || kinds["video"] != 0 || kinds["cover"] != covers || all.Format.Tags["title"] != "Buch" {
				t.Errorf("%s to %s: %v, tags %v", name, container, kinds, all.Format.Tags)
			}
			if want, got := len(original.Chapters), all.Chapters; len(got) != want || want > 0 && got[1].Tags["title"] != "II" {
				t.Errorf("%s to %s: chapters %v, the source has %d", name, container, got, want)
			}
		}
	}
}
