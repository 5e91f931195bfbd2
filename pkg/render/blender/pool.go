package blender

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/process"
	"github.com/mapreel/mapreel/pkg/render"
	"github.com/mapreel/mapreel/pkg/work"
)

const (
	// maxIdle is how long a process waits for a task. The next unit of a job begins within a moment, or waits for other jobs.
	maxIdle = 10 * time.Second
	// maxAge is how old a process may be to get another task: what it prints and leaves in memory adds up.
	maxAge = 10 * time.Minute
	// settled is how much older than a process a file must be that it reads. Clocks of file systems are coarse.
	settled = time.Second
	// polling is how often it is looked at whether a task is done, without a bell.
	polling = 20 * time.Millisecond
)

// opened is the number of processes of all pools. No more wait than this machine has processors, because each holds a scene in memory.
var opened atomic.Int64 //nolint:gochecknoglobals // a machine has its memory once

// room returns how many more processes may be opened without exceeding that.
func room() int { return runtime.NumCPU() - int(opened.Load()) }

// pool has the processes of a job that stay open with its scene between tasks: a start takes longer than many a frame.
type pool struct {
	dir string

	mu     sync.Mutex
	idle   []*worker
	made   int
	closed bool
	group  sync.WaitGroup // of the processes that were told to end
}

type poolKey struct{}

// Sharing returns the program with the processes that a session keeps open. With a nil session, each task starts Blender for itself.
func (p Program) Sharing(s *work.Session) Program {
	if s != nil {
		p.pool, _ = s.Hold(poolKey{}, func(dir string) io.Closer { return &pool{dir: filepath.Join(dir, "blender")} }).(*pool)
	}
	return p
}

// poolFor returns the pool for a scene; nil where each task starts Blender for itself. A copy of a scene belongs to one unit, and a GPU
// should not be held by a process that does nothing.
func (p Program) poolFor(at Place, s render.Settings) *pool {
	if at.Copied || s.Device == render.GPU {
		return nil
	}
	return p.pool
}

// key is what a process was started with, apart from the content of files.
type key struct{ program, self, scene, readable, settings string }

func (p Program) key(at Place, h how) (key, error) {
	program, err := p.Find()
	if err != nil {
		return key{}, err
	}
	settings, err := json.Marshal(h.Settings)
	if err != nil {
		return key{}, fault.Wrap(fault.Internal, err, "settings of a scene")
	}
	return key{
		program: program, self: fmt.Sprintf("%q %v", p.Self, p.Alone), scene: at.Scene, readable: fmt.Sprintf("%q", at.Readable),
		settings: fmt.Sprintf("%s %d %d", settings, h.Memory, h.Threads),
	}, nil
}

// stamp tells two versions of a file apart.
type stamp struct {
	device, inode    uint64
	size             int64
	modified, status time.Time
}

func stampOf(name string) (s stamp, err error) {
	var st unix.Stat_t
	if err := unix.Stat(name, &st); err != nil {
		return s, &os.PathError{Op: "stat", Path: name, Err: err}
	}
	return stamp{
		device: uint64(st.Dev), inode: st.Ino, size: st.Size, //nolint:unconvert,gosec // signed on some systems
		modified: time.Unix(st.Mtim.Unix()), status: time.Unix(st.Ctim.Unix()),
	}, nil
}

// worker is a process that stays open with a scene. It reads its tasks in one folder, and writes to another one.
type worker struct {
	key         key
	scene       stamp // before the process was started
	since       time.Time
	tasks, work string
	given       int  // tasks
	failed      bool // whether a task did not end well, or is under way
	spoilt      bool // whether a frame was damaged
	counted     time.Duration
	stop        context.CancelCauseFunc
	ended       chan struct{}
	err         error // once it has ended
	idle        *time.Timer
	counter     process.Counter
	record      process.Record
	bell        *bell
}

var errIdle = fault.New(fault.Transient, "nothing is left to do")

