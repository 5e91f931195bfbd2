package audio

import (
	"context"
	"fmt"
	"math"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/budget"
	"github.com/mapreel/mapreel/pkg/ffmpeg/encode"
	"github.com/mapreel/mapreel/pkg/ffmpeg/probe"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/input"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/work"
)

// measure measures the loudness of audio rendition i over the whole of its track, or the job's part of it.
func (a *attempt) measure(ctx context.Context, i int) (work.Result, error) {
	a.rendition = a.job.AudioRenditions[i]
	a.track = a.job.Source.Audio[a.rendition.Track]
	facts, err := a.listen(ctx)
	if err != nil {
		return work.Result{}, fmt.Errorf("loudness of audio track %d: %w", a.rendition.Track+1, err)
	}
	r := work.Result{Done: work.Amount{Media: a.job.Source.AudioLength(a.track, media.Microseconds)}}
	switch gain, limited := facts.Gain(a.rendition.Loudness); {
	case facts.Silent():
		r.Warnings = append(r.Warnings, fmt.Sprintf("audio track %d is silent, and stays as it is", a.rendition.Track+1))
	case limited:
		r.Warnings = append(r.Warnings, fmt.Sprintf("audio track %d gets %v LUFS instead of %v: more would raise its peaks above %v dBTP",
			a.rendition.Track+1, facts.Integrated+gain, a.rendition.Loudness, film.PeakLimit))
	}
	return r, r.SetFacts(facts)
}

// listen has ffmpeg decode the track and measure it.
func (a *attempt) listen(ctx context.Context) (film.LoudnessFacts, error) {
	in, err := a.input(ctx)
	if err != nil {
		return film.LoudnessFacts{}, err
	}
	args := encode.Audio{Input: in, Stream: a.track.Stream, Codec: string(a.rendition.Codec), Layout: a.rendition.Layout, Measure: true}
	if a.job.Source.Cut != nil {
		args.SampleRate = max(a.track.SampleRate, 1)
		scale := media.Rational{Num: 1, Den: int64(args.SampleRate)}
		args.Start = new(int64(a.job.Source.AudioStart(a.track, scale)))
		args.End = (*int64)(a.job.Source.AudioEnd(scale))
	}
	var log encode.LoudnessLog
	declared, worker := input.Budget(a.Env, a.job.Source)
	_, err = ffmpeg.Run(ctx, a.tools.FFmpeg, encode.AudioArgs(args), ffmpeg.RunOptions{
		Dir: a.Dir, Pipe: &log, Limits: worker.Limit(ctx, budget.DecodedAudio(declared, a.track.Channels)),
		OnProgress: func(p ffmpeg.Progress) { a.Progress(work.Amount{Media: max(media.Ticks(p.OutTime), 0)}) },
	})
	if err != nil && isUnfit(err) {
		if has, problem := probe.HasPackets(ctx, a.tools, in, a.track.Stream); problem == nil && !has {
			return film.LoudnessFacts{Integrated: math.MinInt32}, nil // the unit that encodes it says so
		}
	}
	integrated, peak, measured := log.Result()
	if err != nil || !measured {
		return film.LoudnessFacts{Integrated: math.MinInt32}, err
	}
	return film.LoudnessFacts{Integrated: film.Loudness(math.Round(100 * integrated)), Peak: film.Loudness(math.Round(100 * peak))}, nil
}

// gain returns by how many hundredths of a decibel the rendition is amplified.
func (a *attempt) gain(ctx context.Context) (film.Loudness, error) {
	i := a.job.Measured(a.part.Rendition)
	var facts film.LoudnessFacts
	if err := work.Facts(ctx, a.Results, film.LoudnessUnit(i), &facts); err != nil {
		return 0, err
	}
	gain, _ := facts.Gain(a.rendition.Loudness)
	return gain, nil
}
