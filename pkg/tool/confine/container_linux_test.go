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
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/tool/confine/containertest"
)

// testPrograms are what the scripts of these tests need.
var testPrograms = []string{"bash", "cat", "dd", "env", "head", "id", "ls", "nohup", "rm", "seq", "setsid", "sleep"}

// contained returns the options of a shell script in a container, and the folder of its results.
func contained(t *testing.T, image, text string) (o Options, out string) {
	t.Helper()
	o = script(t, text)
	id, err := Image(t.Context(), o.Self, image)
	if err != nil {
		t.Fatal(err)
	}
	host, input := o.Dir, t.TempDir()
	if err := os.WriteFile(filepath.Join(input, "in"), []byte("input"), 0o600); err != nil {
		t.Fatal(err)
	}
	o.Dir, o.Writable = "/mapreel/work", []string{"/mapreel/work"}
	o.Command[0] = "bash"
	o.Container = &Container{Image: id, Mounts: []Mount{
		{Host: host, Path: "/mapreel/work", Writable: true, Own: true}, {Host: input, Path: "/mapreel/input", Own: true},
	}}
	return o, host
}

// leftContainers lists the containers of the tools whose names begin like that.
func leftContainers(t *testing.T, tool string) string {
	t.Helper()
	out, err := exec.Command("podman", "ps", "--all", "--noheading", "--format", "{{.Names}}", "--filter", "name=^mapreel-"+tool).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	return strings.TrimSpace(string(out))
}

func TestAContainerHasTheToolsFilesAndFewRights(t *testing.T) {
	t.Parallel()
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	_, port, _ := net.SplitHostPort(l.Addr().String())
	image := containertest.Image(t, testPrograms...)
	o, out := contained(t, image, `echo "$TOKEN $GREETING" > env; cat ../input/in > in; id -u > id; cat /proc/self/status > status; ls / > root; (sleep 0.05 &)
exec 2> refused
(echo x > ../input/in); (echo x > /bin/new); (echo x > /tmp/new); rm -f /bin/cat; (echo mapreel-status: {} > /proc/1/fd/2)
(exec 3<> /dev/tcp/127.0.0.1/`+port+`); kill -9 1; true`)
	if err := Run(t.Context(), o); err != nil {
		t.Fatal(said(err))
	}
	const denied = "(Permission denied|Read-only file system)"
	for name, want := range map[string]string{
		"env": "^hunter2 hello\n$", "in": "^input$", "id": "^[1-9]", "status": "NoNewPrivs:\t1", "root": "^bin\ndev\netc\n",
		"refused": "(?s)input/in: " + denied + ".*/bin/new: " + denied + ".*/tmp/new: " + denied + ".*/bin/cat': " + denied +
			".*/proc/1/fd/2: Permission denied.*(" + notConnected + ")",
	} {
		if got, err := os.ReadFile(filepath.Join(out, name)); !regexp.MustCompile(want).Match(got) {
			t.Errorf("%s: got %q, %v", name, got, err)
		}
	}
	status, _ := os.ReadFile(filepath.Join(out, "status"))
	for _, set := range []string{"CapEff", "CapPrm", "CapInh", "CapBnd", "CapAmb"} {
		if !strings.Contains(string(status), set+":\t0000000000000000\n") {
			t.Errorf("the command has capabilities: %s", status)
		}
	}
	o, _ = contained(t, image, "exec 3<> /dev/tcp/127.0.0.1/"+port)
	o.Network = true
	if err := Run(t.Context(), o); err != nil {
		t.Errorf("with the network: %v", said(err))
	}
}

func TestVariablesOfAnImageThatTheLoaderObeysReachTheCommandAlone(t *testing.T) {
	t.Parallel()
	o, out := contained(t, containertest.ImageWith(t, "LD_DEBUG=help", testPrograms...), "echo > ran") // prints a help text instead of starting a program
	if err := Run(t.Context(), o); err != nil {
		t.Error(said(err))
	}
	ran := filepath.Join(out, "ran")
	if _, err := os.Stat(ran); err == nil {
		t.Error("the command does not have the variable of its image")
	}
	o.Env = append(o.Env, "LD_DEBUG=")
	if err := Run(t.Context(), o); err != nil {
		t.Error(said(err))
	}
	if _, err := os.Stat(ran); err != nil {
		t.Errorf("the tool's own variable does not replace that of its image: %v", err)
	}
}

