package confine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/process"
	"github.com/mapreel/mapreel/pkg/tool/confine/containertest"
)

// TestMain lets the test binary stand for mapreel, and for mapreel on a kernel without Landlock.
func TestMain(m *testing.M) {
	if len(os.Args) == 3 {
		switch os.Args[1] {
		case "confined":
			os.Exit(Main(os.Args[2]))
		case "confined-without-landlock":
			runtime.LockOSThread()
			if err := hideLandlock(); err != nil {
				panic(err)
			}
			os.Exit(Main(os.Args[2]))
		case "owner": // of a container, which a test kills
			var o Options
			if err := json.Unmarshal([]byte(os.Args[2]), &o); err != nil {
				panic(err)
			}
			fmt.Println(Run(context.Background(), o))
			os.Exit(0)
		}
	}
	os.Exit(m.Run())
}

// hideLandlock has the kernel answer this thread as one that does not know Landlock.
func hideLandlock() error {
	filter := []unix.SockFilter{
		{Code: unix.BPF_LD | unix.BPF_W | unix.BPF_ABS}, // the number of the system call
		{Code: unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K, K: unix.SYS_LANDLOCK_CREATE_RULESET, Jf: 1},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)},
		{Code: unix.BPF_RET | unix.BPF_K, K: unix.SECCOMP_RET_ALLOW},
	}
	program := unix.SockFprog{Len: uint16(len(filter)), Filter: &filter[0]}
	if err := unix.Prctl(unix.PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0); err != nil {
		return err
	}
	return unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, uintptr(unsafe.Pointer(&program)), 0, 0)
}

// A tool is never run unconfined: what cannot be taken from it refuses it.
func TestAToolIsRefusedWhereNothingConfinesIt(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	without := []string{self, "confined-without-landlock"}
	for name, list := range map[string][]place{
		"with namespaces": {{namespaces: process.NoNetwork}},
		"with neither":    {{shared: true}},
	} {
		_, err := choose(t.Context(), without, list, false)
		for _, want := range []string{"this machine cannot confine a tool", "this kernel has no Landlock"} {
			if fault.KindOf(err) != fault.Unsupported || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: got %s: %v, want %q", name, fault.KindOf(err), err, want)
			}
		}
		if hint := fault.HintOf(err); !strings.Contains(hint, "install bubblewrap") {
			t.Errorf("%s: hint %q", name, hint)
		}
	}
	if _, err := choose(t.Context(), []string{self, "confined"}, []place{{bubblewrap: "/no/bwrap"}, {shared: true}}, true); err != nil {
		t.Errorf("the second place is not tried: %v", err)
	}
}

// Bubblewrap mounts the file system without the right to write, which does on a kernel without Landlock.
func TestBubblewrapConfinesWithoutLandlock(t *testing.T) {
	t.Parallel()
	path, err := exec.LookPath("bwrap")
	if err != nil {
		t.Skip("bubblewrap is not installed")
	}
	o := script(t, "echo x > out; echo x > /mapreel-test")
	o.Self[1] = "confined-without-landlock"
	where := place{bubblewrap: path}
	if err := try(t.Context(), o.Self, where, false); err != nil {
		t.Skipf("bubblewrap does not work here: %v", err)
	}
	if err := o.runIn(t.Context(), where); !strings.Contains(said(err), "Read-only file system") {
		t.Errorf("got %v", said(err))
	}
	if _, err := os.Stat(filepath.Join(o.Dir, "out")); err != nil {
		t.Error(err)
	}
}

// Bubblewrap is tried without this program, which takes much longer to start than the command.
func TestBubblewrapIsTriedByItself(t *testing.T) {
	t.Parallel()
	path, err := exec.LookPath("bwrap")
	if err != nil {
		t.Skip("bubblewrap is not installed")
	}
	if err := exec.CommandContext(t.Context(), path, "--unshare-all", "--ro-bind", "/", "/", "true").Run(); err != nil {
		t.Skipf("bubblewrap does not work here: %v", err)
	}
	if err := try(t.Context(), []string{"/no/program"}, place{bubblewrap: path}, false); err != nil {
		t.Errorf("got %v", err)
	}
	if err := try(t.Context(), nil, place{bubblewrap: "/no/bwrap"}, false); err == nil {
		t.Error("a bubblewrap that does not exist is taken for one that works")
	}
}

