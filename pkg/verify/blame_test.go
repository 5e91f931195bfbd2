package verify

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/verify/outlier"
)

func TestErrorsThatTheSourceHasTooAreNotes(t *testing.T) {
	t.Parallel()
	const cut, other = "[ac3 @ 0x55d4] incomplete frame\n", "[h264 @ 0x1] error while decoding MB 3 4, bytestream 12\n"
	for _, c := range []struct {
		name, source, output string
		want                 Check
	}{
		{"none", cut, "", Check{"decoding", Good, "without errors", ""}},
		{"the same", other + cut, cut, Check{"decoding", Note, "1 error that the source has too, the first: [ac3] incomplete frame", ""}},
		{"the same elsewhere", strings.Replace(other, "3 4", "7 0", 1), other, Check{"decoding", Note, "1 error that the source has too, the first: [h264] error while decoding MB 3 4, bytestream 12", ""}},
		{"more", cut, cut + other + other, Check{"decoding", Bad, "2 errors more than the source has, the first: [h264] error while decoding MB 3 4, bytestream 12", ""}},
		{"a warning", "", "[h264 @ 0x1] [warning] no frame!\n[warning] out.mp4: corrupt decoded frame\n", Check{"decoding", Good, "without errors", ""}},
		{"an error with its level", "", strings.Replace(other, "] ", "] [error] ", 1), Check{"decoding", Bad, "1 error, the first: [h264] error while decoding MB 3 4, bytestream 12", ""}},
		{"others", "", other, Check{"decoding", Bad, "1 error, the first: [h264] error while decoding MB 3 4, bytestream 12", ""}},
	} {
		var source, output decoderErrors
		_, _ = source.Write([]byte(c.source))
		_, _ = output.Write([]byte(c.output))
		if diff := cmp.Diff(c.want, output.check(&source)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

// The sound of a broadcast may turn from two channels to one.
func TestSoundMayChangeItsParameters(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	source := filepath.Join(dir, "in.ts")
	var joined []byte
	for i, channels := range []string{"2", "1"} {
		part := filepath.Join(dir, channels+".ts")
		makeClip(t, dir, channels+".ts", "1", "-map", "0", "-map", "1", "-c:a", "mp2", "-b:a", "128k", "-ac", channels, "-output_ts_offset", []string{"10", "11"}[i])
		data, err := os.ReadFile(part)
		if err != nil {
			t.Fatal(err)
		}
		joined = append(joined, data...)
	}
	writeFile(t, source, string(joined))
	if r := verifyFiles(t, source, onePass(t, source)); r.Verdict != Good || r.Audio[0].SourceSamples < 90_000 {
		t.Errorf("%d samples\n%s", r.Audio[0].SourceSamples, formatReport(r))
	}
}

// Frames before the first keyframe may be shown or left out.
func TestCaptureMayBeginWithinAGroupOfPictures(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	source := filepath.Join(dir, "in.ts")
	whole := makeClip(t, dir, "whole.ts", "2", "-map", "0", "-c:v", "libx265", "-x265-params", "log-level=none:keyint=25:min-keyint=25:scenecut=0:open-gop=0:repeat-headers=1:rc-lookahead=5:bframes=0")
	runTool(t, "ffmpeg", "-v", "error", "-nostdin", "-i", whole, "-c", "copy", "-bsf:v", "noise=drop=lt(n\\,10)", source)
	all := verifyFiles(t, source, onePass(t, source))
	if all.Verdict != Good || all.Video.SourceFrames < 30 {
		t.Fatalf("the frames before the first keyframe are shown:\n%s", formatReport(all))
	}
	r := verifyFiles(t, source, onePass(t, source, "-vf", "select=gte(n\\,15)"))
	if r.Verdict != Good || r.Video.OutputFrames != 25 || r.Video.Leading != all.Video.SourceFrames-25 {
		t.Errorf("they are left out: %d of %d\n%s", r.Video.Leading, all.Video.SourceFrames-25, formatReport(r))
	}
	if r = verifyFiles(t, source, onePass(t, source, "-vf", "select=gte(n\\,16)")); !slices.Equal(failedChecks(r), []string{"frames"}) {
		t.Errorf("the keyframe is left out too: failed %q\n%s", failedChecks(r), formatReport(r))
	}
}

func TestEmptySubtitlesAreNotMissed(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "a.srt"), "1\n00:00:00,100 --> 00:00:00,900\nHello\n")
	source := filepath.Join(dir, "in.mkv")
	clip := makeClip(t, dir, "clip.mp4", "1", "-map", "0", "-map", "1")
	srt := filepath.Join(dir, "a.srt")
	runTool(t, "ffmpeg", "-v", "error", "-nostdin", "-i", clip, "-i", srt, "-i", srt, "-map", "0", "-map", "1", "-map", "2", "-c", "copy", "-bsf:s:0", "noise=drop=1", source)
	if r := verifyFiles(t, source, encodeTo(t, source, "out.mkv", "-map", "0", "-map", "-0:s:0", "-c", "copy")); r.Verdict != Good {
		t.Errorf("the empty track is left out:\n%s", formatReport(r))
	}
	r := verifyFiles(t, source, encodeTo(t, source, "out.mkv", "-map", "0", "-map", "-0:s", "-c", "copy"))
	if !slices.Equal(failedChecks(r), []string{"subtitles"}) {
		t.Errorf("both are left out: failed %q\n%s", failedChecks(r), formatReport(r))
	}
	checks := slices.Clone(r.Checks)
	if excuse(checks, []string{"out.mkv: left out: subtitle track 2 (subrip)"}); len(failedChecks(Report{Checks: checks})) > 0 {
		t.Errorf("the job said so, and still: %q", failedChecks(Report{Checks: checks}))
	}
}

func TestReportOfAJobIsRead(t *testing.T) {
	t.Parallel()
	const line = `{"type":"report","outputs":[{"url":"/out/a.mp4","seams":[]},{"url":"file:///out/b.mp4","seams":[1.5,3]}],"warnings":["left out: x"],"exit":0}`
	for _, data := range []string{line, `{"type":"progress"}` + "\n" + line + "\n"} {
		got, err := ReadJob([]byte(data), "/out/b.mp4")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(Job{Seams: []time.Duration{1500 * time.Millisecond, 3 * time.Second}, Warnings: []string{"left out: x"}}, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	for _, c := range [][2]string{{line, "/out/c.mp4"}, {"{}", "/out/a.mp4"}, {"x", "/out/a.mp4"}} {
		if _, err := ReadJob([]byte(c[0]), c[1]); err == nil {
			t.Errorf("%s for %s is read, want an error", c[0], c[1])
		}
	}
}

// A frame of noise in a quiet scene is hard to encode, and no fault of the output.
func TestSuddenFramesMayBeWorse(t *testing.T) {
	t.Parallel()
	source := makeClip(t, t.TempDir(), "source.mp4", "2", "-map", "0:v", "-vf", "trim=end_frame=1,tpad=stop=49:stop_mode=clone,noise=alls=80:allf=t:all_seed=3:enable='between(n,20,21)'", "-crf", "10")
	good := verifyFiles(t, source, encodeTo(t, source, "good.mp4", with("-crf", "24")...))
	if good.Video.PSNR.Min.Value > good.Video.PSNR.Mean-outlier.MaxDrop {
		t.Fatalf("the lowest PSNR is %.1f dB, the mean %.1f: the clip is too easy", good.Video.PSNR.Min.Value, good.Video.PSNR.Mean)
	}
	if got := failedChecks(good); len(got) > 0 {
		t.Errorf("a correct encode fails %q:\n%s", got, formatReport(good))
	}
	bad := verifyFiles(t, source, encodeTo(t, source, "bad.mp4", with("-crf", "24", "-vf", "noise=alls=80:allf=t:all_seed=5:enable='eq(n,30)'")...))
	if got := failedChecks(bad); len(got) != 1 || got[0] != "PSNR" {
		t.Errorf("noise that the source does not have fails %q:\n%s", got, formatReport(bad))
	}
}

// What a decoder shows for damage is hard to encode. Only what is much worse yet is a broken frame.
func TestDamageInTheSourceMayLowerFrames(t *testing.T) {
	t.Parallel()
	video := Video{Compared: "yes", PSNR: Measure{Mean: 45}, Broken: []Broken{{Frame: 9, PSNR: 31}, {Frame: 10, PSNR: 26}}}
	for _, c := range []struct {
		damaged bool
		worst   float64
		want    Verdict
	}{{true, 26, Note}, {true, 20, Bad}, {false, 26, Bad}} {
		video.Broken[1].PSNR = c.worst
		if got := videoChecks(video, c.damaged)[0]; got.Name != "PSNR" || got.Verdict != c.want {
			t.Errorf("frames of 31 and %.0f dB, source damaged %t: %+v, want %s", c.worst, c.damaged, got, c.want)
		}
	}
}

// An output names the matrix that its RGB source was converted with, and is compared by that.
func TestAnRGBSourceIsComparedByTheMatrixOfTheOutput(t *testing.T) {
	t.Parallel()
	source := makeClip(t, t.TempDir(), "source.mkv", "1", "-map", "0:v", "-c:v", "ffv1", "-pix_fmt", "gbrp")
	for _, matrix := range []string{"bt709", "smpte170m"} {
		r := verifyFiles(t, source, encodeTo(t, source, "out.mp4", "-vf", "scale=out_color_matrix="+matrix+":out_range=tv,format=yuv420p", "-colorspace", matrix,
			"-c:v", "libx264", "-preset", "ultrafast", "-crf", "10", "-fps_mode", "passthrough"))
		if r.Video.PSNR.Mean < 40 {
			t.Errorf("%s: the mean PSNR is %.1f dB\n%s", matrix, r.Video.PSNR.Mean, formatReport(r))
		}
	}
}
