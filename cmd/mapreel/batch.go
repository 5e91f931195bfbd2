package main

import (
	"context"
	"fmt"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/local"
)

// batch is the process of a segment on the Batch route, which transcode starts: see local.Options.
type batch struct{}

// batchCommand are the arguments that choose it.
var batchCommand = []string{"batch"}

// run does what the environment says. Its error is a batchExit, or tells who calls it by hand that it is not meant for that.
func (batch) run(ctx context.Context, env environment) error {
	if !local.ForBatch() {
		return fault.WithHint(fault.New(fault.Invalid, "batch is what mapreel starts by itself, for segments that a request sends to Batch"),
			"see mapreel transcode --help")
	}
	if code := local.Batch(ctx, env.Stdout); code != 0 {
		return batchExit(code)
	}
	return nil
}

// batchExit is the exit code of a batch that failed. Why is said already, to who started it.
type batchExit int

func (e batchExit) Error() string { return fmt.Sprintf("exit code %d", int(e)) }
