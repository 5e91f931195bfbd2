package picture

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// runTool runs ffmpeg or ffprobe directly, not through the code under test, and returns what it
// prints.
func runTool(t *testing.T, program string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, errs.String())
	}
	return string(out)
}

// The figures must equal those of ffmpeg's own filters.
func TestPSNRAndSSIMEqualThoseOfFFmpeg(t *testing.T) {
	for _, f := range []Format{
		{Width: 214, Height: 66, HalfW: true, HalfH: true},
		{Width: 160, Height: 94, HalfW: true, HighBitDepth: true},
		{Width: 95, Height: 61},
	} {
		t.Run(fmt.Sprintf("%s %dx%d", f.Name(), f.Width, f.Height), func(t *testing.T) {
			dir := t.TempDir()
			size := fmt.Sprintf("%dx%d", f.Width, f.Height)
			raw := func(name, filter string) []byte {
				out := runTool(t, "ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size="+size+":rate=5:duration=1,"+filter+"format="+f.Name(), "-f", "rawvideo", "-y", "pipe:1")
				if err := os.WriteFile(filepath.Join(dir, name), []byte(out), 0o600); err != nil {
					t.Fatal(err)
				}
				return []byte(out)
			}
			a, b := raw("a", ""), raw("b", "noise=alls=9:allf=t:all_seed=5,boxblur=1:1,")
			in := func(name string) []string {
				return []string{"-f", "rawvideo", "-s", size, "-pix_fmt", f.Name(), "-i", filepath.Join(dir, name)}
			}
			stats := func(filter, field string) []float64 {
				// The SIMD version of ssim leaves out the last columns of some widths (854x480: 0.0003 too much); the C version does not.
				args := append(append([]string{"-v", "error", "-cpuflags", "0"}, in("a")...), in("b")...)
				out := runTool(t, "ffmpeg", append(args, "-lavfi", filter+"=stats_file=-", "-f", "null", "-")...)
				var list []float64
				for _, m := range regexp.MustCompile(`\b`+field+`:([0-9.]+)`).FindAllStringSubmatch(out, -1) {
					v, _ := strconv.ParseFloat(m[1], 64)
					list = append(list, v)
				}
				return list
			}
			psnr, ssim := stats("psnr", "psnr_avg"), stats("ssim", "All")
			if len(psnr) != 5 || len(ssim) != 5 {
				t.Fatalf("ffmpeg gave %d and %d figures, want 5", len(psnr), len(ssim))
			}
			for i := range 5 {
				from, to := i*f.Bytes(), (i+1)*f.Bytes()
				var got Similarity
				if f.HighBitDepth {
					x, y := make([]uint16, f.Samples()), make([]uint16, f.Samples())
					Samples16(a[from:to], x)
					Samples16(b[from:to], y)
					got = Compare(f, x, y)
				} else {
					got = Compare(f, a[from:to], b[from:to])
				}
				// ffmpeg prints two and six places.
				if math.Abs(got.PSNR-psnr[i]) > 0.0051 || math.Abs(got.SSIM-ssim[i]) > 2e-6 {
					t.Errorf("frame %d: PSNR %.4f, SSIM %.6f; ffmpeg reports %.2f and %.6f", i, got.PSNR, got.SSIM, psnr[i], ssim[i])
				}
				t.Logf("frame %d: PSNR %.4f, SSIM %.6f; ffmpeg reports %.2f and %.6f", i, got.PSNR, got.SSIM, psnr[i], ssim[i])
			}
		})
	}
}
