package remote

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg/sequence"
	"github.com/mapreel/mapreel/pkg/media"
)

// missing reports whether there is no file at path.
func missing(path string) bool {
	_, err := os.Stat(path)
	return errors.Is(err, fs.ErrNotExist)
}

// framesIdentity returns what tells the frames of a sequence on this machine from others under the same names.
func framesIdentity(source string) (string, error) {
	pattern, _ := media.ParsePattern(source)
	entries, err := os.ReadDir(filepath.Dir(source))
	if err != nil {
		return "", fault.WithHint(fault.Wrap(fault.Invalid, err, "read the frames"), "check the path of the source")
	}
	var files []sequence.File
	for _, e := range entries {
		if info, err := os.Stat(filepath.Join(filepath.Dir(source), e.Name())); err == nil && info.Mode().IsRegular() {
			files = append(files, sequence.File{Name: e.Name(), Size: info.Size(), Version: info.ModTime().UTC().String()})
		}
	}
	frames := sequence.Frames(pattern, files)
	if len(frames) == 0 {
		return "", fault.WithHint(fault.New(fault.Invalid, "no file matches %s", source), "check the path of the source")
	}
	version, _ := sequence.Version(frames)
	return version, nil
}
