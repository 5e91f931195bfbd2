package ledger

import (
	"context"

	"github.com/mapreel/mapreel/pkg/fault"
)

// WrapError adds to err what was attempted in which store, and a kind: see fault.InStore. Implementations of Ledger return their
// errors through it. ErrNotFound and ErrConflict keep their meaning and get no kind.
func WrapError(
	ctx context.Context, attempted, store string, err error, classify func(error) (fault.Kind, string),
) error {
	return fault.InStore(ctx, attempted, store, err, []error{ErrNotFound, ErrConflict}, classify)
}
