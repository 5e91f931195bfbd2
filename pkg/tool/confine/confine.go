// Package confine runs a command that others wrote. It writes to its own folders alone, has no network unless it asks for it,
// keeps to limits, and leaves no process behind.
//
//	err := confine.Run(ctx, confine.Options{Self: []string{"/usr/bin/mapreel", "confine"}, Name: "captions", Spec: spec})
//
// Run starts this program again, which calls Main. That process takes the command's place in namespaces of its own, gives up its
// rights to write, starts the command, and waits until the last of its processes has ended. Where bubblewrap is installed, it
// makes the namespaces; else this program does.
package confine

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/process"
)

// Spec is a command, and what it may use.
type Spec struct {
	Command   []string      `json:"command"` // program and arguments
	Dir       string        `json:"dir"`     // working folder
	Writable  []string      `json:"writable"`
	Memory    int64         `json:"memory"`    // bytes, of each process
	Disk      int64         `json:"disk"`      // bytes, of all files in Writable
	Processes int           `json:"processes"` // at once
	Timeout   time.Duration `json:"timeout"`
	// Shared says that the process has no namespace of its own, so that others of the machine are within reach.
	Shared bool `json:"shared,omitempty"`
	// Outside is the process namespace of the process that calls Run. Unless Shared, the command's is another one.
	Outside string `json:"outside,omitempty"`
	// ReadOnly says that the file system outside of Writable is mounted without the right to write.
	ReadOnly bool `json:"readOnly,omitempty"`
	// Filtered has the kernel refuse the command sockets, signals, and debugging of other processes. For processes that share this
	// machine's namespaces. Without Landlock, the memory and environment in /proc of a process of the same user are open to the
	// command, unless that process denies it: see process.DenyInspection.
	Filtered bool `json:"filtered,omitempty"`
	// Readable is what the command may read in addition to Writable and to the programs and libraries of the system. nil: everything.
	Readable []string `json:"readable,omitempty"`
	// Devices are device nodes, or folders of them, that the command may also use: those of a GPU.
	Devices []string `json:"devices,omitempty"`
	// Contained says that a container engine started the process: see Container.
	Contained bool `json:"contained,omitempty"`
	// Probe says that no command is run: the process reports whether it could run one.
	Probe bool `json:"probe,omitempty"`
}

// Options are what Run needs. Env has secrets, and is part of no Spec: a Spec is visible in the list of processes.
type Options struct {
	Spec
	Self    []string // program and arguments that call Main, with the Spec as one more argument
	Name    string   // of the tool, in errors
	Env     []string // "name=value", in addition to PATH
	Network bool
	Secrets []string // values that must not appear in an error
	// Container is where the command runs, and gives the paths of the Spec their meaning. nil: the command is a program of this machine.
	Container *Container
	// Alone says that this machine holds nothing that the command must not read or replace: it is a Lambda function, or the container
	// of a Batch job, without a shared file system. Where such a machine has no namespaces, a filter of system calls keeps the command
	// from the network and from other processes. Without Landlock, the command may then use every file that its user may.
	Alone bool
}

// passedOn begins the names of the command's variables on their way to Main. The loaders of bubblewrap and of this program, which
// run outside of the confinement, must not obey them: LD_PRELOAD.
const passedOn = "MAPREEL_PASSED_"

// maxPrinted is how many bytes a command may print. Nothing reads them but for the last lines.
const maxPrinted = 64 << 20

// maxFiles is how many files a process may have open.
const maxFiles = 1024

// TryAgain is the exit code of a command that may succeed another time: EX_TEMPFAIL of sysexits.h.
const TryAgain = 75

// status is what Main reports.
type status struct {
	Error    string `json:"error,omitempty"` // why the command was not started
	Code     int    `json:"code"`
	Signal   int    `json:"signal,omitempty"`
	TimedOut bool   `json:"timedOut,omitempty"`
	Left     int    `json:"left,omitempty"`    // processes that ran on after the command had ended
	TooMany  bool   `json:"tooMany,omitempty"` // more processes than it may have
	// CPU is the user and system time of Main and of all processes that it has waited for.
	CPU time.Duration `json:"cpu,omitempty"`
}

