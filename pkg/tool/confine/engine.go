package confine

import (
	"bytes"
	"cmp"
	"context"
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/process"
)

// engine is a container engine, and how it is called on this machine.
type engine struct {
	name     string   // podman or docker
	path     string   // of its program
	flags    []string // before the subcommand
	runFlags []string
	noTasks  bool // it cannot bound the number of tasks
	program  program
	loading  []string // variables of the image that the loader of programs obeys, "name=value"
}

// command returns the program and arguments of a subcommand.
func (e engine) command(arguments ...string) []string {
	return append(append([]string{e.path}, e.flags...), arguments...)
}

// run runs a subcommand that prints little, and returns what it prints.
func (e engine) run(ctx context.Context, arguments ...string) (string, error) {
	argv := e.command(arguments...)
	printed := &report{}
	limits := process.Unlimited() //nolint:forbidigo // the engine works on its own store
	limits.Wall = engineTime
	_, err := process.Run(ctx, argv[0], argv[1:], process.Options{Name: e.name, Env: engineEnvironment(), Stdout: printed, Limits: limits})
	return strings.TrimSpace(string(printed.data)), err
}

// installed returns the engines that this machine has: podman, and docker.
func installed() (list []engine) {
	for _, name := range []string{"podman", "docker"} {
		if path, err := exec.LookPath(name); err == nil {
			list = append(list, engine{name: name, path: path})
		}
	}
	return list
}

// ErrNoEngine says that no container engine is installed.
var ErrNoEngine = errors.New("neither podman nor docker is installed")

// missingImage says that an engine does not have an image.
type missingImage struct{ engine, image string }

func (m missingImage) Error() string {
	return fmt.Sprintf("%s has no image %s; get it with: %s pull %s", m.engine, m.image, m.engine, m.image)
}

// Image returns the ID of an image: the digest of what it consists of. self is the program and arguments that call Main. Nothing is
// fetched: the error names the command that fetches a missing image. The first call finds out which engine works, and how.
func Image(ctx context.Context, self []string, name string) (string, error) {
	return engines.image(ctx, self, name)
}

func (f *engineFinder) image(ctx context.Context, self []string, name string) (string, error) {
	list := f.candidates()
	if len(list) == 0 {
		return "", ErrNoEngine
	}
	if strings.HasPrefix(name, "-") {
		return "", fmt.Errorf("%q is no name of an image", name)
	}
	var failed []error
	for _, e := range list {
		id, err := f.inspect(ctx, e, name)
		if err == nil {
			_, err = f.findAmong(ctx, self, id, []engine{e})
		}
		// An engine that works has the last word, also where another one has the image.
		if missing := (missingImage{}); err == nil || ctx.Err() != nil || len(failed) == 0 && errors.As(err, &missing) {
			return id, err
		}
		failed = append(failed, err)
	}
	return "", noneWorks(failed)
}

// An engine that is asked for an image may fail for a moment, as while its service starts. Units are tried again by others.
const (
	inspections   = 3
	inspectionGap = 500 * time.Millisecond
)

// inspect returns the ID of an image of an engine, and remembers those of its variables that matter.
func (f *engineFinder) inspect(ctx context.Context, e engine, name string) (string, error) {
	for n := 1; ; n++ {
		printed, err := e.run(ctx, "image", "inspect", "--format", "{{.Id}}{{with .Config}}{{range .Env}}{{println}}{{.}}{{end}}{{end}}", name)
		if err == nil {
			id, variables, _ := strings.Cut(printed, "\n")
			id = "sha256:" + strings.TrimPrefix(id, "sha256:") // podman leaves it out
			f.remember(id, variables)
			return id, nil
		}
		if ctx.Err() != nil {
			return "", err
		}
		err = e.failed(err, "find the image "+name)
		if text := strings.ToLower(err.Error()); strings.Contains(text, "not known") || strings.Contains(text, "no such image") {
			return "", missingImage{e.name, name}
		}
		if fault.KindOf(err) != fault.Transient || n == inspections {
			return "", err
		}
		select {
		case <-time.After(time.Duration(n) * inspectionGap):
		case <-ctx.Done():
		}
	}
}

