package input

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"

	"golang.org/x/sync/errgroup"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/sequence"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/render"
	"github.com/mapreel/mapreel/pkg/work"
)

// Frames are the frames of an image sequence in a store.
type Frames struct {
	store  blob.Store
	folder string            // of their keys
	keys   map[string]string // by their names, where that is not their key in the folder
	Files  []sequence.File
}

// ListFrames finds the frames of the image sequence whose pattern is the last element of key.
func ListFrames(ctx context.Context, store blob.Store, key string) (Frames, error) {
	pattern, ok := media.ParsePattern(key)
	if !ok {
		return Frames{}, fault.New(fault.Internal, "%s names no image sequence", path.Base(key))
	}
	f := Frames{store: store, folder: path.Dir(key)}
	var files []sequence.File
	prefix := pattern.Prefix()
	if f.folder != "." {
		prefix = f.folder + "/" + prefix
	}
	for info, err := range blob.ListFolder(ctx, store, prefix) {
		if err != nil {
			return f, err
		}
		if name := path.Base(info.Key); pattern.Match(name) {
			files = append(files, sequence.File{Name: name, Size: info.Size, Version: info.Version})
		}
		if len(files) > sequence.MaxFrames {
			break
		}
	}
	f.Files = sequence.Frames(pattern, files)
	return f, nil
}

// Open implements sequence.Opener.
func (f Frames) Open(ctx context.Context, file sequence.File) (sequence.Reader, error) {
	return struct {
		io.ReaderAt
		io.Closer
	}{blob.ReaderAt(ctx, f.store, f.key(file), file.Size), io.NopCloser(nil)}, nil
}

func (f Frames) key(file sequence.File) string {
	if key, ok := f.keys[file.Name]; ok {
		return key
	}
	return path.Join(f.folder, file.Name)
}

// copies is how many frames are copied from a bucket at once.
const copies = 8

// Stage puts the frames from ≤ n < to into folder dir, under the names of an ffmpeg.Sequence: as links, or as copies of
// objects in a bucket. It may run again.
func (f Frames) Stage(ctx context.Context, dir, extension string, from, to int) error {
	if _, err := os.Stat(dir); err == nil {
		return nil
	}
	partial := dir + ".part"
	if err := errors.Join(os.RemoveAll(partial), os.Mkdir(partial, 0o700)); err != nil {
		return err
	}
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(copies)
	for i, file := range f.Files[from:to] {
		target := filepath.Join(partial, ffmpeg.SequenceName(i, extension))
		location, err := f.store.Locate(ctx, f.key(file))
		if err != nil {
			return errors.Join(err, group.Wait())
		}
		if filepath.IsAbs(location) {
			if err := os.Symlink(location, target); err != nil {
				return errors.Join(err, group.Wait())
			}
			continue
		}
		group.Go(func() error { return f.copy(inner, file, target) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return os.Rename(partial, dir)
}

// copy copies a frame to a file.
func (f Frames) copy(ctx context.Context, file sequence.File, target string) error {
	from, err := f.store.Open(ctx, f.key(file), 0, -1)
	if err != nil {
		return err
	}
	defer from.Close() //nolint:errcheck // it was only read
	to, err := os.Create(target)
	if err != nil {
		return err
	}
	_, err = io.Copy(to, from)
	if err = errors.Join(err, to.Close()); err != nil {
		return fmt.Errorf("copy frame %s: %w", file.Name, err)
	}
	return nil
}

// SequenceInput returns how ffmpeg reads the frames of a sequence from folder dir, of which first is the first.
func SequenceInput(s film.FrameSequence, dir string, first int64) ffmpeg.Input {
	return ffmpeg.Input{Location: dir, Demuxer: "image2", FirstFrame: first, Sequence: &ffmpeg.Sequence{
		Extension: s.Extension, Rate: s.Rate, Alpha: s.Alpha, Deep: s.Deep, Mixed: s.Mixed, Background: s.Background,
	}}
}

// framesOf returns the frames of a job's source: those that it has rendered, or those that were there when it began.
func framesOf(ctx context.Context, env *work.Env, src film.Source) (Frames, error) {
	if src.Sequence.Numbers != "" {
		return rendered(env, src)
	}
	store, key, err := env.Resolve(ctx, src.URL)
	if err != nil {
		return Frames{}, err
	}
	f, err := ListFrames(ctx, store, key)
	if err != nil {
		return f, err
	}
	if version, _ := sequence.Version(f.Files); version != src.Version {
		return f, fault.WithHint(fault.New(fault.Invalid, "the frames of %s have changed since the job began", path.Base(key)),
			"run the same command again: it begins a new job")
	}
	return f, nil
}

// rendered returns the frames that the job's units have rendered.
func rendered(env *work.Env, src film.Source) (Frames, error) {
	numbers, err := render.ParseFrames(src.Sequence.Numbers, 1)
	if err != nil {
		return Frames{}, fault.Wrap(fault.Corrupt, err, "record of job "+env.Job)
	}
	f := Frames{store: env.Scratch, keys: map[string]string{}}
	for i, n := range numbers {
		name := render.FileName(n, render.PNG)
		f.Files, f.keys[name] = append(f.Files, sequence.File{Name: name}), render.Key(env.Job, i, render.PNG)
	}
	return f, nil
}

// Sequence stages the frames from ≤ n < to of a job's source in the working folder, and returns how ffmpeg reads them, and
// their names.
func Sequence(ctx context.Context, env *work.Env, src film.Source, from, to int64) (in ffmpeg.Input, names []string, err error) {
	f, err := framesOf(ctx, env, src)
	if err != nil {
		return in, nil, err
	}
	last := int64(len(f.Files))
	from, to = max(min(from, last-1), 0), max(min(to, last), min(from+1, last))
	dir := filepath.Join(env.Dir, fmt.Sprintf("frames-%d-%d", from, to))
	if err := f.Stage(ctx, dir, src.Sequence.Extension, int(from), int(to)); err != nil {
		return in, nil, err
	}
	for _, file := range f.Files[from:to] {
		names = append(names, file.Name)
	}
	return SequenceInput(*src.Sequence, dir, from), names, nil
}
