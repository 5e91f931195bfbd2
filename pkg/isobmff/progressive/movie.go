// Package progressive writes progressive MP4 files made of stored chunks (isobmff.Chunk), and checks
// them.
//
// A Movie describes the file, whose moov comes first. A Stitcher takes the chunks' sample tables in
// order and returns the file's header and the byte ranges of the chunks that follow it:
//
//	s := progressive.NewStitcher(progressive.Movie{Tracks: []progressive.Track{{Track: chunk.Track}}}, nil)
//	for _, chunk := range chunks {
//		if err := s.Add(0, chunk); err != nil { … }
//	}
//	file, err := s.Finish(header) // the caller copies each of file.Ranges after the header
//	err = progressive.Check(header, file.Size, expected)
//
// A stored chunk is not a chunk of the sample tables (stsc, stco). This package calls the former an
// input, and divides tracks into the latter on its own.
//
// Times are ticks of the track's timescale. Errors carry fault.Corrupt if bytes contradict
// themselves and fault.Unsupported if they are valid but beyond this package's limits.
package progressive

import (
	"time"

	"github.com/mapreel/mapreel/pkg/isobmff"
	"github.com/mapreel/mapreel/pkg/media"
)

// Track is a track of a Movie. Its Entry is ignored, as each chunk has its own.
type Track struct {
	isobmff.Track
	Delay  int64 // presentation time of the first sample that is shown, ticks, ≥ 0
	Skip   int64 // ticks of media before the first sample that is shown: an audio encoder's priming
	Length int64 // ticks that are shown; 0 is all
	Group  int   // tracks of the same group ≠ 0 are alternatives, of which a player plays one
	// Flags are the track's purposes by ffmpeg's names: "forced", "comment", "hearing_impaired" and
	// others.
	Flags []string
}

// Movie describes a progressive MP4.
type Movie struct {
	Tracks  []Track
	Created time.Time // the zero time leaves it out
	Title   string    // shown by players; may be empty
	// Tags are texts about the movie: "artist", "album_artist", "album", "composer", "genre",
	// "date", "comment", "description" and "copyright". Others have no place in a movie and are
	// left out.
	Tags       []media.Tag
	Cover      []byte          // a JPEG or PNG picture; other formats are left out
	Chapters   []media.Chapter // in order of time, no two in the same millisecond
	Tool       string          // the program that made the file; may be empty
	Interleave time.Duration   // how much of a track is stored contiguously, from 1 ms to an hour; 0 is a second
}

// Range is a byte range of a stored chunk. Chunk counts a track's calls of Add from 0; Offset
// counts from the chunk's first byte.
type Range struct {
	Track, Chunk   int
	Offset, Length int64
}

// File is the layout of a finished movie: the header, then the ranges in order. The chapter titles,
// which are samples, are part of the header.
type File struct {
	Header int64 // bytes of the header
	Ranges []Range
	Size   int64 // bytes of the whole file
}
