package main

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/jsii-runtime-go"
	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/intake"
	"github.com/mapreel/mapreel/pkg/lambdafn"
	"github.com/mapreel/mapreel/pkg/work"
	"github.com/mapreel/mapreel/statemachine"
)

func TestEveryClassHasAFunctionAndThoseOfUnitsAJob(t *testing.T) {
	want := slices.Sorted(slices.Values(append(work.UnitClasses(), work.ClassRender, work.ClassAnalyse, work.ClassFinish, work.ClassCollect)))
	if diff := cmp.Diff(want, slices.Sorted(maps.Keys(classes))); diff != "" {
		t.Errorf("classes (-package work +table):\n%s", diff)
	}
	if diff := cmp.Diff(want, slices.Sorted(slices.Values(settings{render: true}.allClasses()))); diff != "" {
		t.Errorf("classes (-package work +allClasses):\n%s", diff)
	}
	if got := (settings{}).allClasses(); slices.Contains(got, work.ClassRender) || len(got) != len(want)-1 {
		t.Errorf("without render the classes are %v", got)
	}
	for name, c := range classes {
		if (c.memory <= 0) != (name == work.ClassEncode || name == work.ClassRender) || c.minutes <= 0 || c.disk < 512 || c.allow == nil {
			t.Errorf("the function of the class %s is not described", name)
		}
		job := c.job.cpus > 0 && c.job.memory > 0
		if runsUnits := slices.Contains(settings{render: true}.unitClasses(), name); job != runsUnits {
			t.Errorf("the class %s runs units: %v; it has a Batch job: %v", name, runsUnits, job)
		}
	}
}

// checkDefinition checks that the machine has the project's definition, and that each placeholder
// leads to the function, the job definition or the queue that it names.
func checkDefinition(t *testing.T, s synthesised) {
	t.Helper()
	machines := s.of("AWS::StepFunctions::StateMachine")
	if len(machines) != 1 {
		t.Fatalf("%d state machines", len(machines))
	}
	for _, m := range machines {
		if props(m)["DefinitionString"] != string(statemachine.Definition()) {
			t.Error("the machine's definition is not the project's, byte for byte")
		}
		given, _ := props(m)["DefinitionSubstitutions"].(object)
		if diff := cmp.Diff(statemachine.Placeholders(), slices.Sorted(maps.Keys(given))); diff != "" {
			t.Errorf("substitutions (-placeholders +given):\n%s", diff)
		}
		values := map[string]string{}
		for name, v := range given {
			values[name] = resolved(v)
			if strings.Contains(values[name], "Token[") || strings.Contains(values[name], "Fn::") {
				t.Errorf("the value of %s is not resolved: %s", name, values[name])
			}
		}
		checkFunctions(t, s, values)
		checkJobs(t, s, values)
	}
}

func checkFunctions(t *testing.T, s synthesised, values map[string]string) {
	t.Helper()
	arns := jsonataObject(t, values["Functions"])
	wantKeys(t, "functions", arns, s.chosen.unitClasses())
	arns[string(work.ClassAnalyse)], arns[string(work.ClassFinish)] = values["Analyse"], values["Finish"]
	for c, arn := range arns {
		version := s.resources[arn] // a Ref gives the ARN, with the version
		if version["Type"] != "AWS::Lambda::Version" {
			t.Errorf("the function of %s is %s, which is no version", c, arn)
			continue
		}
		f := s.resources[resolved(props(version)["FunctionName"])]
		config, _ := props(f)["ImageConfig"].(object)
		got := append(several(config["EntryPoint"]), several(config["Command"])...)
		if diff := cmp.Diff([]string{program, c}, got); diff != "" {
			t.Errorf("command of the function of %s (-want +got):\n%s", c, diff)
		}
	}
}

