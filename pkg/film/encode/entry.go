package encode

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/mapreel/mapreel/pkg/film/input"
	"github.com/mapreel/mapreel/pkg/media"
)

// entry is where a worker begins to decode, so that it gets the whole segment.
type entry struct {
	seek  *media.Ticks // nil = the start of the input
	runUp int          // source chunks before the segment's own
}

// entry returns where the plan lets decoding begin.
func (a *attempt) entry() entry {
	e := entry{seek: new(a.segment.Seek), runUp: a.segment.RunUp}
	if a.needsNeighbours() {
		e.seek = new(min(a.segment.Seek, a.segment.LeadSync))
		e.runUp++
	}
	e.runUp = min(e.runUp, a.segment.SourceChunk())
	if a.segment.CutStart && *e.seek <= a.job.Source.FirstFrame() {
		e.seek = nil // the source may have no index to seek by
	}
	return e
}

// Searching an earlier entry: how much earlier each is than the planned one, and how many source
// chunks a worker reads before its own. What is not found then counts as lost: decoding from the
// start of the source for each damaged segment would take time that grows with the source's square.
var runUps = []time.Duration{2 * time.Second, 10 * time.Second, time.Minute}

const maxRunUp = 8

// earlierEntries returns entries before e, the latest first.
func (a *attempt) earlierEntries(e entry) []entry {
	var list []entry
	if a.job.Split {
		for n := 1; n < 2*maxRunUp && e.runUp < min(a.segment.SourceChunk(), maxRunUp); n *= 2 {
			last := min(e.runUp+n, a.segment.SourceChunk(), maxRunUp)
			if k := len(list); k > 0 && list[k-1].runUp == last {
				break
			}
			list = append(list, entry{seek: e.seek, runUp: last})
		}
		return list
	}
	if e.seek == nil {
		return nil
	}
	v := a.job.Source.Video
	for _, d := range runUps {
		at := *e.seek - v.Timebase.Ticks(d)
		if at <= a.job.Source.FirstFrame() {
			return append(list, entry{})
		}
		list = append(list, entry{seek: &at})
	}
	return list
}

// complete compares the frames of d with what the source holds of the segment. If some are missing,
// it decodes from earlier on. loss describes what is lost for good.
func (a *attempt) complete(ctx context.Context, d decoding) (_ decoding, loss string, err error) {
	if a.job.Source.Sequence != nil {
		return d, "", a.refuseUnreadable(d)
	}
	conceals, err := a.conceals(ctx, d)
	if err != nil {
		return d, "", err
	}
	if conceals {
		if entries := a.earlierEntries(d.from); len(entries) > 0 {
			if d, err = a.transcode(ctx, entries[0]); err != nil {
				return d, "", err
			}
		}
	}
	if a.segment.OpenStart() || a.missing(d) == 0 {
		return d, a.loss(d), nil // the first segment is decoded as one pass would
	}
	a.Log.WarnContext(ctx, "frames of a segment are missing, decoding from earlier on", "missing", a.missing(d), "got", len(d.times))
	earlier, err := a.earlierEntry(ctx, d)
	if err != nil || earlier == nil {
		return d, a.loss(d), err
	}
	again, err := a.transcode(ctx, *earlier)
	return again, a.loss(again), err
}

// intraOnly are the codecs that decode each frame for itself, and whose decoders show what is left of
// a damaged frame in a buffer that held an earlier one.
var intraOnly = []string{"mjpeg", "ffv1", "prores", "dvvideo"}

// conceals reports whether frames before the segment are needed for what is shown of a damaged one:
// the decoder repeats parts of an earlier picture where parts of a frame are lost. Of most codecs
// that matters only at the segment's first frame, because those after it have it to go by.
func (a *attempt) conceals(ctx context.Context, d decoding) (bool, error) {
	if a.segment.OpenStart() || a.damage.String() == "" || !d.any {
		return false, nil
	}
	if slices.Contains(intraOnly, a.job.Source.Video.Codec) {
		return true, nil
	}
	v, err := a.video(ctx, d.from)
	if err != nil {
		return false, err
	}
	_, damage, err := input.FirstFrameDamage(ctx, a.tools, a.Dir, v, a.limits(ctx, 0))
	return damage != "", err
}

// earlierEntry returns an entry before that of d at which decoding gives more of the segment; nil if
// none is found. Where frames are missing at the segment's start, it decodes up to the first frame
// only, and encodes nothing.
func (a *attempt) earlierEntry(ctx context.Context, d decoding) (*entry, error) {
	entries := a.earlierEntries(d.from)
	first := a.firstShown(d)
	if len(entries) == 0 {
		return nil, nil
	}
	if len(d.times) > 0 && d.times[0] <= first { // they are missing elsewhere: the decoder may need more of a run-up
		return &entries[min(1, len(entries)-1)], nil
	}
	var best *entry
	var shown *media.Ticks
	if len(d.times) > 0 {
		shown = &d.times[0]
	}
	for i, e := range entries {
		v, err := a.video(ctx, e)
		if err != nil {
			return nil, err
		}
		t, err := input.FirstFrame(ctx, a.tools, a.Dir, v, a.limits(ctx, 0))
		if err != nil {
			return nil, err
		}
		if t == nil || shown != nil && *t >= *shown {
			continue
		}
		// One earlier: frames that the decoder counts as whole may not be.
		best, shown = &entries[min(i+1, len(entries)-1)], t
		if *t <= first {
			break
		}
	}
	return best, nil
}

// firstShown returns when the segment's first frame is shown, as far as it is known without
// decoding.
func (a *attempt) firstShown(d decoding) media.Ticks {
	if len(d.packets) > 0 {
		return d.packets[0]
	}
	return a.segment.Start // a frame's, where the index holds the times
}

// missing returns by how many frames d differs from what the source declares.
func (a *attempt) missing(d decoding) int {
	switch {
	case a.job.Keyframes:
		return 0 // how many keyframes there are is not declared
	case a.segment.Frames > 0 && d.packets == nil:
		n := a.segment.Frames - len(d.times)
		return max(n, -n)
	default:
		return d.packets.missing(d.times)
	}
}

// loss describes the difference between the frames that the source declares and those of d.
func (a *attempt) loss(d decoding) string {
	switch n := a.missing(d); {
	case n == 0:
		return ""
	case a.segment.Frames > 0:
		return fmt.Sprintf("segment %d: the index declares %d frames, the source decodes to %d", a.segment.Index, a.segment.Frames, len(d.times))
	default:
		return fmt.Sprintf("segment %d: the source holds %d frames, and %d can be decoded", a.segment.Index, len(d.times)+n, len(d.times))
	}
}
