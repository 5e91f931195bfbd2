package console

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// done records a job that has made outputs of a film in the root.
func (s *site) done(name, source string, outputs int) {
	t := s.t
	t.Helper()
	var made []map[string]any
	for i := range outputs {
		path := filepath.Join(s.root, fmt.Sprintf("out-%d.mp4", i))
		if err := os.WriteFile(path, []byte("output"), 0o600); err != nil {
			t.Fatal(err)
		}
		made = append(made, map[string]any{"url": path, "seams": []float64{1.5, 3}, "video": []map[string]any{{"codec": "h264", "width": 64, "height": 36, "crf": 23, "preset": "fast"}}})
	}
	output, err := json.Marshal(map[string]any{"outputs": made})
	if err != nil {
		t.Fatal(err)
	}
	input, err := json.Marshal(map[string]string{"source": source})
	if err != nil {
		t.Fatal(err)
	}
	x, err := s.fake.Start(t.Context(), name, input)
	if err != nil {
		t.Fatal(err)
	}
	s.succeed(x, string(output))
}

// comparison waits until the comparison of an output has a state.
func (s *site) await(path, state string) string {
	s.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(5 * time.Millisecond) {
		_, text, _ := s.get(path + "/verify")
		if strings.Contains(text, `"state":"`+state+`"`) {
			return text
		}
		if time.Now().After(deadline) {
			s.t.Fatalf("%s is %s, want %s", path, text, state)
		}
	}
}

func TestComparisonsRunOneAtATime(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	source := filepath.Join(s.root, "film.mp4")
	if err := os.WriteFile(source, []byte("source"), 0o600); err != nil {
		t.Fatal(err)
	}
	var running atomic.Int32
	pass := make(chan error)
	s.opts.Verify = func(ctx context.Context, from, output string, report json.RawMessage, progress func(Fraction)) (Comparison, error) {
		if running.Add(1) > 1 {
			t.Error("two run at once")
		}
		defer running.Add(-1)
		if from != source || !strings.Contains(string(report), `"seams":[1.5,3]`) || !strings.HasPrefix(output, s.root) {
			t.Errorf("asked for %s, %s, %s", from, output, report)
		}
		progress(0.5)
		select {
		case err := <-pass:
			return Comparison{Report: json.RawMessage(`{"verdict":"good","checks":[]}`), Plot: []byte("<svg/>")}, err
		case <-ctx.Done():
			return Comparison{}, ctx.Err()
		}
	}
	slot := make(chan struct{})
	s.opts.Slot = func(ctx context.Context) (func(), error) {
		select {
		case <-slot:
			return func() {}, nil
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	s.done("film", source, 3)
	status, text, _ := s.get("/play/film/0/facts.json")
	if want := `{"size":6,"seams":[1.5,3],"video":["64×36 h264, CRF 23, preset fast"],"source":"source","job":"/#/job/film","verify":"verify"}`; status != 200 || text != want+"\n" {
		t.Errorf("facts: %d %s", status, text)
	}
	if status, text, _ := s.get("/play/film/0/source"); status != 200 || text != "source" {
		t.Errorf("the source: %d %s", status, text)
	}
	for _, output := range []string{"0", "1", "2", "0"} {
		if status, text := s.post("/play/film/"+output+"/verify", "{}"); status != 200 {
			t.Fatalf("%d %s", status, text)
		}
	}
	if s.await("/play/film/0", "waiting"); running.Load() > 0 {
		t.Error("it runs without a slot")
	}
	close(slot)
	first := s.await("/play/film/0", "running")
	for !strings.Contains(first, `"done":0.5`) {
		first = s.await("/play/film/0", "running")
	}
	s.await("/play/film/1", "waiting")
	request, err := http.NewRequestWithContext(t.Context(), http.MethodDelete, s.url+"/play/film/1/verify", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	s.await("/play/film/1", "none")
	pass <- nil
	if text := s.await("/play/film/0", "done"); !strings.Contains(text, `"verdict":"good"`) || !strings.Contains(text, `"plot":true`) {
		t.Errorf("done: %s", text)
	}
	status, text, header := s.get("/play/film/0/plot.svg")
	if status != 200 || text != "<svg/>" || header.Get("Content-Type") != "image/svg+xml" || !strings.Contains(header.Get("Content-Security-Policy"), "default-src 'none'") {
		t.Errorf("the drawing: %d %s %v", status, text, header)
	}
	pass <- errors.New("torn")
	if text := s.await("/play/film/2", "failed"); !strings.Contains(text, `"problem":"torn"`) {
		t.Errorf("failed: %s", text)
	}
}

// A source that lies elsewhere, or that leads elsewhere by a link, is neither shown nor read.
func TestASourceStaysBelowTheRoots(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	s.opts.Verify = func(context.Context, string, string, json.RawMessage, func(Fraction)) (Comparison, error) {
		t.Error("it was read")
		return Comparison{}, nil
	}
	outside := filepath.Join(t.TempDir(), "film.mp4")
	if err := os.WriteFile(outside, []byte("secret"), 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(s.root, "link.mp4")
	if err := os.Symlink(outside, link); err != nil {
		t.Fatal(err)
	}
	for i, source := range []string{outside, link, "s3://bucket/film.mp4", filepath.Join(s.root, "..", "film.mp4"), s.root} {
		name := fmt.Sprintf("film-%d", i)
		s.done(name, source, 1)
		if status, text, _ := s.get("/play/" + name + "/0/source"); status < 400 || strings.Contains(text, "secret") {
			t.Errorf("%s: %d %s", source, status, text)
		}
		if source == s.root {
			continue // within the roots; what compares says that it is no film
		}
		if status, text := s.post("/play/"+name+"/0/verify", "{}"); status < 400 {
			t.Errorf("%s is compared: %d %s", source, status, text)
		}
	}
	if status, _ := s.post("/play/film-0/7/verify", "{}"); status != http.StatusNotFound {
		t.Errorf("an output that is not there: %d", status)
	}
	answer, err := http.Post(s.url+"/play/film-0/0/verify", "text/plain", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	answer.Body.Close()
	if answer.StatusCode != http.StatusUnsupportedMediaType {
		t.Errorf("a form of another site: %d", answer.StatusCode)
	}
}
