// Package progress computes how far a run is, how fast it goes and how long the rest takes from the events of the run.
package progress

import (
	"strings"
	"time"

	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/local"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/render"
	"github.com/mapreel/mapreel/pkg/work"
)

// rateWindow is the period over which rates are averaged. Encoders report in bursts, because they look ahead before they
// write; averaged over several bursts, the time left does not jump.
const rateWindow = 20 * time.Second

// leastWindow is how long the encoders must have written before rates are shown. In the first moments they say how long the
// encoders look ahead, not how fast they are.
const leastWindow = 3 * time.Second

// sampleInterval is the minimum time between two samples of the work done. It bounds the number of samples in a window,
// however many encoders report.
const sampleInterval = 250 * time.Millisecond

// amount is an amount of work done. Only amounts of units of the same type can be added.
type amount struct {
	frames int64
	media  media.Ticks // microseconds of source
	bytes  int64
}

func (a amount) add(b amount) amount {
	return amount{a.frames + b.frames, a.media + b.media, a.bytes + b.bytes}
}

func (a amount) sub(b amount) amount {
	return amount{a.frames - b.frames, a.media - b.media, a.bytes - b.bytes}
}

// increase returns how much larger b is than a, 0 for each field that is smaller.
func (a amount) increase(b amount) amount {
	return amount{max(0, b.frames-a.frames), max(0, b.media-a.media), max(0, b.bytes-a.bytes)}
}

// unitTotals sums up the units of one type: the video segments, the audio parts, or the first passes over segments.
type unitTotals struct {
	finished  int    // by this run
	skipped   int    // done by an earlier run, with an event
	current   amount // of all units, done or in progress
	completed amount // of the units that are done
	worked    amount // by this run, including failed attempts; never falls
}

// unitState is the state of one unit.
type unitState struct {
	amount
	done bool
}

// sample is the work that the run had done at a point in time.
type sample struct {
	at           time.Time
	video, audio amount
}

// Tracker accumulates the events of a run. It reads no clock: a snapshot depends only on the events and the time that is
// passed in. The zero value is ready to use. It is not safe for concurrent use.
type Tracker struct {
	plan         plan // of the last Planned event
	planned      bool
	started      time.Time // of the first event
	firstAttempt time.Time // of the first attempt
	firstWork    time.Time // of the first work that an attempt reported
	units        map[string]unitState
	video, audio unitTotals
	pass         unitTotals // of the first pass, in a film with a bit rate or a size
	render       unitTotals // of the frames of a scene, or of their tiles
	rendered     int        // units of render that were finished when the plan was made
	published    int
	groups       groups // of a run that makes no film
	samples      []sample
}

// plan is what a Planned event says of the video segments, the audio parts, the first pass, and the frames of a scene or their tiles.
type plan struct{ video, audio, pass, render engine.GroupProgress }

// newPlan returns the groups of an event.
func newPlan(groups []engine.GroupProgress) (p plan) {
	for _, g := range groups {
		switch g.Name {
		case film.VideoKind:
			p.video = g
		case film.AudioKind:
			p.audio = g
		case film.PassKind:
			p.pass = g
		case render.TileKind:
			p.render = g
		case render.Kind:
			if p.render.Name != render.TileKind { // they are rendered, and then merged to frames
				p.render = g
			}
		}
	}
	return p
}

// Snapshot is the progress of a run at a point in time.
type Snapshot struct {
	Planned       bool
	Elapsed       time.Duration
	Segments      int // all video segments
	Done          int // segments finished by this run or an earlier one
	AudioParts    int // all audio parts
	AudioDone     int // finished audio parts
	VideoFraction float64
	AudioFraction float64
	Passes        int // segments that have a first pass
	PassesDone    int
	PassFraction  float64
	Frames        int // of a scene, or their tiles
	FramesDone    int
	Tiles         bool          // whether Frames counts tiles
	FPS           float64       // frames per second
	Speed         float64       // of the video, or of the audio if there is no video, relative to real time
	Remaining     time.Duration // until everything is encoded; negative if unknown
	Worked        media.Ticks   // microseconds of video, or of audio if there is no video, encoded by this run
	Bytes         int64         // of all chunks and audio parts
	Published     int           // outputs
	Groups        []Group       // of a run that makes no film, in the order of its plan
}

// Merging reports whether every segment, audio part and piece is done, so that only merging is left.
func (s Snapshot) Merging() bool {
	for _, g := range s.Groups {
		if !g.Outputs() && g.Done < g.Units {
			return false
		}
	}
	return s.Planned && s.Segments+s.AudioParts+len(s.Groups) > 0 && s.Done == s.Segments && s.AudioDone == s.AudioParts
}

// FirstPass reports whether the first pass is still being made. No segment is encoded before it is done.
func (s Snapshot) FirstPass() bool { return s.PassesDone < s.Passes && s.Done < s.Segments }