// start starts a process, which waits for its first task.
func (o *pool) start(ctx context.Context, p Program, at Place, h how) (*worker, error) {
	k, err := p.key(at, h)
	if err != nil {
		return nil, err
	}
	o.mu.Lock()
	o.made++
	n, closed := o.made, o.closed
	if room() <= 0 { // this one takes the place of one that waits
		o.drop(1)
	}
	o.mu.Unlock()
	if closed {
		return nil, fault.New(fault.Transient, "the job has ended")
	}
	folder := filepath.Join(o.dir, strconv.Itoa(n))
	w := &worker{
		key: k, since: time.Now(), tasks: filepath.Join(folder, "tasks"), work: filepath.Join(folder, "work"), failed: true, ended: make(chan struct{}),
	}
	script := filepath.Join(w.tasks, "scene.py")
	if err := errors.Join(os.MkdirAll(w.tasks, 0o700), os.MkdirAll(w.work, 0o700), os.WriteFile(script, sceneScript, 0o600)); err != nil {
		return nil, fault.Wrap(fault.KindOf(err), err, "working folder of Blender")
	}
	if w.scene, err = stampOf(at.Scene); err != nil {
		return nil, fault.Wrap(fault.KindOf(err), err, "scene")
	}
	w.bell = newBell(filepath.Join(w.work, "bell"))
	ctx, w.stop = context.WithCancelCause(process.WithRecord(process.WithDetachedCounter(context.WithoutCancel(ctx), &w.counter), &w.record))
	opened.Add(1)
	go func() {
		defer close(w.ended)
		defer opened.Add(-1)
		defer w.bell.close()
		w.err = p.launch(ctx, at, launch{
			script: script, task: w.task(1), work: w.work, readable: []string{w.tasks}, timeout: maxAge + maxIdle + rendering, memory: h.Memory, threads: h.Threads,
		})
	}()
	return w, nil
}

func (w *worker) task(n int) string { return filepath.Join(w.tasks, strconv.Itoa(n)+".json") }

// prefix returns what the names of a task's files in the folder work begin with.
func (w *worker) prefix(n int) string { return strconv.Itoa(n) + "-" }

// do does a task. After an error, the process has ended.
func (w *worker) do(ctx context.Context, t task, timeout time.Duration) (err error) {
	began := time.Now()
	defer func() { w.note(ctx, began, err) }()
	w.failed = true
	w.given++
	done := w.prefix(w.given) + "done.json"
	t.Done, t.Next, t.Bell = filepath.Join(w.work, done), w.task(w.given+1), w.bell.name()
	data, err := json.Marshal(t)
	if err != nil {
		return w.end(fault.Wrap(fault.Internal, err, "task for Blender"))
	}
	name := w.task(w.given)
	if err := errors.Join(os.WriteFile(name+".partial", data, 0o600), os.Rename(name+".partial", name)); err != nil {
		return w.end(fault.Wrap(fault.KindOf(err), err, "task for Blender"))
	}
	over := time.NewTimer(timeout)
	defer over.Stop()
	rung, interval := w.bell.forTask(polling)
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-w.ended:
			return w.err
		case <-ctx.Done():
			return w.end(context.Cause(ctx))
		case <-over.C:
			return w.end(fault.New(fault.OutOfTime, "it ran for more than %v", timeout))
		case <-rung:
		case <-tick.C:
		}
		if used, ok := w.finished(done); ok {
			process.AddCPU(ctx, min(max(used, 0), time.Since(w.since)*time.Duration(runtime.NumCPU())))
			w.counted += used
			w.failed = false
			return nil
		}
	}
}

// finished reports whether Blender has said that a task is done, and which time of processors it took.
func (w *worker) finished(done string) (used time.Duration, ok bool) {
	const limit = 1 << 10
	var said struct {
		CPU float64 `json:"cpu"`
	}
	data, err := readBounded(w.work, done, limit)
	if err != nil || json.Unmarshal(data, &said) != nil {
		return 0, false // it is not there, or not whole
	}
	return time.Duration(said.CPU * float64(time.Second)), true
}

// end ends the process, and returns why in the way of a process that was started for one task.
func (w *worker) end(cause error) error {
	w.stop(cause)
	<-w.ended
	if w.err != nil {
		return w.err
	}
	return cause
}

// note adds a task to the log of the attempt, and to what that attempt used.
func (w *worker) note(ctx context.Context, began time.Time, err error) {
	if err == nil {
		process.AddRecord(ctx, fmt.Sprintf("%s Blender, which has %s open, did a task in %.1f s\n",
			time.Now().UTC().Format("2006-01-02T15:04:05Z"), filepath.Base(w.key.scene), time.Since(began).Seconds()))
		return
	}
	process.AddRecord(ctx, w.record.String())
	process.AddCPU(ctx, max(w.counter.CPU()-w.counted, 0))
}

