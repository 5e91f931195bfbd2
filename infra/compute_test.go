package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestComputeSettingsHaveDefaultsThatEveryAccountAndRegionTakes(t *testing.T) {
	for _, c := range []struct {
		context object
		want    compute
	}{
		{object{}, compute{
			functionMemory: 3008, renderMemory: 3008, instanceFamilies: []string{"default_x86_64"}, gpuInstanceFamilies: []string{"g4dn"},
			maxVCPUs: 1024, gpuMaxVCPUs: 256, redriveDays: 14, onDemandShare: 25,
		}},
		{object{"arch": "arm64"}, compute{
			functionMemory: 3008, renderMemory: 3008, instanceFamilies: []string{"default_arm64"}, gpuInstanceFamilies: []string{"g4dn"},
			maxVCPUs: 1024, gpuMaxVCPUs: 256, redriveDays: 14, onDemandShare: 25,
		}},
		{object{
			"functionMemory": "10240", "renderMemory": "4096", "functionConcurrency": "10", "instanceFamilies": "c7i, m6a.4xlarge,u7i-12tb",
			"gpuInstanceFamilies": "g4dn,g6.2xlarge", "maxVcpus": "4", "gpuMaxVcpus": "64", "onDemandShare": "100", "redriveDays": "3",
		}, compute{
			functionMemory: 10240, renderMemory: 4096, functionConcurrency: 10, instanceFamilies: []string{"c7i", "m6a.4xlarge", "u7i-12tb"},
			gpuInstanceFamilies: []string{"g4dn", "g6.2xlarge"}, maxVCPUs: 4, gpuMaxVCPUs: 64, redriveDays: 3, onDemandShare: 100,
		}},
	} {
		got, err := parseSettings(c.context)
		if err != nil {
			t.Errorf("%v: %v", c.context, err)
		}
		if diff := cmp.Diff(c.want, got.compute, cmp.AllowUnexported(compute{})); diff != "" {
			t.Errorf("%v (-want +got):\n%s", c.context, diff)
		}
	}
}

func TestBadComputeSettingsAreRefused(t *testing.T) {
	for _, c := range []struct {
		context object
		want    string
	}{
		{object{"functionMemory": "1024"}, "functionMemory=1024: give a whole number from 1769 to 10240"},
		{object{"functionMemory": "2.5GB"}, "functionMemory=2.5GB: give a whole number"},
		{object{"maxVcpus": "2"}, "maxVcpus=2: give a whole number from 4 to"},
		{object{"onDemandShare": "101"}, "onDemandShare=101: give a whole number from 0 to 100"},
		{object{"redriveDays": "15"}, "redriveDays=15: give a whole number from 1 to 14"},
		{object{"maxVcpus": "8"}, "onDemandShare=25 divides maxVcpus=8 into 2 On-Demand and 6 Spot, and a job takes 4"},
		{object{"functionConcurrency": "none"}, "functionConcurrency=none: give a positive number"},
		{object{"instanceFamilies": "C7I"}, `"C7I" is not an instance family, such as c7i`},
		{object{"instanceFamilies": "c7i,"}, `"" is not an instance family`},
		{object{"instanceFamilies": "c7g"}, "c7g does not run images of arch=x86_64"},
		{object{"instanceFamilies": "c7i", "arch": "arm64"}, "c7i does not run images of arch=arm64"},
		{object{"gpuInstanceFamilies": "p5"}, `"p5" has no NVENC; choose from g4dn, g5`},
	} {
		if _, err := parseSettings(c.context); err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%v: error %v, want one line with %q", c.context, err, c.want)
		}
	}
}

func TestAPlanFollowsTheProcessorsThatTheMemoryBuys(t *testing.T) {
	for memory, want := range map[float64]int{1769: 2, 3008: 2, 3538: 2, 5307: 3, 7076: 4, 10240: 6} {
		if got := processors(memory); got != want {
			t.Errorf("%v MiB are %d processors, want %d", memory, got, want)
		}
	}
	s := synth(t, object{"scratch": "s3", "functionMemory": "7076", "functionConcurrency": "10", "encodeConcurrency": "50"})
	for _, class := range s.chosen.allClasses() {
		f := props(s.named(t, "AWS::Lambda::Function", constructID(class)))
		variables := f["Environment"].(object)["Variables"].(object)
		if variables["MAPREEL_PROCESSORS"] != "4" || variables["MAPREEL_CONCURRENCY"] != "10" {
			t.Errorf("%s has the variables %v", class, variables)
		}
		if memory := f["MemorySize"].(float64); (class == "encode") != (memory == 7076) {
			t.Errorf("%s has %v MiB", class, memory)
		}
	}
}

// offered are the instance families that Batch accepts in a region where the newest are missing, such as ap-south-1 in 2025,
// and its own lists.
var offered = []string{"default_x86_64", "default_arm64", "c5", "c6i", "c6g", "m5", "m6i", "m6g", "g4dn"}