// noneWorks returns the error of engines of which none works. It is Transient where one of them may work later.
func noneWorks(failed []error) error {
	if len(failed) == 1 {
		return failed[0]
	}
	kind, hint := fault.Unsupported, ""
	var texts []string
	for _, err := range failed {
		if fault.KindOf(err) == fault.Transient {
			kind = fault.Transient
		}
		hint = cmp.Or(hint, fault.HintOf(err))
		texts = append(texts, err.Error())
	}
	return fault.WithHint(fault.New(kind, "%s", strings.Join(texts, "; ")), hint)
}

// engineFinder finds out once how the engine of this machine is called.
type engineFinder struct {
	mu      sync.Mutex
	found   *engine
	loading map[string][]string // see engine, by the IDs of images
}

var engines engineFinder //nolint:gochecknoglobals // what a machine can do does not change

// remember keeps those variables of an image, one a line, that the loader of programs obeys.
func (f *engineFinder) remember(image, variables string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.loading == nil {
		f.loading = map[string][]string{}
	}
	f.loading[image] = nil
	for line := range strings.Lines(variables) {
		if strings.HasPrefix(line, "LD_") && strings.Contains(line, "=") {
			f.loading[image] = append(f.loading[image], strings.TrimSuffix(line, "\n"))
		}
	}
}

// candidates returns the engine that is known to work, or else those that are installed.
func (f *engineFinder) candidates() []engine {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.found != nil {
		return []engine{*f.found}
	}
	return installed()
}

// find returns the engine that runs containers of an image, and how it is called.
func (f *engineFinder) find(ctx context.Context, self []string, image string) (engine, error) {
	return f.findAmong(ctx, self, image, installed())
}

func (f *engineFinder) findAmong(ctx context.Context, self []string, image string, list []engine) (engine, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.found != nil {
		e := *f.found
		e.loading = f.loading[image]
		return e, nil
	}
	if len(list) == 0 {
		return engine{}, fault.Wrap(fault.Unsupported, ErrNoEngine, "run a tool in a container")
	}
	program, err := readProgram(ctx, self[0])
	if err != nil {
		return engine{}, err
	}
	var failed []error
	for _, e := range list {
		e.program, e.loading = program, f.loading[image]
		e, err := e.working(ctx, self, image)
		if err == nil {
			f.found = &e
		}
		if err == nil || ctx.Err() != nil {
			return e, err
		}
		failed = append(failed, err)
	}
	return engine{}, noneWorks(failed)
}

// working returns the engine as it is called on this machine.
func (e engine) working(ctx context.Context, self []string, image string) (engine, error) {
	var why error
	for _, v := range variants(e) {
		err := v.try(ctx, self, image)
		if err == nil {
			// A process that was killed between creating and starting a container has left it.
			_, _ = v.run(ctx, "container", "prune", "--force", "--filter", "label="+label, "--filter", "until=10m")
			return v, nil
		}
		if ctx.Err() != nil {
			return e, fault.Wrap(fault.Transient, context.Cause(ctx), "find out how "+e.name+" runs containers")
		}
		if why == nil { // later variants may fail only because a runtime is not installed
			why = err
		}
	}
	return e, fault.WithHint(why, "check that this works: "+e.name+" run --rm IMAGE true")
}

// variants returns the ways to call an engine, the best first. Without systemd, podman cannot let it make control groups. crun fails where
// those of both versions are mounted. A user who is not root may not bound tasks on a machine with control groups of version 1.
func variants(e engine) []engine {
	user := fmt.Sprintf("%d:%d", os.Getuid(), os.Getgid())
	if os.Getuid() == 0 {
		user = fmt.Sprintf("%d:%d", containerUser, containerUser)
	}
	e.runFlags = []string{"--user", user}
	if e.name == "docker" {
		return []engine{e}
	}
	e.runFlags = append(append(e.runFlags, "--read-only-tmpfs=false", "--image-volume", "ignore"), ulimits()...)
	for _, namespace := range []string{"--pid", "--ipc", "--uts"} { // containers.conf may say otherwise
		e.runFlags = append(e.runFlags, namespace, "private")
	}
	if os.Getuid() != 0 {
		e.runFlags = append(e.runFlags, "--userns", "keep-id")
	}
	var list []engine
	for _, noTasks := range []bool{false, true} {
		for _, flags := range [][]string{nil, {"--cgroup-manager", "cgroupfs"}, {"--runtime", "runc", "--cgroup-manager", "cgroupfs"}} {
			v := e
			v.flags, v.noTasks = flags, noTasks
			list = append(list, v)
		}
	}
	return list
}

