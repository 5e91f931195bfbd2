package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/netutil"
	"golang.org/x/sync/errgroup"

	"github.com/mapreel/mapreel/cmd/mapreel/internal/check"
	"github.com/mapreel/mapreel/cmd/mapreel/internal/preset"
	"github.com/mapreel/mapreel/cmd/mapreel/internal/presets"
	"github.com/mapreel/mapreel/cmd/mapreel/internal/toolrun"
	"github.com/mapreel/mapreel/pkg/api"
	"github.com/mapreel/mapreel/pkg/console"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/guard"
	"github.com/mapreel/mapreel/pkg/history"
	"github.com/mapreel/mapreel/pkg/kinds"
	"github.com/mapreel/mapreel/pkg/local"
	"github.com/mapreel/mapreel/pkg/origin"
	"github.com/mapreel/mapreel/pkg/printable"
	"github.com/mapreel/mapreel/pkg/private"
	"github.com/mapreel/mapreel/pkg/queue"
	"github.com/mapreel/mapreel/pkg/render/arrived"
)

type serveCmd struct {
	Listen    string       `placeholder:"ADDRESS" default:"127.0.0.1:8083" help:"Address and port to listen on. One that other machines can reach needs a token. Default: 127.0.0.1:8083."`
	Root      []string     `sep:"none" placeholder:"DIR|URL" help:"Folder that sources and outputs must lie in; may be given several times. Also a URL that ends with a slash: https://example.com/films/ for sources, s3://bucket/films/ for both. Default of folders: the current one."`
	Uploads   string       `placeholder:"DIR" help:"Folder below --root for films that are uploaded, in the browser or by mapreel submit. Default: the first --root."`
	Scratch   string       `env:"MAPREEL_SCRATCH" placeholder:"DIR" default:"${scratch}" help:"Folder for intermediate files and the record of jobs. Default: ${scratch}."`
	Jobs      *wholeNumber `placeholder:"N" help:"Number of segments encoded at once, for all jobs together. Default: one per core."`
	Watch     string       `placeholder:"DIR" help:"Start a job for each film that is uploaded into this folder. Needs --preset."`
	Preset    string       `placeholder:"FILE" help:"The request for those films, as a .json or .yaml file without a source; {name} stands for a film's name."`
	Presets   string       `env:"MAPREEL_PRESETS" placeholder:"DIR" help:"Folder of your named settings, for the form of the page. Default: mapreel/presets in the configuration folder."`
	TokenFile string       `placeholder:"FILE" help:"File that holds the token which requests must prove to know: 16 characters or more. Also $$MAPREEL_TOKEN itself."`
	Host      []string     `sep:"none" placeholder:"NAME" help:"A name under which the server may be asked, besides localhost and addresses; may be given several times."`
}

// Help is shown by mapreel serve --help.
func (serveCmd) Help() string {
	return `Shows jobs in a browser, and answers the Step Functions API, so that the AWS command line and SDKs start and watch jobs here as
they do on AWS:

    mapreel serve --root ~/films
    aws stepfunctions start-execution --endpoint-url http://127.0.0.1:8083 \
        --state-machine-arn arn:aws:states:local:000000000000:stateMachine:mapreel --name film-1 --input file://request.json

Jobs wait in a queue, and share the machine. When the server is stopped or killed, the next one with the same --scratch continues
them. On 127.0.0.1 other users of this machine can use it too, unless a token is set. Ctrl-C stops the server.`
}

const (
	maxConnections = 500              // a client uses a few
	maxHeader      = 64 << 10         // bytes
	headerTimeout  = 10 * time.Second // to read the headers of a request
	apiTimeout     = 30 * time.Second // to read a request of the API, and again to answer it
	idleTimeout    = 2 * time.Minute  // between requests on a connection
	minToken       = 16               // characters
)

