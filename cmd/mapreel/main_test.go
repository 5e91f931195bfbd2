package main

import (
	"bytes"
	"os"
	"sync"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

// home is the folder of this package, which contains testdata.
var home string

func TestMain(m *testing.M) {
	home, _ = os.Getwd()
	// Scripts run the test binary under these names.
	testscript.Main(m, map[string]func(){"mapreel": main, "stubborn": stubborn})
}

// syncBuffer is a buffer that one goroutine can read while another writes.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
