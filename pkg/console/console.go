// Package console is the page of a server that runs executions: it shows jobs and what became of them, and starts, stops and
// redrives them.
//
//	c, err := console.New(console.Options{Store: store, Executions: queue, Ledger: ledger, Definition: definition, Check: check})
//	go c.Run(ctx)
//	mux.Handle("/", c)
//
// The page loads nothing from other servers, and its Content-Security-Policy forbids it to. Its scripts insert texts, never
// markup. What the page may be asked is the business of a guard before it; see package guard.
//
// Changes reach browsers as server-sent events, at GET /events. A stream begins with all jobs, or after an interruption with what
// has changed since its Last-Event-ID.
package console

import (
	"context"
	"embed"
	"encoding/json"
	"errors"
	"io/fs"
	"log/slog"
	"mime"
	"net/http"
	"path"
	"sync/atomic"
	"time"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/history"
	"github.com/mapreel/mapreel/pkg/ledger"
	"github.com/mapreel/mapreel/pkg/local"
	"github.com/mapreel/mapreel/pkg/render/arrived"
)

//go:embed page
var page embed.FS

// policy restricts the page to its own server. There are no inline scripts, handlers or styles.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; connect-src 'self'; media-src 'self' blob:; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// Executions starts, stops and redrives executions; package queue does.
type Executions interface {
	Start(ctx context.Context, name string, input json.RawMessage) (history.Execution, error)
	Stop(ctx context.Context, arn, name, cause string) (time.Time, error)
	Redrive(ctx context.Context, arn string) (history.Execution, error)
	// Refuses returns why a request must not be done here; nil if it may be.
	Refuses(request json.RawMessage) error
	// Runs reports whether an execution runs here now, rather than waiting for its turn.
	Runs(arn string) bool
}

// Problem is an error in a request, and where it is.
type Problem struct {
	Pointer string `json:"pointer"`          // JSON pointer to the value; "" is the whole request
	Line    int    `json:"line,omitempty"`   // in the text, from 1; 0: not known
	Column  int    `json:"column,omitempty"` // likewise
	Message string `json:"message"`
}

// Checked is what a text that should be a request is.
type Checked struct {
	Tree     map[string]any  // the text as a tree; nil if it is none
	Request  json.RawMessage // nil if there are problems
	Problems []Problem
}

// Preset is named settings that an output can take.
type Preset struct {
	Name        string `json:"name"`
	Description string `json:"description"`
	Own         bool   `json:"own,omitempty"` // it is the user's, not the program's
}

// Options say what a page shows. All but Presets, Uploads, UnitLogs, Frames, Verify, Slot and Log are required.
type Options struct {
	Store      *history.Store
	Executions Executions
	Ledger     ledger.Ledger
	Definition []byte                    // of the state machine
	Check      func(text []byte) Checked // reads a request in YAML or JSON
	Presets    func() ([]Preset, error)  // that the form offers; nil: none
	Roots      []string                  // folders that sources and outputs lie in
	Uploads    string                    // folder for uploads; "": the first of Roots
	// UnitLogs returns the logs of attempts at a unit, given the ID of its job in the ledger; nil: the page has none.
	UnitLogs func(job, unit string) ([]local.AttemptLog, error)
	// Frames reads the frames of scenes that are being rendered; nil: the page shows none.
	Frames *arrived.Frames
	// Verify compares an output with its source, given what its job says of it as a line of a report; nil: the page does not offer it.
	Verify func(ctx context.Context, source, output string, report json.RawMessage, progress func(Fraction)) (Comparison, error)
	// Slot waits for room on the machine, as units do, and returns what gives it back; nil: Verify does not wait.
	Slot func(ctx context.Context) (release func(), err error)
	Log  *slog.Logger // may be nil
}

// Server answers the requests of the page.
type Server struct {
	opts        Options
	mux         *http.ServeMux
	assets      map[string][]byte // of the page, by name
	board       *board
	runs        *runs
	plays       players
	tests       comparisons
	slots       chan struct{} // one for each upload at once
	arriving    arriving
	submissions submissions

	redrivable redrivable
	use        ledgerUse

	readers atomic.Int64 // streams that are open
}

