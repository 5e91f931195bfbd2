package bomb

import (
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

// The short form of make bombs: the cheapest bomb of each sort.
func TestSmallHostileFilesTakeLittle(t *testing.T) {
	program := filepath.Join(t.TempDir(), "mapreel")
	if out, err := exec.CommandContext(t.Context(), "go", "build", "-ldflags=-w", "-o", program, "github.com/mapreel/mapreel/cmd/mapreel").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := LimitMemory(); err != nil {
		t.Fatal(err)
	}
	cheap := []string{
		"compressed subtitles to mkv", "gaps of 30 days at 60 fps", "claimed samples in MP4", "nested boxes", "claimed dimensions in Matroska",
		"playlist of a FIFO", "request nested deeply", "request of many keys", "request with aliases",
		"names that control a terminal", "hidden pipe in a package", "damaged ledger", "claims in FLAC", "laced blocks",
	}
	ran := 0
	for _, b := range List(len(families()), 1, "") {
		if !slices.Contains(cheap, b.Name) {
			continue
		}
		ran++
		t.Run(b.Name, func(t *testing.T) {
			took, err := b.Run(t.Context(), program, t.TempDir())
			if err != nil {
				t.Fatal(err)
			}
			for _, fault := range took.Faults() {
				t.Error(fault)
			}
			t.Logf("%v, %d MB of memory, %d MB of scratch, %d processes, exit %d: %s",
				took.Time, took.Memory/1e6, took.Scratch/1e6, took.Processes, took.Exit, took.LastLine())
		})
	}
	if ran != len(cheap) {
		t.Errorf("%d bombs ran of %d", ran, len(cheap))
	}
}

// The same seed gives the same files, so that a finding can be repeated.
func TestBombsFollowFromTheirSeed(t *testing.T) {
	size := func(seed uint64) (list []int64) {
		for _, b := range List(3, seed, "cues") {
			folder := t.TempDir()
			if _, err := b.Make(folder); err != nil {
				t.Fatal(err)
			}
			list = append(list, sizeOf(folder))
		}
		return list
	}
	if a, b := size(1), size(1); len(a) != 3 || !slices.Equal(a, b) {
		t.Errorf("%v and %v from one seed", a, b)
	}
	if a, b := size(1), size(2); slices.Equal(a, b) {
		t.Errorf("%v from two seeds", a)
	}
}

// A make bombs of the usual size runs each family.
func TestEveryFamilyIsRun(t *testing.T) {
	if n := len(families()); n > 100 {
		t.Errorf("%d families, and make bombs runs 100 files", n)
	}
}

func TestOutputThatControlsATerminalIsAFault(t *testing.T) {
	for output, want := range map[string]bool{
		"mapreel: in.mkv: bad\n\thint\n": false, "caf\u00e9 \ufffd\n": false, "a\x1b[2J": true, "a\r": true, "\xff": true, "\u202e": true, "\u009b": true,
		"error: x\nmapreel: done\n": true,
	} {
		if got := len((Usage{Output: output}).Faults()) > 0; got != want {
			t.Errorf("%q is a fault: %v, want %v", output, got, want)
		}
	}
}
