package remote

import (
	"context"
	"fmt"
	"os"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/mapreel/mapreel/cmd/mapreel/internal/bars"
	"github.com/mapreel/mapreel/cmd/mapreel/internal/format"
	"github.com/mapreel/mapreel/cmd/mapreel/internal/terminal"
	"github.com/mapreel/mapreel/pkg/client"
	"github.com/mapreel/mapreel/pkg/printable"
)

// progressMode selects how progress is shown.
type progressMode string

const (
	progressAuto progressMode = "auto"
	progressBar  progressMode = "bar"
	progressNone progressMode = "none"
)

// Watch follows a job to its end.
type Watch struct {
	Target

	Job      string       `arg:"" name:"JOB" help:"The job, by its name or the ARN of its execution."`
	JSON     bool         `name:"json" help:"Print a line of JSON for each change."`
	Progress progressMode `enum:"auto,bar,none" default:"auto" placeholder:"HOW" help:"auto: bars on a terminal. bar: bars, or a line every few seconds without a terminal. none: nothing."`
}

// Help is shown by mapreel watch --help.
func (Watch) Help() string {
	return "Whoever started the job. Ctrl-C ends the command and not the job.\n\n" +
		"Exit codes: 0 the job is done; 1 it failed or was stopped, or it could not be asked for; 2 the usage is wrong; 130 interrupted."
}

// Run follows it.
func (c Watch) Run(ctx context.Context, env Env) error {
	remote, err := c.open(ctx)
	if err != nil {
		return err
	}
	return follow(ctx, env, remote, c.Job, c.JSON, c.Progress)
}

// logInterval is the time between two lines where there are no bars.
const logInterval = 5 * time.Second

// follow shows a job until it ends, and then what came of it.
func follow(ctx context.Context, env Env, remote *client.Client, name string, asJSON bool, mode progressMode) error {
	view := &view{}
	stop := view.show(env, asJSON, mode)
	defer stop()
	var printed client.Job
	job, err := remote.Follow(ctx, name, func(j client.Job) {
		view.set(j, time.Now())
		if asJSON && !reflect.DeepEqual(j, printed) {
			printed = j
			_ = printLine(env.Stdout, j) // the job goes on if the reader is gone
		}
	})
	stop()
	if ctx.Err() != nil {
		const advice = "interrupted: the job goes on; mapreel watch %[1]s shows it again, mapreel stop %[1]s stops it"
		return fmt.Errorf(advice, name)
	}
	if err != nil {
		return err
	}
	if !asJSON {
		printable.Fprintf(env.Stdout, "%s", formatJob(job, time.Now()))
	}
	return outcome(job)
}

// view is what is known of a job that is followed. Its methods may be called from several goroutines.
type view struct {
	mu    sync.Mutex
	job   client.Job
	known bool
	first map[string]sample // of each group
}

// sample is how far a group was.
type sample struct {
	at       time.Time
	fraction float64
	group    client.Group
}

func (v *view) set(j client.Job, now time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.job, v.known = j, true
	if j.Progress == nil {
		return
	}
	if v.first == nil {
		v.first = map[string]sample{}
	}
	for _, g := range j.Progress.Groups {
		if s, ok := v.first[g.Name]; !ok || s.group.Units != g.Units || s.group.Done > g.Done { // another phase
			v.first[g.Name] = sample{now, fraction(g), g}
		}
	}
}

// show draws the job on the terminal until the function that it returns is called, which may be called twice.
func (v *view) show(env Env, asJSON bool, mode progressMode) (stop func()) {
	return showLines(env, asJSON, mode, v.lines)
}

// showLines draws lines as a mode says until the function that it returns is called, which may be called twice.
func showLines(env Env, asJSON bool, mode progressMode, draw func(now time.Time, width int) []string) (stop func()) {
	switch {
	case asJSON, mode == progressNone:
		return func() {}
	case terminal.Movable(env.Stderr, os.Getenv("TERM")):
		lines := terminal.NewLines(env.Stderr, func(width int) []string { return draw(time.Now(), width) })
		return lines.Stop
	case mode != progressBar:
		return func() {}
	}
	done, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		ticker := time.NewTicker(logInterval)
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				printable.Fprintf(env.Stderr, "%s\n", strings.Join(draw(time.Now(), wide), "; "))
			case <-done:
				return
			}
		}
	}()
	return sync.OnceFunc(func() {
		close(done)
		<-stopped
	})
}

// wide is the width of lines for a log.
const wide = 1000

// lines returns the lines that show the job on a terminal of width columns: at least one, none longer than width.
func (v *view) lines(now time.Time, width int) []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	if !v.known {
		return bars.Clip([]string{"asking"}, width)
	}
	elapsed := format.Clock(now.Sub(v.job.Started))
	if v.job.Progress == nil {
		return bars.Clip([]string{"waiting, or reading the source  " + elapsed}, width)
	}
	var lines []string
	left, longest := 0, len("video")
	for _, g := range v.job.Progress.Groups {
		longest = max(longest, len(bars.Label(g.Name)))
	}
	room := bars.StatusWidth(width) + len("video") - longest
	for i, g := range v.job.Progress.Groups {
		if g.Units == 0 || g.Noun == "outputs" { // they are merged at the end
			continue
		}
		left += g.Units - g.Done
		fields := v.fields(g, now)
		if i == 0 {
			fields = append(fields, troubles(v.job.Progress)...)
			if v.job.Progress.Cost != nil {
				fields = append(fields, v.job.Progress.Cost.Total.String())
			} else if used := usedWords(v.job.Progress); used != "" {
				fields = append(fields, used)
			}
		}
		status := bars.FitFields(fields, room)
		lines = append(lines, bars.Bar(fmt.Sprintf("%-*s", longest, bars.Label(g.Name)), fraction(g), bars.BarLength(status, width-longest+len("video")))+status)
	}
	if left == 0 {
		lines = []string{"merging  " + elapsed}
	}
	return bars.Clip(lines, width)
}

// fields returns the figures of a group, in order of importance.
func (v *view) fields(g client.Group, now time.Time) []string {
	list := []string{fmt.Sprintf("%d/%d %s", g.Done, g.Units, g.Noun)}
	first := v.first[g.Name]
	seconds, gained := now.Sub(first.at).Seconds(), fraction(g)-first.fraction
	if seconds >= 1 && gained > 0 && fraction(g) < 1 {
		list = append(list, format.Clock(time.Duration((1-fraction(g))/gained*seconds*float64(time.Second)))+" left")
		if media := float64(g.Amount.Media-first.group.Amount.Media) / 1e6; media > 0 {
			list = append(list, format.Rate(media/seconds)+"x")
		}
	}
	if g.Running > 0 {
		list = append(list, fmt.Sprintf("%d at work", g.Running))
	}
	return list
}

// fraction returns the share of a group that is done, 0 to 1.
func fraction(g client.Group) float64 {
	if g.Units <= 0 {
		return 0
	}
	f := float64(g.Done) / float64(g.Units)
	if g.Total.Media > 0 && g.Done < g.Units {
		f = min(float64(g.Amount.Media)/float64(g.Total.Media), 0.999)
	}
	return min(max(f, 0), 1)
}
