package local_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/local"
)

// A Batch process and its ffmpeg end with the process that runs the job, and do not see that process's environment.
func TestNoBatchProcessSurvivesItsJob(t *testing.T) {
	t.Parallel()
	s, _, pids := slowed(t)
	cmd := s.parent(t.Context(), t, onBatch(t), local.Options{Scratch: t.TempDir(), Jobs: 1, Batch: asProcess})
	cmd.Env = append(cmd.Env, "AWS_SECRET_ACCESS_KEY=hidden")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for began := time.Now(); ; time.Sleep(20 * time.Millisecond) {
		if text, err := os.ReadFile(pids); err == nil && strings.HasSuffix(string(text), "\n") {
			break
		}
		if time.Since(began) > 3*time.Minute {
			_ = cmd.Process.Kill()
			_ = cmd.Wait()
			t.Fatalf("no encode began:\n%s", &out)
		}
	}
	p := processes(t, pids)[0]
	if p.parent == cmd.Process.Pid {
		t.Error("the Batch job is not a process of its own")
	}
	for _, pid := range []int{p.parent, p.pid} {
		env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
		if err != nil || bytes.Contains(env, []byte("hidden")) {
			t.Errorf("process %d has the secret in its environment, or is gone (%v)", pid, err)
		}
		if pid == p.pid && bytes.Contains(env, []byte("MAPREEL_")) {
			t.Errorf("ffmpeg has its worker's variables in its environment: %q", env)
		}
	}
	if err := cmd.Process.Signal(syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // "signal: killed", as wanted
	if !gone(p.parent) {
		t.Errorf("the Batch job's process, %d, survived", p.parent)
	}
	if !gone(p.pid) {
		t.Errorf("its ffmpeg, process %d, survived", p.pid)
	}
}

// Replacing the program on disk while a job runs does not mix two versions.
func TestAReplacedProgramIsStartedAsItWas(t *testing.T) {
	t.Parallel()
	program := filepath.Join(t.TempDir(), "program")
	body, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(program, body, 0o700); err != nil {
		t.Fatal(err)
	}
	req := onBatch(t)
	cmd := films(t).parent(t.Context(), t, req, local.Options{Scratch: t.TempDir(), Jobs: 1, Batch: asProcess})
	cmd.Path = program
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	other := program + ".new"
	err = os.WriteFile(other, []byte("#!/bin/sh\nexit 3\n"), 0o700)
	if err == nil {
		err = os.Rename(other, program) // while the source is examined
	}
	if err != nil {
		t.Error(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("the job ended with %v\n%s", err, &out)
	}
}
