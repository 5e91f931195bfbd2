// Package sidecar is the kind of work that extracts subtitles, the cover and attachments from a
// source, all in one pass.
package sidecar

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/remux"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/input"
	"github.com/mapreel/mapreel/pkg/isobmff"
	"github.com/mapreel/mapreel/pkg/isobmff/timedtext"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/work"
)

// Kind extracts the sidecar of a source.
type Kind struct{ Tools ffmpeg.Tools }

var _ work.Kind = Kind{}

// Name implements work.Kind.
func (Kind) Name() string { return film.SidecarKind }

// Run implements work.Kind.
func (k Kind) Run(ctx context.Context, env *work.Env, u work.Unit) (work.Result, error) {
	a := &attempt{Env: env, tools: k.Tools}
	if err := env.Decode(&a.job); err != nil {
		return work.Result{}, err
	}
	for i := range a.job.Burns {
		if u.Name == film.BurnUnit(i) {
			return a.burn(ctx, a.job.Burns[i])
		}
	}
	if !a.job.HasSidecar() {
		return work.Result{}, fault.New(fault.Internal, "job %s has no sidecar", env.Job)
	}
	facts, err := a.run(ctx)
	if err != nil {
		return work.Result{}, fault.WithHint(fmt.Errorf("subtitles: %w", err), "to go on without them, leave the subtitles out")
	}
	r := work.Result{Artifacts: a.artifacts, Warnings: a.warnings, Done: work.Amount{Media: a.job.Source.Duration}}
	for _, artifact := range a.artifacts {
		r.Done.Bytes += artifact.Size
	}
	return r, r.SetFacts(facts)
}

// attempt is one attempt at a sidecar.
type attempt struct {
	*work.Env
	tools ffmpeg.Tools
	job   film.Job

	artifacts []work.Artifact
	warnings  []string
}

// maxCover bounds a cover in bytes, because Merge holds it in memory.
const maxCover = 16 << 20

func (a *attempt) run(ctx context.Context) (film.SidecarFacts, error) {
	source := a.job.Source
	files := a.files()
	a.limit(&files)
	failed := map[int]error{}
	if items := a.fromSource(files); len(items) > 0 {
		in, err := input.Source(ctx, a.Resolve, source)
		if err != nil {
			return film.SidecarFacts{}, err
		}
		a.place(&files, in)
		if err := a.extract(ctx, files, items, failed); err != nil {
			return film.SidecarFacts{}, err
		}
	}
	for _, name := range a.beside() {
		own, err := a.openBeside(ctx, name, files)
		if err == nil {
			err = a.extract(ctx, own, a.fromFile(name), failed)
		}
		if err != nil {
			return film.SidecarFacts{}, err
		}
	}
	return a.store(ctx, files, failed)
}

// files returns what ffmpeg must extract for the job's outputs, and where it writes that.
func (a *attempt) files() remux.Sidecar {
	source := a.job.Source
	var files remux.Sidecar
	for i, r := range a.job.SubtitleRenditions {
		muxer := "matroska"
		switch r.Mux {
		case film.MP4:
			muxer = "mp4"
		case film.HLS:
			muxer = "webvtt"
		}
		if r.Codec == webVTT {
			muxer = "webvtt" // also for WebM: in a file of text, cues can be escaped
		}
		files.Subtitles = append(files.Subtitles, remux.SubtitleOutput{
			Stream: source.Subtitles[r.Track].Stream, Codec: r.Codec, Muxer: muxer, Path: filepath.Join(a.Dir, strconv.Itoa(i)),
		})
	}
	if slices.ContainsFunc(a.job.Outputs, func(out film.OutputPlan) bool { return out.Cover }) {
		files.Cover = &remux.CopiedStream{Stream: source.Cover.Stream, Path: filepath.Join(a.Dir, "cover")}
	}
	if slices.ContainsFunc(a.job.Outputs, func(out film.OutputPlan) bool { return out.Attachments }) {
		for i, file := range source.Attachments {
			path := filepath.Join(a.Dir, fmt.Sprintf("attached%d", i))
			files.Attachments = append(files.Attachments, remux.CopiedStream{Stream: file.Stream, Path: path})
		}
	}
	return files
}

// store puts what ffmpeg extracted in scratch. It warns of what is left out: what failed, as extract
// returned it, and what is empty or malformed.
func (a *attempt) store(ctx context.Context, files remux.Sidecar, failed map[int]error) (facts film.SidecarFacts, err error) {
	missing := map[int]bool{} // tracks that a warning names already
	for i, track := range files.Subtitles {
		number := a.job.SubtitleRenditions[i].Track + 1
		var stored film.SubtitleFacts
		err := failed[i]
		if err == nil {
			stored, err = a.putSubtitles(ctx, i, track, a.partOf(i, files))
		}
		name := fmt.Sprintf("subtitle track %d", number)
		switch kind := fault.KindOf(err); {
		case err == nil && stored.Events == 0 && !missing[number]:
			missing[number] = true
			a.warnings = append(a.warnings, "left out: "+name+", which is empty")
		case err == nil:
		case failed[i] == nil && kind != fault.Corrupt && kind != fault.Unsupported:
			return facts, fmt.Errorf("track %d: %w", number, err)
		default:
			if stored = (film.SubtitleFacts{}); !missing[number] {
				missing[number] = true
				a.leaveOut(name, err)
			}
		}
		facts.Subtitles = append(facts.Subtitles, stored)
	}
	for i, file := range files.Attachments {
		var stored film.StoredObject
		if err := failed[len(files.Subtitles)+i]; err != nil {
			a.leaveOut("the attached file "+a.job.Source.Attachments[i].Name, err)
		} else if stored, err = a.putFile(ctx, len(files.Subtitles)+1+i, file.Path); err != nil {
			return facts, err
		}
		facts.Attachments = append(facts.Attachments, stored)
	}
	if files.Cover == nil {
		return facts, nil
	}
	if err := failed[len(files.Subtitles)+len(files.Attachments)]; err != nil {
		a.leaveOut("the cover picture", err)
		return facts, nil
	}
	if facts.Cover, err = a.putCover(ctx, files.Cover.Path); err == nil && facts.Cover == nil {
		a.warnings = append(a.warnings, "left out: the cover picture, which is empty or larger than 16 MiB")
	}
	return facts, err
}

