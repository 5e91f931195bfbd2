package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// measurement is what one pass of ffmpeg decodes from a file. Times are on the clock of that pass,
// in which the earliest stream begins at 0.
type measurement struct {
	metadata metadata
	frames   []time.Duration // presentation time of each frame, in the order in which the decoder outputs them
	tick     time.Duration   // of the video's timebase, rounded up
	audio    []audioTrack
}

// audioTrack is the decoded content of an audio track.
type audioTrack struct {
	samples int // including those missing in gaps
	rate    int
	beeps   []time.Duration
}

// metadata is what ffprobe reports about a file.
type metadata struct {
	Streams  []stream  `json:"streams"`
	Chapters []chapter `json:"chapters"`
	Format   struct {
		Tags map[string]string `json:"tags"`
	} `json:"format"`
}

type stream struct {
	Index       int               `json:"index"`
	Type        string            `json:"codec_type"`
	Codec       string            `json:"codec_name"`
	Width       int               `json:"width"`
	Height      int               `json:"height"`
	PixelFormat string            `json:"pix_fmt"`
	SAR         string            `json:"sample_aspect_ratio"`
	Transfer    string            `json:"color_transfer"`
	Primaries   string            `json:"color_primaries"`
	Space       string            `json:"color_space"`
	Range       string            `json:"color_range"`
	Rate        string            `json:"sample_rate"`
	Channels    int               `json:"channels"`
	Disposition map[string]int    `json:"disposition"`
	Tags        map[string]string `json:"tags"`
	SideData    []sideData        `json:"side_data_list"`
}

type sideData struct {
	Type     string      `json:"side_data_type"`
	Rotation json.Number `json:"rotation"`
	RedX     string      `json:"red_x"`
	MaxLight string      `json:"max_luminance"`
	Content  int         `json:"max_content"`
}

type chapter struct {
	Start string            `json:"start_time"`
	Tags  map[string]string `json:"tags"`
}

// video returns the video stream that is not cover art, or nil.
func (s metadata) video() *stream {
	for i, v := range s.Streams {
		if v.Type == "video" && v.Disposition["attached_pic"] == 0 {
			return &s.Streams[i]
		}
	}
	return nil
}

// streams returns the streams of a type that have a codec.
func (s metadata) streams(kind string) (list []stream) {
	for _, v := range s.Streams {
		if v.Type == kind && v.Codec != "" {
			list = append(list, v)
		}
	}
	return list
}

// inputArgs returns ffmpeg's arguments for an input. ffmpeg mistakes a transport stream that was
// cut within a packet for a raw stream, so the format is given.
func inputArgs(path string) []string {
	if filepath.Ext(path) == ".ts" {
		return []string{"-f", "mpegts", "-i", "file:" + path}
	}
	return []string{"-i", "file:" + path}
}

// decoderArgs precede an input that is decoded. What ffmpeg shows for a damaged frame depends on
// its number of threads; this is that of a job (DefaultThreads).
var decoderArgs = []string{"-threads", "2"}

func probe(ctx context.Context, path string) (s metadata, err error) {
	args := append([]string{"-v", "error", "-show_streams", "-show_chapters", "-show_format", "-of", "json"}, inputArgs(path)...)
	out, err := output(ctx, "ffprobe", args...)
	if err == nil {
		err = json.Unmarshal(out, &s)
	}
	return s, err
}

// firstFrameSideData returns the side data of the first frame: the place of the HDR10 metadata in
// files whose container does not repeat them.
func firstFrameSideData(ctx context.Context, path string) (list []sideData, err error) {
	out, err := output(ctx, "ffprobe", "-v", "error", "-select_streams", "v:0", "-read_intervals", "%+#1", "-show_frames",
		"-show_entries", "frame=side_data_list", "-of", "json", "-i", "file:"+path)
	var answer struct {
		Frames []struct {
			SideData []sideData `json:"side_data_list"`
		}
	}
	if err == nil {
		err = json.Unmarshal(out, &answer)
	}
	for _, f := range answer.Frames {
		list = append(list, f.SideData...)
	}
	return list, err
}

