package verify

import (
	"strings"
	"testing"

	"github.com/mapreel/mapreel/pkg/ffmpeg/probe"
	"github.com/mapreel/mapreel/pkg/film"
)

func trackFile(streams ...probe.Stream) *file {
	f := &file{media: probe.Media{Format: "matroska,webm", Streams: streams}}
	f.listed = streamsOf(f.media, "audio")
	f.audio = f.listed
	return f
}

func TestTracksThatWereLeftOutOnPurposeAreNoLoss(t *testing.T) {
	sound := func(index int, lang string, first bool) probe.Stream {
		return probe.Stream{Index: index, Type: "audio", Codec: "aac", Channels: 2, Language: lang, Default: first}
	}
	text := func(index int, lang string, first, forced bool) probe.Stream {
		return probe.Stream{Index: index, Type: "subtitle", Codec: "subrip", Language: lang, Default: first, Forced: forced}
	}
	source := []probe.Stream{sound(0, "eng", true), sound(1, "ger", false), sound(2, "fra", false), text(3, "eng", true, false), text(4, "ger", false, false)}
	output := []probe.Stream{sound(0, "fra", false), sound(1, "ger", true), text(2, "ger", false, true)}
	choices := film.Choices{Audio: "fra,2", DefaultAudio: "2", Subtitles: "ger", ForcedSubtitles: "ger"}
	for name, c := range map[string]struct {
		choices film.Choices
		known   film.Chosen
		output  []probe.Stream
		want    string // of the faults
	}{
		"by flags":       {choices: choices, output: output},
		"by report":      {known: film.Chosen{Audio: []int{3, 2}, DefaultAudio: 2, Subtitles: []int{2}, ForcedSubtitles: []int{2}}, output: output},
		"not told":       {output: output, want: "audio tracks: 2"},
		"wrong order":    {choices: choices, output: []probe.Stream{output[1], output[0], output[2]}, want: "language fra became ger"},
		"wrong default":  {choices: choices, output: []probe.Stream{sound(0, "fra", true), sound(1, "ger", false), output[2]}, want: "default"},
		"not forced":     {choices: choices, output: []probe.Stream{output[0], output[1], text(2, "ger", false, false)}, want: "subtitle flags: 1: forced is false"},
		"one is missing": {choices: choices, output: output[:2], want: "subtitles: 0"},
	} {
		v := &verification{source: trackFile(source...), output: trackFile(c.output...)}
		if err := v.choose(c.choices, c.known); err != nil {
			t.Fatal(err)
		}
		var bad []string
		for _, check := range append(compareMetadata(v.source.media, v.output.media, true, film.Region{}, film.Region{}), v.choiceChecks(v.source.media)...) {
			if check.Verdict == Bad {
				bad = append(bad, check.Name+": "+check.Figure)
			}
		}
		if got := strings.Join(bad, "; "); c.want == "" && got != "" || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	v := &verification{source: trackFile(source...), output: trackFile(output...)}
	if err := v.choose(film.Choices{Audio: "spa"}, film.Chosen{}); err == nil || !strings.Contains(err.Error(), "no audio track spa; it has 1: eng") {
		t.Errorf("a language that there is not: %v", err)
	}
}
