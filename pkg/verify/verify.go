// Package verify checks that an output shows and plays what its source does. It uses the two files alone.
//
// It decodes both. Frames are counted and paired by timestamp. Each pair is measured (PSNR and SSIM, with the results of
// ffmpeg's filters of those names), and a frame that shows a neighbour of its source frame is recognised by its content.
// Audio is compared by cross-correlation at places spread over the whole film, so that both an offset and a drift show.
// The streams' metadata is compared too: tracks, languages, chapters, colour. Nothing that a job recorded is used: the
// seams between encoders are read from the output's own bytes.
//
//	report, err := verify.Files(ctx, tools, "film.mkv", "film.mp4", verify.Options{})
//	fmt.Println(report.Verdict, report.Checks)
//
// Memory holds a few decoded frames and 64 bytes per frame. Decoded audio goes to a temporary file, 57 MB per hour and
// track.
package verify

import (
	"cmp"
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/probe"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/overlay"
	"github.com/mapreel/mapreel/pkg/film/subtitle"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/verify/sound"
)

// Options configures Files. The zero value is sensible.
type Options struct {
	// OnProgress receives progress, from one goroutine at a time. It must not block.
	OnProgress func(Progress)
	// Job is what the job that made the output says of it, if known.
	Job Job
	// Against is the absolute path of another encode of the source, whose pictures are compared with the source too.
	Against string
	// Program is the number of the program that the output was made of, where the source is a transport
	// stream with several; 0 means the one with the largest picture.
	Program int
	// Part is the part of the source that the output shows; the zero value is what Job says.
	Part film.Part
	// Rate is the frames a second of a raw source, which has no timestamps: as they were given to the job.
	// The zero value is what Job says.
	Rate media.Rational
	// Crop is the part of the source's frame that the output shows; the zero value is what Job says.
	Crop film.Region
	// Filter is what the output's frames went through; "" is what Job says.
	Filter string
	// Overlay lies over the output's frames; nil is what Job says.
	Overlay *overlay.Overlay
	// Burn is drawn into the output's picture; nil is what Job says.
	Burn *subtitle.Burn
	// Subtitles are files that are further subtitle tracks of the source; none are those that Job says.
	Subtitles []subtitle.File
	// Tracks selects the tracks of the source that the output is to have, and their flags; the zero value is what Job says.
	Tracks film.Choices
	// Sequence says how the source is read, if it is an image sequence.
	Sequence film.Sequence
}

// Progress describes how far Files is. A total of 0 is unknown.
type Progress struct {
	Frames, TotalFrames int64
	Audio, TotalAudio   time.Duration // decoded, of all tracks of both files
}

// Files compares an output with its source. Both are absolute paths; the output may also be an HLS playlist or a DASH
// manifest with its files beside it. A difference is not an error: it is in the report. An error means that the two
// could not be compared. Its kind is NotFound, Invalid (no video or audio), Corrupt (nothing can be decoded), or the
// kind of ffmpeg's failure.
func Files(ctx context.Context, tools ffmpeg.Tools, source, output string, options Options) (Report, error) {
	v := &verification{tools: tools, onProgress: options.OnProgress, job: options.Job, as: opening{program: options.Program, rate: options.Rate}}
	if !v.as.rate.Known() {
		v.as.rate = options.Job.Rate
	}
	var err error
	var done func()
	v.source, done, err = v.openSource(ctx, source, options)
	defer done()
	if err != nil {
		return Report{}, fmt.Errorf("source: %w", err)
	}
	if v.output, err = v.open(ctx, output, opening{playlists: true}); err != nil {
		return Report{}, fmt.Errorf("output: %w", err)
	}
	part := options.Part
	if part == (film.Part{}) {
		part = options.Job.Part
	}
	if err := v.take(part); err != nil {
		return Report{}, err
	}
	if err := v.crop(cmp.Or(options.Crop, options.Job.Crop), options.Job.Picture); err != nil {
		return Report{}, err
	}
	v.filter = cmp.Or(options.Filter, options.Job.Filter)
	v.addSubtitles(options.Subtitles, options.Job.Beside)
	undraw, err := v.openDrawing(ctx, options)
	defer undraw()
	if err != nil {
		return Report{}, err
	}
	if err := v.choose(options.Tracks, options.Job.Chosen); err != nil {
		return Report{}, err
	}
	report := Report{Source: source, Output: output}
	if v.cut != nil {
		report.Checks = append(report.Checks, v.cut.check())
	}
	if err := v.run(ctx, &report); err != nil {
		return Report{}, err
	}
	if options.Against != "" && report.Video != nil {
		if err := v.compareAgainst(ctx, options.Against, &report); err != nil {
			return Report{}, fmt.Errorf("%s: %w", filepath.Base(options.Against), err)
		}
	}
	report.setVerdict()
	return report, nil
}

type verification struct {
	tools          ffmpeg.Tools
	source, output *file
	job            Job
	chosen         film.Chosen     // the tracks of the source that the output is to have
	cut            *cut            // nil: the output shows all of the source
	as             opening         // of the source
	region         film.Region     // of the source's frame that the output shows; zero: all
	picture        film.Region     // of the output's frame that is not padding; zero: all
	filter         string          // that the output's frames went through
	beside         []subtitle.File // further subtitle tracks of the source
	drawing        drawing

	mu         sync.Mutex
	progress   Progress
	onProgress func(Progress)
}

