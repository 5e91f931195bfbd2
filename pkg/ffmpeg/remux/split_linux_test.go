package remux

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"testing"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/internal/ffmpegtest"
	"github.com/mapreel/mapreel/pkg/ffmpeg/probe"
	"github.com/mapreel/mapreel/pkg/process"
)

// The limit is below the source's size, and only Linux enforces it.
func TestSplitDoesNotHoldTheSourceInMemory(t *testing.T) {
	tools := ffmpegtest.Find(t)
	dir, short := t.TempDir(), filepath.Join(t.TempDir(), "short.ts")
	ffmpegtest.Exec(t, "ffmpeg", "-v", "error", "-nostdin", "-f", "lavfi", "-i", "color=gray:size=640x360:rate=25:duration=2,noise=alls=100:allf=t",
		"-c:v", "mpeg2video", "-b:v", "40M", "-g", "25", short)
	long := filepath.Join(t.TempDir(), "long.ts")
	ffmpegtest.Exec(t, "ffmpeg", "-v", "error", "-nostdin", "-stream_loop", "10", "-i", short, "-c", "copy", long)
	info, err := os.Stat(long)
	if err != nil {
		t.Fatal(err)
	}
	limits := process.Unlimited()
	limits.Memory = 48 << 20
	if info.Size() < 2*limits.Memory {
		t.Fatalf("a source of %d bytes is too small for the test", info.Size())
	}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, long) }))
	defer server.Close()
	in := ffmpeg.Input{Location: server.URL + "/long.ts", Demuxer: "mpegts"}
	media, err := probe.Inspect(t.Context(), tools, in)
	if err != nil {
		t.Fatal(err)
	}
	var chunks, most int
	split := Split{Input: in, Stream: media.Streams[0].Index, Timebase: media.Streams[0].Timebase, Start: media.Start, Seconds: 2}
	log := &SourceChunkLog{Split: split, Each: func(p SourceChunk) error {
		chunks++
		files, err := os.ReadDir(dir)
		if err != nil {
			return err
		}
		most = max(most, len(files))
		return os.Remove(filepath.Join(dir, p.Name))
	}}
	if _, err := ffmpeg.Run(t.Context(), tools.FFmpeg, SplitArgs(split), ffmpeg.RunOptions{Dir: dir, Pipe: log, Limits: limits}); err != nil {
		t.Fatal(err)
	}
	// ffmpeg continues while a source chunk is removed; how far it gets depends on the machine.
	if chunks < 8 || most > chunks/2 {
		t.Errorf("%d source chunks, up to %d at a time", chunks, most)
	}
	t.Logf("%d bytes in %d source chunks, at most %d at a time", info.Size(), chunks, most)
}
