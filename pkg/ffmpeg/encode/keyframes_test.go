package encode

import (
	"slices"
	"strings"
	"testing"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/media"
)

func TestKeyframesReachTheDecoderAlone(t *testing.T) {
	p := Pictures{Rate: media.Rational{Num: 1, Den: 5}, Shown: true, End: 10, Size: media.Size{Width: 16, Height: 16}, Scaled: media.Size{Width: 16, Height: 16}, Format: "jpg", Path: "p-%d.jpg"}
	args := VideoArgs(Video{
		Input: ffmpeg.Input{Demuxer: "mov", Location: "film.mp4"}, Stream: 1, Timebase: media.Rational{Num: 1, Den: 24}, Keyframes: true, Pictures: []Pictures{p, p},
	})
	// ffmpeg 5.1 has the demuxer give all packets to a stream that is the input of a complex graph.
	if slices.Contains(args, "-filter_complex") {
		t.Errorf("a complex graph undoes -discard: %q", args)
	}
	text := strings.Join(args, " ")
	if strings.Index(text, "-discard:v nokey") > strings.Index(text, " -i ") || strings.Count(text, "-map 0:1 -vf select=key,") != 2 {
		t.Errorf("got %q", args)
	}
}

func TestAListOfPacketsTellsKeyframes(t *testing.T) {
	var log PacketLog
	const list = "#tb 0: 1/1000\n0,        -80,          0,       40,     4211, 0x7adec373\n" +
		"0,        -40,        160,       40,     1210, 0x7adec373, F=0x0\n0,       1000,       1080,       40,     4211, 0x7adec373, S=1,        1\n" +
		"0,       1040,       1120,       40,     1210, 0x7adec373, F=0x10, S=1,        1\n"
	if _, err := log.Write([]byte(list)); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(log.PTS(), []int64{0, 160, 1080, 1120}) || !slices.Equal(log.Keyframes(), []int64{0, 1080}) {
		t.Errorf("packets at %v, keyframes at %v", log.PTS(), log.Keyframes())
	}
}

// A picture that the frames after it repair is a keyframe for the decoder, and cannot be decoded by itself.
func TestADecoderThatSkipsGivesIntraPicturesAlone(t *testing.T) {
	p := Pictures{Rate: media.Rational{Num: 1, Den: 5}, End: 10, Size: media.Size{Width: 16, Height: 16}, Scaled: media.Size{Width: 16, Height: 16}, Format: "jpg", Path: "p-%d.jpg"}
	args := strings.Join(VideoArgs(Video{
		Input: ffmpeg.Input{Demuxer: "matroska", Location: "film.mkv"}, Timebase: media.Rational{Num: 1, Den: 1000}, Keyframes: true, Skip: true,
		Packets: "packets.txt", Pictures: []Pictures{p},
	}), " ")
	for _, want := range []string{"-skip_frame:v nokey", "select='key*eq(pict_type,PICT_TYPE_I)',", "-f framecrc file:packets.txt"} {
		if !strings.Contains(args, want) {
			t.Errorf("%q is not in %q", want, args)
		}
	}
}

// A packet without a picture is none of the frames that are counted.
func TestSmallPacketsMayBeLeftOut(t *testing.T) {
	t.Parallel()
	const list = "#tb 0: 1/25\n0, 0, 0, 1, 700, 0x1\n0, 1, 1, 1, 7, 0x2, F=0x0\n0, 2, 2, 1, 19, 0x3, F=0x0\n0, 3, 3, 1, 20, 0x4, F=0x0\n"
	for _, c := range []struct {
		least int
		want  []int64
	}{{0, []int64{0, 1, 2, 3}}, {20, []int64{0, 3}}} {
		log := PacketLog{MinSize: c.least}
		if _, err := log.Write([]byte(list)); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(log.PTS(), c.want) {
			t.Errorf("from %d bytes on: %v, want %v", c.least, log.PTS(), c.want)
		}
	}
}
