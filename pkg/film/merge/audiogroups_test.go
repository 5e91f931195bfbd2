package merge

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/manifest"
)

func TestEachCodecHasAGroup(t *testing.T) {
	const aac = "mp4a.40.2"
	track := func(number int, language, codec string) manifest.Audio {
		a := manifest.Audio{Track: number, Language: language, Title: codec}
		a.Codecs = codec
		return a
	}
	comment := track(3, "eng", aac)
	comment.Commentary = true
	for name, c := range map[string]struct {
		audio  []manifest.Audio
		second string // the numbers of those that are
		want   []string
		rates  []string
	}{
		"one codec":        {[]manifest.Audio{track(1, "eng", aac), track(2, "deu", aac)}, "", []string{"sound", "sound"}, nil},
		"with mixes":       {[]manifest.Audio{track(1, "eng", "ac-3"), track(1, "eng", aac), track(2, "deu", aac)}, "1", []string{"sound", "mixed", "sound mixed"}, nil},
		"AC-3 and E-AC-3":  {[]manifest.Audio{track(1, "eng", "ac-3"), track(1, "eng", aac), track(2, "eng", "ec-3"), track(2, "eng", aac)}, "13", []string{"sound-ac-3", "mixed", "sound-ec-3", "mixed"}, nil},
		"beside AAC":       {[]manifest.Audio{track(1, "eng", "ec-3"), track(2, "en", aac)}, "", []string{"sound-ec-3", "sound-mp4a"}, nil},
		"no AC-3 for one":  {[]manifest.Audio{track(1, "eng", "ac-3"), track(2, "eng", aac), comment}, "", []string{"sound-ac-3", "sound-mp4a", "sound-ac-3 sound-mp4a"}, nil},
		"other languages":  {[]manifest.Audio{track(1, "eng", "ac-3"), track(2, "deu", "ec-3")}, "", []string{"sound", "sound"}, nil},
		"three, two equal": {[]manifest.Audio{track(1, "eng", "ac-3"), track(2, "eng", aac), track(3, "deu", "ec-3")}, "", []string{"sound-ac-3", "sound-mp4a", "sound-ac-3 sound-mp4a"}, nil},
		"two rates": {
			[]manifest.Audio{track(1, "eng", aac), track(1, "eng", aac), track(2, "deu", aac), track(2, "deu", aac)},
			"",
			[]string{"sound-1", "sound-2", "sound-1", "sound-2"},
			[]string{"sound-1", "sound-2"},
		},
		"two rates of mixes": {
			[]manifest.Audio{track(1, "eng", "ac-3"), track(1, "eng", aac), track(1, "eng", aac), track(2, "deu", aac)},
			"12",
			[]string{"sound", "mixed-1", "mixed-2", "sound mixed-1 mixed-2"},
			[]string{"mixed-1", "mixed-2"},
		},
		"two rates, one track without a mix": {
			[]manifest.Audio{track(1, "eng", aac), track(1, "eng", aac), track(1, "eng", aac), track(2, "deu", aac), track(2, "deu", aac)},
			"12",
			[]string{"sound", "mixed-1", "mixed-2", "mixed-1", "sound mixed-2"},
			[]string{"mixed-1", "mixed-2"},
		},
		"two rates beside two codecs": {
			[]manifest.Audio{track(1, "eng", "ac-3"), track(1, "eng", aac), track(1, "eng", aac), track(2, "eng", "ec-3"), track(2, "eng", aac), track(2, "eng", aac)},
			"1245",
			[]string{"sound-ac-3", "mixed-1", "mixed-2", "sound-ec-3", "mixed-1", "mixed-2"},
			[]string{"mixed-1", "mixed-2"},
		},
	} {
		tracks := make([]film.AudioRendition, len(c.audio))
		for i, a := range c.audio {
			tracks[i] = film.AudioRendition{Track: a.Track - 1, Second: strings.Contains(c.second, fmt.Sprint(i))}
		}
		if diff := cmp.Diff(c.rates, groupAudio(c.audio, tracks)); diff != "" {
			t.Errorf("%s: groups by rate (-want +got):\n%s", name, diff)
		}
		var got []string
		for _, a := range c.audio {
			got = append(got, strings.Join(append([]string{a.Group}, a.Also...), " "))
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestRatesWhoseSegmentsDifferAreRefused(t *testing.T) {
	t.Parallel()
	audio := func(durations ...int64) (a manifest.Audio) {
		a.Timescale = 48_000
		for _, d := range durations {
			a.Segments = append(a.Segments, manifest.Segment{Duration: d})
		}
		return a
	}
	tracks := []film.AudioRendition{{Bitrate: 64_000}, {Bitrate: 128_000}, {Track: 1}}
	for name, c := range map[string]struct {
		second manifest.Audio
		ok     bool
	}{
		"equal":         {audio(2048, 1024), true},
		"another start": {audio(1024, 2048), false},
		"one less":      {audio(2048), false},
	} {
		if err := checkRates([]manifest.Audio{audio(2048, 1024), c.second, audio(7)}, tracks); (err == nil) != c.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
}
