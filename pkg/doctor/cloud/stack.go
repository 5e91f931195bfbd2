package cloud

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/batch"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sfn"
)

// stack looks for a deployed stack, and whether its parts belong together.
func (e *examiner) stack(ctx context.Context) {
	out, err := e.cloudformation().DescribeStacks(ctx, &cloudformation.DescribeStacksInput{StackName: aws.String(e.Stack)})
	switch {
	case isCode(err, "ValidationError"):
		e.ok("stack", "%s is not deployed yet", e.Stack)
		return
	case err != nil:
		e.unread("stack", "cloudformation:DescribeStacks", err)
		return
	case len(out.Stacks) == 0:
		e.ok("stack", "%s is not deployed yet", e.Stack)
		return
	}
	status := string(out.Stacks[0].StackStatus)
	machine := ""
	for _, o := range out.Stacks[0].Outputs {
		if aws.ToString(o.OutputKey) == "StateMachineArn" {
			machine = aws.ToString(o.OutputValue)
		}
	}
	switch {
	case machine == "":
		e.fail("stack", e.Stack+" is not mapreel's: it has no output StateMachineArn", "give the stack's name with --stack")
		return
	case strings.HasSuffix(status, "_IN_PROGRESS"):
		e.warn("stack", e.Stack+" is "+status, "wait for the end of the deploy")
	case status != "CREATE_COMPLETE" && status != "UPDATE_COMPLETE":
		e.fail("stack", e.Stack+" is "+status, "see its events in CloudFormation, and deploy again")
	default:
		e.ok("stack", "%s is %s", e.Stack, status)
	}
	e.machine(ctx, machine)
}

// functionARNs finds the functions that a definition names, with their versions.
var functionARNs = regexp.MustCompile(`arn:[a-z-]+:lambda:[a-z0-9-]+:\d{12}:function:[A-Za-z0-9_-]+(?::[A-Za-z0-9_$-]+)?`)

// machine compares the deployed definition with this program's, and the images of the functions that it names with each other.
func (e *examiner) machine(ctx context.Context, arn string) {
	out, err := e.sfn().DescribeStateMachine(ctx, &sfn.DescribeStateMachineInput{StateMachineArn: &arn})
	if isCode(err, "StateMachineDoesNotExist") {
		e.fail("state machine", arn+" does not exist", "it was deleted outside of CloudFormation: destroy the stack and deploy it again")
		return
	}
	if err != nil {
		e.unread("state machine", "states:DescribeStateMachine", err)
		return
	}
	definition := aws.ToString(out.Definition)
	if !matches(string(e.Definition), definition) {
		e.warn("state machine", "its definition is not this program's", "the stack was deployed by another version of mapreel, or changed by hand: deploy again")
	} else {
		e.ok("state machine", "its definition is this program's")
	}
	e.images(ctx, found(functionARNs, definition), found(definitionARNs, definition))
}

// found returns what an expression finds in a text, each once.
func found(expression *regexp.Regexp, text string) []string {
	return slices.Compact(slices.Sorted(slices.Values(expression.FindAllString(text, -1))))
}

// images compares the images of functions and of Batch job definitions. All of a deployment have one.
func (e *examiner) images(ctx context.Context, functions, definitions []string) {
	if len(functions) == 0 {
		e.fail("functions", "the state machine names no function", "deploy again")
		return
	}
	resolved, named := map[string][]string{}, map[string][]string{} // users of an image, by its digest and by the name that it was given
	for _, arn := range functions {
		out, err := e.lambda().GetFunction(ctx, &lambda.GetFunctionInput{FunctionName: &arn})
		if isCode(err, "ResourceNotFoundException") {
			e.fail("functions", "the state machine names "+arn+", which does not exist", "deploy again")
			return
		}
		if err != nil {
			e.unread("functions", "lambda:GetFunction", err)
			return
		}
		if out.Code == nil {
			continue
		}
		image, name := aws.ToString(out.Code.ResolvedImageUri), aws.ToString(out.Code.ImageUri)
		resolved[image], named[name] = append(resolved[image], arn), append(named[name], arn)
	}
	if !e.alike("functions", resolved) {
		return
	}
	for image := range resolved {
		e.ok("functions", "%d, all with %s", len(functions), image)
	}
	e.jobs(ctx, definitions, named)
}

// alike reports whether all users have one image, and a failure where they do not.
func (e *examiner) alike(name string, images map[string][]string) bool {
	if len(images) < 2 {
		return true
	}
	var list []string
	for image, users := range images {
		list = append(list, fmt.Sprintf("%d with %s", len(users), image))
	}
	slices.Sort(list)
	e.fail(name, "they have different images: "+strings.Join(list, ", "), "one was changed outside of CloudFormation: deploy again")
	return false
}

// definitionARNs finds the Batch job definitions that a definition names, with their revisions.
var definitionARNs = regexp.MustCompile(`arn:[a-z-]+:batch:[a-z0-9-]+:\d{12}:job-definition/[A-Za-z0-9_-]+:\d+`)

// jobs looks at the job definitions that the machine submits. images are those of the functions, by the names that they were
// given, and their users.
func (e *examiner) jobs(ctx context.Context, definitions []string, images map[string][]string) {
	const name = "job definitions"
	if len(definitions) == 0 {
		return // a deployment without Batch
	}
	out, err := e.batch().DescribeJobDefinitions(ctx, &batch.DescribeJobDefinitionsInput{JobDefinitions: definitions})
	if err != nil {
		e.unread(name, "batch:DescribeJobDefinitions", err)
		return
	}
	active := 0
	for _, d := range out.JobDefinitions {
		arn := aws.ToString(d.JobDefinitionArn)
		if aws.ToString(d.Status) != "ACTIVE" || d.ContainerProperties == nil {
			continue
		}
		active++
		image := aws.ToString(d.ContainerProperties.Image)
		images[image] = append(images[image], arn)
	}
	if active < len(definitions) {
		e.fail(name, fmt.Sprintf("the state machine names %d, of which %d can be submitted", len(definitions), active),
			"one was deregistered outside of CloudFormation: deploy again")
		return
	}
	if e.alike(name, images) {
		e.ok(name, "%d, with the image of the functions", len(definitions))
	}
}

// placeholder is what CloudFormation fills in a definition.
var placeholder = regexp.MustCompile(`\$\{[A-Za-z]+\}`)

// matches reports whether text is the template with each placeholder filled.
func matches(template, text string) bool {
	parts := placeholder.Split(template, -1)
	if !strings.HasPrefix(text, parts[0]) || !strings.HasSuffix(text, parts[len(parts)-1]) {
		return false
	}
	for _, part := range parts { // each after the one before, at its first place
		i := strings.Index(text, part)
		if i < 0 {
			return false
		}
		text = text[i+len(part):]
	}
	return true
}