// try runs Main in a container.
func (e engine) try(ctx context.Context, self []string, image string) error {
	dir, err := os.MkdirTemp("", "mapreel-confine-")
	if err != nil {
		return fault.Wrap(fault.KindOf(err), err, "working folder")
	}
	defer os.RemoveAll(dir)
	const at = "/mapreel/work"
	o := Options{
		Spec: Spec{Command: []string{"true"}, Dir: at, Writable: []string{at}, Memory: 1 << 30, Disk: 1 << 20, Processes: 16, Timeout: 20 * time.Second, Probe: true},
		Self: self, Name: "a tool", Container: &Container{Image: image, Mounts: []Mount{{Host: dir, Path: at, Writable: true, Own: true}}},
	}
	return o.runContained(ctx, e)
}

// program is this program as a container gets it. One that needs libraries brings them along, because an image may have others or none.
type program struct {
	path      string
	loader    string            // that starts it; "": it needs none
	libraries map[string]string // paths, by name
}

// Paths of this program in a container.
const (
	programPath = "/mapreel/bin/mapreel"
	libraryPath = "/mapreel/lib"
	loaderPath  = "/mapreel/bin/loader"
)

// readProgram finds out what a program needs.
func readProgram(ctx context.Context, name string) (p program, err error) {
	if p.path, err = filepath.EvalSymlinks(name); err != nil {
		return p, fault.Wrap(fault.KindOf(err), err, "find this program")
	}
	f, err := elf.Open(p.path)
	if err != nil {
		return p, fault.Wrap(fault.Unsupported, err, "read this program")
	}
	defer f.Close() //nolint:errcheck // it was only read
	for _, s := range f.Progs {
		if s.Type != elf.PT_INTERP {
			continue
		}
		text := make([]byte, s.Filesz)
		if _, err := s.ReadAt(text, 0); err != nil {
			return p, fault.Wrap(fault.Unsupported, err, "read this program")
		}
		p.loader = string(bytes.TrimRight(text, "\x00"))
		p.libraries, err = listLibraries(ctx, p.loader, p.path)
		return p, err
	}
	return p, nil
}

// listLibraries has the loader list the libraries of a program: "libc.so.6 => /lib/libc.so.6 (0x0…)".
func listLibraries(ctx context.Context, loader, path string) (map[string]string, error) {
	listed := &report{}
	limits := process.Unlimited() //nolint:forbidigo // it reads this program
	limits.Wall = engineTime
	if _, err := process.Run(ctx, loader, []string{"--list", path}, process.Options{Stdout: listed, Limits: limits}); err != nil {
		return nil, fault.Wrap(fault.Unsupported, err, "list the libraries of this program, which tools with an image need")
	}
	found := map[string]string{}
	for line := range strings.Lines(string(listed.data)) {
		if fields := strings.Fields(line); len(fields) >= 3 && fields[1] == "=>" && filepath.IsAbs(fields[2]) {
			found[fields[0]] = fields[2]
		}
	}
	return found, nil
}

// mounts returns the files of the program.
func (p program) mounts() []Mount {
	list := []Mount{{Host: p.path, Path: programPath}}
	if p.loader == "" {
		return list
	}
	list = append(list, Mount{Host: p.loader, Path: loaderPath}, Mount{Host: os.DevNull, Path: "/etc/ld.so.preload"})
	for name, at := range p.libraries {
		list = append(list, Mount{Host: at, Path: path.Join(libraryPath, name)})
	}
	return list
}

// command returns the command line of the program in a container.
func (p program) command() []string {
	if p.loader == "" {
		return []string{programPath}
	}
	return []string{loaderPath, "--library-path", libraryPath, programPath}
}
