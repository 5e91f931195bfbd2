package source

import (
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/ffmpeg/probe"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/media"
)

func TestChaptersLieOnTheOutputsTimeline(t *testing.T) {
	const second, origin = 1_000_000, 500_000
	got := chapters([]media.Chapter{
		{Start: 10 * second, End: 20 * second, Title: "second"},
		{Start: 0, End: 10 * second, Title: "first\n"},
		{Start: 0, End: 400_000, Title: "before the origin"},
		{Start: 10*second + 100, End: 15 * second, Title: "in the same millisecond"},
	}, origin)
	want := []media.Chapter{
		{Start: 0, End: 9_500_000, Title: "first"},
		{Start: 9_500_000, End: 19_500_000, Title: "second"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	got = chapters([]media.Chapter{{Start: 20 * second, End: 20 * second, Title: "of no length"}}, 0)
	if want := 20*media.Ticks(second) + 1000; len(got) != 1 || got[0].End != want {
		t.Errorf("%v, want an end at %d", got, want)
	}
}

func TestTextIsCleanedAndBounded(t *testing.T) {
	for in, want := range map[string]string{
		"a\tb\nc":            "a b c",
		" a\x00\x1bb\u0085 ": "ab",
		"\xffa":              "\uFFFDa",
	} {
		if got := clean(in, 100); got != want {
			t.Errorf("%q becomes %q, want %q", in, got, want)
		}
	}
	for limit := range 10 {
		got := clean("äöüß漢", limit)
		if len(got) > limit || !utf8.ValidString(got) || !strings.HasPrefix("äöüß漢", got) {
			t.Errorf("at most %d bytes: %q", limit, got)
		}
	}
}

// All that is left out is named.
func TestWhatExceedsTheLimitsIsLeftOutWithAWarning(t *testing.T) {
	var probed probe.Media
	add := func(n int, s probe.Stream) {
		for range n {
			s.Index = len(probed.Streams)
			probed.Streams = append(probed.Streams, s)
		}
	}
	add(maxAudio+336, probe.Stream{Type: "audio", Codec: "aac", Channels: 2, SampleRate: 48_000, Timebase: media.Rational{Num: 1, Den: 48_000}})
	add(2, probe.Stream{Type: "video", AttachedPic: true, Codec: "mjpeg"})
	add(maxSubtitles+3, probe.Stream{Type: "subtitle", Codec: "subrip"})
	add(maxAttachments+1, probe.Stream{Type: "attachment", Tags: map[string]string{"filename": `..\fonts/a.ttf`}})
	add(1, probe.Stream{Type: "attachment", Tags: map[string]string{"filename": "../.."}})
	add(1, probe.Stream{Type: "data", Codec: "klv"})
	add(1, probe.Stream{Type: "data", Codec: "timecode"})
	for i := range maxChapters + 1 {
		probed.Chapters = append(probed.Chapters, media.Chapter{Start: media.Ticks(i) * 1_000_000, End: media.Ticks(i+1) * 1_000_000})
	}
	src := film.Source{}
	if err := describe(&src, probed); err != nil {
		t.Fatal(err)
	}
	want := []string{
		fmt.Sprintf("left out: data stream %d (klv)", len(probed.Streams)-2),
		"left out: 336 of 400 audio tracks", "left out: 1 of 2 cover pictures", "left out: 3 of 103 subtitle tracks", "left out: 2 of 202 attached files",
		"left out: 1 of 1001 chapters",
	}
	if diff := cmp.Diff(want, src.Losses); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if len(src.Audio) != maxAudio || len(src.Subtitles) != maxSubtitles || len(src.Attachments) != maxAttachments || len(src.Chapters) != maxChapters {
		t.Errorf("%d audio tracks, %d subtitles, %d attachments, %d chapters", len(src.Audio), len(src.Subtitles), len(src.Attachments), len(src.Chapters))
	}
	if got := src.Attachments[0].Name; got != "a.ttf" {
		t.Errorf("the attachment is named %q", got)
	}
	if src.Cover == nil || src.Cover.Stream != maxAudio+336 || src.Cover.Name != "cover.jpg" || src.Cover.MIME != "image/jpeg" {
		t.Errorf("the cover is %+v", src.Cover)
	}
}
