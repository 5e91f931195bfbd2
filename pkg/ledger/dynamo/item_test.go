package dynamo

import (
	"testing"

	"github.com/mapreel/mapreel/pkg/fault"
)

func TestBatchThatStaysUnprocessedIsTransient(t *testing.T) {
	l := &Ledger{table: "t"}
	if err := l.nextRound(t.Context(), batchRounds); err != nil {
		t.Errorf("the last round: %v", err)
	}
	if err := l.nextRound(t.Context(), batchRounds+1); fault.KindOf(err) != fault.Transient {
		t.Errorf("after the last round: got %v, want Transient", err)
	}
}

func TestChangeDefinesNoUnusedPlaceholder(t *testing.T) {
	c := newChange()
	c.set("state", text("x"))
	c.setDocument("facts", nil)
	c.setExpiry(0)
	if err := c.setFailure(nil); err != nil {
		t.Fatal(err)
	}
	if len(c.names) != 4 || len(c.values) != 1 || len(c.sets) != 1 || len(c.removes) != 3 {
		t.Errorf("got %+v, want one attribute set, three removed and one value", c)
	}
}
