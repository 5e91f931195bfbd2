package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/assertions"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdklabs/cdk-nag-go/cdknag/v2"
	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/lambdafn"
	"github.com/mapreel/mapreel/statemachine"
)

const someImage = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/mapreel:v1"

type object = map[string]any

// variants are the deployments that are held to every rule, with how many of some resources each has.
var variants = []struct {
	name    string
	context object
	count   map[string]float64
}{
	{"default", object{}, map[string]float64{
		"AWS::EC2::VPC": 1, "AWS::EFS::FileSystem": 1, "AWS::Batch::JobQueue": 1, "AWS::EC2::NatGateway": 0,
		"AWS::EC2::VPCEndpoint": 2, "AWS::EC2::InternetGateway": 1,
	}},
	{"scratch=s3", object{"scratch": "s3"}, map[string]float64{
		"AWS::EC2::VPC": 0, "AWS::EC2::Subnet": 0, "AWS::EFS::FileSystem": 0, "AWS::Batch::JobQueue": 0,
	}},
	{"scratch=s3 batch=true", object{"scratch": "s3", "batch": "true"}, map[string]float64{
		"AWS::EC2::VPC": 1, "AWS::EFS::FileSystem": 0, "AWS::Batch::JobQueue": 1,
	}},
	{"gpu=true", object{"gpu": "true"}, map[string]float64{
		"AWS::Batch::JobQueue": 2, "AWS::Batch::JobDefinition": 2, "AWS::Batch::ComputeEnvironment": 2,
	}},
	{"batch=false", object{"batch": "false"}, map[string]float64{
		"AWS::EC2::VPC": 1, "AWS::Batch::JobQueue": 0, "AWS::EC2::InternetGateway": 0, "AWS::EC2::VPCEndpoint": 2,
	}},
	{"batchNetwork=isolated", object{"batchNetwork": "isolated"}, map[string]float64{
		"AWS::EC2::InternetGateway": 0, "AWS::EC2::VPCEndpoint": 8, "AWS::EC2::NatGateway": 0,
	}},
	{"arch=arm64", object{"arch": "arm64"}, map[string]float64{"AWS::Batch::JobQueue": 1}},
	{"imageUri", object{"imageUri": someImage}, map[string]float64{"AWS::Lambda::Function": 7}},
	{"existing buckets", object{"sourceBuckets": "films,more-films", "destinationBuckets": "finished"}, map[string]float64{
		"AWS::S3::Bucket": 1,
	}},
	{"startOnUpload=true", object{"startOnUpload": "true", "encodeConcurrency": "500"}, map[string]float64{
		"AWS::Events::Rule": 3,
	}},
}

func TestMain(m *testing.M) {
	code := m.Run()
	jsii.Close()
	os.Exit(code)
}

// synthesised is a template, and where it lies.
type synthesised struct {
	assertions assertions.Template
	resources  map[string]object
	outputs    object
	folder     string
}

func synth(t *testing.T, context object) synthesised {
	t.Helper()
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "functions"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "functions", "Dockerfile"), []byte("FROM scratch\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	out := t.TempDir()
	app := awscdk.NewApp(&awscdk.AppProps{Outdir: jsii.String(out), AnalyticsReporting: jsii.Bool(false)})
	chosen, err := parseSettings(context)
	if err != nil {
		t.Fatal(err)
	}
	if err := newStack(app, chosen, root); err != nil {
		t.Fatal(err)
	}
	awscdk.Aspects_Of(app).Add(cdknag.NewAwsSolutionsChecks(&cdknag.NagPackProps{
		ReportFormats: &[]cdknag.NagReportFormat{cdknag.NagReportFormat_CSV},
	}), nil)
	app.Synth(nil)
	s := synthesised{folder: out}
	s.assertions = assertions.Template_FromStack(app.Node().FindChild(jsii.String("mapreel")).(awscdk.Stack), nil)
	data, err := os.ReadFile(s.template())
	if err != nil {
		t.Fatal(err)
	}
	var template struct {
		Resources map[string]object
		Outputs   object
	}
	if err := json.Unmarshal(data, &template); err != nil {
		t.Fatal(err)
	}
	s.resources, s.outputs = template.Resources, template.Outputs
	return s
}

func (s synthesised) template() string { return filepath.Join(s.folder, "mapreel.template.json") }

