package main

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"
	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/statemachine"
)

const someImage = "123456789012.dkr.ecr.eu-west-1.amazonaws.com/mapreel:v1"

// variants are the deployments that every rule is checked on, with the number of some of their resources.
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
		"AWS::EC2::VPC": 1, "AWS::EFS::FileSystem": 0, "AWS::Batch::JobQueue": 1, "AWS::Batch::JobDefinition": 4,
	}},
	{"gpu=true", object{"gpu": "true"}, map[string]float64{
		"AWS::Batch::JobQueue": 2, "AWS::Batch::JobDefinition": 5, "AWS::Batch::ComputeEnvironment": 4,
	}},
	{"batch=false", object{"batch": "false"}, map[string]float64{
		"AWS::EC2::VPC": 1, "AWS::Batch::JobQueue": 0, "AWS::EC2::InternetGateway": 0, "AWS::EC2::VPCEndpoint": 2,
	}},
	{"batchNetwork=isolated", object{"batchNetwork": "isolated"}, map[string]float64{
		"AWS::EC2::InternetGateway": 0, "AWS::EC2::VPCEndpoint": 8, "AWS::EC2::NatGateway": 0,
	}},
	{"arch=arm64", object{"arch": "arm64"}, map[string]float64{"AWS::Batch::JobQueue": 1}},
	{"imageUri", object{"imageUri": someImage}, map[string]float64{"AWS::Lambda::Function": 8}},
	{"render=true", object{"scratch": "s3", "batch": "true", "render": "true"}, map[string]float64{
		"AWS::Lambda::Function": 9, "AWS::Batch::JobDefinition": 5,
	}},
	{"kmsKey", object{"scratch": "s3", "kmsKey": someKey + "0"}, map[string]float64{"AWS::KMS::Key": 0}},
	{"existing buckets", object{"sourceBuckets": "films,more-films", "destinationBuckets": "finished"}, map[string]float64{
		"AWS::S3::Bucket": 1,
	}},
	{"existing network", someNetwork, map[string]float64{
		"AWS::EC2::VPC": 0, "AWS::EC2::VPCEndpoint": 0, "AWS::EFS::MountTarget": 2, "AWS::Batch::JobQueue": 1,
	}},
	{"buckets of another account", object{"sourceBuckets": "films,more-films", "bucketAccounts": "films:210987654321"}, nil},
	{"stackName, cidr, logRetention, tags", object{
		"stackName": "films", "cidr": "10.8.0.0/20", "logRetention": "14", "tags": "team=video",
	}, map[string]float64{"AWS::EC2::VPC": 1}},
	{"api=true", object{"api": "true"}, map[string]float64{"AWS::ApiGatewayV2::Route": 3, "AWS::ApiGatewayV2::Authorizer": 0}},
	{"api with tokens, uploads", someTokens, map[string]float64{"AWS::ApiGatewayV2::Authorizer": 1, "AWS::Events::Rule": 5}},
	{"notify", somePeople, map[string]float64{"AWS::SNS::Topic": 1, "AWS::SNS::Subscription": 2}},
	{"delivery=cloudfront", object{"delivery": "cloudfront"}, map[string]float64{"AWS::CloudFront::Distribution": 1}},
	{"startOnUpload=true", object{"startOnUpload": "true", "encodeConcurrency": "500"}, map[string]float64{
		"AWS::Events::Rule": 5,
	}},
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
			checkNag(t, s)
			checkLint(t, s)
			checkDefinition(t, s)
			checkJobRoles(t, s)
			checkEnvironment(t, s)
			checkTimeLimits(t, s)
			checkWildcards(t, s)
			checkOwners(t, s)
			checkHosts(t, s)
			checkNothingIsPublic(t, s)
			checkExpiry(t, s)
			checkDeletion(t, s)
			checkTags(t, s)
		})
	}
}

// checkNag reads the report of cdk-nag, which prints nothing by itself.
func checkNag(t *testing.T, s synthesised) {
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

// checkLint runs cfn-lint where it is installed.
func checkLint(t *testing.T, s synthesised) {
	t.Helper()
	if testing.Short() || !hasNewShape(s) { // ten seconds a template
		return
	}
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
			// cfn-lint 1.51 checks a DefinitionString in JSONata with the schema for JSONPath, and
			// fails while it writes its message. asl-validator and the lint in package statemachine
			// check the definition.
		case f.Rule.ID == "E3601" && strings.HasPrefix(at, "[Resources Machine") &&
			(strings.HasPrefix(f.Message, "'arn:${Partition}:states:::") || strings.HasPrefix(f.Message, "'{% ")):
			// Nor does that schema know placeholders in a Resource, or expressions where JSONPath
			// has a number.
		default:
			t.Errorf("cfn-lint: %s at %s: %s", f.Rule.ID, at, f.Message)
		}
	}
}

