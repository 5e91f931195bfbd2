package plan_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/plan"
	"github.com/mapreel/mapreel/pkg/media"
	"pgregory.net/rapid"
)

// copyable is a short table: MP4 holds AAC and MP3, Matroska everything, WebM Opus.
func copyable(codec string, in film.Container) bool {
	switch in {
	case film.MP4:
		return codec == "aac" || codec == "mp3"
	case film.Matroska:
		return true
	}
	return codec == "opus"
}

func track(codec string, channels int) film.AudioTrack {
	return film.AudioTrack{Codec: codec, Channels: channels, SampleRate: 48000, Timebase: media.Rational{Num: 1, Den: 48000}}
}

func source(width, height int, tracks ...film.AudioTrack) film.Source {
	src := film.Source{URL: "/in/a.mkv", Size: 1, Version: "1", Audio: tracks}
	if width > 0 {
		src.Video = &film.VideoTrack{Width: width, Height: height, Timebase: media.Rational{Num: 1, Den: 1000}}
	}
	return src
}

// request parses a request with the outputs and further members, both given as JSON.
func request(t rapid.TB, outputs, more string) film.Request {
	t.Helper()
	r, err := film.Parse(fmt.Appendf(nil, `{"source":"/in/a.mkv","destination":"/out","outputs":[%s]%s}`, outputs, more))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func planned(t rapid.TB, src film.Source, outputs, more string) film.Job {
	t.Helper()
	j, err := plan.Job(request(t, outputs, more), src, "5.1", copyable)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func TestOutputsWithEqualSettingsShareRenditions(t *testing.T) {
	j := planned(t, source(1920, 1080, track("aac", 2), track("flac", 6)), `
		{"name": "a"},
		{"name": "b", "video": [{"codec": "h264", "crf": 21, "preset": "medium", "height": 1080}], "audio": {"codec": "auto"}},
		{"name": "c", "video": [{"height": 720}], "audio": {"codec": "none"}},
		{"name": "d", "container": "mkv"},
		{"name": "e", "video": [{"height": 720}], "audio": {"codec": "aac", "bitrate": "96k"}}`, "")
	renditions := []film.Rendition{
		{Codec: film.H264, CRF: 21, Preset: "medium", Width: 1920, Height: 1080, PixelFormat: "yuv420p"},
		{Codec: film.H264, CRF: 21, Preset: "medium", Width: 1280, Height: 720, PixelFormat: "yuv420p"},
	}
	stereo := film.AudioFallback{Codec: film.AAC, Bitrate: 160_000, Layout: "stereo", Channels: 2}
	audio := []film.AudioRendition{
		{Track: 0, Codec: film.AudioCopy, Mux: film.MP4, Fallback: stereo},
		{Track: 1, Codec: film.AAC, Bitrate: 480_000, Mux: film.MP4, Layout: "5.1", Channels: 6},
		{Track: 0, Codec: film.AudioCopy, Mux: film.Matroska, Fallback: stereo},
		{Track: 1, Codec: film.AudioCopy, Mux: film.Matroska, Fallback: film.AudioFallback{Codec: film.AAC, Bitrate: 480_000, Layout: "5.1", Channels: 6}},
		{Track: 0, Codec: film.AAC, Bitrate: 96_000, Mux: film.MP4, Layout: "stereo", Channels: 2},
		{Track: 1, Codec: film.AAC, Bitrate: 96_000, Mux: film.MP4, Layout: "5.1", Channels: 6},
	}
	outputs := []film.OutputPlan{
		{Name: "a", File: "a.mp4", Container: film.MP4, Renditions: []int{0}, Audio: []int{0, 1}},
		{Name: "b", File: "b.mp4", Container: film.MP4, Renditions: []int{0}, Audio: []int{0, 1}},
		{Name: "c", File: "c.mp4", Container: film.MP4, Renditions: []int{1}},
		{Name: "d", File: "d.mkv", Container: film.Matroska, Renditions: []int{0}, Audio: []int{2, 3}},
		{Name: "e", File: "e.mp4", Container: film.MP4, Renditions: []int{1}, Audio: []int{4, 5}},
	}
	for _, diff := range []string{cmp.Diff(renditions, j.Renditions), cmp.Diff(audio, j.AudioRenditions), cmp.Diff(outputs, j.Outputs)} {
		if diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	if j.Segments != 0 || j.Split || j.ID == "" || j.Encoder != "5.1" {
		t.Errorf("got %d segments, split %v, ID %q, encoder %q", j.Segments, j.Split, j.ID, j.Encoder)
	}
}

func TestJobHasTheNormalisedRequestAndItsID(t *testing.T) {
	src := source(1920, 1080)
	r := request(t, `{"name": "a"}`, "")
	j := planned(t, src, `{"name": "a"}`, "")
	n, err := r.Normalise(true)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(n, j.Request); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if id, err := film.ID(n, src, "5.1"); err != nil || id != j.ID {
		t.Errorf("the ID is %q, want %q (%v)", j.ID, id, err)
	}
	if len(r.Outputs[0].Video) != 0 {
		t.Error("planning changed the request")
	}
}

func TestRenditionSizes(t *testing.T) {
	for _, c := range []struct {
		name                string
		width, height       int
		rotated             bool
		asked               int
		wantWidth, wantHigh int
	}{
		{"no height", 1920, 1080, false, 0, 1920, 1080},
		{"smaller", 1920, 1080, false, 720, 1280, 720},
		{"same", 1920, 1080, false, 1080, 1920, 1080},
		{"larger: no upscaling", 1280, 720, false, 1080, 1280, 720},
		{"odd height", 1920, 1080, false, 721, 1280, 720},
		{"odd width is rounded", 854, 480, false, 360, 640, 360},
		{"nearest even width", 1366, 768, false, 540, 960, 540},       // 960.47
		{"nearest even width above", 1364, 768, false, 500, 888, 500}, // 888.02
		{"rounds up", 1000, 999, false, 500, 500, 500},                // 500.5
		{"rounds up to even", 1003, 999, false, 500, 502, 500},        // 502.002
		{"rotated: the width as shown", 1920, 1080, true, 1280, 720, 1280},
		{"rotated: height as shown", 1920, 1080, true, 1080, 608, 1080},
		{"rotated: no upscaling beyond what is shown", 1920, 1080, true, 1920, 1080, 1920},
		{"rotated: the coded width does not count", 1920, 1080, true, 2160, 1080, 1920},
		{"odd source", 1919, 1079, false, 540, 960, 540},
		{"odd source at its own size", 641, 361, false, 0, 640, 360},
		{"a strip", 16, 8640, false, 16, 2, 16},
		{"a banner", 8640, 32, false, 16, 4320, 16},
		{"the sample aspect ratio does not count", 720, 576, false, 288, 360, 288},
	} {
		src := source(c.width, c.height)
		if c.rotated {
			src.Video.Rotation = 270
		}
		video := "{}"
		if c.asked > 0 {
			video = fmt.Sprintf(`{"height": %d}`, c.asked)
		}
		got := planned(t, src, `{"name": "a", "video": [`+video+`]}`, "").Renditions[0]
		if got.Width != c.wantWidth || got.Height != c.wantHigh {
			t.Errorf("%s: %dx%d at height %d gives %dx%d, want %dx%d",
				c.name, c.width, c.height, c.asked, got.Width, got.Height, c.wantWidth, c.wantHigh)
		}
	}
}

func TestSizesAreEvenAndKeepTheAspectRatio(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		side := rapid.IntRange(16, 8640)
		src := source(side.Draw(t, "width"), side.Draw(t, "height"))
		src.Video.Rotation = rapid.SampledFrom([]int{0, 90, 180, 270}).Draw(t, "rotation")
		asked := side.Draw(t, "asked")
		r := request(t, fmt.Sprintf(`{"name": "a", "video": [{"height": %d}]}`, asked), "")
		j, err := plan.Job(r, src, "5.1", copyable)
		if err != nil {
			t.Fatal(err)
		}
		width, height := src.Video.Width, src.Video.Height
		if src.Video.Rotation%180 != 0 {
			width, height = height, width
		}
		got := j.Renditions[0]
		if asked >= height {
			if got.Width != width&^1 || got.Height != height&^1 {
				t.Fatalf("%dx%d at %d gives %dx%d, want the source's", width, height, asked, got.Width, got.Height)
			}
			return
		}
		ideal := float64(width) * float64(got.Height) / float64(height)
		off := float64(got.Width) - ideal
		if got.Width%2 != 0 || got.Height%2 != 0 || got.Height != asked-asked%2 || off > 2 || off < -1 || off > 1 && got.Width > 2 {
			t.Fatalf("%dx%d at %d gives %dx%d", width, height, asked, got.Width, got.Height)
		}
	})
}

func TestAudioRenditions(t *testing.T) {
	rendition := func(codec film.AudioCodec, bitrate film.Bitrate, mux film.Container) film.AudioRendition {
		r := film.AudioRendition{Codec: codec, Bitrate: bitrate, Mux: mux}
		if codec != film.AudioCopy {
			r.Layout, r.Channels = "stereo", 2
		}
		return r
	}
	in := func(layout string, channels int, r film.AudioRendition) film.AudioRendition {
		r.Layout, r.Channels = layout, channels
		return r
	}
	copied := func(mux film.Container, codec film.AudioCodec, bitrate film.Bitrate, layout string, channels int) film.AudioRendition {
		return film.AudioRendition{
			Codec: film.AudioCopy, Mux: mux,
			Fallback: film.AudioFallback{Codec: codec, Bitrate: bitrate, Layout: layout, Channels: channels},
		}
	}
	for _, c := range []struct {
		name      string
		container film.Container
		audio     string
		track     film.AudioTrack
		want      film.AudioRendition
	}{
		{"auto copies if the container holds the codec", "mp4", `{}`, track("aac", 2), copied(film.MP4, film.AAC, 160_000, "stereo", 2)},
		{"auto encodes AAC if it does not", "mp4", `{}`, track("flac", 2), rendition(film.AAC, 160_000, film.MP4)},
		{"auto in Matroska", "mkv", `{}`, track("flac", 2), copied(film.Matroska, film.AAC, 160_000, "stereo", 2)},
		{"auto in WebM copies Opus", "webm", `{}`, track("opus", 2), copied(film.Matroska, film.Opus, 160_000, "stereo", 2)},
		{"auto in WebM encodes Opus", "webm", `{}`, track("aac", 2), rendition(film.Opus, 160_000, film.MP4)},
		{"auto with a bit rate", "mp4", `{"bitrate": "96k"}`, track("flac", 2), rendition(film.AAC, 96_000, film.MP4)},
		{"a bit rate does not prevent a copy", "mp4", `{"bitrate": "96k"}`, track("aac", 2), copied(film.MP4, film.AAC, 96_000, "stereo", 2)},
		{"aac encodes aac", "mp4", `{"codec": "aac"}`, track("aac", 2), rendition(film.AAC, 160_000, film.MP4)},
		{"opus in MP4", "mp4", `{"codec": "opus"}`, track("aac", 2), rendition(film.Opus, 160_000, film.MP4)},
		{"aac in Matroska", "mkv", `{"codec": "aac"}`, track("aac", 2), rendition(film.AAC, 160_000, film.MP4)},
		{"copy", "mkv", `{"codec": "copy"}`, track("dts", 6), rendition(film.AudioCopy, 0, film.Matroska)},
		{"mono", "mp4", `{"codec": "aac"}`, track("flac", 1), in("mono", 1, rendition(film.AAC, 160_000, film.MP4))},
		{"surround", "mp4", `{"codec": "aac"}`, track("flac", 6), in("5.1", 6, rendition(film.AAC, 480_000, film.MP4))},
		{"Opus at its limit", "mp4", `{"codec": "opus", "bitrate": "1M"}`, track("flac", 1), in("mono", 1, rendition(film.Opus, 256_000, film.MP4))},
		{"Opus below its limit", "mp4", `{"codec": "opus", "bitrate": "1M"}`, track("flac", 8), in("7.1", 8, rendition(film.Opus, 1_000_000, film.MP4))},
	} {
		j := planned(t, source(640, 360, c.track), fmt.Sprintf(`{"name": "a", "container": %q, "audio": %s}`, c.container, c.audio), "")
		if diff := cmp.Diff([]film.AudioRendition{c.want}, j.AudioRenditions); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}

func TestAudioKeepsItsChannelsAsFarAsTheCodecGoes(t *testing.T) {
	for _, c := range []struct {
		layout   string
		channels int
		codec    string
		want     string
		warning  string
	}{
		{"7.1", 8, "aac", "7.1", ""},
		{"7.1", 8, "opus", "7.1", ""},
		{"", 8, "aac", "7.1", ""},
		{"7.1(wide)", 8, "aac", "7.1(wide)", ""},
		{"6.1", 7, "aac", "6.1", ""},
		{"6.1(back)", 7, "opus", "7.1", ""},
		{"2.1", 3, "aac", "2.1", ""},
		{"5.1(side)", 6, "aac", "5.1", ""},
		{"hexadecagonal", 16, "aac", "hexadecagonal", ""},
		{"hexadecagonal", 16, "opus", "7.1", "a.mp4: audio track 1 has 16 channels (hexadecagonal); opus gets them mixed to 8 (7.1)"},
		{"7.1(wide)", 8, "opus", "5.1", "a.mp4: audio track 1 has 8 channels (7.1(wide)); opus gets them mixed to 6 (5.1)"},
		{"22.2", 24, "aac", "7.1", "a.mp4: audio track 1 has 24 channels (22.2); aac gets them mixed to 8 (7.1)"},
	} {
		track := track("pcm_s16le", c.channels)
		track.Layout = c.layout
		j := planned(t, source(640, 360, track), fmt.Sprintf(`{"name": "a", "audio": {"codec": %q}}`, c.codec), "")
		if got := j.AudioRenditions[0].Layout; got != c.want {
			t.Errorf("%s of %q is encoded as %q, want %q", c.codec, c.layout, got, c.want)
		}
		if got := strings.Join(j.Warnings, "\n"); got != c.warning {
			t.Errorf("%s of %q: warnings %q, want %q", c.codec, c.layout, got, c.warning)
		}
	}
}

func TestAudioNoneMakesNoAudio(t *testing.T) {
	j := planned(t, source(640, 360, track("aac", 2)), `{"name": "a", "audio": {"codec": "none"}}`, "")
	if len(j.AudioRenditions) != 0 || len(j.Outputs[0].Audio) != 0 || len(j.Outputs[0].Renditions) != 1 {
		t.Errorf("got audio renditions %v, output %v", j.AudioRenditions, j.Outputs[0])
	}
	// A source without audio makes outputs without audio, whatever the request says.
	j = planned(t, source(640, 360), `{"name": "a", "audio": {"codec": "copy"}}`, "")
	if len(j.AudioRenditions) != 0 {
		t.Errorf("got audio renditions %v of a source without audio", j.AudioRenditions)
	}
}

func TestASourceWithoutVideoMakesOutputsWithoutVideo(t *testing.T) {
	j := planned(t, source(0, 0, track("aac", 2)), `{"name": "a"}, {"name": "b", "container": "webm"}`, "")
	want := []film.OutputPlan{
		{Name: "a", File: "a.mp4", Container: film.MP4, Audio: []int{0}},
		{Name: "b", File: "b.webm", Container: film.WebM, Audio: []int{1}},
	}
	if diff := cmp.Diff(want, j.Outputs); diff != "" || len(j.Renditions) != 0 {
		t.Errorf("renditions %v, outputs (-want +got):\n%s", j.Renditions, diff)
	}
}

func TestSettingsThatTheSourceDoesNotAllowAreReportedWithPointers(t *testing.T) {
	for _, c := range []struct {
		name    string
		src     film.Source
		outputs string
		want    []string
	}{
		{"no tracks", source(0, 0), `{"name": "a"}`, []string{"/source: has neither video nor audio"}},
		{
			"video settings for a source without video", source(0, 0, track("aac", 2)),
			`{"name": "a", "video": [{"height": 720}]}, {"name": "b"}, {"name": "c", "video": [{}]}`,
			[]string{
				"/outputs/0/video: the source has no video; leave this out to keep its audio",
				"/outputs/2/video: the source has no video; leave this out to keep its audio",
			},
		},
		{
			"copies that the container cannot hold, each codec once", source(640, 360, track("flac", 2), track("aac", 2), track("dts", 6), track("flac", 6)),
			`{"name": "a", "audio": {"codec": "copy"}}, {"name": "b"}, {"name": "c", "container": "webm", "audio": {"codec": "copy"}}`,
			[]string{
				"/outputs/0/audio/codec: mp4 cannot hold dts unchanged; leave the codec out to have it encoded",
				"/outputs/0/audio/codec: mp4 cannot hold flac unchanged; leave the codec out to have it encoded",
				"/outputs/2/audio/codec: webm cannot hold aac unchanged; leave the codec out to have it encoded",
				"/outputs/2/audio/codec: webm cannot hold dts unchanged; leave the codec out to have it encoded",
				"/outputs/2/audio/codec: webm cannot hold flac unchanged; leave the codec out to have it encoded",
			},
		},
		{
			"no audio of a source without video", source(0, 0, track("aac", 2)), `{"name": "a"}, {"name": "b", "audio": {"codec": "none"}}`,
			[]string{"/outputs/1/audio/codec: without audio, nothing is left of a source without video"},
		},
		{
			"more channels than can be guessed", source(640, 360, track("flac", 16)), `{"name": "a", "container": "webm"}`,
			[]string{"/outputs/0/audio/codec: opus holds at most 8 channels, but a track has 16, and the source does not say where they are"},
		},
	} {
		j, err := plan.Job(request(t, c.outputs, ""), c.src, "5.1", copyable)
		var ps film.Problems
		if !errors.As(err, &ps) || fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: got %v, %v, want problems", c.name, j, err)
			continue
		}
		var got []string
		for _, p := range ps {
			got = append(got, p.String())
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
		if j.ID != "" {
			t.Errorf("%s: got a job together with the error", c.name)
		}
	}
}

func TestPresetsAreConvertedForGPUs(t *testing.T) {
	preset := func(codec, preset string) string {
		j := planned(t, source(640, 360), fmt.Sprintf(`{"name": "a", "video": [{"codec": %q, "preset": %q}]}`, codec, preset), `, "compute": {"gpu": true}`)
		return j.Renditions[0].Preset
	}
	for codec, fastToSlow := range map[string][]string{
		"h264": strings.Fields("ultrafast superfast veryfast faster fast medium slow slower veryslow placebo"),
		"h265": strings.Fields("ultrafast superfast veryfast faster fast medium slow slower veryslow placebo"),
		"av1":  strings.Fields("13 12 11 10 9 8 7 6 5 4 3 2 1 0"),
	} {
		var got []string
		for _, p := range fastToSlow {
			got = append(got, preset(codec, p))
		}
		if !slices.IsSorted(got) || got[0] != "p1" || got[len(got)-1] != "p7" {
			t.Errorf("%s: presets %v are converted to %v", codec, fastToSlow, got)
		}
		j := planned(t, source(640, 360), fmt.Sprintf(`{"name": "a", "video": [{"codec": %q}]}`, codec), `, "compute": {"gpu": true}`)
		if got := j.Renditions[0].Preset; got != "p4" {
			t.Errorf("%s: the default is converted to %s, want NVENC's default, p4", codec, got)
		}
	}
}