// of returns the resources of a type by their logical names.
func (s synthesised) of(kind string) map[string]object {
	found := map[string]object{}
	for name, r := range s.resources {
		if r["Type"] == kind {
			found[name] = r
		}
	}
	return found
}

func props(r object) object {
	p, _ := r["Properties"].(object)
	return p
}

func TestEveryVariant(t *testing.T) {
	for _, v := range variants {
		t.Run(v.name, func(t *testing.T) {
			s := synth(t, v.context)
			t.Logf("%d resources", len(s.resources))
			for kind, count := range v.count {
				if got := len(s.of(kind)); got != int(count) {
					t.Errorf("%d of %s, want %v", got, kind, count)
				}
			}
			nothingIsFoundByNag(t, s)
			nothingIsFoundByLint(t, s)
			everyTaskIsWired(t, s)
			programsUnderstandTheirSettings(t, s)
			limitsAreOrdered(t, s)
			wildcardsHaveReasons(t, s)
			nothingIsPublic(t, s)
			whatIsStoredExpires(t, s)
			onlyMediaOutlivesTheStack(t, s)
			everythingIsTagged(t, s)
		})
	}
}

// nothingIsFoundByNag reads the report of cdk-nag, which prints nothing by itself.
func nothingIsFoundByNag(t *testing.T, s synthesised) {
	t.Helper()
	reports, err := filepath.Glob(filepath.Join(s.folder, "AwsSolutions-*-NagReport.csv"))
	if err != nil || len(reports) != 1 {
		t.Fatalf("reports of cdk-nag: %v, %v", reports, err)
	}
	file, err := os.Open(reports[0])
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	lines, err := csv.NewReader(file).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if len(lines) < 20 {
		t.Errorf("the report has only %d lines", len(lines))
	}
	for _, line := range lines[1:] { // Rule ID, Resource ID, Compliance, Exception Reason, Rule Level, Rule Info
		switch line[2] {
		case "Compliant", "Suppressed", "N/A":
		default:
			t.Errorf("cdk-nag: %s at %s: %s: %s", line[0], line[1], line[2], line[5])
		}
	}
}

// nothingIsFoundByLint runs cfn-lint where it is installed.
func nothingIsFoundByLint(t *testing.T, s synthesised) {
	t.Helper()
	tool, err := exec.LookPath("cfn-lint")
	if err != nil {
		t.Log("cfn-lint is not installed")
		return
	}
	out, err := exec.CommandContext(t.Context(), tool, "--regions", "eu-west-1", "--format", "json", "--", s.template()).Output()
	var findings []struct {
		Rule     struct{ ID string }
		Message  string
		Location struct{ Path []any }
	}
	if json.Unmarshal(out, &findings) != nil {
		t.Fatalf("cfn-lint gave no report: %v\n%s", err, out)
	}
	for _, f := range findings {
		at := fmt.Sprint(f.Location.Path)
		switch {
		case f.Rule.ID == "W3005": // the CDK writes dependencies that a reference implies already
		case f.Rule.ID == "E1101" && strings.HasPrefix(at, "[Resources Machine") && strings.Contains(f.Message, "sequence item"):
			// cfn-lint 1.51 reads a DefinitionString in JSONata by the schema for JSONPath, and stumbles over its own
			// message. asl-validator and the lint in package statemachine check the definition.
		default:
			t.Errorf("cfn-lint: %s at %s: %s", f.Rule.ID, at, f.Message)
		}
	}
}

func everyTaskIsWired(t *testing.T, s synthesised) {
	t.Helper()
	machines := s.of("AWS::StepFunctions::StateMachine")
	if len(machines) != 1 {
		t.Fatalf("%d state machines", len(machines))
	}
	for _, m := range machines {
		p := props(m)
		if p["DefinitionString"] != string(statemachine.Definition()) {
			t.Error("the machine's definition is not the project's, byte for byte")
		}
		given, _ := p["DefinitionSubstitutions"].(object)
		if diff := cmp.Diff(statemachine.Placeholders(), slices.Sorted(maps.Keys(given))); diff != "" {
			t.Errorf("substitutions (-placeholders +given):\n%s", diff)
		}
		for _, task := range statemachine.Tasks() {
			arn, _ := given[statemachine.Placeholder(task)].(object)
			target, _ := arn["Fn::GetAtt"].([]any)
			if len(target) != 2 {
				t.Errorf("%s stands for %v, which is no function's ARN", statemachine.Placeholder(task), arn)
				continue
			}
			config, _ := props(s.resources[target[0].(string)])["ImageConfig"].(object)
			if got := fmt.Sprint(config["EntryPoint"]); got != "["+binaries+task+"]" {
				t.Errorf("the task %s runs %s", task, got)
			}
		}
	}
	if got, want := len(functions), len(statemachine.Tasks()); got != want {
		t.Errorf("the table has %d functions for %d tasks", got, want)
	}
}

