package local_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// edited copies a file with its content changed.
func edited(t *testing.T, path string, change func([]byte) []byte) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), filepath.Base(path))
	if err := os.WriteFile(path, change(data), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// capture makes an MPEG-TS of 8 s that begins within a GOP.
func capture(t *testing.T, codec ...string) string {
	t.Helper()
	path := clip(t, "in.ts", args([]string{"-f", "lavfi", "-i", "testsrc2=size=96x54:rate=24:duration=8"}, codec)...)
	return edited(t, path, func(ts []byte) []byte { return ts[len(ts)/7/188*188:] })
}

// onePass decodes a file in one pass, and returns it losslessly encoded. How errors are concealed
// depends on the number of threads and on which is ahead, so there is one.
func onePass(t *testing.T, path string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "onepass.mkv")
	// Where a stream is broken, ffmpeg says so and shows what it has.
	cmd := exec.Command("ffmpeg", "-v", "quiet", "-nostdin", "-threads", "1", "-i", path, "-map", "0:v:0", "-fps_mode", "passthrough", "-enc_time_base", "-1", "-c:v", "ffv1", out)
	if err := cmd.Run(); err != nil {
		t.Fatal(err)
	}
	return out
}

var psnrOfFrame = regexp.MustCompile(`psnr_avg:(\S+)`)

// psnr compares two files frame by frame, whatever their times, in decibels.
func psnr(t *testing.T, a, b string) (list []float64) {
	t.Helper()
	stats := filepath.Join(t.TempDir(), "psnr")
	const same = "setpts=N/TB,format=yuv420p"
	graph := fmt.Sprintf("[0:v]%s[a];[1:v]%s[b];[a][b]psnr=shortest=1:stats_file=%s", same, same, stats)
	out, err := exec.Command("ffmpeg", "-v", "error", "-nostdin", "-i", a, "-i", b, "-filter_complex", graph, "-f", "null", "-").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	data, err := os.ReadFile(stats)
	if err != nil {
		t.Fatal(err)
	}
	for _, match := range psnrOfFrame.FindAllSubmatch(data, -1) {
		db, err := strconv.ParseFloat(string(match[1]), 64)
		if err != nil {
			t.Fatal(err)
		}
		list = append(list, db)
	}
	return list
}

// assertAsOnePass transcodes a source and checks that each frame is that of one pass of ffmpeg.
func assertAsOnePass(t *testing.T, source string) {
	t.Helper()
	req := request(source, t.TempDir(), "mp4")
	req.Outputs[0].Video[0].CRF = new(4)
	req.Compute.Threads = 4 // but one where there is damage
	if _, err := run(t.Context(), req, t.TempDir(), nil); err != nil {
		t.Fatal(err)
	}
	want, out := onePass(t, source), filepath.Join(req.Destination, "out.mp4")
	times, _ := pts(t, out)
	if wanted, _ := pts(t, want); len(times) != len(wanted) {
		t.Errorf("%d frames, want the %d of one pass", len(times), len(wanted))
	}
	for i, db := range psnr(t, out, want) {
		if db < 35 {
			t.Errorf("frame %d is another one than in one pass: %.1f dB", i, db)
			break
		}
	}
}

func TestCapturesThatBeginWithinAGOPKeepWhatOnePassShows(t *testing.T) {
	t.Parallel()
	for name, codec := range map[string]string{
		"h265":     "-c:v libx265 -preset ultrafast -x265-params log-level=none:keyint=48:min-keyint=48:bframes=3",
		"h264":     "-c:v libx264 -preset veryfast -g 48 -bf 2",
		"open GOP": "-c:v libx264 -preset veryfast -x264-params open-gop=1:keyint=48:bframes=3",
		"mpeg2":    "-c:v mpeg2video -r 25 -g 50 -bf 2 -q:v 2",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assertAsOnePass(t, capture(t, strings.Fields(codec)...))
		})
	}
}

func TestIntraRefreshIsDecodedWhereItIsWhole(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"in.mkv", "in.mp4", "in.ts", "in.flv"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			assertAsOnePass(t, clip(t, name, "-f", "lavfi", "-i", "testsrc2=size=96x54:rate=12:duration=16",
				"-c:v", "libx264", "-x264-params", "intra-refresh=1:keyint=24"))
		})
	}
}

func TestStreamsOfOldX264AreDecodedAsTheirFirstPacketAsks(t *testing.T) {
	t.Parallel()
	for name, codec := range map[string]string{
		"142": "-pix_fmt yuv444p -preset veryfast -x264-params 8x8dct=1:cabac=1", // 4:4:4
		"030": "-preset medium -x264-params direct=spatial",                      // direct prediction
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			source := clip(t, "in.mp4", args([]string{"-f", "lavfi", "-i", "testsrc2=size=96x54:rate=12:duration=7,rotate=0.3*t", "-c:v", "libx264", "-g", "24", "-bf", "3"},
				strings.Fields(codec))...)
			text := regexp.MustCompile(`x264 - core \d{3}`)
			source = edited(t, source, func(data []byte) []byte {
				if !text.Match(data) {
					t.Fatal("x264 does not name its build")
				}
				return text.ReplaceAll(data, slices.Concat([]byte("x264 - core "), []byte(name)))
			})
			assertAsOnePass(t, source)
		})
	}
}

// What a decoder shows where a frame of Motion JPEG ends early is in its memory from frames before.
func TestDamageOfMotionJPEGShowsWhatOnePassShows(t *testing.T) {
	t.Parallel()
	source := clip(t, "in.mp4", args([]string{"-f", "lavfi", "-i", "testsrc2=size=160x90:rate=24:duration=8", "-c:v", "mjpeg", "-q:v", "3", "-pix_fmt", "yuvj420p"})...)
	source = edited(t, source, func(data []byte) []byte {
		start := []byte("\xff\xd8\xff")
		at := bytes.Index(data, start)
		for range 2 * 24 { // to the first frame of the second segment
			at += 1 + bytes.Index(data[at+1:], start)
		}
		scan := at + bytes.Index(data[at:], []byte("\xff\xda"))
		copy(data[scan+400:], bytes.Repeat([]byte{0xf7}, 100)) // no code of the scan
		return data
	})
	assertAsOnePass(t, source)
}

// Of several threads, those that are ahead decide what is shown for a damaged frame.
func TestDamageIsDecodedByOneThread(t *testing.T) {
	t.Parallel()
	source := clip(t, "in.mp4", args([]string{"-f", "lavfi", "-i", "testsrc2=size=320x180:rate=24:duration=3", "-c:v", "libx264", "-preset", "veryfast", "-g", "72", "-bf", "2"})...)
	assertAsOnePass(t, edited(t, source, func(data []byte) []byte {
		at := bytes.Index(data, []byte("mdat"))
		for part := range 5 {
			copy(data[at+(len(data)-at)*(20+3*part)/64:], make([]byte, 13))
		}
		return data
	}))
}
