package sqlite

import (
	"context"

	"github.com/mapreel/mapreel/pkg/database"
	"github.com/mapreel/mapreel/pkg/ledger"
)

// fail adds what was attempted to err, and a kind unless it has one.
func (l *Ledger) fail(ctx context.Context, attempted string, err error) error {
	return fail(ctx, attempted, l.Path, err)
}

func fail(ctx context.Context, attempted, path string, err error) error {
	return ledger.WrapError(ctx, attempted, "ledger "+path, err, database.Classify(path, schema.Noun))
}