// fresh reports whether a process has read the scene, and the files that this needs, as they are now.
func (w *worker) fresh(scene string, files []string) bool {
	if now, err := stampOf(scene); err != nil || now != w.scene {
		return false
	}
	return !slices.ContainsFunc(files, func(name string) bool {
		s, err := stampOf(name)
		return err != nil || s.status.After(w.since.Add(-settled))
	})
}

// session returns a process that waits with the same scene, or starts one.
func (o *pool) session(ctx context.Context, p Program, at Place, h how) (*session, error) {
	k, err := p.key(at, h)
	if err != nil {
		return nil, err
	}
	w := o.take(k, at.Scene, h.Files)
	if w == nil {
		if w, err = o.start(ctx, p, at, h); err != nil {
			return nil, err
		}
	}
	return &session{
		work: w.work, prefix: w.prefix(w.given + 1), run: w.do, end: func() { o.put(w) }, spoil: func() { w.spoilt = true }, bell: w.bell,
	}, nil
}

// take returns a process that waits; nil where none does. One that has read an earlier version of a file is ended.
func (o *pool) take(k key, scene string, files []string) *worker {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := 0; i < len(o.idle); {
		w := o.idle[i]
		if w.key != k {
			i++
			continue
		}
		o.idle = slices.Delete(o.idle, i, i+1)
		w.idle.Stop()
		if w.running() && w.fresh(scene, files) {
			return w
		}
		o.discard(w)
	}
	return nil
}

func (w *worker) running() bool {
	select {
	case <-w.ended:
		return false
	default:
		return true
	}
}

// put lets a process wait for another task. One that may not is ended.
func (o *pool) put(w *worker) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed || w.failed || w.spoilt || !w.running() || time.Since(w.since) > maxAge || room() < 0 || w.clean() != nil {
		o.discard(w)
		return
	}
	o.idle = append(o.idle, w)
	w.idle = time.AfterFunc(maxIdle, func() {
		o.mu.Lock()
		defer o.mu.Unlock()
		if i := slices.Index(o.idle, w); i >= 0 {
			o.idle = slices.Delete(o.idle, i, i+1)
			o.discard(w)
		}
	})
}

// clean removes the files of the last task.
func (w *worker) clean() error {
	names, err := os.ReadDir(w.work)
	if err != nil {
		return err
	}
	var errs []error
	for _, name := range names {
		if strings.HasPrefix(name.Name(), w.prefix(w.given)) {
			errs = append(errs, os.RemoveAll(filepath.Join(w.work, name.Name())))
		}
	}
	return errors.Join(errs...)
}

// discard ends a process and removes its files. It does not wait: Close does.
func (o *pool) discard(w *worker) {
	w.stop(errIdle)
	o.group.Go(func() {
		<-w.ended
		_ = os.RemoveAll(filepath.Dir(w.work)) // the job's folder goes with the job
	})
}

// drop ends at most n processes that wait.
func (o *pool) drop(n int) {
	for _, w := range o.idle[:min(n, len(o.idle))] {
		w.idle.Stop()
		o.discard(w)
	}
	o.idle = slices.Delete(o.idle, 0, min(n, len(o.idle)))
}

// Release ends the processes that wait, where nothing more is to be rendered, while the caller goes on with something else.
func (p Program) Release() {
	if o := p.pool; o != nil {
		o.mu.Lock()
		defer o.mu.Unlock()
		o.drop(len(o.idle))
	}
}

// Close ends the processes that wait. Others end with their tasks.
func (o *pool) Close() error {
	o.mu.Lock()
	o.closed = true
	o.drop(len(o.idle))
	o.mu.Unlock()
	o.group.Wait()
	return nil
}

// describe asks the first of several processes what a scene has, while the others open it, too. All of them then wait for tasks.
func (o *pool) describe(ctx context.Context, p Program, at Place, s render.Settings, a Ahead) (about About, err error) {
	h := how{Settings: s, Memory: a.Memory, Threads: a.Threads}
	var all []*worker
	for i := range max(a.Workers, 1) {
		if i > 0 && room() <= 0 {
			break
		}
		w, err := o.start(ctx, p, at, h)
		if err != nil && i == 0 {
			return about, err
		}
		if err == nil {
			all = append(all, w)
		}
	}
	defer func() {
		for _, w := range all {
			w.failed = err != nil // the others have no task yet
			o.put(w)
		}
	}()
	first := all[0]
	return describe(ctx, &session{work: first.work, prefix: first.prefix(1), run: first.do}, s)
}
