// Package filmjob says what the job of a film takes before it runs: the work of its units, from its plan and the speed of what they do,
// and time and cost in each place where it can run.
//
//	e, err := filmjob.Of(ctx, plan, speed, filmjob.Options{Prices: price.Default()})
package filmjob

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"time"

	"github.com/mapreel/mapreel/pkg/estimate"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	filmplan "github.com/mapreel/mapreel/pkg/film/plan"
	"github.com/mapreel/mapreel/pkg/price"
	"github.com/mapreel/mapreel/pkg/render"
	"github.com/mapreel/mapreel/pkg/work"
)

// Planner is the name of the planner of films.
const Planner = "film"

// Options say where a job may run. Prices is required.
type Options struct {
	Deployment estimate.Deployment
	Prices     price.Table
	// OnAWS leaves this machine out of the places.
	OnAWS bool
}

// Estimate is what a job will take.
type Estimate struct {
	Source  string           `json:"source"`
	Outputs []string         `json:"outputs"`
	Work    estimate.Work    `json:"work"`
	CPU     estimate.Range   `json:"cpu"`              // milliseconds of processors of this machine
	Places  []estimate.Place `json:"places,omitempty"` // none where the time is not known
	// Memories compares sizes of functions, for the choice of functionMemory.
	Memories []estimate.Memory `json:"memories,omitempty"`
	Prices   price.Date        `json:"prices"`
	Region   string            `json:"region"`
	Notes    []string          `json:"notes,omitempty"` // what the estimate leaves out, and what would change it
}

// JobOf decodes the job in the plan of a film.
func JobOf(plan work.Plan) (film.Job, error) {
	var j film.Job
	err := json.Unmarshal(plan.Doc, &j)
	return j, fault.Wrap(fault.Corrupt, err, "plan")
}

// Of estimates the job of a plan. speedOf returns how fast its segments are encoded; it is not asked about jobs of other planners.
func Of(ctx context.Context, plan work.Plan, speedOf func(film.Job) (Speed, error), o Options) (Estimate, error) {
	e := Estimate{Source: plan.Source, Outputs: plan.Outputs, Prices: o.Prices.Date, Region: o.Prices.Region}
	if o.Deployment.Concurrency == 0 {
		o.Deployment.Concurrency = plan.Concurrency
	}
	e.Work = units(plan)
	if plan.Planner != Planner {
		e.Notes = append(e.Notes, "how long your own commands take is not known, so there is no time and no cost")
		return e, nil
	}
	j, err := JobOf(plan)
	if err != nil {
		return Estimate{}, err
	}
	s := Speed{Basis: "sound alone"}
	if j.Render != nil || j.Source.Video != nil && len(j.Renditions)+len(j.Pictures) > 0 {
		if s, err = speedOf(j); err != nil {
			return Estimate{}, err
		}
	}
	if j.Render != nil {
		if note := whyUnknown(j, s.Render); note != "" {
			e.Notes = append(e.Notes, note)
			return e, nil
		}
		o.Deployment.ScratchS3 = true // a deployment that renders has no EFS
	}
	measure(&e.Work, plan, j, s)
	if plan.Open && j.Render != nil {
		e.Work.Groups = withFirst(e.Work.Groups, j.Source.Video.Frames, s.Render)
	}
	e.CPU = e.Work.CPU().Plus(estimate.Range{Low: examineLow, High: examineHigh})
	if plan.Open && j.Render == nil {
		e.Notes = append(e.Notes, "the source has no index: its segments are known only after it was split, and are taken to be as long as the job wants them")
	}
	if e.Places, err = estimate.Places(ctx, e.Work, o.Deployment, o.Prices); err != nil {
		return Estimate{}, err
	}
	switch {
	case !o.OnAWS && j.Render == nil: // a deployment has the memory that it has, and functions that render have renderMemory
		if e.Memories, err = estimate.Memories(ctx, e.Work, o.Deployment, o.Prices); err != nil {
			return Estimate{}, err
		}
	case o.OnAWS:
		e.Places = slices.DeleteFunc(e.Places, func(p estimate.Place) bool { return p.Name == estimate.Here })
	}
	levers := "cheaper: a faster --preset, fewer renditions, arm64; faster: shorter --segment, more units at once"
	if j.Render != nil {
		levers = "cheaper: fewer --samples, a smaller --size, arm64; faster: more units at once"
	}
	e.Notes = append(e.Notes, "storage of source and outputs, delivery, discounts and the free tier are not in it", levers)
	return e, nil
}