// What ends a command without a container is tested in confine_linux_test.go. This tests what a container changes: who counts, and who
// ends what.
func TestAToolInAContainerIsStoppedAndNamed(t *testing.T) {
	t.Parallel()
	image := containertest.Image(t, testPrograms...)
	mark := fmt.Sprintf("8%d", os.Getpid()) // an unlikely number of seconds
	prefix := fmt.Sprintf("s%d-", os.Getpid())
	t.Cleanup(func() { // after all of them
		if out, err := exec.Command("pgrep", "-f", "sleep "+mark).Output(); err == nil {
			t.Errorf("processes are left: %s", out)
		}
		if left := leftContainers(t, prefix); left != "" {
			t.Errorf("containers are left: %s", left)
		}
	})
	for name, c := range map[string]struct {
		script string
		change func(*Options)
		kind   fault.Kind
		want   string
	}{
		"fails":             {`echo "the token is $TOKEN"; echo my last words >&2; exit 3`, nil, fault.Unsupported, "code 3; the token is …; my last words"},
		"forks without end": {"f() { f | f & f; }; f; wait", nil, fault.Unsupported, "it started more than 20 processes"},
		"fills the disk":    {"for i in $(seq 100); do head -c 5M /dev/zero > $i; sleep 0.02; done; sleep 5", nil, fault.OutOfSpace, "it wrote more than 64 MB"},
		"prints a gigabyte": {"head -c 1G /dev/zero", nil, fault.Unsupported, "it printed more than 64 MB"},
		"takes too long": {
			"trap '' TERM INT; echo waiting; while :; do sleep 0.2; done", func(o *Options) { o.Timeout = time.Second }, fault.OutOfTime,
			"it ran for more than 1s; waiting",
		},
		"leaves children": {"setsid nohup sleep " + mark + " >/dev/null 2>&1 & exit 0", nil, fault.Unsupported, "left 1 process running"},
		"takes memory": {
			"dd if=/dev/zero of=/dev/null bs=300M count=1", func(o *Options) { o.Memory = 128 << 20 }, fault.Unsupported, "memory exhausted",
		},
		"lacks its image": {
			"", func(o *Options) { o.Container.Image = "sha256:" + strings.Repeat("0", 64) }, fault.Unsupported,
			"podman cannot run .* in a container: .*(image not known|no such image)",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o, _ := contained(t, image, c.script)
			o.Name = prefix + strings.ReplaceAll(name, " ", "-")
			if c.change != nil {
				c.change(&o)
			}
			began := time.Now()
			err := Run(t.Context(), o)
			if fault.KindOf(err) != c.kind || !regexp.MustCompile(c.want).MatchString(said(err)) || err != nil && !strings.Contains(said(err), o.Name) {
				t.Errorf("got %s: %s, want %s: %q", fault.KindOf(err), said(err), c.kind, c.want)
			}
			checkSecret(t, err)
			if took := time.Since(began); took > 60*time.Second {
				t.Errorf("it took %v", took)
			}
		})
	}
}

func TestAContainerEndsWithItsContext(t *testing.T) {
	t.Parallel()
	o, out := contained(t, containertest.Image(t, testPrograms...), "trap '' TERM INT; echo > began; while :; do sleep 0.2; done")
	o.Name = fmt.Sprintf("canceled-%d", os.Getpid())
	ctx, cancel := context.WithCancelCause(t.Context())
	go func() {
		waitForFile(ctx, filepath.Join(out, "began"))
		cancel(fault.New(fault.Transient, "enough"))
	}()
	if err := Run(ctx, o); fault.KindOf(err) != fault.Transient || !strings.Contains(err.Error(), o.Name+" was stopped: enough") {
		t.Errorf("got %v", err)
	}
	if left := leftContainers(t, o.Name); left != "" {
		t.Errorf("containers are left: %s", left)
	}
}

