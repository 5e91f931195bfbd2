package main

import (
	"strings"
	"time"

	"github.com/mapreel/mapreel/pkg/local"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/stage"
)

// window is over how long rates are taken. Encoders report in bursts, because they look ahead before they write; over a
// few bursts the time left stops jumping.
const window = 20 * time.Second

// spacing is the least time between two samples of the work done, so that a window of hundreds of encoders stays small.
const spacing = 250 * time.Millisecond

// amount is how much of something is done. Amounts only add up among units of the same sort.
type amount struct {
	frames int64
	media  media.Ticks // microseconds of source
	bytes  int64
}

func (a amount) plus(b amount) amount {
	return amount{a.frames + b.frames, a.media + b.media, a.bytes + b.bytes}
}

func (a amount) minus(b amount) amount {
	return amount{a.frames - b.frames, a.media - b.media, a.bytes - b.bytes}
}

// gain is what b has more than a, and nothing where it has less.
func (a amount) gain(b amount) amount {
	return amount{max(0, b.frames-a.frames), max(0, b.media-a.media), max(0, b.bytes-a.bytes)}
}

// tally counts the units of one sort: the segments of the picture, or the pieces of the sound.
type tally struct {
	finished int    // by this run
	skipped  int    // done by an earlier run, and seen
	have     amount // of all units, as far as they are
	closed   amount // of those that are done
	worked   amount // what this run has done, failed attempts too; never falls
}

// unit is where one segment, or piece of sound, stands.
type unit struct {
	amount
	done bool
}

// sample is what was worked at a moment.
type sample struct {
	at           time.Time
	video, sound amount
}

// meter adds up the events of a run. It holds no clock: what it says of a moment follows from the events before it.
// The zero value is ready. It is not safe for use by several goroutines.
type meter struct {
	plan         stage.Event // the last "planned"
	planned      bool
	began        time.Time // of the first event
	working      time.Time // of the first attempt
	units        map[string]unit
	video, sound tally
	published    int
	samples      []sample
}

// reading is what a meter says of a moment.
type reading struct {
	Planned   bool
	Elapsed   time.Duration
	Segments  int // of the picture, in all
	Done      int // of those, by this run or an earlier one
	Pieces    int // of sound, in all
	Heard     int // of those, done
	Fraction  float64
	Sound     float64       // fraction of the sound
	FPS       float64       // frames a second
	Speed     float64       // of the picture, or of the sound where there is no picture, against real time
	Left      time.Duration // till everything is encoded; negative where it cannot be told yet
	Worked    media.Ticks   // microseconds of the picture, or of the sound where there is none, that this run did
	Bytes     int64         // of all pieces
	Published int           // outputs
}

// Joining tells whether all that is left is to put the pieces together.
func (r reading) Joining() bool {
	return r.Planned && r.Segments+r.Pieces > 0 && r.Done == r.Segments && r.Heard == r.Pieces
}

// add takes an event into account. Events come in the order of their times.
func (m *meter) add(e local.Event) {
	if m.began.IsZero() {
		m.began = e.Time
		m.units = map[string]unit{}
	}
	if e.Type == stage.Planned {
		m.plan, m.planned = e.Event, true
		return
	}
	if e.Type == stage.Published {
		m.published++
		return
	}
	t := m.tallyOf(e.Unit)
	if t == nil {
		return
	}
	before := m.units[e.Unit]
	now := unit{amount: amount{e.Frames, e.Media, e.Bytes}}
	if now.media == 0 && m.plan.Frames > 0 { // an encoder knows its frames better than their times
		now.media = media.Ticks(float64(e.Frames) / float64(m.plan.Frames) * float64(m.plan.Duration))
	}
	switch e.Type {
	case stage.Started, stage.Broken:
		now = unit{}
	case stage.Progress:
	case stage.Finished, stage.Skipped:
		now.done = true
	default:
		return
	}
	if before.done { // a second worker on the same unit changes nothing
		return
	}
	if e.Type == stage.Skipped {
		t.skipped++
	} else {
		if m.working.IsZero() {
			m.working = e.Time
			m.samples = append(m.samples, sample{at: e.Time})
		}
		t.worked = t.worked.plus(before.gain(now.amount))
	}
	if e.Type == stage.Finished {
		t.finished++
	}
	if now.done {
		t.closed = t.closed.plus(now.amount)
	}
	t.have = t.have.plus(now.minus(before.amount))
	m.units[e.Unit] = now
	m.remember(e.Time)
}

func (m *meter) tallyOf(unit string) *tally {
	switch {
	case strings.HasPrefix(unit, "video/"):
		return &m.video
	case strings.HasPrefix(unit, "audio/"):
		return &m.sound
	}
	return nil
}