func TestTheDefaultFamiliesAreOfferedInEveryRegion(t *testing.T) {
	for _, v := range variants {
		for name, e := range synth(t, v.context).of("AWS::Batch::ComputeEnvironment") {
			for _, family := range several(props(e)["ComputeResources"].(object)["InstanceTypes"]) {
				if !slices.Contains(offered, family) {
					t.Errorf("%s: %s has the family %s, for which Batch refuses it where the region lacks that", v.name, name, family)
				}
			}
		}
	}
	chosen := synth(t, object{"gpu": "true", "instanceFamilies": "c7i,c7a", "gpuInstanceFamilies": "g6"})
	got := map[string]bool{}
	for _, e := range chosen.of("AWS::Batch::ComputeEnvironment") {
		got[fmt.Sprint(several(props(e)["ComputeResources"].(object)["InstanceTypes"]))] = true
	}
	if diff := cmp.Diff([]string{"[c7i c7a]", "[g6]"}, slices.Sorted(maps.Keys(got))); diff != "" {
		t.Errorf("families (-want +got):\n%s", diff)
	}
}

func TestAQueueFallsBackToOnDemandWithinItsMaximum(t *testing.T) {
	for _, c := range []struct {
		share string
		want  []string // type, vCPUs and order
	}{
		{"25", []string{"EC2 256 2", "SPOT 768 1"}},
		{"0", []string{"SPOT 1024 1"}},
		{"100", []string{"EC2 1024 1"}},
	} {
		s := synth(t, object{"scratch": "s3", "batch": "true", "onDemandShare": c.share})
		queue := props(s.named(t, "AWS::Batch::JobQueue", "CpuQueue"))
		var got []string
		for _, o := range queue["ComputeEnvironmentOrder"].([]any) {
			name := strings.TrimSuffix(resolved(o.(object)["ComputeEnvironment"]), ".ComputeEnvironmentArn")
			r := props(s.resources[name])["ComputeResources"].(object)
			got = append(got, fmt.Sprintf("%v %v %v", r["Type"], r["MaxvCpus"], o.(object)["Order"]))
		}
		slices.Sort(got)
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("onDemandShare=%s (-want +got):\n%s", c.share, diff)
		}
	}
}

func TestAStuckQueueIsReported(t *testing.T) {
	s := synth(t, object{"gpu": "true"})
	for name, q := range s.of("AWS::Batch::JobQueue") {
		got := map[string]float64{}
		for _, a := range props(q)["JobStateTimeLimitActions"].([]any) {
			a := a.(object)
			if a["Action"] != "CANCEL" || a["State"] != "RUNNABLE" {
				t.Errorf("%s: %v", name, a)
			}
			got[a["Reason"].(string)] = a["MaxTimeSeconds"].(float64)
		}
		want := map[string]float64{
			"CAPACITY:INSUFFICIENT_INSTANCE_CAPACITY": 21600, "MISCONFIGURATION:COMPUTE_ENVIRONMENT_MAX_RESOURCE": 600,
			"MISCONFIGURATION:JOB_RESOURCE_REQUIREMENT": 600,
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s cancels (-want +got):\n%s", name, diff)
		}
	}
	rule := props(s.named(t, "AWS::Events::Rule", "Blocked"))
	pattern := rule["EventPattern"].(object)
	if got := fmt.Sprint(pattern["source"], pattern["detail-type"], len(pattern["resources"].([]any)), len(rule["Targets"].([]any))); got != "[aws.batch] [Batch Job Queue Blocked] 2 1" {
		t.Errorf("the rule has %s", got)
	}
	alarm := props(s.named(t, "AWS::CloudWatch::Alarm", "QueueBlocked"))
	dimension := alarm["Dimensions"].([]any)[0].(object)
	if logical := resolved(dimension["Value"]); dimension["Name"] != "RuleName" || alarm["MetricName"] != "MatchedEvents" || !isNamed(logical, "Blocked") {
		t.Errorf("the alarm watches %v of %s", alarm["MetricName"], logical)
	}
}

func TestOnlyMediaStartJobs(t *testing.T) {
	s := synth(t, object{"startOnUpload": "true"})
	pattern := props(s.named(t, "AWS::Events::Rule", "Uploaded"))["EventPattern"].(object)
	data, err := json.Marshal(pattern)
	if err != nil {
		t.Fatal(err)
	}
	if len(data) > 2048 { // EventBridge's limit of a pattern
		t.Errorf("the pattern has %d characters", len(data))
	}
	object := pattern["detail"].(object)["object"].(object)
	for key, want := range map[string]bool{
		"in/film.mkv": true, "in/holiday/DSC0001.MP4": true, `in/with "quotes".Mov`: true, "in/take.tar.mxf": true,
		"in/": false, "in/folder/": false, "in/film.srt": false, "in/.DS_Store": false, "in/film.mkv.mapreel.json": false, "in/mp4": false,
	} {
		if got := matches(t, object["key"].([]any), key); got != want {
			t.Errorf("an upload of %s starts a job: %v, want %v", key, got, want)
		}
	}
	if got := fmt.Sprint(object["size"]); got != "[map[numeric:[> 0]]]" {
		t.Errorf("sizes that start a job: %s", got)
	}
}

// matches reports whether one of EventBridge's patterns matches text. They must be suffixes in any case: EventBridge counts how
// many wildcards an event may match at once, and refuses a rule of 48 ("Rule is too complex").
func matches(t *testing.T, patterns []any, text string) bool {
	t.Helper()
	return slices.ContainsFunc(patterns, func(p any) bool {
		suffix, ok := p.(object)["suffix"].(object)["equals-ignore-case"].(string)
		if !ok {
			t.Fatalf("the pattern %v", p)
		}
		return strings.HasSuffix(strings.ToLower(text), suffix)
	})
}