// Run runs a command to its end. What ends it is an error of a fault kind: Unsupported where the command failed, left processes
// behind or printed too much, Transient where it exits with TryAgain, OutOfTime and OutOfSpace where it exceeded a limit.
func Run(ctx context.Context, o Options) error {
	if o.Container != nil {
		e, err := engines.find(ctx, o.Self, o.Container.Image)
		if err != nil {
			return err
		}
		return o.runContained(ctx, e)
	}
	place, err := places.find(ctx, o.Self, demand{o.Network, o.Alone})
	if err != nil {
		return err
	}
	return o.runIn(ctx, place)
}

// Prepare finds out how this machine confines a command, as the first Run with such options would. A program that will call Run can call
// Prepare earlier, while it does something else. A failure is reported by Run.
func Prepare(ctx context.Context, o Options) {
	_, _ = places.find(ctx, o.Self, demand{o.Network, o.Alone})
}

// runIn runs a command in a place.
func (o Options) runIn(ctx context.Context, where place) error {
	spec := o.Spec
	spec.Shared, spec.ReadOnly, spec.Filtered, spec.Readable = where.shared, where.bubblewrap != "", where.filtered, o.readable()
	spec.Outside = processNamespace()
	text, err := json.Marshal(spec)
	if err != nil {
		return fault.Wrap(fault.Internal, err, "what a tool may use")
	}
	reported := &report{}
	argv := append(where.wrap(o), append(o.Self, string(text))...)
	return o.watch(ctx, argv, process.Options{
		Dir: o.Dir, Env: o.passed(), Pipe: reported, Namespaces: where.namespaces, Limits: o.limits(), Grace: stopTime + 2*time.Second,
		WatchInterval: where.watchInterval(),
	}, reported)
}

// processNamespace names the process namespace of this process; "" where the kernel does not tell.
func processNamespace() string {
	name, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return ""
	}
	return name
}

// passed returns the variables of the command with the names that they have on their way to Main.
func (o Options) passed() []string {
	env := make([]string, len(o.Env))
	for i, v := range o.Env {
		env[i] = passedOn + v
	}
	return env
}

// watch runs a program that calls Main, and returns the error of the command.
func (o Options) watch(ctx context.Context, argv []string, options process.Options, reported *report) error {
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		watchDisk(ctx, o, stop)
	}()
	defer func() { stop(nil); <-watched }()

	printed := &output{name: o.Name}
	options.Name, options.Stdout, options.Redact = o.Name, printed, o.redact
	if options.Stderr == nil {
		options.Stderr = printed
	}
	usage, err := process.Run(ctx, argv[0], argv[1:], options)
	reported.exited = err == nil
	s := reported.status()
	switch {
	case s == nil:
	case o.Container != nil: // its processes are no children of the engine's client
		process.Count(ctx, s.CPU)
	case s.CPU > usage.CPU: // bubblewrap does not wait for the process that it starts
		process.Count(ctx, s.CPU-usage.CPU)
	}
	return o.explain(ctx, err, s, printed.String())
}

// limits are those of the process that starts the command. It gives the command its own, and ends in time.
func (o Options) limits() process.Limits {
	return process.Limits{
		Memory: process.None, CPU: process.None, Wall: o.Timeout + stopTime + 15*time.Second, FileSize: process.None, Written: process.None,
		OpenFiles: process.None, Processes: o.Processes + 2, // that process, and bubblewrap
	}
}

// stopTime is how long a command may take to end after it was asked to.
const stopTime = 3 * time.Second

