package progressive

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/isobmff"
	"github.com/mapreel/mapreel/pkg/isobmff/internal/chunktest"
)

// A stitcher with Tables writes the same movie, and fails if the tables cannot be written or read.
func TestStitcherKeepsSampleTablesInAFile(t *testing.T) {
	p := isobmff.Chunk{Track: isobmff.Track{Handler: "vide", Timescale: 12800, Entry: chunktest.Entry("avc1")}, Header: 100, Samples: make([]isobmff.Sample, 20_000)}
	for i := range p.Samples {
		p.Samples[i] = isobmff.Sample{Size: uint32(3000 + i*7919%9000), Duration: uint32(511 + i%3), Offset: int32(i%5) * 256, Sync: i%7 == 0}
		p.Bytes += int64(p.Samples[i].Size)
	}
	movie := func(tables Tables) ([]byte, error) {
		s := NewStitcher(Movie{Tracks: []Track{{Track: p.Track}}}, tables)
		for n := range 3 {
			at := p
			at.Start = int64(n) * (p.End() - p.Start)
			if err := s.Add(0, at); err != nil {
				return nil, err
			}
		}
		var header bytes.Buffer
		_, err := s.Finish(&header)
		return header.Bytes(), err
	}
	want, err := movie(nil)
	if err != nil {
		t.Fatal(err)
	}
	var tables ram
	if got, err := movie(&tables); err != nil || !bytes.Equal(got, want) {
		t.Errorf("another header, error %v", err)
	}
	if len(tables.data) < 3*len(p.Samples) {
		t.Errorf("only %d bytes were written to the tables", len(tables.data))
	}
	if _, err := movie(&ram{limit: 100_000}); fault.KindOf(err) != fault.OutOfSpace {
		t.Errorf("no space: got %v", err)
	}
	if _, err := movie(&ram{lost: 100_000}); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("lost data: got %v", err)
	}
}

// written counts the bytes that are written.
type written int64

func (w *written) Write(p []byte) (int, error) {
	*w += written(len(p))
	return len(p), nil
}

// The film lasts ten hours: 2.1 million frames, reordered, at a variable rate of 60 a second, and
// 1.7 million AAC frames.
func TestStitcherHoldsATenHourFilmFarBelow64MB(t *testing.T) {
	const perChunk = 600
	tables, err := os.Create(filepath.Join(t.TempDir(), "tables"))
	if err != nil {
		t.Fatal(err)
	}
	defer tables.Close()
	runtime.GC()
	var before, folded, done runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	s := NewStitcher(Movie{Tracks: []Track{{Track: isobmff.Track{Handler: "vide"}}, {Track: isobmff.Track{Handler: "soun"}}}}, tables)
	video := isobmff.Chunk{Track: isobmff.Track{Handler: "vide", Timescale: 90000, Entry: chunktest.Entry("avc1")}, Header: 2000, Samples: make([]isobmff.Sample, perChunk)}
	offsets := []int32{3000, 6000, -1500, -4500, -3000}
	at := int64(0)
	for chunk := range 3600 {
		video.Start, video.Bytes = at, 0
		for i := range video.Samples {
			s := isobmff.Sample{Size: uint32(3000 + (chunk*7919+i*104729)%40000), Duration: uint32(1499 + (chunk+i)%3), Offset: offsets[i%5], Sync: i == 0}
			video.Samples[i] = s
			video.Bytes += int64(s.Size)
			at += int64(s.Duration)
		}
		if err := s.Add(0, video); err != nil {
			t.Fatal(err)
		}
	}
	audio := isobmff.Chunk{Track: isobmff.Track{Handler: "soun", Timescale: 48000, Entry: chunktest.Entry("mp4a")}, Header: 900, Samples: make([]isobmff.Sample, 469)}
	at = 0
	for chunk := range 3600 {
		audio.Start, audio.Bytes = at, 0
		for i := range audio.Samples {
			audio.Samples[i] = isobmff.Sample{Size: uint32(300 + (chunk*31+i*17)%120), Duration: 1024, Sync: true}
			audio.Bytes += int64(audio.Samples[i].Size)
			at += 1024
		}
		if err := s.Add(1, audio); err != nil {
			t.Fatal(err)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&folded)
	added := time.Since(start)
	var header written
	file, err := s.Finish(&header)
	if err != nil {
		t.Fatal(err)
	}
	finished := time.Since(start) - added
	runtime.ReadMemStats(&done)
	held := int64(folded.HeapAlloc) - int64(before.HeapAlloc)
	peak := held + int64(done.TotalAlloc-folded.TotalAlloc)
	if int64(header) != file.Header {
		t.Errorf("a header of %d bytes declares %d", header, file.Header)
	}
	if held > 2<<20 || peak > 24<<20 {
		t.Errorf("%d MB held, %d MB at most if nothing is collected", held>>20, peak>>20)
	}
	t.Logf("%d bytes of header, %d ranges, %d byte film: %d MB held, %d MB allocated to finish; added in %v, finished in %v",
		header, len(file.Ranges), file.Size, held>>20, (done.TotalAlloc-folded.TotalAlloc)>>20, added, finished)
	runtime.KeepAlive(s)
}
