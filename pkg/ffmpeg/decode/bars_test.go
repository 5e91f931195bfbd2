package decode

import (
	"slices"
	"strings"
	"testing"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
)

func TestBarsAreReadFromTheLogOfTheirFilter(t *testing.T) {
	args := strings.Join(BarsArgs(Bars{Input: ffmpeg.Input{Location: "/in.mkv", Demuxer: "matroska"}, Stream: 1, At: []int64{0, 2_500_000}}), " ")
	for _, want := range []string{"-ss 2.500000 ", "[0:1]cropdetect=limit=24/255:round=2:skip=0:reset=1,", "[1:1]cropdetect", "-map [v1] -frames:v 1 -f null -"} {
		if !strings.Contains(args, want) {
			t.Errorf("%s\nlacks %q", args, want)
		}
	}
	if strings.Count(args, "-ss ") != 1 {
		t.Errorf("%s\nseeks to the beginning", args)
	}
	var log BarsLog
	text := "frame:0    pts:0       pts_time:0\nlavfi.cropdetect.x1=0\nlavfi.cropdetect.x2=319\nlavfi.cropdetect.y1=22\nlavfi.cropdetect.y2=155\nlavfi.cropdetect.w=320\n" +
		"frame:0    pts:40       pts_time:1\nlavfi.cropdetect.x1=319\nlavfi.cropdetect.x2=0\nlavfi.cropdetect.y1=179\nlavfi.cropdetect.y2=0\n" // black
	for chunk := range slices.Chunk([]byte(text), 7) {
		if _, err := log.Write(chunk); err != nil {
			t.Fatal(err)
		}
	}
	if want := []Rectangle{{0, 319, 22, 155}}; !slices.Equal(log.Frames, want) {
		t.Errorf("%+v, want %+v", log.Frames, want)
	}
	if _, err := log.Write([]byte("lavfi.cropdetect.x1=many\n")); err == nil {
		t.Error("a text is taken for a number")
	}
}
