package verify

import (
	"context"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/budget"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/verify/picture"
)

// listing returns the limits of ffprobe when it lists the packets of a stream.
func (f *file) listing(ctx context.Context) ffmpeg.Limits {
	return budget.Worker{}.Limit(ctx, budget.Packets(f.declared))
}

// decoding returns the limits of ffmpeg when it decodes a video stream.
func (f *file) decoding(stream int) ffmpeg.Limits {
	for _, s := range f.media.Streams {
		if s.Index != stream || s.Type != "video" {
			continue
		}
		rate := 0.0
		for _, r := range []media.Rational{s.AverageRate, s.BaseRate} {
			if r.Known() {
				rate = max(rate, float64(r.Num)/float64(r.Den))
			}
		}
		return budget.DecodedVideo(f.declared, s.Width, s.Height, rate)
	}
	return budget.DecodedVideo(f.declared, 0, 0, 0)
}

// decoderMemory returns how much memory each of the two decoders may hold: an equal share with this
// program, which holds as many frames.
func decoderMemory() int64 { return budget.Worker{}.Available() / 3 }

// windowFrames is how many frames this program holds to compare two videos: a window of three of each,
// one of each as it is read, and what waits in pipes.
const windowFrames = 10

// checkMemory refuses to compare frames that the machine's memory does not hold.
func checkMemory(f picture.Format) error {
	need, have := windowFrames*int64(f.Bytes()), decoderMemory()
	if have <= 0 || need <= have {
		return nil
	}
	return fault.WithHint(fault.New(fault.OutOfSpace, "comparing frames of %d x %d takes %d MB of memory in each of three programs, and there are %d MB for each",
		f.Width, f.Height, need/1e6, have/1e6), "compare them on a machine, or in a container, with more memory")
}

// maxPackageFiles bounds how many files of a package are looked at for their size.
const maxPackageFiles = 100_000

// sizeOf returns the size of a file, or of all files that lie in a package's folder.
func sizeOf(path, demuxer string) int64 {
	if !isPlaylist(demuxer) {
		info, err := os.Stat(path)
		if err != nil {
			return 0
		}
		return info.Size()
	}
	var size int64
	seen := 0
	_ = filepath.WalkDir(filepath.Dir(path), func(_ string, entry fs.DirEntry, err error) error { // what cannot be read is not counted
		if seen++; seen > maxPackageFiles {
			return fs.SkipAll
		}
		if err == nil && entry.Type().IsRegular() {
			if info, err := entry.Info(); err == nil {
				size += info.Size()
			}
		}
		return nil
	})
	return size
}
