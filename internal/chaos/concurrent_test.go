package chaos

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
)

// Processes that share nothing but the scratch folder share the cores, and all produce the bytes
// that a job alone produces. The soak program runs fifty.
func TestConcurrentProcessesShareTheMachine(t *testing.T) {
	const jobs = 8
	tools, err := ffmpeg.Find(t.Context(), ffmpeg.FindOptions{})
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	program, err := mapreel()
	if err != nil {
		t.Fatal(err)
	}
	c, err := RunConcurrentJobs(t.Context(), program, dir, tools, jobs)
	if err != nil {
		t.Fatal(err)
	}
	t.Log("\n" + c.String())
	if c.Encoders > c.Cores {
		t.Errorf("%d encoders were at work at once on %d cores", c.Encoders, c.Cores)
	}
	if _, err := os.Stat("/proc/self/cmdline"); err == nil && c.Encoders == 0 {
		t.Error("no encoder was seen")
	}
	if c.Started < jobs*2/3 {
		t.Errorf("when half of the segments were complete, only %d of %d jobs had one", c.Started, jobs)
	}
	left, err := filepath.Glob(filepath.Join(dir, "scratch", "pieces", "*", "*"))
	if err != nil || len(left) > 0 {
		t.Errorf("objects were left behind: %v, %v", left, err)
	}
}
