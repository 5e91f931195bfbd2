package judge

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// maxLoudnessError is by how many LU an output may differ from the loudness that was asked for.
const maxLoudnessError = 0.1

// floats makes samples floating-point numbers, in layouts that AAC and Opus have configurations for.
const floats = "aformat=sample_fmts=fltp:channel_layouts=mono|stereo|5.1"

// loudness returns the loudness of an audio stream in LUFS, behind a filter that is not "", as ffmpeg's ebur128 measures it.
func loudness(ctx context.Context, path, stream, filter string) (float64, error) {
	if filter != "" {
		filter += ","
	}
	out, err := output(ctx, "ffmpeg", "-v", "error", "-nostdin", "-i", "file:"+path, "-map", stream,
		"-af", filter+"ebur128=metadata=1,ametadata=mode=print:key=lavfi.r128.I:file=-", "-f", "null", "/dev/null")
	if err != nil {
		return 0, err
	}
	_, last, ok := strings.Cut(lastLine(string(out)), "lavfi.r128.I=")
	if !ok {
		return 0, fmt.Errorf("ebur128 printed no loudness of %s", path)
	}
	return strconv.ParseFloat(last, 64)
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
		filter := floats
		if a.Mixed {
			filter = "aformat=sample_fmts=fltp:channel_layouts=" + map[int]string{1: "mono", 2: "stereo"}[a.Channels]
		}
		own, err := loudness(ctx, t.Path, a.specifier(), filter)
		if err != nil {
			return nil, err
		}
		gains = append(gains, target-own)
	}
	return gains, nil
}
