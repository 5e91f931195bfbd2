//go:build !linux

package confine

import "os"

// Main reports that tools run on Linux only: elsewhere nothing could keep them within limits.
func Main(string) int {
	_, err := os.NewFile(3, "status").WriteString(`{"error": "tools run on Linux only"}`)
	if err != nil {
		return 1
	}
	return 0
}

func kernelBoundsTasks() bool { return false }

func ulimits() []string { return nil }
