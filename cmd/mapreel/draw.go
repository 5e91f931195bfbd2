package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/mapreel/mapreel/pkg/local"
	"github.com/mapreel/mapreel/pkg/stage"
)

// drawing shows a run while it works. Its observe is what local.Run calls for each event; stop ends it, and waits until
// nothing more is written.
type drawing interface {
	observe(local.Event)
	stop()
}

// watch is a meter that is fed and read by different goroutines.
type watch struct {
	mu    sync.Mutex
	meter meter
}

func (w *watch) add(e local.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.meter.add(e)
}

func (w *watch) now() reading {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.meter.at(time.Now())
}

// choose picks the drawing for what --progress says. Bars need a terminal whose cursor can be moved.
func choose(how progress, w *watch, stdout, stderr io.Writer, movable bool) drawing {
	switch {
	case how == showJSON:
		return jsonLines{json.NewEncoder(stdout)}
	case how == showNone:
		return silence{}
	case movable:
		return newBars(w, stderr)
	case how == showBar:
		return newLines(w, stderr, lineEvery)
	}
	return warnings{stderr}
}

// silence shows nothing.
type silence struct{}

func (silence) observe(local.Event) {}
func (silence) stop()               {}

// warnings shows only what the user should know of the result.
type warnings struct{ w io.Writer }

func (d warnings) observe(e local.Event) {
	if e.Type == stage.Warning {
		fmt.Fprint(d.w, warningLine(e))
	}
}

func (warnings) stop() {}

func warningLine(e local.Event) string {
	return "mapreel: warning: " + strings.ReplaceAll(strings.TrimSpace(e.Error), "\n", "; ") + "\n"
}

// jsonLines shows every event as a line of JSON.
type jsonLines struct{ enc *json.Encoder }

func (d jsonLines) observe(e local.Event) {
	_ = d.enc.Encode(e) // a reader that went away must not stop the work
}

func (jsonLines) stop() {}

// lineEvery is how often a log, which keeps every line, gets one.
const lineEvery = 5 * time.Second

// lines shows a line every so often, for logs.
type lines struct {
	watch *watch
	mu    sync.Mutex // over w
	w     io.Writer
	over  chan struct{}
	ended chan struct{}
}

func newLines(w *watch, out io.Writer, every time.Duration) *lines {
	d := &lines{watch: w, w: out, over: make(chan struct{}), ended: make(chan struct{})}
	go d.tell(every)
	return d
}

func (d *lines) tell(every time.Duration) {
	defer close(d.ended)
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			d.write(logLine(d.watch.now()) + "\n")
		case <-d.over:
			return
		}
	}
}

func (d *lines) write(s string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, _ = io.WriteString(d.w, s)
}

func (d *lines) observe(e local.Event) {
	if e.Type == stage.Warning {
		d.write(warningLine(e))
	}
}

func (d *lines) stop() {
	close(d.over)
	<-d.ended
}

// bars shows rows that are drawn over and over, at the bottom of a terminal.
type bars struct {
	canvas *mpb.Progress
	bar    *mpb.Bar
}

func newBars(w *watch, out io.Writer) *bars {
	// mpb moves the cursor, measures the terminal and keeps time; what stands in the rows is barRows's. Its bar never
	// completes on its own (total 0), so that stop takes it off the screen.
	canvas := mpb.New(mpb.WithOutput(out))
	var rows []string
	top := mpb.BarFillerFunc(func(to io.Writer, stat decor.Statistics) error {
		rows = barRows(w.now(), stat.AvailableWidth)
		_, err := io.WriteString(to, rows[0])
		return err
	})
	rest := mpb.BarFillerFunc(func(to io.Writer, _ decor.Statistics) error {
		for _, row := range rows[1:] {
			if _, err := io.WriteString(to, row+"\n"); err != nil {
				return err
			}
		}
		return nil
	})
	bar := canvas.MustAdd(0, top, mpb.BarFillerTrim(), mpb.BarExtender(rest, false))
	return &bars{canvas, bar}
}

func (d *bars) observe(e local.Event) {
	if e.Type == stage.Warning {
		_, _ = io.WriteString(d.canvas, warningLine(e))
	}
}

func (d *bars) stop() {
	d.bar.Abort(true)
	d.canvas.Wait()
}
