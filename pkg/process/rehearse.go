package process

import (
	"context"
	"errors"
)

// ErrRehearsed is what Run returns in the place of starting a program under WithRehearsal.
var ErrRehearsed = errors.New("the program was not started: its command line is all that was asked for")

type rehearsalKey struct{}

// WithRehearsal returns a context under which Run starts nothing: it passes each command line to record, and fails with
// ErrRehearsed. dir is where the program would have been started.
func WithRehearsal(ctx context.Context, record func(program string, args []string, dir string)) context.Context {
	return context.WithValue(ctx, rehearsalKey{}, record)
}

// rehearsed records a command line if the context asks for that in the place of a run.
func rehearsed(ctx context.Context, program string, args []string, dir string) bool {
	record, ok := ctx.Value(rehearsalKey{}).(func(string, []string, string))
	if ok {
		record(program, args, dir)
	}
	return ok
}