// output runs a tool and returns what it prints.
func output(ctx context.Context, tool string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, tool, args...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		err = fmt.Errorf("%s %s: %w: %s", tool, strings.Join(args, " "), err, lastLine(errs.String()))
	}
	return out, err
}

func lastLine(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return lines[len(lines)-1]
}

// measure decodes a file once, from end to end, with all its streams at the same time, so that
// ffmpeg sees one clock.
func measure(ctx context.Context, path string) (a measurement, err error) {
	if a.metadata, err = probe(ctx, path); err != nil {
		return a, err
	}
	if p := a.metadata.video(); p != nil && p.Transfer == "smpte2084" {
		more, err := firstFrameSideData(ctx, path)
		if err != nil {
			return a, err
		}
		p.SideData = append(p.SideData, more...)
	}
	dir, err := os.MkdirTemp(filepath.Dir(path), "measurement-")
	if err != nil {
		return a, err
	}
	defer os.RemoveAll(dir)
	video := filepath.Join(dir, "video")
	args := slices.Concat([]string{"-v", "error", "-nostdin"}, decoderArgs, inputArgs(path))
	if a.metadata.video() != nil {
		args = append(args, "-map", "0:V:0", "-fps_mode", "passthrough", "-enc_time_base", "-1", "-f", "framecrc", "file:"+video)
	}
	tracks := len(a.metadata.streams("audio"))
	for i := range tracks {
		from := fmt.Sprintf("0:a:%d", i)
		file := filepath.Join(dir, fmt.Sprintf("audio%d", i))
		args = append(args, "-map", from, "-ac", "1", "-c:a", "pcm_s16le", "-f", "framecrc", "file:"+file,
			"-map", from, "-ac", "1", "-c:a", "pcm_s16le", "-f", "s16le", "file:"+file+".pcm")
	}
	if _, err := output(ctx, "ffmpeg", args...); err != nil {
		return a, err
	}
	if a.metadata.video() != nil {
		log, err := readFrameLog(video)
		if err != nil {
			return a, err
		}
		a.tick = log.time(1) + 1
		for _, r := range log.entries {
			a.frames = append(a.frames, log.time(r.pts))
		}
	}
	for i := range tracks {
		s, err := findBeeps(filepath.Join(dir, fmt.Sprintf("audio%d", i)))
		if err != nil {
			return a, err
		}
		a.audio = append(a.audio, s)
	}
	return a, nil
}

// frameLog is the output of the muxer framecrc: a line per frame.
type frameLog struct {
	num, den int64
	entries  []logEntry
}

type logEntry struct{ pts, size int64 }

// time converts ticks to a time, to the nearest nanosecond. Media of ten hours fit.
func (r frameLog) time(ticks int64) time.Duration {
	whole, rest := ticks*r.num/r.den, ticks*r.num%r.den
	return time.Duration(whole)*time.Second + time.Duration(math.Round(float64(rest)*1e9/float64(r.den)))
}

// readFrameLog reads "#tb 0: 1/24" and lines like "0, 0, 1, 1, 21600, 0xd0f9e5ee".
func readFrameLog(path string) (r frameLog, err error) {
	f, err := os.Open(path)
	if err != nil {
		return r, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		line := lines.Text()
		if strings.HasPrefix(line, "#") {
			if _, err := fmt.Sscanf(line, "#tb 0: %d/%d", &r.num, &r.den); err != nil && strings.HasPrefix(line, "#tb") {
				return r, fmt.Errorf("timebase %q: %w", line, err)
			}
			continue
		}
		fields := strings.Split(line, ",")
		if len(fields) < 6 {
			return r, fmt.Errorf("unexpected line %q", line)
		}
		pts, err := strconv.ParseInt(strings.TrimSpace(fields[2]), 10, 64)
		size, err2 := strconv.ParseInt(strings.TrimSpace(fields[4]), 10, 64)
		if err := errors.Join(err, err2); err != nil {
			return r, err
		}
		r.entries = append(r.entries, logEntry{pts, size})
	}
	if r.den == 0 {
		r.num, r.den = 1, 1 // nothing was decoded
	}
	return r, lines.Err()
}

