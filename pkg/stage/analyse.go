package stage

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/plan"
	"github.com/mapreel/mapreel/pkg/isobmff"
	"github.com/mapreel/mapreel/pkg/ledger"
	"github.com/mapreel/mapreel/pkg/matroska"
	"github.com/mapreel/mapreel/pkg/media"
)

// headBytes is how much of a source Analyse looks at to tell its format: enough for the packet pattern of MPEG-TS and
// for an ID3 tag before MP3.
const headBytes = 64 << 10

// Analyse accepts a request: it looks at the source, works out the job, writes it and its units to the ledger, and says
// what is left to do. It reads the source's index, not its media. Nothing is written unless the request is sound.
func (w *Worker) Analyse(ctx context.Context, in film.AnalyseInput) (film.Brief, error) {
	req, err := film.Parse(in.Request)
	if err != nil {
		return film.Brief{}, err
	}
	store, key, err := w.Resolve(ctx, req.Source)
	if err != nil {
		return film.Brief{}, err
	}
	src, index, splittable, err := w.examine(ctx, store, key, req.Source)
	if err != nil {
		return film.Brief{}, err
	}
	j, err := plan.Job(req, src, w.Tools.Build, copyable)
	if err != nil {
		return film.Brief{}, err
	}
	j.AudioRenditions = plan.Cut(j, cmp.Or(w.AudioPartLength, plan.AudioPartLength))
	for _, out := range j.Outputs {
		if err := w.distinct(ctx, req, out); err != nil {
			return film.Brief{}, err
		}
	}
	encoders, err := encodersOf(j)
	if err == nil {
		err = w.Tools.Require(ctx, encoders)
	}
	if err != nil {
		return film.Brief{}, err
	}
	var segments []film.Segment
	switch {
	case len(j.Renditions) == 0: // sound only
	case index == nil && !splittable:
		// Nothing tells where it could be cut, and no copy could either: one worker encodes it from end to end.
		segments = plan.SourceChunks(plan.Index{Start: src.Video.Start, End: src.Video.End, Sync: []media.Ticks{src.Video.Start}})
		j.Segments = len(segments)
	case index == nil:
		j.Split = true
		old, err := w.load(ctx, j.ID)
		if err != nil && fault.KindOf(err) != fault.NotFound {
			return film.Brief{}, err
		}
		if old.Split {
			j = old // with what an earlier run's Split found
			break
		}
		// From here on the picture is what Split makes of it.
		p := *j.Source.Video
		p.Start, p.End, p.Timebase = p.Start*media.Ticks(p.Timebase.Num), 0, media.Rational{Num: 1, Den: p.Timebase.Den}
		j.Source.Video = &p
	default:
		segments = divide(j, *index)
		j.Segments = len(segments)
	}
	err = w.record(ctx, j, claim{in.Execution, in.Started})
	if errors.Is(err, errNewer) {
		err = nil // two executions of one request: this one works along, and leaves the record to the other
	}
	if err != nil {
		return film.Brief{}, err
	}
	if err := w.Ledger.Plan(ctx, j.ID, units(j, segments), expiry(j)); err != nil {
		return film.Brief{}, err
	}
	for _, warning := range j.Warnings {
		w.tell(Event{Type: Warning, Job: j.ID, Error: warning})
	}
	return w.brief(ctx, j, in.Execution)
}

// divide plans the segments of an indexed source.
func divide(j film.Job, index plan.Index) []film.Segment {
	if length := packaged(j); length > 0 {
		return plan.Aligned(index, j.Source.Video.Timebase, wanted(j), length)
	}
	return plan.Segments(index, j.Source.Video.Timebase, wanted(j))
}

// distinct refuses an output that would replace the job's own source.
func (w *Worker) distinct(ctx context.Context, req film.Request, out film.OutputPlan) error {
	from, key, err := w.Resolve(ctx, req.Source)
	if err != nil {
		return err
	}
	to, target, err := w.Resolve(ctx, outputURL(req, out))
	if err != nil {
		return err
	}
	if _, err := to.Stat(ctx, target); fault.KindOf(err) == fault.NotFound {
		return nil
	}
	a, err := from.Locate(ctx, key)
	if err != nil {
		return err
	}
	b, err := to.Locate(ctx, target)
	if err != nil {
		return err
	}
	a, _, _ = strings.Cut(a, "?")
	if b, _, _ = strings.Cut(b, "?"); a == b {
		return fault.New(fault.Invalid, "the output %s would replace its own source", out.File)
	}
	return nil
}