// programsUnderstandTheirSettings hands what functions and jobs are told to the code that reads it there.
func programsUnderstandTheirSettings(t *testing.T, s synthesised) {
	t.Helper()
	told := map[string]map[string]string{}
	for name, f := range s.of("AWS::Lambda::Function") {
		if variables, ok := props(f)["Environment"].(object); ok {
			told[name] = map[string]string{}
			for k, v := range variables["Variables"].(object) {
				told[name][k] = resolved(v)
			}
		}
	}
	for name, d := range s.of("AWS::Batch::JobDefinition") {
		told[name] = map[string]string{}
		for _, v := range props(d)["ContainerProperties"].(object)["Environment"].([]any) {
			told[name][v.(object)["Name"].(string)] = resolved(v.(object)["Value"])
		}
	}
	if want := len(statemachine.Tasks()) + len(s.of("AWS::Batch::JobDefinition")); len(told) != want {
		t.Errorf("%d programs are told something, want %d", len(told), want)
	}
	queues := lambdafn.Queues{CPU: len(s.of("AWS::Batch::JobQueue")) > 0, GPU: len(s.of("AWS::Batch::JobQueue")) > 1}
	for name, variables := range told {
		got, err := lambdafn.ParseSettings(func(key string) string { return variables[key] })
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got.Queues != queues {
			t.Errorf("%s is told of the queues %+v; there are %+v", name, got.Queues, queues)
		}
		if files := len(s.of("AWS::EFS::FileSystem")) > 0; files != (got.Scratch != "") {
			t.Errorf("%s is told that pieces lie in %q; a file system: %v", name, got.Scratch, files)
		}
	}
}

// resolved is what CloudFormation makes of a value, with a resource's logical name for its physical one.
func resolved(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case object:
		if name, ok := v["Ref"].(string); ok {
			return strings.ToLower(name)
		}
		if join, ok := v["Fn::Join"].([]any); ok {
			var parts []string
			for _, part := range join[1].([]any) {
				parts = append(parts, resolved(part))
			}
			return strings.Join(parts, join[0].(string))
		}
	}
	return fmt.Sprint(v)
}

// limitsAreOrdered compares the time limits: function < task < machine, and all attempts of a job < its task.
func limitsAreOrdered(t *testing.T, s synthesised) {
	t.Helper()
	var machine object
	if err := json.Unmarshal(statemachine.Definition(), &machine); err != nil {
		t.Fatal(err)
	}
	tasks := map[string]float64{} // resource → the shortest limit of a state that calls it
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case object:
			if v["Type"] == "Task" {
				limit, resource := v["TimeoutSeconds"].(float64), v["Resource"].(string)
				if known, ok := tasks[resource]; !ok || limit < known {
					tasks[resource] = limit
				}
			}
			for _, e := range v {
				walk(e)
			}
		case []any:
			for _, e := range v {
				walk(e)
			}
		}
	}
	walk(machine)
	whole := machine["TimeoutSeconds"].(float64)
	for name, f := range s.of("AWS::Lambda::Function") {
		config, ours := props(f)["ImageConfig"].(object)
		if !ours {
			continue // the CDK's own, which empties the scratch bucket when the stack goes
		}
		program := config["EntryPoint"].([]any)[0].(string)
		limit := tasks["${"+statemachine.Placeholder(strings.TrimPrefix(program, binaries))+"}"]
		if timeout := props(f)["Timeout"].(float64); timeout >= limit {
			t.Errorf("%s may take %v s, its task %v s", name, timeout, limit)
		}
		if limit >= whole {
			t.Errorf("the task of %s may take %v s, the machine %v s", name, limit, whole)
		}
	}
	for name, d := range s.of("AWS::Batch::JobDefinition") {
		p := props(d)
		attempt := p["Timeout"].(object)["AttemptDurationSeconds"].(float64)
		tries := p["RetryStrategy"].(object)["Attempts"].(float64)
		if limit := tasks["arn:${Partition}:states:::batch:submitJob.sync"]; attempt*tries >= limit {
			t.Errorf("%s may take %v × %v s, its task %v s", name, tries, attempt, limit)
		}
	}
}