// explain returns the error of a run.
func (o Options) explain(ctx context.Context, err error, s *status, printed string) error {
	var excess *process.Excess
	switch {
	case context.Cause(ctx) != nil:
		return fault.Wrap(fault.KindOf(context.Cause(ctx)), context.Cause(ctx), o.Name+" was stopped")
	case errors.As(err, &excess) && excess.Resource == process.Processes, s != nil && s.TooMany:
		return &fault.Error{
			Kind: fault.Unsupported, What: fmt.Sprintf("%s was stopped: it started more than %d processes", o.Name, o.Processes),
			Hint: "a tool that needs more says so: processes in its description",
		}
	case errors.As(err, &excess), s != nil && s.TimedOut:
		return &fault.Error{
			Kind: fault.OutOfTime, Err: o.failed(fmt.Sprintf("%s was stopped: it ran for more than %v", o.Name, o.Timeout), printed, -1, 0),
			Hint: "raise the tool's timeout, or give it shorter pieces",
		}
	case errors.Is(err, errPrinted):
		return fault.New(fault.Unsupported, "%s was stopped: it printed more than %d MB", o.Name, maxPrinted>>20)
	case s == nil && err == nil:
		return fault.New(fault.Internal, "%s ended without saying how", o.Name)
	case s == nil:
		return &fault.Error{Kind: fault.KindOf(err), Err: errors.New(o.redact(err.Error()))}
	case s.Error != "":
		return fault.New(fault.Unsupported, "%s was not started: %s", o.Name, o.redact(s.Error))
	case s.Left > 0:
		left := "1 process running, which was ended"
		if s.Left > 1 {
			left = fmt.Sprintf("%d processes running, which were ended", s.Left)
		}
		return &fault.Error{Kind: fault.Unsupported, What: o.Name + " left " + left, Hint: "a tool must wait for the processes that it starts"}
	case s.Code == 0 && s.Signal == 0:
		return nil
	}
	failure := o.failed("", printed, s.Code, syscall.Signal(s.Signal))
	switch {
	case s.Signal == int(syscall.SIGXFSZ):
		return o.diskFull()
	case s.Signal == int(syscall.SIGKILL):
		return &fault.Error{Kind: fault.OutOfSpace, Err: failure, Hint: "probably the memory ran out; run fewer units at once, or raise the tool's memory"}
	case s.Code == TryAgain:
		return fault.Wrap(fault.Transient, failure, "")
	}
	e := &fault.Error{Kind: fault.Unsupported, Err: failure}
	if strings.Contains(printed, "ermission denied") || strings.Contains(printed, "ead-only file system") {
		e.Hint = "a tool may write to TMP_OUTPUT_DIR and to its working folder, and nowhere else"
	} else if !o.Network && (strings.Contains(printed, "resolve") || strings.Contains(printed, "etwork is unreachable") || strings.Contains(printed, "in name resolution")) {
		e.Hint = "a tool has no network unless its description says: network: true"
	}
	return e
}

// failure is how a command ended. Its text has none of what the command printed: the engine appends the last lines.
type failure struct {
	*process.ExitError
	text string
}

func (f failure) Error() string { return f.text }
func (f failure) Unwrap() error { return f.ExitError }

// failed returns how the command ended. Without a text, the exit says it.
func (o Options) failed(text, printed string, code int, signal syscall.Signal) error {
	e := &process.ExitError{Program: o.Name, Code: code, Signal: signal, Tail: process.Redact(o.redact(printed))}
	return failure{e, cmp.Or(text, e.Error())}
}

// redact removes the secrets, and what a tool may have taken out of them, from a text.
func (o Options) redact(text string) string {
	for _, hidden := range hiddenTexts(o.Secrets) {
		text = strings.ReplaceAll(text, hidden, "…")
	}
	return text
}

func (o Options) diskFull() error {
	return &fault.Error{
		Kind: fault.OutOfSpace, What: fmt.Sprintf("%s was stopped: it wrote more than %d MB", o.Name, o.Disk>>20),
		Hint: "raise the tool's disk, or give it shorter pieces",
	}
}

