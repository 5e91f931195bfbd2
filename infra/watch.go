package main

import (
	"fmt"
	"slices"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscloudwatch"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awseventstargets"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslogs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/jsii-runtime-go"

	"github.com/mapreel/mapreel/pkg/work"
)

// slowSegment is the 90th percentile of the time of segments on Lambda that raises an alarm.
// Segments that come near the function's limit of 15 minutes are about to move to Batch, or to
// fail.
const slowSegment = 10 * 60 * 1000 // milliseconds

// newWatch makes the dashboard and the alarms. CloudWatch charges for dashboards beyond three and
// alarms beyond ten, by the month.
func newWatch(stack awscdk.Stack, chosen settings, store storage, fns functions, flow workflow, topic awssns.Topic) awscloudwatch.Dashboard {
	machine, encode := flow.machine, fns[work.ClassEncode]
	sum := &awscloudwatch.MetricOptions{Statistic: jsii.String("Sum"), Period: awscdk.Duration_Minutes(jsii.Number(1))}
	segment := func(statistic string) awscloudwatch.IMetric {
		return encode.MetricDuration(&awscloudwatch.MetricOptions{Statistic: jsii.String(statistic), Label: jsii.String(statistic)})
	}

	// The machine logs a line for each task that failed. The name of its error, which is a
	// fault.Kind or an error of AWS, becomes a dimension.
	namespace := jsii.String(*stack.StackName() + "/errors")
	awslogs.NewMetricFilter(stack, jsii.String("Kinds"), &awslogs.MetricFilterProps{
		LogGroup:        flow.logs,
		FilterPattern:   awslogs.FilterPattern_Literal(jsii.String(`{ ($.type = "TaskFailed" || $.type = "TaskTimedOut") && $.details.error = * }`)),
		MetricNamespace: namespace, MetricName: jsii.String("Errors"), MetricValue: jsii.String("1"),
		Dimensions: &map[string]*string{"Kind": jsii.String("$.details.error")},
	})
	kinds := awscloudwatch.NewMathExpression(&awscloudwatch.MathExpressionProps{
		Expression:   jsii.String(fmt.Sprintf(`SEARCH('{"%s",Kind} MetricName="Errors"', 'Sum', 60)`, *namespace)),
		UsingMetrics: &map[string]awscloudwatch.IMetric{}, Label: jsii.String(""),
	})
	batch := func(name string) awscloudwatch.IMetric {
		return awscloudwatch.NewMetric(&awscloudwatch.MetricProps{
			Namespace: jsii.String("AWS/States"), MetricName: jsii.String("ServiceIntegrations" + name), Label: jsii.String(name),
			Statistic: jsii.String("Sum"),
			DimensionsMap: &map[string]*string{
				"ServiceIntegrationResourceArn": jsii.String("arn:" + *stack.Partition() + ":states:::batch:submitJob.sync"),
			},
		})
	}
	throttles := []awscloudwatch.IMetric{machine.MetricThrottled(sum)}
	for _, c := range chosen.allClasses() {
		throttles = append(throttles, fns[c].MetricThrottles(&awscloudwatch.MetricOptions{
			Statistic: jsii.String("Sum"), Label: jsii.String(string(c)),
		}))
	}
	graphs := []awscloudwatch.IWidget{
		graph("Executions", machine.MetricStarted(sum), machine.MetricSucceeded(sum), machine.MetricFailed(sum), machine.MetricTimedOut(sum)),
		graph("Segments: milliseconds on Lambda", segment("p50"), segment("p90"), segment("Maximum")),
		graph("Errors by kind", kinds),
		graph("Throttles", throttles...),
		graph("Batch: jobs", batch("Scheduled"), batch("Succeeded"), batch("Failed"), batch("TimedOut")),
	}
	if store.files != nil {
		files := func(name string) awscloudwatch.IMetric {
			return awscloudwatch.NewMetric(&awscloudwatch.MetricProps{
				Namespace: jsii.String("AWS/EFS"), MetricName: jsii.String(name), Statistic: jsii.String("Sum"),
				DimensionsMap: &map[string]*string{"FileSystemId": store.files.FileSystemId()},
			})
		}
		graphs = append(graphs, graph("File system: bytes", files("DataReadIOBytes"), files("DataWriteIOBytes"), files("MetadataIOBytes")))
	}
	var rows []*[]awscloudwatch.IWidget
	for pair := range slices.Chunk(graphs, 2) {
		rows = append(rows, &pair)
	}
	dashboard := awscloudwatch.NewDashboard(stack, jsii.String("Dashboard"), &awscloudwatch.DashboardProps{Widgets: &rows})

	alarm(stack, "ExecutionsFailed", "A job failed. The history of its execution shows the state that failed; redrive it once the cause is gone.",
		machine.MetricFailed(fiveMinutes("Sum")), 1, 1)
	alarm(stack, "ExecutionsTimedOut", "A job did not end within the machine's time limit.",
		machine.MetricTimedOut(fiveMinutes("Sum")), 1, 1)
	tell(topic, alarm(stack, "Throttled", "Lambda throttled the encode function for a quarter of an hour: raise the account's concurrency, or request less.",
		encode.MetricThrottles(fiveMinutes("Sum")), 100, 3))
	tell(topic, alarm(stack, "NotCollected", "What jobs have left behind was not removed: the log of the Collect function has the reason.",
		fns[work.ClassCollect].MetricErrors(fiveMinutes("Sum")), 1, 1))
	alarm(stack, "SlowMap", "One segment in ten takes more than 10 minutes: request shorter segments, or Batch.",
		encode.MetricDuration(fiveMinutes("p90")), slowSegment, 2)
	return dashboard
}