// wildcardsHaveReasons finds every Allow with a wildcard in its actions or resources. Where one stands, the template
// must carry the written reason.
func wildcardsHaveReasons(t *testing.T, s synthesised) {
	t.Helper()
	for name, r := range s.resources {
		p := props(r)
		var documents []any
		for _, field := range []string{"PolicyDocument", "AssumeRolePolicyDocument"} {
			documents = append(documents, p[field])
		}
		if list, ok := p["Policies"].([]any); ok {
			for _, e := range list {
				documents = append(documents, e.(object)["PolicyDocument"])
			}
		}
		for _, d := range documents {
			document, _ := d.(object)
			statements, _ := document["Statement"].([]any)
			for _, e := range statements {
				statement := e.(object)
				if statement["Effect"] != "Allow" {
					continue
				}
				if text := fmt.Sprint(statement["Action"]); strings.Contains(text, "*") && !hasReason(r) {
					t.Errorf("%s allows %s without a reason", name, text)
				}
				data, err := json.Marshal(statement["Resource"])
				if err != nil {
					t.Fatal(err)
				}
				if strings.Contains(string(data), "*") && !hasReason(r) {
					t.Errorf("%s allows %v on %s without a reason", name, statement["Action"], data)
				}
				if principal := fmt.Sprint(statement["Principal"]); strings.Contains(principal, "*") {
					t.Errorf("%s allows everybody %v", name, statement["Action"])
				}
			}
		}
	}
}

func hasReason(r object) bool {
	metadata, _ := r["Metadata"].(object)
	nag, _ := metadata["cdk_nag"].(object)
	rules, _ := nag["rules_to_suppress"].([]any)
	return slices.ContainsFunc(rules, func(e any) bool {
		rule := e.(object)
		reason, _ := rule["reason"].(string)
		return rule["id"] == "AwsSolutions-IAM5" && len(reason) > 30
	})
}

func nothingIsPublic(t *testing.T, s synthesised) {
	t.Helper()
	for name, b := range s.of("AWS::S3::Bucket") {
		block, _ := props(b)["PublicAccessBlockConfiguration"].(object)
		for _, field := range []string{"BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"} {
			if block[field] != true {
				t.Errorf("%s: %s is %v", name, field, block[field])
			}
		}
		if props(b)["BucketEncryption"] == nil {
			t.Errorf("%s is not encrypted", name)
		}
	}
	if got, want := len(s.of("AWS::S3::BucketPolicy")), len(s.of("AWS::S3::Bucket")); got != want {
		t.Errorf("%d bucket policies for %d buckets: each must refuse what is not TLS", got, want)
	}
	for name, r := range s.resources {
		var rules []any
		switch r["Type"] {
		case "AWS::EC2::SecurityGroup":
			rules, _ = props(r)["SecurityGroupIngress"].([]any)
		case "AWS::EC2::SecurityGroupIngress":
			rules = []any{props(r)}
		case "AWS::Lambda::Url":
			t.Errorf("%s is a function's public address", name)
		}
		for _, rule := range rules {
			if rule.(object)["SourceSecurityGroupId"] == nil {
				t.Errorf("%s lets in %v", name, rule)
			}
		}
	}
	for name, f := range s.of("AWS::EFS::FileSystem") {
		if props(f)["Encrypted"] != true {
			t.Errorf("%s is not encrypted", name)
		}
	}
}

func whatIsStoredExpires(t *testing.T, s synthesised) {
	t.Helper()
	s.assertions.HasResourceProperties(jsii.String("AWS::DynamoDB::Table"), object{
		"BillingMode":             "PAY_PER_REQUEST",
		"TimeToLiveSpecification": object{"AttributeName": "expiresAt", "Enabled": true},
	})
	s.assertions.HasResourceProperties(jsii.String("AWS::S3::Bucket"), object{
		"LifecycleConfiguration": object{"Rules": []any{object{
			"AbortIncompleteMultipartUpload": object{"DaysAfterInitiation": 1}, "ExpirationInDays": 3, "Status": "Enabled",
		}}},
	})
	for name, b := range s.of("AWS::S3::Bucket") {
		if props(b)["LifecycleConfiguration"] == nil {
			t.Errorf("%s keeps unfinished uploads for ever", name)
		}
	}
	for name, l := range s.of("AWS::Logs::LogGroup") {
		if props(l)["RetentionInDays"] == nil {
			t.Errorf("%s keeps its lines for ever", name)
		}
	}
}

