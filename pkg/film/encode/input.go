package encode

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/input"
)

// input returns what ffmpeg reads: the source itself, or the segment's source chunk, those of the
// run-up before it, and the next one, in which an open GOP has frames that are shown before its
// keyframe.
func (a *attempt) input(ctx context.Context, e entry) (ffmpeg.Input, error) {
	if a.job.Source.Sequence != nil {
		return ffmpeg.Input{}, nil // stageFrames completes it
	}
	if !a.job.Split {
		return input.Source(ctx, a.Resolve, a.job.Source)
	}
	in := ffmpeg.Input{Demuxer: "mov", TimestampOffset: ffmpeg.Offset}
	var err error
	if in.Location, err = a.sourceChunk(ctx, a.segment.SourceChunk()); err == nil && a.chunkFollows() {
		in.Next, err = a.sourceChunk(ctx, a.segment.SourceChunk()+1)
	}
	for n := e.runUp; err == nil && n > 0; n-- {
		var name string
		name, err = a.sourceChunk(ctx, a.segment.SourceChunk()-n)
		in.Previous = append(in.Previous, name)
	}
	return in, err
}

// chunkFollows reports whether there is a source chunk after the segment's.
func (a *attempt) chunkFollows() bool {
	return !a.segment.Last || a.segment.CutEnd && a.segment.NextKeyframe != nil
}

// sourceChunk returns the name of source chunk i in the working folder, or where ffmpeg reads it if
// it is the only one. ffmpeg reads several files as one only by names without "|", and only local
// ones with the options that a connection needs, so the folder gets a link with a plain name, or a
// copy of a remote object: of the segment, its run-up and the next.
func (a *attempt) sourceChunk(ctx context.Context, i int) (string, error) {
	name := fmt.Sprintf("source-%d.mp4", i)
	path := filepath.Join(a.Dir, name)
	if _, err := os.Lstat(path); err == nil {
		return name, nil // from an entry before this one
	}
	key := film.SourceChunkKey(a.job.ID, a.job.Source.Jumps, i)
	location, err := a.Scratch.Locate(ctx, key)
	switch {
	case err != nil:
		return "", err
	case filepath.IsAbs(location):
		return name, os.Symlink(location, path)
	case a.segment.SourceChunk() == 0 && !a.chunkFollows():
		return location, nil
	}
	from, err := a.Scratch.Open(ctx, key, 0, -1)
	if err != nil {
		return "", err
	}
	defer from.Close() //nolint:errcheck // it was only read
	partial := path + ".part"
	to, err := os.Create(partial)
	if err != nil {
		return "", err
	}
	_, err = io.Copy(to, from)
	if err = errors.Join(err, to.Close()); err != nil {
		return "", fmt.Errorf("copy source chunk %d: %w", i, err)
	}
	return name, os.Rename(partial, path)
}
