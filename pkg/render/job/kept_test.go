package job

import (
	"slices"
	"testing"

	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/render"
)

func numbersOf(l list) (n []int) {
	for _, e := range l.Frames {
		n = append(n, e.Number)
	}
	return n
}

func TestFramesOfAnEarlierVersionAreNeverCounted(t *testing.T) {
	t.Parallel()
	of := func(look, size string, numbers ...int) (l list) {
		l = list{Version: listVersion, Look: look}
		for _, n := range numbers {
			l.Frames = append(l.Frames, entry{Number: n, Path: render.FileName(n, render.PNG), Digest: size})
		}
		return l
	}
	for name, c := range map[string]struct {
		before, now list
		want        []int
		stale       []string
	}{
		"a new folder":                 {list{}, of("a", "", 1, 2), []int{1, 2}, nil},
		"more frames of the same":      {of("a", "", 3, 1), of("a", "", 2), []int{1, 2, 3}, nil},
		"frames of another version":    {of("a", "", 1, 2, 3), of("b", "", 1, 2), []int{1, 2}, []string{"frame_0003.png"}},
		"frames of another format":     {of("a", "", 1, 2), list{Version: listVersion, Look: "b", Frames: []entry{{Number: 1, Path: "frame_0001.exr"}}}, []int{1}, []string{"frame_0001.png", "frame_0002.png"}},
		"a list that others have made": {list{Look: "b", Frames: []entry{{Number: 3, Path: "../../film.mp4"}}}, of("a", "", 1), []int{1}, nil},
	} {
		all, stale := merge(c.before, c.now)
		if !slices.Equal(numbersOf(all), c.want) || !slices.Equal(stale, c.stale) {
			t.Errorf("%s: %v and stale %v, want %v and %v", name, numbersOf(all), stale, c.want, c.stale)
		}
	}
	all, _ := merge(of("a", "old", 16, 17), of("a", "new", 17))
	if all.Frames[0].Digest != "old" || all.Frames[1].Digest != "new" {
		t.Errorf("a frame that was rendered again is not replaced: %v", all.Frames)
	}
}

func TestRedoNeverRemovesFramesOfAnotherVersion(t *testing.T) {
	t.Parallel()
	had := list{Version: listVersion, Look: "a", Frames: []entry{{Number: 1, Path: "frame_0001.png"}}}
	for name, c := range map[string]struct {
		look, redo string
		before     list
		refused    bool
	}{
		"the same version":                  {"a", "1", had, false},
		"another version":                   {"b", "1", had, true},
		"another version, all of it":        {"b", "", had, false},
		"an empty folder":                   {"b", "1", list{}, false},
		"a folder that has lost its frames": {"b", "1", list{Version: listVersion, Look: "a"}, false},
	} {
		k := kept{job: film.Job{Render: &render.Job{Look: c.look, Settings: render.Settings{Redo: c.redo}}}}
		if err := k.checkRedo(c.before); (err != nil) != c.refused {
			t.Errorf("%s: %v", name, err)
		}
	}
}
