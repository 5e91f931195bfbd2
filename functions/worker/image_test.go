package main

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A tool gets the variables of its image, and not those of the machine that builds it.
func TestTheEnvironmentOfAnImageIsRecorded(t *testing.T) {
	t.Setenv("MODEL", "/models/large")
	t.Setenv("HOSTNAME", "buildkitsandbox")
	t.Setenv("https_proxy", "http://user:password@proxy.example.com")
	file := filepath.Join(t.TempDir(), "environment.json")
	if env, err := readEnvironment(file); env != nil || err != nil {
		t.Errorf("an image that is not a tool's has %q, %v", env, err)
	}
	if code := recordEnvironment(file); code != 0 {
		t.Fatalf("exit code %d", code)
	}
	env, err := readEnvironment(file)
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(env, "MODEL=/models/large") || slices.ContainsFunc(env, func(v string) bool {
		return strings.HasPrefix(v, "HOSTNAME=") || strings.HasPrefix(v, "https_proxy=")
	}) {
		t.Errorf("recorded are %q", env)
	}
}
