package local_test

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/local"
)

// A folder that is exchanged with a link while it is opened leads nowhere outside of the roots.
func TestAFolderIsOpenedBelowTheRootsOnly(t *testing.T) {
	t.Parallel()
	root, outside := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(outside, "secret"), []byte("x"), 0o600); err != nil {
		t.Fatal(err)
	}
	folder, kept, link := filepath.Join(root, "out"), filepath.Join(root, "kept"), filepath.Join(root, "link")
	if err := os.Mkdir(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(outside, link); err != nil {
		t.Fatal(err)
	}
	if opened, err := local.OpenFolder(link, []string{root}); err == nil {
		_ = opened.Close()
		t.Error("a link that leads out of the roots is opened")
	}
	end := make(chan struct{})
	var exchanging sync.WaitGroup
	exchanging.Go(func() {
		for {
			select {
			case <-end:
				return
			default: // each step leaves either the folder or the link at its name, or nothing
				_ = os.Rename(folder, kept)
				_ = os.Rename(link, folder)
				_ = os.Rename(folder, link)
				_ = os.Rename(kept, folder)
			}
		}
	})
	opened := 0
	for until := time.Now().Add(300 * time.Millisecond); time.Now().Before(until); {
		r, err := local.OpenFolder(folder, []string{root})
		if err != nil {
			continue
		}
		opened++
		if _, err := r.Stat("secret"); err == nil {
			t.Error("a folder outside of the roots was opened")
		}
		_ = r.Close()
		if t.Failed() {
			break
		}
	}
	close(end)
	exchanging.Wait()
	t.Logf("opened %d times", opened)
}
