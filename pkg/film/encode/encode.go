// Package encode is the kind of work that encodes a segment to every rendition of its job. It
// decodes the segment once, and proves that each chunk has exactly the frames that were decoded,
// each at its source's timestamp.
package encode

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/encode"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/input"
	"github.com/mapreel/mapreel/pkg/film/plan"
	"github.com/mapreel/mapreel/pkg/film/sizing"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/pace"
	"github.com/mapreel/mapreel/pkg/work"
)

// Kind encodes segments.
type Kind struct {
	Tools            ffmpeg.Tools
	withoutOriginals bool // for tests: a search keeps no frames
}

var _ work.Kind = Kind{}

// Name implements work.Kind.
func (Kind) Name() string { return film.VideoKind }

// Run implements work.Kind. It encodes one segment.
func (k Kind) Run(ctx context.Context, env *work.Env, u work.Unit) (work.Result, error) {
	a := &attempt{Env: env, tools: k.Tools, withoutOriginals: k.withoutOriginals}
	if err := env.Decode(&a.job); err != nil {
		return work.Result{}, err
	}
	if err := json.Unmarshal(u.Spec, &a.segment); err != nil {
		return work.Result{}, fault.Wrap(fault.Corrupt, err, "record of "+u.Name)
	}
	if err := a.choose(); err != nil {
		return work.Result{}, err
	}
	if err := a.readShares(ctx); err != nil {
		return work.Result{}, err
	}
	facts, err := a.run(ctx)
	if err != nil {
		tb := a.job.Source.Video.Timebase
		return work.Result{Artifacts: a.artifacts}, fmt.Errorf("segment %d (%v to %v): %w", a.segment.Index, tb.Duration(a.segment.Start), tb.Duration(a.segment.End), err)
	}
	r := work.Result{
		Artifacts: a.artifacts,
		Done:      work.Amount{Media: a.micros(a.segment.End - a.segment.Start), Count: int64(facts.Frames)},
	}
	for _, c := range facts.Chunks {
		r.Done.Bytes += c.Size
	}
	for _, c := range facts.Pictures {
		r.Done.Bytes += c.Size
	}
	if facts.Damage != "" {
		r.Warnings = append(r.Warnings, facts.Damage)
	}
	if text := a.damage.String(); text != "" {
		r.Warnings = append(r.Warnings, "the video is damaged: "+text)
	}
	return r, r.SetFacts(facts)
}

// attempt is one attempt at a segment.
type attempt struct {
	*work.Env
	tools   ffmpeg.Tools
	job     film.Job
	film    film.Job // where job is that of one of several joined sources; otherwise the same
	segment film.Segment
	next    *media.Ticks // timestamp of the first frame after the segment; nil if none was decoded

	artifacts []work.Artifact
	damage    ffmpeg.DamageLog
	frames    []string              // names of the frames of an image sequence that are read
	searches  []search              // of renditions with a target quality, a bit rate or a size
	sizes     map[int]sizing.Search // how renditions with a bit rate or a size find their CRF
	pass      bool                  // the first pass, of which nothing is stored
	kept      map[int]*originals    // of renditions, while searching
	// withoutOriginals keeps no frames while searching.
	withoutOriginals bool
	round            int  // how often the segment was encoded before, while searching
	ascending        bool // each frame is shown after the one before, whatever the decoder says
}

// micros converts a duration of the video track to microseconds.
func (a *attempt) micros(t media.Ticks) media.Ticks {
	return media.Rescale(t, a.job.Source.Video.Timebase, media.Microseconds)
}

// run encodes the segment. The times of a damaged source may go back, which some encoders refuse and
// others answer with times of their own. Then it is encoded again with ascending times.
func (a *attempt) run(ctx context.Context) (film.SegmentFacts, error) {
	facts, d, err := a.encode(ctx)
	if err == nil || !d.disordered || ctx.Err() != nil {
		return facts, err
	}
	a.Log.WarnContext(ctx, "times of frames go back, encoding the segment with ascending times", "error", err)
	written := a.artifacts
	a.artifacts, a.ascending = nil, true
	facts, _, err = a.encode(ctx)
	for _, w := range written { // most are written again, under the same key
		if !slices.ContainsFunc(a.artifacts, func(again work.Artifact) bool { return again.Key == w.Key }) {
			a.artifacts = append(a.artifacts, w)
		}
	}
	return facts, err
}

