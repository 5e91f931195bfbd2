package main

import (
	"maps"
	"slices"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsstepfunctions"
	"github.com/aws/jsii-runtime-go"

	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/work"
	"github.com/mapreel/mapreel/statemachine"
)

// workflow is the state machine.
type workflow struct {
	machine awsstepfunctions.StateMachine
	logs    awslogs.LogGroup // of failures, in executions and in the children of the Distributed Map
}

// published returns the ARN of a function's version. An execution keeps the definition that it began with, so it calls the
// versions that this definition names, whatever is deployed meanwhile.
func published(fn awslambda.Function) *string { return fn.CurrentVersion().FunctionArn() }

// newWorkflow deploys the definition that pkg/local interprets, byte for byte. CloudFormation fills
// its placeholders.
func newWorkflow(stack awscdk.Stack, chosen settings, store storage, fns functions, b batch) (workflow, error) {
	resources := statemachine.Resources{
		Partition:      *stack.Partition(),
		Analyse:        *published(fns[work.ClassAnalyse]),
		Finish:         *published(fns[work.ClassFinish]),
		Functions:      map[string]string{},
		JobDefinitions: map[string]string{},
		BatchQueue:     statemachine.Absent,
		GpuQueue:       statemachine.Absent,
	}
	for _, c := range chosen.unitClasses() {
		if fn, ok := fns[c]; ok { // a tool may run on Batch alone
			resources.Functions[string(c)] = *published(fn)
		}
	}
	var invoked, submitted []*string
	for _, c := range chosen.stageClasses() {
		invoked = append(invoked, jsii.String(*fns[c].FunctionArn()+":*")) // also the versions of earlier deploys
	}
	for _, key := range slices.Sorted(maps.Keys(b.definitions)) {
		arn := b.definitions[key].JobDefinitionArn()
		resources.JobDefinitions[key] = *arn
		submitted = append(submitted, revisions(stack, b.definitions[key]))
	}
	if b.cpu != nil {
		resources.BatchQueue = *b.cpu.JobQueueArn()
		submitted = append(submitted, b.cpu.JobQueueArn())
	}
	if b.gpu != nil {
		resources.GpuQueue = *b.gpu.JobQueueArn()
		submitted = append(submitted, b.gpu.JobQueueArn())
	}
	if _, err := statemachine.Substitute(resources); err != nil { // checks that no placeholder lacks a value
		return workflow{}, err
	}
	values, err := resources.Values()
	if err != nil {
		return workflow{}, err
	}
	substitutions := map[string]*string{}
	for name, value := range values {
		substitutions[name] = jsii.String(value)
	}

	// The prefix keeps the account's resource policy for logs short, whose size is limited
	// (Developer Guide, "Logging using CloudWatch Logs").
	logs := chosen.logGroup(stack, "MachineLog", jsii.String("/aws/vendedlogs/states/"+*stack.StackName()))
	role := awsiam.NewRole(stack, jsii.String("MachineRole"), &awsiam.RoleProps{
		Description: jsii.String("mapreel: the state machine"),
		AssumedBy:   awsiam.NewServicePrincipal(jsii.String("states.amazonaws.com"), nil),
	})
	allow := func(actions []string, resources ...*string) {
		role.AddToPolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
			Actions: jsii.Strings(actions...), Resources: &resources,
		}))
	}
	allow([]string{"lambda:InvokeFunction"}, invoked...)
	role.AddToPolicy(inAccount(store.account, nil, []string{"s3:GetObject"},
		store.bucket.ArnForObjects(jsii.String(engine.ListPattern)))) // read by the Map's ItemReader
	useKeys(role, decrypting, store.keys)
	if len(submitted) > 0 {
		allow([]string{"batch:SubmitJob"}, submitted...)
		allow([]string{"batch:DescribeJobs", "batch:TerminateJob"}, jsii.String("*"))
		// A job is submitted with the tag mapreel:job, for the allocation of cost.
		allow([]string{"batch:TagResource"}, stack.FormatArn(&awscdk.ArnComponents{
			Service: jsii.String("batch"), Resource: jsii.String("job"), ResourceName: jsii.String("*"),
		}))
		// A .sync task learns from an event that its job ended.
		allow([]string{"events:PutTargets", "events:PutRule", "events:DescribeRule"}, stack.FormatArn(&awscdk.ArnComponents{
			Service: jsii.String("events"), Resource: jsii.String("rule"),
			ResourceName: jsii.String("StepFunctionsGetEventsForBatchJobsRule"),
		}))
	}
	machine := awsstepfunctions.NewStateMachine(stack, jsii.String("Machine"), &awsstepfunctions.StateMachineProps{
		StateMachineType:        awsstepfunctions.StateMachineType_STANDARD, // only these can be redriven
		DefinitionBody:          awsstepfunctions.DefinitionBody_FromString(jsii.String(string(statemachine.Definition()))),
		DefinitionSubstitutions: &substitutions,
		Role:                    role,
		TracingEnabled:          jsii.Bool(true),
		Logs: &awsstepfunctions.LogOptions{
			Destination: logs, Level: awsstepfunctions.LogLevel_ERROR,
			IncludeExecutionData: jsii.Bool(true), // the name of an error is execution data
		},
		RemovalPolicy: awscdk.RemovalPolicy_DESTROY,
	})
	excuse(machine, "SF1", "Errors are logged. Everything else is in the execution's history, which costs nothing more; a log of "+
		"every step of 10,000 children does.")

	// A policy of its own, because it names the machine, which cannot exist before its role.
	runs := awsiam.NewPolicy(stack, jsii.String("MapRuns"), &awsiam.PolicyProps{
		Roles: &[]awsiam.IRole{role},
		Statements: &[]awsiam.PolicyStatement{
			awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
				Actions: jsii.Strings("states:StartExecution"), Resources: &[]*string{machine.StateMachineArn()},
			}),
			awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
				Actions:   jsii.Strings("states:DescribeExecution", "states:StopExecution", "states:RedriveExecution"),
				Resources: &[]*string{executions(stack, machine, ":*"), executions(stack, machine, "/*")},
			}),
		},
	})
	excuse(runs, "IAM5", "The Map's children are executions of this machine, under names that Step Functions chooses.")
	excuse(role, "IAM5", "batch:DescribeJobs, TerminateJob and TagResource have no resource before a job exists, delivery of logs and "+
		"X-Ray have none at all; executions go on with the versions and revisions of earlier deploys; the lists of a job's units lie in a folder named after the job.")
	return workflow{machine, logs}, nil
}

// executions returns the ARN of the machine's own executions (":*"), or of the children of its Map
// ("/*": the Map's label follows). The Developer Guide names the first for describing and stopping,
// the second for redriving.
func executions(stack awscdk.Stack, machine awsstepfunctions.StateMachine, which string) *string {
	return stack.FormatArn(&awscdk.ArnComponents{
		Service: jsii.String("states"), Resource: jsii.String("execution"), ArnFormat: awscdk.ArnFormat_COLON_RESOURCE_NAME,
		ResourceName: jsii.String(*machine.StateMachineName() + which),
	})
}
