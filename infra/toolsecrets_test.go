package main

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/tool"
)

const (
	someSecret    = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:media/words-AbC123"
	someParameter = "arn:aws:ssm:eu-west-1:123456789012:parameter/media/licence"
)

const toolsWithSecrets = `
tools:
  - {name: words, each: sound, script: "true\n", secrets: {KEY: "` + someSecret + `", LICENCE: "` + someParameter + `"}}
  - {name: labels, each: {tool: words}, script: "true\n", outputs: [{path: labels/}]}
`

// What reads the secrets of a tool: its function, and the agent that starts its Batch jobs.
func TestAToolReadsItsOwnSecrets(t *testing.T) {
	s := synth(t, object{"scratch": "s3", "batch": "true", "batchNetwork": "isolated", "tools": writeTools(t, toolsWithSecrets)})
	want := func(parameters string) []string {
		return []string{
			"kms:Decrypt arn:aws:kms:eu-west-1:123456789012:key/* " + `{"StringEquals":{"kms:EncryptionContext:PARAMETER_ARN":"` + someParameter + `"}}`,
			"kms:Decrypt arn:aws:kms:eu-west-1:123456789012:key/* " + `{"StringEquals":{"kms:EncryptionContext:SecretARN":"` + someSecret + `"}}`,
			"secretsmanager:GetSecretValue " + someSecret + " null",
			parameters + " " + someParameter + " null",
		}
	}
	for role, want := range map[string][]string{
		"ToolwordsRole": want("ssm:GetParameter"), "ToolwordsAgent": want("ssm:GetParameters"), "ToolwordsJobRole": nil, "ToollabelsRole": nil, "ToollabelsJobRole": nil, "BatchAgent": nil, "EncodeRole": nil,
	} {
		var got []string
		for _, statement := range s.statements(t, role) {
			line := strings.Join(statement.actions, ",") + " " + strings.Join(statement.resources, ",") + " " + statement.condition
			if strings.Contains(line, ":123456789012:") || strings.Contains(line, "secretsmanager") || strings.Contains(line, "ssm:") {
				got = append(got, line)
			}
		}
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", role, diff)
		}
	}
	found := false
	for name, d := range s.of("AWS::Batch::JobDefinition") {
		container := props(d)["ContainerProperties"].(object)
		var want any
		agent := "BatchAgent"
		if strings.HasPrefix(name, "ToolwordsJob") {
			agent, found = "ToolwordsAgent", true
			want = []any{object{"Name": "MAPREEL_SECRET_KEY", "ValueFrom": someSecret}, object{"Name": "MAPREEL_SECRET_LICENCE", "ValueFrom": someParameter}}
		}
		if diff := cmp.Diff(want, container["Secrets"]); diff != "" {
			t.Errorf("secrets of %s (-want +got):\n%s", name, diff)
		}
		if role := strings.TrimSuffix(resolved(container["ExecutionRoleArn"]), ".Arn"); !isNamed(role, agent) {
			t.Errorf("%s is started by %s, want %s", name, role, agent)
		}
	}
	if !found {
		t.Error("the tool with secrets has no job definition")
	}
	checkNag(t, s)
	for _, service := range []string{"SecretsManager", "ParameterStore"} {
		if !slices.ContainsFunc(slices.Collect(maps.Keys(s.of("AWS::EC2::VPCEndpoint"))), func(name string) bool { return strings.Contains(name, service) }) {
			t.Errorf("instances without a route out do not reach %s", service)
		}
	}
}

func TestSecretsOfAnotherRegionAreRefusedWithoutARouteOut(t *testing.T) {
	for _, c := range []struct {
		mode, network, region string
		refused               bool
	}{
		{"lambda-batch", "isolated", "us-east-1", true},
		{"lambda-batch", "isolated", "eu-west-1", false},
		{"lambda-batch", "isolated", "", false},
		{"lambda-batch", "public", "us-east-1", false},
		{"lambda", "isolated", "us-east-1", false},
	} {
		deployed, err := tool.ParseDeployed([]byte(`{"tools": [{"name": "words", "mode": "` + c.mode + `", "script": "true\n", "secrets": {"KEY": "` + someSecret + `"}}]}`))
		if err != nil {
			t.Fatal(err)
		}
		err = settings{batch: true, batchNetwork: c.network, deployed: deployed}.checkSecretRegions(c.region)
		if (err != nil) != c.refused || err != nil && !strings.Contains(err.Error(), "words: secrets: KEY is in eu-west-1 and the deployment in us-east-1") {
			t.Errorf("%+v: error %v", c, err)
		}
	}
}
