package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/assertions"
	"github.com/aws/jsii-runtime-go"
	"github.com/cdklabs/cdk-nag-go/cdknag/v2"

	"github.com/mapreel/mapreel/pkg/blob/s3blob/s3test"
	"github.com/mapreel/mapreel/pkg/render/blender/blendertest"
)

type object = map[string]any

// folder holds what the tests synthesise.
var folder string

func TestMain(m *testing.M) {
	s3test.ServeInChild()
	blendertest.ServeInChild()
	var err error
	if folder, err = os.MkdirTemp("", "mapreel-infra-"); err != nil {
		panic(err)
	}
	code := m.Run()
	jsii.Close()
	_ = os.RemoveAll(folder)
	os.Exit(code)
}

// made holds the templates that were synthesised, by their settings: it takes seconds, and tests ask for the same.
var made = map[string]synthesised{}

// synthesised is a template and the folder that it was written to.
type synthesised struct {
	assertions assertions.Template
	resources  map[string]object
	outputs    object
	folder     string
	name       string // of the stack
	chosen     settings
}

func synth(t *testing.T, context object) synthesised {
	t.Helper()
	key, err := json.Marshal(context)
	if err != nil {
		t.Fatal(err)
	}
	if s, ok := made[string(key)]; ok {
		return s
	}
	root := filepath.Join(folder, strconv.Itoa(len(made)))
	if err := os.MkdirAll(filepath.Join(root, "functions"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, recipe := range []string{"Dockerfile", "render.Dockerfile", "tool.Dockerfile"} {
		if err := os.WriteFile(filepath.Join(root, "functions", recipe), []byte("FROM scratch\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out := filepath.Join(root, "out")
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
	s := synthesised{folder: out, name: chosen.stackName, chosen: chosen}
	s.assertions = assertions.Template_FromStack(app.Node().FindChild(jsii.String(chosen.stackName)).(awscdk.Stack), nil)
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
	made[string(key)] = s
	return s
}

func (s synthesised) template() string { return filepath.Join(s.folder, s.name+".template.json") }

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

// named returns the resource of a type that has a construct ID.
func (s synthesised) named(t *testing.T, kind, id string) object {
	t.Helper()
	for name, r := range s.of(kind) {
		if isNamed(name, id) {
			return r
		}
	}
	t.Fatalf("there is no %s called %s", kind, id)
	return nil
}

func props(r object) object {
	p, _ := r["Properties"].(object)
	return p
}

// resolved returns what CloudFormation makes of a value, with logical names for physical ones:
// "Scratch1234", "Encode1234.Arn".
func resolved(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case object:
		if name, ok := v["Ref"].(string); ok {
			return name
		}
		if attribute, ok := v["Fn::GetAtt"].([]any); ok {
			return fmt.Sprintf("%s.%s", attribute...)
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

// statement is an Allow of an IAM policy.
type statement struct {
	actions, resources []string
	account            string // that the resource must belong to; "" is any
	condition          string // what else, as JSON
}

// statements returns what the roles whose logical name begins with role and a hash may do.
func (s synthesised) statements(t *testing.T, role string) []statement {
	t.Helper()
	var list []statement
	for _, p := range s.of("AWS::IAM::Policy") {
		attached := false
		for _, r := range props(p)["Roles"].([]any) {
			attached = attached || isNamed(resolved(r), role)
		}
		if !attached {
			continue
		}
		for _, e := range props(p)["PolicyDocument"].(object)["Statement"].([]any) {
			e := e.(object)
			if e["Effect"] != "Allow" {
				t.Errorf("%s has a statement that is no Allow", role)
			}
			account := ""
			conditions, _ := e["Condition"].(object)
			if equal, ok := conditions["StringEquals"].(object); ok && equal["aws:ResourceAccount"] != nil {
				account = resolved(equal["aws:ResourceAccount"])
				conditions, equal = maps.Clone(conditions), maps.Clone(equal)
				delete(equal, "aws:ResourceAccount")
				if conditions["StringEquals"] = equal; len(equal) == 0 {
					delete(conditions, "StringEquals")
				}
				if len(conditions) == 0 {
					conditions = nil
				}
			}
			condition, err := json.Marshal(conditions)
			if err != nil {
				t.Fatal(err)
			}
			list = append(list, statement{several(e["Action"]), several(e["Resource"]), account, string(condition)})
		}
	}
	if len(list) == 0 {
		t.Errorf("the role %s may do nothing", role)
	}
	return list
}

// isNamed reports whether a logical name is that of the construct id: the CDK appends a hash of 8
// hexadecimal digits.
func isNamed(logical, id string) bool {
	return len(logical) == len(id)+8 && strings.HasPrefix(logical, id)
}

// several returns the resolved values of a field that holds one or a list.
func several(v any) []string {
	list, ok := v.([]any)
	if !ok {
		list = []any{v}
	}
	var texts []string
	for _, e := range list {
		texts = append(texts, resolved(e))
	}
	return texts
}
