package verify

import (
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/ffmpeg/probe"
)

// A copy has whole packets where its container cannot hide a part of one.
func TestACopyMayHaveWholePacketsAtItsEnds(t *testing.T) {
	t.Parallel()
	const frame = 24 * time.Millisecond
	declared, undeclared := probe.Stream{Codec: "mp3", FrameSize: 1152}, probe.Stream{Codec: "alac"}
	encoded := probe.Stream{Codec: "aac", FrameSize: 1024}
	const mp4, matroska = "mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm"
	for _, test := range []struct {
		name           string
		from, to       string
		source, output probe.Stream
		want           time.Duration
	}{
		{"an edit list hides the rest", mp4, mp4, declared, declared, 0},
		{"Matroska has no edit list", mp4, matroska, declared, declared, frame},
		{"nothing says how long packets of ALAC are", mp4, matroska, undeclared, undeclared, maxPacket},
		{"MP4 does not keep the discard padding of Matroska", matroska, mp4, declared, declared, frame},
		{"an encoder gets what is heard", matroska, mp4, declared, encoded, 0},
	} {
		v := &verification{source: &file{media: probe.Media{Format: test.from}}, output: &file{media: probe.Media{Format: test.to}}}
		if got := v.edges(test.source, test.output, frame); got != test.want {
			t.Errorf("%s: %v, want %v", test.name, got, test.want)
		}
	}
}

// The packets that a decoder needs begin before silence, too.
func TestSilenceMayBeginWithWholePackets(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		start, edges float64
		want         Verdict
	}{{-0.057, 0.032, Good}, {-0.057, 0, Bad}, {-0.07, 0.032, Bad}, {0.057, 0.032, Bad}, {0.004, 0, Good}} {
		audio := Audio{SourceSamples: 48000, OutputSamples: 48000, SourceRate: 48000, OutputRate: 48000, Start: test.start, Frame: 0.032, edges: test.edges}
		if got := audioChecks(audio, true, 1)[0]; got.Verdict != test.want {
			t.Errorf("%+v: %+v", test, got)
		}
	}
}
