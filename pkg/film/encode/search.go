package encode

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/target"
	"github.com/mapreel/mapreel/pkg/work"
)

// search is how a rendition finds its CRF in this segment. What it tries follows from the request and the frames alone, so that
// every attempt ends with the same bytes.
type search struct {
	rendition int
	strategy  strategy
	probes    []target.Probe
	kept      int          // index of the probe whose file is kept; -1: only drafts were tried
	next      target.Probe // what is to be tried
	over      bool
}

// strategy decides what a search tries.
type strategy interface {
	// Next returns what to try after the probes; more is false where the search is over.
	Next(probes []target.Probe) (next target.Probe, more bool)
	// Best returns which of the probes is kept.
	Best(probes []target.Probe) int
}

// strategyOf returns how a rendition finds its CRF; nil where it has one.
func (a *attempt) strategyOf(rendition int) strategy {
	if size, ok := a.sizes[rendition]; ok {
		return size
	}
	r := a.job.Renditions[rendition]
	if r.Quality == (target.Quality{}) {
		return nil
	}
	return r.Search()
}

// beginSearches begins a search for each rendition with a target quality, a bit rate or a size.
func (a *attempt) beginSearches() {
	a.searches, a.round = nil, 0
	for i := range a.job.Renditions {
		by := a.strategyOf(i)
		if by == nil {
			continue
		}
		s := search{rendition: i, strategy: by}
		s.next, _ = by.Next(nil)
		a.searches = append(a.searches, s)
	}
}

// encodings returns what is to be encoded: all renditions at first, then those that are still searching.
func (a *attempt) encodings() (list []encoding) {
	trying := map[int]encoding{}
	for _, s := range a.searches {
		if !s.over {
			trying[s.rendition] = a.trial(s)
		}
	}
	for i, r := range a.job.Renditions {
		if e, searching := trying[i]; searching {
			list = append(list, e)
		} else if a.round == 0 {
			list = append(list, encoding{i, float64(r.CRF), r.Preset, a.file(i)})
		}
	}
	return list
}

// trial returns how a search encodes its rendition next.
func (a *attempt) trial(s search) encoding {
	r := a.job.Renditions[s.rendition]
	e := encoding{s.rendition, s.next.CRF, r.Preset, a.probeFile(s.rendition)}
	if a.round == 0 {
		e.file = a.file(s.rendition)
	}
	if s.next.Draft {
		e.preset = r.Search().Draft.Preset
	}
	return e
}

// probeFile returns the path of what the encoder writes for a rendition that has been encoded before.
func (a *attempt) probeFile(rendition int) string {
	return filepath.Join(a.Dir, fmt.Sprintf("%d-probe.mp4", rendition))
}

// search measures the renditions with a target, which were encoded as d was decoded, and encodes them again until each is as good as
// is wanted. Of each rendition it keeps the file that comes nearest.
func (a *attempt) search(ctx context.Context, d decoding) error {
	defer a.dropOriginals()
	if err := a.endOriginals(ctx); err != nil {
		return err
	}
	for {
		searching := false
		for i := range a.searches {
			if err := a.judge(ctx, d, &a.searches[i]); err != nil {
				return err
			}
			searching = searching || !a.searches[i].over
		}
		if !searching {
			return nil
		}
		a.round++
		if err := a.encodeAgain(ctx, d); err != nil {
			return err
		}
	}
}

// encodeAgain encodes what the searches try next: from the frames that were kept, or else from the source.
func (a *attempt) encodeAgain(ctx context.Context, d decoding) error {
	if done, err := a.reuse(ctx, d); done || err != nil {
		return err
	}
	next, damage := a.next, a.damage
	again, err := a.transcode(ctx, d.from)
	if err != nil {
		return err
	}
	// Another rendition's encoder may have looked further ahead.
	if a.next, a.damage = next, damage; len(again.times) != len(d.times) {
		return fault.New(fault.Corrupt, "the segment decodes to %d frames, then to %d", len(d.times), len(again.times))
	}
	return nil
}

// judge measures what a search has encoded last, keeps it if it is the best so far, and decides what to try next.
func (a *attempt) judge(ctx context.Context, d decoding, s *search) error {
	if s.over {
		return nil
	}
	trial := a.trial(*s)
	probe, frames, err := a.probe(ctx, d, trial)
	if err != nil {
		return err
	}
	if frames == 0 {
		if len(s.probes) > 0 {
			return fault.New(fault.Corrupt, "the segment has frames at one CRF, and none at CRF %v", trial.crf)
		}
		s.over = true
		return nil
	}
	probe.Draft = s.next.Draft
	s.probes = append(s.probes, probe)
	if s.kept = s.strategy.Best(s.probes); s.kept == len(s.probes)-1 && a.round > 0 {
		if err := os.Rename(trial.file, a.file(s.rendition)); err != nil {
			return err
		}
	}
	var more bool
	s.next, more = s.strategy.Next(s.probes)
	s.over = !more
	return nil
}

// probe returns what an encoding gave: its size where that is looked for, otherwise its quality.
func (a *attempt) probe(ctx context.Context, d decoding, e encoding) (p target.Probe, frames int, err error) {
	p.CRF = e.crf
	if _, ok := a.sizes[e.rendition]; ok {
		p.Bytes, frames, err = a.payload(e.file, a.job.Renditions[e.rendition], d.times)
		return p, frames, err
	}
	q, err := a.measure(ctx, d, e)
	if err != nil {
		return p, 0, fmt.Errorf("measure %s: %w", a.job.Renditions[e.rendition].Quality.Metric, err)
	}
	p.Mean, p.Worst = q.mean, q.worst
	return p, q.frames, nil
}

// sized returns how a rendition found the CRF that gives its share of the bytes; nil for one without a bit rate or a size, or without
// frames.
func (a *attempt) sized(rendition int) *film.SizingFacts {
	share, ok := a.sizes[rendition]
	if !ok {
		return nil
	}
	for _, s := range a.searches {
		if s.rendition == rendition && len(s.probes) > 0 {
			return &film.SizingFacts{Wanted: share.Bytes, Duration: a.micros(a.segment.End - a.segment.Start), Probe: s.probes[s.kept], Probes: s.probes}
		}
	}
	return nil
}

// found returns how a rendition found its CRF; nil for one without a target, or without frames.
func (a *attempt) found(rendition int) *film.QualityFacts {
	for _, s := range a.searches {
		if _, bytes := a.sizes[rendition]; !bytes && s.rendition == rendition && len(s.probes) > 0 {
			return &film.QualityFacts{Probe: s.probes[s.kept], Probes: s.probes}
		}
	}
	return nil
}

// report passes progress on. How often a segment will be encoded is not known while it searches, so each time counts as half of what is
// left.
func (a *attempt) report(done work.Amount) {
	if len(a.searches) > 0 {
		v := a.job.Source.Video
		before := 1 - 1/float64(int(1)<<a.round)
		share := 1 / float64(int(2)<<a.round)
		all := work.Amount{Media: a.micros(a.segment.End - a.segment.Start), Count: int64(a.expectedFrames())}
		if v.FrameRate.Known() {
			done.Media = min(done.Media, all.Media)
		}
		done.Media = scaled(all.Media, before) + scaled(done.Media, share)
		done.Count = scaled(all.Count, before) + scaled(done.Count, share)
	}
	a.Progress(done)
}

func scaled[T ~int64](n T, by float64) T { return T(float64(n) * by) }
