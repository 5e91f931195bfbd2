package progress

import (
	"strings"
	"time"

	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/local"
)

// Group is the progress of one group of a run's units.
type Group struct {
	engine.GroupProgress
	Remaining time.Duration // until all units are done; negative if unknown
	Begun     float64       // how many units' work is done in those that are not: of tools that report their progress
}

// Fraction returns the share of the group's work that is done, 0 to 1.
func (g Group) Fraction() float64 {
	if g.Units <= 0 {
		return 0
	}
	return min(1-g.Left()+g.Begun/float64(g.Units), 1)
}

// Outputs reports whether the group's units publish what those of the others made.
func (g Group) Outputs() bool { return g.Noun == "outputs" }

// counter counts the units of a group that are done.
type counter struct {
	plan  engine.GroupProgress // of the last Planned event
	since map[string]bool      // units that ended since then
	begun map[string]float64   // shares of other units that are done
	began time.Time            // when an attempt at one of them was first started
	here  int                  // units that this run has done
}

// groups counts the units of a run whose work is not measured in film: the units of tools are done or not.
type groups []counter

// plan replaces the counts by those of a Planned event, which include all that was done before it.
func (list *groups) plan(planned []engine.GroupProgress) {
	old := *list
	*list = make(groups, len(planned))
	for i, g := range planned {
		(*list)[i] = counter{plan: g, since: map[string]bool{}, begun: map[string]float64{}}
		if i < len(old) && old[i].plan.Name == g.Name {
			(*list)[i].began, (*list)[i].here = old[i].began, old[i].here
		}
	}
}

// add records an event of a unit.
func (list groups) add(e local.Event) {
	for i := range list {
		c := &list[i]
		if !c.plan.Contains(e.Unit) {
			continue
		}
		switch e.Type {
		case engine.Started:
			if c.began.IsZero() {
				c.began = e.Time
			}
		case engine.Progress:
			if whole := c.plan.Total.Media; whole > 0 && !c.since[e.Unit] {
				c.begun[e.Unit] = min(float64(e.Media)*float64(c.plan.Units)/float64(whole), 1) // pieces are about equally long
			}
			continue
		case engine.Done:
			c.here++
			c.since[e.Unit] = true
		case engine.Skipped:
			c.since[e.Unit] = true
		}
		delete(c.begun, e.Unit)
	}
}

// snapshot returns the groups at now.
func (list groups) snapshot(now time.Time) (result []Group) {
	for _, c := range list {
		g := Group{GroupProgress: c.plan, Remaining: -1}
		g.Done = min(c.plan.Done+len(c.since), g.Units)
		for _, share := range c.begun {
			g.Begun += share
		}
		if here := float64(c.here) + g.Begun; here > 0 && now.After(c.began) {
			g.Remaining = time.Duration(float64(now.Sub(c.began)) / here * max(float64(g.Units-g.Done)-g.Begun, 0))
		}
		result = append(result, g)
	}
	return result
}

// Finished returns how many units are done, of how many, and what one of them is called: the segments of a film, or the pieces that
// tools get. While a scene is rendered, it counts frames instead, each of which is kept.
func (s Snapshot) Finished() (done, all int, noun string) {
	if s.Rendering() {
		return s.FramesDone, s.Frames, strings.TrimSuffix(s.FrameNoun(), "s")
	}
	if len(s.Groups) == 0 {
		return s.Done, s.Segments, "segment"
	}
	for _, g := range s.Groups {
		if !g.Outputs() {
			done, all = done+g.Done, all+g.Units
		}
	}
	return done, all, "piece"
}