// Rendering reports whether the frames of a scene are still being rendered. No segment is encoded before they are done.
func (s Snapshot) Rendering() bool { return s.FramesDone < s.Frames && s.Done == 0 }

// FrameNoun returns what Frames counts.
func (s Snapshot) FrameNoun() string {
	if s.Tiles {
		return "tiles"
	}
	return "frames"
}

// Fraction returns how far the frames of a scene or the first pass are, and after it the video, or the audio if there is no video.
func (s Snapshot) Fraction() float64 {
	switch {
	case s.Rendering():
		return float64(s.FramesDone) / float64(s.Frames)
	case s.FirstPass():
		return s.PassFraction
	case s.Segments == 0:
		return s.AudioFraction
	}
	return s.VideoFraction
}

// Add records an event. Events must come in the order of their times.
func (p *Tracker) Add(e local.Event) {
	if p.started.IsZero() {
		p.started = e.Time
		p.units = map[string]unitState{}
	}
	if e.Type == engine.Planned {
		p.plan, p.planned, p.rendered = newPlan(e.Groups), true, p.render.finished
		if p.plan.video.Units+p.plan.audio.Units == 0 {
			p.groups.plan(e.Groups)
		} else {
			p.groups = nil
		}
		return
	}
	if e.Type == engine.Published {
		p.published++
		return
	}
	p.groups.add(e)
	t, total := p.totalsFor(e.Unit)
	if t == nil {
		return
	}
	old := p.units[e.Unit]
	state := unitState{amount: amount{e.Count, e.Media, e.Bytes}}
	// Encoders report frames more reliably than timestamps. Frames, speed and time left then follow from one number.
	if t != &p.audio && e.Count > 0 && total.Count > 0 && total.Media > 0 {
		state.media = media.Ticks(float64(e.Count) / float64(total.Count) * float64(total.Media))
	}
	switch e.Type {
	case engine.Started, engine.Failed:
		state = unitState{}
	case engine.Progress:
	case engine.Done, engine.Skipped:
		state.done = true
	default:
		return
	}
	if old.done { // the result of another worker on the same unit does not count
		return
	}
	if e.Type == engine.Skipped {
		t.skipped++
	} else {
		p.countWork(t, e.Time, old.increase(state.amount))
	}
	if e.Type == engine.Done {
		t.finished++
	}
	if state.done {
		t.completed = t.completed.add(state.amount)
	}
	t.current = t.current.add(state.sub(old.amount))
	p.units[e.Unit] = state
	p.recordSample(e.Time)
}

// countWork adds work to the units of a type. The first pass and Blender have other speeds than the encoders, whose rates they do not count in.
func (p *Tracker) countWork(t *unitTotals, at time.Time, more amount) {
	t.worked = t.worked.add(more)
	if t == &p.pass || t == &p.render {
		return
	}
	if p.firstAttempt.IsZero() {
		p.firstAttempt = at
		p.samples = append(p.samples, sample{at: at})
	}
	if p.firstWork.IsZero() && t.worked != (amount{}) {
		p.firstWork = at
	}
}

// totalsFor returns the sums of the units like this one, and what all of them will have done; nil of those that are not counted.
func (p *Tracker) totalsFor(unit string) (*unitTotals, work.Amount) {
	switch kind, _, _ := strings.Cut(unit, "/"); kind {
	case film.VideoKind:
		return &p.video, p.plan.video.Total
	case film.AudioKind:
		return &p.audio, p.plan.audio.Total
	case film.PassKind:
		return &p.pass, p.plan.pass.Total
	case render.Kind, render.TileKind:
		if kind == p.plan.render.Name {
			return &p.render, p.plan.render.Total
		}
	}
	return nil, work.Amount{}
}

// recordSample adds a sample, and drops those before the window except the last, where the window begins.
func (p *Tracker) recordSample(at time.Time) {
	if p.firstAttempt.IsZero() {
		return
	}
	now := sample{at, p.video.worked, p.audio.worked}
	if n := len(p.samples); n > 1 && at.Sub(p.samples[n-2].at) < sampleInterval {
		p.samples[n-1] = now
	} else {
		p.samples = append(p.samples, now)
	}
	drop := 0
	for drop+1 < len(p.samples) && at.Sub(p.samples[drop+1].at) >= rateWindow {
		drop++
	}
	p.samples = p.samples[drop:]
}

