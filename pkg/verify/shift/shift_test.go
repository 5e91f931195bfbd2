package shift

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// film returns what the frames of an output show whose frame i shows the source's frame order[i] and not its own, if they
// differ. Frames in still can be any.
func film(order []int, still map[int]bool) []Shown {
	list := make([]Shown, len(order))
	for i, n := range order {
		list[i] = Shown{Own: int32(i), Best: int32(n), Paired: true, Sure: true}
		if still[i] {
			list[i].Best, list[i].Sure = list[i].Own, false
		}
	}
	return list
}

func TestSectionsBeginWhereTheShiftChanges(t *testing.T) {
	t.Parallel()
	from := func(list []int, at, by int) []int {
		for i := at; i < len(list); i++ {
			list[i] += by
		}
		return list
	}
	frames := func(n int) []int {
		list := make([]int, n)
		for i := range list {
			list[i] = i
		}
		return list
	}
	for _, c := range []struct {
		name   string
		order  []int
		still  map[int]bool
		source int
		want   []Section
	}{
		{"nothing", frames(50), nil, 50, []Section{{}}},
		{"a frame is missing", from(frames(49), 20, 1), nil, 50, []Section{{By: 0, Sure: -1}, {20, 1, 19}}},
		{"ten frames are missing", from(frames(40), 20, 10), nil, 50, []Section{{By: 0, Sure: -1}, {20, 10, 19}}},
		{"the third but last is missing", from(frames(49), 47, 1), nil, 50, []Section{{By: 0, Sure: -1}, {47, 1, 46}}},
		{"a frame is missing where nothing moves", from(frames(49), 20, 1), map[int]bool{18: true, 19: true, 20: true, 21: true}, 50, []Section{{By: 0, Sure: -1}, {22, 1, 17}}},
		{"one is missing and another doubled", from(from(frames(50), 10, 1), 30, -1), nil, 50, []Section{{By: 0, Sure: -1}, {10, 1, 9}, {30, 0, 29}}},
		{"all late by one", from(frames(50), 1, -1), nil, 50, []Section{{By: 0, Sure: -1}, {1, -1, 0}}},
		{"two exchanged", append(append(frames(20), 21, 20), from(frames(28), 0, 22)...), nil, 50, []Section{{By: 0, Sure: -1}}},
	} {
		if diff := cmp.Diff(c.want, Sections(film(c.order, c.still), c.source)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
	}
}
