package dir_test

import (
	"testing"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/blob/blobtest"
	"github.com/mapreel/mapreel/pkg/blob/dir"
)

func open(t *testing.T) *dir.Store {
	t.Helper()
	s, err := dir.New(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestStoreKeepsTheContract(t *testing.T) {
	blobtest.Run(t, func(t *testing.T) blob.Store { return open(t) })
}