func checkJobs(t *testing.T, s synthesised, values map[string]string) {
	t.Helper()
	var want []string
	queues := len(s.of("AWS::Batch::JobQueue"))
	if queues > 0 {
		for _, c := range s.chosen.unitClasses() {
			want = append(want, statemachine.JobDefinitionKey(string(c), false))
		}
	}
	if queues > 1 {
		want = append(want, statemachine.JobDefinitionKey(string(work.ClassEncode), true))
	}
	definitions := jsonataObject(t, values["JobDefinitions"])
	wantKeys(t, "job definitions", definitions, want)
	for key, arn := range definitions {
		c, _, gpu := strings.Cut(key, "/")
		d := s.resources[arn] // a Ref gives the ARN, with the revision
		if d["Type"] != "AWS::Batch::JobDefinition" {
			t.Errorf("the job definition of %s is %s", key, arn)
			continue
		}
		container := props(d)["ContainerProperties"].(object)
		if diff := cmp.Diff([]string{program, c}, several(container["Command"])); diff != "" {
			t.Errorf("command of the job of %s (-want +got):\n%s", key, diff)
		}
		data, err := json.Marshal(container["ResourceRequirements"])
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(string(data), `"GPU"`); got != gpu {
			t.Errorf("the job of %s asks for a GPU: %v", key, got)
		}
	}
	for i, name := range []string{"BatchQueue", "GpuQueue"} {
		switch arn := values[name]; {
		case i >= queues && arn != statemachine.Absent:
			t.Errorf("%s is %s; the deployment has %d queues", name, arn, queues)
		case i < queues && s.resources[strings.TrimSuffix(arn, ".JobQueueArn")]["Type"] != "AWS::Batch::JobQueue":
			t.Errorf("%s is %s, which is no queue", name, arn)
		}
	}
}

// jsonataObject decodes an object that statemachine.Resources wrote in JSONata. Its strings contain
// no quotes.
func jsonataObject(t *testing.T, text string) map[string]string {
	t.Helper()
	m := map[string]string{}
	if err := json.Unmarshal([]byte(strings.ReplaceAll(text, "'", `"`)), &m); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return m
}