func onlyMediaOutlivesTheStack(t *testing.T, s synthesised) {
	t.Helper()
	for name, r := range s.resources {
		media := r["Type"] == "AWS::S3::Bucket" && strings.HasPrefix(name, "Media")
		if policy := r["DeletionPolicy"]; (policy == "Retain") != media {
			t.Errorf("%s (%s) has the deletion policy %v", name, r["Type"], policy)
		}
	}
	for kind := range map[string]bool{"AWS::DynamoDB::Table": true, "AWS::EFS::FileSystem": true, "AWS::Logs::LogGroup": true} {
		for name, r := range s.of(kind) {
			if r["DeletionPolicy"] != "Delete" {
				t.Errorf("%s stays when the stack goes", name)
			}
		}
	}
}

func everythingIsTagged(t *testing.T, s synthesised) {
	t.Helper()
	for _, kind := range []string{
		"AWS::S3::Bucket", "AWS::DynamoDB::Table", "AWS::EC2::VPC", "AWS::IAM::Role", "AWS::StepFunctions::StateMachine",
		"AWS::Logs::LogGroup", "AWS::Batch::JobQueue", "AWS::Batch::JobDefinition", "AWS::Batch::ComputeEnvironment",
	} {
		for name, r := range s.of(kind) {
			data, err := json.Marshal(props(r)["Tags"])
			if err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(name, "CustomS3AutoDelete") {
				continue // the CDK's own
			}
			if text := string(data); !strings.Contains(text, "project") || !strings.Contains(text, "mapreel") {
				t.Errorf("%s has the tags %s", name, text)
			}
		}
	}
}

func TestMachineMayReadItsItemsAndNothingElseInTheBucket(t *testing.T) {
	s := synth(t, object{})
	policies := map[string]string{}
	for name, p := range s.of("AWS::IAM::Policy") {
		if !strings.HasPrefix(name, "MachineRole") && !strings.HasPrefix(name, "MapRuns") {
			continue
		}
		for _, e := range props(p)["PolicyDocument"].(object)["Statement"].([]any) {
			data, err := json.Marshal(e.(object)["Resource"])
			if err != nil {
				t.Fatal(err)
			}
			actions, ok := e.(object)["Action"].([]any)
			if !ok {
				actions = []any{e.(object)["Action"]}
			}
			for _, a := range actions {
				policies[a.(string)] += string(data)
			}
		}
	}
	for action, part := range map[string]string{
		"s3:GetObject":             "/*/items.json",
		"states:StartExecution":    "Machine",
		"states:DescribeExecution": ":execution:",
		"states:StopExecution":     ":execution:",
		"states:RedriveExecution":  ":execution:",
		"batch:SubmitJob":          "CpuQueue",
		"events:PutRule":           "rule/StepFunctionsGetEventsForBatchJobsRule",
		"events:PutTargets":        "rule/StepFunctionsGetEventsForBatchJobsRule",
		"events:DescribeRule":      "rule/StepFunctionsGetEventsForBatchJobsRule",
	} {
		if got := policies[action]; !strings.Contains(got, part) || got == `"*"` {
			t.Errorf("%s is allowed on %q, want one with %q", action, got, part)
		}
	}
	for action := range policies {
		if strings.HasPrefix(action, "s3:") && action != "s3:GetObject" {
			t.Errorf("the machine may %s", action)
		}
	}
}

