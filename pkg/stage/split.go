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
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/plan"
	"github.com/mapreel/mapreel/pkg/isobmff"
	"github.com/mapreel/mapreel/pkg/media"
)

// Split prepares a source that has no index: one sequential copy of its picture, without decoding, into stretches that
// begin at keyframes and keep the original timestamps. The stretches' own sample tables then are the index. Memory and
// local disk stay bounded by a stretch, whatever the source's length.
func (w *Worker) Split(ctx context.Context, in film.SplitInput) (film.Brief, error) {
	j, err := w.load(ctx, in.Job)
	if err != nil {
		return film.Brief{}, err
	}
	record, err := w.Ledger.Job(ctx, j.ID)
	if err != nil {
		return film.Brief{}, err
	}
	whole, err := w.isSplit(ctx, j)
	if err != nil {
		return film.Brief{}, err
	}
	by := claim{in.Execution, in.Started}
	if record.Started.After(by.started) {
		by = claim{record.Execution, record.Started} // a newer execution of the same request has the job
	}
	if !whole {
		if err := w.split(ctx, &j, by); err != nil {
			return film.Brief{}, fmt.Errorf("splitting %s: %w", j.Source.URL, err)
		}
	}
	return w.brief(ctx, j, by.execution)
}

// isSplit says whether an earlier Split came to its end and all it made is still there.
func (w *Worker) isSplit(ctx context.Context, j film.Job) (bool, error) {
	if j.Segments == 0 {
		return false, nil
	}
	have, err := w.stored(ctx, j.ID)
	if err != nil {
		return false, err
	}
	for i := range j.Segments {
		if _, ok := have[film.SplitKey(j.ID, i)]; !ok {
			return false, nil
		}
	}
	return true, nil
}

func (w *Worker) split(ctx context.Context, j *film.Job, by claim) error {
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
	p := j.Source.Video
	// Stretches begin at keyframes only, so they may be longer than asked for, never shorter: their number stays below
	// what a Distributed Map takes.
	least := time.Duration(j.Source.Duration) * time.Microsecond / plan.MaxSegments
	want := max(wanted(*j), least+time.Second)
	s := ffmpeg.Split{
		Input:  ffmpeg.Input{Location: location, Demuxer: j.Source.Demuxer},
		Stream: p.Stream, Timebase: p.Timebase, Start: int64(j.Source.Origin.In(media.Microseconds)),
		Seconds: int((want + time.Second - 1) / time.Second),
	}
	x, err := w.stretches(ctx, j, s, dir)
	if errors.Is(err, errJump) {
		// Again, now as one encode of all streams would read it. Nobody has seen the stretches so far.
		j.Source.Jumps = true
		s.Input.Jumps = jumps(j.Source, p.Stream)
		x, err = w.stretches(ctx, j, s, dir)
	}
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
	segments := plan.SourceChunks(x)
	p.Start, p.End = x.Start, x.End
	j.Segments = len(segments)
	// The units come first: a job that tells its number of segments has them all.
	if err := w.Ledger.Plan(ctx, j.ID, units(*j, segments), expiry(*j)); err != nil {
		return err
	}
	return w.record(ctx, *j, by)
}

// jumps is how a source whose clock jumps is read for one of its streams, or for what is neither picture nor sound (-1); nil
// where it does not jump.
func jumps(src film.Source, stream int) *ffmpeg.Jumps {
	if !src.Jumps {
		return nil
	}
	how := &ffmpeg.Jumps{Start: int64(src.Origin.In(media.Microseconds))}
	if src.Video != nil && src.Video.Stream != stream {
		how.Beside = append(how.Beside, src.Video.Stream)
	}
	for _, t := range src.Audio {
		if t.Stream != stream {
			how.Beside = append(how.Beside, t.Stream)
		}
	}
	return how
}

// errJump says that the clock of a source jumps.
var errJump = errors.New("the source's clock jumps")

// stretches copies the picture into stretches in scratch, and returns what they hold. It gives up with errJump at the
// first jump, unless s reads over them.
func (w *Worker) stretches(ctx context.Context, j *film.Job, s ffmpeg.Split, dir string) (plan.Index, error) {
	var x plan.Index
	check := s.Input.Jumps == nil && clocked(j.Source.Demuxer)
	log := &ffmpeg.SourceChunkLog{Split: s, Each: func(piece ffmpeg.SourceChunk) error {
		return w.stretch(ctx, j.ID, filepath.Join(dir, piece.Name), &x, check)
	}}
	_, err := ffmpeg.Run(ctx, w.Tools.FFmpeg, ffmpeg.SplitArgs(s), ffmpeg.RunOptions{Dir: dir, Pipe: log, Limits: bounded(ctx, copying(j.Source.Size)), OnProgress: func(pr ffmpeg.Progress) {
		w.tell(Event{Type: Progress, Job: j.ID, Unit: "split", Media: max(media.Ticks(pr.OutTime), 0), Bytes: max(pr.Bytes, 0)})
	}})
	return x, err
}

// clocked says whether a container's clock is one that may jump: a broadcast's.
func clocked(demuxer string) bool { return demuxer == "mpegts" || demuxer == "mpeg" }

// maxStep is the longest step, in seconds, between neighbours in decoding order that is no jump: ffmpeg's
// dts_delta_threshold.
const maxStep = 10

// squeezed is how many samples in a row, each a tick after the one before, tell of a jump back: ffmpeg squeezes what comes
// after it so, until the clock is again where it was.
const squeezed = 3

// jumped says whether the clock jumps within a stretch, or between it and the one before, which ends at next; nil for the
// first.
func jumped(piece isobmff.Chunk, next *media.Ticks) bool {
	longest := maxStep * piece.Track.Timescale
	if next != nil {
		if step := piece.Start - int64(*next); step > int64(longest) || -step > int64(longest) {
			return true
		}
	}
	row := 0
	for _, s := range piece.Samples {
		if s.Duration > longest {
			return true
		}
		if row++; s.Duration > 1 {
			row = 0
		}
		if row == squeezed {
			return true
		}
	}
	return false
}

// stretch takes a finished stretch into scratch, adds what it holds to the index, and frees the local disk.
func (w *Worker) stretch(ctx context.Context, id, path string, x *plan.Index, check bool) error {
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
	var next *media.Ticks
	if len(x.Times) > 0 {
		next = &x.End
	}
	if check && jumped(piece, next) {
		return errJump
	}
	x.Sync = append(x.Sync, media.Ticks(piece.Start+int64(piece.Samples[0].Offset)))
	x.Times = append(x.Times, ticks(piece.Presentation())...)
	last := piece.Samples[len(piece.Samples)-1]
	x.End = max(x.End, x.Times[len(x.Times)-1]+media.Ticks(last.Duration))
	if _, err := w.Scratch.Put(ctx, film.SplitKey(id, len(x.Sync)-1), f); err != nil {
		return err
	}
	return os.Remove(path)
}