// missingSamples returns how many samples the timestamps of audio skip, counting gaps of at least a
// codec frame: one pass keeps a gap of its source as a jump in time, mapreel fills it with silence.
func (r frameLog) missingSamples() (missing int) {
	for i := 1; i < len(r.entries); i++ {
		before := r.entries[i-1]
		if gap := r.entries[i].pts - (before.pts + before.size/2); gap >= maxCodecFrame {
			missing += int(gap)
		}
	}
	return missing
}

// Beeps are distinguished by their level, relative to the loudest sample, from what a lossy codec
// makes of the silence between them.
const (
	beepThreshold = 0.4
	minSilence    = 100 * time.Millisecond // silence before a beep
)

// findBeeps returns the times at which beeps begin.
func findBeeps(path string) (audioTrack, error) {
	var s audioTrack
	list, err := readFrameLog(path)
	if err != nil {
		return s, err
	}
	s.rate = int(list.den)
	pcm, err := os.ReadFile(path + ".pcm")
	if err != nil {
		return s, err
	}
	sample := func(i int) int { return int(int16(uint16(pcm[2*i]) | uint16(pcm[2*i+1])<<8)) }
	decoded := len(pcm) / 2
	s.samples = decoded + list.missingSamples()
	peak := 0
	for i := range decoded {
		peak = max(peak, sample(i), -sample(i))
	}
	if peak < 100 {
		return s, nil // silence
	}
	threshold := int(beepThreshold * float64(peak))
	var at time.Duration
	last := time.Duration(math.MinInt64 / 2)
	i := 0
	for _, r := range list.entries {
		for n := range r.size / 2 {
			if i == decoded {
				return s, fmt.Errorf("%d samples, fewer than their frames hold", decoded)
			}
			if v := sample(i); v > threshold || -v > threshold {
				at = list.time(r.pts + n)
				if at-last > minSilence {
					s.beeps = append(s.beeps, at)
				}
				last = at
			}
			i++
		}
	}
	return s, nil
}

