package many

import (
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode"

	"github.com/mapreel/mapreel/cmd/mapreel/internal/bars"
	"github.com/mapreel/mapreel/cmd/mapreel/internal/format"
	"github.com/mapreel/mapreel/cmd/mapreel/internal/summary"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/local"
	"github.com/mapreel/mapreel/pkg/printable"
	"github.com/mapreel/mapreel/pkg/progress"
)

// State is what became of a film.
type State string

const (
	Waiting     State = "waiting" // or not begun, at the end
	Running     State = "running"
	Done        State = "done"
	Failed      State = "failed"
	Skipped     State = "skipped" // its outputs exist, and are not to be replaced
	Interrupted State = "interrupted"
)

// Result is what became of a film, for the summary and as JSON.
type Result struct {
	File    string       `json:"file"`
	State   State        `json:"state"`
	Outputs []string     `json:"outputs,omitempty"` // what players open
	Bytes   int64        `json:"bytes,omitempty"`   // of all outputs
	Elapsed film.Seconds `json:"elapsed,omitempty"`
	Error   string       `json:"error,omitempty"`

	source int64 // bytes
	before bool  // an earlier run did all of it
}

// entry is a film on the board.
type entry struct {
	Result
	label   string
	tracker progress.Tracker
}

// Board knows how far each film is. Its methods may be called from several goroutines.
type Board struct {
	mu    sync.Mutex
	began time.Time
	films []entry
}

// NewBoard returns the board of films that have not begun.
func NewBoard(films []Film) *Board {
	b := &Board{began: time.Now(), films: make([]entry, len(films))}
	for i, label := range labels(films) {
		b.films[i] = entry{Result: Result{File: films[i].Path, State: Waiting}, label: label}
	}
	return b
}

// labels returns the shortest names that tell the films apart: their paths below the folder that all are in.
func labels(films []Film) []string {
	list := make([]string, len(films))
	common := ""
	for i, m := range films {
		folder := filepath.Dir(m.Path) + string(filepath.Separator)
		if i == 0 {
			common = folder
		}
		for !strings.HasPrefix(folder, common) {
			common = common[:strings.LastIndexByte(strings.TrimSuffix(common, string(filepath.Separator)), filepath.Separator)+1]
		}
	}
	for i, m := range films {
		list[i] = printable.Line(strings.TrimPrefix(m.Path, common))
	}
	return list
}

// Label returns the name of a film in messages.
func (b *Board) Label(i int) string { return b.films[i].label }

// Begin notes that a film has begun.
func (b *Board) Begin(i int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.films[i].State = Running
}

// Add notes an event of a film.
func (b *Board) Add(i int, e local.Event) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.films[i].tracker.Add(e)
}

// Progress returns how far a film is.
func (b *Board) Progress(i int) progress.Snapshot {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.films[i].tracker.Snapshot(time.Now())
}

// End notes what became of a film. A report belongs to Done, an error to the others.
func (b *Board) End(i int, state State, r local.Report, message string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	f := &b.films[i]
	f.State, f.Error = state, message
	if state != Done {
		return
	}
	f.Elapsed, f.source, f.before = film.Seconds(r.Elapsed.Round(time.Millisecond)), r.Source, len(r.Ran) == 0
	for _, o := range summary.Outputs(r) {
		f.Bytes += o.Bytes()
		for _, url := range []string{o.URL, o.Manifest} {
			if url != "" {
				f.Outputs = append(f.Outputs, filepath.FromSlash(strings.TrimPrefix(url, "file://")))
			}
		}
	}
}

// Count returns how many films are in a state.
func (b *Board) Count(s State) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.count(s)
}

func (b *Board) count(s State) (n int) {
	for i := range b.films {
		if b.films[i].State == s {
			n++
		}
	}
	return n
}

// counts returns how many films ended, and how.
func (b *Board) counts() []string {
	list := []string{fmt.Sprintf("%d/%d done", b.count(Done), len(b.films))}
	for _, s := range []State{Failed, Skipped, Interrupted} {
		if n := b.count(s); n > 0 {
			list = append(list, fmt.Sprintf("%d %s", n, s))
		}
	}
	return list
}

// mostLines is how many films have a bar of their own: as many as fit a small terminal.
const mostLines = 8

// longestLabel is how many columns the name of a film has at most.
const longestLabel = 24

// row is a line with a bar.
type row struct {
	label  string
	share  float64
	fields []string
}

