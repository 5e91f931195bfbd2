package judge

import (
	"context"
	"fmt"
	"math"
	"strconv"
	"strings"
)

// maxLoudnessError is by how many LU an output may differ from the loudness that was asked for, and from one pass at any moment.
const maxLoudnessError = 0.1

// floats returns the filter that makes samples floating-point numbers, in a layout that AAC and Opus have a configuration for. It names
// one layout only: given several, ffmpeg 5.1 cannot choose one for 5.1 with side channels.
func floats(channels int) string {
	return "aformat=sample_fmts=fltp:channel_layouts=" + map[int]string{1: "mono", 2: "stereo", 6: "5.1"}[channels]
}

// Loudness is how loud a track is, in LUFS as ffmpeg's ebur128 measures it.
type Loudness struct {
	Integrated float64   // of the whole track
	Moments    []float64 // of 400 ms, at every 100 ms
}

// Levels of moments that are compared, in LUFS and LU.
const (
	inaudible = -50 // a codec's own noise is louder
	steady    = 1   // from one moment to the next; where a sound begins or ends, a millisecond of it counts for much
)

// isSteady reports whether a moment is as loud as those before and after it.
func (l Loudness) isSteady(n int) bool {
	return n > 0 && n+1 < len(l.Moments) && l.Moments[n] > inaudible &&
		math.Abs(l.Moments[n]-l.Moments[n-1]) < steady && math.Abs(l.Moments[n+1]-l.Moments[n]) < steady
}

// measureLoudness measures an audio stream, behind a filter that is not "".
func measureLoudness(ctx context.Context, path, stream, filter string) (l Loudness, err error) {
	if filter != "" {
		filter += ","
	}
	out, err := output(ctx, "ffmpeg", "-v", "error", "-nostdin", "-i", "file:"+path, "-map", stream,
		"-af", filter+"ebur128=metadata=1,ametadata=mode=print:file=-", "-f", "null", "/dev/null")
	if err != nil {
		return l, err
	}
	for line := range strings.Lines(string(out)) {
		key, text, _ := strings.Cut(strings.TrimSpace(strings.TrimPrefix(line, "lavfi.r128.")), "=")
		if key != "I" && key != "M" {
			continue
		}
		v, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return l, fmt.Errorf("ebur128 printed %q: %w", line, err)
		}
		if key == "M" {
			l.Moments = append(l.Moments, v)
		} else {
			l.Integrated = v
		}
	}
	if len(l.Moments) == 0 {
		return l, fmt.Errorf("ebur128 printed no loudness of %s", path)
	}
	return l, nil
}

// compareLoudness returns what is wrong with the loudness of the output's tracks, which are to have target LUFS, and at every moment the
// level that one pass gives them; nil: there is no output of one pass.
func compareLoudness(target float64, got, onePass []Loudness) (problems []string) {
	for i, l := range got {
		if math.Abs(l.Integrated-target) > maxLoudnessError {
			problems = append(problems, fmt.Sprintf("audio %d has %.2f LUFS", i+1, l.Integrated))
		}
		if i >= len(onePass) {
			continue
		}
		if d := l.Integrated - onePass[i].Integrated; math.Abs(d) > maxLoudnessError {
			problems = append(problems, fmt.Sprintf("audio %d is %+.2f LU from one pass", i+1, d))
		}
		for n := range min(len(l.Moments), len(onePass[i].Moments)) {
			if d := l.Moments[n] - onePass[i].Moments[n]; math.Abs(d) > maxLoudnessError && onePass[i].isSteady(n) {
				problems = append(problems, fmt.Sprintf("audio %d is %+.2f LU from one pass at %.1f s", i+1, d, float64(n+1)/10))
				break
			}
		}
	}
	return problems
}

// loudness returns the loudness in LUFS that the output is to have; 0: the source's own.
func (t Task) loudness() float64 {
	if t.Request.Audio == nil {
		return 0
	}
	return float64(t.Request.Audio.Loudness) / 100
}

// findGains returns the gain of each audio track of the output for plain ffmpeg, whose first pass this is.
func (t Task) findGains(ctx context.Context) (gains []float64, err error) {
	target := t.loudness()
	if target == 0 {
		return nil, nil
	}
	for _, a := range t.Measured.Metadata.ByType("audio") {
		own, err := measureLoudness(ctx, t.Path, a.specifier(), floats(a.Channels))
		if err != nil {
			return nil, err
		}
		gains = append(gains, target-own.Integrated)
	}
	return gains, nil
}
