package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/mapreel/mapreel/internal/mediatest"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/local"
)

// These tests run whole jobs of sources whose streams are late, empty, damaged or of several programmes.

// ran is what a run of the program left behind.
type ran struct {
	code           int
	stdout, stderr string
}

// runMapreel runs the program in this process.
func runMapreel(t *testing.T, args ...string) ran {
	t.Helper()
	var stdout, stderr bytes.Buffer
	env := environment{Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: &stderr, Find: ffmpeg.Find, Run: local.Run, Jobs: local.Jobs}
	code := env.main(t.Context(), args)
	return ran{code, stdout.String(), stderr.String()}
}

// transcode runs a job without a display, and returns the path of its output.
func transcode(t *testing.T, source, extension string, flags ...string) (string, ran) {
	t.Helper()
	output := filepath.Join(t.TempDir(), "out"+extension)
	args := []string{"transcode", source, "-o", output, "--scratch", t.TempDir(), "--preset", "ultrafast", "--progress", "none"}
	return output, runMapreel(t, append(args, flags...)...)
}

// stream is what ffprobe says of a stream of an output.
type stream struct {
	Codec   string `json:"codec_name"`
	Width   int    `json:"width"`
	Start   string `json:"start_time"`
	Packets string `json:"nb_read_packets"`
}

// begins returns when the stream begins, in milliseconds.
func (s stream) begins(t *testing.T) int {
	t.Helper()
	seconds, err := strconv.ParseFloat(s.Start, 64)
	if err != nil {
		t.Fatal(err)
	}
	return int(seconds * 1000)
}

func streamsOf(t *testing.T, path string) []stream {
	t.Helper()
	out := mediatest.Run(t, "ffprobe", "-v", "error", "-count_packets", "-show_entries", "stream=codec_name,width,start_time,nb_read_packets", "-of", "json", path)
	var answer struct {
		Streams []stream `json:"streams"`
	}
	if err := json.Unmarshal(out, &answer); err != nil {
		t.Fatal(err)
	}
	return answer.Streams
}

// expectGood checks that an output is what its source was, as far as verify sees.
func expectGood(t *testing.T, source, output string, flags ...string) {
	t.Helper()
	if r := runMapreel(t, append([]string{"verify", source, output, "--progress", "none"}, flags...)...); r.code != exitDone {
		t.Errorf("verify: exit %d\n%s%s", r.code, r.stdout, r.stderr)
	}
}

// codecs lists the codecs of streams.
func codecs(list []stream) string {
	var names []string
	for _, s := range list {
		names = append(names, s.Codec)
	}
	return strings.Join(names, ",")
}

// expectWarning checks that a run made its output and said why that is not all of the source, in one line.
func expectWarning(t *testing.T, r ran, text string) {
	t.Helper()
	if r.code != exitDone || strings.Count(r.stderr, "\n") != 1 || !strings.HasPrefix(r.stderr, "mapreel: warning: ") || !strings.Contains(r.stderr, text) {
		t.Errorf("exit %d, standard error %q; want 0 and one line with %q", r.code, r.stderr, text)
	}
}

func TestAudioThatBeginsAfterTheProbeIsFound(t *testing.T) {
	t.Parallel()
	source := filepath.Join(t.TempDir(), "late.ts")
	mediatest.FFmpeg(t, "-f lavfi -i testsrc2=size=32x18:rate=1:duration=40 -itsoffset 35 -f lavfi -i sine=sample_rate=48000:duration=4 "+
		"-map 0 -map 1 -c:v libx264 -preset ultrafast -c:a ac3", source)
	output, r := transcode(t, source, ".mp4", "--strict", "--segment", "30s")
	if r.code != exitDone || r.stderr != "" {
		t.Fatalf("exit %d, standard error %q", r.code, r.stderr)
	}
	list := streamsOf(t, output)
	if codecs(list) != "h264,ac3" || list[0].Packets != "40" {
		t.Fatalf("got %+v, want 40 frames and AC-3", list)
	}
	if at := list[1].begins(t) - list[0].begins(t); at < 34_900 || at > 35_100 {
		t.Errorf("the audio begins after %d ms, want 35,000", at)
	}
	expectGood(t, source, output)
}

