package console

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/history"
	"github.com/mapreel/mapreel/pkg/ledger"
)

// used answers with what a job has used of this machine so far: the time of processors that its programs took, in milliseconds, over
// all attempts. It costs nothing at AWS. It is no part of the answer about the job, because all units are read for it.
func (s *Server) used(w http.ResponseWriter, r *http.Request) error {
	x, err := s.execution(r)
	if err != nil {
		return err
	}
	spent, err := s.spent(r.Context(), x.ARN)
	if err != nil {
		return err
	}
	reply(w, http.StatusOK, map[string]any{"cpu": spent.CPU, "attempts": spent.Attempts})
	return nil
}

// spent returns what a job has used; nothing where the ledger does not know it.
func (s *Server) spent(ctx context.Context, arn string) (spent engine.Spent, err error) {
	record, err := s.opts.Ledger.JobOf(ctx, arn)
	if err == nil {
		spent, err = engine.ReadSpent(ctx, s.opts.Ledger, record.ID)
	}
	if errors.Is(err, ledger.ErrNotFound) {
		err = nil
	}
	return spent, err
}

const (
	// usedAge is how old the figure of a job that runs may become before it is asked for again.
	usedAge = 10 * time.Second
	// usedShare is how many times as long as it took to read the units of a job the next one waits: a tenth of a processor.
	usedShare = 9
	// usedPause is the least that it waits.
	usedPause = 20 * time.Millisecond
)

// ledgerUse caches what the jobs of the list have used. Reading that from the ledger takes longer the more units a job has. So it is read in
// the background, one job at a time, and the list shows the last known figure. The zero value is an empty cache.
type ledgerUse struct {
	mu    sync.Mutex
	known map[string]*jobUse // by ARN
}

// jobUse is what a job had used when it was read last.
type jobUse struct {
	status   history.Status
	redrives int
	cpu      int64     // seconds; 1 at least of what used anything
	at       time.Time // when it was read; zero: not yet
	wanted   bool      // it is in the list, and the figure is old
}

// of returns the seconds that a job has used as far as is known, and notes whether that should be read again.
func (l *ledgerUse) of(x history.Execution, now time.Time) int64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	u := l.known[x.ARN]
	if u == nil {
		if len(l.known) >= maxUnfinished || l.known == nil { // of jobs that are no longer in the list as well
			l.known = map[string]*jobUse{}
		}
		u = &jobUse{}
		l.known[x.ARN] = u
	}
	changed := u.status != x.Status || u.redrives != x.Redrives
	u.status, u.redrives = x.Status, x.Redrives
	if changed || !x.Ended() && now.Sub(u.at) > usedAge {
		u.wanted = true
	}
	return u.cpu
}

// next returns the job whose figure is the oldest of those that are wanted; "" if there is none.
func (l *ledgerUse) next() (arn string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var oldest time.Time
	for name, u := range l.known {
		if u.wanted && (arn == "" || u.at.Before(oldest)) {
			arn, oldest = name, u.at
		}
	}
	if arn != "" {
		l.known[arn].wanted = false
	}
	return arn
}

// set records what was read.
func (l *ledgerUse) set(arn string, millis int64, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if u := l.known[arn]; u != nil {
		u.cpu, u.at = max((millis+500)/1000, min(millis, 1)), now
	}
}

// readUse reads what the jobs of the list have used while a browser is connected, until ctx ends.
func (s *Server) readUse(ctx context.Context) {
	pause := time.NewTimer(lookInterval)
	defer pause.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-pause.C:
		}
		wait, began := lookInterval, time.Now()
		if s.readers.Load() > 0 {
			if arn := s.use.next(); arn != "" {
				s.readUseOf(ctx, arn)
				wait = max(usedPause, usedShare*time.Since(began))
			}
		}
		pause.Reset(wait)
	}
}

func (s *Server) readUseOf(ctx context.Context, arn string) {
	began := time.Now()
	spent, err := s.spent(ctx, arn)
	switch {
	case err == nil:
		s.use.set(arn, spent.CPU, began)
	case ctx.Err() == nil:
		s.opts.Log.WarnContext(ctx, "use of a job not read", "execution", arn, "error", err)
	}
}