// outputURL is where an output will be.
func outputURL(req film.Request, out film.OutputPlan) string {
	return destined(req, out.File)
}

// destined is where a path in the destination lies.
func destined(req film.Request, path string) string {
	return strings.TrimSuffix(req.Destination, "/") + "/" + path
}

// claim is by what an execution has a job.
type claim struct {
	execution string
	started   time.Time
}

// record writes the job to the ledger. An error that wraps errNewer says that a newer execution is at work on it.
func (w *Worker) record(ctx context.Context, j film.Job, by claim) error {
	doc, err := json.Marshal(j)
	if err != nil {
		return fault.Wrap(fault.Internal, err, "record of job "+j.ID)
	}
	err = w.Ledger.PutJob(ctx, ledger.Job{
		ID: j.ID, State: ledger.JobRunning, Execution: by.execution, Started: by.started, Doc: doc, Expires: expiry(j),
	})
	if !errors.Is(err, ledger.ErrConflict) {
		return err
	}
	now, err := w.Ledger.Job(ctx, j.ID)
	switch {
	case err != nil && !errors.Is(err, ledger.ErrNotFound):
		return err
	case now.State == ledger.JobDone:
		return errors.Join(late(j.ID), w.clear(ctx, j.ID)) // given up, and overtaken by who cleared: nobody else would
	case now.State == ledger.JobRunning && now.Execution != by.execution:
		return errors.Join(late(j.ID), errNewer)
	}
	return late(j.ID)
}

var errNewer = errors.New("a newer execution of the same request is at work")

// late is the error of a stage that was given up and went on after the job had come to its end, or to another execution.
func late(id string) error {
	return fault.New(fault.Transient, "job %s is no longer this execution's: it was finished, or another one works on it", id)
}

// slowest is the pace, in seconds of work a second of video, at which a job's end is expected at the latest: a slow
// preset on one small worker.
const slowest = 20

// expiry is when the job's records may vanish: the request's retention after its expected end.
func expiry(j film.Job) time.Time {
	work := time.Duration(j.Source.Duration) * time.Microsecond * slowest / time.Duration(max(1, min(j.Request.Compute.Concurrency, j.Segments)))
	return time.Now().Add(work + time.Duration(j.Request.Retention.Hours)*time.Hour)
}

// units yields what is recorded of a job ahead of its work.
func units(j film.Job, segments []film.Segment) iter.Seq[ledger.Unit] {
	return func(yield func(ledger.Unit) bool) {
		for _, seg := range segments {
			spec, _ := json.Marshal(seg) //nolint:errchkjson // integers only
			if !yield(ledger.Unit{Job: j.ID, ID: film.VideoUnit(seg.Index), Spec: spec}) {
				return
			}
		}
		for i := range j.AudioParts() {
			if !yield(ledger.Unit{Job: j.ID, ID: film.AudioUnit(i)}) {
				return
			}
		}
		if j.HasSidecar() && !yield(ledger.Unit{Job: j.ID, ID: film.SidecarUnit}) {
			return
		}
		for _, out := range j.Outputs {
			if !yield(ledger.Unit{Job: j.ID, ID: film.OutputUnit(out.Name)}) {
				return
			}
		}
	}
}

