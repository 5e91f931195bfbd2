package local

import (
	"cmp"
	"context"
	"math/rand/v2"
	"os"
	"runtime"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/private"
	"github.com/mapreel/mapreel/pkg/work"
)

// slots let the jobs that use a scratch folder, in this process and in others, share the machine: a unit runs while it holds one.
// A slot is a locked file, so the kernel releases it however its holder ends.
//
// There is no queue: a unit without a slot asks again after a random time. So every waiting unit is equally likely to be next,
// and a job advances in proportion to the units it has waiting, at most its own number at once.
//
// Each slot stands for an equal share of the machine's memory. A unit that needs more takes several, at most all.
type slots struct {
	folder *private.Folder
	count  int
	memory int64 // of the machine, in bytes; 0: unknown
}

// systemShare is the share of the memory, as a divisor, that is left to the system and to this process.
const systemShare = 8

// share returns how many bytes of memory each slot stands for; 0: unknown.
func (s slots) share() int64 { return (s.memory - s.memory/systemShare) / int64(s.count) }

// weight returns how many slots a unit takes.
func (s slots) weight(n work.Needs) int {
	share := s.share()
	if share <= 0 || n.Memory <= share {
		return 1
	}
	return int(min((n.Memory+share-1)/share, int64(s.count)))
}

// memoryOf returns how many bytes of memory a unit may hold; 0: unknown.
func (s slots) memoryOf(n work.Needs) int64 { return s.share() * int64(s.weight(n)) }

// gpuSlot is the name of the slot that a unit holds besides while it renders on the machine's GPU.
const gpuSlot = "gpu"

// takeFor waits for the slots of a unit. Blender uses all GPUs and most of their memory, so that only one unit renders on them at once. It
// waits for them before it takes other slots.
func (s slots) takeFor(ctx context.Context, n work.Needs) (release func(), err error) {
	if !n.GPU || n.Class != work.ClassRender {
		return s.take(ctx, s.weight(n))
	}
	leave, err := s.takeOf(ctx, []string{gpuSlot}, 1)
	if err != nil {
		return nil, err
	}
	others, err := s.take(ctx, s.weight(n))
	if err != nil {
		leave()
		return nil, err
	}
	return func() { others(); leave() }, nil
}

// TakeSlot waits for a slot of a scratch folder, as the units of its jobs do, for work that is no unit. count is how many slots there
// are; 0: one per core. The caller calls release once.
func TakeSlot(ctx context.Context, path string, count int) (release func(), err error) {
	home, err := makeScratch(path)
	if err != nil {
		return nil, err
	}
	return slots{folder: home.slots, count: cmp.Or(count, runtime.NumCPU())}.take(ctx, 1)
}

// maxRetryInterval is the longest time between two attempts to take a slot: little compared with the seconds that a unit takes.
const maxRetryInterval = 100 * time.Millisecond

// take waits for n slots at a time, or for the end of ctx. The caller calls release once.
func (s slots) take(ctx context.Context, n int) (release func(), err error) {
	var names []string
	for i := range s.count {
		names = append(names, strconv.Itoa(i))
	}
	return s.takeOf(ctx, names, n)
}

// takeOf is take for n of the slots with these names.
func (s slots) takeOf(ctx context.Context, names []string, n int) (release func(), err error) {
	for {
		var taken []*os.File
		release = func() {
			for _, f := range taken {
				_ = f.Close() // which releases the lock
			}
		}
		for _, i := range rand.Perm(len(names)) {
			f, err := s.folder.File(names[i])
			if err != nil {
				release()
				return nil, fault.Wrap(fault.KindOf(err), err, "slots in the scratch folder")
			}
			if unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil {
				_ = f.Close()
				continue
			}
			if taken = append(taken, f); len(taken) >= n {
				return release, nil
			}
		}
		release() // a unit that kept some could wait for another that does the same
		t := time.NewTimer(rand.N(maxRetryInterval))
		select {
		case <-t.C:
		case <-ctx.Done():
			t.Stop()
			return nil, context.Cause(ctx)
		}
	}
}
