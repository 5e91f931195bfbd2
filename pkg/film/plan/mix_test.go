package plan_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/plan"
	"github.com/mapreel/mapreel/pkg/media"
)

func TestAudioIsMixed(t *testing.T) {
	src := film.Source{URL: "/in.mkv", Audio: []film.AudioTrack{
		{Codec: "ac3", Channels: 6, Layout: "5.1(side)", SampleRate: 48_000, Timebase: media.Microseconds},
		{Codec: "aac", Channels: 2, Layout: "stereo", SampleRate: 48_000, Timebase: media.Microseconds},
	}}
	copied := film.AudioRendition{Track: 0, Codec: film.AudioCopy, Mux: film.MP4, Fallback: film.AudioFallback{Codec: film.AAC, Bitrate: 480_000, Layout: "5.1", Channels: 6}}
	stereo := film.AudioRendition{Track: 1, Codec: film.AudioCopy, Mux: film.MP4, Fallback: film.AudioFallback{Codec: film.AAC, Bitrate: 160_000, Layout: "stereo", Channels: 2}}
	for name, c := range map[string]struct {
		container film.Container
		audio     film.Audio
		want      []film.AudioRendition
	}{
		"to stereo": {film.MP4, film.Audio{Downmix: film.Stereo}, []film.AudioRendition{
			{Track: 0, Codec: film.AAC, Mux: film.MP4, Bitrate: 160_000, Layout: "stereo", Channels: 2}, stereo,
		}},
		"beside the copy": {film.MP4, film.Audio{Second: film.Stereo}, []film.AudioRendition{
			copied, {Track: 0, Second: true, Codec: film.AAC, Mux: film.MP4, Bitrate: 160_000, Layout: "stereo", Channels: 2}, stereo,
		}},
		"beside a copy that is asked for": {film.MP4, film.Audio{Codec: film.AudioCopy, Second: film.Stereo, Tracks: "1", Bitrate: 500_000}, []film.AudioRendition{
			{Track: 0, Codec: film.AudioCopy, Mux: film.MP4}, {Track: 0, Second: true, Codec: film.AAC, Mux: film.MP4, Bitrate: 160_000, Layout: "stereo", Channels: 2},
		}},
		"both": {film.WebM, film.Audio{Downmix: film.Stereo, Second: film.Mono, Tracks: "1"}, []film.AudioRendition{
			{Track: 0, Codec: film.Opus, Mux: film.MP4, Bitrate: 160_000, Layout: "stereo", Channels: 2},
			{Track: 0, Second: true, Codec: film.Opus, Mux: film.MP4, Bitrate: 160_000, Layout: "mono", Channels: 1},
		}},
	} {
		req := film.Request{Source: "/in.mkv", Destination: "/out", Outputs: []film.Output{{Name: "a", Container: c.container, Audio: &c.audio}}}
		j, err := plan.Job(req, src, "5.1", func(codec string, in film.Container) bool { return in == film.MP4 })
		if err != nil {
			t.Fatal(name, err)
		}
		if diff := cmp.Diff(c.want, j.AudioRenditions); diff != "" || len(j.Warnings) > 0 {
			t.Errorf("%s: warnings %q (-want +got):\n%s", name, j.Warnings, diff)
		}
	}
	for body, want := range map[string]string{
		`{"codec":"copy","downmix":"mono"}`: "/outputs/0/audio/downmix: what is copied cannot be mixed",
		`{"codec":"none","second":"mono"}`:  "/outputs/0/audio/second: the output has no audio",
		`{"second":"quad"}`:                 "/outputs/0/audio/second: ",
	} {
		if _, err := film.Parse([]byte(`{"source":"/a","destination":"/b","outputs":[{"name":"c","audio":` + body + `}]}`)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", body, err, want)
		}
	}
}
