package stage

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/isobmff"
	"github.com/mapreel/mapreel/pkg/ledger"
	"github.com/mapreel/mapreel/pkg/media"
)

// texts takes what is neither picture nor sound from the source, in one pass, and puts it in scratch.
func (w *Worker) texts(ctx context.Context, j film.Job) error {
	if !j.HasSidecar() {
		return fault.New(fault.Internal, "job %s has nothing beside picture and sound", j.ID)
	}
	var keys []string
	return w.unit(ctx, j.ID, film.SidecarUnit, func(u ledger.Unit, dir string) (any, Event, error) {
		p := &textPass{Worker: w, job: j, unit: u, dir: dir}
		facts, err := p.run(ctx)
		keys = p.keys
		if err != nil {
			return nil, Event{}, fault.WithHint(fmt.Errorf("subtitles: %w", err), "to go on without them, leave the subtitles out")
		}
		for _, warning := range facts.Warnings {
			w.tell(Event{Type: Warning, Job: j.ID, Unit: u.ID, Error: warning})
		}
		told := Event{Type: Finished, Media: j.Source.Duration}
		for _, piece := range textPieces(facts) {
			told.Bytes += piece.Size
		}
		return facts, told, nil
	}, func(ledger.Unit) { w.remove(ctx, keys) })
}

// textPieces are all the pieces of a text unit that are there.
func textPieces(facts film.SidecarFacts) (pieces []film.StoredObject) {
	for _, t := range facts.Subtitles {
		if t.Events > 0 {
			pieces = append(pieces, t.StoredObject)
		}
	}
	if facts.Cover != nil {
		pieces = append(pieces, *facts.Cover)
	}
	return append(pieces, facts.Attachments...)
}

// textPass is one attempt at the text unit.
type textPass struct {
	*Worker
	job  film.Job
	unit ledger.Unit
	dir  string
	keys []string
}

// maxCover bounds a cover picture, which Merge holds in memory.
const maxCover = 16 << 20

func (p *textPass) run(ctx context.Context) (facts film.SidecarFacts, err error) {
	source := p.job.Source
	store, key, err := p.Resolve(ctx, source.URL)
	if err != nil {
		return facts, err
	}
	location, err := store.Locate(ctx, key)
	if err != nil {
		return facts, err
	}
	t := ffmpeg.Sidecar{Input: ffmpeg.Input{
		Location: location, Demuxer: source.Demuxer, Origin: int64(source.Origin.In(media.Microseconds)),
	}}
	if source.Jumps { // ffmpeg then takes the source's start off by itself
		t.Input.Origin, t.Input.Jumps = 0, jumps(source, -1)
	}
	for i, text := range p.job.SubtitleRenditions {
		muxer := "matroska"
		switch text.Mux {
		case film.MP4:
			muxer = "mp4"
		case film.HLS:
			muxer = "webvtt"
		}
		t.Subtitles = append(t.Subtitles, ffmpeg.SubtitleOutput{
			Stream: source.Subtitles[text.Track].Stream, Codec: text.Codec, Muxer: muxer, Path: filepath.Join(p.dir, strconv.Itoa(i)),
		})
	}
	var cover, attached bool
	for _, out := range p.job.Outputs {
		cover, attached = cover || out.Cover, attached || out.Attachments
	}
	if cover {
		t.Cover = &ffmpeg.CopiedStream{Stream: source.Cover.Stream, Path: filepath.Join(p.dir, "cover")}
	}
	if attached {
		for i, a := range source.Attachments {
			t.Attachments = append(t.Attachments, ffmpeg.CopiedStream{Stream: a.Stream, Path: filepath.Join(p.dir, fmt.Sprintf("attached%d", i))})
		}
	}
	_, err = ffmpeg.Run(ctx, p.Tools.FFmpeg, ffmpeg.SidecarArgs(t), ffmpeg.RunOptions{Dir: p.dir, OnProgress: func(pr ffmpeg.Progress) {
		p.tell(Event{Type: Progress, Job: p.job.ID, Unit: p.unit.ID, Attempt: p.unit.Attempt, Bytes: max(pr.Bytes, 0), Media: max(media.Ticks(pr.OutTime), 0)})
	}})
	if err != nil {
		return facts, err
	}
	empty := map[int]bool{}
	for i, track := range t.Subtitles {
		piece, err := p.piece(ctx, i, track)
		if err != nil {
			return facts, fmt.Errorf("track %d: %w", p.job.SubtitleRenditions[i].Track+1, err)
		}
		if n := p.job.SubtitleRenditions[i].Track; piece.Events == 0 && !empty[n] {
			empty[n] = true
			facts.Warnings = append(facts.Warnings, fmt.Sprintf("left out: subtitle track %d, in which nothing is shown", n+1))
		}
		facts.Subtitles = append(facts.Subtitles, piece)
	}
	if t.Cover != nil {
		if facts.Cover, err = p.cover(ctx, t.Cover.Path); err != nil {
			return facts, err
		}
		if facts.Cover == nil {
			facts.Warnings = append(facts.Warnings, "left out: the cover picture, which is empty or larger than 16 MiB")
		}
	}
	for i, a := range t.Attachments {
		piece, err := p.file(ctx, len(t.Subtitles)+1+i, a.Path)
		if err != nil {
			return facts, err
		}
		facts.Attachments = append(facts.Attachments, piece)
	}
	return facts, nil
}

