package verify

import (
	"strings"
	"testing"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
)

// rich is a file with something of everything.
func rich() ffmpeg.Media {
	return ffmpeg.Media{
		Format: "matroska,webm", Tags: map[string]string{"title": "Film"},
		Chapters: []ffmpeg.Chapter{{Start: 0, End: 1e6, Title: "One"}, {Start: 1e6, End: 2e6, Title: "Two"}},
		Streams: []ffmpeg.Stream{
			{
				Index: 0, Type: "video", Codec: "hevc", Width: 720, Height: 576, SAR: ffmpeg.Rational{Num: 64, Den: 45}, BitDepth: 10, PixelFormat: "yuv420p10le",
				Color: ffmpeg.Color{Space: "bt2020nc", Transfer: "smpte2084", Primaries: "bt2020"}, HDR: ffmpeg.HDR{Light: &ffmpeg.Light{MaxCLL: 1000, MaxFALL: 400}},
			},
			{Index: 1, Type: "audio", Codec: "aac", Channels: 2, SampleRate: 48000, Language: "eng", Title: "Stereo", Default: true},
			{Index: 2, Type: "audio", Codec: "aac", Channels: 6, SampleRate: 48000, Language: "deu"},
			{Index: 3, Type: "subtitle", Codec: "subrip", Language: "fra"},
			{Index: 4, Type: "subtitle", Codec: "hdmv_pgs_subtitle"},
			{Index: 5, Type: "video", Codec: "mjpeg", AttachedPic: true, Width: 10, Height: 10},
		},
	}
}

func TestWhatIsLostFromTheStreamsIsTold(t *testing.T) {
	for _, c := range []struct {
		name    string
		change  func(*ffmpeg.Media)
		bitmaps bool
		check   string
		want    Verdict
		says    string
	}{
		{"all kept", func(*ffmpeg.Media) {}, true, "", Good, ""},
		{"language", func(m *ffmpeg.Media) { m.Streams[2].Language = "" }, true, "audio tracks", Bad, "2: language deu became unknown"},
		{"channels", func(m *ffmpeg.Media) { m.Streams[2].Channels = 2 }, true, "audio tracks", Bad, "2: channels 6 became 2"},
		{"default", func(m *ffmpeg.Media) { m.Streams[2].Default = true }, true, "audio tracks", Bad, "2: default false became true"},
		{"track title", func(m *ffmpeg.Media) { m.Streams[1].Title = "" }, true, "audio tracks", Bad, "1: title Stereo became unknown"},
		{"title as MP4 has it", func(m *ffmpeg.Media) {
			m.Streams[1].Title, m.Streams[1].Tags = "", map[string]string{"handler_name": "Stereo"}
		}, true, "", Good, ""},
		{"title", func(m *ffmpeg.Media) { m.Tags = nil }, true, "title", Bad, "lost: Film"},
		{"a chapter moved", func(m *ffmpeg.Media) { m.Chapters[1].Start += 40_000 }, true, "chapters", Bad, "2: +40 ms"},
		{"a chapter renamed", func(m *ffmpeg.Media) { m.Chapters[1].Title = "Zwei" }, true, "chapters", Bad, `"Two" became "Zwei"`},
		{"text subtitles", func(m *ffmpeg.Media) { m.Streams[3].Type = "data" }, true, "subtitles", Bad, "0"},
		{"bitmap subtitles in Matroska", func(m *ffmpeg.Media) { m.Streams[4].Type = "data" }, true, "bitmap subtitles", Bad, "0"},
		{"bitmap subtitles in MP4", func(m *ffmpeg.Media) { m.Streams[4].Type = "data" }, false, "bitmap subtitles", Note, "0"},
		{"shape", func(m *ffmpeg.Media) { m.Streams[0].SAR = ffmpeg.Rational{} }, true, "shape", Bad, "aspect 1.778 to 1.250"},
		{"square pixels", func(m *ffmpeg.Media) { m.Streams[0].SAR, m.Streams[0].Width = ffmpeg.Rational{}, 1024 }, true, "", Good, ""},
		{"primaries", func(m *ffmpeg.Media) { m.Streams[0].Color.Primaries = "" }, true, "colour", Bad, "primaries bt2020 became unknown"},
		{"transfer", func(m *ffmpeg.Media) { m.Streams[0].Color.Transfer = "" }, true, "colour", Bad, "lost: smpte2084"},
		{"tone-mapped", func(m *ffmpeg.Media) {
			m.Streams[0].Color = ffmpeg.Color{Space: "bt709", Transfer: "bt709", Primaries: "bt709"}
			m.Streams[0].HDR = ffmpeg.HDR{}
		}, true, "colour", Note, "tone-mapped: smpte2084 to bt709"},
		{"light levels", func(m *ffmpeg.Media) { m.Streams[0].HDR = ffmpeg.HDR{} }, true, "HDR10", Bad, "light levels"},
	} {
		output := rich()
		c.change(&output)
		for _, got := range kept(rich(), output, c.bitmaps) {
			want, says := Good, ""
			if got.Name == c.check {
				want, says = c.want, c.says
			}
			if got.Verdict != want || !strings.Contains(got.Figure, says) {
				t.Errorf("%s: %s is %s: %q; want %s: %q", c.name, got.Name, got.Verdict, got.Figure, want, says)
			}
		}
	}
}
