package encode

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/encode"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/work"
)

// hdLines is the number of lines from which players take undeclared colours for those of HD.
const hdLines = 720

// picturesIn returns how ffmpeg takes pictures of a video track in one segment. i numbers the sequence.
func picturesIn(p film.Pictures, v film.VideoTrack, seg film.Segment, i int) encode.Pictures {
	out := encode.Pictures{
		Rate: p.Rate, Shown: p.Shown, Only: p.Times, Origin: int64(v.Start), End: p.Number(p.Count(v)-1) + 1, Scaled: p.Scaled, Size: p.Size,
		Deinterlace: p.Deinterlace, FromRGB: v.RGB(), PixelFormat: v.PixelFormat, Color: v.Color, HD: min(v.Width, v.Height) >= hdLines,
		Format: string(p.Format), Path: pictureName(i, "%d", p.Format),
	}
	out.Region, out.Filter = ffmpeg.Region(p.Region), p.Filter
	if p.ToneMap {
		out.ToneMap = &encode.ToneMap{From: v.Color, Peak: peak(v.HDR)}
	}
	if seg.OpenEnd() {
		return out
	}
	// The filter gives a picture when it sees the frame after the one that the picture shows. Where the index has the times of the
	// frames, the segment's end is one. Elsewhere the next frame may come later, and until then the last one is shown.
	end, ahead := p.Moment(seg.End, v), seg.End+1
	if seg.Frames == 0 || seg.CutEnd {
		end, ahead = end+1, p.Tick(end+1, v)+1
	}
	out.End, out.Ahead = min(out.End, max(end, 0)), new(int64(ahead))
	return out
}

// pictureName returns the name of a picture in the working folder.
func pictureName(sequence int, number string, format film.PictureFormat) string {
	return fmt.Sprintf("picture-%d-%s.%s", sequence, number, format)
}

// removePictures removes all pictures from the working folder.
func (a *attempt) removePictures() error {
	if len(a.job.Pictures) == 0 {
		return nil
	}
	names, err := os.ReadDir(a.Dir)
	if err != nil {
		return err
	}
	for _, n := range names {
		if !strings.HasPrefix(n.Name(), "picture-") {
			continue
		}
		if err := os.Remove(filepath.Join(a.Dir, n.Name())); err != nil {
			return err
		}
	}
	return nil
}

// storePictures stores the pictures of the segment, one after the other. times are the timestamps of its frames. It checks that
// there is a picture for each number that the frames stand for.
func (a *attempt) storePictures(ctx context.Context, i int, times []media.Ticks) (film.PictureChunk, error) {
	p, v := a.job.Pictures[i], *a.job.Source.Video
	var chunk film.PictureChunk
	if len(times) == 0 {
		return chunk, nil
	}
	chunk.First = max(p.Slot(times[0], v), 0)
	next := p.Count(v)
	if a.segment.Frames > 0 && !a.segment.Last { // its end is the time of a frame
		next = min(next, max(p.Slot(a.segment.End, v), 0))
	}
	if a.next != nil {
		next = min(next, p.Slot(*a.next, v))
	}
	var names []string
	for k := chunk.First; k < next; k++ {
		name := filepath.Join(a.Dir, pictureName(i, fmt.Sprint(p.Number(k)), p.Format))
		info, err := os.Stat(name)
		if errors.Is(err, fs.ErrNotExist) {
			break
		}
		if err != nil {
			return chunk, err
		}
		names, chunk.Sizes = append(names, name), append(chunk.Sizes, info.Size())
		chunk.Size += info.Size()
	}
	// After the last picture, the last frame is on screen for as long as there is no other.
	if known := p.Slot(times[len(times)-1], v) + 1; a.segment.Frames > 0 && !a.segment.Last && chunk.First+int64(len(names)) < min(known, next) {
		return chunk, fault.New(fault.Corrupt, "%d of the pictures %d to %d were made", len(names), chunk.First, next-1)
	}
	if len(names) == 0 {
		return chunk, nil
	}
	chunk.Key = a.Key(len(a.job.Renditions)+i, "pictures")
	_, err := blob.Write(ctx, a.Scratch, chunk.Key, func(w io.Writer) error {
		for _, name := range names {
			if err := copyFile(w, name); err != nil {
				return err
			}
		}
		return nil
	})
	if err == nil {
		a.artifacts = append(a.artifacts, work.Artifact{Key: chunk.Key, Size: chunk.Size, For: film.SlicesPhase})
	}
	return chunk, err
}

// copyFile writes a file to w.
func copyFile(w io.Writer, name string) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // it was only read
	_, err = io.Copy(w, f)
	return err
}
