package encode

import (
	"path"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg/encode"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/media"
)

// choose makes the job that of the segment's source, where several are joined.
func (a *attempt) choose() error {
	a.film = a.job
	if n := len(a.film.Source.Joined); n > 0 && (a.segment.Source < 0 || a.segment.Source >= n) {
		return fault.New(fault.Corrupt, "segment %d is of source %d of %d", a.segment.Index, a.segment.Source+1, n)
	}
	a.job = a.film.Of(a.segment.Source)
	return nil
}

// joined returns the segment's source, where several are joined; otherwise nil.
func (a *attempt) joined() *film.JoinedSource {
	if len(a.film.Source.Joined) == 0 {
		return nil
	}
	return &a.film.Source.Joined[a.segment.Source]
}

// clock returns how times of the source become those of the film; nil where they are the same.
func (a *attempt) clock() *encode.Clock {
	one := a.joined()
	if one == nil {
		return nil
	}
	return &encode.Clock{Timebase: one.Source.Video.Timebase, Shift: int64(one.Shift)}
}

// inFilm converts times of the source to those of the film.
func (a *attempt) inFilm(times []int64) []int64 {
	one := a.joined()
	if one == nil {
		return times
	}
	list := make([]int64, len(times))
	for i, t := range times {
		list[i] = int64(one.InFilm(media.Ticks(t), a.job.Source.Video.Timebase))
	}
	return list
}

// conform gives a rendition of a joined source everything that all chunks of the film must have in common.
func (a *attempt) conform(r *encode.Rendition, n int) {
	if a.joined() == nil {
		return
	}
	common := renditionIn(a.film.Renditions[n], *a.film.Source.Video, a.segment, r.GPU, "")
	if a.segment.Source > 0 || r.Color != common.Color {
		r.From = &encode.Colours{Color: r.Color, HD: r.HD}
	}
	r.Color, r.HD, r.HDR, r.FrameRate, r.Before = common.Color, common.HD, common.HDR, common.FrameRate, common.Before
}

// checkJoined refuses frames that are not within the length that a joined source declares: there is no place for them in the film.
func (a *attempt) checkJoined(times []media.Ticks) error {
	one := a.joined()
	if one == nil || len(times) == 0 {
		return nil
	}
	v := a.job.Source.Video
	before := a.segment.Index > 0 && times[0] < v.Start
	if after := !a.segment.Last && times[len(times)-1] >= v.End; before || after {
		return fault.WithHint(fault.New(fault.Unsupported, "%s has frames before or after the time that it declares, and cannot be joined", path.Base(one.Source.URL)),
			"copy it into a new file first: ffmpeg -i SOURCE -map 0 -c copy NEW.mp4")
	}
	return nil
}
