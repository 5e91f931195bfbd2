package encode

import (
	"context"
	"encoding/json"
	"math"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/sizing"
	"github.com/mapreel/mapreel/pkg/work"
)

// Shares shares out the bytes of the renditions among the segments, after the first pass.
type Shares struct{}

var _ work.Kind = Shares{}

// Name implements work.Kind.
func (Shares) Name() string { return film.SharesKind }

// Run implements work.Kind.
func (Shares) Run(ctx context.Context, env *work.Env, _ work.Unit) (work.Result, error) {
	var j film.Job
	if err := env.Decode(&j); err != nil {
		return work.Result{}, err
	}
	s := shares{results: env.Results, job: j, curves: make([][]sizing.Curve, len(j.Renditions))}
	if err := s.readPass(ctx); err != nil {
		return work.Result{}, err
	}
	var facts film.SharesFacts
	for i, r := range j.Renditions {
		var share sizing.Share
		if r.Sized() {
			bytes, err := s.bytes(ctx, r)
			if err != nil {
				return work.Result{}, err
			}
			share = sizing.NewShare(s.curves[i], bytes, fastEncoders[r.Codec].ratio, float64(r.Codec.MaxCRF()))
		}
		facts.Renditions = append(facts.Renditions, share)
	}
	var result work.Result
	return result, result.SetFacts(facts)
}

// shares holds what the first pass found, by which the bytes are shared out.
type shares struct {
	results work.Results
	job     film.Job
	curves  [][]sizing.Curve // of each rendition, of all segments
	seconds float64
	frames  int64 // of the source
}

// readPass reads what the first pass found in all segments.
func (s *shares) readPass(ctx context.Context) error {
	n := 0
	for f, err := range s.results.All(ctx, film.PassKind+"/") {
		if err != nil {
			return err
		}
		var facts film.PassFacts
		if err := json.Unmarshal(f.Result.Facts, &facts); err != nil {
			return fault.Wrap(fault.Corrupt, err, "facts of "+f.Unit)
		}
		if len(facts.Renditions) != len(s.curves) {
			return fault.New(fault.Corrupt, "facts of %s are of %d renditions, the plan has %d", f.Unit, len(facts.Renditions), len(s.curves))
		}
		n++
		s.seconds, s.frames = s.seconds+float64(facts.Duration)/1e6, s.frames+int64(facts.Frames)
		for i, c := range facts.Renditions {
			s.curves[i] = append(s.curves[i], c)
		}
	}
	if n != s.job.Segments {
		return fault.New(fault.Corrupt, "the ledger holds the first pass over %d segments, the plan has %d", n, s.job.Segments)
	}
	return nil
}

// bytes returns how many bytes of video a rendition is to have.
func (s *shares) bytes(ctx context.Context, r film.Rendition) (int64, error) {
	if r.Bitrate > 0 {
		return int64(math.Round(float64(r.Bitrate) / 8 * s.seconds)), nil
	}
	out, ok := s.job.FileOf(r)
	if !ok {
		return 0, fault.New(fault.Internal, "job %s has no output %s", s.job.ID, r.SizedFile)
	}
	others, err := s.others(ctx, out, s.framesOf(r))
	if err != nil {
		return 0, err
	}
	if left := int64(r.FileSize) - others; left > 0 {
		return left, nil
	}
	return 0, fault.WithHint(fault.New(fault.Unsupported, "%s cannot be made in %v: its audio, subtitles and the container alone take %v", out.File, r.FileSize, film.Bytes(others)),
		"allow more, or a lower bit rate of the audio (audio.bitrate), or fewer tracks")
}

// What a file takes besides the data of its tracks, in bytes: tables of MP4, blocks of Matroska.
const (
	mp4Frame, mp4Packet = 17, 5
	mkvFrame, mkvPacket = 9, 7
	aroundTracks        = 2000
)

// framesOf returns how many frames a rendition has: those of the source, unless it has a rate of its own.
func (s *shares) framesOf(r film.Rendition) int64 {
	if !r.Rate.Known() {
		return s.frames
	}
	return int64(math.Ceil(s.seconds * float64(r.Rate.Num) / float64(r.Rate.Den)))
}

// others returns how many bytes of an output with so many frames are not its video.
func (s *shares) others(ctx context.Context, out film.OutputPlan, frames int64) (int64, error) {
	frame, packet := int64(mp4Frame), int64(mp4Packet)
	if out.Container.Remuxed() {
		frame, packet = mkvFrame, mkvPacket
	}
	sum := aroundTracks + frame*frames
	taken := map[int]bool{}
	for _, r := range out.Audio {
		taken[r] = true
	}
	for i, part := range s.job.AudioParts() {
		if !taken[part.Rendition] {
			continue
		}
		var facts film.AudioFacts
		if err := work.Facts(ctx, s.results, film.AudioUnit(i), &facts); err != nil {
			return 0, err
		}
		sum += max(facts.Size-facts.Header, 0) + packet*int64(facts.Samples)
	}
	beside, err := s.beside(ctx, out)
	return sum + beside, err
}

// beside returns how many bytes the subtitles, the cover and the attachments of an output have.
func (s *shares) beside(ctx context.Context, out film.OutputPlan) (sum int64, err error) {
	if !s.job.HasSidecar() {
		return 0, nil
	}
	var beside film.SidecarFacts
	if err := work.Facts(ctx, s.results, film.SidecarUnit, &beside); err != nil {
		return 0, err
	}
	for _, n := range out.Subtitles {
		if n < len(beside.Subtitles) {
			sum += max(beside.Subtitles[n].Size-beside.Subtitles[n].Header, 0)
		}
	}
	if out.Cover && beside.Cover != nil {
		sum += beside.Cover.Size
	}
	if out.Attachments {
		for _, a := range beside.Attachments {
			sum += a.Size
		}
	}
	return sum, nil
}

// readShares reads how many bytes the segment gets in each rendition that has a bit rate or whose file has a size.
func (a *attempt) readShares(ctx context.Context) error {
	if !a.film.Sized() {
		return nil
	}
	var facts film.SharesFacts
	if err := work.Facts(ctx, a.Results, film.SharesUnit, &facts); err != nil {
		return err
	}
	var pass film.PassFacts
	if err := work.Facts(ctx, a.Results, film.PassUnit(a.segment.Index), &pass); err != nil {
		return err
	}
	if n := len(a.job.Renditions); len(facts.Renditions) != n || len(pass.Renditions) != n {
		return fault.New(fault.Corrupt, "%d renditions are planned, the first pass has %d and the shares %d", n, len(pass.Renditions), len(facts.Renditions))
	}
	a.sizes = map[int]sizing.Search{}
	for i, r := range a.job.Renditions {
		if !r.Sized() {
			continue
		}
		share, curve := facts.Renditions[i], pass.Renditions[i]
		codec := r.Codec.QualityRange()
		search := sizing.Search{
			Bytes: share.Of(curve), Slack: float64(share.Bytes) / float64(max(a.film.Segments, 1)) / 100,
			First: share.Level, Slope: fastEncoders[r.Codec].steeper * curve.Slope(),
			Low: 1, High: float64(codec.Top), Step: codec.Step,
		}
		if codec.Step < 1 {
			search.Step = 0.05 // finer than what a quality is searched with
		}
		a.sizes[i] = search
	}
	return nil
}