func (c serveCmd) run(ctx context.Context, env environment) error {
	token, err := c.token()
	if err != nil {
		return err
	}
	roots, err := c.roots()
	if err != nil {
		return err
	}
	uploads, err := c.uploads(roots)
	if err != nil {
		return err
	}
	loopback, err := c.checkAddress(token)
	if err != nil {
		return err
	}
	wanted, err := preset.Read(c.Watch, c.Preset, roots)
	if err != nil {
		return err
	}
	scratch, err := resolveScratch(c.Scratch)
	if err != nil {
		return err
	}
	unlock, err := local.LockServer(scratch)
	if err != nil {
		return err
	}
	defer unlock()
	store, err := openHistory(ctx, scratch)
	if err != nil {
		return err
	}
	defer func() { _ = store.Close() }() // everything that counts was flushed
	log := slog.New(slog.NewTextHandler(env.Stderr, nil))
	jobs, err := c.jobs()
	if err != nil {
		return err
	}
	records, err := local.OpenLedger(ctx, scratch)
	if err != nil {
		return err
	}
	defer func() { _ = records.Close() }() // it is only read
	artifacts, err := local.Artifacts(scratch)
	if err != nil {
		return err
	}
	var page *console.Server
	q := queue.New(store, queue.Options{
		Local: local.Options{Scratch: scratch, Batch: batchArgs, Jobs: jobs, Roots: roots}, Prepare: prepare(env), Refuse: refuseTools, Outputs: requestOutputs, Log: log,
		Observe: func(x history.Execution) func(local.Event) { return page.Observe(x) },
	})
	definition, err := local.Definition()
	if err != nil {
		return err
	}
	folder := presets.Folder(c.Presets)
	page, err = console.New(console.Options{
		Store: store, Executions: q, Ledger: records, Definition: definition, Check: check.Text(roots, folder), Presets: check.Presets(folder), Roots: roots, Uploads: uploads,
		Verify: compareWithSource(env), Slot: func(ctx context.Context) (func(), error) { return local.TakeSlot(ctx, scratch, jobs) }, UnitLogs: local.LogsIn(scratch),
		Frames: arrived.In(artifacts), Log: log,
	})
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.Handle("POST /{$}", withDeadline(&api.Server{Store: store, Executions: q, Definition: definition, Log: log}))
	mux.Handle("/", page)
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", c.Listen)
	if err != nil {
		return fault.WithHint(fault.Wrap(fault.Invalid, err, "listen on "+c.Listen), "choose another address with --listen")
	}
	printable.Fprintf(env.Stdout, "http://%s shows the jobs and answers the Step Functions API; Ctrl-C stops it\n", listener.Addr())
	guarded := guard.New(mux, guard.Options{Loopback: loopback, Hosts: c.hosts(), Token: token})
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return q.Run(ctx) })
	group.Go(func() error { return page.Run(ctx) })
	group.Go(func() error { return serveHTTP(ctx, netutil.LimitListener(listener, maxConnections), guarded) })
	if wanted != nil {
		group.Go(func() error { return wanted.Watch(ctx, store, q, requestOutputs, log) })
	}
	return group.Wait()
}

// openHistory opens the history in a scratch folder.
func openHistory(ctx context.Context, scratch string) (*history.Store, error) {
	folder, err := private.Make(scratch)
	if err == nil {
		err = folder.ReserveDatabase(history.File)
	}
	if err != nil {
		return nil, fault.Wrap(fault.KindOf(err), err, "history")
	}
	return history.Open(ctx, filepath.Join(scratch, history.File))
}

// withDeadline bounds how long a request may take to be read and answered.
func withDeadline(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		control, now := http.NewResponseController(w), time.Now()
		_ = control.SetReadDeadline(now.Add(apiTimeout)) // every server that this runs in supports it
		_ = control.SetWriteDeadline(now.Add(2 * apiTimeout))
		next.ServeHTTP(w, r)
	})
}

// serveHTTP serves until ctx ends, and then lets requests in progress end.
func serveHTTP(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{
		Handler: handler, ReadHeaderTimeout: headerTimeout, IdleTimeout: idleTimeout, MaxHeaderBytes: maxHeader,
		ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelError), // clients close connections at any time
	}
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
		defer cancel()
		if server.Shutdown(grace) != nil {
			_ = server.Close()
		}
	})
	err := server.Serve(listener)
	if !stop() {
		<-stopped
	}
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return fault.Wrap(fault.Internal, err, "serve "+listener.Addr().String())
}

// prepare returns what looks for ffmpeg while the server listens already: that takes seconds on a busy machine.
func prepare(env environment) func(context.Context, *local.Options) error {
	return func(ctx context.Context, o *local.Options) error {
		tools, err := env.Find(ctx, ffmpeg.FindOptions{})
		if err != nil {
			return err
		}
		o.Registry = toolrun.Films(tools)
		o.Setup, err = json.Marshal(tools)
		return fault.Wrap(fault.Internal, err, "setup of a batch process")
	}
}