// said returns an error with the last lines of the tool, as the engine records it.
func said(err error) string {
	text := fmt.Sprint(err)
	var exit interface {
		error
		LastLines(n int) []string
	}
	if errors.As(err, &exit) {
		text += "; " + strings.Join(exit.LastLines(5), "; ")
	}
	return text
}

// script returns the options of a shell script.
func script(t *testing.T, text string) Options {
	t.Helper()
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return Options{
		Spec: Spec{
			Command: []string{"/bin/bash", "-c", text}, Dir: dir, Writable: []string{dir}, Memory: 512 << 20, Disk: 64 << 20, Processes: 20,
			Timeout: 20 * time.Second,
		},
		Self: []string{self, "confined"}, Name: "shaky", Env: []string{"TOKEN=hunter2"}, Secrets: []string{"hunter2"},
	}
}

func TestAToolThatKeepsToItsLimitsSucceeds(t *testing.T) {
	t.Parallel()
	o := script(t, `echo "$TOKEN" > out && cat /proc/self/status > status && (sleep 0.05 &) && seq 1000 > /dev/null`)
	if err := Run(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(o.Dir, "out")); string(got) != "hunter2\n" {
		t.Errorf("got %q, %v", got, err)
	}
}

// What a tool prints that has no right to write, or no network: by Landlock and an empty network, or by bubblewrap, whose network
// has a loopback device of its own.
const (
	notWritable  = "Permission denied|Read-only file system"
	notConnected = "nreachable|Connection refused"
)

