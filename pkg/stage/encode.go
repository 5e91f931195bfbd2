package stage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/isobmff"
	"github.com/mapreel/mapreel/pkg/ledger"
	"github.com/mapreel/mapreel/pkg/media"
)

// Encode encodes one segment to every rendition of its job, in one decode, and puts a piece of each in scratch. It
// succeeds only when each piece holds exactly the frames that were decoded, each at its source's timestamp.
func (w *Worker) Encode(ctx context.Context, in film.EncodeItem) (None, error) {
	j, err := w.load(ctx, in.Job)
	if err != nil {
		return None{}, err
	}
	id := film.VideoUnit(in.Segment)
	keys := func(u ledger.Unit) (keys []string) {
		for r := range j.Renditions {
			keys = append(keys, film.ArtifactKey(j.ID, id, u.Attempt, r, "mp4"))
		}
		return keys
	}
	err = w.unit(ctx, j.ID, id, func(u ledger.Unit, dir string) (any, Event, error) {
		var seg film.Segment
		if err := json.Unmarshal(u.Spec, &seg); err != nil {
			return nil, Event{}, fault.Wrap(fault.Corrupt, err, "record of "+id)
		}
		e := &encode{Worker: w, job: j, seg: seg, dir: dir, unit: u}
		facts, err := e.run(ctx, keys(u))
		if err != nil {
			return nil, Event{}, fmt.Errorf("segment %d (%v to %v): %w", seg.Index,
				j.Source.Video.Timebase.Duration(seg.Start), j.Source.Video.Timebase.Duration(seg.End), err)
		}
		facts.Route = in.Reason
		if facts.Damage != "" {
			w.tell(Event{Type: Warning, Job: j.ID, Unit: id, Error: facts.Damage})
		}
		told := Event{Type: Finished, Frames: int64(facts.Frames), Media: e.micros(seg.End - seg.Start)}
		for _, p := range facts.Chunks {
			told.Bytes += p.Size
		}
		return facts, told, nil
	}, func(u ledger.Unit) { w.remove(ctx, keys(u)) })
	return None{}, err
}

// remove deletes pieces that nobody will use. What stays for want of a connection goes with the job's scratch.
func (w *Worker) remove(ctx context.Context, keys []string) {
	for _, key := range keys {
		if err := w.Scratch.Delete(ctx, key); err != nil {
			w.logger().WarnContext(ctx, "superfluous piece not removed", "key", key, "error", err)
		}
	}
}

// encode is one attempt at one segment.
type encode struct {
	*Worker
	job  film.Job
	seg  film.Segment
	unit ledger.Unit
	dir  string
}

func (e *encode) micros(t media.Ticks) media.Ticks {
	return media.Rescale(t, e.job.Source.Video.Timebase, media.Microseconds)
}

func (e *encode) run(ctx context.Context, keys []string) (film.SegmentFacts, error) {
	input, err := e.input(ctx)
	if err != nil {
		return film.SegmentFacts{}, err
	}
	seek := e.seg.Seek
	if e.neighbours() {
		seek = min(seek, e.seg.LeadSync)
	}
	times, some, err := e.transcode(ctx, input, &seek)
	if err != nil {
		return film.SegmentFacts{}, err
	}
	var damage string
	if e.seg.Frames > 0 && len(times) != e.seg.Frames {
		// The index promised other frames. Either the container's seek went astray, or the source does not hold what its
		// index says. Decoding from the very beginning decides: that is what one long encode would have seen.
		e.logger().WarnContext(ctx, "frames differ from the index, decoding from the start", "job", e.job.ID,
			"segment", e.seg.Index, "want", e.seg.Frames, "got", len(times))
		if times, some, err = e.transcode(ctx, input, nil); err != nil {
			return film.SegmentFacts{}, err
		}
		if len(times) != e.seg.Frames {
			damage = fmt.Sprintf("segment %d: the index promises %d frames, the source decodes to %d", e.seg.Index, e.seg.Frames, len(times))
		}
	}
	facts := film.SegmentFacts{Frames: len(times), Damage: damage}
	if !some || len(times) == 0 && !e.neighbours() {
		return facts, nil
	}
	if len(times) > 0 {
		facts.First, facts.Last = times[0], times[len(times)-1]
	}
	for r, key := range keys {
		piece, err := e.store(ctx, r, key, times)
		if err != nil {
			return facts, err
		}
		facts.Chunks = append(facts.Chunks, piece)
	}
	return facts, nil
}