// Subtitles that begin long after the probe are kept, at their time.
func TestSubtitlesThatBeginLateAreFound(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	srt, source := filepath.Join(dir, "late.srt"), filepath.Join(dir, "late.mkv")
	writeFile(t, srt, []byte("1\n00:00:36,000 --> 00:00:37,500\nThe first words\n\n"))
	mediatest.FFmpeg(t, "-f lavfi -i testsrc2=size=32x18:rate=1:duration=40 -i "+srt+" -c:v libx264 -preset ultrafast -c:s srt", source)
	output, r := transcode(t, source, ".mp4", "--segment", "60s")
	text := string(mediatest.Run(t, "ffmpeg", "-v", "error", "-nostdin", "-i", output, "-f", "srt", "-"))
	if r.code != exitDone || r.stderr != "" || !strings.Contains(text, "00:00:36,000 --> 00:00:37,500\nThe first words") {
		t.Errorf("exit %d, standard error %q, subtitles %q; want those of the source at their time", r.code, r.stderr, text)
	}
}

// A broadcast's table of streams may change in its middle and again before its end, where ffprobe also looks.
func TestStreamsThatAppearUndeclaredInTheMiddleAreFound(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	alone, both, source := filepath.Join(dir, "alone%d.ts"), filepath.Join(dir, "both.ts"), filepath.Join(dir, "joined.ts")
	mediatest.FFmpeg(t, "-f lavfi -i testsrc2=size=32x18:rate=2:duration=28 -c:v libx264 -preset ultrafast -g 8 -f segment -segment_times 20,24", alone)
	mediatest.FFmpeg(t, "-f lavfi -i testsrc2=size=32x18:rate=2:duration=4 -f lavfi -i testsrc2=size=48x28:rate=2:duration=4 "+mediatest.Tone("4")+
		" -map 0 -map 1 -map 2 -c:v libx264 -preset ultrafast -g 8 -c:a mp2 -output_ts_offset 20", both)
	null := bytes.Repeat(append([]byte("\x47\x1f\xff\x10"), bytes.Repeat([]byte{0xff}, 184)...), 10_000) // more than ffprobe reads of the end
	writeFile(t, source, slices.Concat(mediatest.ReadFile(t, fmt.Sprintf(alone, 0)), mediatest.ReadFile(t, both), null, mediatest.ReadFile(t, fmt.Sprintf(alone, 2))))
	output, r := transcode(t, source, ".mp4")
	expectWarning(t, r, "left out: video stream 1 (h264), as an output holds one video track")
	list := streamsOf(t, output)
	if codecs(list) != "h264,aac" || list[0].Width != 32 || list[0].Packets != "56" {
		t.Fatalf("got %+v, want 56 frames of the first video, and AAC", list)
	}
	if at := list[1].begins(t) - list[0].begins(t); at < 19_900 || at > 20_100 {
		t.Errorf("the audio begins after %d ms, want 20,000", at)
	}
}

func TestARawStreamIsTranscodedAndVerifiedAtTheRateThatIsGiven(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	source, report := filepath.Join(dir, "film.h264"), filepath.Join(dir, "report.json")
	mediatest.FFmpeg(t, mediatest.Picture("2")+" -c:v libx264 -preset ultrafast -bf 2 -f h264", source)
	output, r := transcode(t, source, ".mp4", "--fps", "30000/1001", "--progress", "json")
	if r.code != exitDone {
		t.Fatalf("exit %d, standard error %q", r.code, r.stderr)
	}
	writeFile(t, report, []byte(r.stdout))
	for _, c := range []struct {
		flags []string
		code  int
		says  string
	}{
		{[]string{"--report", report}, exitDone, "good: "},
		{[]string{"--fps", "25"}, exitFailed, "timestamps"},
		{nil, exitNotCompared, "--fps 25, or --report"},
		{[]string{"--fps", "fast"}, exitInvalid, "--fps"},
	} {
		r := runMapreel(t, append([]string{"verify", source, output, "--progress", "none"}, c.flags...)...)
		if r.code != c.code || !strings.Contains(r.stdout+r.stderr, c.says) {
			t.Errorf("with %v: exit %d\n%s%s\nwant %d and %q", c.flags, r.code, r.stdout, r.stderr, c.code, c.says)
		}
	}
}