// encode encodes the segment once.
func (a *attempt) encode(ctx context.Context) (film.SegmentFacts, decoding, error) {
	a.beginSearches()
	d, err := a.transcode(ctx, a.entry())
	if err != nil {
		return film.SegmentFacts{}, d, err
	}
	d, loss, err := a.complete(ctx, d)
	if err != nil {
		return film.SegmentFacts{}, d, err
	}
	if err := a.checkJoined(d.times); err != nil {
		return film.SegmentFacts{}, d, err
	}
	times, decoded := d.times, d.any
	facts := film.SegmentFacts{Frames: len(times), Damage: loss}
	if !decoded || len(times) == 0 && !a.needsNeighbours() {
		return facts, d, nil
	}
	if len(times) > 0 {
		facts.First, facts.Last = times[0], times[len(times)-1]
	}
	if err := a.search(ctx, d); err != nil {
		return facts, d, err
	}
	for r := range a.job.Renditions {
		store := a.store
		if a.pass {
			store = a.measured
		}
		chunk, err := store(ctx, r, times)
		if err != nil {
			return facts, d, err
		}
		chunk.Quality, chunk.Sizing = a.found(r), a.sized(r)
		facts.Chunks = append(facts.Chunks, chunk)
	}
	for i := range a.job.Pictures {
		chunk, err := a.storePictures(ctx, i, times)
		if err != nil {
			return facts, d, err
		}
		facts.Pictures = append(facts.Pictures, chunk)
	}
	return facts, d, nil
}

// needsNeighbours reports whether frames before or after the segment contribute to it.
func (a *attempt) needsNeighbours() bool {
	return slices.ContainsFunc(a.job.Renditions, film.Rendition.NeedsNeighbours) ||
		slices.ContainsFunc(a.job.Pictures, func(p film.Pictures) bool { return p.Deinterlace })
}

// file returns the path of what the encoder writes for a rendition.
func (a *attempt) file(rendition int) string {
	return filepath.Join(a.Dir, fmt.Sprintf("%d.mp4", rendition))
}

// decoding is what an attempt to decode a segment gave.
type decoding struct {
	from  entry
	times []media.Ticks // of the frames that lie in the segment, ascending
	any   bool          // whether any frame was decoded, in the segment or near it
	// disordered reports that a frame was not shown after the one before.
	disordered bool
	input      int64   // the first frame of an image sequence that was read
	packets    packets // of the segment, as the demuxer finds them; nil = unknown
	keyframes  packets // those of them that are keyframes
}

// transcode runs ffmpeg over the segment, beginning at e.
func (a *attempt) transcode(ctx context.Context, e entry) (decoding, error) {
	v, err := a.video(ctx, e)
	if err != nil {
		return decoding{}, err
	}
	checked := v.Skip && a.mayMiss(v.Input)
	if a.mustList() || checked {
		v.Packets = packetFile
	}
	for {
		d, err := a.decode(ctx, v)
		if err != nil && ctx.Err() == nil && a.round == 0 && a.originalsFail(err) {
			a.Log.WarnContext(ctx, "raw frames cannot be kept, the source is decoded again for each measurement", "error", err)
			a.withoutOriginals = true
			a.dropOriginals()
			return a.transcode(ctx, e)
		}
		if checked && ctx.Err() == nil && !a.hasKeyframes(d, err) {
			checked, v.Skip, v.Packets = false, false, ""
			continue
		}
		if checked {
			d.packets = nil // of which most were skipped
		}
		if errors.Is(err, errDamaged) {
			v.OneDecoder = true // or the same segment would not always give the same bytes
			continue
		}
		d.from, d.input = e, v.Input.FirstFrame
		if err != nil || v.Frames == 0 || len(d.times) <= v.Frames {
			return d, err
		}
		v.Frames = len(d.times) // more than expected; now the number is known
	}
}

// encoding is a rendition that is encoded, how well, and to which file.
type encoding struct {
	rendition int
	crf       float64
	preset    string
	file      string
}

// video returns how ffmpeg decodes the segment from e, and encodes all that is to be encoded.
func (a *attempt) video(ctx context.Context, e entry) (encode.Video, error) {
	list := a.encodings()
	v, err := a.videoOf(ctx, e, list, a.job.Pictures)
	switch {
	case err != nil:
	case a.round == 0:
		a.keepOriginals(&v, list)
	default:
		a.writeDecoded(&v, list)
	}
	return v, err
}

