package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/mapreel/mapreel/pkg/tool/toolfile"
	"github.com/mapreel/mapreel/pkg/work"
)

// policyVariants are the deployments whose policies are held against the calls of jobs.
var policyVariants = []object{
	{},
	{"scratch": "s3"},
	{"scratch": "s3", "batch": "true"},
	{"scratch": "s3", "batch": "true", "render": "true"},
	{"scratch": "s3", "batch": "true", "tools": policyTools},
	{"gpu": "true"},
	{"sourceBuckets": "films,more-films", "destinationBuckets": "finished"},
	{"scratch": "s3", "kmsKey": someKey + "0", "api": "true", "startOnUpload": "true", "notify": "ops@example.com"},
	{"sourceBuckets": "films,more-films", "destinationBuckets": "finished", "kmsKey": someKey + "0", "sourceKeys": someKey + "1", "destinationKeys": someKey + "2", "api": "true", "startOnUpload": "true"},
}

// policyTools describes tools that use all rights that workers have for tools.
const policyTools = "testdata/tools/tools.yaml"

const someKey = "arn:aws:kms:eu-west-1:123456789012:key/1234abcd-12ab-34cd-56ef-1234567890a"

// reasons says why a role has a permission that the jobs of TestPoliciesAllowExactlyWhatJobsDo cannot use, by action or service,
// and where it matters by role.
var reasons = map[string]string{
	"logs:":              "Lambda and the ECS agent write the log",
	"ec2:":               "Lambda attaches the function to the network",
	"elasticfilesystem:": "the file system is mounted before the program starts",
	"xray:":              "Step Functions traces executions",
	"ecr:":               "the ECS agent pulls the image",
	"machine states:":    "Step Functions starts the children of a Map, describes, stops and redrives them",
	"events:":            "Step Functions learns from an event that a Batch job has ended; a rule passes events on",
	"merge events:":      "a worker announces a finished slice of a preview",
	"batch:DescribeJobs": "Step Functions looks whether a Batch job has ended",
	"batch:TerminateJob": "Step Functions ends the Batch jobs of an execution that is stopped",
	"batch:SubmitJob":    "a unit that proves too large for Lambda, or needs a GPU",

	"kms:Decrypt":                "an upload in parts, which these small jobs do not need everywhere",
	"s3:AbortMultipartUpload":    "a worker gives up an upload in parts that fails; Collect one that is a day old",
	"dynamodb:Query":             "a unit renews the records of a job that would not last",
	"dynamodb:BatchGetItem":      "an attempt that lost a race reads what became of the unit",
	"split s3:ListBucket":        "an attempt that ends after its job looks for what it has written",
	"render s3:DeleteObject":     "an attempt that ends after its job discards what it has written",
	"split s3:DeleteObject":      "an attempt that ends after its job discards what it has written",
	"encode s3:DeleteObject":     "an attempt that was not the first to complete discards its own",
	"audio s3:DeleteObject":      "an attempt that was not the first to complete discards its own",
	"merge s3:DeleteObject":      "an attempt that was not the first to complete discards its own",
	"toollevels s3:ListBucket":   "a source that goes while its job runs is told from a forbidden one",
	"toolsame s3:ListBucket":     "a source that goes while its job runs is told from a forbidden one",
	"toollevels s3:DeleteObject": "an attempt that was not the first to complete discards its own",
	"toolcount s3:DeleteObject":  "an attempt that was not the first to complete discards its own",
	"toolsame s3:DeleteObject":   "an attempt that was not the first to complete discards its own",
	"analyse s3:DeleteObject":    "an execution that was superseded removes what it has just written",
}

// reason returns why a role has a permission that it does not use here.
func reason(role, action string) string {
	service, _, _ := strings.Cut(action, ":")
	for _, key := range []string{role + " " + action, role + " " + service + ":", action, service + ":"} {
		if text := reasons[key]; text != "" {
			return text
		}
	}
	return ""
}