func TestAStreamThatIsDeclaredAndEmptyIsNamed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	source := filepath.Join(dir, "empty.ts")
	mediatest.FFmpeg(t, mediatest.Picture("1")+" "+mediatest.Tone("1")+" "+mediatest.Tone("1")+
		" -map 0 -map 1 -map 2 -c:v libx264 -preset ultrafast -c:a ac3 -bsf:a:1 noise=drop=1", source)
	output, r := transcode(t, source, ".mp4")
	expectWarning(t, r, "left out: audio stream 2 (ac3), which is declared but of which no packet was found")
	if got := codecs(streamsOf(t, output)); got != "h264,ac3" {
		t.Errorf("got %s, want h264,ac3", got)
	}
}

// twoPrograms makes a transport stream of two programmes whose clocks are 30,000 s apart. The first is the smaller one.
func twoPrograms(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	small, large, both := filepath.Join(dir, "small.ts"), filepath.Join(dir, "large.ts"), filepath.Join(dir, "both.ts")
	mediatest.FFmpeg(t, "-f lavfi -i testsrc2=size=48x28:rate=25:duration=1 "+mediatest.Tone("1")+
		" -c:v libx264 -preset ultrafast -c:a mp2 -output_ts_offset 30000", small)
	mediatest.FFmpeg(t, "-f lavfi -i testsrc2=size=96x54:rate=25:duration=1.2 "+mediatest.Tone("1.2")+" -c:v libx264 -preset ultrafast -c:a mp2", large)
	mediatest.Run(t, "ffmpeg", "-v", "error", "-nostdin", "-copyts", "-i", small, "-i", large, "-map", "0", "-map", "1", "-c", "copy",
		"-program", "title=A:st=0:st=1", "-program", "title=B:st=2:st=3", both)
	return both
}

func TestOneOfSeveralProgramsIsTranscodedOnItsOwnClock(t *testing.T) {
	t.Parallel()
	source := twoPrograms(t)
	for _, c := range []struct {
		name   string
		flags  []string
		width  int
		frames string
		other  string
	}{
		{"the largest picture", nil, 96, "30", "left out: program 1 (A), 48 x 28"},
		{"by number", []string{"--program", "1"}, 48, "25", "left out: program 2 (B), 96 x 54"},
	} {
		output, r := transcode(t, source, ".mp4", c.flags...)
		expectWarning(t, r, c.other)
		list := streamsOf(t, output)
		if codecs(list) != "h264,aac" || list[0].Width != c.width || list[0].Packets != c.frames {
			t.Fatalf("%s: got %+v, want %s frames of width %d, and one audio track", c.name, list, c.frames, c.width)
		}
		if list[0].begins(t) > 500 || list[1].begins(t) > 500 {
			t.Errorf("%s: the streams begin at %s and %s s, want the start", c.name, list[0].Start, list[1].Start)
		}
		expectGood(t, source, output, c.flags...)
	}
	_, r := transcode(t, source, ".mp4", "--program", "7")
	if want := "mapreel: --program: the source has no program 7; it has program 1 (A), 48 x 28 and program 2 (B), 96 x 54\n"; r.code != exitInvalid || r.stderr != want {
		t.Errorf("exit %d, standard error %q; want %d and %q", r.code, r.stderr, exitInvalid, want)
	}
}

func TestAnAudioTrackWithoutPacketsIsLeftOut(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	source := filepath.Join(dir, "empty.mkv")
	mediatest.FFmpeg(t, mediatest.Picture("1")+" "+mediatest.Tone("1")+" "+mediatest.Tone("1")+
		" -map 0 -map 1 -map 2 -c:v libx264 -preset ultrafast -c:a ac3 -bsf:a:0 noise=drop=1", source)
	for _, c := range []struct{ extension, audio, want string }{
		{".mp4", "auto", "h264,ac3"},
		{".mkv", "copy", "h264,ac3"},
		{".m3u8", "auto", "aac,h264"},
	} {
		output, r := transcode(t, source, c.extension, "--audio", c.audio)
		expectWarning(t, r, "left out: audio track 1, which has no packets")
		list := streamsOf(t, output)
		if c.extension == ".m3u8" { // ffprobe lists the streams of each rendition
			slices.SortFunc(list, func(a, b stream) int { return strings.Compare(a.Codec, b.Codec) })
			list = slices.CompactFunc(list, func(a, b stream) bool { return a.Codec == b.Codec })
		}
		if got := codecs(list); got != c.want {
			t.Errorf("%s of %s: got %s, want %s", c.audio, c.extension, got, c.want)
		}
		if c.extension == ".mp4" {
			expectGood(t, source, output)
		}
	}
}

