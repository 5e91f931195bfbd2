package fault

import (
	"context"
	"errors"
	"fmt"
	"slices"
)

// InStore adds to err what was attempted in which store, such as "read job 7" and "table jobs", and a kind. A nil err stays nil.
//
// The store's own errors, which mean something to callers, keep their meaning and get no kind. An error that has a kind keeps it. Any
// error after the end of ctx is replaced by that of the context, because a store may report the end as an interruption or a missed
// lock. For every other error, classify returns the kind and a hint, which may be empty.
func InStore(ctx context.Context, attempted, store string, err error, own []error, classify func(error) (Kind, string)) error {
	if err == nil {
		return nil
	}
	what := attempted + " (" + store + ")"
	var kinded *Error
	switch {
	case slices.ContainsFunc(own, func(e error) bool { return errors.Is(err, e) }):
		return fmt.Errorf("%s: %w", attempted, err)
	case errors.As(err, &kinded):
		return fmt.Errorf("%s: %w", what, err)
	case ctx.Err() != nil:
		return fmt.Errorf("%s: %w", what, ContextError(ctx))
	}
	kind, hint := classify(err)
	return &Error{Kind: kind, What: what, Hint: hint, Err: err}
}
