// Package progresstest makes events for tests of what shows progress.
package progresstest

import (
	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/work"
)

// Planned returns the event of a job with some segments, of which some are done, and some audio parts. duration is in microseconds.
func Planned(segments, done, parts int, duration media.Ticks, frames int64) engine.Event {
	total := work.Amount{Media: duration, Count: frames}
	var groups []engine.GroupProgress
	if segments > 0 {
		groups = append(groups, engine.GroupProgress{Group: work.Group{Name: "video", Units: segments, Total: total}, Done: done})
	}
	if parts > 0 {
		groups = append(groups, engine.GroupProgress{Group: work.Group{Name: "audio", Units: parts, Total: work.Amount{Media: duration}}})
	}
	return engine.Event{Type: engine.Planned, Job: "j", Groups: groups}
}
