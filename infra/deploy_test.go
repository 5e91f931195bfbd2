package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/mapreel/mapreel/pkg/work"
)

// account is what an account has of the resources that a definition names: versions of functions and revisions of job
// definitions, by ARN. Deploying changes it as CloudFormation does.
type account struct {
	template  map[string]object // of the stack as deployed, by logical name
	physical  map[string]string // ARNs of its versions and revisions, by logical name
	existing  map[string]bool
	revisions map[string]int // newest revision or version, by name
}

// deploy updates the stack to a template. A version that the template no longer has is deleted, unless it is retained. A job
// definition that changed gets a new revision, and the one before is deregistered, unless its policy forbids it.
func (a *account) deploy(t *testing.T, s synthesised) {
	t.Helper()
	next := func(name string) int { a.revisions[name]++; return a.revisions[name] }
	for logical, r := range a.template {
		if _, still := s.resources[logical]; !still && r["DeletionPolicy"] != "Retain" {
			delete(a.existing, a.physical[logical])
			delete(a.physical, logical)
		}
	}
	for logical, r := range s.resources {
		before, known := a.template[logical]
		switch r["Type"] {
		case "AWS::Lambda::Version":
			if !known {
				name := resolved(props(r)["FunctionName"])
				a.physical[logical] = fmt.Sprintf("arn:lambda:function:%s:%d", name, next(name))
			}
		case "AWS::Batch::JobDefinition":
			if known && same(t, before, r) {
				break
			}
			policy, _ := props(r)["ResourceRetentionPolicy"].(object)
			if known && policy["SkipDeregisterOnUpdate"] != true {
				delete(a.existing, a.physical[logical])
			}
			name := props(r)["JobDefinitionName"].(string)
			a.physical[logical] = fmt.Sprintf("arn:batch:job-definition/%s:%d", name, next(name))
		default:
			continue
		}
		a.existing[a.physical[logical]] = true
	}
	a.template = s.resources
}

func same(t *testing.T, a, b object) bool {
	t.Helper()
	before, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	after, err := json.Marshal(b)
	if err != nil {
		t.Fatal(err)
	}
	return string(before) == string(after)
}

// definition returns the ARNs of functions and job definitions that the machine's definition has when an execution begins.
func (a *account) definition(t *testing.T, s synthesised) map[string]string {
	t.Helper()
	arns := map[string]string{}
	given := props(s.named(t, "AWS::StepFunctions::StateMachine", "Machine"))["DefinitionSubstitutions"].(object)
	for what, text := range map[string]string{"function": resolved(given["Functions"]), "job definition": resolved(given["JobDefinitions"])} {
		for key, logical := range jsonataObject(t, text) {
			arns[what+" of "+key] = a.physical[logical]
		}
	}
	for _, name := range []string{"Analyse", "Finish"} {
		arns["function of "+name] = a.physical[resolved(given[name])]
	}
	return arns
}

// An execution keeps its definition and its role while a deploy replaces everything (Developer Guide, "Updating a state machine",
// and RedriveExecution: "use the same state machine definition").
func TestAJobThatRunsDuringADeployFinishesOnItsVersion(t *testing.T) {
	image := func(tag string) object {
		return object{"gpu": "true", "imageUri": strings.Replace(someImage, ":v1", ":"+tag, 1)}
	}
	a := &account{physical: map[string]string{}, existing: map[string]bool{}, revisions: map[string]int{}}
	first, second := synth(t, image("v1")), synth(t, image("v2"))
	a.deploy(t, first)
	began := a.definition(t, first)
	if want := len(first.chosen.stageClasses()) + len(work.UnitClasses()) + 1; len(began) != want {
		t.Errorf("the definition names %d functions and job definitions, want %d: %v", len(began), want, began)
	}
	a.deploy(t, second)
	now := a.definition(t, second)
	allowed := second.statements(t, "MachineRole")
	for what, arn := range began {
		if arn == "" || arn == now[what] {
			t.Errorf("the %s is %q before and %q after the deploy; it should have changed", what, arn, now[what])
		}
		if !a.existing[arn] {
			t.Errorf("the %s, %s, is gone after a deploy, and executions that began before call it", what, arn)
		}
		action, name := "lambda:InvokeFunction", strings.TrimPrefix(arn, "arn:lambda:function:")
		if rest, job := strings.CutPrefix(arn, "arn:batch:"); job {
			action, name = "batch:SubmitJob", rest
		}
		if !allowsAny(allowed, action, name) {
			t.Errorf("the role of the machine may not %s on the %s, %s, after a deploy", action, what, arn)
		}
	}
}

// allowsAny reports whether action is allowed on an ARN that ends with name, but for the word .Arn that resolved leaves in.
func allowsAny(list []statement, action, name string) bool {
	for _, s := range list {
		for _, a := range s.actions {
			for _, r := range s.resources {
				r = strings.ReplaceAll(r, ".Arn", "")
				if before, ok := strings.CutSuffix(r, "*"); ok && a == action {
					if i := strings.LastIndex(before, "job-definition/"); i >= 0 {
						before = before[i:]
					}
					if strings.HasPrefix(name, before) {
						return true
					}
				}
			}
		}
	}
	return false
}
