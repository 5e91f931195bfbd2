package main

import (
	"encoding/json"
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsapigatewayv2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsapigatewayv2authorizers"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsapigatewayv2integrations"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awseventstargets"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awslambda"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssnssubscriptions"
	"github.com/aws/jsii-runtime-go"

	"github.com/mapreel/mapreel/pkg/estimate"
	"github.com/mapreel/mapreel/pkg/intake"
	blenderprogram "github.com/mapreel/mapreel/pkg/render/blender"
)

// doors makes the functions that stand before and after the state machine.
type doors struct {
	stack  awscdk.Stack
	chosen settings
	store  storage
	image  image
	flow   workflow
	topic  awssns.Topic // nil without the setting notify
}

// newIntake makes what the deployment asks for: the API, the start of uploads, and notifications. It returns the URL of the API,
// or nil.
func newIntake(stack awscdk.Stack, chosen settings, store storage, img image, flow workflow, topic awssns.Topic) (url *string) {
	d := doors{stack, chosen, store, img, flow, topic}
	if topic != nil {
		d.notify()
	}
	if chosen.startOnUpload {
		d.uploads()
	}
	if chosen.api {
		url = d.api()
	}
	return url
}

// function makes a function of the program's argument name. Its role may read the ledger and describe executions.
func (d doors) function(id, name string, seconds float64, allow func(r rights)) awslambda.DockerImageFunction {
	logs := d.chosen.logGroup(d.stack, id+"Log", nil)
	role := awsiam.NewRole(d.stack, jsii.String(id+"Role"), &awsiam.RoleProps{
		Description: jsii.String("mapreel: the function " + name),
		AssumedBy:   awsiam.NewServicePrincipal(jsii.String("lambda.amazonaws.com"), nil),
	})
	logs.GrantWrite(role)
	r := rights{role: role, store: d.store}
	r.allow([]string{"dynamodb:GetItem", "dynamodb:Query"}, d.store.table.TableArn())
	r.allow([]string{"states:DescribeExecution"}, executions(d.stack, d.flow.machine, ":*"))
	allow(r)
	environment := map[string]*string{
		intake.MachineVariable: d.flow.machine.StateMachineArn(), intake.TableVariable: d.store.table.TableName(),
		intake.SourcesVariable: placeList(d.store.sources), intake.DestinationsVariable: placeList(d.store.destinations),
	}
	nameWebSources(environment, d.chosen)
	nameOwners(environment, d.chosen, d.store)
	if d.topic != nil {
		environment[intake.TopicVariable] = d.topic.TopicArn()
	}
	memory := 512.0 // JSON only; with less, the program takes seconds to start
	if name == "api" {
		memory = mibPerCPU // a dry run probes the source and simulates the job
		environment[intake.DeploymentVariable] = d.workers()
		environment[blenderprogram.Variable] = jsii.String(blenderprogram.None) // imageUri may name an image that has Blender
	}
	fn := awslambda.NewDockerImageFunction(d.stack, jsii.String(id), &awslambda.DockerImageFunctionProps{
		Description:  jsii.String("mapreel: " + name),
		Code:         d.image.run(name),
		Architecture: d.image.platform,
		MemorySize:   jsii.Number(memory),
		Timeout:      awscdk.Duration_Seconds(jsii.Number(seconds)),
		Environment:  &environment,
		Role:         role,
		LogGroup:     logs,
	})
	excuse(role, "IAM5", "Executions have names that are not known before; "+reasonForWildcards)
	return fn
}

// workers describes the workers of the deployment, as filmjob.ParseDeployment reads it.
func (d doors) workers() *string {
	text, err := json.Marshal(estimate.Deployment{
		Memory: int64(d.chosen.functionMemory), Concurrency: int(d.chosen.concurrency()), ScratchS3: d.chosen.scratch == "s3", Arm: d.chosen.arch == "arm64",
	})
	if err != nil {
		panic(err) // numbers and truths
	}
	return jsii.String(string(text))
}

// placeList returns places as intake.ParsePlaces reads them.
func placeList(list []place) *string {
	var urls []string
	for _, p := range list {
		urls = append(urls, intake.Place{Bucket: *p.bucket.BucketName(), Prefix: p.prefix}.String())
	}
	return jsii.String(strings.Join(urls, " "))
}

// start lets a role start executions of requests whose sources it can look at.
func (d doors) start(r rights) {
	r.allow([]string{"states:StartExecution"}, d.flow.machine.StateMachineArn())
	r.readSources() // looks for the source, and reads the preset of an upload
}

// uploads starts an execution for every upload under in/. An existing bucket must be set to send its events to EventBridge.
func (d doors) uploads() {
	fn := d.function("Upload", "upload", 60, func(r rights) {
		d.start(r)
		d.publish(r)
	})
	var buckets []*string
	for _, p := range d.store.sources {
		buckets = append(buckets, p.bucket.BucketName())
	}
	awsevents.NewRule(d.stack, jsii.String("Uploaded"), &awsevents.RuleProps{
		Description: jsii.String("mapreel: transcodes every upload under in/, with its preset or the defaults"),
		EventPattern: &awsevents.EventPattern{
			Source: jsii.Strings("aws.s3"), DetailType: jsii.Strings("Object Created"),
			Detail: &map[string]any{
				"bucket": map[string]any{"name": buckets},
				"object": map[string]any{
					"key":  uploads(),
					"size": []any{map[string]any{"numeric": []any{">", 0}}}, // a folder's marker is empty
				},
			},
		},
		Targets: &[]awsevents.IRuleTarget{awseventstargets.NewLambdaFunction(fn, nil)},
	})
	alarm(d.stack, "UploadsRefused", "No job was started for an upload: its preset is wrong, or it could not be read. The log of the function Upload says why.",
		fn.MetricErrors(fiveMinutes("Sum")), 1, 1)
}

