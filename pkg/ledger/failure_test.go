package ledger_test

import (
	"context"
	"errors"
	"testing"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ledger"
)

func TestWrapErrorNamesTheOperationAndGivesOneKind(t *testing.T) {
	cause := errors.New("the user had enough")
	ended, cancel := context.WithCancelCause(t.Context())
	cancel(cause)
	busy := errors.New("busy")
	classify := func(error) (fault.Kind, string) { return fault.Transient, "wait" }
	for name, c := range map[string]struct {
		ctx        context.Context //nolint:containedctx // the input of a test case
		err        error
		text, hint string
		kind       fault.Kind
		is         error
	}{
		"an absent record": {t.Context(), ledger.ErrNotFound, "read: not in the ledger", "", fault.Internal, ledger.ErrNotFound},
		"a conflict":       {ended, ledger.ErrConflict, "read: changed by another worker", "", fault.Internal, ledger.ErrConflict},
		"a known kind":     {ended, fault.New(fault.Corrupt, "bad"), "read (table t): bad", "", fault.Corrupt, nil},
		"the context's":    {ended, busy, "read (table t): context canceled: the user had enough", "", fault.Transient, cause},
		"any other":        {t.Context(), busy, "read (table t): busy", "wait", fault.Transient, busy},
	} {
		err := ledger.WrapError(c.ctx, "read", "table t", c.err, classify)
		if err.Error() != c.text || fault.KindOf(err) != c.kind || fault.HintOf(err) != c.hint {
			t.Errorf("%s: got %q of kind %s with hint %q, want %q, %s, %q", name, err, fault.KindOf(err), fault.HintOf(err), c.text, c.kind, c.hint)
		}
		if c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("%s: %v does not wrap %v", name, err, c.is)
		}
	}
	if err := ledger.WrapError(ended, "read", "table t", nil, classify); err != nil {
		t.Errorf("nil becomes %v", err)
	}
}
