package history

import (
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/asl"
	"github.com/mapreel/mapreel/pkg/fault"
)

// While another process holds the file, a flush says so; what was recorded is written when the file is free again.
func TestEventsOutliveALockedFile(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), File)
	s, err := open(ctx, path, 20*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	x, err := s.Create(ctx, Execution{ARN: ExecutionARN("film"), Name: "film", Machine: MachineARN, Input: json.RawMessage("{}"), Started: time.Now()})
	if err != nil {
		t.Fatal(err)
	}
	other, err := open(ctx, path, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	lock, err := other.file.Write.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lock.ExecContext(ctx, "UPDATE machine SET created = created"); err != nil {
		t.Fatal(err)
	}
	s.Recorder(x, nil).Event(asl.Event{Type: "PassStateEntered", Execution: x.ARN, ID: 2, Time: time.Now(), State: "A", Input: json.RawMessage("{}")})
	if err := s.Flush(ctx); fault.KindOf(err) != fault.Transient {
		t.Errorf("flushed while the file was locked: %v", err)
	}
	cancelled, cancel := context.WithCancelCause(ctx)
	cancel(errors.New("gone"))
	if err := s.Flush(cancelled); err == nil {
		t.Error("a flush outlives its context")
	}
	if err := lock.Rollback(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(time.Minute); s.Flush(ctx) != nil && time.Now().Before(deadline); {
		time.Sleep(5 * time.Millisecond)
	}
	events, err := s.Events(ctx, x, 0, false, 10)
	if err != nil || len(events) != 2 || events[1].Type != "PassStateEntered" {
		t.Errorf("the history is %+v, %v", events, err)
	}
}
