package sidecar

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/internal/filmtest"
	"github.com/mapreel/mapreel/pkg/film/subtitle"
	"github.com/mapreel/mapreel/pkg/media"
)

// The times of a file count from the beginning of the whole source, which here is at 100 s of its clock. The source itself is not opened: there is none.
func TestSubtitlesOfAFileAreMovedWithThePart(t *testing.T) {
	t.Parallel()
	scratch := filmtest.Store(t)
	const text = "1\n00:00:01,000 --> 00:00:02,000\nbefore\n\n2\n00:00:02,500 --> 00:00:04,000\nacross <i>the start</i>\n\n" +
		"3\n00:00:04,000 --> 00:00:05,500\nwithin\n\n4\n00:00:06,500 --> 00:00:09,000\nacross the end\n\n5\n00:00:08,000 --> 00:00:09,000\nafter\n"
	info, err := scratch.Put(t.Context(), "film.srt", strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte(text))
	at := func(seconds media.Ticks) media.Instant {
		return media.Instant{Ticks: seconds, Timebase: media.Rational{Num: 1, Den: 1}}
	}
	src := film.Source{
		URL: "/nowhere", Origin: at(103), Duration: 4_000_000,
		Cut:       &film.Cut{Start: new(media.Ticks(103_000_000)), End: new(media.Ticks(107_000_000)), Origin: at(100)},
		Subtitles: []film.SubtitleTrack{{Codec: "subrip", IsText: true, File: "film.srt"}},
		Files:     []film.File{{URL: "film.srt", Size: info.Size, Digest: hex.EncodeToString(sum[:]), Format: subtitle.SubRip}},
	}
	job := film.Job{ID: filmtest.Job, Source: src, SubtitleRenditions: []film.SubtitleRendition{{Codec: "subrip", Mux: film.Matroska}, {Codec: "webvtt", Mux: film.HLS}}}
	var facts film.SidecarFacts
	filmtest.Run(t, Kind{Tools: filmtest.Tools(t)}, job, film.SidecarUnit, scratch, scratch, &facts)
	for i, want := range []string{
		"1\n00:00:00,000 --> 00:00:01,000\nacross <i>the start</i>\n\n2\n00:00:01,000 --> 00:00:02,500\nwithin\n\n3\n00:00:03,500 --> 00:00:04,000\nacross the end\n\n",
		"WEBVTT\n\n00:00:00.000 --> 00:00:01.000\nacross <i>the start</i>\n\n00:00:01.000 --> 00:00:02.500\nwithin\n\n00:00:03.500 --> 00:00:04.000\nacross the end\n",
	} {
		s := facts.Subtitles[i]
		got, err := blob.ReadRange(t.Context(), scratch, s.Key, 0, s.Size)
		if err != nil || string(got) != want {
			t.Errorf("rendition %d:\n%s\nwant\n%s%v", i, got, want, err)
		}
	}
}