func TestAudioThatCannotBeCopiedIsEncoded(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	source := filepath.Join(dir, "damaged.mkv")
	mediatest.FFmpeg(t, mediatest.Picture("1")+" "+mediatest.Tone("1")+" -c:v libx264 -preset ultrafast -c:a eac3", source)
	data := mediatest.ReadFile(t, source)
	at := 0
	for range 15 { // a frame in the middle: its header declares another sample rate than the track
		at += 2 + bytes.Index(data[at:], []byte("\x0b\x77"))
	}
	data[at+2] = 0x96
	if err := os.WriteFile(source, data, 0o600); err != nil {
		t.Fatal(err)
	}
	output, r := transcode(t, source, ".mp4")
	expectWarning(t, r, "audio track 1 (eac3) cannot be copied and is encoded to aac")
	list := streamsOf(t, output)
	if codecs(list) != "h264,aac" {
		t.Fatalf("got %+v, want AAC", list)
	}
	if n, _ := strconv.Atoi(list[1].Packets); n < 44 {
		t.Errorf("%d packets of AAC, want 44 or more for a second", n)
	}
	if _, r := transcode(t, source, ".mp4", "--audio", "copy"); r.code != exitFailed {
		t.Errorf("--audio copy: exit %d, standard error %q; want a failure", r.code, r.stderr)
	}
}

func TestEncryptedSourcesAreRefusedByName(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const encrypt = " -encryption_scheme cenc-aes-ctr -encryption_key 76a6c65c5ea762046bd749a2e632ccbb -encryption_kid a7e61c373e219033c21091fa607bf3b8"
	cenc := filepath.Join(dir, "film.mp4")
	mediatest.FFmpeg(t, mediatest.Picture("1")+" -c:v libx264 -preset ultrafast"+encrypt, cenc)
	// A clear video track beside encrypted audio, in fragments.
	beside := filepath.Join(dir, "beside.mp4")
	mediatest.FFmpeg(t, mediatest.Picture("1")+" "+mediatest.Tone("1")+" -c:v libx264 -preset ultrafast -c:a aac -movflags empty_moov+default_base_moof", beside)
	data := mediatest.ReadFile(t, beside)
	writeFile(t, beside, bytes.ReplaceAll(data, []byte("mp4a"), []byte("enca")))
	// Conditional access scrambles the payload of one of two audio streams.
	ts := filepath.Join(dir, "film.ts")
	mediatest.FFmpeg(t, mediatest.Picture("1")+" "+mediatest.Tone("1")+" "+mediatest.Tone("1")+" -map 0 -map 1 -map 2 -c:v libx264 -preset ultrafast -c:a mp2", ts)
	data = mediatest.ReadFile(t, ts)
	for packet := data; len(packet) >= 188; packet = packet[188:] {
		if pid := int(packet[1]&0x1f)<<8 | int(packet[2]); pid == 0x102 && packet[3]&0x10 != 0 {
			packet[3] |= 0x80
		}
	}
	writeFile(t, ts, data)
	for source, want := range map[string]string{
		cenc: "track 1 (video) is encrypted (cenc)", beside: "track 2 (audio) is encrypted (enca)", ts: "audio stream 2 is encrypted (conditional access)",
	} {
		output, r := transcode(t, source, ".mp4")
		if r.code != exitFailed || !strings.Contains(r.stderr, want) || !strings.Contains(r.stderr, "mapreel has no keys") {
			t.Errorf("%s: exit %d, standard error %q; want %d, %q and the hint", filepath.Base(source), r.code, r.stderr, exitFailed, want)
		}
		if _, err := os.Stat(output); err == nil {
			t.Errorf("%s: an output was made", filepath.Base(source))
		}
	}
}

