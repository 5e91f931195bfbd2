package main

import "testing"

// A job fits the families that may have an instance for it, and is refused only where none of them can.
func TestJobsAreHeldAgainstInstances(t *testing.T) {
	for _, c := range []struct {
		families []string
		cpus     float64
		gib      float64
		want     bool
	}{
		{[]string{"default_x86_64"}, 2, 1000, true}, // AWS chooses the types
		{[]string{"c7i"}, 2, 700, true},
		{[]string{"c7i"}, 2, 768, false},
		{[]string{"c7i", "r7i"}, 2, 768, true},
		{[]string{"c5n.18xlarge"}, 72, 190, true}, // more memory for each vCPU than other families of c
		{[]string{"c5n.18xlarge"}, 72, 192, false},
		{[]string{"c4.8xlarge"}, 36, 50, true}, // not twice as large as c4.4xlarge
		{[]string{"m6a.4xlarge"}, 16, 60, true},
		{[]string{"m6a.4xlarge"}, 17, 60, false},
		{[]string{"m6a.4xlarge"}, 2, 64, false},
		{[]string{"m6a.xlarge", "m6a.large"}, 4, 12, true},
		{[]string{"m7i.metal-24xl"}, 96, 300, true}, // its name says no number
		{[]string{"t3"}, 2, 32, false},
		{[]string{"g4dn"}, 4, 383, true},
		{[]string{"g4dn"}, 4, 384, false},
		{[]string{"g6e.xlarge"}, 4, 31, true},
		{[]string{"u7i-12tb"}, 2, 1000, true},
	} {
		if got := holds(c.families, jobSize{cpus: c.cpus, memory: c.gib * 1024}); got != c.want {
			t.Errorf("%v for %v vCPUs and %v GiB: %t", c.families, c.cpus, c.gib, got)
		}
	}
}
