package verify

import (
	"context"
	"os"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/budget"
	"github.com/mapreel/mapreel/pkg/ffmpeg/decode"
	"github.com/mapreel/mapreel/pkg/ffmpeg/probe"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/overlay"
	"github.com/mapreel/mapreel/pkg/film/subtitle"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/verify/drawn"
)

// drawing is what the output's frames have over those of the source.
type drawing struct {
	folder string // of its files; "": there is none
	burn   ffmpeg.Burn
	laid   overlay.Laid
	pixels string // the path of those of laid; "": nothing is laid over them
}

// openDrawing prepares what the options, or else the job, say that lies over the output's frames. done removes what was written.
func (v *verification) openDrawing(ctx context.Context, o Options) (done func(), err error) {
	done = func() {}
	burnt := o.Job.Burn
	if o.Burn != nil {
		if burnt, err = v.findBurnt(*o.Burn, v.beside); err != nil {
			return done, err
		}
	}
	d := &v.drawing
	if d.laid = o.Job.Overlay; o.Overlay != nil {
		d.laid = o.Overlay.On(media.Size{}, "")
	}
	if burnt == nil && d.laid == (overlay.Laid{}) {
		return done, nil
	}
	if d.folder, err = os.MkdirTemp("", "mapreel-verify-"); err != nil {
		return done, err
	}
	done = func() { _ = os.RemoveAll(d.folder) }
	if d.laid != (overlay.Laid{}) {
		if d.laid, d.pixels, err = drawn.Pixels(d.laid, d.folder); err != nil {
			return done, err
		}
	}
	if burnt == nil {
		return done, nil
	}
	in, origin := v.source.input(burnt.Stream), sourceOrigin(v.source)
	if in.Jumps == nil {
		in.Origin = int64(origin)
	}
	if v.source.jumping() {
		origin -= media.Ticks(v.source.media.Start) // what is decoded counts from there
	}
	d.burn, err = drawn.Script(ctx, v.tools, in, *burnt, media.Microseconds.Duration(origin), d.folder, budget.Worker{}.Limit(ctx, budget.Sidecar(v.source.declared)))
	return done, err
}

// findBurnt returns the subtitles of the source that b names.
func (v *verification) findBurnt(b subtitle.Burn, files []subtitle.File) (*film.BurntSubtitles, error) {
	var src film.Source
	for _, s := range streamsOf(v.source.media, "subtitle") {
		t := film.SubtitleTrack{Stream: s.Index, Codec: s.Codec, IsText: !isBitmap(s), Language: s.Language, Title: s.Title}
		if s.Index == beside && len(files) > 0 {
			t.Stream, t.File, files = 0, files[0].File, files[1:]
		}
		src.Subtitles = append(src.Subtitles, t)
	}
	burnt, _, problem := src.Burnt(b)
	if problem != "" {
		return nil, fault.New(fault.Invalid, "%s", problem)
	}
	return &burnt, nil
}

// draw has the decoder of a source draw over its frames, as they are in the picture of an output.
func (v *verification) draw(from *decode.Video, source, output probe.Stream) {
	from.Burn, from.BurnAspect = v.drawing.burn, output.SAR
	if v.drawing.pixels == "" {
		return
	}
	width, height := displayedSize(output)
	l := v.drawing.laid
	at := l.Place(media.Size{Width: width, Height: height}, output.SAR)
	from.Overlay = ffmpeg.Overlay{Path: v.drawing.pixels, Size: l.Size, Width: at.Width, Height: at.Height, X: at.X, Y: at.Y}
	from.OverlayMatrix = ffmpeg.ScalerMatrix(output.Color.Space, min(source.Width, source.Height) >= hdLines)
}
