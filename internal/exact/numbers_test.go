package main

import (
	"bytes"
	"encoding/json"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/overlay"
	"github.com/mapreel/mapreel/pkg/film/subtitle"
	"github.com/mapreel/mapreel/pkg/kinds"
	"github.com/mapreel/mapreel/pkg/local"
	"github.com/mapreel/mapreel/pkg/verify"
)

// The first rows of each frame of the clip are its number, a bit for each eight columns.
const (
	numberedWidth, numberedHeight = 96, 54
	numberedBits                  = numberedWidth / 8
	numbered                      = "format=yuv420p,geq=lum='if(lt(Y,8),255*mod(floor(N/pow(2,floor(X/8))),2),lum(X,Y))':cb='if(lt(Y,8),128,cb(X,Y))':cr='if(lt(Y,8),128,cr(X,Y))'"
)

func runTool(t *testing.T, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "ffmpeg", append([]string{"-v", "error", "-nostdin", "-y"}, args...)...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("ffmpeg %q: %v\n%s", args, err, errs.Bytes())
	}
	return out
}

// numberIn returns the number in a grey frame of so many columns, whose picture has this width and begins at column left.
func numberIn(frame []byte, columns, width, left int) (number int) {
	for bit := range numberedBits {
		if frame[4*columns+left+(2*bit+1)*width/(2*numberedBits)] > 127 {
			number |= 1 << bit
		}
	}
	return number
}

// A part of a clip whose clock begins late has the right frames by the numbers in their pictures. What is drawn over them is the same
// however the part is divided, also within subtitles that overlap: the outputs are lossless.
func TestAPartShowsTheRightNumbersAndTheSameDrawingsInAnySegments(t *testing.T) {
	t.Parallel()
	found, err := tools()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	runTool(t, "-f", "lavfi", "-i", "testsrc2=s=96x54:r=24:d=4", "-vf", numbered, "-c:v", "libx264", "-preset", "ultrafast", "-crf", "1", "-g", "13", "-bf", "2", "-output_ts_offset", "5", in("in.mkv"))
	const text = "1\n00:00:01,500 --> 00:00:02,700\nFirst\n\n2\n00:00:02,000 --> 00:00:03,400\nSecond, <i>which began below</i>\n"
	logo := image.NewGray(image.Rect(0, 0, 8, 8))
	draw.Draw(logo, logo.Bounds(), image.NewUniform(color.White), image.Point{}, draw.Src)
	var picture bytes.Buffer
	if err := png.Encode(&picture, logo); err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"burn.srt": []byte(text), "logo.png": picture.Bytes()} {
		if err := os.WriteFile(in(name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	part := film.Part{Start: film.Seconds(1300 * time.Millisecond), End: film.Seconds(3700 * time.Millisecond)}
	frames := map[string][]byte{}
	for name, length := range map[string]time.Duration{"many": time.Second, "one": time.Minute} {
		facts := transcoded(t, found, kinds.Options{}, film.Request{
			Source: in("in.mkv"), Destination: dir, Part: part,
			Segment: film.Segmenting{Seconds: film.Seconds(length)},
			Outputs: []film.Output{{Name: name, Container: film.Matroska, Video: []film.Video{{
				CRF: new(0), Preset: "ultrafast", Burn: &subtitle.Burn{File: in("burn.srt")}, Overlay: &overlay.Overlay{Image: in("logo.png"), At: overlay.Center, Height: 15},
			}}}},
		})
		if seams := len(facts.Seams); (seams > 0) != (name == "many") {
			t.Errorf("%s: %d seams", name, seams)
		}
		frames[name] = runTool(t, "-i", in(name+".mkv"), "-pix_fmt", "gray", "-f", "rawvideo", "-")
	}
	// Verify draws the same over the source's frames: otherwise a tenth of a picture differs.
	report, err := verify.Files(t.Context(), found, in("in.mkv"), in("many.mkv"), verify.Options{
		Part: part, Burn: &subtitle.Burn{File: in("burn.srt")}, Overlay: &overlay.Overlay{Image: in("logo.png"), At: overlay.Center, Height: 15},
	})
	if err != nil {
		t.Fatal(err)
	}
	if report.Verdict != verify.Good || report.Video.PSNR.Min.Value < 60 {
		t.Errorf("verify: %s, lowest PSNR %.1f dB", report.Verdict, report.Video.PSNR.Min.Value)
	}
	const size, first, last = numberedWidth * numberedHeight, 32, 88 // 1.3 s ≤ n/24 < 3.7 s
	if got, want := len(frames["many"]), (last-first+1)*size; got != want {
		t.Fatalf("%d frames, want %d", got/size, want/size)
	}
	drawn := 0
	for i := range last - first + 1 {
		frame := frames["many"][i*size : (i+1)*size]
		number := numberIn(frame, numberedWidth, numberedWidth, 0)
		if number != first+i {
			t.Errorf("frame %d shows number %d, want %d", i, number, first+i)
		}
		if frame[27*numberedWidth+48] > 220 {
			drawn++
		}
		if !bytes.Equal(frame, frames["one"][i*size:(i+1)*size]) {
			t.Errorf("frame %d depends on the segments", i)
		}
	}
	if drawn != last-first+1 {
		t.Errorf("the logo lies over %d frames", drawn)
	}
}

// transcoded runs a request of one output in its destination, and returns the facts of the output.
func transcoded(t *testing.T, found ffmpeg.Tools, options kinds.Options, r film.Request) (facts film.OutputFacts) {
	t.Helper()
	request, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	report, err := local.Run(t.Context(), request, local.Options{Scratch: filepath.Join(r.Destination, "scratch"), Registry: kinds.All(found, options), Jobs: 2})
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(report.Outputs[0], &facts); err != nil {
		t.Fatal(err)
	}
	return facts
}