func TestAToolIsStoppedAndNamed(t *testing.T) {
	t.Parallel()
	outside := filepath.Join(t.TempDir(), "outside")
	if err := os.WriteFile(outside+".kept", nil, 0o600); err != nil {
		t.Fatal(err)
	}
	mark := fmt.Sprintf("9%d", os.Getpid()) // an unlikely number of seconds
	t.Cleanup(func() {                      // after all of them
		if _, err := os.Stat(outside); err == nil {
			t.Error("a tool wrote outside of its folder")
		}
		if _, err := os.Stat(outside + ".kept"); err != nil {
			t.Errorf("a tool removed a file outside of its folder: %v", err)
		}
		if out, err := exec.Command("pgrep", "-f", "sleep "+mark).Output(); err == nil {
			t.Errorf("processes are left: %s", out)
		}
	})
	for name, c := range map[string]struct {
		script string
		change func(*Options)
		kind   fault.Kind
		want   string
	}{
		"fails":               {"echo one; echo my last words >&2; exit 3", nil, fault.Unsupported, `shaky exited with code 3; one; my last words`},
		"asks for a retry":    {"exit 75", nil, fault.Transient, "code 75"},
		"is killed":           {"kill -SEGV $$", nil, fault.Unsupported, "shaky was killed by segmentation fault"},
		"writes elsewhere":    {"echo x > " + outside, nil, fault.Unsupported, notWritable},
		"removes elsewhere":   {"rm -f " + outside + ".kept", nil, fault.Unsupported, notWritable},
		"forks without end":   {"f() { f | f & f; }; f; wait", nil, fault.Unsupported, "it started more than 20 processes"},
		"fills the disk":      {"dd if=/dev/zero of=big bs=1M count=1000", nil, fault.OutOfSpace, "it wrote more than 64 MB"},
		"fills it in parts":   {"for i in $(seq 100); do head -c 5M /dev/zero > $i; sleep 0.02; done; sleep 5", nil, fault.OutOfSpace, "it wrote more than 64 MB"},
		"prints a gigabyte":   {"head -c 1G /dev/zero", nil, fault.Unsupported, "it printed more than 64 MB"},
		"takes too long":      {"echo waiting; sleep 60", func(o *Options) { o.Timeout = time.Second }, fault.OutOfTime, "it ran for more than 1s; waiting"},
		"ignores SIGTERM":     {"trap '' TERM INT; while :; do sleep 0.2; done", func(o *Options) { o.Timeout = time.Second }, fault.OutOfTime, "it ran for more than 1s"},
		"leaves children":     {"setsid nohup sleep " + mark + " >/dev/null 2>&1 & exit 0", nil, fault.Unsupported, "shaky left 1 process running"},
		"takes memory":        {"dd if=/dev/zero of=/dev/null bs=300M count=1", func(o *Options) { o.Memory = 128 << 20 }, fault.Unsupported, "memory exhausted"},
		"does not exist":      {"", func(o *Options) { o.Command = []string{"no-such-program"} }, fault.Unsupported, "no-such-program is not installed"},
		"prints its password": {`echo "the token is $TOKEN"; exit 1`, nil, fault.Unsupported, "the token is …"},
		"uses the network":    {"exec 3<>/dev/tcp/127.0.0.1/PORT", nil, fault.Unsupported, notConnected},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // local
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			_, port, _ := net.SplitHostPort(l.Addr().String())
			o := script(t, strings.ReplaceAll(c.script, "PORT", port))
			if c.change != nil {
				c.change(&o)
			}
			began := time.Now()
			err = Run(t.Context(), o)
			if fault.KindOf(err) != c.kind || !regexp.MustCompile(c.want).MatchString(said(err)) || !strings.Contains(said(err), "shaky") {
				t.Errorf("got %s: %s, want %s: %q", fault.KindOf(err), said(err), c.kind, c.want)
			}
			checkSecret(t, err)
			if took := time.Since(began); took > 30*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

// checkSecret checks that the secret of a tool is not in its error.
func checkSecret(t *testing.T, err error) {
	t.Helper()
	var exit *process.ExitError
	if strings.Contains(said(err), "hunter2") || errors.As(err, &exit) && strings.Contains(exit.Tail, "hunter2") {
		t.Errorf("the error has a secret: %s", said(err))
	}
}

func TestAToolWithNetworkHasIt(t *testing.T) {
	t.Parallel()
	l, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // local
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	o := script(t, "exec 3<>/dev/tcp/127.0.0.1/"+port)
	o.Network = true
	if err := Run(t.Context(), o); err != nil {
		t.Error(err)
	}
}

// A device is a file that the command may write to, although it lies outside of its folders.
func TestACommandUsesTheDevicesThatItIsGiven(t *testing.T) {
	t.Parallel()
	for name, where := range map[string]place{"bubblewrap": {}, "Landlock": {shared: true}} {
		if name == "bubblewrap" {
			program, err := exec.LookPath("bwrap")
			if err != nil {
				t.Logf("SKIPPED: 1 test of devices needs bubblewrap: %v", err)
				continue
			}
			where = place{bubblewrap: program}
		}
		for _, given := range []bool{true, false} {
			folder := t.TempDir()
			node := filepath.Join(folder, "gpu0")
			if err := os.WriteFile(node, []byte("idle\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			o := script(t, "read state < "+node+" && echo busy 1<> "+node+" && echo $state > out")
			o.Readable, o.Devices = []string{}, []string{"/dev/no-such-device"}
			if given {
				o.Devices = append(o.Devices, node)
			}
			err := o.runIn(t.Context(), where)
			state, _ := os.ReadFile(node)
			if used := string(state) == "busy\n"; used != given || (err == nil) != given {
				t.Errorf("%s, given %v: the device is %q, %s", name, given, state, said(err))
			}
		}
	}
}

func TestAToolEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	time.AfterFunc(time.Second, func() { cancel(fault.New(fault.Transient, "enough")) })
	began := time.Now()
	err := Run(ctx, script(t, "trap '' TERM INT; while :; do sleep 0.2; done"))
	if fault.KindOf(err) != fault.Transient || !strings.Contains(err.Error(), "shaky was stopped: enough") || time.Since(began) > 15*time.Second {
		t.Errorf("got %v after %v", err, time.Since(began))
	}
}

// Where a machine has no namespaces, a tool that may use the network runs without, and its processes are found otherwise.
func TestProcessesAreEndedWithoutNamespaces(t *testing.T) {
	t.Parallel()
	outside := filepath.Join(t.TempDir(), "outside")
	for name, c := range map[string]struct{ script, want string }{
		"leaves children": {"setsid nohup sleep 77 >/dev/null 2>&1 & exit 0", "shaky left 1 process running"},
		"ignores SIGTERM": {"trap '' TERM; (trap '' TERM; setsid sleep 60) & while :; do sleep 0.1; done", "more than 1s"},
		"writes":          {"echo x > " + outside, "Permission denied"},
	} {
		o := script(t, c.script)
		o.Timeout = time.Second
		err := o.runIn(t.Context(), place{shared: true})
		if !strings.Contains(said(err), c.want) {
			t.Errorf("%s: got %s, want %q", name, said(err), c.want)
		}
	}
	if _, err := os.Stat(outside); err == nil {
		t.Error("a tool wrote outside of its folder")
	}
}

// On a machine of its own that has neither namespaces nor Landlock, a filter keeps a command from the network and from others.
func TestAFilterConfinesACommandThatIsAlone(t *testing.T) {
	t.Parallel()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	other := exec.CommandContext(t.Context(), "sleep", "60")
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	for _, self := range []string{"confined", "confined-without-landlock"} {
		for name, c := range map[string]struct{ script, want string }{
			"connects":        {fmt.Sprintf("exec 3<>/dev/tcp/127.0.0.1/%d", listener.Addr().(*net.TCPAddr).Port), "Operation not permitted"},
			"resolves":        {"exec 3<>/dev/udp/localhost/53", "Operation not permitted|Name or service not known|failure in name resolution"},
			"signals":         {fmt.Sprintf("kill -9 %d", other.Process.Pid), "Operation not permitted"},
			"signals its own": {"kill -9 $PPID", "Operation not permitted"},
			"leaves children": {"setsid nohup sleep 77 >/dev/null 2>&1 & exit 0", "shaky left 1 process running"},
			"ignores SIGTERM": {"trap '' TERM; (trap '' TERM; setsid sleep 60) & while :; do sleep 0.1; done", "more than 1s"},
			"limits another":  {fmt.Sprintf("prlimit --pid %d --cpu=1", other.Process.Pid), "Operation not permitted"},
			"limits itself":   {"ulimit -S -n 100 && prlimit --nofile=50 true", "<nil>"},
			"pairs sockets":   {python("import socket; socket.socketpair()"), "Operation not permitted"},
			"owns a pipe":     {python("import fcntl, os; fcntl.fcntl(os.pipe()[0], fcntl.F_SETOWN, os.getppid())"), "Operation not permitted"},
			"works":           {"head -c 3 /dev/zero > out && ls | cat", "<nil>"},
		} {
			o := script(t, c.script)
			o.Self[1] = self
			if strings.Contains(c.want, "1s") {
				o.Timeout = time.Second
			}
			if err := o.runIn(t.Context(), place{shared: true, filtered: true}); !regexp.MustCompile(c.want).MatchString(said(err)) {
				t.Errorf("%s, %s: got %s, want %q", self, name, said(err), c.want)
			}
		}
	}
	_ = other.Process.Signal(syscall.SIGTERM)
	if err := other.Wait(); err == nil || !strings.Contains(err.Error(), "terminated") {
		t.Errorf("a process of the same user ended before this test told it to: %v", err)
	}
	for _, d := range []demand{{}, {network: true}, {network: true, alone: true}} {
		for _, p := range candidates(d) {
			if p.filtered {
				t.Errorf("%+v accepts a filter", d)
			}
		}
	}
	if list := candidates(demand{alone: true}); !list[len(list)-1].filtered || list[0].filtered {
		t.Errorf("a command that is alone is confined by %+v", list)
	}
}

// python returns the command line of a Python program.
func python(program string) string { return "python3 -c '" + program + "'" }

// The environment of the process that starts a command has the worker's: only root may look into it.
func TestAFilteredCommandCannotLookIntoTheProcessThatConfinesIt(t *testing.T) {
	t.Parallel()
	if os.Getuid() == 0 {
		t.Skip("root may look into every process")
	}
	for _, file := range []string{"environ", "mem", "maps", "fd/3"} {
		o := script(t, "cat /proc/$PPID/"+file)
		o.Self[1] = "confined-without-landlock"
		if err := o.runIn(t.Context(), place{shared: true, filtered: true}); !strings.Contains(said(err), "Permission denied") {
			t.Errorf("%s: got %s", file, said(err))
		}
	}
}

// Blender renders under the filter.
func TestBlenderRendersUnderTheFilter(t *testing.T) {
	t.Parallel()
	program, err := exec.LookPath("blender")
	if err != nil {
		t.Skip("SKIPPED: 1 test of Blender under a filter of system calls needs Blender, which make setup-render installs")
	}
	o := script(t, "")
	const render = `import bpy
s = bpy.context.scene
s.render.engine, s.cycles.samples, s.cycles.use_denoising = "CYCLES", 1, False
s.render.resolution_x, s.render.resolution_y, s.render.filepath = 32, 18, "out.png"
bpy.ops.render.render(write_still=True)`
	o.Command = []string{program, "--background", "--factory-startup", "-noaudio", "--python-exit-code", "3", "--python-expr", render}
	o.Self[1] = "confined-without-landlock"
	o.Memory, o.Processes, o.Timeout = 4<<30, 512, 5*time.Minute
	o.Env = []string{"HOME=" + o.Dir, "TMPDIR=" + o.Dir}
	if err := o.runIn(t.Context(), place{shared: true, filtered: true}); err != nil {
		t.Fatal(said(err))
	}
	if info, err := os.Stat(filepath.Join(o.Dir, "out.png")); err != nil || info.Size() == 0 {
		t.Errorf("nothing was rendered: %v", err)
	}
}

// The process that is waited for is not always the one that works.
func TestTheTimeOfACommandIsCounted(t *testing.T) {
	t.Parallel()
	// A process computes for a second, whose parent has ended before it.
	const text = "mkfifo p; (sh -c 'ulimit -t 1; while :; do :; done' 3> p &) ; cat p; true"
	check := func(name string, run func(ctx context.Context) error) {
		t.Helper()
		var c process.Counter
		if err := run(process.WithCounter(t.Context(), &c)); err != nil {
			t.Errorf("%s: %v", name, said(err))
		}
		if got := c.CPU(); got < 800*time.Millisecond || got > 2500*time.Millisecond {
			t.Errorf("%s: %v were counted of 1 s", name, got)
		}
	}
	list := candidates(demand{})
	for _, p := range append(list, place{shared: true}) {
		o := script(t, text)
		if try(t.Context(), o.Self, p, false) == nil {
			check(fmt.Sprintf("%+v", p), func(ctx context.Context) error { return o.runIn(ctx, p) })
		}
	}
	t.Run("in a container", func(t *testing.T) {
		o, _ := contained(t, containertest.Image(t, "bash", "cat", "mkfifo"), text)
		check("podman", func(ctx context.Context) error { return Run(ctx, o) })
	})
}

// A variable that the loader of programs obeys must not reach the programs that confine the command.
func TestTheEnvironmentReachesTheCommandAlone(t *testing.T) {
	t.Parallel()
	o := script(t, "env > own")
	o.Env = append(o.Env, "GREETING=a=b")
	outer := filepath.Join(t.TempDir(), "outer")
	o.Self = append([]string{"/bin/sh", "-c", `env > "$0"; exec "$@"`, outer}, o.Self...)
	if err := o.runIn(t.Context(), place{shared: true}); err != nil {
		t.Fatal(said(err))
	}
	for file, want := range map[string]bool{filepath.Join(o.Dir, "own"): true, outer: false} {
		data, err := os.ReadFile(file)
		if err != nil || strings.Contains("\n"+string(data), "\nGREETING=a=b\n") != want || strings.Contains(string(data), passedOn) == want {
			t.Errorf("%s: the variables are %q, %v", filepath.Base(file), data, err)
		}
	}
}

// The machine's own limit stays, also where this is root.
func TestTheKernelBoundsTheTasksOfACommand(t *testing.T) {
	t.Parallel()
	if !newer(kernelRelease(), 6, 14) {
		t.Skip("pid_max is the machine's before Linux 6.14")
	}
	const file = "/proc/sys/kernel/pid_max"
	before, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	o := script(t, "cat "+file+" > own; ulimit -u >> own")
	if err := Run(t.Context(), o); err != nil {
		t.Fatal(said(err))
	}
	got, err := os.ReadFile(filepath.Join(o.Dir, "own"))
	if err != nil || string(got) != "512\n512\n" {
		t.Errorf("the command's limits are %q, %v", got, err)
	}
	if after, err := os.ReadFile(file); err != nil || string(after) != string(before) {
		t.Errorf("the machine's limit was %q and is %q, %v", before, after, err)
	}
}

// A Spec is visible in the list of processes. Started by hand, its limits would be the machine's, and the processes that it ends those
// of the user.
func TestASpecIsNotRunOutsideOfItsNamespaces(t *testing.T) {
	t.Parallel()
	for _, outside := range []string{processNamespace(), ""} {
		text, err := json.Marshal(Spec{Command: []string{"true"}, Dir: t.TempDir(), Outside: outside})
		if err != nil {
			t.Fatal(err)
		}
		told := filepath.Join(t.TempDir(), "status")
		f, err := os.Create(told)
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), os.Args[0], "confined", string(text))
		cmd.ExtraFiles = []*os.File{f}
		runErr := cmd.Run()
		got, err := os.ReadFile(told)
		if err := errors.Join(runErr, err, f.Close()); err != nil || !strings.Contains(string(got), "no process namespace of its own") {
			t.Errorf("outside %q: %s, %v", outside, got, err)
		}
	}
}

// Where the kernel bounds the tasks of a command, counting them less often lets no more of them run.
func TestACommandIsCountedLessOftenWhereTheKernelBoundsItsTasks(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		release    string
		root, want bool
	}{{"6.18.44", true, true}, {"6.13", true, false}, {"6.13", false, true}, {"5.14", false, true}, {"5.13", false, false}, {"", false, false}} {
		if got := boundsTasks(c.release, c.root); got != c.want {
			t.Errorf("%+v: got %v", c, got)
		}
	}
	for _, p := range []place{{shared: true}, {shared: true, filtered: true}} {
		if got := p.watchInterval(); got != 0 {
			t.Errorf("%+v: %v, although nothing else bounds its tasks", p, got)
		}
	}
	for _, p := range []place{{bubblewrap: "/usr/bin/bwrap"}, {namespaces: process.NoNetwork}} {
		if got := p.watchInterval(); (got > 0) != kernelBoundsTasks() {
			t.Errorf("%+v: %v", p, got)
		}
	}
}

func TestReleasesOfTheKernelAreOrdered(t *testing.T) {
	t.Parallel()
	for release, want := range map[string]bool{
		"6.18.44-fc-v782": true, "6.14": true, "6.14-rc1": true, "7.0.1": true, "10.1": true, "6.8.0-52-generic": false, "6.2": false, "5.15.0": false,
		"": false, "6": false, "six.14": false,
	} {
		if got := newer(release, 6, 14); got != want {
			t.Errorf("%q: %v", release, got)
		}
	}
}
