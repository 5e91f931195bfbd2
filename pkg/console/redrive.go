package console

import (
	"strings"
	"sync"
	"time"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/history"
)

// notRedrivable returns why an execution cannot be redriven here; "" if it can be. Another process may have run what a server refuses.
func (s *Server) notRedrivable(x history.Execution, now time.Time) string {
	if reason := x.NotRedrivable(now); reason != "" {
		return reason
	}
	if err := s.opts.Executions.Refuses(x.Input); err != nil {
		return strings.TrimSuffix(err.Error()+": "+fault.HintOf(err), ": ")
	}
	return ""
}

// answerAge is how long an answer about a job in the list holds: paths are looked up on the disk for it.
const answerAge = time.Minute

// redrivable remembers for a while why jobs of the list cannot be redriven. The zero value is ready to use.
type redrivable struct {
	mu      sync.Mutex
	answers map[string]redriveAnswer // by ARN
}

type redriveAnswer struct {
	status   history.Status
	redrives int
	at       time.Time
	reason   string
}

// of returns what notRedrivable did for an execution, or does now.
func (r *redrivable) of(x history.Execution, now time.Time, ask func(history.Execution, time.Time) string) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	a, ok := r.answers[x.ARN]
	if ok && a.status == x.Status && a.redrives == x.Redrives && now.Sub(a.at) < answerAge {
		return a.reason
	}
	if len(r.answers) >= maxUnfinished || r.answers == nil { // of jobs that are no longer in the list as well
		r.answers = map[string]redriveAnswer{}
	}
	a = redriveAnswer{x.Status, x.Redrives, now, ask(x, now)}
	r.answers[x.ARN] = a
	return a.reason
}
