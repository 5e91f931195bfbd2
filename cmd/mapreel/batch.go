package main

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/mapreel/mapreel/cmd/mapreel/internal/toolrun"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/local"
	"github.com/mapreel/mapreel/pkg/work"
)

// batchCmd is the command of the process that transcode starts for a unit on the Batch route; see local.Options.
type batchCmd struct{}

// batchArgs are the arguments that select batchCmd.
var batchArgs = []string{"batch"}

// run does the work that the environment variables describe. Its error is a batchExitCode, or of kind fault.Invalid for
// a user who runs the command by hand.
func (batchCmd) run(ctx context.Context, env environment) error {
	if !local.IsBatchProcess() {
		return fault.WithHint(fault.New(fault.Invalid, "mapreel starts the batch command itself, for work that a request sends to Batch"),
			"see mapreel transcode --help")
	}
	if code := local.Batch(ctx, env.Stdout, batchRegistry); code != 0 {
		return batchExitCode(code)
	}
	return nil
}

// batchRegistry makes the registry of a batch process from what transcode found.
func batchRegistry(setup json.RawMessage) (work.Registry, error) {
	var tools ffmpeg.Tools
	if err := json.Unmarshal(setup, &tools); err != nil {
		return work.Registry{}, fault.Wrap(fault.Internal, err, "setup of a batch process")
	}
	return toolrun.Registry(tools), nil
}

// batchExitCode is the exit code of a batch process that failed. The process that started it has the reason already.
type batchExitCode int

func (e batchExitCode) Error() string { return fmt.Sprintf("exit code %d", int(e)) }
