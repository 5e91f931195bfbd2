package ffmpeg

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"
)

// The limit is below the source's size, and only Linux holds a program to it.
func TestSplitHoldsAStretchAndNotTheSource(t *testing.T) {
	tools := found(t)
	dir, short := t.TempDir(), filepath.Join(t.TempDir(), "short.ts")
	sh(t, "ffmpeg", "-v", "error", "-nostdin", "-f", "lavfi", "-i", "color=gray:size=640x360:rate=25:duration=2,noise=alls=100:allf=t",
		"-c:v", "mpeg2video", "-b:v", "40M", "-g", "25", short)
	long := filepath.Join(t.TempDir(), "long.ts")
	sh(t, "ffmpeg", "-v", "error", "-nostdin", "-stream_loop", "10", "-i", short, "-c", "copy", long)
	info, err := os.Stat(long)
	if err != nil {
		t.Fatal(err)
	}
	limits := Limits{Memory: 48 << 20}
	if info.Size() < 2*limits.Memory {
		t.Fatalf("a source of %d bytes proves nothing", info.Size())
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, long) }))
	defer server.Close()
	in := Input{Location: server.URL + "/long.ts", Demuxer: "mpegts"}
	media, err := Probe(t.Context(), tools, in)
	if err != nil {
		t.Fatal(err)
	}
	var pieces, most int
	split := Split{Input: in, Stream: media.Streams[0].Index, Timebase: media.Streams[0].Timebase, Start: media.Start, Seconds: 2}
	log := &SourceChunkLog{Split: split, Each: func(p SourceChunk) error {
		pieces++
		files, err := os.ReadDir(dir)
		if err != nil {
			return err
		}
		most = max(most, len(files))
		return os.Remove(filepath.Join(dir, p.Name))
	}}
	if _, err := Run(t.Context(), tools.FFmpeg, SplitArgs(split), RunOptions{Dir: dir, Pipe: log, Limits: limits}); err != nil {
		t.Fatal(err)
	}
	// ffmpeg goes on while a piece is taken away; how far it gets is the machine's mood.
	if pieces < 8 || most > pieces/2 {
		t.Errorf("%d pieces, %d of them at a time", pieces, most)
	}
	t.Logf("%d bytes in %d pieces, at most %d at a time", info.Size(), pieces, most)
}
