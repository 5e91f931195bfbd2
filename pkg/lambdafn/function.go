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
)

// margin is what a stage must leave of a function's time: five seconds each for ffmpeg to stop by itself, to stop after
// it was killed, and to record the outcome. Lambda ends a function that is late without a word, and its attempt stays
// open in the ledger.
const margin = 15 * time.Second

// maxMessage keeps an error's text, with what Step Functions adds, below the 32,768 characters of a cause.
const maxMessage = 16 << 10

// invoke is the function's handler.
func (p *program) invoke(ctx context.Context, input json.RawMessage) (json.RawMessage, error) {
	log, owner := p.log, "lambda"
	if lc, ok := lambdacontext.FromContext(ctx); ok {
		log, owner = log.With("request", lc.AwsRequestID), "lambda/"+lc.AwsRequestID
	}
	ctx, cancel := within(ctx, time.Now())
	defer cancel()
	out, err := p.run(ctx, log, p.stage, owner, input)
	if err != nil {
		return nil, reply(err)
	}
	return out, nil
}

// within takes the margin off the time that is left, or half of it where there is little.
func within(ctx context.Context, now time.Time) (context.Context, context.CancelFunc) {
	end, ok := ctx.Deadline()
	if !ok {
		return context.WithCancel(ctx)
	}
	end = end.Add(-min(margin, end.Sub(now)/2))
	return context.WithDeadlineCause(ctx, end, fault.New(fault.OutOfTime, "the function's time is over"))
}

// reply is how an error must leave a handler for its kind to be the name that Step Functions sees: any other type would
// be reported under the name of the type.
func reply(err error) messages.InvokeResponse_Error {
	var p panicked
	return messages.InvokeResponse_Error{
		Type: string(fault.KindOf(err)), Message: message(err), ShouldExit: errors.As(err, &p),
	}
}

// message is an error's text with its hint.
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
