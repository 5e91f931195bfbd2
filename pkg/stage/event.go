package stage

import (
	"github.com/mapreel/mapreel/pkg/media"
)

// EventType says what an Event tells.
type EventType string

const (
	Planned   EventType = "planned"   // the job is known: Job, Segments, Pieces, Duration, Frames; Done of them from before
	Started   EventType = "started"   // an attempt at Unit began
	Progress  EventType = "progress"  // so far in this attempt: Frames, Media, Bytes
	Finished  EventType = "finished"  // Unit is done: Frames, Media, Bytes
	Skipped   EventType = "skipped"   // Unit was done already, by another attempt at the same time
	Broken    EventType = "failed"    // the attempt at Unit failed: Error
	Published EventType = "published" // an output is where it was asked for: URL, Frames, Bytes
	Warning   EventType = "warning"   // something was left out or mended: Error says what
)

// Event is something a stage tells while it works. Bars, JSON lines and pages draw it. The fields that an EventType
// does not name are zero.
type Event struct {
	Type     EventType   `json:"type"`
	Job      string      `json:"job,omitempty"`
	Unit     string      `json:"unit,omitempty"` // as in the ledger: video/00012, audio/00000, output/film
	Attempt  int         `json:"attempt,omitempty"`
	Segments int         `json:"segments,omitempty"`
	Pieces   int         `json:"pieces,omitempty"`   // of sound
	Done     int         `json:"done,omitempty"`     // segments that an earlier run finished
	Duration media.Ticks `json:"duration,omitempty"` // microseconds of source; 0 where unknown
	Frames   int64       `json:"frames,omitempty"`
	Media    media.Ticks `json:"media,omitempty"` // microseconds of source that Frames or the sound cover
	Bytes    int64       `json:"bytes,omitempty"`
	URL      string      `json:"url,omitempty"`
	Error    string      `json:"error,omitempty"`
}
