package encode

import (
	"context"
	"math"
	"slices"
	"strings"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg/encode"
	"github.com/mapreel/mapreel/pkg/film/input"
)

// stageFrames sets the input of v, which decodes the segment of an image sequence from e: a folder with the frames of the segment, and
// with the neighbours that filters and encoders look at.
func (a *attempt) stageFrames(ctx context.Context, v *encode.Video, e entry) (err error) {
	from, to := int64(a.job.Source.FirstFrame()), int64(math.MaxInt64)
	if e.seek != nil {
		from = int64(*e.seek)
	}
	if end := v.ReadEnd(); end != nil {
		to = *end
	}
	v.Input, a.frames, err = input.Sequence(ctx, a.Env, a.job.Source, from, to)
	return err
}

// namedFrames is how many frames an error names.
const namedFrames = 5

// refuseUnreadable returns an error that names the frames of the segment that could not be decoded. A frame of another file
// cannot stand in for one, so nothing of the segment is kept.
func (a *attempt) refuseUnreadable(d decoding) error {
	var names []string
	missing, first := 0, d.input
	for n := a.segment.Start; n < a.segment.End; n++ {
		if _, ok := slices.BinarySearch(d.times, n); ok {
			continue
		}
		if i := int64(n) - first; len(names) < namedFrames && i >= 0 && i < int64(len(a.frames)) {
			names = append(names, a.frames[i])
		}
		missing++
	}
	damage := a.damage.String()
	switch {
	case missing > len(names):
		return fault.New(fault.Corrupt, "%d frames cannot be decoded: %s and others", missing, strings.Join(names, ", "))
	case missing > 0:
		return fault.New(fault.Corrupt, "frames cannot be decoded: %s", strings.Join(names, ", "))
	case damage != "":
		return fault.New(fault.Corrupt, "one of the frames %s to %s is damaged: %s", a.frames[0], a.frames[len(a.frames)-1], damage)
	}
	return nil
}
