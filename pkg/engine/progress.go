package engine

import (
	"context"
	"time"

	"github.com/mapreel/mapreel/pkg/ledger"
	"github.com/mapreel/mapreel/pkg/work"
)

// ReadProgress returns the plan's groups as the ledger shows them, and when a unit last changed.
func ReadProgress(ctx context.Context, l ledger.Ledger, p work.Plan) (groups []GroupProgress, updated time.Time, err error) {
	groups = make([]GroupProgress, len(p.Groups))
	for i, g := range p.Groups {
		groups[i].Group = g
	}
	for u, err := range l.Units(ctx, p.ID, "") {
		if err != nil {
			return nil, updated, err
		}
		if u.Updated.After(updated) {
			updated = u.Updated
		}
		for i := range groups {
			switch {
			case !groups[i].Contains(u.ID):
			case u.State == ledger.Done:
				groups[i].Done++
			case u.State == ledger.Running:
				groups[i].Running++
			}
		}
	}
	return groups, updated, nil
}