// putSubtitles puts subtitle rendition i, which ffmpeg wrote to track, in scratch. It stores
// nothing where the track is empty.
func (a *attempt) putSubtitles(ctx context.Context, i int, track remux.SubtitleOutput, part *remux.SidecarPart) (facts film.SubtitleFacts, err error) {
	log, err := os.Open(track.Log())
	if err != nil {
		return facts, err
	}
	defer log.Close() //nolint:errcheck // it was only read
	tb, events, err := remux.ReadSubtitleLog(log)
	if err != nil {
		return facts, err
	}
	if a.job.SubtitleRenditions[i].Mux != film.MP4 {
		switch facts.Events = len(events); {
		case facts.Events == 0:
		case part != nil && track.Codec != "copy":
			facts.Events, err = writeCues(track, *part, tb, events)
		case track.Codec == webVTT:
			err = escapeFile(track.Path, events)
		}
		if err == nil && facts.Events > 0 {
			facts.StoredObject, err = a.putFile(ctx, i, track.Path)
		}
		return facts, err
	}
	timed, payload, err := timedText(track, part, tb, events)
	if err != nil || len(timed.Samples) == 0 {
		return facts, err
	}
	var chunk bytes.Buffer
	if err := timed.Write(&chunk, bytes.NewReader(payload)); err != nil {
		return facts, err
	}
	if facts.StoredObject, err = a.put(ctx, i, "mp4", &chunk); err != nil {
		return facts, err
	}
	facts.Header = facts.Size - timed.Bytes
	facts.Events, facts.Samples = len(events), len(timed.Samples)
	facts.Scale = media.Rational{Num: 1, Den: int64(timed.Track.Timescale)}
	facts.Last = media.Ticks(timed.End() - int64(timed.Samples[facts.Samples-1].Duration))
	return facts, nil
}

// timedText makes a chunk of timed text (3GPP TS 26.245) of the events in ffmpeg's output. Without
// events it has no samples.
func timedText(track remux.SubtitleOutput, part *remux.SidecarPart, tb media.Rational, events []remux.SubtitleEvent) (isobmff.Chunk, []byte, error) {
	var none isobmff.Chunk
	if len(events) == 0 {
		return none, nil, nil
	}
	if tb.Num != 1 || tb.Den != int64(uint32(tb.Den)) {
		return none, nil, fault.New(fault.Unsupported, "the timebase of the subtitles is %v of a second", tb)
	}
	f, err := os.Open(track.Path)
	if err != nil {
		return none, nil, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	stat, err := f.Stat()
	if err != nil {
		return none, nil, err
	}
	described, _, err := isobmff.ReadFragments(f, stat.Size())
	if err != nil {
		return none, nil, err
	}
	data, err := os.ReadFile(track.Data())
	if err != nil {
		return none, nil, err
	}
	list := make([]timedtext.Event, 0, len(events))
	for i, e := range events {
		if e.Size > int64(len(data)) {
			return none, nil, fault.New(fault.Corrupt, "the text of subtitle %d is missing", i+1)
		}
		own, shown := data[:e.Size:e.Size], true
		if data = data[e.Size:]; part != nil {
			e, shown = part.Cut(e, tb)
		}
		if shown {
			list = append(list, timedtext.Event{Start: e.Start, Duration: e.Duration, Data: own})
		}
	}
	described.Track.Timescale = uint32(tb.Den)
	return timedtext.Encode(described.Track, list)
}

// putCover puts the cover in scratch; nil where it is empty or too large.
func (a *attempt) putCover(ctx context.Context, path string) (*film.StoredObject, error) {
	stat, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if stat.Size() == 0 || stat.Size() > maxCover {
		return nil, nil //nolint:nilnil // no cover is no error
	}
	stored, err := a.putFile(ctx, len(a.job.SubtitleRenditions), path)
	return &stored, err
}

// putFile puts a file in scratch as the attempt's artifact n.
func (a *attempt) putFile(ctx context.Context, n int, path string) (film.StoredObject, error) {
	f, err := os.Open(path)
	if err != nil {
		return film.StoredObject{}, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	return a.put(ctx, n, "bin", f)
}

// put stores the attempt's artifact n.
func (a *attempt) put(ctx context.Context, n int, extension string, r io.Reader) (film.StoredObject, error) {
	key := a.Key(n, extension)
	info, err := a.Scratch.Put(ctx, key, r)
	if err != nil {
		return film.StoredObject{}, err
	}
	a.artifacts = append(a.artifacts, work.Artifact{Key: key, Size: info.Size})
	return film.StoredObject{Key: key, Size: info.Size}, nil
}