// newBlockedAlarm makes an alarm for job queues whose first job cannot start, as in an account without a quota for its
// instances. Batch has no metric for that but sends an event, which the bus of finished jobs gets too: it has the reason.
func newBlockedAlarm(stack awscdk.Stack, b batch, bus awsevents.EventBus, topic awssns.Topic) {
	if b.cpu == nil {
		return
	}
	queues := []*string{b.cpu.JobQueueArn()}
	if b.gpu != nil {
		queues = append(queues, b.gpu.JobQueueArn())
	}
	rule := awsevents.NewRule(stack, jsii.String("Blocked"), &awsevents.RuleProps{
		Description: jsii.String("mapreel: a Batch queue starts nothing"),
		EventPattern: &awsevents.EventPattern{
			Source: jsii.Strings("aws.batch"), DetailType: jsii.Strings("Batch Job Queue Blocked"),
			Resources: &queues,
		},
		Targets: &[]awsevents.IRuleTarget{awseventstargets.NewEventBus(bus, nil)},
	})
	tell(topic, alarm(stack, "QueueBlocked", "A Batch queue starts nothing: there is no capacity, or the account's quota of vCPUs "+
		"(standard, or G for a GPU) is too low. The event on the bus FinishedJobsBus has the reason.",
		awscloudwatch.NewMetric(&awscloudwatch.MetricProps{
			Namespace: jsii.String("AWS/Events"), MetricName: jsii.String("MatchedEvents"),
			DimensionsMap: &map[string]*string{"RuleName": rule.RuleName()},
			Statistic:     jsii.String("Sum"), Period: awscdk.Duration_Minutes(jsii.Number(5)),
		}), 1, 1))
}

func fiveMinutes(statistic string) *awscloudwatch.MetricOptions {
	return &awscloudwatch.MetricOptions{Statistic: jsii.String(statistic), Period: awscdk.Duration_Minutes(jsii.Number(5))}
}

func graph(title string, metrics ...awscloudwatch.IMetric) awscloudwatch.IWidget {
	return awscloudwatch.NewGraphWidget(&awscloudwatch.GraphWidgetProps{
		Title: jsii.String(title), Left: &metrics, Width: jsii.Number(12),
	})
}

// alarm raises an alarm when metric reaches threshold in so many periods in a row. The change of
// its state is an event on the account's default bus; a rule there can send a mail or page an
// engineer.
func alarm(stack awscdk.Stack, id, text string, metric awscloudwatch.IMetric, threshold, periods float64) awscloudwatch.Alarm {
	return awscloudwatch.NewAlarm(stack, jsii.String(id), &awscloudwatch.AlarmProps{
		AlarmDescription:   jsii.String("mapreel: " + text),
		Metric:             metric,
		Threshold:          jsii.Number(threshold),
		EvaluationPeriods:  jsii.Number(periods),
		ComparisonOperator: awscloudwatch.ComparisonOperator_GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
		TreatMissingData:   awscloudwatch.TreatMissingData_NOT_BREACHING,
	})
}

// tell sends an alarm to those who are notified of jobs, if anybody is. The alarms of jobs that failed are not sent: each such job
// has a message of its own.
func tell(topic awssns.Topic, a awscloudwatch.Alarm) {
	if topic != nil {
		a.Node().DefaultChild().(awscloudwatch.CfnAlarm).SetAlarmActions(&[]*string{topic.TopicArn()})
	}
}
