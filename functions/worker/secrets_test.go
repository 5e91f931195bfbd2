package main

import (
	"context"
	"testing"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/tool"
)

// A Batch job has its secrets in its environment, and a function reads those of its tool.
func TestSecretsOfTools(t *testing.T) {
	const arn = "arn:aws:ssm:eu-west-1:123456789012:parameter/key"
	deployed, err := tool.ParseDeployed([]byte(`{"tools": [{"name": "words", "script": "true\n", "secrets": {"KEY": "` + arn + `"}}]}`))
	if err != nil {
		t.Fatal(err)
	}
	read := func(_ context.Context, region, arn string) (string, error) { return region + " " + arn, nil }
	env := map[string]string{"KEY": "of the worker"}
	lookup := func(name string) (string, bool) {
		value, ok := env[name]
		return value, ok
	}
	secret := secretsOf(deployed, lookup, read)
	if got, err := secret(t.Context(), "words", "KEY"); got != "eu-west-1 "+arn || err != nil {
		t.Errorf("in a function: %q, %v", got, err)
	}
	for _, other := range [][2]string{{"words", "AWS_SECRET_ACCESS_KEY"}, {"labels", "KEY"}} {
		if got, err := secret(t.Context(), other[0], other[1]); err == nil {
			t.Errorf("%q is %q", other, got)
		}
	}
	env[tool.SecretVariable+"KEY"] = "passed"
	if got, err := secret(t.Context(), "words", "KEY"); got != "passed" || err != nil {
		t.Errorf("in a Batch job: %q, %v", got, err)
	}
	env[tool.SecretVariable+"KEY"] = ""
	if got, err := secret(t.Context(), "words", "KEY"); fault.KindOf(err) != fault.Invalid {
		t.Errorf("an empty one in a Batch job: %q, %v", got, err)
	}
}