// units returns the groups of a plan and their phases.
func units(plan work.Plan) estimate.Work {
	var w estimate.Work
	phaseOf := map[string]int{}
	last := len(plan.Phases)
	for n, phase := range append(append([]work.Phase{}, plan.Phases...), plan.OutputPhase) {
		if phase.Units == nil {
			continue
		}
		if plan.Open && n == last { // after what is planned later
			n++
		}
		for u := range phase.Units {
			for _, g := range plan.Groups {
				if g.Contains(u.Name) {
					phaseOf[g.Name] = n
				}
			}
		}
	}
	for _, g := range plan.Groups {
		n, ok := phaseOf[g.Name]
		if !ok { // planned later
			n = last
		}
		w.Groups = append(w.Groups, estimate.Group{Name: g.Name, Noun: g.Noun, Phase: n, Units: g.Units, Encodes: g.Name == film.VideoKind || g.Name == film.PassKind})
	}
	return w
}

// What is done besides encoding segments takes, in milliseconds of a core.
const (
	examineLow  = 300 // to start mapreel, ffmpeg and ffprobe, and to examine the source
	examineHigh = 700
	unitStart   = 100 // to start ffmpeg and ffprobe
	encodeAudio = 18  // for a second of a track
	copyAudio   = 1
	splitSecond = 20 // for a second of film
	sliceLow    = 100
	sliceHigh   = 2500
	mergeLow    = 50
	mergeHigh   = 400
	// The planner's estimate of space is an upper bound. These are shares of it that films have, in percent.
	spaceLow, spaceHigh = 8, 60
)

// measure fills in what the groups take.
func measure(w *estimate.Work, plan work.Plan, j film.Job, s Speed) {
	w.Basis, w.Source, w.Threads = s.Basis, j.Source.Size, max(j.Request.Compute.Threads, 1)
	if j.Render != nil { // Source.Size of a scene is the size of its frames, which the job renders itself
		w.Basis, w.Source = s.Render.Basis, 0
		if len(j.Renditions)+len(j.Pictures) > 0 {
			w.Basis += "; encoding: " + s.Basis
		}
	}
	seconds := int64(j.Source.Duration / 1e6)
	var scratch, destination int64
	// Bytes of the frames of a scene, of these and its tiles, and of those that are published.
	var rendered, pictures, kept estimate.Range
	frames := int64(0)
	for i, g := range plan.Groups {
		to := &w.Groups[i]
		scratch, destination = scratch+g.Space.Scratch, destination+g.Space.Destination
		switch g.Name {
		case film.VideoKind, film.PassKind:
			frames = framesOf(g, j)
			if to.Units == 0 { // planned after the source was split
				to.Units = int(max(time.Duration(j.Source.Duration)*time.Microsecond/filmplan.SegmentLength(j), 1))
			}
			start := int64(to.Units) * s.Start
			to.CPU = estimate.Range{Low: frames*s.CPU.Low/1000 + start, High: frames*s.CPU.High/1000 + start}
			if j.Sized() {
				to.CPU = passShare(to.CPU, g.Name)
			}
			to.Longest = longest(to.CPU, to.Units)
		case film.AudioKind:
			var each int64
			for _, r := range j.AudioRenditions {
				if r.Codec == film.AudioCopy {
					each += copyAudio
				} else {
					each += encodeAudio
				}
			}
			to.CPU = estimate.Range{Low: seconds*each/2 + int64(g.Units)*unitStart/2, High: seconds*each*2 + int64(g.Units)*unitStart*2}
			to.Longest = longest(to.CPU, to.Units)
		case film.SplitKind:
			to.CPU = estimate.Range{Low: seconds * splitSecond / 2, High: seconds * splitSecond * 2}
			to.Longest = to.CPU
		case film.SliceKind:
			to.CPU = estimate.Range{Low: int64(g.Units) * sliceLow, High: int64(g.Units) * sliceHigh}
			to.Longest = longest(to.CPU, to.Units)
		case render.Kind, render.TileKind:
			made := measureRendering(to, plan, g, j, s.Render)
			scratch, pictures = scratch-g.Space.Scratch, pictures.Plus(made)
			if g.Name == render.Kind {
				rendered = made
			}
		default:
			if strings.HasPrefix(g.Name, film.KeptKind+"/") { // its frames were measured, and it comes after them
				destination, kept = destination-g.Space.Destination, kept.Plus(rendered)
			}
			to.CPU = estimate.Range{Low: int64(g.Units) * mergeLow, High: int64(g.Units) * mergeHigh}
			to.Longest = longest(to.CPU, to.Units)
			if strings.HasPrefix(g.Name, film.OutputKind) {
				to.Joins = j.Segments
			}
		}
	}
	w.Output = estimate.Range{Low: destination * spaceLow / 100, High: destination * spaceHigh / 100}
	w.Scratch = estimate.Range{Low: scratch * spaceLow / 100, High: scratch * spaceHigh / 100}
	if s.Bytes.High > 0 && len(j.Pictures) == 0 {
		heads := int64(videoUnits(*w)) * s.Head
		video := estimate.Range{Low: frames*s.Bytes.Low/1000 + heads, High: frames*s.Bytes.High/1000 + heads}
		audio := audioBytes(j)
		w.Output = estimate.Range{Low: video.Low + audio*95/100, High: video.High + audio*105/100}
		w.Scratch = w.Output
	}
	w.Scratch = w.Scratch.Plus(pictures)
	if n := sizedBytes(j); n > 0 {
		w.Output = estimate.Range{Low: n * 98 / 100, High: n * 102 / 100}
	}
	w.Output = w.Output.Plus(kept)
}

