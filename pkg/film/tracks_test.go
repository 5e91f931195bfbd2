package film_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/film"
)

var (
	threeAudio = []film.AudioTrack{
		{Codec: "ac3", Channels: 6, Language: "eng", Default: true},
		{Codec: "aac", Channels: 2, Language: "ger", Title: "Kommentar"},
		{Codec: "aac", Channels: 2, Language: "en"},
	}
	threeSubtitles = []film.SubtitleTrack{{Codec: "subrip", Language: "eng", Default: true, Flags: []string{"forced", "dub"}}, {Codec: "subrip"}, {Codec: "subrip", Language: "pt-BR"}}
)

func TestTracksAreChosenByNumberAndLanguage(t *testing.T) {
	for _, c := range []struct {
		choices film.Choices
		want    film.Chosen
	}{
		{film.Choices{}, film.Chosen{}},
		{film.Choices{Audio: "3,1"}, film.Chosen{Audio: []int{3, 1}}},
		{film.Choices{Audio: "eng"}, film.Chosen{Audio: []int{1, 3}}},
		{film.Choices{Audio: "de , 2,eng"}, film.Chosen{Audio: []int{2, 1, 3}}},
		{film.Choices{Audio: "2,eng", DefaultAudio: "EN"}, film.Chosen{Audio: []int{2, 1, 3}, DefaultAudio: 1}},
		{film.Choices{Audio: "3", DefaultAudio: "eng"}, film.Chosen{Audio: []int{3}, DefaultAudio: 3}},
		{film.Choices{Subtitles: "und,por"}, film.Chosen{Subtitles: []int{2, 3}}},
		{film.Choices{Subtitles: "pt-br", DefaultSubtitles: "none", ForcedSubtitles: "por"}, film.Chosen{Subtitles: []int{3}, DefaultSubtitles: -1, ForcedSubtitles: []int{3}}},
		{film.Choices{ForcedSubtitles: "none"}, film.Chosen{ForcedSubtitles: []int{-1}}},
	} {
		got, ps := c.choices.Choose(threeAudio, threeSubtitles)
		if diff := cmp.Diff(c.want, got); diff != "" || len(ps) > 0 {
			t.Errorf("%+v: %v (-want +got):\n%s", c.choices, ps, diff)
		}
	}
}

func TestAChoiceThatMatchesNothingListsWhatThereIs(t *testing.T) {
	for _, c := range []struct {
		choices film.Choices
		want    string
	}{
		{film.Choices{Audio: "eng,fra"}, "/audio/tracks: the source has no audio track fra; it has 1: eng (ac3, 6 channels); 2: ger (aac, 2 channels, Kommentar); 3: en (aac, 2 channels)"},
		{film.Choices{Audio: "4"}, "/audio/tracks: the source has no audio track 4; it has 1: eng"},
		{film.Choices{Audio: "deu", DefaultAudio: "1"}, "/audio/default: audio track 1 is not among those that are kept"},
		{film.Choices{Subtitles: "pt-PT"}, "/subtitleTracks: the source has no subtitle track pt-pt; it has 1: eng (subrip); 2: und (subrip); 3: pt-BR (subrip)"},
	} {
		_, ps := c.choices.Choose(threeAudio, threeSubtitles)
		if len(ps) != 1 || !strings.HasPrefix(ps[0].Pointer+": "+ps[0].Message, c.want) {
			t.Errorf("%+v: got %v, want %s", c.choices, ps, c.want)
		}
	}
	if _, ps := (film.Choices{Audio: "1"}).Choose(nil, nil); len(ps) != 1 || !strings.HasSuffix(ps[0].Message, "it has none") {
		t.Errorf("of a silent source: %v", ps)
	}
}

func TestChosenTracksGetTheirFlags(t *testing.T) {
	own := film.Chosen{}
	if got := own.SubtitleTrack(0, threeSubtitles[0]); !cmp.Equal(got, threeSubtitles[0]) || !own.AudioDefault(0, true) || own.AudioDefault(1, false) {
		t.Errorf("without a choice the flags change: %+v", got)
	}
	c := film.Chosen{DefaultAudio: 2, DefaultSubtitles: 2, ForcedSubtitles: []int{2}}
	if first := c.SubtitleTrack(0, threeSubtitles[0]); first.Default || !cmp.Equal(first.Flags, []string{"dub"}) {
		t.Errorf("the first track is %+v", first)
	}
	if second := c.SubtitleTrack(1, threeSubtitles[1]); !second.Default || !cmp.Equal(second.Flags, []string{"forced"}) {
		t.Errorf("the second track is %+v", second)
	}
	if c.AudioDefault(0, true) || !c.AudioDefault(1, false) {
		t.Error("the default audio track is not the second alone")
	}
	none := film.Chosen{DefaultSubtitles: -1, ForcedSubtitles: []int{-1}}
	if first := none.SubtitleTrack(0, threeSubtitles[0]); first.Default || !cmp.Equal(first.Flags, []string{"dub"}) {
		t.Errorf("with none, the first track is %+v", first)
	}
}

func TestChoicesOfTracksAreChecked(t *testing.T) {
	for body, want := range map[string]string{
		`"audio":{"tracks":"1,,2"}`:                                `/outputs/0/audio/tracks: "1,,2" lists no tracks by number or language, such as 1,eng`,
		`"audio":{"default":"none"}`:                               `/outputs/0/audio/default: "none" lists no tracks`,
		`"forcedSubtitles":"english"`:                              `/outputs/0/forcedSubtitles: "english" lists no tracks by number or language, such as 1,eng, and is not none`,
		`"audio":{"codec":"none","tracks":"1"}`:                    `/outputs/0/audio/tracks: the output has no audio; leave out one of the two`,
		`"subtitles":"none","subtitleTracks":"1"`:                  `/outputs/0/subtitleTracks: the output has no subtitles; leave out one of the two`,
		`"container":"gif","subtitleTracks":"1"`:                   `/outputs/0/subtitleTracks: gif is a preview; leave this out, or choose another container`,
		`"subtitleTracks":"eng,2,pt-BR","defaultSubtitles":"none"`: "",
		`"audio":{"tracks":" 1 , ENG"},"forcedSubtitles":"2,deu"`:  "",
	} {
		_, err := film.Parse([]byte(`{"source":"/in.mkv","destination":"/out","outputs":[{"name":"a",` + body + `}]}`))
		switch {
		case want == "" && err != nil, want != "" && (err == nil || !strings.Contains(problemsOf(t, err).Error(), want)):
			t.Errorf("%s: got %v, want %q", body, err, want)
		}
	}
}
