package lambdafn

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/blob/s3blob"
	"github.com/mapreel/mapreel/pkg/intake"
	"github.com/mapreel/mapreel/pkg/work"
)

// Every request of a worker to S3 names the account that the bucket must belong to: the deployment's, or the one that the
// deployment names for the bucket.
func TestWorkersNameTheOwnerOfEachBucket(t *testing.T) {
	var mu sync.Mutex
	var seen []string
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		bucket, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		if name, _, virtual := strings.Cut(r.Host, ".127."); virtual {
			bucket = name
		}
		seen = append(seen, bucket+" "+r.Header.Get("X-Amz-Expected-Bucket-Owner"))
		w.WriteHeader(http.StatusNotFound)
	}))
	defer server.Close()
	environment := map[string]string{
		"MAPREEL_TABLE": "ledger", "MAPREEL_ITEMS": "scratch", "MAPREEL_SCRATCH": "s3://scratch", "MAPREEL_BATCH": "none",
		s3blob.AccountVariable: "123456789012", s3blob.OwnersVariable: "films:210987654321",
		intake.MachineVariable: "arn:aws:states:eu-west-1:123456789012:stateMachine:mapreel", intake.SourcesVariable: "s3://films/",
		intake.DestinationsVariable: "s3://finished/",
	}
	for name, value := range map[string]string{
		"AWS_ENDPOINT_URL_S3": server.URL, "AWS_REGION": "eu-west-1", "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b",
	} {
		t.Setenv(name, value)
	}
	getenv := func(name string) string { return environment[name] }
	settings, err := ParseSettings(getenv)
	if err != nil {
		t.Fatal(err)
	}
	ready, err := newEngine(t.Context(), settings, work.Registry{}, &traffic{})
	if err != nil {
		t.Fatal(err)
	}
	service, err := intake.Open(t.Context(), getenv)
	if err != nil {
		t.Fatal(err)
	}
	_, _ = ready.Items.Stat(t.Context(), "list") // every request fails
	for _, resolve := range []func(context.Context, string) (blob.Store, string, error){ready.Resolve, service.Resolve} {
		for _, bucket := range []string{"films", "finished"} {
			store, key, err := resolve(t.Context(), "s3://"+bucket+"/film.mkv")
			if err != nil {
				t.Fatal(err)
			}
			_, _ = store.Stat(t.Context(), key)
		}
	}
	want := []string{
		"scratch 123456789012", "films 210987654321", "finished 123456789012", "films 210987654321", "finished 123456789012",
	}
	if diff := cmp.Diff(want, seen); diff != "" {
		t.Errorf("buckets and the accounts that requests expect (-want +got):\n%s", diff)
	}
}
