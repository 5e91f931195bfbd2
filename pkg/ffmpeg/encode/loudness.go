package encode

import (
	"bytes"
	"math"
	"strconv"
	"strings"
)

// measuring are the filters that write the loudness of audio so far to descriptor 3, ten times a second.
const measuring = `ebur128=peak=true:metadata=1,ametadata=mode=print:file=pipe\\:3`

// LoudnessLog reads what AudioArgs writes to descriptor 3 with Audio.Measure. The zero value has read nothing.
type LoudnessLog struct {
	rest       []byte // of a line
	integrated float64
	peaks      map[string]float64 // linear, of each channel
	measured   bool
}

// maxLine bounds a line in bytes; ffmpeg's have some forty.
const maxLine = 4096

// Write implements io.Writer. It never fails.
func (l *LoudnessLog) Write(p []byte) (int, error) {
	n := len(p)
	for {
		line, rest, ok := bytes.Cut(p, []byte("\n"))
		if !ok {
			break
		}
		l.read(string(append(l.rest, line...)))
		l.rest, p = l.rest[:0], rest
	}
	if len(l.rest)+len(p) <= maxLine {
		l.rest = append(l.rest, p...)
	}
	return n, nil
}

func (l *LoudnessLog) read(line string) {
	key, text, _ := strings.Cut(strings.TrimPrefix(line, "lavfi.r128."), "=")
	if key != "I" && !strings.HasPrefix(key, "true_peaks_ch") {
		return
	}
	v, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err != nil || math.IsNaN(v) {
		return
	}
	if key == "I" {
		l.integrated, l.measured = v, true
		return
	}
	if l.peaks == nil {
		l.peaks = map[string]float64{}
	}
	l.peaks[key] = max(l.peaks[key], v)
}

// Result returns the loudness of the whole track in LUFS, and its highest true peak in dBTP. measured is false where there was none:
// the track has less than a tenth of a second.
func (l *LoudnessLog) Result() (integrated, peak float64, measured bool) {
	highest := 0.0
	for _, v := range l.peaks {
		highest = max(highest, v)
	}
	return l.integrated, max(20*math.Log10(highest), -200), l.measured
}