func TestStagesMayDoWhatTheyDo(t *testing.T) {
	s := synth(t, object{"scratch": "s3"})
	actions := map[string][]string{}
	for name, p := range s.of("AWS::IAM::Policy") {
		task, ok := strings.CutSuffix(strings.SplitN(name, "DefaultPolicy", 2)[0], "Role")
		if !ok {
			continue
		}
		for _, e := range props(p)["PolicyDocument"].(object)["Statement"].([]any) {
			list, ok := e.(object)["Action"].([]any)
			if !ok {
				list = []any{e.(object)["Action"]}
			}
			for _, a := range list {
				actions[task] = append(actions[task], a.(string))
			}
		}
	}
	for _, c := range []struct {
		action string
		tasks  []string
	}{
		{"s3:DeleteObject", []string{"Audio", "Encode", "Finish", "Merge", "Split"}},
		{"dynamodb:PutItem", []string{"Analyse", "Split"}},
		{"dynamodb:BatchWriteItem", []string{"Analyse", "Split"}},
		{"dynamodb:UpdateItem", []string{"Analyse", "Audio", "Encode", "Finish", "Merge", "Split"}},
		{"s3:PutObject", []string{"Analyse", "Audio", "Encode", "Merge", "Split"}},
		{"dynamodb:DeleteItem", nil},
		{"dynamodb:Scan", nil},
		{"s3:DeleteBucket", nil},
	} {
		var got []string
		for _, task := range slices.Sorted(maps.Keys(actions)) {
			if slices.Contains(actions[task], c.action) && slices.Contains(statemachine.Tasks(), strings.ToLower(task)) {
				got = append(got, task)
			}
		}
		if diff := cmp.Diff(c.tasks, got); diff != "" {
			t.Errorf("who may %s (-want +got):\n%s", c.action, diff)
		}
	}
}

func TestWhoMayDoWhatAtDestinations(t *testing.T) {
	s := synth(t, object{"scratch": "s3", "batch": "true"})
	got := map[string][]string{} // action → roles
	for name, p := range s.of("AWS::IAM::Policy") {
		role := strings.TrimSuffix(strings.SplitN(name, "DefaultPolicy", 2)[0], "Role")
		for _, e := range props(p)["PolicyDocument"].(object)["Statement"].([]any) {
			statement := e.(object)
			actions, ok := statement["Action"].([]any)
			if !ok {
				actions = []any{statement["Action"]}
			}
			resources, ok := statement["Resource"].([]any)
			if !ok {
				resources = []any{statement["Resource"]}
			}
			condition, err := json.Marshal(statement["Condition"])
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range resources {
				at, err := json.Marshal(r)
				if err != nil {
					t.Fatal(err)
				}
				for _, a := range actions {
					switch text := string(at); {
					case !strings.Contains(text, `["Media`):
					case strings.Contains(text, `"/out/*"`):
						got[a.(string)] = append(got[a.(string)], role)
					case strings.Contains(string(condition), `"s3:prefix":"out/*"`):
						got[a.(string)+" of out/"] = append(got[a.(string)+" of out/"], role)
					case a == "s3:ListBucket":
						got[a.(string)] = append(got[a.(string)], role)
					}
				}
			}
		}
	}
	for _, roles := range got {
		slices.Sort(roles)
	}
	want := map[string][]string{
		"s3:GetObject":            {"Analyse", "Merge", "Split"},
		"s3:PutObject":            {"BatchJob", "Encode", "Merge"}, // media segments, and all else
		"s3:AbortMultipartUpload": {"BatchJob", "Encode", "Merge"},
		"s3:ListBucket":           {"Analyse", "Split"},
		"s3:ListBucket of out/":   {"Merge"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("who may do what at destinations (-want +got):\n%s", diff)
	}
}

func TestPatternsOfPiecesFitTheirKeys(t *testing.T) {
	for _, c := range []struct{ pattern, key string }{
		{items, film.ItemsKey("0a1b")},
		{splits, film.SplitKey("0a1b", 12)},
		{pictures, film.ArtifactKey("0a1b", film.VideoUnit(12), 1, 0, "mp4")},
		{sounds, film.ArtifactKey("0a1b", film.AudioUnit(3), 2, 0, "mkv")},
		{merged, film.ArtifactKey("0a1b", film.OutputUnit("film"), 1, 0, "mp4")},
	} {
		if ok, err := path.Match(c.pattern, c.key); err != nil || !ok {
			t.Errorf("the pattern %s does not fit %s", c.pattern, c.key)
		}
		if strings.Count(c.pattern, "*") > 2 || strings.HasPrefix(c.pattern, "*/*") {
			t.Errorf("the pattern %s fits more than its sort of piece", c.pattern)
		}
	}
}

func TestWorkersWithAFileSystemHaveNoRouteToTheInternet(t *testing.T) {
	s := synth(t, object{})
	routed := map[string]bool{} // route tables with a way out
	for _, r := range s.of("AWS::EC2::Route") {
		routed[props(r)["RouteTableId"].(object)["Ref"].(string)] = true
	}
	out := map[string]bool{} // subnets with a way out
	for _, a := range s.of("AWS::EC2::SubnetRouteTableAssociation") {
		if routed[props(a)["RouteTableId"].(object)["Ref"].(string)] {
			out[props(a)["SubnetId"].(object)["Ref"].(string)] = true
		}
	}
	if len(out) == 0 {
		t.Fatal("found no public subnet at all; the default has one a zone for Batch")
	}
	checked := 0
	for name, f := range s.of("AWS::Lambda::Function") {
		config, ok := props(f)["VpcConfig"].(object)
		if !ok {
			continue
		}
		for _, subnet := range config["SubnetIds"].([]any) {
			checked++
			if out[subnet.(object)["Ref"].(string)] {
				t.Errorf("%s sits in a subnet with a route to the internet", name)
			}
		}
	}
	if want := 2 * len(statemachine.Tasks()); checked != want {
		t.Errorf("checked %d subnets of functions, want %d", checked, want)
	}
}

func TestFailureReachesFinishWithTheExecution(t *testing.T) {
	s := synth(t, object{"scratch": "s3"})
	s.assertions.HasResourceProperties(jsii.String("AWS::Events::Rule"), object{
		"EventPattern": object{"detail": object{"status": []any{"FAILED", "TIMED_OUT", "ABORTED"}}},
		"Targets": []any{object{"InputTransformer": object{
			"InputPathsMap": object{
				"detail-executionArn": "$.detail.executionArn", "detail-status": "$.detail.status",
				"detail-error": "$.detail.error", "detail-cause": "$.detail.cause",
			},
		}}},
	})
}

func TestUploadStartsTheMachineOnlyWhereItWasChosen(t *testing.T) {
	upload := object{"EventPattern": object{"detail-type": []any{"Object Created"}}}
	synth(t, object{"scratch": "s3"}).assertions.ResourcePropertiesCountIs(jsii.String("AWS::Events::Rule"), upload, jsii.Number(0))
	s := synth(t, object{"scratch": "s3", "startOnUpload": "true"})
	s.assertions.ResourcePropertiesCountIs(jsii.String("AWS::Events::Rule"), upload, jsii.Number(1))
	s.assertions.HasResourceProperties(jsii.String("AWS::S3::Bucket"), object{
		"NotificationConfiguration": object{"EventBridgeConfiguration": object{"EventBridgeEnabled": true}},
	})
}

func TestOutputsNameWhatAUserNeeds(t *testing.T) {
	want := []string{
		"DashboardName", "DestinationBucket", "FinishedJobsBus", "LedgerTable", "ScratchBucket", "SourceBucket", "StateMachineArn",
	}
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(synth(t, object{"scratch": "s3"}).outputs))); diff != "" {
		t.Errorf("outputs (-want +got):\n%s", diff)
	}
}