// brief says what is left to do: units that the ledger does not hold as done, or whose bytes are gone.
func (w *Worker) brief(ctx context.Context, j film.Job, execution string) (film.Brief, error) {
	b := film.Brief{
		Job: j.ID, Route: j.Request.Compute.Mode, GPU: j.Request.Compute.GPU,
		Concurrency: j.Request.Compute.Concurrency, Audio: []film.AudioItem{}, Outputs: []film.MergeItem{},
		Segments: film.Items{Bucket: w.Bucket, Key: film.ItemsKey(j.ID)},
	}
	published, err := w.done(ctx, j.ID, execution, "output/", func(u ledger.Unit) (bool, error) { return w.replaced(ctx, u) })
	if err != nil {
		return b, err
	}
	for _, out := range j.Outputs {
		if !published[film.OutputUnit(out.Name)] {
			b.Outputs = append(b.Outputs, film.MergeItem{Job: j.ID, Output: out.Name})
		}
	}
	b.Split = j.Split && len(b.Outputs) > 0
	var items []film.EncodeItem
	if len(b.Outputs) > 0 {
		have, err := w.stored(ctx, j.ID)
		if err != nil {
			return b, err
		}
		served, err := w.served(ctx, j)
		if err != nil {
			return b, err
		}
		video, err := w.done(ctx, j.ID, execution, "video/", func(u ledger.Unit) (bool, error) {
			var facts film.SegmentFacts
			err := reported(u, nil, &facts)
			for _, p := range facts.Chunks {
				if gone, err := w.lost(ctx, have, p.StoredObject); p.Frames > 0 && gone || err != nil {
					return gone, err
				}
			}
			if err != nil {
				return false, err
			}
			return w.lacks(ctx, j, served, facts)
		})
		if err != nil {
			return b, err
		}
		for i := range j.Segments {
			if !video[film.VideoUnit(i)] {
				items = append(items, film.EncodeItem{Job: j.ID, Segment: i})
			}
		}
		audio, err := w.done(ctx, j.ID, execution, "audio/", func(u ledger.Unit) (bool, error) {
			var facts film.AudioFacts
			if err := reported(u, nil, &facts); err != nil {
				return false, err
			}
			return w.lost(ctx, have, facts.StoredObject)
		})
		if err != nil {
			return b, err
		}
		for i := range j.AudioParts() {
			if !audio[film.AudioUnit(i)] {
				b.Audio = append(b.Audio, film.AudioItem{Job: j.ID, Part: i})
			}
		}
		if j.HasSidecar() {
			text, err := w.done(ctx, j.ID, execution, film.SidecarUnit, func(u ledger.Unit) (bool, error) {
				var facts film.SidecarFacts
				err := reported(u, nil, &facts)
				for _, p := range textPieces(facts) {
					if gone, err := w.lost(ctx, have, p); gone || err != nil {
						return gone, err
					}
				}
				return false, err
			})
			if err != nil {
				return b, err
			}
			if !text[film.SidecarUnit] {
				b.Audio = append(b.Audio, film.AudioItem{Job: j.ID, Part: film.SidecarPart})
			}
		}
	}
	b.Segments.Count = len(items)
	if items == nil {
		items = []film.EncodeItem{}
	}
	data, err := json.Marshal(items)
	if err != nil {
		return b, fault.Wrap(fault.Internal, err, "items of the map")
	}
	if _, err := w.Items.Put(ctx, b.Segments.Key, bytes.NewReader(data)); err != nil {
		return b, err
	}
	// Finish records the end before it clears. Where that was meanwhile, who put something after it takes it away again.
	if record, err := w.Ledger.Job(ctx, j.ID); err != nil || record.State == ledger.JobDone {
		if err == nil {
			err = errors.Join(late(j.ID), w.clear(ctx, j.ID))
		}
		return b, err
	}
	told := Event{Type: Planned, Job: j.ID, Segments: j.Segments, Pieces: len(j.AudioParts()), Done: j.Segments - len(items), Duration: j.Source.Duration}
	if j.Source.Video != nil {
		told.Frames = int64(j.Source.Video.Frames)
	}
	w.tell(told)
	return b, nil
}

// served lists the sizes of the media segments that lie where players will ask for them, by package.
func (w *Worker) served(ctx context.Context, j film.Job) (map[string]map[string]int64, error) {
	have := map[string]map[string]int64{}
	for _, out := range j.Outputs {
		if !out.Container.Packaged() || out.SingleFile {
			continue
		}
		var err error
		if have[out.Name], err = w.media(ctx, mediaURL(j.Request, out)); err != nil {
			return nil, err
		}
	}
	return have, nil
}

// lacks says whether media segments that a worker wrote are gone. What was put there after have was listed is looked for
// again.
func (w *Worker) lacks(ctx context.Context, j film.Job, have map[string]map[string]int64, facts film.SegmentFacts) (bool, error) {
	for r, piece := range facts.Chunks {
		for _, out := range j.Packages(r) {
			if out.SingleFile || piece.Media == nil {
				continue
			}
			for _, m := range piece.Media.Segments {
				path := film.MediaPath(j.Renditions[r].Name, m.Start)
				if have[out.Name][path] == m.Size {
					continue
				}
				store, key, err := w.Resolve(ctx, mediaURL(j.Request, out)+"/"+path)
				if err != nil {
					return false, err
				}
				if gone, err := missing(ctx, store, key, m.Size); gone || err != nil {
					return gone, err
				}
			}
		}
	}
	return false, nil
}

// stored lists the sizes of a job's pieces in scratch.
func (w *Worker) stored(ctx context.Context, id string) (map[string]int64, error) {
	have := map[string]int64{}
	for info, err := range w.Scratch.List(ctx, film.Prefix(id)) {
		if err != nil {
			return nil, err
		}
		have[info.Key] = info.Size
	}
	return have, nil
}

