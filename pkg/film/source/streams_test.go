package source

import (
	"slices"
	"testing"

	"github.com/mapreel/mapreel/pkg/ffmpeg/probe"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/media"
)

func TestStreamsOfWhichNothingIsKnownAreNamed(t *testing.T) {
	t.Parallel()
	tb := media.Rational{Num: 1, Den: 90_000}
	var src film.Source
	err := describe(&src, probe.Media{Streams: []probe.Stream{
		{Index: 0, Type: "video", Codec: "hevc", Timebase: tb},
		{Index: 1, Type: "video", Codec: "h264", Width: 64, Height: 36, Timebase: tb, StartPTS: new(int64(90_000))},
		{Index: 2, Type: "audio", Codec: "ac3", Timebase: tb, StartPTS: new(int64(5))},
		{Index: 3, Type: "audio", Timebase: tb},
		{Index: 4, Type: "audio", Codec: "mp2", Channels: 2, SampleRate: 48_000, Timebase: tb, StartPTS: new(int64(93_600))},
	}})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"left out: video stream 0 (hevc), which is declared but of which no packet was found",
		"left out: audio stream 2 (ac3), which is declared but of which no packet was found",
		"left out: audio stream 3, whose codec is unknown",
	}
	if !slices.Equal(src.Losses, want) {
		t.Errorf("losses\n%q\nwant\n%q", src.Losses, want)
	}
	if src.Video == nil || src.Video.Stream != 1 || len(src.Audio) != 1 || src.Audio[0].Stream != 4 || src.Origin.Ticks != 90_000 {
		t.Errorf("video %+v, audio %+v, origin %v; want streams 1 and 4 from tick 90,000 on", src.Video, src.Audio, src.Origin)
	}
}

func TestAudioBesideAnEmptyVideoTrackIsASource(t *testing.T) {
	t.Parallel()
	tb := media.Rational{Num: 1, Den: 90_000}
	audio := probe.Stream{Index: 1, Type: "audio", Codec: "aac", Channels: 2, SampleRate: 48_000, Timebase: tb, StartPTS: new(int64(90_000)), Frames: 50}
	unknown := probe.Stream{Type: "video", Codec: "h264", Timebase: tb, Frames: -1, DurationTS: -1}
	empty := unknown
	empty.Width, empty.Height = 64, 36
	for demuxer, video := range map[string]probe.Stream{"mpegts": unknown, "mov": empty} {
		src := film.Source{Demuxer: demuxer}
		if err := describe(&src, probe.Media{Streams: []probe.Stream{video, audio}}); err != nil {
			t.Fatalf("%s: %v", demuxer, err)
		}
		want := []string{"left out: video stream 0 (h264), which is declared but of which no packet was found"}
		if src.Video != nil || len(src.Audio) != 1 || !slices.Equal(src.Losses, want) {
			t.Errorf("%s: video %v, %d audio tracks, losses %q; want none, 1 and %q", demuxer, src.Video, len(src.Audio), src.Losses, want)
		}
	}
	src := film.Source{Demuxer: "mpegts"}
	if err := describe(&src, probe.Media{Streams: []probe.Stream{unknown}}); err == nil {
		t.Error("a source with nothing but an empty video track is accepted")
	}
}
