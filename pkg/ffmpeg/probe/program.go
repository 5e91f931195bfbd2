package probe

import (
	"slices"

	"github.com/mapreel/mapreel/pkg/media"
)

// Playable returns the programmes with video or audio.
func Playable(m Media) []Program {
	var list []Program
	for _, p := range m.Programs {
		if slices.ContainsFunc(m.Streams, func(s Stream) bool {
			return (s.Type == "video" || s.Type == "audio") && slices.Contains(p.Streams, s.Index)
		}) {
			list = append(list, p)
		}
	}
	return list
}

// Choose returns the programme of that number, or with 0 the one with the largest picture, and the
// first of several. ok is false if no programme has the number.
func Choose(m Media, programs []Program, number int) (chosen Program, ok bool) {
	largest := -1
	for _, p := range programs {
		if number != 0 {
			if p.Number == number {
				return p, true
			}
			continue
		}
		area := 0
		for _, s := range m.Streams {
			if s.Type == "video" && !s.AttachedPic && slices.Contains(p.Streams, s.Index) {
				area = max(area, s.Width*s.Height)
			}
		}
		if area > largest {
			chosen, largest = p, area
		}
	}
	return chosen, number == 0
}

// Only returns m with the streams of one programme, whose clock start and duration follow. Streams
// keep their indexes, and those that belong to no programme are left out.
func (m Media) Only(p Program) Media {
	only := m
	only.Programs, only.Streams = []Program{p}, nil
	only.Start, only.HasStart = 0, false
	var end int64
	for _, s := range m.Streams {
		if !slices.Contains(p.Streams, s.Index) {
			continue
		}
		only.Streams = append(only.Streams, s)
		if s.StartPTS == nil || !s.Complete() || s.Type != "video" && s.Type != "audio" {
			continue
		}
		start := int64(media.Rescale(media.Ticks(*s.StartPTS), s.Timebase, media.Microseconds))
		if !only.HasStart || start < only.Start {
			only.Start, only.HasStart = start, true
		}
		end = max(end, start+int64(media.Rescale(media.Ticks(max(s.DurationTS, 0)), s.Timebase, media.Microseconds)))
	}
	if only.HasStart && end > only.Start {
		only.Duration = end - only.Start
	}
	return only
}
