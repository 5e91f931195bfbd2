package dir_test

import (
	"bytes"
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/blob/dir"
)

// BenchmarkComposeOneGigabyte publishes a film: 1 GiB in 15,000 parts of 700 files. It reports the
// time relative to cp, and relative to cp followed by sync, which waits for the disk as Compose does.
//
//	go test -run - -bench ComposeOneGigabyte -benchtime 3x ./pkg/blob/dir
func BenchmarkComposeOneGigabyte(b *testing.B) {
	const objects, perObject, length = 700, 15_000 / 700, 1 << 30 / 700 / (15_000 / 700)
	s, err := dir.New(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	var parts []blob.Part
	body := bytes.Repeat([]byte("0123456789abcdef"), perObject*length/16+1)[:perObject*length]
	for i := range objects {
		key := fmt.Sprintf("in/%05d", i)
		if _, err := s.Put(b.Context(), key, bytes.NewReader(body)); err != nil {
			b.Fatal(err)
		}
	}
	for i := range objects / 2 { // two tracks, interleaved
		for j := range perObject {
			for track := range 2 {
				parts = append(parts, blob.Part{
					From: s, Key: fmt.Sprintf("in/%05d", 2*i+track), Offset: int64(j * length), Length: length,
				})
			}
		}
	}
	size, err := blob.CheckParts(parts)
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(size)
	var ours, cp, cpSync time.Duration
	whole, copied := filepath.Join(s.Root(), "out"), filepath.Join(s.Root(), "copy")
	for b.Loop() {
		start := time.Now()
		if _, err := s.Compose(b.Context(), "out", parts); err != nil {
			b.Fatal(err)
		}
		ours += time.Since(start)
		start = time.Now()
		run(b, "cp", whole, copied)
		cp += time.Since(start)
		run(b, "sync", copied)
		cpSync += time.Since(start)
		run(b, "rm", copied, whole)
	}
	b.ReportMetric(float64(ours)/float64(cp), "x-cp")
	b.ReportMetric(float64(ours)/float64(cpSync), "x-cp-sync")
	b.ReportMetric(float64(len(parts)), "parts")
}

func run(b *testing.B, name string, args ...string) {
	b.Helper()
	if out, err := exec.CommandContext(b.Context(), name, args...).CombinedOutput(); err != nil {
		b.Fatalf("%s: %v: %s", name, err, out)
	}
}
