package progressive

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/mapreel/mapreel/internal/mediatest"
	"github.com/mapreel/mapreel/pkg/isobmff"
)

// finished is a movie with its header in memory.
type finished struct {
	File
	Header []byte
}

// failer is the common part of testing.TB and rapid.T.
type failer interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// finish stitches a movie from chunks[track][chunk].
func finish(t failer, movie Movie, chunks [][]isobmff.Chunk) finished {
	t.Helper()
	s := NewStitcher(movie, nil)
	for track := range chunks {
		for _, c := range chunks[track] {
			if err := s.Add(track, c); err != nil {
				t.Fatal(err)
			}
		}
	}
	var header bytes.Buffer
	file, err := s.Finish(&header)
	if err != nil {
		t.Fatal(err)
	}
	if file.Header != int64(header.Len()) {
		t.Fatalf("a header of %d bytes declares %d", header.Len(), file.Header)
	}
	return finished{file, header.Bytes()}
}

// stitch stitches a movie from the chunks of each track.
func stitch(t testing.TB, movie Movie, chunks ...[]isobmff.Chunk) finished {
	t.Helper()
	return finish(t, movie, chunks)
}

// assemble writes a finished movie from stored chunks, paths[track][chunk], and returns its path.
func assemble(t testing.TB, file finished, paths [][]string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "movie.mp4")
	w, err := os.Create(out)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	if _, err := w.Write(file.Header); err != nil {
		t.Fatal(err)
	}
	for _, r := range file.Ranges {
		f, _ := mediatest.Open(t, paths[r.Track][r.Chunk])
		if _, err := io.Copy(w, io.NewSectionReader(f, r.Offset, r.Length)); err != nil {
			t.Fatal(err)
		}
		f.Close()
	}
	info, err := w.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if info.Size() != file.Size {
		t.Fatalf("the movie has %d bytes, want %d", info.Size(), file.Size)
	}
	return out
}
