// Command function runs the program of a Lambda function on this machine as Lambda does, behind a small Runtime Interface Emulator:
//
//	make function STAGE=encode
//	go run ./internal/function -listen 127.0.0.1:9000 encode bin/worker encode
//
// An event is posted to the path that AWS's own emulator has, and the answer is the function's. The process is started again when it
// exits. Its environment is this command's: docs/aws.md says what to set.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mapreel/mapreel/pkg/lambdafn/runtimeapi"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:], os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "function:", err)
		os.Exit(1)
	}
}

// path is where an event is posted to.
const path = "/2015-03-31/functions/function/invocations"

// maxEvent is the most that Lambda takes as an event.
const maxEvent = 6 << 20

// emulator is a function with its process.
type emulator struct {
	function *runtimeapi.Function
	name     string
	command  []string
	env      []string // of the process, beside this one's
	limit    time.Duration
	out      io.Writer // what the process writes

	mu   sync.Mutex // guards what follows
	kill func()     // ends the process
}

func run(ctx context.Context, args []string, out io.Writer) error {
	flags := flag.NewFlagSet("function", flag.ContinueOnError)
	listen := flags.String("listen", "127.0.0.1:9000", "address to post events to")
	limit := flags.Duration("timeout", 15*time.Minute, "time limit of an event")
	memory := flags.Int("memory", 3008, "MiB, as the function is told; nothing holds it to them")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() < 2 {
		return errors.New("usage: function [-listen ADDRESS] [-timeout TIME] [-memory MIB] NAME PROGRAM [ARGUMENT...]")
	}
	e := &emulator{function: runtimeapi.New(flags.Arg(0)), name: flags.Arg(0), command: flags.Args()[1:], limit: *limit, out: out}
	runtime, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	events, err := (&net.ListenConfig{}).Listen(ctx, "tcp", *listen)
	if err != nil {
		return errors.Join(err, runtime.Close())
	}
	e.env = []string{
		runtimeapi.Variable + "=" + runtime.Addr().String(), "AWS_LAMBDA_FUNCTION_NAME=" + e.name, "AWS_LAMBDA_FUNCTION_MEMORY_SIZE=" + strconv.Itoa(*memory),
	}
	fmt.Fprintf(out, "%s takes events; from another terminal:\n\n  curl -sS http://%s%s -d '%s'\n\n", e.name, events.Addr(), path, exampleOf(e.name))
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return e.keepRunning(ctx) })
	group.Go(func() error { return serve(ctx, runtime, e.function) })
	group.Go(func() error { return serve(ctx, events, http.HandlerFunc(e.invoke)) })
	return group.Wait()
}

// exampleOf returns an event of a stage: what the state machine passes on to its function.
func exampleOf(stage string) string {
	switch stage {
	case "analyse":
		return `{"request": {"source": "s3://BUCKET/film.mkv", "destination": "s3://BUCKET/out", "outputs": [{"name": "film"}]}, "execution": "debug", "started": "` +
			time.Now().UTC().Format(time.RFC3339) + `"}`
	case "finish":
		return `{"job": "JOB", "execution": "debug"}`
	case "collect":
		return `{}`
	case "api", "upload", "notify":
		return "@event.json"
	}
	return `{"job": "JOB", "unit": "UNIT"}`
}

// serve serves until the context ends.
func serve(ctx context.Context, l net.Listener, h http.Handler) error {
	server := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute, BaseContext: func(net.Listener) context.Context { return ctx }}
	stop := context.AfterFunc(ctx, func() { _ = server.Close() })
	defer stop()
	if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// pause keeps a program that cannot start from taking the processor.
const pause = time.Second

// keepRunning starts the process again whenever it exits. With the context it is killed, as Lambda ends an environment.
func (e *emulator) keepRunning(ctx context.Context) error {
	for {
		process, kill := context.WithCancel(ctx)
		e.mu.Lock()
		e.kill = kill
		e.mu.Unlock()
		cmd := exec.CommandContext(process, e.command[0], e.command[1:]...) //nolint:gosec // what the user debugs
		cmd.Env = append(os.Environ(), e.env...)
		cmd.Stdout, cmd.Stderr = e.out, e.out
		err := cmd.Run()
		kill()
		e.function.Exited()
		var exit *exec.ExitError
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // this command was stopped, and has killed it
		case err != nil && !errors.As(err, &exit): // it did not even start
			return err
		}
		fmt.Fprintf(e.out, "%s exited (%s) and is started again\n", e.name, cmd.ProcessState)
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(pause):
		}
		e.function.Restarted()
	}
}

// invoke passes an event to the process. As with Lambda, an error of the function has the status 200 and a header.
func (e *emulator) invoke(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != path || r.Method != http.MethodPost {
		http.Error(w, "post events to "+path, http.StatusNotFound)
		return
	}
	event, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxEvent))
	if err != nil {
		http.Error(w, fmt.Sprintf("an event has at most %d bytes", maxEvent), http.StatusRequestEntityTooLarge)
		return
	}
	if !json.Valid(event) {
		http.Error(w, "the event is not JSON", http.StatusBadRequest)
		return
	}
	ctx, cancel := context.WithTimeoutCause(r.Context(), e.limit, &runtimeapi.Error{Name: "Sandbox.Timedout", Text: "Task timed out after " + e.limit.String()})
	defer cancel()
	answer, err := e.function.Invoke(ctx, event, e.limit)
	if ctx.Err() != nil && r.Context().Err() == nil { // Lambda ends the process of an event that takes too long
		e.mu.Lock()
		e.kill()
		e.mu.Unlock()
	}
	w.Header().Set("Content-Type", "application/json")
	var failed *runtimeapi.Error
	switch {
	case err == nil:
		_, _ = w.Write(answer)
		return
	case !errors.As(err, &failed):
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	w.Header().Set("X-Amz-Function-Error", "Unhandled")
	_ = json.NewEncoder(w).Encode(map[string]string{"errorType": failed.Name, "errorMessage": strings.TrimSpace(failed.Text)})
}