// piece puts a track in scratch.
func (p *textPass) piece(ctx context.Context, i int, track ffmpeg.SubtitleOutput) (piece film.SubtitleFacts, err error) {
	log, err := os.Open(track.Log())
	if err != nil {
		return piece, err
	}
	defer log.Close()
	tb, events, err := ffmpeg.ReadSubtitleLog(log)
	if err != nil {
		return piece, err
	}
	if p.job.SubtitleRenditions[i].Mux != film.MP4 {
		if piece.Events = len(events); piece.Events > 0 {
			piece.StoredObject, err = p.file(ctx, i, track.Path)
		}
		return piece, err
	}
	timed, payload, err := timedText(track, tb, events)
	if err != nil || len(timed.Samples) == 0 {
		return piece, err
	}
	var stored bytes.Buffer
	if err := timed.Write(&stored, bytes.NewReader(payload)); err != nil {
		return piece, err
	}
	size := int64(stored.Len())
	key, err := p.put(ctx, i, "mp4", &stored)
	piece.StoredObject = film.StoredObject{Key: key, Size: size, Header: size - timed.Bytes}
	piece.Events, piece.Samples = len(events), len(timed.Samples)
	piece.Scale = media.Rational{Num: 1, Den: int64(timed.Track.Timescale)}
	piece.Last = media.Ticks(timed.End() - int64(timed.Samples[piece.Samples-1].Duration))
	return piece, err
}

// timedText makes a track of the events that ffmpeg wrote; without any it has no samples.
func timedText(track ffmpeg.SubtitleOutput, tb media.Rational, events []ffmpeg.SubtitleEvent) (isobmff.Chunk, []byte, error) {
	var none isobmff.Chunk
	if len(events) == 0 {
		return none, nil, nil
	}
	if tb.Num != 1 || tb.Den != int64(uint32(tb.Den)) {
		return none, nil, fault.New(fault.Unsupported, "subtitles that count in %v of a second", tb)
	}
	f, err := os.Open(track.Path)
	if err != nil {
		return none, nil, err
	}
	defer f.Close()
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
	list := make([]isobmff.TextEvent, len(events))
	for i, e := range events {
		if e.Size > int64(len(data)) {
			return none, nil, fault.New(fault.Corrupt, "the text of subtitle %d is missing", i+1)
		}
		list[i] = isobmff.TextEvent{Start: e.Start, Duration: e.Duration, Data: data[:e.Size:e.Size]}
		data = data[e.Size:]
	}
	described.Track.Timescale = uint32(tb.Den)
	return isobmff.TimedText(described.Track, list)
}

func (p *textPass) cover(ctx context.Context, path string) (*film.StoredObject, error) {
	stat, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if stat.Size() == 0 || stat.Size() > maxCover {
		return nil, nil //nolint:nilnil // no cover is no error
	}
	piece, err := p.file(ctx, len(p.job.SubtitleRenditions), path)
	return &piece, err
}

// file puts a whole file in scratch, as the n-th of the attempt.
func (p *textPass) file(ctx context.Context, n int, path string) (piece film.StoredObject, err error) {
	f, err := os.Open(path)
	if err != nil {
		return piece, err
	}
	defer f.Close()
	stat, err := f.Stat()
	if err != nil {
		return piece, err
	}
	piece.Size = stat.Size()
	piece.Key, err = p.put(ctx, n, "bin", f)
	return piece, err
}

func (p *textPass) put(ctx context.Context, n int, ext string, r io.Reader) (string, error) {
	key := film.ArtifactKey(p.job.ID, film.SidecarUnit, p.unit.Attempt, n, ext)
	p.keys = append(p.keys, key)
	_, err := p.Scratch.Put(ctx, key, r)
	return key, err
}