// Every job of runJobs runs on the processes of the functions, once with a file system and once with S3 as scratch. What they
// called is held against the policies of each variant: nothing else is allowed, and everything that was called is.
func TestPoliciesAllowExactlyWhatJobsDo(t *testing.T) {
	if testing.Short() {
		t.Skip("runs whole jobs, for a minute")
	}
	deployed, err := toolfile.Read(policyTools, toolFiles)
	if err != nil {
		t.Fatal(err)
	}
	program := buildWorker(t, deployed)
	film, tape, song := sources(t)
	type how struct{ files, scenes, tools bool } // whether scratch is a file system, scenes are rendered, and tools run
	made := map[how][]call{}
	for files, folder := range map[bool]string{true: t.TempDir(), false: ""} {
		w := newWorkers(t, program, folder, deployed)
		w.takeRequests()
		w.runJobs(film, tape, song)
		made[how{files: files}] = slices.Collect(maps.Keys(w.calls))
		if n := len(made[how{files: files}]); n < 100 {
			t.Errorf("only %d calls were recorded", n)
		}
		if !files {
			before := maps.Clone(w.calls)
			w.renderScenes()
			made[how{scenes: true}] = slices.Collect(maps.Keys(w.calls))
			w.calls = before
			w.runTools()
			made[how{tools: true}] = slices.Collect(maps.Keys(w.calls))
		}
	}
	for _, v := range policyVariants {
		t.Run(fmt.Sprint(v), func(t *testing.T) {
			s := synth(t, v)
			calls := made[how{len(s.of("AWS::EFS::FileSystem")) > 0, s.chosen.render, s.chosen.toolsFile != ""}]
			p := policies{s, t, v, map[string][]statement{}}
			report, alone := p.check(calls)
			for _, line := range report {
				t.Error(line)
			}
			// Each statement is needed: some call would be refused without it.
			for role, list := range p.roles {
				for i, s := range list {
					if !alone[statementID{role, i}] && !excused(role, s) {
						t.Errorf("%s: nothing fails without the statement %v", role, s)
					}
				}
			}
		})
	}
}

// statementID names a statement: the role's construct ID, and its place among the role's statements.
type statementID struct {
	role  string
	index int
}

// excused reports whether every action of a statement carries a reason.
func excused(role string, s statement) bool {
	return !slices.ContainsFunc(s.actions, func(a string) bool { return reason(className(role), a) == "" })
}

// policies are the policies of a deployment.
type policies struct {
	s     synthesised
	t     *testing.T
	given object                 // the settings
	roles map[string][]statement // by the role's construct ID; filled when first asked for
}

// className returns the class of a role's construct ID: "encode" of "EncodeRole", "EncodeJobRole" and "EncodeGpuJobRole".
func className(role string) string {
	name := strings.TrimSuffix(strings.TrimSuffix(strings.TrimSuffix(role, "Role"), "Job"), "Gpu")
	return strings.ToLower(name)
}

// of returns the construct IDs of the roles that make a call.
func (p policies) of(role string) []string {
	if role == "machine" {
		return []string{"MachineRole"}
	}
	if slices.Contains(intakeRoles, role) {
		name := constructID(work.Class(role)) + "Role"
		return slices.DeleteFunc([]string{name}, func(name string) bool { return p.roles[name] == nil }) // of a deployment that has it
	}
	list := []string{constructID(work.Class(role)) + "Role"}
	if work.Class(role).Tool() != "" && p.roles[list[0]] == nil { // it has no function
		list = nil
	}
	for logical := range p.s.of("AWS::IAM::Role") {
		if name := logical[:max(len(logical)-8, 0)]; strings.HasSuffix(name, "JobRole") && className(name) == constructName(work.Class(role)) {
			list = append(list, name)
		}
	}
	return list
}

// check returns a line for each call that is not allowed, and for each permission that nothing uses and that has no reason. alone has
// the statements that are the only ones to allow a call.
func (p policies) check(calls []call) (lines []string, alone map[statementID]bool) {
	alone = map[statementID]bool{}
	used := map[string]bool{} // "role, statement, action"
	for _, policy := range p.s.of("AWS::IAM::Policy") {
		for _, logical := range several(props(policy)["Roles"]) {
			if name := logical[:len(logical)-8]; p.roles[name] == nil { // also roles that only AWS uses
				p.roles[name] = p.s.statements(p.t, name)
			}
		}
	}
	for _, c := range calls {
		for _, role := range p.of(c.role) {
			for _, resource := range p.resources(c) {
				var allowing []statementID
				for i, s := range p.roles[role] {
					if s.allows(c, resource) {
						allowing = append(allowing, statementID{role, i})
						used[fmt.Sprint(role, i, c.action)] = true
					}
				}
				switch len(allowing) {
				case 0:
					lines = append(lines, fmt.Sprintf("%s may not %s on %s (%+v)", role, c.action, resource, c))
				case 1:
					alone[allowing[0]] = true
				}
			}
		}
	}
	for _, role := range slices.Sorted(maps.Keys(p.roles)) {
		for i, s := range p.roles[role] {
			for _, a := range s.actions {
				if !used[fmt.Sprint(role, i, a)] && reason(className(role), a) == "" {
					lines = append(lines, fmt.Sprintf("%s may %s on %v, which nothing uses", role, a, s.resources))
				}
			}
		}
	}
	slices.Sort(lines)
	return slices.Compact(lines), alone
}

