package engine

import (
	"context"
	"encoding/json"
	"errors"
	"testing"

	"github.com/mapreel/mapreel/pkg/ledger"
	"github.com/mapreel/mapreel/pkg/work"
)

// What a unit made is announced before it is recorded: otherwise a worker that is killed in between would never announce it. A
// failure to announce costs the news, not the unit.
func TestAnAnnouncementPrecedesTheRecord(t *testing.T) {
	for name, failure := range map[string]error{"told": nil, "refused": errors.New("no route")} {
		t.Run(name, func(t *testing.T) {
			f := newFixture(t, &letters{names: []string{"1"}, second: []string{"1"}})
			news := work.Announcement{Type: "news", Detail: json.RawMessage(`{"key":"x"}`)}
			f.Registry.Kinds[1] = writer{name: "b", news: []work.Announcement{news}}
			told := 0
			f.Announce = func(ctx context.Context, job string, list []work.Announcement) error {
				told++
				u, err := f.Ledger.Unit(ctx, job, "b/1")
				if err != nil || u.State == ledger.Done || len(list) != 1 || list[0].Type != "news" || string(list[0].Detail) != `{"key":"x"}` {
					t.Errorf("announced %v of a unit in state %v: %v", list, u.State, err)
				}
				if _, bounded := ctx.Deadline(); !bounded {
					t.Error("a bus that does not answer would hold the unit")
				}
				return failure
			}
			f.drive(t, "one")
			if told != 1 || f.published(t) != "b/1\n" {
				t.Errorf("%d announcements, published %q", told, f.published(t))
			}
		})
	}
}