// input is what the worker reads: the source itself, or its stretch of what Split cut out and the one after it, where
// an open GOP has frames that are shown before that one begins.
func (e *encode) input(ctx context.Context) (ffmpeg.Input, error) {
	if !e.job.Split {
		store, key, err := e.Resolve(ctx, e.job.Source.URL)
		if err != nil {
			return ffmpeg.Input{}, err
		}
		location, err := store.Locate(ctx, key)
		return ffmpeg.Input{Location: location, Demuxer: e.job.Source.Demuxer}, err
	}
	in := ffmpeg.Input{Demuxer: "mov", TimestampOffset: ffmpeg.Offset}
	var err error
	if in.Location, err = e.stretch(ctx, e.seg.Index, "this.mp4"); err == nil && !e.seg.Last {
		in.Next, err = e.stretch(ctx, e.seg.Index+1, "next.mp4")
	}
	if err == nil && e.seg.Index > 0 && e.neighbours() {
		in.Previous, err = e.stretch(ctx, e.seg.Index-1, "previous.mp4")
	}
	return in, err
}

// neighbours says whether frames beside the segment have a part in it.
func (e *encode) neighbours() bool {
	return slices.ContainsFunc(e.job.Renditions, film.Rendition.NeedsNeighbours)
}

// stretch is where ffmpeg reads a stretch. Two files read as one must not have "|" in their names, whatever the scratch
// folder is called, so the working folder gets a link with a plain name.
func (e *encode) stretch(ctx context.Context, i int, name string) (string, error) {
	location, err := e.Scratch.Locate(ctx, film.SplitKey(e.job.ID, i))
	if err != nil || !filepath.IsAbs(location) {
		return location, err
	}
	return name, os.Symlink(location, filepath.Join(e.dir, name))
}

func (e *encode) local(rendition int) string {
	return filepath.Join(e.dir, fmt.Sprintf("%d.mp4", rendition))
}

// transcode runs ffmpeg over the segment and returns the timestamps of the frames that lie in it, ascending, and whether
// any frame was decoded, in it or beside it. seek nil decodes from the beginning.
func (e *encode) transcode(ctx context.Context, input ffmpeg.Input, seek *media.Ticks) (times []media.Ticks, some bool, err error) {
	p := e.job.Source.Video
	v := ffmpeg.Video{
		Input: input, Stream: p.Stream, Timebase: p.Timebase, Threads: e.job.Request.Compute.Threads,
	}
	v.ContextFrames, v.MidScene, v.Frames = true, e.seg.MidScene, e.promised()
	// The first and the last segment are open: what an index does not know of at its ends is not lost.
	if e.job.Split {
		v.Stream = 0
	}
	if e.seg.Index > 0 {
		v.Start = new(int64(e.seg.Start))
		if seek != nil && !e.job.Split { // a stretch begins where it should
			v.Seek = new(int64(*seek))
			v.NextKeyframe = (*int64)(e.seg.NextKeyframe)
			if *seek < e.seg.Seek {
				v.NextKeyframe = new(int64(e.seg.Seek))
			}
		}
	}
	if !e.seg.Last {
		v.End = new(int64(e.seg.End))
	}
	for i, r := range e.job.Renditions {
		v.Renditions = append(v.Renditions, renditionIn(r, *p, e.seg, e.job.Request.Compute.GPU, e.local(i)))
		v.Renditions[i].Keyframes = e.forced(r)
		if r.Deinterlace {
			v.Rotation = p.Rotation
		}
	}
	for {
		times, some, err := e.decode(ctx, v)
		if err != nil || v.Frames == 0 || len(times) <= v.Frames {
			return times, some, err
		}
		v.Frames = len(times) // more than promised; now the number is known
	}
}

// promised is how many frames the segment holds as the index or, where that does not say, the mean frame rate has it,
// with a few to spare; 0 where nothing tells.
func (e *encode) promised() int {
	p := e.job.Source.Video
	if e.seg.Frames > 0 || p.FrameRate.Num == 0 || e.seg.Last {
		return e.seg.Frames
	}
	const spare = 2
	return int(media.Rescale(e.seg.End-e.seg.Start, p.Timebase, media.Rational{Num: p.FrameRate.Den, Den: p.FrameRate.Num})) + spare
}

// decode runs ffmpeg once and returns the timestamps of the frames that lie in the segment, and whether any came at all.
func (e *encode) decode(ctx context.Context, v ffmpeg.Video) (times []media.Ticks, some bool, err error) {
	var log ffmpeg.FrameLog
	ctx, observe, stop := hurry(ctx, e.written())
	defer stop()
	_, err = ffmpeg.Run(ctx, e.Tools.FFmpeg, ffmpeg.VideoArgs(v), ffmpeg.RunOptions{
		Dir: e.dir, Pipe: &log,
		Limits: bounded(ctx, ffmpeg.VideoLimits(v, e.job.Source.Video.Width, e.job.Source.Video.Height, v.Frames)),
		OnProgress: func(pr ffmpeg.Progress) {
			observe(pr.Frame)
			e.tell(Event{
				Type: Progress, Job: e.job.ID, Unit: e.unit.ID, Attempt: e.unit.Attempt,
				Frames: e.within(pr.Frame), Bytes: max(pr.Bytes, 0), Media: max(media.Ticks(pr.OutTime), 0),
			})
		},
	})
	if err != nil {
		return nil, false, err
	}
	// The encoder was also shown what follows the segment, and filters what is beside it.
	times = slices.DeleteFunc(ticks(log.PTS()), func(t media.Ticks) bool {
		return e.seg.Index > 0 && t < e.seg.Start || !e.seg.Last && t >= e.seg.End
	})
	slices.Sort(times)
	return times, len(log.PTS()) > 0, nil
}

