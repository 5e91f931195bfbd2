package main

import (
	"os/exec"
	"strings"
	"testing"
	"time"
)

func TestMeasureCountsChildren(t *testing.T) {
	// The inner shell uses the CPU and the outer one only waits; the sum counts.
	u, err := measure(exec.CommandContext(t.Context(), "sh", "-c", `sh -c 'i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done'; true`))
	if err != nil {
		t.Fatal(err)
	}
	if u.cpu < 20*time.Millisecond {
		t.Errorf("CPU time %v of a loop of 200,000 in a child", u.cpu)
	}
	if u.wall <= 0 || u.largestPeak <= 0 {
		t.Errorf("wall %v, largest process %d bytes; both must be positive", u.wall, u.largestPeak)
	}
}

func TestMeasureSeparatesTheProcessFromItsLargestChild(t *testing.T) {
	const grow = `head -c 60000000 /dev/zero | sort -S 100M >/dev/null; true` // sort reads all before it writes
	u, err := measure(exec.CommandContext(t.Context(), "sh", "-c", grow))
	if err != nil {
		t.Fatal(err)
	}
	if u.largestPeak < 50e6 {
		t.Errorf("largest process %d bytes, want the 60 MB of the child", u.largestPeak)
	}
	if u.ownPeak > 20e6 {
		t.Errorf("the peak of the shell itself is %d bytes, want at most 20 MB", u.ownPeak)
	}
}

func TestMeasureReportsWhatAFailedCommandPrinted(t *testing.T) {
	_, err := measure(exec.CommandContext(t.Context(), "sh", "-c", "echo no such codec >&2; exit 3"))
	if err == nil || !strings.Contains(err.Error(), "no such codec") || !strings.Contains(err.Error(), "exit status 3") {
		t.Errorf("error %v", err)
	}
}

func TestMedianIsAMeasuredValue(t *testing.T) {
	for _, c := range []struct {
		values []float64
		want   float64
	}{
		{[]float64{7}, 7},
		{[]float64{9, 1}, 1},
		{[]float64{9, 1, 5}, 5},
	} {
		if got := median(c.values); got != c.want {
			t.Errorf("median of %v: %v, want %v", c.values, got, c.want)
		}
	}
}

func TestProcFieldReadsTheNamedLine(t *testing.T) {
	const text = "Name:\tmapreel\nVmPeak:\t  900 kB\nVmHWM:\t   512 kB\n"
	if got := procField([]byte(text), "VmHWM"); got != 512 {
		t.Errorf("VmHWM %d, want 512", got)
	}
	if got := procField([]byte(text), "VmSwap"); got != 0 {
		t.Errorf("a missing field: %d", got)
	}
}

func TestWatchEventsStopsOnRequest(t *testing.T) {
	const script = `trap 'echo "{\"type\":\"late\"}"; exit 130' INT
		echo noise; echo '{"type":"planned"}'; while :; do sleep 0.02; done`
	var seen []string
	err := watchEvents(exec.CommandContext(t.Context(), "sh", "-c", script), func(e event) bool {
		seen = append(seen, e.Type)
		return e.Type != "planned"
	})
	if err != nil || len(seen) != 1 {
		t.Errorf("saw %v, error %v; want only planned", seen, err)
	}
}
