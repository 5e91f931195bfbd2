package intake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
)

// statusChange is the event of an execution whose status changed.
type statusChange struct {
	Detail struct {
		Name string `json:"name"`
	} `json:"detail"`
}

// Notify sends a message about an execution that ended: what it published, or why it failed and how to go on.
func (s *Service) Notify(ctx context.Context, event json.RawMessage) (any, error) {
	var e statusChange
	if err := json.Unmarshal(event, &e); err != nil {
		return nil, fault.Wrap(fault.Internal, err, "event of the state machine")
	}
	x, err := s.Executions.Describe(ctx, e.Detail.Name)
	if errors.Is(err, ErrUnknown) {
		return nil, fault.Wrap(fault.NotFound, err, "describe execution "+e.Detail.Name)
	}
	if err != nil {
		return nil, err
	}
	st, err := s.describe(ctx, x)
	if err != nil {
		return nil, err
	}
	if st.Status == Running { // it was redriven meanwhile, and will end again
		return st, nil
	}
	return st, s.Publish(ctx, subject(st, x), message(st, x))
}

// maxSubject is SNS's limit, in characters of ASCII (API reference, Publish).
const maxSubject = 100

// subject returns a line such as "mapreel: finished film.mkv".
func subject(st Status, x Execution) string {
	verb := map[string]string{"SUCCEEDED": "finished", "TIMED_OUT": "took too long", "ABORTED": "stopped"}[st.Status]
	if verb == "" {
		verb = "failed"
	}
	_, source := request(x)
	name := source[strings.LastIndexByte(source, '/')+1:]
	if name == "" {
		name = st.ID
	}
	line := []byte("mapreel: " + verb + " " + name)
	for i, c := range line {
		if c < ' ' || c > '~' {
			line[i] = '_'
		}
	}
	return string(line[:min(len(line), maxSubject)])
}

// message returns the text of a message.
func message(st Status, x Execution) string {
	var b strings.Builder
	destination, source := request(x)
	line := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-12s %s\n", name, fmt.Sprintf(format, args...))
	}
	line("job", "%s", st.ID)
	line("status", "%s", st.Status)
	if source != "" {
		line("source", "%s", source)
		line("destination", "%s", destination)
	}
	if !st.Stopped.IsZero() {
		line("elapsed", "%s", st.Stopped.Sub(st.Started).Round(time.Second))
	}
	if st.Error != nil {
		line("reason", "%s: %s", st.Error.Kind, strings.ReplaceAll(st.Error.Message, "\n", "\n             "))
	}
	for _, p := range st.Progress {
		if st.Error != nil {
			line("done", "%d of %d %s", p.Done, p.Units, p.Name)
		}
	}
	for _, data := range st.Outputs {
		var facts film.OutputFacts
		if json.Unmarshal(data, &facts) != nil {
			continue
		}
		for _, url := range []string{facts.URL, facts.Manifest} {
			if url != "" {
				line("output", "%s (%d bytes)", url, facts.Bytes())
			}
		}
	}
	for _, w := range st.Warnings {
		line("warning", "%s", w)
	}
	if st.Cost != nil {
		line("cost", "about %s, by list prices of %s in %s", st.Cost.Total, st.Cost.Prices, st.Cost.Region)
		for _, s := range st.Cost.Services() {
			line("", "%s for %s", s.Cost, s.Name)
		}
	}
	line("execution", "%s", st.Execution)
	if st.Redrive != "" {
		fmt.Fprintf(&b, "\nWhat is done is kept. This does the rest, once the cause is gone:\n\n  %s\n", st.Redrive)
	} else if st.Error != nil {
		fmt.Fprintf(&b, "\nCorrect the request, then start it again. What is done and still fits is kept.\n")
	}
	return b.String()
}

// request returns destination and source of an execution's input; both are empty where it is no request.
func request(x Execution) (destination, source string) {
	var r struct{ Source, Destination string }
	if json.Unmarshal([]byte(x.Input), &r) != nil {
		return "", ""
	}
	return r.Destination, r.Source
}
