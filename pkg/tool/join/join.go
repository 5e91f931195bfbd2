// Package join makes one file of those that a tool made of the pieces of a film: cues of SRT or WebVTT, lines of JSON or CSV. Times
// of a piece count from its beginning; those of the joined file count from the beginning of the film.
//
//	err := join.Cues(w, ".srt", pieces)
package join

import (
	"io"
	"iter"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/media"
)

// Piece is a file that a tool made of a part of the film. The parts follow each other. Times are microseconds.
type Piece struct {
	Name       string // for errors
	Start, End media.Ticks
	Open       func() (io.ReadCloser, error)
}

// Pieces are the files to join, in the order of the film.
type Pieces = iter.Seq2[Piece, error]

// maxPiece is the largest file of a piece, in bytes: a thousand times the cues of an hour.
const maxPiece = 64 << 20

// read returns the contents of a piece.
func (p Piece) read() ([]byte, error) {
	body, err := p.Open()
	if err != nil {
		return nil, err
	}
	defer body.Close()
	data, err := io.ReadAll(io.LimitReader(body, maxPiece+1))
	switch {
	case err != nil:
		return nil, err
	case len(data) > maxPiece:
		return nil, p.corrupt("it is larger than %d MB, too large to join", maxPiece>>20)
	}
	return data, nil
}

// corrupt returns an error about what a tool wrote.
func (p Piece) corrupt(format string, args ...any) error {
	return fault.WithHint(fault.New(fault.Unsupported, p.Name+": "+format, args...), "the tool must write what its join reads; join: none publishes the files as they are")
}
