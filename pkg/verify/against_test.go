package verify

import (
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/overlay"
	"github.com/mapreel/mapreel/pkg/film/subtitle"
)

// A source without the crop, the filter and what is drawn would be another picture, and the encode of one pass look worse than the output.
func TestAnotherEncodeIsComparedWithTheSameChangesOfTheSource(t *testing.T) {
	t.Parallel()
	tools, err := ffmpeg.Find(t.Context(), ffmpeg.FindOptions{})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	logo := image.NewGray(image.Rect(0, 0, 16, 16))
	draw.Draw(logo, logo.Bounds(), image.NewUniform(color.White), image.Point{}, draw.Src)
	f, err := os.Create(in("logo.png"))
	if err != nil {
		t.Fatal(err)
	}
	if err := png.Encode(f, logo); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	script := `[Script Info]
ScriptType: v4.00+
PlayResX: 128
PlayResY: 64
[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, Underline, StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding
Style: Default,DejaVu Sans,24,&H00FFFFFF,&H00FFFFFF,&H00000000,&H00000000,0,0,0,0,100,100,0,0,1,2,0,2,4,4,4,1
[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
Dialogue: 0,0:00:00.00,0:00:02.00,Default,,0,0,0,,WORDS
`
	writeFile(t, in("burn.ass"), script)
	source := makeClip(t, dir, "in.mkv", "2", "-crf", "10")
	const picture = "crop=128:64:16:12,negate,ass=filename=%s[below];movie=%s[layer];[below][layer]overlay=0:0:format=yuv420,pad=160:90:16:12"
	chain := strings.NewReplacer("%s[b", in("burn.ass")+"[b", "%s[l", in("logo.png")+"[l").Replace(picture)
	for name, crf := range map[string]string{"out.mp4": "14", "one.mp4": "16"} {
		runTool(t, "ffmpeg", "-v", "error", "-nostdin", "-y", "-i", source, "-vf", chain, "-c:v", "libx264", "-preset", "ultrafast", "-crf", crf, "-c:a", "copy", in(name))
	}
	runTool(t, "ffmpeg", "-v", "error", "-nostdin", "-y", "-i", source, "-vf", chain+",scale=80:46", "-c:v", "libx264", "-an", in("small.mp4"))
	options := Options{
		Crop: film.Region{Width: 128, Height: 64, X: 16, Y: 12}, Filter: "negate", Job: Job{Picture: film.Region{Width: 128, Height: 64, X: 16, Y: 12}},
		Burn:    &subtitle.Burn{File: in("burn.ass")},
		Overlay: &overlay.Overlay{Image: in("logo.png"), At: overlay.TopLeft, Height: 25, Margin: new(0)},
		Against: in("one.mp4"),
	}
	report, err := Files(t.Context(), tools, source, in("out.mp4"), options)
	if err != nil {
		t.Fatal(err)
	}
	if report.Video.PSNR.Min.Value < 35 {
		t.Fatalf("the output has %.1f dB: the test draws otherwise than verify", report.Video.PSNR.Min.Value)
	}
	if got := report.Against.PSNR.Min.Value; got < 35 || got >= report.Video.PSNR.Min.Value {
		t.Errorf("the other encode has %.1f dB, the output %.1f", got, report.Video.PSNR.Min.Value)
	}
	options.Against = in("small.mp4")
	if _, err := Files(t.Context(), tools, source, in("out.mp4"), options); err == nil || !strings.Contains(err.Error(), "small.mp4: its frame is 80x46") {
		t.Errorf("of another size: %v", err)
	}
}