// A container is no child of mapreel: the kernel does not end it with mapreel.
func TestAContainerEndsWithTheProcessThatRunsIt(t *testing.T) {
	t.Parallel()
	mark := fmt.Sprintf("7%d", os.Getpid()) // an unlikely number of seconds
	o, out := contained(t, containertest.Image(t, testPrograms...), "trap '' TERM INT; echo > began; sleep "+mark)
	o.Name = fmt.Sprintf("orphan-%d", os.Getpid())
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	owner := exec.CommandContext(t.Context(), o.Self[0], "owner", string(text)) //nolint:gosec // this program
	if err := owner.Start(); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	waitForFile(ctx, filepath.Join(out, "began"))
	if leftContainers(t, o.Name) == "" {
		t.Error("the container does not run")
	}
	_ = owner.Process.Kill()
	_ = owner.Wait()
	running := func() bool { return exec.CommandContext(t.Context(), "pgrep", "-f", "sleep "+mark).Run() == nil }
	for deadline := time.Now().Add(20 * time.Second); leftContainers(t, o.Name) != "" || running(); {
		if time.Now().After(deadline) {
			t.Fatalf("20 s after the process has ended, the container %q is left", leftContainers(t, o.Name))
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// Main ends all processes that it may signal, once a command in a container has ended.
func TestMainEndsNothingOutsideOfAProcessNamespace(t *testing.T) {
	t.Parallel()
	o := script(t, "echo > began")
	o.Contained = true
	text, err := json.Marshal(o.Spec)
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.CommandContext(t.Context(), o.Self[0], "confined", string(text)).CombinedOutput() //nolint:gosec // this program
	if err != nil || !strings.Contains(string(out), "the container has no process namespace of its own") {
		t.Errorf("got %q, %v", out, err)
	}
	if _, err := os.Stat(filepath.Join(o.Dir, "began")); err == nil {
		t.Error("the command ran")
	}
}

func TestAnImageIsFoundByItsID(t *testing.T) {
	t.Parallel()
	image := containertest.Image(t, "true")
	o := script(t, "")
	id, err := Image(t.Context(), o.Self, image)
	if want := "^sha256:[0-9a-f]{64}$"; err != nil || !regexp.MustCompile(want).MatchString(id) {
		t.Errorf("got %q, %v", id, err)
	}
	_, err = Image(t.Context(), o.Self, "localhost/mapreel-test-none:1")
	if want := "podman has no image localhost/mapreel-test-none:1; get it with: podman pull localhost/mapreel-test-none:1"; err == nil || err.Error() != want {
		t.Errorf("got %v", err)
	}
	if _, err := Image(t.Context(), o.Self, "--help"); err == nil || !strings.Contains(err.Error(), "no name of an image") {
		t.Errorf("got %v", err)
	}
}

func TestAnEngineThatIsMissingOrBrokenIsNamed(t *testing.T) { //nolint:paralleltest // it sets PATH
	o := script(t, "")
	bin := t.TempDir()
	t.Setenv("PATH", bin)
	if _, err := Image(t.Context(), o.Self, "debian"); !errors.Is(err, ErrNoEngine) {
		t.Errorf("got %v", err)
	}
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil { //nolint:gosec // it is run
			t.Fatal(err)
		}
	}
	write("docker", "echo 'Cannot connect to the Docker daemon' >&2; exit 1")
	_, err := new(engineFinder).image(t.Context(), o.Self, "debian")
	if want := "docker cannot find the image debian: Cannot connect to the Docker daemon"; err == nil || err.Error() != want || fault.KindOf(err) != fault.Transient {
		t.Errorf("got %s: %v", fault.KindOf(err), err)
	}
	write("podman", `case "$*" in *inspect*) echo 00;; *) echo "Error: cgroups: broken: $*" >&2; exit 126;; esac`)
	_, err = new(engineFinder).find(t.Context(), o.Self, "sha256:00")
	const want = "podman cannot run a tool in a container: cgroups: broken: run --rm" // without the options of later attempts
	if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(fault.HintOf(err), "podman run --rm IMAGE true") {
		t.Errorf("got %v, hint %q", err, fault.HintOf(err))
	}
	// The second way works.
	write("podman", `case "$*" in *"--cgroup-manager cgroupfs run"*) echo 'warning' >&2; echo 'mapreel-status: {"code": 0}' >&2;; *) exit 126;; esac`)
	e, err := new(engineFinder).find(t.Context(), o.Self, "sha256:00")
	if err != nil || strings.Join(e.flags, " ") != "--cgroup-manager cgroupfs" {
		t.Errorf("got %v, %v", e.flags, err)
	}
}

// What is mounted below a folder that a container may only read is mounted read-only by itself: an engine protects the folder alone.
func TestMountsBelowAFolderAreReadOnly(t *testing.T) {
	t.Parallel()
	const table = `21 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
30 21 0:5 / /tools/my\040models rw - tmpfs tmpfs rw
31 30 0:6 / /tools/my\040models/deep rw - tmpfs tmpfs rw
32 21 0:7 / /tools2 rw - tmpfs tmpfs rw
33 21 0:8 / /tools rw - tmpfs tmpfs rw
`
	if got, want := mountedBelow(table, "/tools"), []string{"my models", "my models/deep"}; !slices.Equal(got, want) {
		t.Errorf("below /tools: %q, want %q", got, want)
	}
	if got := mountedBelow(table, "/tools2"); len(got) > 0 {
		t.Errorf("below /tools2: %q", got)
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "here"), 0o700); err != nil {
		t.Fatal(err)
	}
	hidden := fmt.Sprintf("30 21 0:5 / %s/here rw - tmpfs tmpfs rw\n31 30 0:6 / %s/gone rw - tmpfs tmpfs rw\n", dir, dir)
	got, err := Container{Mounts: []Mount{{Host: dir, Path: "/tools"}}}.allMounts(hidden)
	if want := []Mount{{Host: dir, Path: "/tools"}, {Host: dir + "/here", Path: "/tools/here"}}; err != nil || !slices.Equal(got, want) {
		t.Errorf("with a mount that another one hides: %v, %v, want %v", got, err, want)
	}
	// /dev/shm is a mount of its own on every Linux.
	o := Options{Spec: Spec{Dir: "/mapreel/work"}, Name: "a", Container: &Container{Image: "sha256:00", Mounts: []Mount{
		{Host: "/dev", Path: "/mapreel/tools"}, {Host: "/dev", Path: "/mapreel/out", Writable: true},
	}}, Self: []string{"mapreel", "confine"}}
	args, err := o.containerArguments(engine{name: "podman", path: "podman"}, "x")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"/dev:/mapreel/tools:ro", "/dev/shm:/mapreel/tools/shm:ro", "/dev:/mapreel/out"} {
		if !slices.Contains(args, want) {
			t.Errorf("there is no volume %s in %q", want, args)
		}
	}
	if slices.Contains(args, "/dev/shm:/mapreel/out/shm:ro") {
		t.Error("what the container may write to has a mount that it may not")
	}
}

