// Package format writes figures as people read them.
package format

import (
	"fmt"
	"time"
)

// Duration formats d as 12.3 s, 4:05 or 1:02:03.
func Duration(d time.Duration) string {
	d = max(d, 0)
	if d < time.Minute-50*time.Millisecond {
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return Clock(d)
}

// Clock formats d as 0:38, 4:05 or 1:02:03.
func Clock(d time.Duration) string {
	s := int64(max(d, 0).Round(time.Second) / time.Second)
	if s < 3600 {
		return fmt.Sprintf("%d:%02d", s/60, s%60)
	}
	return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
}

// Bytes formats a number of bytes in decimal units, as file managers do.
func Bytes(bytes int64) string {
	units := []string{"kB", "MB", "GB", "TB"}
	if bytes < 1000 {
		return fmt.Sprintf("%d B", bytes)
	}
	v, u := float64(bytes)/1000, 0
	for v >= 999.95 && u < len(units)-1 {
		v, u = v/1000, u+1
	}
	return fmt.Sprintf("%.1f %s", v, units[u])
}

// Rate formats v with about three digits.
func Rate(v float64) string {
	switch {
	case v < 9.95:
		return fmt.Sprintf("%.2f", v)
	case v < 99.5:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.0f", v)
}
