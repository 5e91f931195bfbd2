package engine

import (
	"encoding/json"

	"github.com/mapreel/mapreel/pkg/work"
)

// EventType says what an Event reports.
type EventType string

const (
	Planned   EventType = "planned"   // the job's plan is known: Job, Groups
	Started   EventType = "started"   // an attempt at Unit began
	Progress  EventType = "progress"  // Amount done so far in this attempt
	Done      EventType = "finished"  // Unit is done: Amount
	Skipped   EventType = "skipped"   // Unit was done already, by another attempt at the same time
	Twinned   EventType = "twinned"   // a second attempt at Unit began, beside one that takes far longer than its peers took
	Failed    EventType = "failed"    // the attempt at Unit failed: Error
	Published EventType = "published" // an output is at URL: Amount
	Warning   EventType = "warning"   // something was left out or repaired: Error says what
	// The type of an announcement (work.Announcement) is its own: Detail.
)

// Event is progress of a job. Bars, JSON lines and pages draw it. Fields that an EventType does not name are zero.
type Event struct {
	Type    EventType `json:"type"`
	Job     string    `json:"job,omitempty"`
	Unit    string    `json:"unit,omitempty"` // as in the ledger: video/00012, audio/00000, output/film
	Attempt int       `json:"attempt,omitempty"`
	work.Amount
	Groups []GroupProgress `json:"groups,omitempty"`
	URL    string          `json:"url,omitempty"`
	Error  string          `json:"error,omitempty"`
	Detail json.RawMessage `json:"detail,omitempty"`
}

// GroupProgress is a group of units and how much of it is done.
type GroupProgress struct {
	work.Group
	Done    int `json:"done"`              // units
	Running int `json:"running,omitempty"` // units; always 0 in an event
}

// Left returns the share of the group's units that are not done, 0 to 1.
func (g GroupProgress) Left() float64 {
	if g.Units <= 0 {
		return 1
	}
	return 1 - min(float64(g.Done)/float64(g.Units), 1)
}
