package plan_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/plan"
	"github.com/mapreel/mapreel/pkg/media"
)

func TestEachRateOfATrackIsARendition(t *testing.T) {
	t.Parallel()
	surround := film.AudioTrack{Codec: "ac3", Channels: 6, Layout: "5.1(side)", SampleRate: 48_000, Timebase: media.Microseconds}
	stereo := film.AudioTrack{Codec: "aac", Channels: 2, Layout: "stereo", SampleRate: 48_000, Timebase: media.Microseconds}
	rates := []film.Bitrate{64_000, 192_000}
	aac := func(track, channels int, second bool, rate film.Bitrate) film.AudioRendition {
		layout := map[int]string{2: "stereo", 6: "5.1"}[channels]
		return film.AudioRendition{Track: track, Second: second, Codec: film.AAC, Mux: film.MP4, Bitrate: rate, Layout: layout, Channels: channels}
	}
	copied := func(track int) film.AudioRendition {
		return film.AudioRendition{Track: track, Codec: film.AudioCopy, Mux: film.MP4}
	}
	for name, c := range map[string]struct {
		tracks []film.AudioTrack
		audio  film.Audio
		want   []film.AudioRendition
		refuse string
	}{
		"AAC is not copied": {
			[]film.AudioTrack{surround, stereo},
			film.Audio{Bitrates: rates},
			[]film.AudioRendition{aac(0, 6, false, 64_000), aac(0, 6, false, 192_000), aac(1, 2, false, 64_000), aac(1, 2, false, 192_000)},
			"",
		},
		"of the second renditions": {
			[]film.AudioTrack{surround, stereo},
			film.Audio{Codec: film.AAC, Bitrates: rates, Second: film.Stereo},
			[]film.AudioRendition{aac(0, 6, false, 480_000), aac(0, 2, true, 64_000), aac(0, 2, true, 192_000), aac(1, 2, false, 64_000), aac(1, 2, false, 192_000)},
			"",
		},
		"beside copies": {
			[]film.AudioTrack{surround, stereo},
			film.Audio{Codec: film.AudioCopy, Bitrates: rates, Second: film.Stereo},
			[]film.AudioRendition{copied(0), aac(0, 2, true, 64_000), aac(0, 2, true, 192_000), copied(1)},
			"",
		},
		"copies alone": {
			[]film.AudioTrack{stereo},
			film.Audio{Codec: film.AudioCopy, Bitrates: rates, Second: film.Stereo},
			nil,
			"/outputs/0/audio/bitrates: no track has so many channels",
		},
	} {
		src := film.Source{URL: "/in.mkv", Audio: c.tracks}
		req := film.Request{Source: "/in.mkv", Destination: "/out", Outputs: []film.Output{{Name: "a", Container: film.CMAF, Audio: &c.audio}}}
		j, err := plan.Job(req, src, "5.1", func(string, film.Container) bool { return true })
		if c.refuse != "" {
			if err == nil || !strings.Contains(err.Error(), c.refuse) {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(name, err)
		}
		if diff := cmp.Diff(c.want, j.AudioRenditions); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// Parts of all rates meet at the same samples.
func TestPartsOfAllRatesAreTheSame(t *testing.T) {
	t.Parallel()
	src := film.Source{URL: "/in.mkv", Duration: 3_600_000_000, Audio: []film.AudioTrack{
		{Codec: "ac3", Channels: 2, Layout: "stereo", SampleRate: 44_100, Timebase: media.Microseconds, Clock: film.ClockExact},
	}}
	audio := film.Audio{Bitrates: []film.Bitrate{64_000, 128_000, 192_000}}
	req := film.Request{Source: "/in.mkv", Destination: "/out", Outputs: []film.Output{{Name: "a", Container: film.HLS, Audio: &audio}}}
	j, err := plan.Job(req, src, "5.1", func(string, film.Container) bool { return false })
	if err != nil {
		t.Fatal(err)
	}
	list := plan.DivideAudio(j, plan.AudioPartLength)
	for i, r := range list {
		if r.Parts < 2 || r.Parts != list[0].Parts || r.Step != list[0].Step {
			t.Errorf("rate %d has %d parts of %d samples, the first has %d of %d", i, r.Parts, r.Step, list[0].Parts, list[0].Step)
		}
	}
}