// watchDisk stops the command when its folders hold more than they may.
func watchDisk(ctx context.Context, o Options, stop context.CancelCauseFunc) {
	const interval = 200 * time.Millisecond
	tick := time.NewTicker(interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if used(o.folders()) > o.Disk {
				stop(o.diskFull())
				return
			}
		}
	}
}

// folders returns where the command's files lie on this machine.
func (o Options) folders() (list []string) {
	if o.Container == nil {
		return o.Writable
	}
	for _, m := range o.Container.Mounts {
		if m.Writable {
			list = append(list, m.Host)
		}
	}
	return list
}

// used returns how many bytes of disk the files in folders take. Files may come and go meanwhile.
func used(folders []string) (sum int64) {
	for _, folder := range folders {
		_ = filepath.WalkDir(folder, func(_ string, d fs.DirEntry, err error) error {
			if err != nil {
				return nil //nolint:nilerr // it is gone
			}
			if info, err := d.Info(); err == nil {
				if s, ok := info.Sys().(*syscall.Stat_t); ok {
					sum += s.Blocks * 512
				}
			}
			return nil
		})
	}
	return sum
}

// output keeps the end of what a command prints, on both of its descriptors.
type output struct {
	name  string
	mu    sync.Mutex
	tail  process.Tail
	total int64
}

var errPrinted = errors.New("a tool printed too much")

func (w *output) Write(data []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.total += int64(len(data)); w.total > maxPrinted {
		return 0, errPrinted
	}
	return w.tail.Write(data)
}

func (w *output) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.tail.String()
}

// report keeps what Main writes. What others wrote to the same descriptor before ends with statusMark.
type report struct {
	data   []byte
	exited bool // the program that was started has ended by itself, with exit code 0
}

// statusMark begins the line with the status, where Main shares a descriptor with a container engine, which may write warnings to it.
const statusMark = "mapreel-status: "

func (r *report) Write(data []byte) (int, error) {
	const limit = 64 << 10
	if len(r.data)+len(data) > limit {
		return 0, fault.New(fault.Internal, "a report of more than %d bytes", limit)
	}
	r.data = append(r.data, data...)
	return len(data), nil
}

// status returns what Main reported; nil if it ended before.
func (r *report) status() *status {
	var s status
	data := r.data
	if at := bytes.LastIndex(data, []byte(statusMark)); at >= 0 {
		data, _, _ = bytes.Cut(data[at+len(statusMark):], []byte("\n"))
	}
	if json.Unmarshal(data, &s) != nil {
		return nil
	}
	return &s
}

// place is how a command is kept apart on this machine.
type place struct {
	bubblewrap string // its path; "": not used
	namespaces process.Namespaces
	shared     bool
	filtered   bool
}

// watchInterval returns the longest time between two counts of a command's processes, each of which takes a millisecond where a program
// has many threads. Without a bound of the kernel's, the count is all that ends a command that does nothing but fork: 0, the shortest.
func (p place) watchInterval() time.Duration {
	if p.shared || !kernelBoundsTasks() {
		return 0
	}
	return 500 * time.Millisecond
}

// wrap returns the program and arguments that come before those of Main.
func (p place) wrap(o Options) []string {
	if p.bubblewrap == "" {
		return nil
	}
	args := []string{p.bubblewrap, "--unshare-all", "--die-with-parent"}
	if o.Readable == nil {
		args = append(args, "--ro-bind", "/", "/")
	}
	for _, folder := range o.readable() {
		args = append(args, "--ro-bind-try", folder, folder)
	}
	args = append(args, "--dev", "/dev", "--proc", "/proc")
	for _, node := range o.Devices {
		args = append(args, "--dev-bind-try", node, node)
	}
	if len(o.Devices) > 0 { // in which drivers look for their devices
		args = append(args, "--ro-bind-try", "/sys", "/sys")
	}
	if o.Network {
		args = append(args, "--share-net")
	}
	for _, folder := range o.Writable {
		args = append(args, "--bind", folder, folder)
	}
	if o.Readable != nil {
		args = append(args, "--remount-ro", "/")
	}
	return append(args, "--chdir", o.Dir, "--")
}

