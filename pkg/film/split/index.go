package split

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/plan"
	"github.com/mapreel/mapreel/pkg/isobmff"
	"github.com/mapreel/mapreel/pkg/media"
)

// index is the index of the source chunks as it is stored. It may be too large for the ledger's
// record of a unit.
type index struct {
	Start media.Ticks   `json:"start"` // of the first frame
	End   media.Ticks   `json:"end"`   // of the last frame
	Sync  []media.Ticks `json:"sync"`  // the keyframe that each source chunk begins with

	// Recovery and Chunks are those of plan.Index, of a source with intra refresh.
	Recovery media.Ticks       `json:"recovery,omitempty"`
	Chunks   []plan.ChunkEntry `json:"chunks,omitempty"`

	measured int         // number of source chunks that gave Recovery
	latest   media.Ticks // when the last frame of all begins
	last     media.Ticks // when the last frame of the latest source chunk begins
	frames   media.Ticks // how many there are
	uneven   bool        // the frames of a source chunk are not at the constant rate
}

// hasRate reports whether all frames are at a constant rate, which add was given.
func (x *index) hasRate(rate, tb media.Rational) bool {
	whole := plan.Index{Start: x.Start, Sync: append(slices.Clone(x.Sync), x.latest)}
	return !x.uneven && whole.HasRate(rate, tb) && x.frames == 1+media.Rescale(x.latest-x.Start, tb, media.Rational{Num: rate.Den, Den: rate.Num})
}

// add adds a source chunk, which holds at least one frame. rate is the constant frame rate that the
// source seems to have.
func (x *index) add(chunk isobmff.Chunk, rate media.Rational) {
	times := media.TicksOf(chunk.Presentation())
	x.frames += media.Ticks(len(times))
	x.uneven = x.uneven || !plan.Index{Times: times}.HasRate(rate, media.Rational{Num: 1, Den: int64(chunk.Track.Timescale)})
	first, last := times[0], times[len(times)-1]
	if len(x.Sync) == 0 {
		x.Start, x.latest = first, last
	}
	x.Start, x.latest, x.last = min(x.Start, first), max(x.latest, last), last
	x.Sync = append(x.Sync, media.Ticks(chunk.Start+int64(chunk.Samples[0].Offset)))
	entry := plan.ChunkEntry{}
	for _, s := range chunk.Samples {
		if s.Sync {
			entry.Syncs++
		}
	}
	x.Chunks = append(x.Chunks, entry)
	x.End = max(x.End, last+media.Ticks(chunk.Samples[len(chunk.Samples)-1].Duration))
}

// putIndex stores the index of the source chunks.
func (a *attempt) putIndex(ctx context.Context, x index) error {
	x.End = max(x.End, x.latest+1) // the last sample may have no duration
	if !slices.ContainsFunc(x.Chunks, func(c plan.ChunkEntry) bool { return c.Gradual }) {
		x.Chunks = nil
	}
	data, err := json.Marshal(x)
	if err != nil {
		return fault.Wrap(fault.Internal, err, "index of the source chunks")
	}
	info, err := a.Scratch.Put(ctx, film.SourceIndexKey(a.Job), bytes.NewReader(data))
	a.size += info.Size
	return err
}

// ReadIndex reads the index of a source's chunks from scratch. key is SplitFacts.Index. The index
// has no Times: how many frames a source chunk holds is known, but not how many of them can be
// decoded.
func ReadIndex(ctx context.Context, scratch blob.Store, key string) (plan.Index, error) {
	data, err := blob.ReadRange(ctx, scratch, key, 0, -1) // some 20 bytes per source chunk
	if err != nil {
		return plan.Index{}, err
	}
	var x index
	err = json.Unmarshal(data, &x)
	return plan.Index{Start: x.Start, End: x.End, Sync: x.Sync, Recovery: x.Recovery, Chunks: x.Chunks}, fault.Wrap(fault.Corrupt, err, "index of the source chunks")
}