func wantKeys[K ~string](t *testing.T, what string, got map[string]string, want []K) {
	t.Helper()
	var names []string
	for _, k := range want {
		names = append(names, string(k))
	}
	slices.Sort(names)
	if diff := cmp.Diff(names, slices.Sorted(maps.Keys(got))); diff != "" {
		t.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

// someAccount stands for the account of the deployment.
const someAccount = "123456789012"

func withAccount(value string) string {
	return strings.ReplaceAll(value, "AWS::AccountId", someAccount)
}

// checkEnvironment passes the variables of functions and jobs to the code that reads them there.
func checkEnvironment(t *testing.T, s synthesised) {
	t.Helper()
	given := map[string]map[string]string{}
	for name, f := range s.of("AWS::Lambda::Function") {
		if variables, ok := props(f)["Environment"].(object); ok && variables["Variables"].(object)[intake.MachineVariable] == nil { // see intake_test.go
			given[name] = map[string]string{}
			for k, v := range variables["Variables"].(object) {
				given[name][k] = withAccount(resolved(v))
			}
		}
	}
	for name, d := range s.of("AWS::Batch::JobDefinition") {
		given[name] = map[string]string{}
		for _, v := range props(d)["ContainerProperties"].(object)["Environment"].([]any) {
			given[name][v.(object)["Name"].(string)] = withAccount(resolved(v.(object)["Value"]))
		}
	}
	if want := len(s.chosen.allClasses()) + len(s.of("AWS::Batch::JobDefinition")); len(given) != want {
		t.Errorf("%d functions and jobs have variables, want %d", len(given), want)
	}
	queues := engine.Queues{CPU: len(s.of("AWS::Batch::JobQueue")) > 0, GPU: len(s.of("AWS::Batch::JobQueue")) > 1}
	for name, variables := range given {
		got, err := lambdafn.ParseSettings(func(key string) string { return variables[key] })
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if got.Owners.Of("any") != someAccount {
			t.Errorf("%s takes buckets of the account %q, want that of the deployment", name, got.Owners.Of("any"))
		}
		if got.Queues != queues {
			t.Errorf("%s has the setting of queues %+v; the deployment has %+v", name, got.Queues, queues)
		}
		if want := (engine.Lifetime{Run: statemachine.TimeLimit(), Redrive: 14 * 24 * time.Hour}); got.Lifetime != want {
			t.Errorf("%s keeps records for %+v, want %+v", name, got.Lifetime, want)
		}
		checkLimits(t, s, name, got.Limits)
		if files := len(s.of("AWS::EFS::FileSystem")) > 0; files != (got.Scratch != "") {
			t.Errorf("%s has the scratch folder %q; the deployment has a file system: %v", name, got.Scratch, files)
		}
	}
}

// checkLimits compares the limits by which Analyse refuses a job with the sizes of the workers in the template.
func checkLimits(t *testing.T, s synthesised, name string, got engine.Limits) {
	t.Helper()
	merge := props(s.named(t, "AWS::Lambda::Function", constructID(work.ClassMerge)))
	lambda := engine.WorkerLimits{
		Disk: int64(merge["EphemeralStorage"].(object)["Size"].(float64)) << 20, Seconds: int64(merge["Timeout"].(float64)),
	}
	if got.Lambda != lambda {
		t.Errorf("%s believes that a function has %+v; the template has %+v", name, got.Lambda, lambda)
	}
	for id, d := range s.of("AWS::Batch::JobDefinition") {
		if seconds := props(d)["Timeout"].(object)["AttemptDurationSeconds"].(float64); got.Batch.Seconds != int64(seconds) {
			t.Errorf("%s believes that a Batch job has %d s; %s has %v", name, got.Batch.Seconds, id, seconds)
		}
	}
	for id, l := range s.of("AWS::EC2::LaunchTemplate") {
		disk := props(l)["LaunchTemplateData"].(object)["BlockDeviceMappings"].([]any)[0].(object)["Ebs"].(object)
		if size := int64(disk["VolumeSize"].(float64)) << 30; got.Batch.Disk < size/2 || got.Batch.Disk > size*3/4 {
			t.Errorf("%s believes that a Batch job has %d bytes of disk; %s has %d with the system's", name, got.Batch.Disk, id, size)
		}
	}
}

// The event comes as it is: package lambdafn tests how it is read.
func TestFailureReachesFinishWithTheExecution(t *testing.T) {
	rule := props(synth(t, object{"scratch": "s3"}).named(t, "AWS::Events::Rule", "Failed"))
	data, err := json.Marshal(rule["EventPattern"])
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(data), `"status":["FAILED","TIMED_OUT","ABORTED"]`) || !strings.Contains(string(data), `"source":["aws.states"]`) {
		t.Errorf("the rule matches %s", data)
	}
	target := rule["Targets"].([]any)[0].(object)
	if !strings.HasPrefix(resolved(target["Arn"]), "Finish") || target["Input"] != nil || target["InputPath"] != nil || target["InputTransformer"] != nil {
		t.Errorf("the target is %v", target)
	}
}

func TestWhatJobsLeaveIsCollectedEveryDay(t *testing.T) {
	s := synth(t, object{"scratch": "s3"})
	rule := props(s.named(t, "AWS::Events::Rule", "Daily"))
	target := rule["Targets"].([]any)[0].(object)
	if function := resolved(target["Arn"]); rule["ScheduleExpression"] != "rate(1 day)" || !isNamed(strings.TrimSuffix(function, ".Arn"), "Collect") {
		t.Errorf("%v calls %s", rule["ScheduleExpression"], function)
	}
	if target["Input"] != "{}" {
		t.Errorf("with the input %v", target["Input"])
	}
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
