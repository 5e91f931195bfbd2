// Package toytest makes sources for the toy and computes what it must make of them.
package toytest

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// NoisyWAV makes a WAV file of some seconds of noise, at a rate in bytes a second.
func NoisyWAV(t testing.TB, rate, seconds int) string {
	t.Helper()
	le := binary.LittleEndian
	data := append([]byte("RIFF"), 0, 0, 0, 0)
	data = append(append(data, "WAVEfmt "...), 16, 0, 0, 0, 1, 0, 1, 0)
	data = le.AppendUint32(le.AppendUint32(data, uint32(rate/2)), uint32(rate))
	data = le.AppendUint32(append(append(data, 2, 0, 16, 0), "data"...), uint32(rate*seconds))
	noise := make([]byte, rate*seconds)
	_, _ = rand.NewChaCha8([32]byte{}).Read(noise)
	path := filepath.Join(t.TempDir(), "noise.wav")
	if err := os.WriteFile(path, append(data, noise...), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// Checksums returns what the toy makes of a file in units of some bytes.
func Checksums(t *testing.T, path string, size int) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var text strings.Builder
	for part := range slices.Chunk(data, size) {
		fmt.Fprintf(&text, "%x\n", sha256.Sum256(part))
	}
	return text.String()
}