// resources returns the ARNs that a call is about in this deployment, as resolved writes them.
func (p policies) resources(c call) (list []string) {
	logical := func(kind, id string) string {
		for name := range p.s.of(kind) {
			if isNamed(name, id) {
				return name + ".Arn"
			}
		}
		return ""
	}
	object := func(bucket string) string {
		if c.key == "" {
			return bucket
		}
		return bucket + "/" + c.key
	}
	if strings.HasPrefix(c.action, "kms:") {
		setting := "kmsKey"
		if p.given[c.place+"Buckets"] != nil {
			setting = c.place + "Keys"
		}
		if key, ok := p.given[setting].(string); ok {
			list = append(list, key)
		}
		return list
	}
	switch c.place {
	case "table":
		return []string{logical("AWS::DynamoDB::Table", "Ledger")}
	case "scratch":
		return []string{object(logical("AWS::S3::Bucket", "Scratch"))}
	case "function":
		return []string{logical("AWS::Lambda::Function", constructID(work.Class(c.key))) + ":1"}
	case "machine":
		return []string{strings.TrimSuffix(logical("AWS::StepFunctions::StateMachine", "Machine"), ".Arn")}
	case "execution":
		name := strings.TrimSuffix(logical("AWS::StepFunctions::StateMachine", "Machine"), ".Arn")
		return []string{"arn:AWS::Partition:states:AWS::Region:AWS::AccountId:execution:" + name + ".Name:" + c.key}
	case "topic":
		if topic := logical("AWS::SNS::Topic", "Messages"); topic != "" {
			list = append(list, strings.TrimSuffix(topic, ".Arn"))
		}
		return list
	case "queue":
		for name := range p.s.of("AWS::Batch::JobQueue") {
			if isNamed(name, "CpuQueue") {
				list = append(list, name+".JobQueueArn")
			}
		}
		return list
	case "job":
		if len(p.s.of("AWS::Batch::JobQueue")) == 0 {
			return nil
		}
		return []string{"arn:AWS::Partition:batch:AWS::Region:AWS::AccountId:job/" + c.key}
	case "definition":
		for _, d := range p.s.of("AWS::Batch::JobDefinition") {
			if name := props(d)["JobDefinitionName"].(string); strings.EqualFold(name, "mapreel-"+constructName(work.Class(c.key))) {
				list = append(list, "arn:AWS::Partition:batch:AWS::Region:AWS::AccountId:job-definition/"+name+":1")
			}
		}
		return list
	}
	// A call about a source or destination may be about any of those buckets.
	prefix := map[string]string{"source": "in/", "destination": "out/"}[c.place]
	for _, pattern := range p.places(c.place, prefix) {
		list = append(list, object(pattern))
	}
	return list
}

// places returns the buckets of a purpose.
func (p policies) places(place, prefix string) []string {
	for name := range p.s.of("AWS::S3::Bucket") {
		if isNamed(name, "Media") {
			return []string{name + ".Arn"}
		}
	}
	names := map[string][]string{"in/": {"films", "more-films"}, "out/": {"finished"}}[prefix]
	var list []string
	for _, name := range names {
		list = append(list, "arn:AWS::Partition:s3:::"+name)
	}
	return list
}

// allows reports whether a statement allows a call on a resource.
func (s statement) allows(c call, resource string) bool {
	if !slices.Contains(s.actions, c.action) || !slices.ContainsFunc(s.resources, func(pattern string) bool { return like(pattern, resource) }) {
		return false
	}
	if s.condition == "null" {
		return true
	}
	var condition map[string]map[string]any
	if json.Unmarshal([]byte(s.condition), &condition) != nil {
		return false
	}
	if via := condition["StringLike"]["kms:ViaService"]; via != nil { // all keys are used by S3 on behalf of the role
		return via == "s3.*" && len(condition) == 1 && strings.HasPrefix(c.action, "kms:")
	}
	pattern, only := condition["StringLike"]["s3:prefix"].(string)
	return only && len(condition) == 1 && c.prefix != "-" && like(pattern, c.prefix)
}

// like matches text with a pattern of IAM, in which * stands for any text and ? for any character.
func like(pattern, text string) bool {
	expression := strings.NewReplacer(`\*`, `.*`, `\?`, `.`).Replace(regexp.QuoteMeta(pattern))
	return regexp.MustCompile(`^(?s:` + expression + `)$`).MatchString(text)
}