// remember keeps a sample of the work, and drops those before the window but for the last, which is its beginning.
func (m *meter) remember(at time.Time) {
	if m.working.IsZero() {
		return
	}
	now := sample{at, m.video.worked, m.sound.worked}
	if n := len(m.samples); n > 1 && at.Sub(m.samples[n-2].at) < spacing {
		m.samples[n-1] = now
	} else {
		m.samples = append(m.samples, now)
	}
	drop := 0
	for drop+1 < len(m.samples) && at.Sub(m.samples[drop+1].at) >= window {
		drop++
	}
	m.samples = m.samples[drop:]
}

// at says how things stand at now, which is not before the last event.
func (m *meter) at(now time.Time) reading {
	r := reading{
		Planned:   m.planned,
		Segments:  m.plan.Segments,
		Pieces:    m.plan.Pieces,
		Bytes:     m.video.have.bytes + m.sound.have.bytes,
		Published: m.published,
		Left:      -1,
	}
	if !m.began.IsZero() {
		r.Elapsed = now.Sub(m.began)
	}
	r.Done = min(m.video.finished+max(m.video.skipped, m.plan.Done), r.Segments)
	r.Heard = min(m.sound.finished+m.sound.skipped, r.Pieces)
	videoLength := m.video.length(m.plan.Duration, r.Segments)
	soundPlan := m.plan.Duration
	if r.Pieces > 1 {
		soundPlan = 0 // several pieces may be of one track or of several
	}
	soundLength := m.sound.length(soundPlan, r.Pieces)
	videoHave := m.video.have.media
	if unseen := m.plan.Done - m.video.skipped; unseen > 0 && r.Segments > 0 {
		// Of what an earlier run did, only the number is known; segments are about equally long.
		videoHave += media.Ticks(float64(videoLength) * float64(unseen) / float64(r.Segments))
	}
	r.Fraction = fraction(videoHave, videoLength, r.Done, r.Segments)
	r.Sound = fraction(m.sound.have.media, soundLength, r.Heard, r.Pieces)

	video, sound, over := m.rates(now)
	r.FPS = float64(video.frames) / over
	videoSpeed, soundSpeed := float64(video.media)/1e6/over, float64(sound.media)/1e6/over
	r.Speed, r.Worked = videoSpeed, m.video.worked.media
	if r.Segments == 0 {
		r.Speed, r.Worked = soundSpeed, m.sound.worked.media
	}
	picture, known := left(r.Fraction, videoLength, videoSpeed)
	heard, heardKnown := left(r.Sound, soundLength, soundSpeed)
	if r.Segments == 0 {
		picture, known = 0, heardKnown && r.Pieces > 0
	}
	if known {
		r.Left = max(picture, heard)
	}
	return r
}

// rates is what was worked in the window that ends now, and how many seconds that is.
func (m *meter) rates(now time.Time) (video, sound amount, seconds float64) {
	if len(m.samples) == 0 || !now.After(m.samples[0].at) {
		return amount{}, amount{}, 1
	}
	from := m.samples[0]
	for _, s := range m.samples[1:] {
		if now.Sub(s.at) < window {
			break
		}
		from = s
	}
	return m.video.worked.minus(from.video), m.sound.worked.minus(from.sound), now.Sub(from.at).Seconds()
}

// length is how many microseconds of source n units cover: what is planned, else as many as those that are done let
// expect, else 0.
func (t tally) length(planned media.Ticks, n int) media.Ticks {
	if planned > 0 {
		return planned
	}
	if counted := t.finished + t.skipped; counted > 0 {
		return t.closed.media / media.Ticks(counted) * media.Ticks(n)
	}
	return 0
}

// fraction is how much is done, from 0 to 1; exactly 1 when every unit is, and not before.
func fraction(have, length media.Ticks, done, n int) float64 {
	if n == 0 {
		return 0
	}
	if done >= n {
		return 1
	}
	f := float64(done) / float64(n)
	if length > 0 {
		f = max(f, float64(have)/float64(length))
	}
	return min(max(f, 0), 0.999)
}

// left is how long the rest takes at a speed; ok is false where that cannot be told.
func left(fraction float64, length media.Ticks, speed float64) (d time.Duration, ok bool) {
	const most = 1000 * time.Hour // beyond it the speed says nothing
	if fraction >= 1 {
		return 0, true
	}
	if length <= 0 || speed <= 0 {
		return 0, false
	}
	seconds := (1 - fraction) * float64(length) / 1e6 / speed
	if seconds >= most.Seconds() {
		return 0, false
	}
	return time.Duration(seconds * float64(time.Second)), true
}
