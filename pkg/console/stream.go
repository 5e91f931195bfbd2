package console

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/mapreel/mapreel/pkg/history"
)

const (
	// lookInterval is how often the jobs are read while a browser is connected.
	lookInterval = 500 * time.Millisecond
	// idleLooks is how many intervals pass between two reads while no browser is connected.
	idleLooks = 20
	// recent is how many of the newest jobs the page has from the beginning. Older ones that have ended come on request.
	recent = 200
	// maxUnfinished bounds the jobs that have not ended in the list.
	maxUnfinished = 2000
	// heartbeat is how often a stream without news gets a comment, so that both ends notice when the other is gone.
	heartbeat = 15 * time.Second
	// sendTimeout is how long a browser may take to accept a message.
	sendTimeout = 30 * time.Second
	// maxMapRuns bounds the map runs of a job that the page shows: a phase has one for each time that the job ran.
	maxMapRuns = 50
)

// Run looks for changes and tells the open streams, until ctx ends. Then it ends them.
func (s *Server) Run(ctx context.Context) error {
	defer s.plays.close()
	defer s.board.close()
	stopComparisons := s.tests.run(ctx)
	defer stopComparisons()
	s.removeOldParts(ctx)
	reading := make(chan struct{})
	go func() {
		defer close(reading)
		s.readUse(ctx)
	}()
	defer func() { <-reading }() // it ends with ctx
	tick := time.NewTicker(lookInterval)
	defer tick.Stop()
	for count := 0; ; count++ {
		if s.readers.Load() > 0 || count%idleLooks == 0 {
			if err := s.look(ctx); err != nil && ctx.Err() == nil {
				s.opts.Log.ErrorContext(ctx, "jobs not read", "error", err)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// look brings the board up to date.
func (s *Server) look(ctx context.Context) error {
	s.runs.prune(s.opts.Executions.Runs)
	list, err := s.opts.Store.List(ctx, history.Filter{Limit: recent})
	if err != nil {
		return err
	}
	if len(list) == recent {
		unfinished, err := s.opts.Store.List(ctx, history.Filter{
			Status: history.Running, Before: list[len(list)-1].Sequence, Limit: maxUnfinished,
		})
		if err != nil {
			return err
		}
		list = append(list, unfinished...)
	}
	rows := make([]Row, len(list))
	for i, x := range list {
		if rows[i], err = s.row(ctx, x); err != nil {
			return err
		}
	}
	s.board.set(rows)
	return nil
}

// row returns the row of an execution as it is now.
func (s *Server) row(ctx context.Context, x history.Execution) (Row, error) {
	row := rowOf(x)
	row.CPU = s.use.of(x, time.Now())
	switch r := s.runs.of(x.ARN); {
	case x.Status == history.Succeeded:
	case x.Ended():
		row.Final = s.redrivable.of(x, time.Now(), s.notRedrivable)
	case r != nil:
		progress, warnings := r.snapshot(time.Now())
		row = row.withProgress(progress, warnings)
	case x.Owner != "":
		list, err := s.opts.Store.MapRuns(ctx, x.ARN, 0, maxMapRuns)
		if err != nil {
			return row, err
		}
		row = row.withCounts(list)
	case s.opts.Executions.Runs(x.ARN):
		row.Phase = reading
	default:
		row.Phase = waiting
	}
	return row, nil
}

// events streams the changes of the list of jobs, and with ?job=NAME those of one job.
func (s *Server) events(w http.ResponseWriter, r *http.Request) {
	s.readers.Add(1)
	defer s.readers.Add(-1)
	follower := s.follow(r.URL.Query().Get("job")) // before anything that takes time: the page reads the units meanwhile
	if err := s.look(r.Context()); err != nil {    // without a browser, the jobs may not have been read for a while
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/event-stream")
	h.Set("X-Accel-Buffering", "no") // a proxy must not collect it
	out := &stream{w: w, control: http.NewResponseController(w)}
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	tick := time.NewTicker(lookInterval)
	defer tick.Stop()
	version := s.board.resume(cmp.Or(r.Header.Get("Last-Event-ID"), r.URL.Query().Get("after"))) // the page itself has a first message
	for first := true; ; first = false {
		u, now, next, ok := s.board.since(version)
		if !ok {
			return
		}
		if first || now != version {
			out.send("jobs", s.board.id(now), u)
			version = now
		}
		if news, err := follower.news(r.Context()); err == nil && news != nil {
			out.send("job", "", news)
		}
		if out.err != nil {
			return
		}
		var job <-chan time.Time // a job's own news come at each tick
		if follower != nil {
			job = tick.C
		}
		select {
		case <-next:
		case <-job:
		case <-beat.C:
			out.comment()
		case <-r.Context().Done():
			return
		}
	}
}

// id returns the ID of a message that ends with a version.
func (b *board) id(version int64) string { return fmt.Sprintf("%s-%d", b.epoch, version) }

// resume returns the version that a Last-Event-ID names; 0 where it is of another process.
func (b *board) resume(id string) int64 {
	epoch, number, _ := strings.Cut(id, "-")
	version, err := strconv.ParseInt(number, 10, 64)
	if err != nil || epoch != b.epoch {
		return 0
	}
	return version
}

// stream writes server-sent events.
type stream struct {
	w       http.ResponseWriter
	control *http.ResponseController
	err     error // of the first message that could not be sent
}

// send sends a message. An empty id leaves the browser's Last-Event-ID as it is.
func (s *stream) send(event, id string, data any) {
	text, err := json.Marshal(data)
	if err != nil {
		s.err = err
		return
	}
	if id != "" {
		id = "id: " + id + "\n"
	}
	s.write(fmt.Sprintf("%sevent: %s\ndata: %s\n\n", id, event, text))
}

func (s *stream) comment() { s.write(": \n\n") }

func (s *stream) write(text string) {
	if s.err != nil {
		return
	}
	_ = s.control.SetWriteDeadline(time.Now().Add(sendTimeout)) // every server that this runs in supports it
	if _, s.err = s.w.Write([]byte(text)); s.err == nil {
		s.err = s.control.Flush()
	}
}

// follower sends what changes in one job.
type follower struct {
	server *Server
	name   string
	run    *run     // that the units are of
	units  position // of the changes of its units that were sent, or that the browser reads by itself
	sent   []byte
}

func (s *Server) follow(name string) *follower {
	if name == "" {
		return nil
	}
	r := s.runs.of(history.ExecutionARN(name))
	return &follower{server: s, name: name, run: r, units: r.now()}
}

// news is what changed in a job.
type news struct {
	Name  string    `json:"name"`
	Begun *position `json:"begun,omitempty"` // changes come from here on, and those before did not: all units must have been read since
	Ended bool      `json:"ended,omitempty"` // nothing is in progress here
	Head  jobHead   `json:"head"`
	Units []Unit    `json:"units,omitempty"`
	Said  []string  `json:"warnings,omitempty"`
}

// jobHead is what the page shows of a job besides its row and its units.
type jobHead struct {
	LastEvent int64    `json:"lastEvent"`
	Maps      []mapRun `json:"maps"`
}

// mapRun is a map run of a job.
type mapRun struct {
	ARN       string `json:"arn"`
	State     string `json:"state"`
	Status    string `json:"status"`
	Total     int    `json:"total"`
	Pending   int    `json:"pending"`
	Running   int    `json:"running"`
	Succeeded int    `json:"succeeded"`
	Failed    int    `json:"failed"`
	Aborted   int    `json:"aborted"`
}

// news returns what changed since the last call; nil if nothing did.
func (f *follower) news(ctx context.Context) (*news, error) {
	if f == nil {
		return nil, nil
	}
	x, err := f.server.opts.Store.Execution(ctx, history.ExecutionARN(f.name))
	if err != nil {
		return nil, err
	}
	head, err := f.server.head(ctx, x)
	if err != nil {
		return nil, err
	}
	n := &news{Name: f.name, Head: head, Ended: x.Ended()}
	r := f.server.runs.of(x.ARN)
	another := r != nil && r != f.run
	if another { // its changes so far are thousands, in one message
		f.run, f.units = r, r.now()
	}
	if from := f.units; another || f.sent == nil {
		n.Begun = &from
	}
	if r != nil {
		n.Units, f.units.Changes = r.since(f.units.Changes)
		n.Said = r.warned()
	}
	text, err := json.Marshal(n)
	if err != nil || bytes.Equal(text, f.sent) && len(n.Units) == 0 {
		return nil, err
	}
	f.sent = text
	return n, nil
}

// head returns what the page shows of a job besides its row and its units.
func (s *Server) head(ctx context.Context, x history.Execution) (jobHead, error) {
	list, err := s.opts.Store.MapRuns(ctx, x.ARN, 0, maxMapRuns)
	head := jobHead{LastEvent: x.LastEvent, Maps: make([]mapRun, len(list))}
	for i, m := range list {
		head.Maps[i] = mapRun{
			m.ARN, m.State, m.Status, m.Items.Total, m.Items.Pending, m.Items.Running, m.Items.Succeeded, m.Items.Failed, m.Items.Aborted,
		}
	}
	return head, err
}
