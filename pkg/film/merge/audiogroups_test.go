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
	}{
		"one codec":        {[]manifest.Audio{track(1, "eng", aac), track(2, "deu", aac)}, "", []string{"sound", "sound"}},
		"with mixes":       {[]manifest.Audio{track(1, "eng", "ac-3"), track(1, "eng", aac), track(2, "deu", aac)}, "1", []string{"sound", "mixed", "sound mixed"}},
		"AC-3 and E-AC-3":  {[]manifest.Audio{track(1, "eng", "ac-3"), track(1, "eng", aac), track(2, "eng", "ec-3"), track(2, "eng", aac)}, "13", []string{"sound-ac-3", "mixed", "sound-ec-3", "mixed"}},
		"beside AAC":       {[]manifest.Audio{track(1, "eng", "ec-3"), track(2, "en", aac)}, "", []string{"sound-ec-3", "sound-mp4a"}},
		"no AC-3 for one":  {[]manifest.Audio{track(1, "eng", "ac-3"), track(2, "eng", aac), comment}, "", []string{"sound-ac-3", "sound-mp4a", "sound-ac-3 sound-mp4a"}},
		"other languages":  {[]manifest.Audio{track(1, "eng", "ac-3"), track(2, "deu", "ec-3")}, "", []string{"sound", "sound"}},
		"three, two equal": {[]manifest.Audio{track(1, "eng", "ac-3"), track(2, "eng", aac), track(3, "deu", "ec-3")}, "", []string{"sound-ac-3", "sound-mp4a", "sound-ac-3 sound-mp4a"}},
	} {
		tracks := make([]film.AudioRendition, len(c.audio))
		for i, a := range c.audio {
			tracks[i] = film.AudioRendition{Track: a.Track - 1, Second: strings.Contains(c.second, fmt.Sprint(i))}
		}
		groupAudio(c.audio, tracks)
		var got []string
		for _, a := range c.audio {
			got = append(got, strings.Join(append([]string{a.Group}, a.Also...), " "))
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}
