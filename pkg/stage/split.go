package stage

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/isobmff"
	"github.com/mapreel/mapreel/pkg/job"
	"github.com/mapreel/mapreel/pkg/ledger"
	"github.com/mapreel/mapreel/pkg/plan"
)

// Split prepares a source that has no index: one sequential copy of its picture, without decoding, into stretches that
// begin at keyframes and keep the original timestamps. The stretches' own sample tables then are the index. Memory and
// local disk stay bounded by a stretch, whatever the source's length.
func (w *Worker) Split(ctx context.Context, in job.JobInput) (job.Brief, error) {
	j, err := w.load(ctx, in.Job)
	if err != nil {
		return job.Brief{}, err
	}
	record, err := w.Ledger.Job(ctx, j.ID)
	if err != nil {
		return job.Brief{}, err
	}
	whole, err := w.isSplit(ctx, j)
	if err != nil {
		return job.Brief{}, err
	}
	if !whole {
		if err := w.split(ctx, &j, record.Execution); err != nil {
			return job.Brief{}, fmt.Errorf("splitting %s: %w", j.Source.URL, err)
		}
	}
	return w.brief(ctx, j, record.Execution)
}

// isSplit says whether an earlier Split came to its end and all it made is still there.
func (w *Worker) isSplit(ctx context.Context, j job.Job) (bool, error) {
	if j.Segments == 0 {
		return false, nil
	}
	have, err := w.stored(ctx, j.ID)
	if err != nil {
		return false, err
	}
	for i := range j.Segments {
		if _, ok := have[job.SplitKey(j.ID, i)]; !ok {
			return false, nil
		}
	}
	return true, nil
}

func (w *Worker) split(ctx context.Context, j *job.Job, execution string) error {
	dir, err := os.MkdirTemp(w.Temp, "mapreel-"+j.ID+"-")
	if err != nil {
		return fmt.Errorf("working folder: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }() // what stays is removed with Temp
	store, key, err := w.Resolve(ctx, j.Source.URL)
	if err != nil {
		return err
	}
	location, err := store.Locate(ctx, key)
	if err != nil {
		return err
	}
	p := j.Source.Picture
	// Stretches begin at keyframes only, so they may be longer than asked for, never shorter: their number stays below
	// what a Distributed Map takes.
	least := time.Duration(j.Source.Duration) * time.Microsecond / plan.MaxSegments
	want := max(time.Duration(j.Request.Segment.Seconds), least+time.Second)
	s := ffmpeg.Split{
		Input:  ffmpeg.Input{Location: location, Demuxer: j.Source.Demuxer},
		Stream: p.Stream, Timebase: ffmpeg.Rational(p.Timebase), Start: int64(j.Source.Origin.In(job.Microseconds)),
		Seconds: int((want + time.Second - 1) / time.Second),
	}
	var x plan.Index
	log := &ffmpeg.PieceLog{Split: s, Each: func(piece ffmpeg.Piece) error {
		return w.stretch(ctx, j.ID, filepath.Join(dir, piece.Name), &x)
	}}
	_, err = ffmpeg.Run(ctx, w.Tools.FFmpeg, ffmpeg.SplitArgs(s), ffmpeg.RunOptions{Dir: dir, Pipe: log, OnProgress: func(pr ffmpeg.Progress) {
		w.tell(Event{Type: Progress, Job: j.ID, Unit: "split", Media: max(job.Ticks(pr.OutTime), 0), Bytes: max(pr.Bytes, 0)})
	}})
	if err != nil {
		return err
	}
	if len(x.Sync) == 0 {
		return fault.New(fault.Corrupt, "the picture has no frame that can be decoded by itself")
	}
	if !slices.IsSorted(x.Sync) {
		return fault.WithHint(fault.New(fault.Unsupported, "the source's clock jumps back"),
			"give it one clock first, for example with: ffmpeg -i SOURCE -map 0 -c copy new.mkv")
	}
	slices.Sort(x.Times)
	x.Start = min(x.Times[0], x.Sync[0])
	x.End = max(x.End, x.Times[len(x.Times)-1]+1)
	segments := plan.Stretches(x)
	p.Start, p.End = x.Start, x.End
	j.Segments = len(segments)
	// The units come first: a job that tells its number of segments has them all.
	if err := w.Ledger.Plan(ctx, j.ID, units(*j, segments), expiry(*j)); err != nil {
		return err
	}
	record, err := w.Ledger.Job(ctx, j.ID)
	switch {
	case err != nil:
		return err
	case record.State == ledger.JobDone:
		return errors.Join(late(j.ID), w.clear(ctx, j.ID)) // given up, and overtaken by who cleared: nobody else would
	case record.Execution != execution:
		return late(j.ID)
	}
	return w.record(ctx, *j, execution)
}

// stretch takes a finished stretch into scratch, adds what it holds to the index, and frees the local disk.
func (w *Worker) stretch(ctx context.Context, id, path string, x *plan.Index) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	stat, err := f.Stat()
	if err != nil {
		return err
	}
	piece, _, err := isobmff.ReadFragments(f, stat.Size())
	if err != nil {
		return err
	}
	if len(piece.Samples) == 0 {
		return fault.New(fault.Corrupt, "a stretch of the source holds no frame")
	}
	piece = piece.Shift(-ffmpeg.Offset * int64(piece.Track.Timescale))
	x.Sync = append(x.Sync, job.Ticks(piece.Start+int64(piece.Samples[0].Offset)))
	x.Times = append(x.Times, ticks(piece.Presentation())...)
	last := piece.Samples[len(piece.Samples)-1]
	x.End = max(x.End, x.Times[len(x.Times)-1]+job.Ticks(last.Duration))
	if _, err := w.Scratch.Put(ctx, job.SplitKey(id, len(x.Sync)-1), f); err != nil {
		return err
	}
	return os.Remove(path)
}