// psnr compares the n-th frame of output with the n-th of source, whatever their timestamps, and
// returns the worst PSNR in dB. The filters before it do to the source what the job was to do.
func psnr(ctx context.Context, source, output string, in, out stream, deinterlace bool) (float64, error) {
	dir, err := os.MkdirTemp(filepath.Dir(output), "psnr-")
	if err != nil {
		return 0, err
	}
	defer os.RemoveAll(dir)
	var chain, constant []string
	if in.Width == out.Width && in.Height == out.Height {
		constant = []string{"-reinit_filter", "0"} // only the filter scale accepts frames whose size changes
		chain = append(chain, fmt.Sprintf("scale=%d:%d:flags=bicubic:interl=-1,format=%s", in.Width, in.Height, in.PixelFormat))
	}
	if deinterlace {
		chain = append(chain, "bwdif=mode=send_frame:deint=interlaced")
	}
	if w, h := in.decodedSize(); w-out.Width|h-out.Height == 1 || w-out.Width == 1 && h-out.Height == 1 {
		chain = append(chain, fmt.Sprintf("crop=%d:%d:0:0", out.Width, out.Height))
	} else if w != out.Width || h != out.Height {
		chain = append(chain, fmt.Sprintf("scale=%d:%d:flags=bicubic", out.Width, out.Height))
	}
	if in.Range == "pc" && out.Range == "pc" { // otherwise the format filter converts to limited range
		chain = append(chain, "scale=out_range=pc")
	}
	same := "format=" + out.PixelFormat + ",setsar=1,settb=1/1000,setpts=N"
	chain = append(chain, same)
	args := slices.Concat([]string{"-v", "error", "-nostdin"}, constant, decoderArgs, inputArgs(source), decoderArgs, inputArgs(output))
	cmd := exec.CommandContext(ctx, "ffmpeg", append(args, "-filter_complex", "[0:V:0]"+strings.Join(chain, ",")+"[a];[1:V:0]"+same+"[b];[b][a]psnr=stats_file=stats:shortest=1[c]",
		"-map", "[c]", "-fps_mode", "passthrough", "-f", "null", "-")...)
	cmd.Dir = dir
	var errs bytes.Buffer
	cmd.Stderr = &errs
	if err := cmd.Run(); err != nil {
		return 0, fmt.Errorf("comparing frames: %w: %s", err, lastLine(errs.String()))
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

// decodedSize returns the size of a stream as ffmpeg decodes it, after rotation.
func (s stream) decodedSize() (width, height int) {
	for _, d := range s.SideData {
		if v, err := d.Rotation.Int64(); err == nil && v%180 != 0 {
			return s.Height, s.Width
		}
	}
	return s.Width, s.Height
}

// features lists what a file holds besides frames and samples, in a form that can be compared: an
// output should have every feature of its source. With a conversion of "tone-mapped", colour and
// HDR metadata are left out.
func (s metadata) features(conversion string) (list []string) {
	if p := s.video(); p != nil {
		list = append(list, "video")
		if sar := p.SAR; sar != "" && sar != "1:1" && sar != "0:1" {
			list = append(list, "pixels "+sar)
		}
		if conversion != "tone-mapped" {
			for _, c := range []struct{ name, value string }{{"primaries", p.Primaries}, {"transfer", p.Transfer}, {"matrix", p.Space}} {
				if c.value != "" && c.value != "unknown" && c.value != "reserved" && c.value != "gbr" {
					list = append(list, c.name+" "+c.value)
				}
			}
			for _, d := range p.SideData {
				switch d.Type {
				case "Mastering display metadata":
					list = append(list, "mastering "+formatFraction(d.RedX)+" "+formatFraction(d.MaxLight))
				case "Content light level metadata":
					list = append(list, fmt.Sprintf("light %d", d.Content))
				}
			}
		}
	}
	for i, a := range s.streams("audio") {
		text := fmt.Sprintf("audio %d with %d channels", i+1, a.Channels)
		if lang := a.Tags["language"]; lang != "" && lang != "und" {
			text += " " + lang
		}
		list = append(list, text)
		if a.Disposition["default"] != 0 {
			list = append(list, fmt.Sprintf("audio %d is the default", i+1))
		}
		// For ffmpeg, MP4 has no track title; the handler name holds it.
		if title := cmp.Or(a.Tags["title"], a.Tags["handler_name"]); title != "" && title != "SoundHandler" {
			list = append(list, fmt.Sprintf("audio %d is titled %s", i+1, title))
		}
	}
	for i, t := range s.streams("subtitle") {
		text := fmt.Sprintf("subtitles %d", i+1)
		if lang := t.Tags["language"]; lang != "" && lang != "und" {
			text += " " + lang
		}
		list = append(list, text)
	}
	for _, c := range s.Chapters {
		at, _, _ := strings.Cut(c.Start, ".")
		list = append(list, "chapter "+at+" "+c.Tags["title"])
	}
	if title := s.Format.Tags["title"]; title != "" {
		list = append(list, "title "+title)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// formatFraction formats a fraction such as "35400/50000" as a decimal.
func formatFraction(s string) string {
	a, b, _ := strings.Cut(s, "/")
	n, err := strconv.ParseFloat(a, 64)
	d, err2 := strconv.ParseFloat(b, 64)
	if err != nil || err2 != nil || d == 0 {
		return s
	}
	return fmt.Sprintf("%.4f", n/d)
}