// sizedBytes returns how many bytes outputs have by their bit rates and sizes; 0 where one of them has neither.
func sizedBytes(j film.Job) (n int64) {
	taken := map[string]bool{}
	for _, r := range j.Renditions {
		switch {
		case r.FileSize > 0 && !taken[r.SizedFile]:
			n, taken[r.SizedFile] = n+int64(r.FileSize), true
		case r.Bitrate > 0:
			n += int64(j.Source.Duration)/1000*int64(r.Bitrate)/8/1000 + audioBytes(j)
		default:
			return 0
		}
	}
	return n
}

// passShare returns what a first pass, or else the segments after it, take of what both take.
func passShare(both estimate.Range, group string) estimate.Range {
	const first = 25 // percent
	pass := estimate.Range{Low: both.Low * first / 100, High: both.High * first / 100}
	if group == film.PassKind {
		return pass
	}
	return estimate.Range{Low: both.Low - pass.Low, High: both.High - pass.High}
}

// videoUnits returns how many segments there are.
func videoUnits(w estimate.Work) int {
	for _, g := range w.Groups {
		if g.Encodes {
			return g.Units
		}
	}
	return 0
}

// longest returns what the longest of some units takes: half as much again as the mean.
func longest(total estimate.Range, units int) estimate.Range {
	n := int64(max(units, 1))
	if n == 1 {
		return total
	}
	return estimate.Range{Low: total.Low / n, High: total.High / n * 3 / 2}
}

// framesOf returns how many frames of the source are decoded.
func framesOf(g work.Group, j film.Job) int64 {
	if g.Total.Count > 0 {
		return g.Total.Count
	}
	const usual = 25
	rate := j.Source.Video.ConstantRate
	if !rate.Known() {
		return int64(j.Source.Duration) * usual / 1e6
	}
	return int64(j.Source.Duration) / 1000 * rate.Num / rate.Den / 1000
}

// audioBytes returns about how many bytes the audio of the outputs has.
func audioBytes(j film.Job) (n int64) {
	for _, r := range j.AudioRenditions {
		bits := int64(r.Bitrate)
		if bits == 0 && r.Track < len(j.Source.Audio) {
			bits = copiedRate(j.Source.Audio[r.Track])
		}
		n += int64(j.Source.Duration) / 1000 * bits / 8 / 1000
	}
	return n
}

// copiedRate returns the bit rate of a track that is copied.
func copiedRate(t film.AudioTrack) int64 {
	const (
		usual = 64_000     // of a channel
		most  = 50_000_000 // more than any sound has, whatever a source declares
	)
	if t.BitRate > 0 {
		return min(t.BitRate, most)
	}
	return usual * int64(max(t.Channels, 1))
}
