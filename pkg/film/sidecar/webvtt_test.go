package sidecar

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/internal/mediatest"
	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/internal/filmtest"
)

// Browsers take what is not escaped for character references and tags, and drop it.
func TestWebVTTShowsTheTextOfTheSource(t *testing.T) {
	t.Parallel()
	text := filepath.Join(t.TempDir(), "text.srt")
	srt := "1\n00:00:00,500 --> 00:00:01,000\nTom & <i>Jerry</i> < ok --> x &amp; y\n\n2\n00:00:01,000 --> 00:00:01,750\none\ntwo <b\n"
	if err := os.WriteFile(text, []byte(srt), 0o600); err != nil {
		t.Fatal(err)
	}
	found, files := filmtest.Source(t, "in.mkv", "-f", "lavfi", "-i", "testsrc2=size=160x90:rate=25:duration=2", "-i", text,
		"-map", "0", "-map", "1", "-c:v", "libx264", "-preset", "ultrafast", "-c:s", "subrip")
	job := film.Job{
		ID: filmtest.Job, Source: found.Source,
		SubtitleRenditions: []film.SubtitleRendition{{Codec: "webvtt", Mux: film.HLS}, {Codec: "webvtt", Mux: film.Matroska}},
	}
	scratch := filmtest.Store(t)
	var facts film.SidecarFacts
	filmtest.Run(t, Kind{Tools: filmtest.Tools(t)}, job, film.SidecarUnit, files, scratch, &facts)
	for i, s := range facts.Subtitles {
		got, err := blob.ReadRange(t.Context(), scratch, s.Key, 0, s.Size)
		if err != nil {
			t.Fatal(err)
		}
		want := "WEBVTT\n\n00:00.500 --> 00:01.000\nTom &amp; <i>Jerry</i> &lt; ok --&gt; x &amp;amp; y\n\n00:01.000 --> 00:01.750\none\ntwo &lt;b\n"
		if diff := cmp.Diff(want, string(got)); diff != "" {
			t.Errorf("rendition %d (-want +got):\n%s", i, diff)
		}
		// ffmpeg's decoder reverses it.
		path := filepath.Join(t.TempDir(), "back.vtt")
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
		if back := mediatest.FFmpeg(t, "-f webvtt -i", path, "-c:s", "subrip", "-f", "srt", "-"); !strings.Contains(string(back), "Tom & <i>Jerry</i> < ok --> x &amp; y\n") {
			t.Errorf("ffmpeg reads\n%s", back)
		}
	}
}
