package local

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mapreel/mapreel/pkg/fault"
)

// slots let the jobs that use a scratch folder, in this process and in others, share the machine: a unit runs while it holds one.
// A slot is a locked file, so the kernel releases it however its holder ends.
//
// There is no queue: a unit without a slot asks again after a random time. So every waiting unit is equally likely to be next,
// and a job advances in proportion to the units it has waiting, at most its own number at once.
type slots struct {
	folder string
	count  int
}

// maxRetryInterval is the longest time between two attempts to take a slot: little compared with the seconds that a unit takes.
const maxRetryInterval = 100 * time.Millisecond

// take waits for a slot, or for the end of ctx. The caller calls release once.
func (s slots) take(ctx context.Context) (release func(), err error) {
	if err := os.MkdirAll(s.folder, 0o755); err != nil {
		return nil, fault.Wrap(fault.KindOf(err), err, "slots in the scratch folder")
	}
	for {
		for _, i := range rand.Perm(s.count) {
			f, err := os.OpenFile(filepath.Join(s.folder, fmt.Sprint(i)), os.O_RDWR|os.O_CREATE, 0o644)
			if err != nil {
				return nil, fault.Wrap(fault.KindOf(err), err, "slots in the scratch folder")
			}
			if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) == nil {
				return func() { _ = f.Close() }, nil // closing releases the lock
			}
			_ = f.Close()
		}
		t := time.NewTimer(rand.N(maxRetryInterval))
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return nil, context.Cause(ctx)
		}
	}
}
