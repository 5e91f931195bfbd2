package preview

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/ffmpeg/assemble"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/isobmff"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/work"
)

// framesScale is the timescale of the thumbnails as a video: microseconds, as Pictures.Time has them.
const framesScale = 1_000_000

// FramesTrack returns the track of the thumbnails of a preview as a video of its own, of which each thumbnail is a frame.
func FramesTrack(p film.Pictures) isobmff.Track {
	return isobmff.MotionJPEG(p.Size.Width, p.Size.Height, framesScale)
}

// framesName returns the name of the file that has the thumbnails of sheet n as frames.
func framesName(n int64) string { return fmt.Sprintf("thumbnails/%04d.m4s", n) }

// FramesInit is the name of the initialisation segment of those files.
const FramesInit = "thumbnails/init.mp4"

// frames publishes the thumbnails of a sheet, which assemble has left in the working folder, as fragments with one frame each: what an
// I-frame playlist addresses by ranges, so that there is one file for each sheet and not for each thumbnail.
func (a *attempt) frames(ctx context.Context) (*film.FrameFile, error) {
	track, origin := FramesTrack(a.pictures), a.mediaTime()
	file := &film.FrameFile{Path: framesName(a.slice.From / a.plan.Unit)}
	var runs []isobmff.SampleRun
	var tiles []string
	for k := a.slice.From; k < a.slice.To; k++ {
		name := filepath.Join(a.Dir, assemble.Tile(int(k-a.slice.From)))
		info, err := os.Stat(name)
		if err != nil {
			return nil, err
		}
		start, end := a.pictures.Time(k), a.slice.End
		if k+1 < a.slice.To {
			end = a.pictures.Time(k + 1)
		}
		tiles = append(tiles, name)
		runs = append(runs, track.Picture(uint32(k+1), int64(origin+start), int64(origin+max(end, start+1)), int(info.Size())))
	}
	segment, err := isobmff.NewSegment(runs, 0)
	if err != nil {
		return nil, err
	}
	for _, f := range segment.Fragments {
		file.Sizes = append(file.Sizes, f.Keyframe.Length)
	}
	store, key, err := a.store(ctx, file.Path)
	if err != nil {
		return nil, err
	}
	info, err := blob.Write(ctx, store, key, func(w io.Writer) error { return segment.Write(w, &concatenated{names: tiles}) })
	if err == nil {
		a.artifacts = append(a.artifacts, work.Artifact{Folder: a.folder(), Key: file.Path, Size: info.Size})
	}
	return file, err
}

// mediaTime returns the media time of the film's first frame in a package, in microseconds.
func (a *attempt) mediaTime() media.Ticks {
	v := a.job.Source.Video
	return film.MediaTimeOffset*framesScale + media.Rescale(v.Start, v.Timebase, media.Microseconds) - a.job.Source.Origin.In(media.Microseconds)
}

// concatenated reads files one after the other. It has one of them open at a time.
type concatenated struct {
	names []string
	open  *os.File
}

func (c *concatenated) Read(p []byte) (int, error) {
	for {
		if c.open == nil {
			if len(c.names) == 0 {
				return 0, io.EOF
			}
			f, err := os.Open(c.names[0])
			if err != nil {
				return 0, err
			}
			c.open, c.names = f, c.names[1:]
		}
		n, err := c.open.Read(p)
		if err == io.EOF { //nolint:errorlint // os.File returns it bare
			_ = c.open.Close() // it was only read
			c.open, err = nil, nil
		}
		if n > 0 || err != nil {
			return n, err
		}
	}
}
