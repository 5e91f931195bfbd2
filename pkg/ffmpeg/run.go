package ffmpeg

import (
	"context"
	"io"
	"path/filepath"
	"time"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/process"
)

// What running a program has in common with other programs is in package process.
type (
	// ExitError describes how ffmpeg failed.
	ExitError = process.ExitError
	// Limits bounds what ffmpeg may use.
	Limits = process.Limits
	// Usage is what a finished ffmpeg consumed.
	Usage = process.Usage
)

// RunOptions configures Run. Limits is required. Without more, Run runs the program in the current
// directory and discards its output.
type RunOptions struct {
	Dir string   // working directory
	Env []string // "name=value", added to the variables that every program gets
	// OnProgress receives each report of `-progress pipe:1`, one at a time, on another goroutine
	// than Run's caller. Run returns after the last call.
	OnProgress func(Progress)
	Stdout     io.Writer // receives descriptor 1; unused if OnProgress is set
	// Pipe receives descriptor 3: the log of encode.VideoArgs, remux.SplitArgs or decode's
	// commands. If its Write fails, the program is stopped and Run returns that error.
	Pipe   io.Writer
	Stderr io.Writer     // receives descriptor 2, in addition to the tail that is kept for the error
	Limits Limits        // required: see package budget
	Grace  time.Duration // from interrupt to kill; 0 = 5 s
}

// Run runs ffmpeg or ffprobe as process.Run does. It gives failures their kind by what ffmpeg says, and fails also where ffmpeg
// exits with 0 although its output is incomplete.
func Run(ctx context.Context, program string, args []string, options RunOptions) (Usage, error) {
	options.Limits = options.Limits.WithInherited()
	o := process.Options{
		Dir: options.Dir, Env: append([]string{svtLog}, options.Env...), Stdout: options.Stdout, Pipe: options.Pipe,
		Limits: options.Limits, Grace: options.Grace, Explain: explain,
	}
	if options.OnProgress != nil {
		o.Stdout = newProgressParser(options.OnProgress)
	}
	end := &process.Tail{}
	o.Stderr = end
	if options.Stderr != nil {
		o.Stderr = io.MultiWriter(end, options.Stderr)
	}
	usage, err := process.Run(ctx, program, args, o)
	name := filepath.Base(program)
	if err == nil {
		err = incompleteOutput(name, end.String())
	}
	return usage, excess(name, err, options.Limits)
}

// svtLog has SVT-AV1 write errors only: its banner would fill the tail of standard error.
const svtLog = "SVT_LOG=1"

// Output runs a program within limits, as Run does, and returns its standard output. More than
// maxBytes of it are an error of kind Corrupt.
func Output(ctx context.Context, program string, args []string, maxBytes int, limits Limits) ([]byte, error) {
	out := &limitedBuffer{limit: maxBytes}
	if _, err := Run(ctx, program, args, RunOptions{Stdout: out, Limits: limits}); err != nil {
		return nil, err
	}
	return out.data, nil
}

// limitedBuffer is an io.Writer that refuses to hold more than limit bytes.
type limitedBuffer struct {
	limit int
	data  []byte
}

func (b *limitedBuffer) Write(data []byte) (int, error) {
	if len(b.data)+len(data) > b.limit {
		return 0, fault.New(fault.Corrupt, "more than %d bytes of output", b.limit)
	}
	b.data = append(b.data, data...)
	return len(data), nil
}
