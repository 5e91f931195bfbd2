package format

import (
	"testing"
	"time"
)

func TestFormatsOfDurationsAndSizes(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0.0 s", 12340 * time.Millisecond: "12.3 s", 59990 * time.Millisecond: "1:00", 245 * time.Second: "4:05", 3723 * time.Second: "1:02:03", -1: "0.0 s",
	} {
		if got := Duration(d); got != want {
			t.Errorf("Duration(%v) = %q, want %q", d, got, want)
		}
	}
	for n, want := range map[int64]string{0: "0 B", 999: "999 B", 1000: "1.0 kB", 999_950: "1.0 MB", 14_230_000: "14.2 MB", 5e15: "5000.0 TB"} {
		if got := Bytes(n); got != want {
			t.Errorf("Bytes(%d) = %q, want %q", n, got, want)
		}
	}
}