// Snapshot returns the progress at now, which must not be before the last event.
func (p *Tracker) Snapshot(now time.Time) Snapshot {
	s := Snapshot{
		Planned:    p.planned,
		Segments:   p.plan.video.Units,
		AudioParts: p.plan.audio.Units,
		Bytes:      p.video.current.bytes + p.audio.current.bytes,
		Published:  p.published,
		Groups:     p.groups.snapshot(now),
		Remaining:  -1,
	}
	if !p.started.IsZero() {
		s.Elapsed = now.Sub(p.started)
	}
	s.Done = min(p.video.finished+max(p.video.skipped, p.plan.video.Done), s.Segments)
	s.AudioDone = min(p.audio.finished+max(p.audio.skipped, p.plan.audio.Done), s.AudioParts)
	s.Passes = p.plan.pass.Units
	s.PassesDone = min(p.pass.finished+max(p.pass.skipped, p.plan.pass.Done), s.Passes)
	s.PassFraction = fraction(p.pass.current.media, p.pass.estimateLength(p.plan.pass.Total.Media, s.Passes), s.PassesDone, s.Passes)
	s.Frames, s.FramesDone, s.Tiles = int(p.plan.render.Total.Count), p.framesDone(), p.plan.render.Name == render.TileKind
	videoLength := p.video.estimateLength(p.plan.video.Total.Media, s.Segments)
	audioLength := p.audio.estimateLength(p.plan.audio.Total.Media, s.AudioParts)
	videoDone := p.video.current.media
	if unseen := p.plan.video.Done - p.video.skipped; unseen > 0 && s.Segments > 0 {
		// Of the segments of an earlier run only the number is known; segments have about equal durations.
		videoDone += media.Ticks(float64(videoLength) * float64(unseen) / float64(s.Segments))
	}
	s.VideoFraction = fraction(videoDone, videoLength, s.Done, s.Segments)
	s.AudioFraction = fraction(p.audio.current.media, audioLength, s.AudioDone, s.AudioParts)

	video, audio, seconds := p.rates(now)
	s.FPS = p.frames(video) / seconds
	videoSpeed, audioSpeed := float64(video.media)/1e6/seconds, float64(audio.media)/1e6/seconds
	s.Speed, s.Worked = videoSpeed, p.video.worked.media
	if s.Segments == 0 {
		s.Speed, s.Worked = audioSpeed, p.audio.worked.media
	}
	videoLeft, known := timeLeft(s.VideoFraction, videoLength, videoSpeed)
	audioLeft, audioKnown := timeLeft(s.AudioFraction, audioLength, audioSpeed)
	if s.Segments == 0 {
		videoLeft, known = 0, audioKnown && s.AudioParts > 0
	}
	if known {
		s.Remaining = max(videoLeft, audioLeft)
	}
	return s
}

// framesDone returns how many frames of a scene, or tiles, are rendered. Of the units of an earlier run only the number is known.
func (p *Tracker) framesDone() int {
	all := p.plan.render.Total.Count
	done := p.render.current.frames
	if unseen := int64(p.plan.render.Done - p.rendered - p.render.skipped); unseen > 0 {
		done += all * unseen / int64(p.plan.render.Units)
	}
	return int(min(done, all))
}

// rates returns the work done in the window that ends at now, and the length of that window.
func (p *Tracker) rates(now time.Time) (video, audio amount, seconds float64) {
	if len(p.samples) == 0 || p.firstWork.IsZero() || now.Sub(p.firstWork) < leastWindow {
		return amount{}, amount{}, 1
	}
	from := p.samples[0]
	for _, s := range p.samples[1:] {
		if now.Sub(s.at) < rateWindow {
			break
		}
		from = s
	}
	return p.video.worked.sub(from.video), p.audio.worked.sub(from.audio), now.Sub(from.at).Seconds()
}

// frames returns the frames of an amount of video. Where the plan knows how many there are, they follow from the media, as speed
// and time left do.
func (p *Tracker) frames(a amount) float64 {
	if total := p.plan.video.Total; total.Count > 0 && total.Media > 0 {
		return float64(a.media) * float64(total.Count) / float64(total.Media)
	}
	return float64(a.frames)
}

// estimateLength returns how many microseconds of source n units cover: the planned length if it is known, else an
// estimate from the units that are done, else 0.
func (t unitTotals) estimateLength(planned media.Ticks, n int) media.Ticks {
	if planned > 0 {
		return planned
	}
	if counted := t.finished + t.skipped; counted > 0 {
		return t.completed.media / media.Ticks(counted) * media.Ticks(n)
	}
	return 0
}

// fraction returns the fraction done, from 0 to 1. It is 1 only when all n units are done.
func fraction(media, length media.Ticks, done, n int) float64 {
	if n == 0 {
		return 0
	}
	if done >= n {
		return 1
	}
	f := float64(done) / float64(n)
	if length > 0 {
		f = max(f, float64(media)/float64(length))
	}
	return min(max(f, 0), 0.999)
}

// timeLeft returns how long the rest takes at a speed; ok is false if that is unknown.
func timeLeft(fraction float64, length media.Ticks, speed float64) (d time.Duration, ok bool) {
	const limit = 1000 * time.Hour // an estimate beyond this is useless
	if fraction >= 1 {
		return 0, true
	}
	if length <= 0 || speed <= 0 {
		return 0, false
	}
	seconds := (1 - fraction) * float64(length) / 1e6 / speed
	if seconds >= limit.Seconds() {
		return 0, false
	}
	return time.Duration(seconds * float64(time.Second)), true
}
