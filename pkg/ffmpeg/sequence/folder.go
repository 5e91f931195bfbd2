package sequence

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/media"
)

// Extent is how much a sequence holds.
type Extent struct {
	Frames int
	Size   int64 // bytes
}

// Open returns how ffmpeg reads the image sequence at path on this machine, whose last element is a pattern. Its links to the
// frames are in dir, which must not exist yet. how has the rate and the background.
func Open(ctx context.Context, path, dir string, how ffmpeg.Sequence) (in ffmpeg.Input, has Extent, err error) {
	pattern, ok := media.ParsePattern(path)
	if !ok {
		return in, has, fault.New(fault.Invalid, "%s names no image sequence", path)
	}
	folder := filepath.Dir(path)
	entries, err := os.ReadDir(folder)
	if err != nil {
		return in, has, fault.Wrap(fault.KindOf(err), err, "read "+folder)
	}
	var files []File
	for _, e := range entries {
		info, err := os.Stat(filepath.Join(folder, e.Name()))
		if err == nil && info.Mode().IsRegular() {
			files = append(files, File{Name: e.Name(), Size: info.Size(), Version: info.ModTime().String()})
		}
	}
	frames := Frames(pattern, files)
	found, err := Examine(ctx, filepath.Base(path), frames, func(_ context.Context, f File) (Reader, error) {
		return os.Open(filepath.Join(folder, f.Name))
	})
	if err != nil {
		return in, has, err
	}
	how.Extension, how.Alpha, how.Deep, how.Mixed = Extensions[found.First.Format], found.Alpha, found.Deep, found.Mixed
	if err := os.Mkdir(dir, 0o700); err != nil {
		return in, has, err
	}
	for i, f := range frames {
		has.Frames, has.Size = i+1, has.Size+f.Size
		if err := os.Symlink(filepath.Join(folder, f.Name), filepath.Join(dir, ffmpeg.SequenceName(i, how.Extension))); err != nil {
			return in, has, fmt.Errorf("link to frame %s: %w", f.Name, err)
		}
	}
	return ffmpeg.Input{Location: dir, Demuxer: "image2", Sequence: &how}, has, nil
}
