package confine

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mapreel/mapreel/pkg/process"
)

// statusFile is the descriptor to which Main reports.
const statusFile = 3

// Main runs the command of a Spec in this process's place, and reports how it ended. It returns the process's exit code: 0 also
// where the command failed.
func Main(text string) int {
	// The thread gives up its rights, and the command inherits its restrictions. It is never unlocked.
	runtime.LockOSThread()
	var spec Spec
	var s status
	to, mark := statusFile, ""
	if err := json.Unmarshal([]byte(text), &spec); err != nil || len(spec.Command) == 0 {
		s.Error = "mapreel starts this command itself, for a tool"
	} else {
		if spec.Contained {
			to, mark = 2, statusMark // engines pass on no other descriptors
		}
		unix.CloseOnExec(to)
		s = spec.run()
		s.CPU = consumed()
	}
	data, err := json.Marshal(s)
	if err == nil {
		_, err = os.NewFile(uintptr(to), "status").Write([]byte(mark + string(data) + "\n"))
	}
	if err != nil {
		return 1
	}
	return 0
}

// consumed returns the user and system time of this process and of its children, as far as they have ended.
func consumed() (sum time.Duration) {
	for _, who := range []int{unix.RUSAGE_SELF, unix.RUSAGE_CHILDREN} {
		var u unix.Rusage
		if unix.Getrusage(who, &u) == nil {
			sum += time.Duration(u.Utime.Nano() + u.Stime.Nano())
		}
	}
	return sum
}

// run runs the command.
func (spec Spec) run() (s status) {
	failed := func(what string, err error) status { return status{Error: what + ": " + err.Error()} }
	// Processes whose parents end become children of this one.
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return failed("adopt processes", err)
	}
	if spec.Contained {
		if os.Getpid() != 1 { // killAll would end the user's other processes
			return status{Error: "the container has no process namespace of its own"}
		}
		if err := spec.endWithOwner(); err != nil {
			return failed("watch the process that runs the tool", err)
		}
	} else if os.Getpid() == 1 { // in namespaces that process.Run made
		if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
			return failed("mount /proc", err)
		}
		if err := unix.Prctl(unix.PR_CAP_AMBIENT, unix.PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0); err != nil { // the command needs none
			return failed("give up capabilities", err)
		}
	}
	if !spec.Shared && !spec.Contained { // an engine has its own bound
		if own := processNamespace(); own == "" || spec.Outside == "" || own == spec.Outside { // as of a Spec that was started by hand
			return status{Error: "it has no process namespace of its own"}
		}
		if err := spec.boundTasks(); err != nil {
			return failed("limit processes", err)
		}
	}
	if err := takeEnvironment(); err != nil {
		return failed("set the environment", err)
	}
	program, err := exec.LookPath(spec.Command[0])
	if err != nil && !spec.Probe {
		return status{Error: describeStart(spec.Command[0], err)}
	}
	if err := spec.giveUpRights(); err != nil {
		return failed("give up rights to write", err)
	}
	if err := spec.setLimits(); err != nil {
		return failed("set limits", err)
	}
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	null, err := os.Open(os.DevNull)
	if err != nil {
		return failed("open "+os.DevNull, err)
	}
	// The command could otherwise write to the memory that this thread shares with others, which have all rights.
	if err := process.DenyInspection(); err != nil {
		return failed("deny inspection", err)
	}
	if spec.Probe {
		return spec.probe()
	}
	pid, err := spec.start(program, null)
	if err != nil {
		return status{Error: err.Error()}
	}
	return spec.wait(pid, signals)
}

// wait waits until the command and its processes have ended, and ends them where they take too long or exceed a limit.
func (spec Spec) wait(pid int, signals <-chan os.Signal) (s status) {
	ended := reap(pid)
	timedOut, tooMany := false, false
	crowd := make(<-chan time.Time) // never
	if spec.Contained {
		tick := time.NewTicker(countInterval)
		defer tick.Stop()
		crowd = tick.C
	}
	timeout := time.NewTimer(spec.Timeout)
	var patience <-chan time.Time
	for {
		select {
		case ws := <-ended:
			s = statusOf(ws)
			s.TimedOut, s.TooMany, s.Left = timedOut, tooMany, spec.killRest()
			return s
		case <-crowd:
			if tooMany = tooMany || countProcesses() > spec.Processes; tooMany {
				spec.killAll()
			}
			continue
		case <-timeout.C:
			timedOut = true
		case <-signals:
		case <-patience:
			spec.killAll()
			continue
		}
		if patience == nil {
			kill(-pid, syscall.SIGTERM)
			patience = time.After(stopTime)
		}
	}
}

// reap waits for the command, and for whatever else ends meanwhile.
func reap(pid int) <-chan syscall.WaitStatus {
	ended := make(chan syscall.WaitStatus, 1)
	go func() {
		for {
			var ws syscall.WaitStatus
			p, err := syscall.Wait4(-1, &ws, 0, nil)
			switch {
			case p == pid:
				ended <- ws
				return
			case err != nil && !errors.Is(err, syscall.EINTR):
				return
			}
		}
	}()
	return ended
}

// giveUpRights has the kernel take away rights to files. Without Landlock, a command on a file system that is mounted without the right
// to write has none to give up, and one that is alone may keep them: see Options.Alone.
func (spec Spec) giveUpRights() error {
	err := restrict(spec.Writable, spec.Readable, spec.Devices)
	if errors.Is(err, errNoLandlock) && (spec.ReadOnly || spec.Filtered) {
		return nil
	}
	return err
}

