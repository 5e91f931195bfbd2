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

// slots let the jobs that use a scratch folder, in this process and in others, share the machine: a segment is encoded
// by whoever holds one. A slot is a locked file, so the kernel takes it back however its holder ends.
//
// Nobody queues: who has none asks again after a random while. So every waiting segment is as likely as any other to be
// next, and a job gets on in proportion to what it has waiting, at most its own number at once.
type slots struct {
	folder string
	count  int
}

// askAgain is how long one waits for a slot at the longest before asking again: little against the seconds that a
// segment takes.
const askAgain = 100 * time.Millisecond

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
				return func() { _ = f.Close() }, nil // closing gives the lock up
			}
			f.Close()
		}
		t := time.NewTimer(rand.N(askAgain))
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return nil, context.Cause(ctx)
		}
	}
}