// lost says whether a piece is not in scratch. What was put there after have was listed is looked for again.
func (w *Worker) lost(ctx context.Context, have map[string]int64, p film.StoredObject) (bool, error) {
	if p.Key == "" || have[p.Key] == p.Size {
		return false, nil
	}
	return missing(ctx, w.Scratch, p.Key, p.Size)
}

// missing says whether there is no file with this size.
func missing(ctx context.Context, store blob.Store, key string, size int64) (bool, error) {
	info, err := store.Stat(ctx, key)
	if fault.KindOf(err) == fault.NotFound {
		return true, nil
	}
	return info.Size != size, err
}

// done names the units whose ID begins with prefix that are done and whose bytes are there; where lost says that they are
// not, the unit is planned again, unless the job has meanwhile come to its end, which clears its pieces.
func (w *Worker) done(ctx context.Context, id, execution, prefix string, lost func(ledger.Unit) (bool, error)) (map[string]bool, error) {
	done := map[string]bool{}
	var again []ledger.Unit
	for u, err := range w.Ledger.Units(ctx, id, prefix) {
		if err != nil {
			return nil, err
		}
		if u.State != ledger.Done {
			continue
		}
		gone, err := lost(u)
		if err != nil {
			return nil, err
		}
		if gone {
			again = append(again, u)
		} else {
			done[u.ID] = true
		}
	}
	if len(again) > 0 {
		record, err := w.Ledger.Job(ctx, id)
		if err != nil {
			return nil, err
		}
		if record.State == ledger.JobDone || record.Execution != execution {
			return nil, late(id)
		}
	}
	for _, u := range again {
		if err := w.Ledger.Reopen(ctx, id, u.ID, u.Attempt); err != nil && !errors.Is(err, ledger.ErrConflict) {
			return nil, err
		}
	}
	return done, nil
}

// replaced says whether an output is no longer where, or what, it was when it was published.
func (w *Worker) replaced(ctx context.Context, u ledger.Unit) (bool, error) {
	var facts film.OutputFacts
	if err := reported(u, nil, &facts); err != nil {
		return false, err
	}
	store, key, err := w.Resolve(ctx, facts.URL)
	if err != nil {
		return false, err
	}
	info, err := store.Stat(ctx, key)
	if fault.KindOf(err) == fault.NotFound {
		return true, nil
	}
	if err != nil || info.Size != facts.Size {
		return true, err
	}
	if facts.Manifest != "" {
		store, key, err := w.Resolve(ctx, facts.Manifest)
		if err != nil {
			return false, err
		}
		if _, err := store.Stat(ctx, key); fault.KindOf(err) == fault.NotFound {
			return true, nil
		} else if err != nil {
			return true, err
		}
	}
	if facts.Folder != "" {
		have, err := w.media(ctx, facts.Folder)
		var media int64
		for _, size := range have {
			media += size
		}
		if err != nil || media < facts.Media {
			return true, err
		}
	}
	if info.Version == facts.Version {
		return false, nil
	}
	// A second worker at the same output may have published the same bytes later, and a copy has a time of its own.
	now, err := digest(ctx, store, key, info.Size)
	return now != facts.Digest, err
}

// digestBytes is how much of an output's start and end its digest covers: the tables of a film, or its first minutes'.
const digestBytes = 256 << 10

// digest tells an output from another of the same size without reading all of it.
func digest(ctx context.Context, store blob.Store, key string, size int64) (string, error) {
	sum := sha256.New()
	for _, offset := range []int64{0, max(0, size-digestBytes)} {
		data, err := readRange(ctx, store, key, offset, digestBytes)
		if err != nil {
			return "", err
		}
		if want := min(digestBytes, size-offset); int64(len(data)) != want {
			return "", fault.New(fault.Transient, "%d bytes were read of %d", len(data), want)
		}
		sum.Write(data)
	}
	return hex.EncodeToString(sum.Sum(nil)[:16]), nil
}

