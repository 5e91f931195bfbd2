package intake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
	"github.com/aws/aws-sdk-go-v2/service/sfn/types"
	"github.com/aws/smithy-go"

	"github.com/mapreel/mapreel/pkg/fault"
)

// machine is the executions of one state machine on Step Functions.
type machine struct {
	client *sfn.Client
	arn    string
}

// NewExecutions returns the executions of the state machine with an ARN.
func NewExecutions(client *sfn.Client, arn string) (Executions, error) {
	if parts := strings.Split(arn, ":"); len(parts) != 7 || parts[2] != "states" || parts[5] != "stateMachine" {
		return nil, fmt.Errorf("%q is not the ARN of a state machine", arn)
	}
	return machine{client, arn}, nil
}

// execution returns the ARN of an execution.
func (m machine) execution(name string) string {
	return strings.Replace(m.arn, ":stateMachine:", ":execution:", 1) + ":" + name
}

func (m machine) Start(ctx context.Context, name string, input json.RawMessage) (Execution, error) {
	out, err := m.client.StartExecution(ctx, &sfn.StartExecutionInput{
		StateMachineArn: &m.arn, Name: &name, Input: aws.String(string(input)),
	})
	if _, taken := errors.AsType[*types.ExecutionAlreadyExists](err); taken {
		return Execution{}, ErrTaken
	}
	if err != nil {
		return Execution{}, classify(err, "start execution "+name)
	}
	return Execution{Name: name, ARN: aws.ToString(out.ExecutionArn), Status: Running, Started: aws.ToTime(out.StartDate), Input: string(input)}, nil
}

func (m machine) Describe(ctx context.Context, name string) (Execution, error) {
	arn := m.execution(name)
	out, err := m.client.DescribeExecution(ctx, &sfn.DescribeExecutionInput{ExecutionArn: &arn})
	if _, unknown := errors.AsType[*types.ExecutionDoesNotExist](err); unknown {
		return Execution{}, ErrUnknown
	}
	if err != nil {
		return Execution{}, classify(err, "describe execution "+name)
	}
	return Execution{
		Name: name, ARN: arn, Status: string(out.Status), Started: aws.ToTime(out.StartDate), Stopped: aws.ToTime(out.StopDate),
		Input: aws.ToString(out.Input), Output: aws.ToString(out.Output),
		ErrorName: aws.ToString(out.Error), Message: aws.ToString(out.Cause),
	}, nil
}

func (m machine) Stop(ctx context.Context, name, cause string) error {
	arn := m.execution(name)
	_, err := m.client.StopExecution(ctx, &sfn.StopExecutionInput{ExecutionArn: &arn, Cause: &cause, Error: aws.String("Stopped")})
	if _, unknown := errors.AsType[*types.ExecutionDoesNotExist](err); unknown {
		return ErrUnknown
	}
	return classify(err, "stop execution "+name)
}

// classify gives an error of a service a kind: Transient where the same call may succeed later.
func classify(err error, what string) error {
	if err == nil {
		return nil
	}
	kind := fault.Internal
	api, answered := errors.AsType[smithy.APIError](err)
	switch {
	case !answered: // the connection failed, and the SDK has tried again
		kind = fault.Transient
	case api.ErrorFault() == smithy.FaultServer,
		api.ErrorCode() == "ThrottlingException", api.ErrorCode() == "ExecutionLimitExceeded", api.ErrorCode() == "Throttling":
		kind = fault.Transient
	}
	return fault.Wrap(kind, err, what)
}
