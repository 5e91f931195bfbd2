package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awseventstargets"
	"github.com/aws/jsii-runtime-go"

	"github.com/mapreel/mapreel/pkg/work"
)

// newBus makes the bus that announces jobs that ended, and what their workers make available meanwhile.
func newBus(stack awscdk.Stack) awsevents.EventBus {
	return awsevents.NewEventBus(stack, jsii.String("Jobs"), &awsevents.EventBusProps{
		Description: jsii.String("mapreel: an event for each job that ended, and for each finished slice of a preview"),
	})
}

// newEvents makes the rules that connect the machine with its surroundings.
func newEvents(stack awscdk.Stack, fns functions, flow workflow, bus awsevents.EventBus) {
	// Failures are recorded from outside: a state that caught them would leave a redrive nothing to
	// run again.
	awsevents.NewRule(stack, jsii.String("Failed"), &awsevents.RuleProps{
		Description:  jsii.String("mapreel: records executions that failed, timed out or were stopped"),
		EventPattern: status(flow, "FAILED", "TIMED_OUT", "ABORTED"),
		// The event as it is, which lambdafn reads: causes have quotes, with which an input template is no longer JSON.
		Targets: &[]awsevents.IRuleTarget{awseventstargets.NewLambdaFunction(fns[work.ClassFinish], nil)},
	})
	// The event's detail contains the execution's input and output: the request and the published files.
	awsevents.NewRule(stack, jsii.String("Ended"), &awsevents.RuleProps{
		Description:  jsii.String("mapreel: forwards the events of jobs that ended"),
		EventPattern: status(flow, "SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"),
		Targets:      &[]awsevents.IRuleTarget{awseventstargets.NewEventBus(bus, nil)},
	})
	awsevents.NewRule(stack, jsii.String("Daily"), &awsevents.RuleProps{
		Description: jsii.String("mapreel: removes what jobs have left behind, once a day"),
		Schedule:    awsevents.Schedule_Rate(awscdk.Duration_Days(jsii.Number(1))),
		Targets: &[]awsevents.IRuleTarget{awseventstargets.NewLambdaFunction(fns[work.ClassCollect], &awseventstargets.LambdaFunctionProps{
			Event: awsevents.RuleTargetInput_FromObject(map[string]any{}), // engine.None
		})},
	})
}

func status(flow workflow, statuses ...string) *awsevents.EventPattern {
	return &awsevents.EventPattern{
		Source:     jsii.Strings("aws.states"),
		DetailType: jsii.Strings("Step Functions Execution Status Change"),
		Detail: &map[string]any{
			// The machine alone: the children of its Map have its ARN followed by the Map's label.
			"stateMachineArn": []*string{flow.machine.StateMachineArn()},
			"status":          statuses,
		},
	}
}

// sourceExtensions are the file names that an upload starts a job for. Anything else can be started by hand.
var sourceExtensions = []string{
	"mp4", "m4v", "mov", "mkv", "webm", "avi", "ts", "m2ts", "mts", "mxf", "mpg", "mpeg", "vob", "wmv", "asf", "flv", "3gp", "ogv",
	"mp3", "m4a", "aac", "flac", "wav", "ogg", "opus",
}

// uploads returns a pattern for keys that end with one of sourceExtensions, in any case. The function looks at the prefix: a
// pattern for both ends would need wildcards, and EventBridge refuses a rule with many different texts after a wildcard.
func uploads() []any {
	var patterns []any
	for _, extension := range sourceExtensions {
		patterns = append(patterns, map[string]any{"suffix": map[string]any{"equals-ignore-case": "." + extension}})
	}
	return patterns
}
