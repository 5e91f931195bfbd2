package plan

import (
	"time"

	"github.com/mapreel/mapreel/pkg/film"
)

const (
	// thumbnailSide is the size of a thumbnail's longer side, in pixels: what players show above their
	// seek bars, on a screen of twice as many pixels.
	thumbnailSide = 240
	// sheetSide is the largest number of thumbnails in a row and in a column of a sheet. A player loads a whole
	// sheet, some 100 kB, to show one.
	sheetSide = 5
)

// thumbnailIntervals are the distances of thumbnails, by the length of the film up to which they apply: a
// seek bar has a few hundred pixels, and the viewer sees each of them.
var thumbnailIntervals = []struct{ length, interval time.Duration }{
	{10 * time.Minute, time.Second}, {time.Hour, 2 * time.Second}, {4 * time.Hour, 5 * time.Second}, {24 * time.Hour, 10 * time.Second},
}

// maxThumbnails bounds the thumbnails of a film that is longer.
const maxThumbnails = 10_000

// AddThumbnails adds sheets of thumbnails to the packages of a job that want them. There are none of a
// source that does not say how long it is.
func AddThumbnails(j *film.Job) {
	v := j.Source.Video
	if v == nil || !j.Split && v.End <= v.Start {
		return
	}
	pictures := film.Pictures{
		Rate: rateOf(film.Seconds(thumbnailInterval(time.Duration(j.Source.Duration) * time.Microsecond))), Shown: true, Format: film.QOI,
		ToneMap: v.Color.HDR(), Deinterlace: v.Interlaced != "",
	}
	for i := range j.Outputs {
		out := &j.Outputs[i]
		if !out.Container.Packaged() || len(out.TrickPlay) == 0 {
			continue
		}
		pictures.Region, pictures.Filter = j.Renditions[out.Renditions[0]].Region, j.Renditions[out.Renditions[0]].Filter
		pictures.Size, pictures.Scaled = pictureSize(regionTrack(*v, pictures.Region), thumbnailOf(*v, pictures.Region))
		out.Previews = append(out.Previews, film.PreviewPlan{
			Form: film.Sprites, Pictures: indexOfPictures(j, pictures), Format: film.JPEG,
			Columns: sheetSide, Rows: sheetSide, Unit: sheetSide * sheetSide,
			Frames: out.Container != film.DASH,
		})
	}
}

// thumbnailOf returns the settings of thumbnails of a region of a video track.
func thumbnailOf(v film.VideoTrack, r film.Region) film.Preview {
	size := displaySize(regionTrack(v, r))
	if size.Width < size.Height {
		return film.Preview{Width: max(thumbnailSide*size.Width/max(size.Height, 1), 1)}
	}
	return film.Preview{Width: thumbnailSide}
}

// thumbnailInterval returns the distance of thumbnails of a film.
func thumbnailInterval(length time.Duration) time.Duration {
	for _, i := range thumbnailIntervals {
		if length <= i.length {
			return i.interval
		}
	}
	return (length/maxThumbnails + time.Second).Truncate(time.Second)
}