// run fills in the report.
func (v *verification) run(ctx context.Context, r *Report) error {
	switch {
	case (v.source.video == nil) != (v.output.video == nil):
		lost := Check{Name: "video", Verdict: Bad, Figure: "lost"}
		if v.source.video == nil {
			lost.Figure = "the source has none"
		}
		r.Checks = append(r.Checks, lost)
	case v.source.video != nil:
		v.progress.TotalFrames = v.partFrames(estimateFrames(*v.source.video, v.source.media))
	}
	pairs := min(len(v.source.audio), len(v.output.audio))
	v.progress.TotalAudio = time.Duration(int64(2*pairs)*max(v.source.media.Duration, 0)) * time.Microsecond

	var facts videoFacts
	tracks := make([][2]*sound.Track, pairs)
	defer func() {
		for _, pair := range tracks {
			for _, t := range pair {
				if t != nil {
					t.Close()
				}
			}
		}
	}()
	group, gctx := errgroup.WithContext(ctx)
	if v.source.video != nil && v.output.video != nil {
		group.Go(func() (err error) {
			facts, err = v.compareVideo(gctx)
			return err
		})
	}
	group.Go(func() error { // one track after the other, so that audio takes no more than two cores
		for i := range tracks {
			if err := v.decodeTracks(gctx, i, &tracks[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err := group.Wait(); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return fault.Wrap(fault.KindOf(cause), cause, "compare")
		}
		return err
	}

	if facts.video != nil {
		r.Video = facts.video
		r.Video.addSeams(v.job.Seams)
		r.Video.Quality = v.job.Quality
		r.Checks = append(r.Checks, frameChecks(*facts.video, facts.clock, facts.timing)...)
		r.Checks = append(r.Checks, videoChecks(*facts.video, v.source.decoderErrors.count > 0)...)
	}
	for i, pair := range tracks {
		a, err := v.compareAudio(ctx, i, pair, tracks[0], facts)
		if err != nil {
			return err
		}
		r.Audio = append(r.Audio, a)
		r.Checks = append(r.Checks, audioChecks(a, facts.video != nil, pairs)...)
	}
	r.Checks = append(r.Checks, v.output.decoderErrors.check(&v.source.decoderErrors))
	source, empty, err := v.dropEmptySubtitles(ctx, v.source.media)
	if err != nil {
		return err
	}
	output, err := v.sameChannels(ctx, v.output.media)
	if err != nil {
		return err
	}
	declared := compareMetadata(source, output, v.output.container == "Matroska", v.region, v.picture)
	declared = append(declared, v.choiceChecks(source)...)
	excuse(declared, v.job.Warnings)
	r.Checks = append(append(r.Checks, declared...), empty...)
	if r.Video != nil {
		if c, ok := seamsCheck(*r.Video); ok {
			r.Checks = append(r.Checks, c)
		}
	}
	return nil
}

// compareAgainst compares the pictures of another encode with the source, to which the same is done as for the output.
func (v *verification) compareAgainst(ctx context.Context, path string, r *Report) error {
	other := &verification{tools: v.tools}
	var err error
	if v.source.in.Sequence != nil {
		other.source = v.silent().source
	} else if other.source, err = other.open(ctx, v.source.in.Location, v.as); err != nil {
		return err
	}
	other.cut, other.source.part = v.cut, v.source.part
	if other.output, err = other.open(ctx, path, opening{playlists: true}); err != nil {
		return err
	}
	if other.output.video == nil {
		return fault.New(fault.Invalid, "there is no video to compare with")
	}
	if err := other.doAs(v); err != nil {
		return err
	}
	facts, err := other.compareVideo(ctx)
	if err != nil {
		return err
	}
	r.Against = facts.video
	c := Check{Name: "against", Verdict: Note, Figure: "not comparable: " + facts.video.Compared}
	if p := facts.video; p.Compared == "yes" && r.Video.Compared == "yes" {
		c.Figure = fmt.Sprintf("%s has a mean of %.2f dB and %.2f at its lowest; the output's mean is %+.2f dB from that, its lowest %+.2f",
			filepath.Base(path), p.PSNR.Mean, p.PSNR.Min.Value, r.Video.PSNR.Mean-p.PSNR.Mean, r.Video.PSNR.Min.Value-p.PSNR.Min.Value)
	}
	r.Checks = append(r.Checks, c)
	return nil
}

// doAs has the source cropped, filtered and drawn over as for the output of another verification.
func (v *verification) doAs(other *verification) error {
	v.filter, v.drawing = other.filter, other.drawing
	width, height := displayedSize(*v.output.video)
	if w, h := displayedSize(*other.output.video); other.picture != (film.Region{}) && (w != width || h != height) {
		return fault.New(fault.Invalid, "its frame is %dx%d, and the output's %dx%d with padding: they show the picture at different places", width, height, w, h)
	}
	return v.crop(other.region, other.picture)
}

// estimateFrames estimates how many frames a stream has. Only progress uses it.
func estimateFrames(s probe.Stream, m probe.Media) int64 {
	if s.Frames > 0 {
		return s.Frames
	}
	if s.AverageRate.Known() && m.Duration > 0 {
		return int64(float64(m.Duration) / 1e6 * float64(s.AverageRate.Num) / float64(s.AverageRate.Den))
	}
	return 0
}

func (v *verification) reportProgress(change func(*Progress)) {
	if v.onProgress == nil {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	change(&v.progress)
	v.onProgress(v.progress)
}