// linted holds the shapes of the resources that cfn-lint has seen: their types, with the paths and the
// types of their values.
var linted = map[string]bool{}

// hasNewShape reports whether a template has a resource of a shape that no template before it had.
func hasNewShape(s synthesised) bool {
	found := false
	for _, r := range s.resources {
		paths := map[string]bool{}
		addPaths(paths, "", r)
		shape := fmt.Sprint(r["Type"], slices.Sorted(maps.Keys(paths)))
		found = found || !linted[shape]
		linted[shape] = true
	}
	return found
}

// addPaths adds the path of each value within v, without the indexes of lists.
func addPaths(paths map[string]bool, path string, v any) {
	switch v := v.(type) {
	case object:
		for key, e := range v {
			addPaths(paths, path+"/"+key, e)
		}
	case []any:
		for _, e := range v {
			addPaths(paths, path+"[]", e)
		}
	default:
		paths[fmt.Sprintf("%s %T", path, v)] = true
	}
}

// checkTimeLimits compares the time limits: function < task < machine, and all attempts of a job <
// its task.
func checkTimeLimits(t *testing.T, s synthesised) {
	t.Helper()
	var machine object
	if err := json.Unmarshal(statemachine.Definition(), &machine); err != nil {
		t.Fatal(err)
	}
	tasks := map[string]float64{} // the shortest limit of the states that use a resource, by resource
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
		if _, ours := props(f)["ImageConfig"].(object); !ours {
			continue // the CDK's own, which empties the scratch bucket when the stack is deleted
		}
		if memory := props(f)["MemorySize"].(float64); memory > 3008 {
			t.Errorf("%s asks for %v MiB, and new accounts allow 3008", name, memory)
		}
		limit := tasks["arn:${Partition}:states:::lambda:invoke"]
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

// checkWildcards finds every Allow with a wildcard in its actions or resources. The template must
// carry the reason for each.
func checkWildcards(t *testing.T, s synthesised) {
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

func checkNothingIsPublic(t *testing.T, s synthesised) {
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
			t.Errorf("%s is a public address of a function", name)
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

func checkExpiry(t *testing.T, s synthesised) {
	t.Helper()
	s.assertions.HasResourceProperties(jsii.String("AWS::DynamoDB::Table"), object{
		"BillingMode":             "PAY_PER_REQUEST",
		"TimeToLiveSpecification": object{"AttributeName": "expiresAt", "Enabled": true},
	})
	s.assertions.HasResourceProperties(jsii.String("AWS::S3::Bucket"), object{
		"LifecycleConfiguration": object{"Rules": []any{object{
			"AbortIncompleteMultipartUpload": object{"DaysAfterInitiation": 1}, "ExpirationInDays": 51, "Status": "Enabled",
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

// checkDeletion checks that only the media bucket outlives the stack. Versions of functions outlive a deploy, but not their
// function.
func checkDeletion(t *testing.T, s synthesised) {
	t.Helper()
	for name, r := range s.resources {
		media := r["Type"] == "AWS::S3::Bucket" && strings.HasPrefix(name, "Media")
		version := r["Type"] == "AWS::Lambda::Version"
		if policy := r["DeletionPolicy"]; (policy == "Retain") != (media || version) {
			t.Errorf("%s (%s) has the deletion policy %v", name, r["Type"], policy)
		}
	}
	for kind := range map[string]bool{"AWS::DynamoDB::Table": true, "AWS::EFS::FileSystem": true, "AWS::Logs::LogGroup": true} {
		for name, r := range s.of(kind) {
			if r["DeletionPolicy"] != "Delete" {
				t.Errorf("%s stays when the stack is deleted", name)
			}
		}
	}
}

func checkTags(t *testing.T, s synthesised) {
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

func TestWorkersWithAFileSystemHaveNoRouteToTheInternet(t *testing.T) {
	s := synth(t, object{})
	routed := map[string]bool{} // route tables with a route to a gateway
	for _, r := range s.of("AWS::EC2::Route") {
		routed[props(r)["RouteTableId"].(object)["Ref"].(string)] = true
	}
	out := map[string]bool{} // subnets with such a route table
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
				t.Errorf("%s is in a subnet with a route to the internet", name)
			}
		}
	}
	if want := 2 * len(s.chosen.allClasses()); checked != want {
		t.Errorf("checked %d subnets of functions, want %d", checked, want)
	}
}

func TestOutputsNameWhatAUserNeeds(t *testing.T) {
	want := []string{
		"DashboardName", "DestinationBucket", "Destinations", "FinishedJobsBus", "LedgerTable", "ScratchBucket", "SourceBucket", "Sources",
		"StateMachineArn",
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
		cmd.Env = append(os.Environ(), "AWS_EC2_METADATA_DISABLED=true", "CDK_DISABLE_CLI_TELEMETRY=true", "AWS_REGION=eu-west-1")
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