// examine looks at a source: its format by its own first bytes, its index, its streams through ffprobe. The index is
// nil where there is none to be had; splittable says whether Split could make one.
func (w *Worker) examine(ctx context.Context, store blob.Store, key, url string) (src film.Source, x *plan.Index, splittable bool, err error) {
	src.URL = url
	info, err := store.Stat(ctx, key)
	if err != nil {
		return src, nil, false, err
	}
	src.Size, src.Version = info.Size, info.Version
	head, err := readRange(ctx, store, key, 0, min(headBytes, info.Size))
	if err != nil {
		return src, nil, false, err
	}
	container, err := ffmpeg.Sniff(head, path.Base(key))
	if err != nil {
		return src, nil, false, fault.WithHint(err, "give it a video: MP4, MOV, Matroska, WebM, MPEG-TS, AVI, FLV and others")
	}
	src.Demuxer = container.Demuxer
	// The index first: it costs a few reads, and what is cut off or damaged shows there best.
	file, err := readIndex(ctx, newReader(ctx, store, key, info.Size), container)
	if err != nil {
		return src, nil, false, fmt.Errorf("index of %s: %w", path.Base(key), err)
	}
	location, err := store.Locate(ctx, key)
	if err != nil {
		return src, nil, false, err
	}
	media, err := ffmpeg.Probe(ctx, w.Tools, ffmpeg.Input{Location: location, Demuxer: src.Demuxer})
	if err != nil {
		return src, nil, false, err
	}
	if err := describe(&src, media); err != nil {
		return src, nil, false, err
	}
	file.clocks(&src, media)
	if file.mkv != nil && file.mkv.Damage != nil {
		src.Losses = append(src.Losses, fmt.Sprintf("the source is cut short or damaged (%v); what can be decoded is kept", file.mkv.Damage))
	}
	if src.Video == nil {
		return src, nil, false, nil
	}
	for _, s := range media.Streams {
		if s.Index == src.Video.Stream {
			splittable = ffmpeg.Splittable(src.Demuxer, s) && !ffmpeg.Packed(head)
		}
	}
	return src, file.picture(src, media), splittable, nil
}

func readRange(ctx context.Context, store blob.Store, key string, offset, length int64) ([]byte, error) {
	body, err := store.Open(ctx, key, offset, length)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	return io.ReadAll(io.LimitReader(body, length))
}

// index is a container's own index; both are nil where it has none.
type index struct {
	mp4 *isobmff.Index
	mkv *matroska.Index
}

func readIndex(ctx context.Context, r *reader, c ffmpeg.Container) (x index, err error) {
	switch {
	case !c.Indexed:
	case strings.HasPrefix(c.Demuxer, "mov"):
		x.mp4, err = isobmff.ReadIndex(ctx, r, r.size)
	default:
		x.mkv, err = matroska.ReadIndex(ctx, r, r.size)
	}
	return x, err
}

// picture is the index of the source's picture, whose facts it completes; nil where the source must be split.
func (x index) picture(src film.Source, media ffmpeg.Media) *plan.Index {
	p := src.Video
	nth := 0 // which video track of the file the picture is: both sides count in the file's order
	for _, s := range media.Streams {
		if s.Type == "video" && s.Index < p.Stream && !s.AttachedPic {
			nth++
		}
	}
	var found *plan.Index
	switch {
	case x.mp4 != nil && !x.mp4.Fragmented:
		found = fromMP4(x.mp4, nth)
	case x.mkv != nil:
		found = fromMatroska(x.mkv, nth, src)
	}
	if found != nil {
		p.Start, p.End, p.Frames = found.Start, found.End, len(found.Times)
	}
	return found
}

func fromMP4(file *isobmff.Index, nth int) *plan.Index {
	for _, t := range file.Tracks {
		if t.Handler != "vide" {
			continue
		}
		if nth > 0 {
			nth--
			continue
		}
		if len(t.Presentation) == 0 {
			return nil
		}
		x := &plan.Index{Start: media.Ticks(t.Presentation[0]), End: media.Ticks(t.End), Sync: ticks(t.Sync), Times: ticks(t.Presentation)}
		if t.Irregular {
			x.Times = nil // what ffmpeg shows of it is not ours to predict
		}
		return x
	}
	return nil
}

func ticks(list []int64) []media.Ticks {
	out := make([]media.Ticks, len(list))
	for i, t := range list {
		out[i] = media.Ticks(t)
	}
	return out
}

// copyable adapts ffmpeg's table to plan's question.
func copyable(codec string, in film.Container) bool { return ffmpeg.CopyableTo(codec, string(in)) }

// encodersOf names the ffmpeg encoders that a job needs.
func encodersOf(j film.Job) ([]string, error) {
	var names []string
	for _, r := range j.Renditions {
		name, ok := ffmpeg.Encoder(string(r.Codec), j.Request.Compute.GPU)
		if !ok {
			return nil, fault.New(fault.Unsupported, "no GPU encoder makes %s; leave gpu out", r.Codec)
		}
		names = append(names, name)
	}
	for _, s := range j.AudioRenditions {
		if name, ok := ffmpeg.AudioEncoder(string(s.Codec)); ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names), nil
}