func TestWithoutADockerfileTheErrorSaysWhatToDo(t *testing.T) {
	app := awscdk.NewApp(&awscdk.AppProps{Outdir: jsii.String(t.TempDir())})
	chosen, err := parseSettings(nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := newStack(app, chosen, t.TempDir()); err == nil || !strings.Contains(err.Error(), "imageUri") {
		t.Errorf("error %v", err)
	}
}

func TestCommandLineSynthesisesOrSaysWhatIsWrong(t *testing.T) {
	cdk, err := filepath.Abs("../node_modules/.bin/cdk")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(cdk); err != nil {
		t.Fatal("the CDK's command line is not installed; run: make setup")
	}
	run := func(args ...string) (string, error) {
		args = append([]string{"synth", "--quiet", "--no-notices", "--output", t.TempDir()}, args...)
		cmd := exec.CommandContext(t.Context(), cdk, args...)
		cmd.Dir = ".."
		cmd.Env = append(os.Environ(), "AWS_EC2_METADATA_DISABLED=true", "CDK_DISABLE_CLI_TELEMETRY=true")
		out, err := cmd.CombinedOutput()
		return string(out), err
	}
	if out, err := run("-c", "imageUri="+someImage); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	out, err := run("-c", "scratch=nfs")
	if err == nil || !strings.Contains(out, "scratch=nfs: choose efs or s3") || strings.Contains(out, "goroutine") {
		t.Errorf("error %v\n%s", err, out)
	}
}
