package ledger

import (
	"context"
	"errors"
	"fmt"

	"github.com/mapreel/mapreel/pkg/fault"
)

// WrapError adds to err what was attempted in which store, such as "read job 7" and "table jobs", and
// a kind of package fault. Implementations of Ledger return their errors through it. A nil err stays
// nil.
//
// ErrNotFound and ErrConflict keep their meaning and get no kind. An error that has a kind keeps it.
// Any error after the end of ctx is replaced by that of the context, because a store may report the
// end as an interruption or a missed lock. For every other error, classify returns the kind and a
// hint, which may be empty.
func WrapError(
	ctx context.Context, attempted, store string, err error, classify func(error) (fault.Kind, string),
) error {
	if err == nil {
		return nil
	}
	what := attempted + " (" + store + ")"
	var kinded *fault.Error
	switch {
	case errors.Is(err, ErrNotFound), errors.Is(err, ErrConflict):
		return fmt.Errorf("%s: %w", attempted, err)
	case errors.As(err, &kinded):
		return fmt.Errorf("%s: %w", what, err)
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %w", what, fault.ContextError(ctx))
	}
	kind, hint := classify(err)
	return &fault.Error{Kind: kind, What: what, Hint: hint, Err: err}
}