// New returns a server. Streams of events end when Run does.
func New(opts Options) (*Server, error) {
	if opts.Log == nil {
		opts.Log = slog.New(slog.DiscardHandler)
	}
	if opts.Uploads == "" && len(opts.Roots) > 0 {
		opts.Uploads = opts.Roots[0]
	}
	s := &Server{opts: opts, mux: http.NewServeMux(), runs: newRuns(), slots: make(chan struct{}, maxUploads)}
	s.submissions.slots = make(chan struct{}, maxUploads)
	s.board = newBoard()
	if err := s.readPage(); err != nil {
		return nil, err
	}
	s.mux.HandleFunc("GET /events", s.events)
	for pattern, handle := range map[string]func(http.ResponseWriter, *http.Request) error{
		"GET /console/settings":   s.settings,
		"GET /console/definition": s.definition,
		"GET /console/older":      s.older,
		"GET /console/job":        s.job,
		"GET /console/used":       s.used,
		"GET /console/progress":   s.progress,
		"GET /console/history":    s.history,
		"GET /console/units":      s.units,
		"GET /console/unit":       s.unit,
		"GET /console/files":      s.files,
		"GET /console/file":       s.file,
		"GET /console/frames":     s.frames,
		"GET /console/frame":      s.frame,
		"POST /console/check":     s.check,
		"POST /console/start":     s.start,
		"POST /console/stop":      s.stop,
		"POST /console/redrive":   s.redrive,
		"POST /console/remove":    s.remove,
		"POST /console/upload":    s.upload,
		"GET /console/submitted":  s.submitted,
		"POST /console/submitted": s.submit,
	} {
		s.mux.HandleFunc(pattern, s.handle(handle))
	}
	s.mux.HandleFunc("GET /play/{name}/{output}/{path...}", s.handle(s.play))
	s.mux.HandleFunc("GET /play/{name}/{output}/"+archiveFileName, s.handle(s.archive))
	s.mux.HandleFunc("GET /play/{name}/{output}/verify", s.handle(s.comparison))
	s.mux.HandleFunc("POST /play/{name}/{output}/verify", s.handle(s.compare))
	s.mux.HandleFunc("DELETE /play/{name}/{output}/verify", s.handle(s.cancelComparison))
	s.mux.HandleFunc("GET /play/{name}/{output}/plot.svg", s.handle(s.plot))
	return s, nil
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", policy)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cache-Control", "no-store")
	s.mux.ServeHTTP(w, r)
}

// readPage reads the files of the page, and has the server answer with them.
func (s *Server) readPage() error {
	files, err := fs.Sub(page, "page")
	if err != nil {
		return fault.Wrap(fault.Internal, err, "files of the page")
	}
	list, err := fs.ReadDir(files, ".")
	if err != nil {
		return fault.Wrap(fault.Internal, err, "files of the page")
	}
	s.assets = map[string][]byte{}
	for _, f := range list {
		switch name := f.Name(); name {
		case "main.js":
			s.assets[name], err = bundle(files, "main")
		case "console.css":
			s.assets[name], err = joined(files, name, "job.css")
		default:
			s.assets[name], err = joined(files, name)
		}
		if err != nil {
			return err
		}
		if f.Name() != "index.html" {
			s.mux.HandleFunc("GET /page/"+f.Name(), s.asset(f.Name()))
		}
	}
	s.mux.HandleFunc("GET /{$}", s.index)
	s.mux.HandleFunc("GET /favicon.ico", s.asset("icon.svg")) // which browsers ask for where a page, such as an error, names none
	return nil
}

// asset serves a file of the page.
func (s *Server) asset(name string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", mime.TypeByExtension(path.Ext(name)))
		_, _ = w.Write(s.assets[name]) // the browser may be gone
	}
}

const (
	// maxBody bounds the requests of the page in bytes, apart from uploads: a request of film.MaxRequest, escaped.
	maxBody = 2 << 20
	// requestTimeout is how long a request may take to be read, and again to be answered, apart from uploads and streams.
	requestTimeout = 30 * time.Second
)

// refusal is an error that is the caller's.
type refusal struct {
	status  int
	message string
}

func (e *refusal) Error() string { return e.message }

// handle makes a handler of a function whose error is told to the page.
func (s *Server) handle(do func(http.ResponseWriter, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		control, now := http.NewResponseController(w), time.Now()
		_ = control.SetReadDeadline(now.Add(requestTimeout)) // every server that this runs in supports it
		_ = control.SetWriteDeadline(now.Add(2 * requestTimeout))
		err := do(w, r)
		var refused *refusal
		switch {
		case err == nil:
			return
		case errors.As(err, &refused):
		case errors.Is(err, history.ErrNotFound), errors.Is(err, ledger.ErrNotFound):
			refused = &refusal{http.StatusNotFound, "there is no such job; it may have been removed"}
		case errors.Is(err, history.ErrConflict):
			refused = &refusal{http.StatusConflict, "the job's status does not allow that; it may have changed just now"}
		default:
			if r.Context().Err() == nil {
				s.opts.Log.ErrorContext(r.Context(), "request failed", "path", r.URL.Path, "error", err)
			}
			refused = &refusal{http.StatusInternalServerError, err.Error()}
		}
		reply(w, refused.status, map[string]string{"error": refused.message})
	}
}

// reply answers with JSON.
func reply(w http.ResponseWriter, status int, value any) {
	body, err := json.Marshal(value)
	if err != nil { // a raw message that is no JSON
		status, body = http.StatusInternalServerError, []byte(`{"error":"the answer could not be encoded"}`)
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(body) // the browser may be gone
}

// body decodes the JSON object that a request brings. The content type is one that a form of another site cannot send.
func body(w http.ResponseWriter, r *http.Request, into any) error {
	if t, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || t != "application/json" {
		return &refusal{http.StatusUnsupportedMediaType, "the Content-Type must be application/json"}
	}
	if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(into); err != nil {
		return &refusal{http.StatusBadRequest, "the request could not be read: " + err.Error()}
	}
	return nil
}

// execution returns the execution that a query names.
func (s *Server) execution(r *http.Request) (history.Execution, error) {
	return s.named(r.Context(), r.URL.Query().Get("name"))
}

// named returns the execution of a name.
func (s *Server) named(ctx context.Context, name string) (history.Execution, error) {
	if err := s.opts.Store.Flush(ctx); err != nil {
		return history.Execution{}, err
	}
	return s.opts.Store.Execution(ctx, history.ExecutionARN(name))
}
