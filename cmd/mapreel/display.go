package main

import (
	"encoding/json"
	"io"
	"sync"
	"time"

	"github.com/mapreel/mapreel/cmd/mapreel/internal/bars"
	"github.com/mapreel/mapreel/cmd/mapreel/internal/terminal"
	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/local"
	"github.com/mapreel/mapreel/pkg/progress"
)

// display shows the progress of a run. local.Run calls observe for each event. stop ends the display and returns when
// nothing more will be written.
type display interface {
	observe(local.Event)
	print(text string) // shows a line that is no event
	stop()
}

// snapshot is the progress of a run at a point in time.
type snapshot = progress.Snapshot

// sharedProgress is the progress of a run that one goroutine updates while another reads it.
type sharedProgress struct {
	mu      sync.Mutex
	tracker progress.Tracker
}

func (p *sharedProgress) add(e local.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.tracker.Add(e)
}

func (p *sharedProgress) snapshot() snapshot {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.tracker.Snapshot(time.Now())
}

// Lines returns the lines that show the progress on a terminal of width columns.
func (p *sharedProgress) Lines(width int) []string { return bars.Lines(p.snapshot(), width) }

// LogLine returns the progress as one line of a log.
func (p *sharedProgress) LogLine() string { return bars.LogLine(p.snapshot()) }

// shown is progress that a display shows.
type shown interface {
	Lines(width int) []string
	LogLine() string
}

// newDisplay returns the display that mode selects. Bars need a terminal whose cursor can be moved.
func newDisplay(mode progressMode, p shown, stdout, stderr io.Writer, movable bool) display {
	switch {
	case mode == progressJSON:
		return jsonDisplay{json.NewEncoder(stdout)}
	case mode == progressNone:
		return noDisplay{}
	case movable:
		return newBarDisplay(p, stderr)
	case mode == progressBar:
		return newLogDisplay(p, stderr, logInterval)
	}
	return warningDisplay{stderr}
}

// noDisplay shows nothing.
type noDisplay struct{}

func (noDisplay) observe(local.Event) {}
func (noDisplay) print(string)        {}
func (noDisplay) stop()               {}

// warningDisplay shows only warnings.
type warningDisplay struct{ w io.Writer }

func (d warningDisplay) observe(e local.Event) {
	if e.Type == engine.Warning {
		d.print(formatWarning(e))
	}
}

func (d warningDisplay) print(text string) {
	_, _ = io.WriteString(d.w, text) // the work goes on if the reader is gone
}

func (warningDisplay) stop() {}

func formatWarning(e local.Event) string {
	return "mapreel: warning: " + oneLine(e.Error) + "\n"
}

// jsonDisplay writes every event as a line of JSON.
type jsonDisplay struct{ enc *json.Encoder }

func (d jsonDisplay) observe(e local.Event) {
	_ = d.enc.Encode(e) // the work goes on if the reader is gone
}

func (jsonDisplay) print(string) {}
func (jsonDisplay) stop()        {}

// logInterval is the time between two lines of a logDisplay: long, because a log keeps every line.
const logInterval = 5 * time.Second

// logDisplay writes a line at a regular interval, for logs.
type logDisplay struct {
	progress shown
	mu       sync.Mutex // guards w
	w        io.Writer
	once     sync.Once
	stopping chan struct{}
	stopped  chan struct{}
}

func newLogDisplay(p shown, out io.Writer, every time.Duration) *logDisplay {
	d := &logDisplay{progress: p, w: out, stopping: make(chan struct{}), stopped: make(chan struct{})}
	go d.run(every)
	return d
}

func (d *logDisplay) run(every time.Duration) {
	defer close(d.stopped)
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			d.print(d.progress.LogLine() + "\n")
		case <-d.stopping:
			return
		}
	}
}

func (d *logDisplay) print(s string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, _ = io.WriteString(d.w, s)
}

func (d *logDisplay) observe(e local.Event) {
	if e.Type == engine.Warning {
		d.print(formatWarning(e))
	}
}

func (d *logDisplay) stop() {
	d.once.Do(func() { close(d.stopping) })
	<-d.stopped
}

// barDisplay shows progress bars, and warnings above them.
type barDisplay struct{ lines *terminal.Lines }

func newBarDisplay(p shown, out io.Writer) barDisplay {
	return barDisplay{terminal.NewLines(out, p.Lines)}
}

func (d barDisplay) observe(e local.Event) {
	if e.Type == engine.Warning {
		d.print(formatWarning(e))
	}
}

func (d barDisplay) print(text string) { d.lines.Print(text) }
func (d barDisplay) stop()             { d.lines.Stop() }