// within is how far an encode has come in its segment, as near as can be told: it encodes some frames beyond.
func (e *encode) within(frames int64) int64 {
	if n := e.promised(); n > 0 {
		return min(frames, int64(n))
	}
	return frames
}

// store checks what the encoder made of the frames at times, gives it the job's timeline and puts it in scratch.
func (e *encode) store(ctx context.Context, rendition int, key string, times []media.Ticks) (film.Chunk, error) {
	var facts film.Chunk
	f, err := os.Open(e.local(rendition))
	if err != nil {
		return facts, err
	}
	defer f.Close()
	stat, err := f.Stat()
	if err != nil {
		return facts, err
	}
	r, p := e.job.Renditions[rendition], *e.job.Source.Video
	wanted := e.wanted(r, times)
	if len(wanted.times) == 0 {
		return facts, nil
	}
	piece, extents, err := isobmff.ReadFragments(f, stat.Size())
	if err != nil {
		return facts, fmt.Errorf("what the encoder wrote: %w", err)
	}
	scale := r.OutputTimebase(p)
	if got := int64(piece.Track.Timescale); got != scale.Den {
		return facts, fault.New(fault.Internal, "a piece has %d ticks a second instead of %d", got, scale.Den)
	}
	if piece, extents, err = piece.Trim(extents, wanted.from, wanted.to); err != nil {
		return facts, fmt.Errorf("what the encoder wrote: %w", err)
	}
	piece, err = piece.Shift(wanted.shift - ffmpeg.Offset*scale.Den).Normalise()
	if err != nil {
		return facts, fmt.Errorf("what the encoder wrote: %w", err)
	}
	if err := wanted.check(piece.Presentation()); err != nil {
		return facts, err
	}
	shown := piece.Presentation()
	if len(shown) == 0 {
		return facts, nil // the end of the source comes before the first moment of the constant rate
	}
	last := &piece.Samples[len(piece.Samples)-1]
	if tail := wanted.end - shown[len(shown)-1]; tail > 0 && tail < 1<<31 {
		last.Duration = uint32(tail)
	}
	piece.Track.Entry = withLight(piece.Track.Entry, r, p)
	facts.Frames, facts.First, facts.Last = len(shown), media.Ticks(shown[0]), media.Ticks(shown[len(shown)-1])
	if r.SegmentDuration > 0 {
		err = e.pack(ctx, &facts, rendition, key, piece, func() io.Reader { return payload(f, extents) })
		return facts, err
	}
	info, piece, err := e.putAccompanied(ctx, rendition, key, piece, func() io.Reader { return payload(f, extents) })
	facts.StoredObject = film.StoredObject{Key: key, Size: info.Size, Header: info.Size - piece.Payload()}
	return facts, err
}

// putPiece streams a piece, its header and then the samples from where they lie in f, into a store.
func putPiece(ctx context.Context, store blob.Store, key string, piece isobmff.Chunk, f io.ReaderAt, extents []isobmff.Extent) (blob.Info, error) {
	return putWritten(ctx, store, key, func(w io.Writer) error { return piece.Write(w, payload(f, extents)) })
}

// payload reads a piece's samples from where they lie.
func payload(f io.ReaderAt, extents []isobmff.Extent) io.Reader {
	sections := make([]io.Reader, len(extents))
	for i, x := range extents {
		sections[i] = io.NewSectionReader(f, x.Offset, x.Length)
	}
	return io.MultiReader(sections...)
}

// putWritten streams what write writes into a store.
func putWritten(ctx context.Context, store blob.Store, key string, write func(io.Writer) error) (blob.Info, error) {
	r, pipe := io.Pipe()
	written := make(chan error, 1)
	go func() {
		err := write(pipe)
		pipe.CloseWithError(err)
		written <- err
	}()
	info, err := store.Put(ctx, key, r)
	r.CloseWithError(err)
	if werr := <-written; err == nil || (werr != nil && !errors.Is(werr, io.ErrClosedPipe)) {
		err = errors.Join(werr, err)
	}
	return info, err
}