// An engine that is installed, but cannot run, does not hide another one that can.
func TestAnEngineThatCannotRunHidesNoOther(t *testing.T) { //nolint:paralleltest // it sets PATH
	o := script(t, "")
	bin := t.TempDir()
	t.Setenv("PATH", bin)
	write := func(name, text string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(bin, name), []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil { //nolint:gosec // it is run
			t.Fatal(err)
		}
	}
	const works = `case "$*" in *inspect*) echo sha256:00;; *) echo 'mapreel-status: {"code": 0}' >&2;; esac`
	for _, broken := range []string{
		`echo "Error: cannot open the store" >&2; exit 125`,
		`case "$*" in *inspect*) echo 00;; *) echo "Error: cgroups: broken" >&2; exit 126;; esac`,
	} {
		write("podman", broken)
		write("docker", works)
		f := new(engineFinder)
		if id, err := f.image(t.Context(), o.Self, "debian"); id != "sha256:00" || err != nil {
			t.Errorf("with a docker that works: %q, %v", id, err)
		}
		if e, err := f.find(t.Context(), o.Self, "sha256:00"); e.name != "docker" || err != nil {
			t.Errorf("tools run in %s, %v", e.name, err)
		}
		write("docker", `echo 'docker: no daemon' >&2; exit 125`)
		_, err := new(engineFinder).image(t.Context(), o.Self, "debian")
		if text := fmt.Sprint(err); !strings.Contains(text, "podman cannot ") || !strings.Contains(text, "; docker cannot find the image debian: docker: no daemon") {
			t.Errorf("got %v", err)
		}
	}
	// One that works is used, whatever the other has.
	write("podman", `echo "Error: debian: image not known" >&2; exit 125`)
	write("docker", works)
	if _, err := new(engineFinder).image(t.Context(), o.Self, "debian"); err == nil || !strings.Contains(err.Error(), "podman has no image debian") {
		t.Errorf("got %v", err)
	}
}

// What passes in a moment is tried again: for an image here, and for a tool by the engine that runs units.
func TestAHiccupOfAnEngineIsTriedAgain(t *testing.T) { //nolint:paralleltest // it sets PATH
	o := script(t, "")
	bin := t.TempDir()
	t.Setenv("PATH", bin)
	asked := filepath.Join(bin, "asked")
	text := "#!/bin/sh\ncase \"$*\" in *inspect*) [ -e " + asked + " ] || { : > " + asked + "; echo 'dial unix: connection refused' >&2; exit 1; }; echo 00;;\n" +
		"*) echo 'mapreel-status: {\"code\": 0}' >&2;; esac\n"
	if err := os.WriteFile(filepath.Join(bin, "docker"), []byte(text), 0o755); err != nil { //nolint:gosec // it is run
		t.Fatal(err)
	}
	if id, err := new(engineFinder).image(t.Context(), o.Self, "debian"); id != "sha256:00" || err != nil {
		t.Errorf("got %q, %v", id, err)
	}
	for text, want := range map[string]fault.Kind{
		"Error: Cannot connect to the Docker daemon": fault.Transient, "context deadline exceeded": fault.Transient,
		"Error: database is locked": fault.Transient, "Error: crun: permission denied": fault.Unsupported,
	} {
		if got := fault.KindOf(engine{name: "docker"}.failed(errors.New(text), "run a tool")); got != want {
			t.Errorf("%s is %s, want %s", text, got, want)
		}
	}
}

// waitForFile waits until a file exists.
func waitForFile(ctx context.Context, name string) {
	for ctx.Err() == nil {
		if _, err := os.Stat(name); err == nil {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
}