// takeEnvironment gives this process, and so the command, the variables that Run passed on.
func takeEnvironment() error {
	for _, v := range os.Environ() {
		passed, ok := strings.CutPrefix(v, passedOn)
		if !ok {
			continue
		}
		name, value, _ := strings.Cut(passed, "=")
		if err := errors.Join(os.Unsetenv(passedOn+name), os.Setenv(name, value)); err != nil {
			return err
		}
	}
	return nil
}

// start starts the command. A limit of memory binds it from its first instruction, so this process has the same for that moment. It
// may hold more than that already, and allocates nothing large meanwhile.
func (spec Spec) start(program string, stdin *os.File) (pid int, err error) {
	if spec.Filtered {
		if err := filterCalls(); err != nil {
			return 0, fmt.Errorf("filter system calls: %w", err)
		}
	}
	var before unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_DATA, &before); err != nil {
		return 0, fmt.Errorf("limit the memory: %w", err)
	}
	memory := min(uint64(spec.Memory), before.Max)
	attributes := &syscall.ProcAttr{
		Dir: spec.Dir, Env: os.Environ(), Files: []uintptr{stdin.Fd(), 1, 1},
		Sys: &syscall.SysProcAttr{Setsid: true, Pdeathsig: syscall.SIGKILL}, // a session of its own has no terminal to type into
	}
	if err := unix.Setrlimit(unix.RLIMIT_DATA, &unix.Rlimit{Cur: memory, Max: before.Max}); err != nil {
		return 0, fmt.Errorf("limit the memory: %w", err)
	}
	pid, err = syscall.ForkExec(program, spec.Command, attributes)
	restored := unix.Setrlimit(unix.RLIMIT_DATA, &before)
	switch {
	case err != nil:
		return 0, errors.New(describeStart(spec.Command[0], err))
	case restored == nil:
		// The command may have no more than that even if it asks for it.
		unrestricted(func() { restored = unix.Prlimit(pid, unix.RLIMIT_DATA, &unix.Rlimit{Cur: memory, Max: memory}, nil) })
	}
	if restored != nil && !errors.Is(restored, unix.ESRCH) {
		kill(-pid, syscall.SIGKILL)
		return 0, fmt.Errorf("limit the memory: %w", restored)
	}
	return pid, nil
}

func statusOf(ws syscall.WaitStatus) (s status) {
	if ws.Signaled() { //nolint:misspell // the name is syscall's
		s.Signal, s.Code = int(ws.Signal()), -1
		return s
	}
	s.Code = ws.ExitStatus()
	return s
}

// describeStart says why a program was not started.
func describeStart(program string, err error) string {
	switch {
	case errors.Is(err, exec.ErrNotFound):
		return program + " is not installed, or not in PATH"
	case errors.Is(err, syscall.ENOENT):
		return program + ": the program, or the interpreter that its first line names, does not exist"
	case errors.Is(err, syscall.EACCES):
		return program + ": it is not executable, or lies on a disk that allows no programs"
	}
	return program + ": " + err.Error()
}

// killRest ends the processes that are left after the command has ended, and returns how many there were. Those that end by
// themselves within a moment do not count.
func (spec Spec) killRest() (left int) {
	const patience = 300 * time.Millisecond
	deadline := time.Now().Add(patience)
	for {
		switch p, err := syscall.Wait4(-1, nil, syscall.WNOHANG, nil); {
		case err != nil && !errors.Is(err, syscall.EINTR):
			return left // there are none
		case p > 0 && time.Now().After(deadline):
			left++
		case p > 0:
		case time.Now().After(deadline):
			spec.killAll()
			time.Sleep(time.Millisecond)
		default:
			time.Sleep(10 * time.Millisecond)
		}
	}
}

// killAll ends every process of the command.
func (spec Spec) killAll() {
	if !spec.Shared {
		kill(-1, syscall.SIGKILL) // all in the namespace but this one and its first
		return
	}
	for _, pid := range children(os.Getpid()) {
		kill(pid, syscall.SIGKILL)
	}
}

// kill sends a signal. It fails only if its target has ended already.
func kill(pid int, signal syscall.Signal) {
	unrestricted(func() { _ = syscall.Kill(pid, signal) })
}

// unrestricted calls a function in another thread. The calling one has the restrictions of the command, which may do nothing to other
// processes. Go starts threads from one that was never restricted.
func unrestricted(do func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		do()
	}()
	<-done
}

// children lists the descendants of a process. Those of a process that has ended become children of this one.
func children(pid int) (list []int) {
	threads, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return nil
	}
	for _, thread := range threads {
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%s/children", pid, thread.Name()))
		if err != nil {
			continue
		}
		for field := range strings.FieldsSeq(string(data)) {
			if child, err := strconv.Atoi(field); err == nil {
				list = append(append(list, child), children(child)...)
			}
		}
	}
	return list
}

// setLimits sets the limits that the kernel enforces, but for memory. This process keeps to them, too.
func (spec Spec) setLimits() error {
	for _, l := range []struct {
		resource int
		value    int64
	}{
		{unix.RLIMIT_FSIZE, spec.Disk}, {unix.RLIMIT_NOFILE, maxFiles}, {unix.RLIMIT_CORE, 0},
	} {
		var old unix.Rlimit
		if err := unix.Getrlimit(l.resource, &old); err != nil {
			return err
		}
		value := uint64(l.value)
		if err := unix.Setrlimit(l.resource, &unix.Rlimit{Cur: min(value, old.Cur), Max: min(value, old.Max)}); err != nil {
			return err
		}
	}
	return nil
}