func TestLossesAreToldWithoutADisplayAndCountWithStrict(t *testing.T) {
	t.Parallel()
	source := filepath.Join(t.TempDir(), "two.mkv")
	mediatest.FFmpeg(t, mediatest.Picture("1")+" "+mediatest.Picture("1")+" -map 0 -map 1 -c:v libx264 -preset ultrafast", source)
	const loss = "left out: video stream 1 (h264), as an output holds one video track"
	output, r := transcode(t, source, ".mp4", "--strict")
	if want := "mapreel: warning: " + loss + "\n"; r.code != exitFailed || !strings.HasPrefix(r.stderr, want) || strings.Count(r.stderr, "\n") != 2 {
		t.Errorf("exit %d, standard error %q; want %d, %q and the reason", r.code, r.stderr, exitFailed, want)
	}
	if len(streamsOf(t, output)) != 1 {
		t.Error("with --strict there is no output")
	}
	_, r = transcode(t, source, ".mp4", "--strict", "--progress", "json")
	lines := strings.Split(strings.TrimSpace(r.stdout), "\n")
	var report reportLine
	if err := json.Unmarshal([]byte(lines[len(lines)-1]), &report); err != nil {
		t.Fatal(err)
	}
	if report.Exit != exitFailed || !slices.Equal(report.Warnings, []string{loss}) || !strings.Contains(r.stderr, loss) {
		t.Errorf("report %+v, standard error %q; want exit %d and the loss in both", report, r.stderr, exitFailed)
	}
	_, r = transcode(t, source, ".mp4", "--progress", "bar")
	if r.code != exitDone || strings.Count(r.stderr, loss) != 1 || !strings.Contains(r.stdout, "warning   "+loss+"\n") {
		t.Errorf("exit %d, standard error %q, report %q; want the loss once in each", r.code, r.stderr, r.stdout)
	}
}

func TestNoticesDoNotCountWithStrict(t *testing.T) {
	t.Parallel()
	source := filepath.Join(t.TempDir(), "small.mkv")
	mediatest.FFmpeg(t, mediatest.Picture("1")+" -c:v libx264 -preset ultrafast", source)
	const notice = "height 1080 does nothing"
	if _, r := transcode(t, source, ".mp4", "--strict", "--height", "1080"); r.code != exitDone || !strings.Contains(r.stderr, notice) {
		t.Errorf("exit %d, standard error %q; want %d and %q", r.code, r.stderr, exitDone, notice)
	}
}

func TestDamageThatTheDecoderMeetsIsTold(t *testing.T) {
	t.Parallel()
	source := filepath.Join(t.TempDir(), "damaged.mp4")
	mediatest.FFmpeg(t, mediatest.Picture("2")+" -c:v libx264 -preset ultrafast -g 25 -x264-params cabac=1:slices=1", source)
	data := mediatest.ReadFile(t, source)
	media := bytes.Index(data, []byte("mdat"))
	for at := media + 3000; at < media+3040; at++ { // in the first picture
		data[at] ^= 0x5a
	}
	if err := os.WriteFile(source, data, 0o600); err != nil {
		t.Fatal(err)
	}
	output, r := transcode(t, source, ".mp4", "--segment", "1s")
	expectWarning(t, r, "the video is damaged: ")
	if strings.Count(r.stderr, "the video is damaged") != 1 {
		t.Errorf("standard error %q, want the damage once", r.stderr)
	}
	if list := streamsOf(t, output); list[0].Packets != "50" {
		t.Errorf("got %+v, want 50 frames", list)
	}
	if _, r := transcode(t, source, ".mp4", "--segment", "1s", "--strict"); r.code != exitFailed {
		t.Errorf("with --strict: exit %d, want %d", r.code, exitFailed)
	}
}

func TestAnUndamagedOpenGOPIsNoDamage(t *testing.T) {
	t.Parallel()
	for name, codec := range map[string]string{
		"h264.mkv": "-c:v libx264 -preset veryfast -x264-params open-gop=1:keyint=20:min-keyint=20:bframes=3:b-pyramid=normal",
		"hevc.ts":  "-c:v libx265 -preset ultrafast -x265-params log-level=none:open-gop=1:keyint=20:min-keyint=20:scenecut=0:bframes=3",
		"mpeg2.ts": "-c:v mpeg2video -bf 2 -g 20 -q:v 3",
	} {
		source := filepath.Join(t.TempDir(), name)
		mediatest.FFmpeg(t, mediatest.Picture("2.4")+" "+codec, source)
		if _, r := transcode(t, source, ".mp4", "--segment", "1s", "--strict"); r.code != exitDone || r.stderr != "" {
			t.Errorf("%s: exit %d, standard error %q; want none", name, r.code, r.stderr)
		}
	}
}

func writeFile(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
}
