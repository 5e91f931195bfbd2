package encode

import (
	"math"
	"strings"
	"testing"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
)

func TestLoudnessIsTheLastThatFFmpegReports(t *testing.T) {
	const text = "frame:8    pts:38400   pts_time:0.8\nlavfi.r128.M=-21.7\nlavfi.r128.I=-23.000\nlavfi.r128.true_peaks_ch0=0.500\nlavfi.r128.true_peaks_ch1=0.125\n" +
		"frame:9    pts:43200   pts_time:0.9\nlavfi.r128.I=-21.781\nlavfi.r128.true_peaks_ch0=0.25\nlavfi.r128.I=nan\n"
	for step := 1; step < len(text); step += 7 { // however the pipe divides it
		var log LoudnessLog
		for rest := text; rest != ""; rest = rest[min(step, len(rest)):] {
			if n, err := log.Write([]byte(rest[:min(step, len(rest))])); n != min(step, len(rest)) || err != nil {
				t.Fatal(n, err)
			}
		}
		integrated, peak, ok := log.Result()
		if integrated != -21.781 || math.Abs(peak+6.0206) > 0.001 || !ok {
			t.Fatalf("in pieces of %d: %v LUFS, %v dBTP, %v", step, integrated, peak, ok)
		}
	}
	if _, _, ok := new(LoudnessLog).Result(); ok {
		t.Error("nothing has a loudness")
	}
}

// A level that is measured of other samples than those that are amplified would be wrong.
func TestLoudnessIsMeasuredOfTheSamplesThatAreAmplified(t *testing.T) {
	a := Audio{Input: ffmpeg.Input{Location: "/in", Demuxer: "mov"}, Codec: "aac", Layout: "stereo", Muxer: "mp4", Path: "/out"}
	chain := func(a Audio) string {
		args := AudioArgs(a)
		for i, arg := range args {
			if arg == "-af" {
				return args[i+1]
			}
		}
		return ""
	}
	measured, amplified := a, a
	measured.Measure, amplified.Gain = true, new(int64(-325))
	before, ok := strings.CutSuffix(chain(measured), ","+measuring)
	if want := before + ",volume=volume=-3.25dB:precision=float"; !ok || chain(amplified) != want {
		t.Errorf("amplified by %s\nwant %s", chain(amplified), want)
	}
	if strings.Contains(chain(a), "fltp") || strings.Contains(chain(a), "volume") {
		t.Errorf("without a gain: %s", chain(a))
	}
}
