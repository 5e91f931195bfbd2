package main

import (
	"context"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/film/planner"
	"github.com/mapreel/mapreel/pkg/local"
	"github.com/mapreel/mapreel/pkg/render/blender"
	"github.com/mapreel/mapreel/pkg/render/job"
)

// On a busy machine ffmpeg takes seconds to say its version. The server takes jobs meanwhile, and ends where there is no ffmpeg.
func TestAServerListensBeforeItHasFoundFFmpeg(t *testing.T) {
	t.Parallel()
	answer := make(chan error)
	var stdout, stderr syncBuffer
	env := environment{
		Stdin: strings.NewReader(""), Stdout: &stdout, Stderr: &stderr, Run: local.Run, Jobs: local.Jobs,
		Find: func(ctx context.Context, _ ffmpeg.FindOptions) (ffmpeg.Tools, error) {
			select {
			case err := <-answer:
				return ffmpeg.Tools{}, err
			case <-ctx.Done():
				return ffmpeg.Tools{}, ctx.Err()
			}
		},
	}
	ended := make(chan int, 1)
	go func() {
		ended <- env.main(t.Context(), []string{"serve", "--listen", "127.0.0.1:0", "--root", t.TempDir(), "--scratch", filepath.Join(t.TempDir(), "scratch")})
	}()
	address := ""
	for deadline := time.Now().Add(time.Minute); address == ""; time.Sleep(10 * time.Millisecond) {
		address = regexp.MustCompile(`http://[0-9.:]+`).FindString(stdout.String())
		if time.Now().After(deadline) {
			t.Fatalf("the server does not listen\n%s", stderr.String())
		}
	}
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPost, address+"/", strings.NewReader(
		`{"stateMachineArn":"arn:aws:states:local:000000000000:stateMachine:mapreel","name":"film","input":"{}"}`))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/x-amz-json-1.0")
	request.Header.Set("X-Amz-Target", "AWSStepFunctions.StartExecution")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(response.Body)
	response.Body.Close()
	if err != nil || response.StatusCode != http.StatusOK || !strings.Contains(string(text), "execution:mapreel:film") {
		t.Errorf("a job was answered with %d %s, %v", response.StatusCode, text, err)
	}
	answer <- fault.New(fault.Unsupported, "there is no ffmpeg")
	if code := <-ended; code == exitDone || !strings.Contains(stderr.String(), "there is no ffmpeg") {
		t.Errorf("the server ended with %d\n%s", code, stderr.String())
	}
}

// The roots of a server may be URLs of other machines. The server then still has a local folder for what it writes itself.
func TestRootsOfAServerMayBeURLs(t *testing.T) {
	t.Chdir(t.TempDir())
	roots, err := serveCmd{Root: []string{"https://example.com/films/", "s3://bucket/films/"}}.roots()
	if err != nil || len(roots) != 3 || !filepath.IsAbs(roots[0]) || roots[1] != "https://example.com/films/" {
		t.Errorf("got %q, %v", roots, err)
	}
	for _, root := range []string{"https://example.com/films", "https://u:p@example.com/", "ftp://example.com/", "https://example.com/?a/"} {
		if _, err := (serveCmd{Root: []string{root}}).roots(); fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: %v", root, err)
		}
	}
}

// A scene is rendered by this program, started once more within limits.
func TestAServerCanStartBlender(t *testing.T) {
	t.Parallel()
	var o local.Options
	env := environment{Find: func(context.Context, ffmpeg.FindOptions) (ffmpeg.Tools, error) { return ffmpeg.Tools{}, nil }}
	if err := prepare(env)(t.Context(), &o); err != nil {
		t.Fatal(err)
	}
	var programs []blender.Program
	for _, kind := range o.Registry.Kinds {
		if k, ok := kind.(job.Kind); ok {
			programs = append(programs, k.Blender)
		}
	}
	for _, p := range o.Registry.Planners {
		if p, ok := p.(planner.Planner); ok {
			programs = append(programs, p.Blender)
		}
	}
	if len(programs) != 3 { // for the plan, for frames and for tiles
		t.Errorf("%d know Blender", len(programs))
	}
	for _, p := range programs {
		if len(p.Self) != 2 {
			t.Errorf("Blender is started by %q", p.Self)
		}
	}
}
