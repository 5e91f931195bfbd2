package intake_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/blob/dir"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/intake"
)

// started counts executions.
type started struct {
	intake.Executions
	n int
}

func (s *started) Start(context.Context, string, json.RawMessage) (intake.Execution, error) {
	s.n++
	return intake.Execution{}, nil
}

// An image sequence is there if one of its frames is.
func TestAnImageSequenceIsTakenIn(t *testing.T) {
	t.Parallel()
	store, err := dir.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"in/shot/f_0001.png", "in/shot/deeper/g_0001.png"} {
		if _, err := store.Put(t.Context(), key, strings.NewReader("a picture")); err != nil {
			t.Fatal(err)
		}
	}
	executions := &started{}
	s := &intake.Service{
		Region: "eu-west-1", Sources: []intake.Place{{Bucket: "media", Prefix: "in/"}}, Destinations: []intake.Place{{Bucket: "media", Prefix: "out/"}},
		Resolve: func(_ context.Context, url string) (blob.Store, string, error) {
			return store, strings.TrimPrefix(url, "s3://media/"), nil
		},
		Executions: executions,
	}
	for source, want := range map[string]int{"f_%04d.png": 1, "*.png": 1, "g_%04d.png": 0, "f_%05d.png": 0} {
		executions.n = 0
		_, err := s.Submit(t.Context(), "a", []byte(`{"source": "s3://media/in/shot/`+source+`", "destination": "s3://media/out/",
			"sequence": {"frameRate": 24}, "outputs": [{"name": "a"}]}`))
		if executions.n != want || (err == nil) != (want == 1) || err != nil && fault.KindOf(err) != fault.Invalid {
			t.Errorf("%s: %d executions, want %d; %v", source, executions.n, want, err)
		}
	}
}
