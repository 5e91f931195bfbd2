package film

import (
	"fmt"
	"regexp"
	"strconv"
	"time"

	"github.com/mapreel/mapreel/pkg/media"
)

// Part selects a part of the source: what is on screen and heard from Start to before End, which become the beginning and the end of
// every output. Times count from the beginning of the source. The zero value is the whole source.
type Part struct {
	Start    Seconds `json:"start,omitempty" jsonschema:"minimum=0,description=Seconds from the beginning of the source at which the outputs begin. Default: 0"`
	End      Seconds `json:"end,omitempty" jsonschema:"exclusiveMinimum=0,description=Seconds from the beginning of the source at which the outputs end. Default: the end of the source"`
	Duration Seconds `json:"duration,omitempty" jsonschema:"exclusiveMinimum=0,description=Seconds from start to the end of the outputs; instead of end"`
	Chapters string  `json:"chapters,omitempty" jsonschema:"pattern=^[0-9]+(-[0-9]+)?$,description=Chapters of the source by their numbers from 1: 3 or 3-5; instead of start and end"`
}

// chapterRange matches the chapters of a Part.
var chapterRange = regexp.MustCompile(`^([0-9]{1,4})(?:-([0-9]{1,4}))?$`)

// ChapterRange returns the numbers of the first and the last chapter, counted from 1. ok is false where the part names none that are
// in order.
func (p Part) ChapterRange() (first, last int, ok bool) {
	m := chapterRange.FindStringSubmatch(p.Chapters)
	if m == nil {
		return 0, 0, false
	}
	first, _ = strconv.Atoi(m[1])
	last = first
	if m[2] != "" {
		last, _ = strconv.Atoi(m[2])
	}
	return first, last, 1 <= first && first <= last
}

// maxPart bounds the times of a part: longer than any film.
const maxPart = 1000 * time.Hour

// Check returns the problems of a part that can be found without its source.
func (p Part) Check() (ps Problems) {
	add := func(field, format string, args ...any) {
		ps = append(ps, Problem{"/part" + field, fmt.Sprintf(format, args...)})
	}
	for _, f := range []struct {
		name  string
		value Seconds
	}{{"/start", p.Start}, {"/end", p.End}, {"/duration", p.Duration}} {
		if f.value < 0 || time.Duration(f.value) > maxPart {
			add(f.name, "%v is outside 0 to %v", time.Duration(f.value), maxPart)
		}
	}
	switch {
	case p.Chapters != "" && (p.Start != 0 || p.End != 0 || p.Duration != 0):
		add("/chapters", "chapters say where the outputs begin and end; leave out start, end and duration")
	case p.Chapters != "":
		if _, _, ok := p.ChapterRange(); !ok {
			add("/chapters", "%q is not a range of chapters such as 3 or 3-5", p.Chapters)
		}
	case p.End != 0 && p.Duration != 0:
		add("/duration", "end says where the outputs end; leave out one of the two")
	case p.End != 0 && p.End <= p.Start:
		add("/end", "%v is not after the start, %v", time.Duration(p.End), time.Duration(p.Start))
	}
	return ps
}

// normalise returns the part with an End instead of a Duration, so that two ways to say the same are one job.
func (p Part) normalise() Part {
	if p.Duration > 0 {
		p.End, p.Duration = p.Start+p.Duration, 0
	}
	return p
}

// Cut says which part of a source its job takes. The source's Origin, Duration, Chapters and the bounds of its video track are then
// those of the part.
type Cut struct {
	// Start and End bound what is taken, Start ≤ t < End, in microseconds on the source's own clock; nil: from its beginning, to
	// its end.
	Start *media.Ticks `json:"start,omitempty"`
	End   *media.Ticks `json:"end,omitempty"`

	Origin media.Instant `json:"origin"` // of the whole source
	First  media.Ticks   `json:"first"`  // when the first frame of the whole video track is shown, in its ticks
}