// jobs returns how many units run at once.
func (c serveCmd) jobs() (int, error) {
	if c.Jobs == nil {
		return runtime.NumCPU(), nil
	}
	if *c.Jobs < 1 {
		return 0, fault.New(fault.Invalid, "--jobs: must be at least 1")
	}
	return int(*c.Jobs), nil
}

// refuseTools refuses requests that run commands: everyone who can reach the server could run programs on its machine.
func refuseTools(request json.RawMessage) error {
	if !kinds.NeedTools(request) {
		return nil
	}
	return fault.WithHint(fault.New(fault.Unsupported, "a server runs no tools"), "give the mapreel run command again: it does what is left")
}

// requestOutputs returns the files that a request publishes; none for one that is wrong, which fails.
func requestOutputs(request json.RawMessage) []string {
	req, err := film.Parse(request)
	if err != nil {
		return nil
	}
	return outputFiles(req)
}

// token returns the token, or "" where none is set.
func (c serveCmd) token() (string, error) {
	const variable = "MAPREEL_TOKEN"
	token, from := os.Getenv(variable), variable
	if c.TokenFile != "" {
		f, err := os.Open(c.TokenFile)
		if err != nil {
			return "", fault.Wrap(fault.Invalid, err, "--token-file")
		}
		defer f.Close()                                   //nolint:errcheck // only read
		text, err := io.ReadAll(io.LimitReader(f, 4<<10)) // longer ones are no tokens
		if err != nil {
			return "", fault.Wrap(fault.Invalid, err, "--token-file")
		}
		token, from = strings.TrimSpace(string(text)), c.TokenFile
	}
	if (token != "" || c.TokenFile != "") && len(token) < minToken {
		return "", fault.WithHint(fault.New(fault.Invalid, "the token in %s has fewer than %d characters", from, minToken),
			"make one with: openssl rand -hex 32")
	}
	return token, nil
}

// roots returns the absolute paths of --root, and then its URLs.
func (c serveCmd) roots() ([]string, error) {
	var roots, urls []string
	list := c.Root
	if !slices.ContainsFunc(list, func(root string) bool { return !strings.Contains(root, "://") }) {
		list = append([]string{"."}, list...)
	}
	for _, root := range list {
		if strings.Contains(root, "://") {
			if !origin.Below(root+"x", []string{root}) {
				return nil, fault.WithHint(fault.New(fault.Invalid, "--root: %s is not the URL of a folder", root),
					"for example: https://example.com/films/ or s3://bucket/films/")
			}
			urls = append(urls, root)
			continue
		}
		path, err := filepath.Abs(root)
		if err != nil {
			return nil, fault.Wrap(fault.Invalid, err, "--root")
		}
		info, err := os.Stat(path)
		if err == nil && !info.IsDir() {
			err = fmt.Errorf("%s is not a folder", path)
		}
		if err != nil {
			return nil, fault.Wrap(fault.Invalid, err, "--root")
		}
		roots = append(roots, path)
	}
	return append(roots, urls...), nil
}

// uploads returns the absolute path of --uploads, which lies below a root.
func (c serveCmd) uploads(roots []string) (string, error) {
	if c.Uploads == "" {
		return roots[0], nil
	}
	path, err := filepath.Abs(c.Uploads)
	if err == nil {
		err = local.CheckPath(path, roots)
	}
	if info, serr := os.Stat(path); err == nil && (serr != nil || !info.IsDir()) {
		err = fmt.Errorf("%s is not a folder", path)
	}
	return path, fault.Wrap(fault.Invalid, err, "--uploads")
}

// checkAddress reports whether --listen names an address of this machine alone. Another one needs a token.
func (c serveCmd) checkAddress(token string) (loopback bool, err error) {
	host, _, err := net.SplitHostPort(c.Listen)
	if err != nil {
		return false, fault.WithHint(fault.New(fault.Invalid, "--listen: %q is not an address with a port", c.Listen), "for example: --listen 127.0.0.1:8083")
	}
	address := net.ParseIP(host)
	loopback = host == "localhost" || address != nil && address.IsLoopback()
	if !loopback && token == "" {
		return false, fault.WithHint(fault.New(fault.Invalid, "--listen: other machines can reach %s, so a token is needed", c.Listen),
			"put one into a file for --token-file, or into MAPREEL_TOKEN: openssl rand -hex 32")
	}
	return loopback, nil
}

// hosts returns the names under which the server may be asked.
func (c serveCmd) hosts() []string {
	list := c.Host
	if name, err := os.Hostname(); err == nil {
		list = append(list, name)
	}
	return list
}
