package verify

import (
	"strings"
	"testing"

	"github.com/mapreel/mapreel/pkg/ffmpeg/probe"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/media"
)

// rich returns a file with every kind of metadata.
func rich() probe.Media {
	return probe.Media{
		Format: "matroska,webm", Tags: map[string]string{"title": "Film"},
		Chapters: []media.Chapter{{Start: 0, End: 1e6, Title: "One"}, {Start: 1e6, End: 2e6, Title: "Two"}},
		Streams: []probe.Stream{
			{
				Index: 0, Type: "video", Codec: "hevc", Width: 720, Height: 576, SAR: media.Rational{Num: 64, Den: 45}, BitDepth: 10, PixelFormat: "yuv420p10le",
				Color: media.Color{Space: "bt2020nc", Transfer: "smpte2084", Primaries: "bt2020"}, HDR: media.HDR{Light: &media.ContentLight{MaxCLL: 1000, MaxFALL: 400}},
			},
			{Index: 1, Type: "audio", Codec: "aac", Channels: 2, SampleRate: 48000, Language: "eng", Title: "Stereo", Default: true},
			{Index: 2, Type: "audio", Codec: "aac", Channels: 6, SampleRate: 48000, Language: "deu"},
			{Index: 3, Type: "subtitle", Codec: "subrip", Language: "fra"},
			{Index: 4, Type: "subtitle", Codec: "hdmv_pgs_subtitle"},
			{Index: 5, Type: "video", Codec: "mjpeg", AttachedPic: true, Width: 10, Height: 10},
		},
	}
}

func TestLostMetadataIsReported(t *testing.T) {
	for _, c := range []struct {
		name     string
		change   func(*probe.Media)
		bitmaps  bool
		check    string
		want     Verdict
		contains string
	}{
		{"all kept", func(*probe.Media) {}, true, "", Good, ""},
		{"language", func(m *probe.Media) { m.Streams[2].Language = "" }, true, "audio tracks", Bad, "2: language deu became unknown"},
		{"channels", func(m *probe.Media) { m.Streams[2].Channels = 2 }, true, "audio tracks", Bad, "2: channels 6 became 2"},
		{"default", func(m *probe.Media) { m.Streams[2].Default = true }, true, "audio tracks", Bad, "2: default false became true"},
		{"track title", func(m *probe.Media) { m.Streams[1].Title = "" }, true, "audio tracks", Bad, "1: title Stereo became unknown"},
		{"title as MP4 has it", func(m *probe.Media) {
			m.Streams[1].Title, m.Streams[1].Tags = "", map[string]string{"handler_name": "Stereo"}
		}, true, "", Good, ""},
		{"a code of three letters", func(m *probe.Media) { m.Streams[2].Language = "DE-at" }, true, "", Good, ""},
		{"title", func(m *probe.Media) { m.Tags = nil }, true, "title", Bad, "lost: Film"},
		{"a chapter moved", func(m *probe.Media) { m.Chapters[1].Start += 40_000 }, true, "chapters", Bad, "2: +40 ms"},
		{"a chapter renamed", func(m *probe.Media) { m.Chapters[1].Title = "Zwei" }, true, "chapters", Bad, `"Two" became "Zwei"`},
		{"text subtitles", func(m *probe.Media) { m.Streams[3].Type = "data" }, true, "subtitles", Bad, "0"},
		{"bitmap subtitles in Matroska", func(m *probe.Media) { m.Streams[4].Type = "data" }, true, "bitmap subtitles", Bad, "0"},
		{"bitmap subtitles in MP4", func(m *probe.Media) { m.Streams[4].Type = "data" }, false, "bitmap subtitles", Note, "0"},
		{"aspect ratio", func(m *probe.Media) { m.Streams[0].SAR = media.Rational{} }, true, "aspect ratio", Bad, "aspect 1.778 to 1.250"},
		{"square pixels", func(m *probe.Media) { m.Streams[0].SAR, m.Streams[0].Width = media.Rational{}, 1024 }, true, "", Good, ""},
		{"primaries", func(m *probe.Media) { m.Streams[0].Color.Primaries = "" }, true, "colour", Bad, "primaries bt2020 became unknown"},
		{"transfer", func(m *probe.Media) { m.Streams[0].Color.Transfer = "" }, true, "colour", Bad, "lost: smpte2084"},
		{"tone-mapped", func(m *probe.Media) {
			m.Streams[0].Color = media.Color{Space: "bt709", Transfer: "bt709", Primaries: "bt709"}
			m.Streams[0].HDR = media.HDR{}
		}, true, "colour", Note, "tone-mapped: smpte2084 to bt709"},
		{"light levels", func(m *probe.Media) { m.Streams[0].HDR = media.HDR{} }, true, "HDR10", Bad, "light levels"},
	} {
		output := rich()
		c.change(&output)
		for _, got := range compareMetadata(rich(), output, c.bitmaps, film.Region{}, film.Region{}) {
			want, contains := Good, ""
			if got.Name == c.check {
				want, contains = c.want, c.contains
			}
			if got.Verdict != want || !strings.Contains(got.Figure, contains) {
				t.Errorf("%s: %s is %s: %q; want %s: %q", c.name, got.Name, got.Verdict, got.Figure, want, contains)
			}
		}
	}
}

