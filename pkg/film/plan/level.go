package plan

import (
	"cmp"
	"fmt"
	"strconv"
	"strings"

	"github.com/mapreel/mapreel/pkg/ffmpeg/encoderoption"
	"github.com/mapreel/mapreel/pkg/film"
)

// fitLevel returns an error if the level of a rendition does not hold its frames. x264 would declare it all the same. It also limits
// the frames that x264 refers to, to those that a decoder of the level keeps.
func fitLevel(r *film.Rendition, track film.VideoTrack, gpu bool) error {
	if r.Level == "" {
		return nil
	}
	rate := r.Rate
	if !rate.Known() {
		rate = track.FrameRate
	}
	lowest, kept := encoderoption.Level(r.Level, r.Width, r.Height, rate.Num, rate.Den)
	if lowest != r.Level {
		return fmt.Errorf("level %s does not hold %dx%d at %s frames a second; the lowest that does is %s",
			r.Level, r.Width, r.Height, film.FrameRate(rate), cmp.Or(lowest, "none"))
	}
	if gpu {
		return nil
	}
	options, err := encoderoption.Parse("libx264", r.EncoderOptions)
	if err != nil {
		return err
	}
	switch ref := encoderoption.Value(options, "ref"); {
	case ref != "":
		if n, err := strconv.Atoi(ref); err == nil && n > kept {
			return fmt.Errorf("ref=%d: a decoder of level %s keeps %d frames of %dx%d", n, r.Level, kept, r.Width, r.Height)
		}
	case encoderoption.References(r.Preset, r.Tune) > kept:
		r.EncoderOptions = strings.TrimPrefix(r.EncoderOptions+":ref="+strconv.Itoa(kept), ":")
	}
	return nil
}
