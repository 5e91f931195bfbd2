package lambdafn

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"time"

	"github.com/aws/aws-lambda-go/lambda"

	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/fault"
)

// Handler answers an event with a value that has a form in JSON.
type Handler func(ctx context.Context, event json.RawMessage) (any, error)

// Serve passes the events of this function to a handler that is no stage of the engine, until Lambda ends the process. Errors
// reach the caller as those of stages do. It returns an exit code if it cannot serve.
func Serve(ctx context.Context, handle Handler) int {
	log := slog.New(slog.NewJSONHandler(os.Stdout, nil))
	lambda.StartWithOptions(func(ctx context.Context, event json.RawMessage) (any, error) {
		ctx, cancel := withMargin(ctx, time.Now())
		defer cancel()
		out, err := handle(ctx, event)
		if err != nil {
			log.ErrorContext(ctx, "event failed", "kind", fault.KindOf(err), "error", message(err), "event", string(event))
			return nil, reply(err)
		}
		return out, nil
	}, lambda.WithContext(ctx))
	return engine.ExitCode(fault.Internal)
}
