package confine

import (
	"bytes"
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

// installed returns the engine that this machine has: podman, or else docker.
func installed() (e engine, ok bool) {
	for _, name := range []string{"podman", "docker"} {
		if path, err := exec.LookPath(name); err == nil {
			return engine{name: name, path: path}, true
		}
	}
	return engine{}, false
}

// ErrNoEngine says that no container engine is installed.
var ErrNoEngine = errors.New("neither podman nor docker is installed")

// Image returns the ID of an image: the digest of what it consists of. self is the program and arguments that call Main. Nothing is
// fetched: the error names the command that fetches a missing image. The first call finds out whether the engine works.
func Image(ctx context.Context, self []string, name string) (string, error) {
	e, ok := installed()
	if !ok {
		return "", ErrNoEngine
	}
	if strings.HasPrefix(name, "-") {
		return "", fmt.Errorf("%q is no name of an image", name)
	}
	printed, err := e.run(ctx, "image", "inspect", "--format", "{{.Id}}{{with .Config}}{{range .Env}}{{println}}{{.}}{{end}}{{end}}", name)
	if err != nil {
		if ctx.Err() != nil {
			return "", err
		}
		err = e.failed(err, "find the image "+name)
		if text := strings.ToLower(err.Error()); strings.Contains(text, "not known") || strings.Contains(text, "no such image") {
			return "", fmt.Errorf("%s has no image %s; get it with: %s pull %s", e.name, name, e.name, name)
		}
		return "", err
	}
	id, variables, _ := strings.Cut(printed, "\n")
	id = "sha256:" + strings.TrimPrefix(id, "sha256:") // podman leaves it out
	engines.remember(id, variables)
	_, err = engines.find(ctx, self, id)
	return id, err
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

func (f *engineFinder) find(ctx context.Context, self []string, image string) (engine, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.found != nil {
		e := *f.found
		e.loading = f.loading[image]
		return e, nil
	}
	e, ok := installed()
	if !ok {
		return e, fault.Wrap(fault.Unsupported, ErrNoEngine, "run a tool in a container")
	}
	program, err := readProgram(ctx, self[0])
	if err != nil {
		return e, err
	}
	var why error
	for _, e := range variants(e) {
		e.program, e.loading = program, f.loading[image]
		err := e.try(ctx, self, image)
		if err == nil {
			// A process that was killed between creating and starting a container has left it.
			_, _ = e.run(ctx, "container", "prune", "--force", "--filter", "label="+label, "--filter", "until=10m")
			f.found = &e
			return e, nil
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
