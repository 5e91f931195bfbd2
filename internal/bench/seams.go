package main

import (
	"bufio"
	"context"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// onePass maps a codec to its defaults in mapreel (preset, CRF) as options of one ffmpeg process.
var onePass = map[string]struct{ encoder, preset, presetOption, crf string }{
	"h264": {"libx264", "medium", "-preset", "21"},
	"h265": {"libx265", "medium", "-preset", "24"},
	"vp9":  {"libvpx-vp9", "4", "-cpu-used", "31"},
	"av1":  {"libsvtav1", "8", "-preset", "32"},
}

// inOnePass returns the command that encodes the video of a source in one pass, as mapreel does by default.
func inOnePass(ctx context.Context, codec, source, output string) *exec.Cmd {
	o := onePass[codec]
	args := []string{"-nostdin", "-v", "error", "-y", "-i", source, "-map", "0:v:0", "-c:v", o.encoder, o.presetOption, o.preset, "-crf", o.crf}
	if codec == "vp9" {
		args = append(args, "-b:v", "0", "-deadline", "good", "-row-mt", "1")
	}
	return exec.CommandContext(ctx, "ffmpeg", append(args, "-fps_mode", "passthrough", output)...)
}

// seams measures what segmenting costs in quality: for each codec, the output of mapreel and that
// of one ffmpeg process with the same settings are compared with the source frame by frame.
func (b bench) seams(ctx context.Context, source string, codecs []string) error {
	if source == "" {
		source = footage
	}
	rate, err := frameRate(ctx, source)
	if err != nil {
		return err
	}
	table := [][]string{{"", "bytes ×", "mean PSNR dB", "difference", "of total MSE", "worst second", "at s", "its bytes ×", "CPU ×"}}
	for _, codec := range codecs {
		o, ok := onePass[codec]
		if !ok {
			return fmt.Errorf("%q is not one of h264, h265, vp9, av1", codec)
		}
		whole, joined := filepath.Join(b.work, codec+"-whole.mkv"), filepath.Join(b.work, codec+"-joined.mkv")
		scratch, err := b.emptyDir("scratch")
		if err != nil {
			return err
		}
		first, err := measure(inOnePass(ctx, codec, source, whole))
		if err != nil {
			return err
		}
		if err := os.RemoveAll(joined); err != nil {
			return err
		}
		second, err := measure(exec.CommandContext(ctx, b.mapreel, "transcode", source, "-o", joined, "--codec", codec, "--crf", o.crf,
			"--preset", o.preset, "--audio", "none", "--segment", b.segment.String(), "--scratch", scratch, "--progress", "none"))
		if err != nil {
			return err
		}
		x, err := b.frameErrors(ctx, source, whole)
		if err != nil {
			return err
		}
		y, err := b.frameErrors(ctx, source, joined)
		if err != nil {
			return err
		}
		if len(x) != len(y) {
			return fmt.Errorf("%s: %d frames in one pass, %d joined", codec, len(x), len(y))
		}
		c := compareFrames(x, y, int(math.Round(rate)))
		table = append(table, []string{
			fmt.Sprintf("%s, %v", codec, b.segment), fmt.Sprintf("%.4f", c.bytes), fmt.Sprintf("%.3f", c.base), fmt.Sprintf("%+.3f", c.mean),
			fmt.Sprintf("%+.3f", c.total), fmt.Sprintf("%+.2f", c.worst), fmt.Sprintf("%.1f", float64(c.at)/rate),
			fmt.Sprintf("%.2f", c.worstBytes), fmt.Sprintf("%.3f", second.cpu.Seconds()/first.cpu.Seconds()),
		})
	}
	fmt.Fprintf(b.out, "\n%s: mapreel against one pass\n", source)
	b.table(table)
	return nil
}

// frame is the error and the size of an encoded frame.
type frame struct {
	mse   float64 // of 8-bit values, mean over the planes
	bytes int
}

// psnr converts a mean squared error. A frame without error counts as 100 dB.
func psnr(mse float64) float64 { return min(100, 10*math.Log10(255*255/mse)) }

// comparison compares two encodes of the same frames.
type comparison struct {
	bytes      float64 // of the second encode, relative to the first
	base       float64 // mean PSNR of the first, dB
	mean       float64 // difference of the mean PSNR of the frames, dB
	total      float64 // difference of the PSNR of the mean squared errors, dB
	worst      float64 // lowest mean difference over a window, dB
	at         int     // first frame of that window
	worstBytes float64 // bytes in that window, relative to the first encode
}

// compareFrames compares two encodes, and finds the window in which the second is worst.
func compareFrames(x, y []frame, window int) comparison {
	var c comparison
	n := len(x)
	var mse, bytes [2]float64
	difference := make([]float64, n)
	for i := range x {
		a, b := psnr(x[i].mse), psnr(y[i].mse)
		difference[i] = b - a
		c.base += a / float64(n)
		c.mean += (b - a) / float64(n)
		mse[0], mse[1] = mse[0]+x[i].mse, mse[1]+y[i].mse
		bytes[0], bytes[1] = bytes[0]+float64(x[i].bytes), bytes[1]+float64(y[i].bytes)
	}
	c.bytes = bytes[1] / bytes[0]
	c.total = psnr(mse[1]/float64(n)) - psnr(mse[0]/float64(n))
	c.worst = math.Inf(1)
	window = max(1, min(window, n))
	for at := 0; at+window <= n; at++ {
		var sum, one, other float64
		for i := at; i < at+window; i++ {
			sum, one, other = sum+difference[i], one+float64(x[i].bytes), other+float64(y[i].bytes)
		}
		if mean := sum / float64(window); mean < c.worst {
			c.worst, c.at, c.worstBytes = mean, at, other/one
		}
	}
	return c
}

// frameErrors compares an encode with its source, frame by frame in their order.
func (b bench) frameErrors(ctx context.Context, source, encoded string) ([]frame, error) {
	stats := filepath.Join(b.work, "psnr.txt")
	out, err := exec.CommandContext(ctx, "ffmpeg", "-nostdin", "-v", "error", "-i", encoded, "-i", source, "-filter_complex",
		"[0:v:0]settb=1/1000,setpts=N[a];[1:v:0]settb=1/1000,setpts=N[b];[a][b]psnr=stats_file="+stats,
		"-f", "null", "-").CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("comparing %s with its source: %w\n%s", encoded, err, out)
	}
	// ffprobe lists packets in decoding order; sorted by time they are in the order of the frames.
	sizes, err := exec.CommandContext(ctx, "sh", "-c",
		`ffprobe -v error -select_streams v:0 -show_entries packet=pts,size -of csv=p=0 "$0" | sort -t, -n -k1`, encoded).Output()
	if err != nil {
		return nil, fmt.Errorf("the packets of %s: %w", encoded, err)
	}
	f, err := os.Open(stats)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	var list []frame
	for lines := bufio.NewScanner(f); lines.Scan(); {
		_, rest, _ := strings.Cut(lines.Text(), "mse_avg:")
		value, _, _ := strings.Cut(rest, " ")
		mse, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return nil, fmt.Errorf("a line of the psnr filter: %w", err)
		}
		list = append(list, frame{mse: mse})
	}
	packets := strings.Fields(string(sizes))
	if len(packets) != len(list) {
		return nil, fmt.Errorf("%s has %d packets, but %d frames were compared with its source", encoded, len(packets), len(list))
	}
	for i, p := range packets {
		_, size, _ := strings.Cut(p, ",")
		if list[i].bytes, err = strconv.Atoi(strings.Trim(size, ",")); err != nil {
			return nil, fmt.Errorf("the size of a packet: %w", err)
		}
	}
	return list, nil
}

// frameRate returns the average number of frames per second.
func frameRate(ctx context.Context, file string) (float64, error) {
	out, err := exec.CommandContext(ctx, "ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries", "stream=avg_frame_rate",
		"-of", "default=nk=1:nw=1", file).Output()
	if err != nil {
		return 0, fmt.Errorf("the frame rate of %s: %w", file, err)
	}
	var num, den float64
	if _, err := fmt.Sscanf(strings.TrimSpace(string(out)), "%f/%f", &num, &den); err != nil || num <= 0 || den <= 0 {
		return 0, fmt.Errorf("%q is not a frame rate", out)
	}
	return num / den, nil
}
