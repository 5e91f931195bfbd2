package lambdafn

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/lambda/messages"
	"github.com/aws/aws-lambda-go/lambdacontext"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/price"
)

// margin is how much of a function's time a stage must leave: five seconds each for a tool to stop by itself, to stop after it
// was killed, and to record the outcome. Lambda ends a function that exceeds its time without notice, and its attempt stays
// open in the ledger.
const margin = 15 * time.Second

// maxMessage keeps an error's text, with what Step Functions adds, below the 32,768 characters of a cause.
const maxMessage = 16 << 10

// invoke is the function's handler.
func (p *program) invoke(ctx context.Context, input json.RawMessage) (json.RawMessage, error) {
	log, by := p.log, worker{name: "lambda", place: price.OnLambda, began: time.Now()}
	if lc, ok := lambdacontext.FromContext(ctx); ok {
		log, by.name = log.With("request", lc.AwsRequestID), "lambda/"+lc.AwsRequestID
	}
	ctx, cancel := withMargin(ctx, time.Now())
	defer cancel()
	input, err := stageInput(p.stage, input)
	if err != nil {
		return nil, reply(err)
	}
	out, err := p.run(ctx, log, by, p.stage, input)
	if err != nil {
		return nil, reply(err)
	}
	return out, nil
}

// withMargin returns a context that ends margin before ctx does, or after half of the time that is left where that is little.
func withMargin(ctx context.Context, now time.Time) (context.Context, context.CancelFunc) {
	end, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	end = end.Add(-min(margin, end.Sub(now)/2))
	return context.WithDeadlineCause(ctx, end, fault.New(fault.OutOfTime, "the function's time is over"))
}

// reply returns an error in the form that makes its kind the name that Step Functions sees. Lambda's runtime reports any other
// type under the name of the type.
func reply(err error) messages.InvokeResponse_Error {
	var p panicError
	return messages.InvokeResponse_Error{
		Type: string(fault.KindOf(err)), Message: message(err), ShouldExit: errors.As(err, &p),
	}
}

// message returns an error's text with its hint.
func message(err error) string {
	text := err.Error()
	if len(text) > maxMessage {
		text = strings.ToValidUTF8(text[:maxMessage], "") + " …"
	}
	if hint := fault.HintOf(err); hint != "" {
		text += " (" + hint + ")"
	}
	return text
}
