package api_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// boto3 was written against AWS, and has its own model of what the service answers.
func TestBoto3WorksUnchanged(t *testing.T) {
	t.Parallel()
	python, err := exec.LookPath("python3")
	if err == nil {
		err = exec.CommandContext(t.Context(), python, "-c", "import boto3").Run()
	}
	if err != nil {
		t.Skipf("SKIPPED: there is no python3 with boto3 (pip install boto3), so the API is tested with the SDK for Go only: %v", err)
	}
	s := newService(t)
	gate := filepath.Join(t.TempDir(), "open")
	s.gate.set(func(ctx context.Context, _ string) error {
		for {
			if _, err := os.Stat(gate); !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			select {
			case <-ctx.Done():
				return context.Cause(ctx)
			case <-time.After(20 * time.Millisecond):
			}
		}
	})
	cmd := exec.CommandContext(t.Context(), python, filepath.Join("testdata", "boto3_client.py"), s.url, *s.request("out"), gate)
	var problems strings.Builder
	cmd.Stderr = &problems
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s%s", err, out, problems.String())
	}
	if got := strings.TrimSpace(string(out)); !strings.HasPrefix(got, "13 operations, ") {
		t.Errorf("it asked for %s, want all 13 that there are", got)
	}
}