// system is where programs, libraries and what they need to start lie. /etc holds secrets, so only parts of it are listed.
var system = []string{ //nolint:gochecknoglobals // a constant list
	"/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc/alternatives", "/etc/fonts", "/etc/ld.so.cache", "/etc/ld.so.conf", "/etc/ld.so.conf.d",
	"/etc/localtime",
}

// readable lists what a command that may not read everything may read; nil for one that may.
func (o Options) readable() []string {
	if o.Readable == nil {
		return nil
	}
	list := slices.Concat(system, o.Readable)
	if len(o.Self) > 0 {
		list = append(list, o.Self[0]) // which bubblewrap starts
	}
	return list
}

// demand is what decides how a command may be kept apart: see Options.
type demand struct{ network, alone bool }

// finder finds out once what works here, for each demand.
type finder struct {
	mu    sync.Mutex
	found map[demand]place
}

var places finder //nolint:gochecknoglobals // what a machine can do does not change

func (f *finder) find(ctx context.Context, self []string, d demand) (place, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if p, ok := f.found[d]; ok {
		return p, nil
	}
	p, err := choose(ctx, self, candidates(d), d.network)
	if err != nil {
		return place{}, err
	}
	if f.found == nil {
		f.found = map[demand]place{}
	}
	f.found[d] = p
	return p, nil
}

// candidates returns how a command may be kept apart, the best first.
func candidates(d demand) []place {
	list := []place{{namespaces: process.NoNetwork}}
	switch {
	case d.network:
		list = []place{{namespaces: process.PrivateNamespaces}, {shared: true}}
	case d.alone:
		list = append(list, place{shared: true, filtered: true})
	}
	if path, err := exec.LookPath("bwrap"); err == nil {
		list = append([]place{{bubblewrap: path}}, list...)
	}
	return list
}

// choose returns the first of candidates in which a command runs. Where none does, no tool is run: never without limits.
func choose(ctx context.Context, self []string, candidates []place, network bool) (place, error) {
	var why error
	for _, p := range candidates {
		if why = try(ctx, self, p, network); why == nil {
			return p, nil
		}
		if ctx.Err() != nil {
			return place{}, fault.Wrap(fault.Transient, context.Cause(ctx), "find out how tools can be kept apart")
		}
	}
	e := &fault.Error{
		Kind: fault.Unsupported, What: "this machine cannot confine a tool", Err: why,
		Hint: "install bubblewrap, or let users make namespaces (sysctl kernel.unprivileged_userns_clone=1) on a kernel with Landlock",
	}
	if !network {
		e.Hint += "; a tool that says network: true needs no namespaces"
	}
	return place{}, e
}

// try runs a command that does nothing.
func try(ctx context.Context, self []string, p place, network bool) error {
	dir, err := os.MkdirTemp("", "mapreel-confine-")
	if err != nil {
		return fault.Wrap(fault.KindOf(err), err, "working folder")
	}
	defer os.RemoveAll(dir)
	o := Options{
		Spec: Spec{
			Command: []string{"true"}, Dir: dir, Writable: []string{dir}, Memory: 1 << 30, Disk: 1 << 20, Processes: 16, Timeout: 20 * time.Second,
		},
		Self: self, Name: "a tool", Network: network,
	}
	if p.bubblewrap != "" { // what Main needs besides is the same everywhere, and starting this program takes ten times as long
		argv := append(p.wrap(o), o.Command...)
		_, err = process.Run(ctx, argv[0], argv[1:], process.Options{Name: o.Name, Dir: dir, Limits: o.limits(), Grace: stopTime})
		return err
	}
	return o.runIn(ctx, p)
}
