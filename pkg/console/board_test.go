package console

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// names returns the names in an update, in its order.
func names(t *testing.T, u update) string {
	t.Helper()
	var list []string
	for _, text := range u.Rows {
		var row Row
		if err := json.Unmarshal(text, &row); err != nil {
			t.Fatal(err)
		}
		list = append(list, row.Name)
	}
	return strings.Join(list, " ")
}

func TestAReaderGetsWhatChangedSinceItsVersion(t *testing.T) {
	t.Parallel()
	b := newBoard()
	b.set([]Row{{Name: "a", Sequence: 1}, {Name: "b", Sequence: 2}})
	u, first, next, ok := b.since(0)
	if !u.Full || names(t, u) != "b a" || !ok {
		t.Errorf("at first: %+v", u)
	}
	b.set([]Row{{Name: "a", Sequence: 1}, {Name: "b", Sequence: 2}})
	select {
	case <-next:
		t.Error("the same rows are a change")
	default:
	}
	b.set([]Row{{Name: "a", Sequence: 1, Done: 1}, {Name: "c", Sequence: 3}})
	select {
	case <-next:
	default:
		t.Error("a change was not told")
	}
	u, second, _, _ := b.since(first)
	if u.Full || names(t, u) != "c a" || strings.Join(u.Gone, " ") != "b" {
		t.Errorf("after a change: %+v", u)
	}
	if u, _, _, _ := b.since(second); len(u.Rows)+len(u.Gone) > 0 || u.Full {
		t.Errorf("again: %+v", u)
	}
	b.close()
	if _, _, next, ok := b.since(second); ok {
		t.Error("a closed board goes on")
	} else {
		<-next
	}
}

func TestAReaderThatMissedTooMuchStartsAgain(t *testing.T) {
	t.Parallel()
	b := newBoard()
	rows := make([]Row, maxGone+1)
	for i := range rows {
		rows[i] = Row{Name: fmt.Sprint("job ", i), Sequence: int64(i)}
	}
	b.set(rows)
	_, version, _, _ := b.since(0)
	b.set(nil)
	u, now, _, _ := b.since(version)
	if !u.Full || len(u.Rows) > 0 {
		t.Errorf("after %d removals: %+v", len(rows), u)
	}
	for id, want := range map[string]int64{
		fmt.Sprintf("%s-%d", b.epoch, now): now, "": 0, "another-7": 0, b.epoch: 0, b.epoch + "-x": 0,
	} {
		if got := b.resume(id); got != want {
			t.Errorf("Last-Event-ID %q is version %d, want %d", id, got, want)
		}
	}
	if u, _, _, _ := b.since(now + 5); !u.Full {
		t.Error("a version that was never there is believed")
	}
}
