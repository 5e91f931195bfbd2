package judge

import (
	"bufio"
	"bytes"
	"context"
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

	"github.com/mapreel/mapreel/pkg/film"
)

// Measurement is what one pass of ffmpeg decodes from a file. Times are on the clock of that pass,
// in which the earliest stream begins at 0.
type Measurement struct {
	Metadata Metadata
	Frames   []time.Duration // presentation time of each frame, in the order in which the decoder outputs them
	Skipped  int             // frames of the source before those of Frames, where that is a part of it
	Tick     time.Duration   // of the video's timebase, rounded up
	Audio    []AudioTrack
}

// AudioTrack is the decoded content of an audio track.
type AudioTrack struct {
	Samples int // including those missing in gaps
	Rate    int
	Start   time.Duration // of the first sample
	Beeps   []time.Duration
}

// input is a file that ffmpeg reads.
type input struct {
	path string
	rate string // frames a second of a raw stream, which has no timestamps; "" for others
	deep bool   // its streams are looked for as far as in a transport stream
}

// args returns ffmpeg's arguments for an input. ffmpeg mistakes a transport stream that was cut within
// a packet for a raw stream, so the format is given.
func (in input) args() []string {
	switch ext := filepath.Ext(in.path); {
	case in.rate != "":
		return []string{"-r", in.rate, "-f", strings.TrimPrefix(ext, "."), "-i", "file:" + in.path}
	case ext == ".ts":
		return slices.Concat([]string{"-f", "mpegts"}, deepProbe, []string{"-i", "file:" + in.path})
	case in.deep:
		return append(slices.Clone(deepProbe), "-i", "file:"+in.path)
	}
	return []string{"-i", "file:" + in.path}
}

// deepProbe lets ffmpeg and ffprobe look for streams and their parameters until they have found all.
var deepProbe = []string{"-probesize", "1G", "-analyzeduration", "1G"}

// decoderArgs precede an input that is decoded. What several threads show for a damaged frame depends
// on which is ahead, so a job decodes that with one, too.
var decoderArgs = []string{"-threads", "1"}

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

// Measure decodes a file once, from end to end, with all its streams at the same time, so that
// ffmpeg sees one clock.
func Measure(ctx context.Context, path string) (Measurement, error) {
	return measure(ctx, input{path: path})
}

// MeasureRaw measures a raw stream of so many frames a second.
func MeasureRaw(ctx context.Context, path, rate string) (Measurement, error) {
	return measure(ctx, input{path: path, rate: rate})
}

func measure(ctx context.Context, in input) (a Measurement, err error) {
	path := in.path
	if a.Metadata, err = probe(ctx, path); err != nil {
		return a, err
	}
	if p := a.Metadata.Video(); p != nil && p.Transfer == "smpte2084" {
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
	args := slices.Concat([]string{"-v", "error", "-nostdin"}, a.Metadata.Video().clockArgs(path), decoderArgs, in.args())
	if a.Metadata.Video() != nil {
		args = append(args, "-map", a.Metadata.Video().specifier(), "-fps_mode", "passthrough", "-enc_time_base", "-1", "-f", "framecrc", "file:"+video)
	}
	tracks := a.Metadata.ByType("audio")
	for i, s := range tracks {
		from := s.specifier()
		file := filepath.Join(dir, fmt.Sprintf("audio%d", i))
		args = append(args, "-map", from, "-ac", "1", "-c:a", "pcm_s16le", "-f", "framecrc", "file:"+file,
			"-map", from, "-ac", "1", "-c:a", "pcm_s16le", "-f", "s16le", "file:"+file+".pcm")
	}
	if _, err := output(ctx, "ffmpeg", args...); err != nil {
		return a, err
	}
	if a.Metadata.Video() != nil {
		log, err := readFrameLog(video)
		if err != nil {
			return a, err
		}
		a.Tick = log.time(1) + 1
		for _, r := range log.entries {
			a.Frames = append(a.Frames, log.time(r.pts))
		}
	}
	for i := range tracks {
		s, err := findBeeps(filepath.Join(dir, fmt.Sprintf("audio%d", i)))
		if err != nil {
			return a, err
		}
		a.Audio = append(a.Audio, s)
	}
	return a, nil
}

// Take returns what a has of a part, on the clock of the part.
func (a Measurement) Take(part film.Part) Measurement {
	if part == (film.Part{}) {
		return a
	}
	start, end := time.Duration(part.Start), time.Duration(part.End)
	within := func(list []time.Duration) (taken []time.Duration, before int) {
		for _, at := range list {
			switch {
			case at < start-time.Microsecond:
				before++
			case end == 0 || at < end-time.Microsecond:
				taken = append(taken, at-start)
			}
		}
		return taken, before
	}
	a.Frames, a.Skipped = within(a.Frames)
	a.Audio = slices.Clone(a.Audio)
	for i := range a.Audio {
		track := &a.Audio[i]
		track.Beeps, _ = within(track.Beeps)
		length := time.Duration(track.Samples) * time.Second / time.Duration(max(track.Rate, 1))
		if end > 0 {
			length = min(length, end)
		}
		track.Samples = int((length - start) * time.Duration(track.Rate) / time.Second)
	}
	return a
}

// Choose returns what a has of the tracks that an output is to have.
func (a Measurement) Choose(c film.Chosen) Measurement {
	if c.IsZero() {
		return a
	}
	all, streams := a.Audio, a.Metadata.ByType("audio")
	a.Audio, a.Metadata = nil, a.Metadata.choose(c)
	for _, i := range c.AudioTracks(len(all)) {
		for range c.Forms(streams[i].Channels) {
			a.Audio = append(a.Audio, all[i])
		}
	}
	return a
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
func findBeeps(path string) (AudioTrack, error) {
	var s AudioTrack
	list, err := readFrameLog(path)
	if err != nil {
		return s, err
	}
	s.Rate = int(list.den)
	pcm, err := os.ReadFile(path + ".pcm")
	if err != nil {
		return s, err
	}
	sample := func(i int) int { return int(int16(uint16(pcm[2*i]) | uint16(pcm[2*i+1])<<8)) }
	decoded := len(pcm) / 2
	s.Samples = decoded + list.missingSamples()
	if len(list.entries) > 0 {
		s.Start = list.time(list.entries[0].pts)
	}
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
					s.Beeps = append(s.Beeps, at)
				}
				last = at
			}
			i++
		}
	}
	return s, nil
}
