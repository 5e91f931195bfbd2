package local_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/local"
)

func TestAJobThatWouldFillTheDiskIsRefusedBeforeItEncodes(t *testing.T) {
	t.Parallel()
	source := clip(t, "in.mp4", args(picture(1), []string{"-c:v", "libx264", "-preset", "ultrafast"})...)
	for _, c := range []struct {
		name             string
		scratch, out     local.Disk
		ignore, unknown  bool
		refused, missing string // which folders the message names
	}{
		{name: "enough", scratch: local.Disk{ID: 1, Free: 1 << 30}, out: local.Disk{ID: 2, Free: 1 << 30}},
		{name: "small scratch", scratch: local.Disk{ID: 1, Free: 1000}, out: local.Disk{ID: 2, Free: 1 << 30}, refused: "scratch", missing: "out"},
		{name: "small destination", scratch: local.Disk{ID: 1, Free: 1 << 30}, out: local.Disk{ID: 2, Free: 1000}, refused: "out", missing: "scratch"},
		// Each alone would fit.
		{name: "one disk", scratch: local.Disk{ID: 1, Free: 1_500_000}, out: local.Disk{ID: 1, Free: 1_500_000}, refused: "scratch"},
		{name: "ignored", ignore: true},
		{name: "unknown", unknown: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			scratch, out := filepath.Join(dir, "scratch"), filepath.Join(dir, "out")
			if err := os.Mkdir(out, 0o700); err != nil {
				t.Fatal(err)
			}
			started := 0
			_, err := films(t).run(t.Context(), request(source, out, "mp4"), local.Options{
				Scratch: scratch, Jobs: 1, IgnoreSpace: c.ignore,
				Disk: func(folder string) (local.Disk, error) {
					switch {
					case c.unknown:
						return local.Disk{}, errors.ErrUnsupported
					case folder == scratch:
						return c.scratch, nil
					}
					return c.out, nil
				},
				Observe: func(e local.Event) {
					if e.Type == engine.Started {
						started++
					}
				},
			})
			if c.refused == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if fault.KindOf(err) != fault.OutOfSpace || started > 0 {
				t.Fatalf("got %v after %d attempts, want OutOfSpace before the first", err, started)
			}
			text := err.Error()
			if !strings.Contains(text, filepath.Join(dir, c.refused)) || c.missing != "" && strings.Contains(text, filepath.Join(dir, c.missing)) {
				t.Errorf("the message is %q, want only %s in it", text, c.refused)
			}
			if !strings.Contains(text, " MB ") || !strings.Contains(fault.HintOf(err), "--ignore-space") {
				t.Errorf("the message is %q with the hint %q", text, fault.HintOf(err))
			}
			assertEmpty(t, out)
		})
	}
}
