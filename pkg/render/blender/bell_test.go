package blender

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// ringer opens a bell as Blender does.
func ringer(t *testing.T, b *bell) *os.File {
	t.Helper()
	f, err := os.OpenFile(b.name(), os.O_WRONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	return f
}

func TestBothWhoWaitHearABell(t *testing.T) {
	t.Parallel()
	b := newBell(filepath.Join(t.TempDir(), "bell"))
	defer b.close()
	f := ringer(t, b)
	task, _ := b.forTask(time.Hour)
	line, _ := b.forLine(time.Hour)
	for range 3 { // also once it has been closed and opened again
		if _, err := f.WriteString("."); err != nil {
			t.Fatal(err)
		}
		for name, c := range map[string]<-chan struct{}{"the task": task, "a line": line} {
			select {
			case <-c:
			case <-time.After(20 * time.Second):
				t.Fatalf("who waits for %s hears nothing", name)
			}
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		f = ringer(t, b)
	}
}

func TestABellThatRingsWithoutEndIsHeardNowAndThen(t *testing.T) {
	t.Parallel()
	b := newBell(filepath.Join(t.TempDir(), "bell"))
	defer b.close()
	f := ringer(t, b)
	task, _ := b.forTask(time.Hour)
	const while = 300 * time.Millisecond
	heard, began := 0, time.Now()
	for time.Since(began) < while {
		_, _ = f.WriteString(".") // fails while it is full
		select {
		case <-task:
			heard++
		default:
		}
	}
	if most := int(time.Since(began)/ringing) + 1; heard == 0 || heard > most {
		t.Errorf("heard %d times, at most %d", heard, most)
	}
}

func TestWithoutABellFilesAreLookedAtOften(t *testing.T) {
	t.Parallel()
	name := filepath.Join(t.TempDir(), "bell")
	if err := os.WriteFile(name, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	b := newBell(name)
	if c, interval := b.forTask(polling); c != nil || interval != polling || b.name() != "" {
		t.Errorf("%v, every %v, %q", c, interval, b.name())
	}
	b.close()
}