// Bounds returns the start and the end of a part in microseconds from the beginning of the source; end is 0 where it is that of the
// source. An error is of kind fault.Invalid and holds Problems.
func (s Source) Bounds(part Part) (start, end media.Ticks, err error) {
	pointer := "/part/start"
	if first, last, ok := part.ChapterRange(); ok {
		pointer = "/part/chapters"
		if n := len(s.Chapters); last > n {
			message := fmt.Sprintf("the source has %d chapters", n)
			if n == 0 {
				message = "the source has no chapters"
			}
			return 0, 0, Problems{{Pointer: pointer, Message: message}}.Err()
		}
		start, end = s.Chapters[first-1].Start, s.Chapters[last-1].End
		if last < len(s.Chapters) {
			end = s.Chapters[last].Start // some files have gaps between chapters
		} else if s.Duration > 0 {
			end = 0
		}
	} else {
		start, end = part.Start.micros(), part.End.micros()
		if part.Duration > 0 {
			end = start + part.Duration.micros()
		}
	}
	if s.Duration > 0 && start >= s.Duration {
		return 0, 0, Problems{{Pointer: pointer, Message: fmt.Sprintf("%v is not within the source, which is %v long",
			media.Microseconds.Duration(start), media.Microseconds.Duration(s.Duration).Round(time.Millisecond))}}.Err()
	}
	return start, end, nil
}

// micros returns a duration in microseconds.
func (s Seconds) micros() media.Ticks { return media.Ticks(time.Duration(s).Microseconds()) }

// Taken returns the part of the source that the job takes, by its times; nil: all of it.
func (s Source) Taken() *Part {
	if s.Cut == nil {
		return nil
	}
	var p Part
	at := func(t media.Ticks) Seconds {
		return Seconds(media.Microseconds.Duration(t - s.Cut.Origin.In(media.Microseconds)))
	}
	if s.Cut.Start != nil {
		p.Start = at(*s.Cut.Start)
	}
	if s.Cut.End != nil {
		p.End = at(*s.Cut.End)
	}
	return &p
}

// FirstFrame returns when the first frame of the whole video track is shown, in its ticks.
func (s Source) FirstFrame() media.Ticks {
	if s.Cut != nil {
		return s.Cut.First
	}
	return s.Video.Start
}

// WholeOrigin returns the source's time at which it begins, whichever part of it the job takes.
func (s Source) WholeOrigin() media.Instant {
	if s.Cut != nil {
		return s.Cut.Origin
	}
	return s.Origin
}

// AudioStart returns the time of the first sample of t that the job takes, in ticks of scale.
func (s Source) AudioStart(t AudioTrack, scale media.Rational) media.Ticks {
	start := media.Rescale(t.Start, t.Timebase, scale)
	if s.Cut != nil && s.Cut.Start != nil {
		start = max(start, media.PartTick(*s.Cut.Start, scale))
	}
	return start
}

// AudioEnd returns the time before which the samples lie that the job takes of every audio track, in ticks of scale; nil: the tracks
// are taken to their ends.
func (s Source) AudioEnd(scale media.Rational) *media.Ticks {
	if s.Cut == nil || s.Cut.End == nil {
		return nil
	}
	return new(media.PartTick(*s.Cut.End, scale))
}

// AudioLength returns how long the part of t is that the job takes, in ticks of scale; 0 where that is not known, or where t has
// nothing of the part.
func (s Source) AudioLength(t AudioTrack, scale media.Rational) media.Ticks {
	if s.Cut == nil {
		return media.Rescale(t.Duration, t.Timebase, scale)
	}
	end := s.AudioEnd(scale)
	if t.Duration > 0 {
		own := media.Rescale(t.Start, t.Timebase, scale) + media.Rescale(t.Duration, t.Timebase, scale)
		if end == nil || own < *end {
			end = &own
		}
	}
	if end == nil {
		return 0
	}
	return max(*end-s.AudioStart(t, scale), 0)
}
