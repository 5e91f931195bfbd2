package audio

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"path"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/budget"
	"github.com/mapreel/mapreel/pkg/ffmpeg/encode"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/input"
	"github.com/mapreel/mapreel/pkg/film/plan"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/work"
)

// join decodes an audio track of all sources into one file in scratch, from which the parts of the track are then encoded. So an encoder
// never begins or ends where two sources meet. Each source gives exactly as many samples as its picture lasts.
func (a *attempt) join(ctx context.Context, track int) (work.Result, error) {
	a.track = a.job.Source.Audio[track]
	ranges := plan.JoinedRanges(a.job.Source, track)
	samples := int64(0)
	for _, r := range ranges {
		samples += r.Count
	}
	facts := film.JoinedAudio{StoredObject: film.StoredObject{Key: a.Key(track, "wav")}}
	info, err := blob.Write(ctx, a.Scratch, facts.Key, func(w io.Writer) error {
		to := bufio.NewWriterSize(w, 1<<20)
		header, err := waveHeader(a.track, samples)
		if err != nil {
			return err
		}
		if _, err := to.Write(header); err != nil {
			return err
		}
		for i, r := range ranges {
			if err := a.takeSamples(ctx, to, i, track, r); err != nil {
				return fmt.Errorf("audio track %d of %s: %w", track+1, path.Base(a.job.Source.Joined[i].Source.URL), err)
			}
		}
		return to.Flush()
	})
	if err != nil {
		return work.Result{}, err
	}
	facts.Size = info.Size
	r := work.Result{
		Warnings: a.warnings, Artifacts: []work.Artifact{{Key: facts.Key, Size: facts.Size}},
		Done: work.Amount{Media: a.job.Source.Duration, Bytes: facts.Size},
	}
	return r, r.SetFacts(facts)
}

// takeSamples writes the samples of the source at index i, and silence where it has none.
func (a *attempt) takeSamples(ctx context.Context, w io.Writer, i, track int, r plan.JoinedRange) error {
	src := a.job.Source.Joined[i].Source
	frame := int64(a.track.Channels) * sampleBytes
	to := &exactWriter{w: w, left: r.Count * frame}
	if track >= len(src.Audio) {
		return to.fill(to.left)
	}
	in, err := input.Source(ctx, a.Resolve, src)
	if err != nil {
		return err
	}
	args := encode.Audio{
		Input: in, Stream: src.Audio[track].Stream, SampleRate: a.track.SampleRate, Layout: a.track.Layout, Start: &r.First, End: new(r.First + r.Count),
	}
	var first encode.PacketLog
	if _, err := a.decode(ctx, src, encode.FirstSampleArgs(args), &first); err != nil {
		return err
	}
	if list := first.PTS(); len(list) > 0 {
		if err := to.fill((list[0] - r.First) * frame); err != nil {
			return err
		}
		damage, err := a.decode(ctx, src, encode.SamplesArgs(args), to)
		if err != nil {
			return err
		}
		if text := damage.String(); text != "" {
			a.warn("audio track %d of %s is damaged: %s", track+1, path.Base(src.URL), text)
		}
	}
	return to.fill(to.left)
}

// decode runs ffmpeg, which writes to its descriptor 3 what goes to w.
func (a *attempt) decode(ctx context.Context, src film.Source, args []string, w io.Writer) (damage ffmpeg.DamageLog, err error) {
	declared, worker := input.Budget(a.Env, src)
	_, err = ffmpeg.Run(ctx, a.tools.FFmpeg, args, ffmpeg.RunOptions{
		Dir: a.Dir, Pipe: w, Stderr: &damage, Limits: worker.Limit(ctx, budget.DecodedAudio(declared, a.track.Channels)),
		OnProgress: func(p ffmpeg.Progress) { a.Progress(work.Amount{Media: max(media.Ticks(p.OutTime), 0)}) },
	})
	return damage, err
}

// joinedInput returns the track that joins those of several sources.
func (a *attempt) joinedInput(ctx context.Context) (ffmpeg.Input, error) {
	var facts film.JoinedAudio
	if err := work.Facts(ctx, a.Results, film.JoinedAudioUnit(a.rendition.Track), &facts); err != nil {
		return ffmpeg.Input{}, err
	}
	location, err := a.Scratch.Locate(ctx, facts.Key)
	return ffmpeg.Input{Location: location, Demuxer: "wav"}, err
}

// exactWriter writes as many bytes as are left, and drops what is more.
type exactWriter struct {
	w    io.Writer
	left int64
}

func (e *exactWriter) Write(data []byte) (int, error) {
	n := min(int64(len(data)), e.left)
	e.left -= n
	if n > 0 {
		if _, err := e.w.Write(data[:n]); err != nil {
			return 0, err
		}
	}
	return len(data), nil
}

// fill writes n bytes of silence, as far as they are left.
func (e *exactWriter) fill(n int64) error {
	zeros := make([]byte, 64<<10)
	for n = min(n, e.left); n > 0; {
		part := min(n, int64(len(zeros)))
		if _, err := e.Write(zeros[:part]); err != nil {
			return err
		}
		n -= part
	}
	return nil
}
