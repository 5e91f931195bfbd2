package main

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsstepfunctions"
	"github.com/aws/jsii-runtime-go"

	"github.com/mapreel/mapreel/statemachine"
)

// workflow is the state machine.
type workflow struct {
	machine awsstepfunctions.StateMachine
	logs    awslogs.LogGroup // of executions and of the Map's children: failures
}

// newWorkflow deploys the very bytes that pkg/local interprets.
func newWorkflow(
	stack awscdk.Stack, store storage, fns map[string]awslambda.DockerImageFunction, q queues,
) (workflow, error) {
	values := map[string]*string{
		"Partition":  stack.Partition(),
		"BatchQueue": absent, "BatchJobDefinition": absent, "GpuQueue": absent, "GpuJobDefinition": absent,
	}
	var batch []*string
	if q.cpu != nil {
		values["BatchQueue"], values["BatchJobDefinition"] = q.cpu.jobs.JobQueueArn(), q.cpu.definition.JobDefinitionArn()
		batch = append(batch, values["BatchQueue"], values["BatchJobDefinition"])
	}
	if q.gpu != nil {
		values["GpuQueue"], values["GpuJobDefinition"] = q.gpu.jobs.JobQueueArn(), q.gpu.definition.JobDefinitionArn()
		batch = append(batch, values["GpuQueue"], values["GpuJobDefinition"])
	}
	var invoked []*string
	for _, task := range statemachine.Tasks() {
		values[statemachine.Placeholder(task)] = fns[task].FunctionArn()
		invoked = append(invoked, fns[task].FunctionArn())
	}
	// CloudFormation fills the placeholders; that every one has a value, and none is left over, is checked here.
	names := map[string]string{}
	for name := range values {
		names[name] = name
	}
	if _, err := statemachine.Substitute(names); err != nil {
		return workflow{}, err
	}

	logs := awslogs.NewLogGroup(stack, jsii.String("MachineLog"), &awslogs.LogGroupProps{
		// Step Functions asks for this prefix where many machines write logs: their resource policy is short.
		LogGroupName: jsii.String("/aws/vendedlogs/states/" + *stack.StackName()),
		Retention:    awslogs.RetentionDays_ONE_MONTH, RemovalPolicy: awscdk.RemovalPolicy_DESTROY,
	})
	role := awsiam.NewRole(stack, jsii.String("MachineRole"), &awsiam.RoleProps{
		Description: jsii.String("What mapreel's state machine does"),
		AssumedBy:   awsiam.NewServicePrincipal(jsii.String("states.amazonaws.com"), nil),
	})
	allow := func(actions []string, resources ...*string) {
		role.AddToPolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
			Actions: jsii.Strings(actions...), Resources: &resources,
		}))
	}
	allow([]string{"lambda:InvokeFunction"}, invoked...)
	allow([]string{"s3:GetObject"}, store.bucket.ArnForObjects(jsii.String(items))) // what the Map reads
	if len(batch) > 0 {
		allow([]string{"batch:SubmitJob"}, batch...)
		allow([]string{"batch:DescribeJobs", "batch:TerminateJob"}, jsii.String("*"))
		// How .sync hears that a job ended.
		allow([]string{"events:PutTargets", "events:PutRule", "events:DescribeRule"}, stack.FormatArn(&awscdk.ArnComponents{
			Service: jsii.String("events"), Resource: jsii.String("rule"),
			ResourceName: jsii.String("StepFunctionsGetEventsForBatchJobsRule"),
		}))
	}
	machine := awsstepfunctions.NewStateMachine(stack, jsii.String("Machine"), &awsstepfunctions.StateMachineProps{
		StateMachineType:        awsstepfunctions.StateMachineType_STANDARD, // what can be redriven
		DefinitionBody:          awsstepfunctions.DefinitionBody_FromString(jsii.String(string(statemachine.Definition()))),
		DefinitionSubstitutions: &values,
		Role:                    role,
		TracingEnabled:          jsii.Bool(true),
		Logs: &awsstepfunctions.LogOptions{
			Destination: logs, Level: awsstepfunctions.LogLevel_ERROR,
			IncludeExecutionData: jsii.Bool(true), // the name of an error is execution data
		},
		RemovalPolicy: awscdk.RemovalPolicy_DESTROY,
	})
	excuse(machine, "SF1", "Errors are logged. The rest is in the execution's history, which costs nothing more; a log of "+
		"10,000 children's every step does.")

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
	excuse(runs, "IAM5", "The Map's children are executions of this machine under a name that Step Functions gives them.")
	excuse(role, "IAM5", "batch:DescribeJobs and TerminateJob know no resource before a job exists, delivery of logs and "+
		"X-Ray know none at all; a job's list of segments lies under the job's name.")
	return workflow{machine, logs}, nil
}

// executions is the ARN of the machine's own executions (":*"), or of its Map's children ("/*", for the Map's label
// follows). The Developer Guide names the first for describing and stopping, the second for redriving.
func executions(stack awscdk.Stack, machine awsstepfunctions.StateMachine, which string) *string {
	return stack.FormatArn(&awscdk.ArnComponents{
		Service: jsii.String("states"), Resource: jsii.String("execution"), ArnFormat: awscdk.ArnFormat_COLON_RESOURCE_NAME,
		ResourceName: jsii.String(*machine.StateMachineName() + which),
	})
}

// absent stands where a deployment has no queue. Analyse never takes that route then.
var absent = jsii.String("none")