// videoOf returns how ffmpeg decodes the segment from e, and encodes these renditions and pictures.
func (a *attempt) videoOf(ctx context.Context, e entry, encodings []encoding, pictures []film.Pictures) (encode.Video, error) {
	in, err := a.input(ctx, e)
	if err != nil {
		return encode.Video{}, err
	}
	p := a.job.Source.Video
	v := encode.Video{
		Input: in, Stream: p.Stream, Timebase: p.Timebase, Threads: a.job.Request.Compute.Threads,
		OneDecoder:    a.job.Source.Damaged || ffmpeg.NeedsOneThread(p.Codec, p.Interlaced != ""),
		ContextFrames: true, MidScene: a.segment.MidScene, Frames: a.expectedFrames(), X264Build: p.X264Build,
		Begins: a.segment.CutStart, Ends: a.segment.CutEnd,
		Unordered: p.Unordered || a.ascending, Keyframes: a.job.Keyframes,
		Skip:  a.job.Keyframes && (p.Codec == "hevc" || a.mayMiss(in)),
		Clock: a.clock(),
	}
	if p.Rotation == 0 || deinterlaces(a.job) { // otherwise ffmpeg turns the frames first
		v.Size, v.PixelFormat = media.Size{Width: p.Width, Height: p.Height}, p.PixelFormat
	}
	if a.job.Split {
		v.Stream = 0 // the only one of a source chunk
	}
	// The first and the last segment are open, so that frames beyond the ends of the index are not
	// lost.
	if !a.segment.OpenStart() {
		v.Start = new(int64(a.segment.Start))
		if e.seek != nil && !a.job.Split && a.job.Source.Sequence == nil { // these begin with what is wanted
			v.Seek = (*int64)(e.seek)
			switch *e.seek {
			case a.segment.Seek:
				v.NextKeyframe = (*int64)(a.segment.NextKeyframe)
			case a.segment.LeadSync:
				v.NextKeyframe = new(int64(a.segment.Seek))
			}
		}
	}
	if !a.segment.OpenEnd() {
		v.End = new(int64(a.segment.End))
	}
	for i, one := range encodings {
		r := a.job.Renditions[one.rendition]
		v.Renditions = append(v.Renditions, renditionIn(r, *p, a.segment, a.job.Request.Compute.GPU, one.file))
		v.Renditions[i].CRF, v.Renditions[i].Preset = one.crf, one.preset
		v.Renditions[i].Stitchable = r.SegmentDuration > 0 && a.strategyOf(one.rendition) != nil
		a.conform(&v.Renditions[i], one.rendition)
		if v.Renditions[i].Burn, err = a.stageBurn(ctx, r, v.Renditions[i].Grid); err != nil {
			return v, err
		}
		if v.Renditions[i].Overlay, err = a.stageOverlay(ctx, r); err != nil {
			return v, err
		}
		switch {
		case r.TrickPlay:
			v.Renditions[i].Only = a.trickPlayPoints(r)
		case plan.ChoosesKeyframes(r, a.job.Request.Compute.GPU):
			v.Renditions[i].KeyframeDistance = a.keyframeDistance(r)
		default:
			v.Renditions[i].Keyframes = a.forcedKeyframes(r)
		}
	}
	for i, some := range pictures {
		v.Pictures = append(v.Pictures, picturesIn(some, *p, a.segment, i))
	}
	if deinterlaces(a.job) {
		v.Rotation = p.Rotation
	}
	if a.job.Source.Sequence != nil {
		err = a.stageFrames(ctx, &v, e)
	}
	return v, err
}

// mayMiss reports whether the decoder may lose keyframes when it is told to skip all other frames. That of H.264 loses those of open
// GOPs, shows others in the wrong order, and takes pictures that are repaired row by row for keyframes (ffmpeg 5.1). The demuxer of MP4
// gives it no others in the first place.
func (a *attempt) mayMiss(in ffmpeg.Input) bool {
	return a.job.Source.Video.Codec == "h264" && in.Demuxer != "mov"
}

// hasKeyframes reports whether a decoder that was told to skip other frames has given all keyframes that the demuxer found, and no
// complaint.
func (a *attempt) hasKeyframes(d decoding, err error) bool {
	return err == nil && !d.disordered && a.damage.String() == "" && slices.Equal(d.keyframes, d.times)
}

// deinterlaces reports whether any rendition of the job is deinterlaced.
func deinterlaces(j film.Job) bool {
	return slices.ContainsFunc(j.Renditions, func(r film.Rendition) bool { return r.Deinterlace }) ||
		slices.ContainsFunc(j.Pictures, func(p film.Pictures) bool { return p.Deinterlace })
}

// expectedFrames returns how many frames the segment holds, according to the index or else to the
// mean frame rate, then with a few to spare. It is 0 where neither is known.
func (a *attempt) expectedFrames() int {
	p := a.job.Source.Video
	if a.segment.Frames > 0 || p.FrameRate.Num == 0 || a.segment.OpenEnd() {
		return a.segment.Frames
	}
	const spare = 2
	return int(media.Rescale(a.segment.End-a.segment.Start, p.Timebase, media.Rational{Num: p.FrameRate.Den, Den: p.FrameRate.Num})) + spare
}

// errDamaged reports that the decoder found damage, and has several threads.
var errDamaged = errors.New("the video is damaged")

// damageWriter keeps what a decoder reports, and calls found at damage.
type damageWriter struct {
	log   *ffmpeg.DamageLog
	found func()
}

func (w damageWriter) Write(data []byte) (int, error) {
	n, err := w.log.Write(data)
	if w.log.String() != "" {
		w.found()
	}
	return n, err
}