// publish lets a role send messages, where there is a topic.
func (d doors) publish(r rights) {
	if d.topic != nil {
		r.allow([]string{"sns:Publish"}, d.topic.TopicArn())
	}
}

// notify sends a message about every execution that ended.
func (d doors) notify() {
	fn := d.function("Notify", "notify", 60, d.publish)
	awsevents.NewRule(d.stack, jsii.String("Notified"), &awsevents.RuleProps{
		Description:  jsii.String("mapreel: a message about each job that ended"),
		EventPattern: status(d.flow, "SUCCEEDED", "FAILED", "TIMED_OUT", "ABORTED"),
		Targets:      &[]awsevents.IRuleTarget{awseventstargets.NewLambdaFunction(fn, nil)},
	})
}

// newTopic makes the topic of all messages. It returns nil without the setting notify.
func newTopic(stack awscdk.Stack, chosen settings) awssns.Topic {
	if len(chosen.notify) == 0 {
		return nil
	}
	topic := awssns.NewTopic(stack, jsii.String("Messages"), &awssns.TopicProps{
		DisplayName: jsii.String("mapreel"), EnforceSSL: jsii.Bool(true),
	})
	// Alarms are sent by CloudWatch itself, which has no role.
	topic.AddToResourcePolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Principals: &[]awsiam.IPrincipal{awsiam.NewServicePrincipal(jsii.String("cloudwatch.amazonaws.com"), nil)},
		Actions:    jsii.Strings("sns:Publish"), Resources: &[]*string{topic.TopicArn()},
		Conditions: &map[string]any{"StringEquals": map[string]any{"aws:SourceAccount": stack.Account()}},
	}))
	for _, to := range chosen.notify {
		if strings.HasPrefix(to, "https://") {
			topic.AddSubscription(awssnssubscriptions.NewUrlSubscription(jsii.String(to), nil))
		} else {
			topic.AddSubscription(awssnssubscriptions.NewEmailSubscription(jsii.String(to), nil))
		}
	}
	return topic
}

// api makes the API. Every call is authorised, by a token or by IAM, before it reaches the function.
func (d doors) api() *string {
	// API Gateway gives up after 30 s.
	fn := d.function("Api", "api", 29, func(r rights) {
		d.start(r)
		r.allow([]string{"states:StopExecution"}, executions(d.stack, d.flow.machine, ":*"))
	})
	var authorizer awsapigatewayv2.IHttpRouteAuthorizer = awsapigatewayv2authorizers.NewHttpIamAuthorizer()
	if d.chosen.apiIssuer != "" {
		authorizer = awsapigatewayv2authorizers.NewHttpJwtAuthorizer(jsii.String("Token"), jsii.String(d.chosen.apiIssuer),
			&awsapigatewayv2authorizers.HttpJwtAuthorizerProps{JwtAudience: jsii.Strings(d.chosen.apiAudience...)})
	}
	api := awsapigatewayv2.NewHttpApi(d.stack, jsii.String("Intake"), &awsapigatewayv2.HttpApiProps{
		ApiName: d.stack.StackName(), Description: jsii.String("mapreel: starts, describes and stops jobs"),
		CreateDefaultStage: jsii.Bool(false), DefaultAuthorizer: authorizer,
	})
	integration := awsapigatewayv2integrations.NewHttpLambdaIntegration(jsii.String("Jobs"), fn, nil)
	for _, route := range []string{intake.RouteSubmit, intake.RouteStatus, intake.RouteStop} {
		method, path, _ := strings.Cut(route, " ")
		api.AddRoutes(&awsapigatewayv2.AddRoutesOptions{
			Path: jsii.String(path), Methods: &[]awsapigatewayv2.HttpMethod{awsapigatewayv2.HttpMethod(method)}, Integration: integration,
		})
	}
	stage := awsapigatewayv2.NewHttpStage(d.stack, jsii.String("IntakeStage"), &awsapigatewayv2.HttpStageProps{
		HttpApi: api, StageName: jsii.String("$default"), AutoDeploy: jsii.Bool(true),
		Throttle: &awsapigatewayv2.ThrottleSettings{
			RateLimit: jsii.Number(d.chosen.apiRate), BurstLimit: jsii.Number(2 * d.chosen.apiRate),
		},
	})
	stage.Node().DefaultChild().(awsapigatewayv2.CfnStage).SetAccessLogSettings(&awsapigatewayv2.CfnStage_AccessLogSettingsProperty{
		DestinationArn: d.chosen.logGroup(d.stack, "IntakeLog", nil).LogGroupArn(),
		Format: jsii.String(`{"request":"$context.requestId","time":"$context.requestTime","route":"$context.routeKey",` +
			`"status":"$context.status","caller":"$context.identity.userArn","error":"$context.error.message"}`),
	})
	return stage.Url()
}