// What a container writes by itself, or cannot say, is no property of the film.
func TestWhatTheSourceDoesNotSayIsNotMissed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name   string
		change func(source, output *probe.Media)
	}{
		{"a handler's name is no title", func(a, b *probe.Media) {
			for i, name := range []string{"SoundHandle", "GoPro AAC  "} {
				a.Streams[1+i].Title, a.Streams[1+i].Tags, b.Streams[1+i].Title = "", map[string]string{"handler_name": name}, ""
			}
		}},
		{"a transport stream has no default", func(a, _ *probe.Media) {
			a.Format, a.Streams[1].Default = "mpegts", false
		}},
		{"without a default, the first plays", func(a, _ *probe.Media) { a.Streams[1].Default = false }},
		{"Opus has no 2.1, and AAC no quad", func(a, b *probe.Media) {
			a.Streams[1].Codec, a.Streams[1].Channels, a.Streams[1].ChannelLayout = "pcm_s24le", 3, "2.1"
			a.Streams[2].Codec, a.Streams[2].Channels, a.Streams[2].ChannelLayout = "pcm_s24le", 4, "quad"
			b.Streams[1].Codec, b.Streams[1].Channels, b.Streams[1].ChannelLayout = "opus", 6, "5.1"
			b.Streams[2].Channels, b.Streams[2].ChannelLayout = 5, "5.0"
		}},
		{"teletext is not text", func(a, b *probe.Media) {
			a.Streams[4].Codec, b.Streams[4].Type = "dvb_teletext", "data"
		}},
	} {
		source, output := rich(), rich()
		c.change(&source, &output)
		for _, got := range compareMetadata(source, output, false, film.Region{}, film.Region{}) {
			if got.Verdict == Bad {
				t.Errorf("%s: %s is bad: %q", c.name, got.Name, got.Figure)
			}
		}
	}
}

func TestMetadataOfAPlaylistCounts(t *testing.T) {
	const good = `#EXTM3U
#EXT-X-SESSION-DATA:DATA-ID="com.apple.hls.title",VALUE="My 'Film', cut"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="s",NAME="Stereo",LANGUAGE="en",DEFAULT=YES,URI="1.m3u8"
#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="s",NAME="Deutsch",LANGUAGE="de",DEFAULT=NO,URI="2.m3u8"
#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID="t",NAME="fr",LANGUAGE="fr",URI="3.m3u8"
`
	source := rich()
	source.Streams, source.Tags["title"] = source.Streams[:4], `My "Film", cut`
	source.Streams[1].Default = false // then the first track is
	for _, c := range []struct {
		name, playlist, contains string
		change                   func(*probe.Media)
		check                    string
		want                     Verdict
	}{
		{"all kept", good, "", nil, "", Good},
		{"the other default", strings.NewReplacer("YES", "NO", "NO", "YES").Replace(good), "default 1 became 2", nil, "audio tracks", Bad},
		{"another language", strings.Replace(good, `"de"`, `"da"`, 1), "2: language deu became da", nil, "audio tracks", Bad},
		{"another name", strings.Replace(good, "Stereo", "Mono", 1), "1: title Stereo became Mono", nil, "audio tracks", Bad},
		{"the first in two groups", good + `#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID="u",NAME="Stereo",LANGUAGE="en",DEFAULT=YES,URI="1.m3u8"` + "\n", "", func(m *probe.Media) {
			m.Streams = append(m.Streams[:3:3], m.Streams[1]) // as libavformat lists it
		}, "", Good},
		{"no subtitles", strings.Replace(good, "SUBTITLES", "OTHER", 1), "0", nil, "subtitles", Bad},
		{"no title", strings.Replace(good, "apple", "other", 1), "lost", nil, "title", Bad},
		{"audio only, reported twice", good, "", func(m *probe.Media) {
			m.Streams = append(m.Streams[1:3:3], m.Streams[1:3]...)
		}, "", Good},
	} {
		source, output := source, rich()
		output.Format, output.Tags, output.Chapters = "hls", nil, nil
		output.Streams = output.Streams[:3]
		output.Streams[1].Default, output.Streams[2].Default = true, true // as libavformat reports it
		output.Streams[1].Title = ""
		if c.change != nil {
			c.change(&output)
			source.Streams = source.Streams[1:]
		}
		applyPlaylist(&output, c.playlist)
		for _, got := range compareMetadata(source, output, false, film.Region{}, film.Region{}) {
			want, contains := Good, ""
			if got.Name == c.check {
				want, contains = c.want, c.contains
			}
			if got.Name == "chapters" {
				want, contains = Note, "0"
			}
			if got.Verdict != want || !strings.Contains(got.Figure, contains) {
				t.Errorf("%s: %s is %s: %q; want %s: %q", c.name, got.Name, got.Verdict, got.Figure, want, contains)
			}
		}
	}
}

// The first chapter begins at 0, and the first frame is shown later. A job counts from that frame.
func TestTheFirstChapterMayBeginWithTheFirstFrame(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		start, second int64 // of the source; of the output's second chapter
		want          Verdict
	}{
		{40_000, 960_000, Good},
		{40_000, 1_000_000, Good}, // the output counts as the source does
		{40_000, 920_000, Bad},
		{0, 960_000, Bad},
		{1_500_000, 0, Bad}, // the chapter before it is not shown
	} {
		source, output := rich(), rich()
		source.Start, source.HasStart = c.start, true
		output.Chapters[1].Start = media.Ticks(c.second)
		if got := chaptersCheck(source, output); got.Verdict != c.want {
			t.Errorf("source from %d µs, second chapter at %d µs: %s %s, want %s", c.start, c.second, got.Verdict, got.Figure, c.want)
		}
	}
}

func TestLanguageCodesOfOneLanguageAreEqual(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{{"ger", "de", true}, {"deu", "de", true}, {"eng", "en", true}, {"por", "pt-BR", true}, {"eng", "de", false}, {"eng", "", false}, {"nonsense", "en", false}} {
		if got := film.SameLanguage(c.a, c.b); got != c.want {
			t.Errorf("%q and %q: %v, want %v", c.a, c.b, got, c.want)
		}
	}
}
