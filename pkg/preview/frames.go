package preview

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/mapreel/mapreel/pkg/blob"
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

// publishFrames publishes the thumbnails of a sheet, as JPEG files, as fragments with one frame each: what an I-frame playlist addresses
// by ranges, so that there is one file for each sheet and not for each thumbnail.
func (a *attempt) publishFrames(ctx context.Context, tiles [][]byte) error {
	track, origin := FramesTrack(a.pictures), a.mediaTime()
	var runs []isobmff.SampleRun
	for i, tile := range tiles {
		k := a.slice.From + int64(i)
		start, end := a.pictures.Time(k), a.slice.End
		if k+1 < a.slice.To {
			end = a.pictures.Time(k + 1)
		}
		runs = append(runs, track.Picture(uint32(k+1), int64(origin+start), int64(origin+max(end, start+1)), len(tile)))
	}
	segment, err := isobmff.NewSegment(runs, 0)
	if err != nil {
		return err
	}
	a.frames = &film.FrameFile{Path: framesName(a.slice.From / a.plan.Unit)}
	for _, f := range segment.Fragments {
		a.frames.Sizes = append(a.frames.Sizes, f.Keyframe.Length)
	}
	store, key, err := a.store(ctx, a.frames.Path)
	if err != nil {
		return err
	}
	info, err := blob.Write(ctx, store, key, func(w io.Writer) error { return segment.Write(w, bytes.NewReader(slices.Concat(tiles...))) })
	if err == nil {
		a.artifacts = append(a.artifacts, work.Artifact{Folder: a.folder(), Key: a.frames.Path, Size: info.Size})
	}
	return err
}

// mediaTime returns the media time of the film's first frame in a package, in microseconds.
func (a *attempt) mediaTime() media.Ticks {
	v := a.job.Source.Video
	return film.MediaTimeOffset*framesScale + media.Rescale(v.Start, v.Timebase, media.Microseconds) - a.job.Source.Origin.In(media.Microseconds)
}
