package history

import (
	"encoding/json"
	"path/filepath"
	"testing"
	"time"
)

// Version 1 knew no options.
func TestAHistoryOfVersion1IsRead(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), File)
	old, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	want := Execution{ARN: ExecutionARN("film"), Name: "film", Machine: MachineARN, Input: json.RawMessage("{}"), Started: time.Now()}
	if _, err := old.Create(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	if _, err := old.file.Write.ExecContext(t.Context(), "ALTER TABLE executions DROP COLUMN options; PRAGMA user_version = 1"); err != nil {
		t.Fatal(err)
	}
	if err := old.Close(); err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	x, err := s.Execution(t.Context(), want.ARN)
	if err != nil || x.Name != "film" || x.Options != (Options{}) {
		t.Errorf("got %+v, %v", x, err)
	}
	want.ARN, want.Name, want.Options = ExecutionARN("next"), "next", Options{KeepScratch: true, IgnoreSpace: true}
	if _, err := s.Create(t.Context(), want); err != nil {
		t.Fatal(err)
	}
	if x, err := s.Execution(t.Context(), want.ARN); err != nil || x.Options != want.Options {
		t.Errorf("got %+v, %v", x, err)
	}
}