// Lines returns the lines that show the films on a terminal of width columns: one for all, and one for each that runs.
func (b *Board) Lines(width int) []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	now := time.Now()
	rows, more, total := []row{{"all films", 0, append(b.counts(), format.Clock(now.Sub(b.began)))}}, 0, 0.0
	for i := range b.films {
		f := &b.films[i]
		switch {
		case f.State == Waiting:
			continue
		case f.State != Running:
			total++
			continue
		}
		s := f.tracker.Snapshot(now)
		total += s.Fraction()
		if len(rows) > mostLines {
			more++
			continue
		}
		rows = append(rows, row{f.short(), s.Fraction(), fields(s)})
	}
	rows[0].share = total / float64(len(b.films))
	lines := draw(rows, width)
	if more > 0 {
		lines = append(lines, fmt.Sprintf("and %d more", more))
	}
	return bars.Clip(lines, width)
}

// draw returns the rows with bars of one length.
func draw(rows []row, width int) []string {
	longest := 0
	for _, r := range rows {
		longest = max(longest, len(r.label))
	}
	room := bars.StatusWidth(width) + len("video") - longest
	status, widest := make([]string, len(rows)), 0
	for i, r := range rows {
		status[i] = bars.FitFields(r.fields, room)
		widest = max(widest, len(status[i]))
	}
	lines := make([]string, len(rows))
	for i, r := range rows {
		lines[i] = bars.Bar(fmt.Sprintf("%-*s", longest, r.label), r.share, min(max(room-widest, 0)+10, 40)) + status[i]
	}
	return lines
}

// short returns the label in ASCII, or the end of one that is too long.
func (f *entry) short() string {
	text := strings.Map(func(r rune) rune {
		if r > unicode.MaxASCII {
			return '?'
		}
		return r
	}, f.label)
	if over := len(text) - longestLabel; over > 0 {
		text = "..." + text[over+3:]
	}
	return text
}

// LogLine returns the films as one line of a log.
func (b *Board) LogLine() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := []string{strings.Join(b.counts(), ", ")}
	for i := range b.films {
		if f := &b.films[i]; f.State == Running {
			list = append(list, f.label+": "+bars.LogLine(f.tracker.Snapshot(time.Now())))
		}
	}
	return strings.Join(list, "; ")
}

func fields(s progress.Snapshot) []string {
	switch {
	case !s.Planned:
		return []string{"reading"}
	case s.Merging():
		return []string{"merging"}
	case s.Rendering():
		return []string{fmt.Sprintf("%d/%d %s", s.FramesDone, s.Frames, s.FrameNoun()), "rendering"}
	case s.FirstPass():
		return []string{fmt.Sprintf("%d/%d segments", s.PassesDone, s.Passes), "first pass"}
	case s.Segments == 0:
		return []string{fmt.Sprintf("%d/%d parts", s.AudioDone, s.AudioParts)}
	}
	list := []string{fmt.Sprintf("%d/%d segments", s.Done, s.Segments)}
	if s.Remaining >= 0 {
		list = append(list, format.Clock(s.Remaining)+" left")
	}
	return list
}

// Results returns what became of each film.
func (b *Board) Results() []Result {
	b.mu.Lock()
	defer b.mu.Unlock()
	list := make([]Result, len(b.films))
	for i := range b.films {
		list[i] = b.films[i].Result
	}
	return list
}

// WriteSummary writes what became of each film.
func (b *Board) WriteSummary(w io.Writer) {
	b.mu.Lock()
	defer b.mu.Unlock()
	printable.Fprintf(w, "%-11s %s in %s\n", "films", strings.Join(b.counts(), ", "), format.Duration(time.Since(b.began)))
	for i := range b.films {
		f := &b.films[i]
		text := f.label
		switch {
		case f.State == Done:
			text = strings.Join(slices.Compact(f.Outputs), ", ") + "  " + format.Bytes(f.Bytes)
			if f.source > 0 {
				text += fmt.Sprintf(" (%.0f %% of the source)", 100*float64(f.Bytes)/float64(f.source))
			}
			if f.before {
				text += ", done before"
			} else {
				text += "  " + format.Duration(time.Duration(f.Elapsed))
			}
		case f.Error != "":
			text += ": " + f.Error
		}
		state := string(f.State)
		if f.State == Waiting {
			state = "not begun"
		}
		printable.Fprintf(w, "%-11s %s\n", state, text)
	}
}