// reportedFrames returns how many frames the encoder will report for the segment, at least; 0 where
// that is unknown.
func (a *attempt) reportedFrames() int64 {
	n := int64(a.expectedFrames())
	if len(a.job.Renditions) == 0 {
		return 0 // pictures of a segment are few, and come in bursts
	}
	if n == 0 {
		return n
	}
	r := a.job.Renditions[a.encodings()[0].rendition] // ffmpeg reports the frames of its first output
	if r.Rate.Num == 0 {
		return n
	}
	return int64(media.Rescale(a.segment.End-a.segment.Start, a.job.Source.Video.Timebase, media.Rational{Num: r.Rate.Den, Den: r.Rate.Num}))
}

// watchPace returns a context that is cancelled when the frame counts given to observe show that the encoder will miss ctx's deadline.
func (a *attempt) watchPace(ctx context.Context) (_ context.Context, observe func(frames int64), stop func()) {
	frames := a.reportedFrames()
	return pace.Watch(ctx, pace.Work{
		Limit: pace.Left(ctx), Total: frames, Describe: func(done int64) string { return fmt.Sprintf("%d of %d frames", done, frames) },
	})
}

// decode runs ffmpeg once. It stops with errDamaged where the decoder finds damage and has several
// threads.
func (a *attempt) decode(ctx context.Context, v encode.Video) (d decoding, err error) {
	var log ffmpeg.FrameLog
	ctx, observe, stop := a.watchPace(ctx)
	defer stop()
	a.damage = ffmpeg.DamageLog{} // of the last attempt at decoding
	if a.round == 0 {
		if err := a.removePictures(); err != nil { // of an attempt at decoding before this one
			return d, err
		}
	}
	ctx, refuse := context.WithCancelCause(ctx)
	defer refuse(nil)
	again := v.Threads > 1 && !v.OneDecoder
	_, err = ffmpeg.Run(ctx, a.tools.FFmpeg, encode.VideoArgs(v), ffmpeg.RunOptions{
		Dir: a.Dir, Pipe: &log, Stderr: damageWriter{&a.damage, func() {
			if again {
				refuse(errDamaged)
			}
		}}, Limits: a.limits(ctx, v.Frames),
		OnProgress: func(p ffmpeg.Progress) {
			if observe(p.Frame); p.Frame > plan.MaxSegmentFrames {
				refuse(fault.New(fault.Unsupported, "the segment has more than %d frames; the timestamps of the source are far apart there, or are not what its index declares",
					plan.MaxSegmentFrames))
			}
			a.report(work.Amount{Media: media.Ticks(max(p.OutTime, 0)), Count: a.inSegment(p.Frame), Bytes: max(p.Bytes, 0)})
		},
	})
	if again && a.damage.String() != "" && (err == nil || context.Cause(ctx) == errDamaged) { //nolint:errorlint // our own, or the caller's cause
		return d, errDamaged
	}
	d.disordered = !isAscending(log.PTS())
	if err == nil && v.Packets != "" {
		d.packets, d.keyframes, err = a.readPackets()
	}
	if err != nil {
		return d, err
	}
	a.next = nil
	for _, t := range media.TicksOf(log.PTS()) {
		if !a.segment.OpenEnd() && t >= a.segment.End && (a.next == nil || t < *a.next) {
			a.next = new(t)
		}
	}
	// The encoder also gets frames after the segment, and the filters get frames before it.
	d.times = slices.DeleteFunc(media.TicksOf(log.PTS()), func(t media.Ticks) bool {
		return !a.segment.OpenStart() && t < a.segment.Start || !a.segment.OpenEnd() && t >= a.segment.End
	})
	slices.Sort(d.times)
	d.any = len(log.PTS()) > 0
	return d, nil
}

// isAscending reports whether each time is after the one before.
func isAscending(times []int64) bool {
	for i := 1; i < len(times); i++ {
		if times[i] <= times[i-1] {
			return false
		}
	}
	return true
}

// limits returns what an encode of frames frames may take; 0 = unknown.
func (a *attempt) limits(ctx context.Context, frames int) ffmpeg.Limits {
	_, worker := input.Budget(a.Env, a.job.Source)
	b := input.Video(a.job)
	if frames > 0 {
		b.Frames = int64(frames)
		for _, r := range a.job.Renditions {
			if r.Rate.Known() {
				b.Frames = max(b.Frames, plan.FrameGridOf(r.Rate, *a.job.Source.Video, a.segment).Frames())
			}
		}
	}
	return worker.Limit(ctx, b.Limits())
}

// inSegment returns about how many of the encoded frames lie in the segment. The encoder also gets
// some after it.
func (a *attempt) inSegment(frames int64) int64 {
	if n := a.expectedFrames(); n > 0 {
		return min(frames, int64(n))
	}
	return frames
}
