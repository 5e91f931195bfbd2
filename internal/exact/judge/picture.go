package judge

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// worstPSNR compares the n-th frame of output with the n-th of source after those that are skipped, whatever their timestamps, and
// returns the worst PSNR in dB. filter and those before it do to the source what the job was to do.
func worstPSNR(ctx context.Context, source input, output string, in, out Stream, deinterlace bool, skipped int, filter string) (float64, error) {
	dir, err := os.MkdirTemp(filepath.Dir(output), "psnr-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	var chain, constant []string
	if filter != "" || in.Width == out.Width && in.Height == out.Height {
		constant = []string{"-reinit_filter", "0"} // only the filter scale accepts frames whose size changes
		chain = append(chain, fmt.Sprintf("scale=%d:%d:flags=bicubic:interl=-1,format=%s", in.Width, in.Height, in.PixelFormat))
	}
	if deinterlace {
		chain = append(chain, "bwdif=mode=send_frame:deint=interlaced")
	}
	if skipped > 0 {
		chain = append(chain, fmt.Sprintf("trim=start_frame=%d", skipped))
	}
	if filter != "" {
		chain = append(chain, filter, fmt.Sprintf("scale=%d:%d:flags=bicubic", out.Width, out.Height))
	} else if w, h := in.decodedSize(); w-out.Width|h-out.Height == 1 || w-out.Width == 1 && h-out.Height == 1 {
		chain = append(chain, fmt.Sprintf("crop=%d:%d:0:0", out.Width, out.Height))
	} else if w != out.Width || h != out.Height {
		chain = append(chain, fmt.Sprintf("scale=%d:%d:flags=bicubic", out.Width, out.Height))
	}
	if in.Range == "pc" && out.Range == "pc" { // otherwise the format filter converts to limited range
		chain = append(chain, "scale=out_range=pc")
	}
	if in.isRGB() && out.Space == "bt709" { // the scale filter's own choice is BT.601
		chain = append(chain, "scale=out_color_matrix=bt709")
	}
	same := "format=" + out.PixelFormat + ",setsar=1,settb=1/1000,setpts=N"
	chain = append(chain, same)
	args := slices.Concat([]string{"-v", "error", "-nostdin"}, constant, decoderArgs, source.args(), decoderArgs, input{path: output}.args())
	cmd := exec.CommandContext(ctx, "ffmpeg", append(args, "-filter_complex", "[0:V:0]"+strings.Join(chain, ",")+"[a];[1:V:0]"+same+"[b];[b][a]psnr=stats_file=stats:shortest=1[c]",
		"-map", "[c]", "-fps_mode", "passthrough", "-f", "null", "-")...)
	cmd.Dir = dir
	var errs bytes.Buffer
	cmd.Stderr = &errs
	if err := cmd.Run(); err != nil {
		return 0, fmt.Errorf("comparing Frames: %w: %s", err, lastLine(errs.String()))
	}
	data, err := os.ReadFile(filepath.Join(dir, "stats"))
	if err != nil {
		return 0, err
	}
	worst := math.Inf(1)
	for line := range strings.Lines(string(data)) {
		_, rest, ok := strings.Cut(line, "psnr_avg:")
		value, _, _ := strings.Cut(rest, " ")
		if !ok {
			continue
		}
		v, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
		if err != nil {
			return 0, fmt.Errorf("psnr of a frame: %w", err)
		}
		worst = min(worst, v)
	}
	return worst, nil
}
