package probe_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/probe"
)

func TestPackedBFramesAreRecognised(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]bool{
		"\x00\x00\x01\xb2DivX503b1393p": true, "DivX501Build413p\x00": true, "DivX503b1393\x00": false, "Lavc59.37.100": false, "": false,
	} {
		if got := probe.HasPackedBFrames([]byte(text)); got != want {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

func TestPacketLogParsesFfprobesList(t *testing.T) {
	t.Parallel()
	var got []probe.Packet
	log := probe.PacketLog{Each: func(p probe.Packet) { got = append(got, p) }}
	if _, err := log.Write([]byte("pts=-512|pos=48|flags=K_\npts=N/A|pos=90|flags=__\npts=0|pos=N/A|flags=__\n")); err != nil {
		t.Fatal(err)
	}
	want := []probe.Packet{{PTS: -512, Pos: 48, Key: true}, {PTS: 0, Pos: -1}}
	if !slices.Equal(got, want) {
		t.Errorf("packets %v, want %v", got, want)
	}
	args := strings.Join(probe.PacketArgs(ffmpeg.Input{Location: "/a.mp4", Demuxer: "mov"}, 1), " ")
	if want := "-hide_banner -loglevel error -protocol_whitelist file -f mov -select_streams 1 -show_entries packet=pts,duration,pos,flags " +
		"-print_format compact=p=0 -i file:/a.mp4"; args != want {
		t.Errorf("arguments\n%s\nwant\n%s", args, want)
	}
}
