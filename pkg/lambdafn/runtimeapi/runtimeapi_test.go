package runtimeapi

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// A machine that fails no longer waits for its other events. Lambda takes their answers all the same; a process that was refused one
// would exit, and the next event would be lost with it.
func TestALateAnswerIsAccepted(t *testing.T) {
	f := New("encode")
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	ctx, stop := context.WithCancelCause(t.Context())
	given := errors.New("given up")
	f.Delivered = func([]byte) { stop(given) }
	returned := make(chan error, 1)
	go func() {
		_, err := f.Invoke(ctx, []byte(`{}`), time.Minute)
		returned <- err
	}()
	id := next(t, server.URL)
	if err := <-returned; !errors.Is(err, given) {
		t.Fatalf("the event ends with %v", err)
	}
	if status := reply(t, server.URL, id, `{"late":true}`); status != http.StatusAccepted {
		t.Errorf("the late answer gets the status %d", status)
	}
	if status := reply(t, server.URL, id, `{"late":true}`); status != http.StatusBadRequest {
		t.Errorf("a second answer to one event gets the status %d", status)
	}

	f.Delivered = nil
	go func() { reply(t, server.URL, next(t, server.URL), `{"ok":true}`) }()
	out, err := f.Invoke(t.Context(), []byte(`{}`), time.Minute)
	if err != nil || string(out) != `{"ok":true}` {
		t.Errorf("the next event is answered with %s, %v", out, err)
	}
}

// next fetches an event and returns its request ID.
func next(t *testing.T, url string) string {
	t.Helper()
	resp, err := http.Get(url + "/2018-06-01/runtime/invocation/next")
	if err != nil {
		t.Error(err)
		return ""
	}
	defer func() { _ = resp.Body.Close() }()
	return resp.Header.Get("Lambda-Runtime-Aws-Request-Id")
}

// reply answers an event and returns the status.
func reply(t *testing.T, url, id, body string) int {
	t.Helper()
	resp, err := http.Post(url+"/2018-06-01/runtime/invocation/"+id+"/response", "application/json", strings.NewReader(body))
	if err != nil {
		t.Error(err)
		return 0
	}
	defer func() { _ = resp.Body.Close() }()
	return resp.StatusCode
}
