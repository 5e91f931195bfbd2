package estimating

import (
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/mapreel/mapreel/cmd/mapreel/internal/format"
	"github.com/mapreel/mapreel/pkg/estimate"
	"github.com/mapreel/mapreel/pkg/estimate/filmjob"
	"github.com/mapreel/mapreel/pkg/price"
	"github.com/mapreel/mapreel/pkg/printable"
)

// Write writes an estimate for people.
func Write(w io.Writer, e filmjob.Estimate) {
	line := func(name, text string, args ...any) {
		printable.Fprintf(w, "%-11s %s\n", name, fmt.Sprintf(text, args...))
	}
	line("source", "%s", strings.TrimSpace(e.Source+"  "+size(e.Work.Source)))
	for _, o := range e.Outputs {
		line("output", "%s", filepath.FromSlash(strings.TrimPrefix(o, "file://")))
	}
	phase := -1
	for n := range e.Work.Groups {
		for _, g := range e.Work.Groups {
			if g.Phase != n || g.Units == 0 {
				continue
			}
			name := ""
			if phase != n {
				phase, name = n, fmt.Sprintf("phase %d", n+1)
			}
			noun := g.Noun
			if g.Units == 1 {
				what, _, _ := strings.Cut(noun, " of ") // "pieces of captions"
				noun = strings.TrimSuffix(what, "s") + noun[len(what):]
			}
			text := fmt.Sprintf("%d %s", g.Units, noun)
			if len(e.Places) > 0 {
				text += fmt.Sprintf(", %s of processors", times(g.CPU))
			}
			line(name, "%s", text)
		}
	}
	if e.Work.Output.High > 0 {
		line("bytes", "outputs %s, intermediate %s", sizes(e.Work.Output), sizes(e.Work.Scratch))
	}
	if len(e.Places) > 0 {
		line("speed", "%s", e.Work.Basis)
		printable.Fprintf(w, "\n%-17s %-20s %s\n", "WHERE", "TIME", "COST (list prices of "+string(e.Prices)+" in "+e.Region+")")
	}
	for i, p := range e.Places {
		if i > 0 && p.Wall == e.Places[i-1].Wall && p.High.Total == e.Places[i-1].High.Total {
			printable.Fprintf(w, "%-17s as %s: no unit needs Batch\n", p.Name, e.Places[i-1].Name)
			continue
		}
		writePlace(w, p)
	}
	writeMemories(w, e.Memories)
	if len(e.Notes) > 0 {
		printable.Fprintf(w, "\n")
	}
	for _, note := range e.Notes {
		line("note", "%s", note)
	}
}

func writePlace(w io.Writer, p estimate.Place) {
	indented := func(text string) { printable.Fprintf(w, "  %s\n", text) }
	if p.Refused != "" {
		printable.Fprintf(w, "%-17s not there: %s\n", p.Name, p.Refused)
		return
	}
	cost := "nothing at AWS"
	if p.High.Total > 0 {
		cost = moneys(p.Low.Total, p.High.Total)
	}
	printable.Fprintf(w, "%-17s %-20s %s\n", p.Name, times(p.Wall), cost)
	for _, s := range p.Services {
		indented(fmt.Sprintf("%-35s  %s", s.Name, moneys(s.Low, s.High)))
	}
	indented(strings.Join(p.Assumed, "; "))
}

// writeMemories compares what the setting functionMemory makes of a job on Lambda.
func writeMemories(w io.Writer, list []estimate.Memory) {
	if len(list) < 2 {
		return
	}
	printable.Fprintf(w, "\n%-17s %-20s %s\n", "FUNCTION MEMORY", "TIME ON LAMBDA", "COST (with as many threads as it buys processors)")
	for _, m := range list {
		printable.Fprintf(w, "%-17s %-20s %s\n", fmt.Sprintf("%d MiB", m.MiB), times(m.Wall), moneys(m.Low, m.High))
	}
}

func moneys(low, high price.Money) string {
	if low.String() == high.String() {
		return high.String()
	}
	return strings.TrimSuffix(low.String(), " USD") + " to " + high.String()
}

func times(r estimate.Range) string {
	one := func(ms int64) string { return format.Duration(time.Duration(ms) * time.Millisecond) }
	if one(r.Low) == one(r.High) {
		return one(r.High)
	}
	return one(r.Low) + " to " + one(r.High)
}

func size(n int64) string {
	if n == 0 {
		return ""
	}
	return format.Bytes(n)
}

func sizes(r estimate.Range) string {
	if r.Low == r.High {
		return format.Bytes(r.High)
	}
	return format.Bytes(r.Low) + " to " + format.Bytes(r.High)
}
