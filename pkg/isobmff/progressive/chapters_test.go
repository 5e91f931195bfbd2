package progressive

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/mapreel/mapreel/internal/mediatest"
	"github.com/mapreel/mapreel/pkg/isobmff"
	"github.com/mapreel/mapreel/pkg/isobmff/internal/chunktest"
	"github.com/mapreel/mapreel/pkg/media"
)

func TestMoviesKeepChaptersTagsCoverAndRoles(t *testing.T) {
	dir := t.TempDir()
	video, english, cover := filepath.Join(dir, "v.mp4"), filepath.Join(dir, "e.mp4"), filepath.Join(dir, "c.jpg")
	mediatest.FFmpeg(t, mediatest.Picture("2")+" -c:v libx264 -bf 2 "+chunktest.Fragmented, video)
	mediatest.FFmpeg(t, mediatest.Tone("2")+" -c:a aac "+chunktest.Fragmented, english)
	mediatest.FFmpeg(t, mediatest.Picture("1")+" -frames:v 1", cover)
	v, vp := chunktest.Store(t, video)
	e, ep := chunktest.Store(t, english)
	f, size := mediatest.Open(t, cover)
	jpeg := make([]byte, size)
	if _, err := f.ReadAt(jpeg, 0); err != nil {
		t.Fatal(err)
	}
	movie := Movie{
		Tracks: []Track{{Track: v.Track}, {Track: e.Track, Skip: 1024, Flags: []string{"comment", "visual_impaired"}}},
		Tags:   []media.Tag{{Name: "artist", Value: "Ä"}, {Name: "unheard of", Value: "x"}, {Name: "date", Value: "1999"}},
		Cover:  jpeg,
		Chapters: []media.Chapter{
			{Start: 250_000, End: 700_000, Title: "Eins: ü"}, {Start: 1_000_000, End: 1_500_400}, {Start: 1_500_400, End: 2_000_000, Title: "Drei"},
		},
	}
	file := stitch(t, movie, []isobmff.Chunk{v}, []isobmff.Chunk{e})
	last := v.Presentation()[len(v.Samples)-1] - v.Presentation()[0]
	expected := []Expected{
		{"vide", len(v.Samples), 0, last, nil},
		{"soun", len(e.Samples), -1024, e.Presentation()[len(e.Samples)-1] - e.Start - 1024, nil},
		ChapterTrack(movie.Chapters),
	}
	if err := Check(bytes.NewReader(file.Header), file.Size, expected); err != nil {
		t.Error(err)
	}
	expected[2].Times[1]++
	if err := Check(bytes.NewReader(file.Header), file.Size, expected); err == nil {
		t.Error("Check accepts a chapter at another time")
	}
	path := assemble(t, file, [][]string{{vp}, {ep}})
	out, err := exec.Command("ffprobe", "-v", "error", "-show_chapters", "-show_streams", "-show_format", "-of", "json", path).Output()
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Chapters []struct {
			Start string `json:"start_time"`
			End   string `json:"end_time"`
			Tags  map[string]string
		}
		Streams []struct {
			Type        string `json:"codec_type"`
			Disposition map[string]int
		}
		Format struct{ Tags map[string]string }
	}
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatal(err)
	}
	var chapters []string
	for _, c := range got.Chapters {
		chapters = append(chapters, c.Start+" "+c.End+" "+c.Tags["title"])
	}
	// ffmpeg takes the track's duration for the end of the last chapter, which is early by the
	// start of the first one.
	if diff := cmp.Diff([]string{"0.250000 1.000000 Eins: ü", "1.000000 1.500000 ", "1.500000 1.750000 Drei"}, chapters); diff != "" {
		t.Errorf("chapters (-want +got):\n%s", diff)
	}
	if got.Format.Tags["artist"] != "Ä" || got.Format.Tags["date"] != "1999" {
		t.Errorf("tags %v", got.Format.Tags)
	}
	if d := got.Streams[1].Disposition; d["comment"] != 1 || d["visual_impaired"] != 1 || d["dub"] != 0 {
		t.Errorf("the audio track has the dispositions %v", d)
	}
	if s := got.Streams[len(got.Streams)-1]; s.Disposition["attached_pic"] != 1 {
		t.Errorf("the movie has no cover: %+v", got.Streams)
	}
	if !bytes.Contains(file.Header, []byte("\x00\x26\x25\xa0\x08Eins: ü")) { // 2,500,000 of 100 ns, 8 bytes
		t.Error("Nero's list does not have the first chapter")
	}
}
