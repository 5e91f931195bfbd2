package lambdafn

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/work"
)

// A finished slice is an event on the bus of the deployment, as EventBridge's own protocol has it. One that is refused is an error,
// although the call succeeds.
func TestAnnouncementsAreEventsOnTheBus(t *testing.T) {
	type entry struct{ EventBusName, Source, DetailType, Detail string }
	var mu sync.Mutex
	var seen []entry
	answer := `{"FailedEntryCount":0,"Entries":[{"EventId":"1"}]}`
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		var in struct{ Entries []entry }
		body, err := io.ReadAll(r.Body)
		if err != nil || json.Unmarshal(body, &in) != nil || r.Header.Get("X-Amz-Target") != "AWSEvents.PutEvents" || len(in.Entries) > maxEntries {
			http.Error(w, "not a call of PutEvents", http.StatusBadRequest)
			return
		}
		seen = append(seen, in.Entries...)
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		_, _ = io.WriteString(w, answer)
	}))
	defer server.Close()
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL_EVENTBRIDGE": server.URL, "AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b", "AWS_MAX_ATTEMPTS": "1",
	} {
		t.Setenv(name, value)
	}
	e, err := newEngine(t.Context(), Settings{Table: "ledger", Bucket: "scratch", Bus: "jobs"}, work.Registry{}, &traffic{})
	if err != nil {
		t.Fatal(err)
	}
	news := []work.Announcement{{Type: "newSlice", Detail: json.RawMessage(`{"key":"a\"b.gif","start":30}`)}}
	if err := e.Announce(t.Context(), "3f2a", news); err != nil {
		t.Fatal(err)
	}
	want := []entry{{"jobs", "mapreel", "newSlice", `{"job":"3f2a","key":"a\"b.gif","start":30}`}}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	seen = nil
	many := make([]work.Announcement, maxEntries+1)
	for i := range many {
		many[i] = work.Announcement{Type: "newSlice", Detail: json.RawMessage(`{}`)}
	}
	if err := e.Announce(t.Context(), "3f2a", many); err != nil || len(seen) != len(many) || seen[0].Detail != `{"job":"3f2a"}` {
		t.Errorf("%d of %d events: %v", len(seen), len(many), err)
	}
	answer = `{"FailedEntryCount":1,"Entries":[{"ErrorCode":"ThrottlingException","ErrorMessage":"slow down"}]}`
	if err := e.Announce(t.Context(), "3f2a", news); err == nil || !strings.Contains(err.Error(), "ThrottlingException: slow down") {
		t.Errorf("a refused event: %v", err)
	}
	if e, err = newEngine(t.Context(), Settings{Table: "ledger", Bucket: "scratch"}, work.Registry{}, &traffic{}); err != nil || e.Announce != nil {
		t.Errorf("without a bus, workers announce: %v", err)
	}
}
