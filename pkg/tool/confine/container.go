package confine

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/process"
)

// Container is the file system of an image, which a command sees instead of this machine's. It has no more rights than a command
// without a container: Main starts it there, with the same limits.
type Container struct {
	Image  string // its ID: see Image
	Mounts []Mount
}

// Mount is a file or folder of this machine that a container has at a path.
type Mount struct {
	Host, Path string
	Writable   bool
	// Own says that the file or folder exists for this command alone. It is given to the user of the container.
	Own bool
}

// containerUser is the user and group ID that containers run with if mapreel runs as root: those of the unprivileged user of most systems.
const containerUser = 65534

// label marks the containers that mapreel has started.
const label = "io.mapreel.tool"

// engineTime is how long an engine may take for its own work: to start a container on a busy machine, or to remove it.
const engineTime = 60 * time.Second

// runContained runs a command in a container.
func (o Options) runContained(ctx context.Context, e engine) error {
	inside := o
	if e.program.loader != "" {
		inside.Env = slices.Concat(e.loading, o.Env) // the command gets what Main must not obey
	} else {
		e.loading = nil
	}
	return inside.contain(ctx, e)
}

// contain does so with the environment that the container is to have.
func (o Options) contain(ctx context.Context, e engine) error {
	unlock, err := o.hold()
	if err != nil {
		return err
	}
	defer unlock()
	if err := o.giveFiles(); err != nil {
		return err
	}
	name, err := o.containerName()
	if err != nil {
		return err
	}
	argv, err := o.containerArguments(e, name)
	if err != nil {
		return err
	}
	reported := &report{}
	limits := o.limits()
	limits.Processes, limits.Wall = process.None, limits.Wall+engineTime // Main counts the processes
	err = o.watch(ctx, argv, process.Options{
		Env: append(o.passed(), engineEnvironment()...), Stderr: reported, Limits: limits, Grace: stopTime + 10*time.Second,
	}, reported)
	if err == nil {
		return nil
	}
	if !reported.exited { // an engine that was interrupted need not have removed the container
		e.remove(ctx, name)
	}
	if reported.status() != nil || context.Cause(ctx) != nil || fault.KindOf(err) == fault.OutOfTime {
		return err
	}
	return e.failed(err, "run "+o.Name+" in a container")
}

// hold locks the working folder. Main ends the container when the lock is free: see endWithOwner.
func (o Options) hold() (unlock func(), err error) {
	for _, m := range o.Container.Mounts {
		if m.Path != o.Dir {
			continue
		}
		folder, err := os.Open(m.Host)
		if err != nil {
			return nil, fault.Wrap(fault.KindOf(err), err, "working folder of a tool")
		}
		if err := syscall.Flock(int(folder.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil { //nolint:gosec // a descriptor
			_ = folder.Close()
			return nil, fault.Wrap(fault.Unsupported, err, "lock the working folder of a tool")
		}
		return func() { _ = folder.Close() }, nil
	}
	return nil, fault.New(fault.Internal, "the container of %s has no working folder", o.Name)
}

// giveFiles gives the files that exist for the command to the user of the container. Without root, that is the user of this process.
func (o Options) giveFiles() error {
	if os.Getuid() != 0 {
		return nil
	}
	for _, m := range o.Container.Mounts {
		if !m.Own {
			continue
		}
		err := filepath.WalkDir(m.Host, func(path string, _ fs.DirEntry, err error) error {
			if err != nil {
				return err
			}
			return os.Lchown(path, containerUser, containerUser)
		})
		if err != nil {
			return fault.Wrap(fault.KindOf(err), err, "give a tool its files")
		}
	}
	return nil
}

func (o Options) containerName() (string, error) {
	var random [6]byte
	if _, err := rand.Read(random[:]); err != nil {
		return "", fault.Wrap(fault.Internal, err, "name of a container")
	}
	return "mapreel-" + strings.ReplaceAll(o.Name, " ", "-") + "-" + hex.EncodeToString(random[:]), nil
}

// containerArguments returns the program and arguments that run the command in a container of that name.
func (o Options) containerArguments(e engine, name string) ([]string, error) {
	spec := o.Spec
	spec.Contained, spec.ReadOnly = true, true
	text, err := json.Marshal(spec)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "what a tool may use")
	}
	args := append(e.command("run"), "--rm", "--name", name, "--label", label, "--pull", "never", "--log-driver", "none", "--no-healthcheck",
		"--init=false", // Main is the first process
		"--read-only", "--cap-drop", "all", "--security-opt", "no-new-privileges", "--security-opt", "label=disable",
		"--hostname", "mapreel", "--workdir", o.Dir)
	args = append(args, e.runFlags...)
	if o.Network {
		args = append(args, "--network", "host")
	} else {
		args = append(args, "--network", "none")
	}
	if !e.noTasks {
		args = append(args, "--pids-limit", strconv.Itoa(max(512, 16*o.Processes)))
	}
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, fault.Wrap(fault.KindOf(err), err, "mounts of this machine")
	}
	mounts, err := o.Container.allMounts(string(table))
	if err != nil {
		return nil, err
	}
	for _, m := range append(e.program.mounts(), mounts...) {
		if strings.ContainsAny(m.Host+m.Path, notInVolumes) {
			return nil, fault.WithHint(fault.New(fault.Unsupported, "%s cannot be in a container: its path has a colon, a comma or a quote", m.Host),
				"rename it, or move it elsewhere")
		}
		mode := ":ro"
		if m.Writable {
			mode = ""
		}
		args = append(args, "--volume", m.Host+":"+m.Path+mode)
	}
	for _, v := range e.loading {
		variable, _, _ := strings.Cut(v, "=")
		args = append(args, "--env", variable+"=")
	}
	for _, v := range o.passed() {
		variable, _, _ := strings.Cut(v, "=")
		args = append(args, "--env", variable) // the value is in the environment of the engine: other users see arguments
	}
	entry := append(e.program.command(), o.Self[1:]...)
	args = append(args, "--entrypoint", entry[0], o.Container.Image)
	return append(append(args, entry[1:]...), string(text)), nil
}

// allMounts returns the mounts of the container, and those of this machine below them that must not be written to either: an engine
// mounts a folder together with what is mounted below it, and makes only the folder itself read-only. table is /proc/self/mountinfo.
func (c Container) allMounts(table string) ([]Mount, error) {
	list := slices.Clone(c.Mounts)
	for _, m := range c.Mounts {
		if m.Writable || m.Own {
			continue
		}
		host, err := filepath.EvalSymlinks(m.Host)
		if err != nil {
			return nil, fault.Wrap(fault.KindOf(err), err, "files of a tool")
		}
		for _, rest := range mountedBelow(table, host) {
			at := filepath.Join(host, rest)
			if _, err := os.Lstat(at); errors.Is(err, fs.ErrNotExist) {
				continue // another mount hides it, and an engine would fail
			}
			list = append(list, Mount{Host: at, Path: filepath.Join(m.Path, rest)})
		}
	}
	return list, nil
}

// mountedBelow returns the paths, relative to a folder, at which a table in the form of /proc/self/mountinfo has something mounted.
func mountedBelow(table, folder string) (paths []string) {
	const mountPoint = 4 // the field's number, from 0: proc_pid_mountinfo(5)
	unescape := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
	for line := range strings.Lines(table) {
		fields := strings.Fields(line)
		if len(fields) <= mountPoint {
			continue
		}
		if rest, ok := strings.CutPrefix(unescape.Replace(fields[mountPoint]), strings.TrimSuffix(folder, "/")+"/"); ok && rest != "" {
			paths = append(paths, rest)
		}
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

// notInVolumes are the characters that end a path in arguments of an engine.
const notInVolumes = ":,\"\n"

// Mountable reports whether a container can have a file of this machine where it lies, and its user may read it.
func Mountable(file string) bool {
	const othersRead = 0o004
	info, err := os.Stat(file)
	return err == nil && !strings.ContainsAny(file, notInVolumes) && (os.Getuid() != 0 || info.Mode()&othersRead != 0)
}

// engineEnvironment returns the variables with which an engine finds its files and its service.
func engineEnvironment() (env []string) {
	for _, v := range os.Environ() {
		name, _, _ := strings.Cut(v, "=")
		switch {
		case name == "XDG_RUNTIME_DIR", name == "XDG_CONFIG_HOME", name == "XDG_DATA_HOME", name == "DBUS_SESSION_BUS_ADDRESS",
			strings.HasPrefix(name, "CONTAINERS_"), strings.HasPrefix(name, "CONTAINER_"), strings.HasPrefix(name, "DOCKER_"):
			env = append(env, v)
		}
	}
	return env
}

// remove removes a container, whatever state it is in. It works on after ctx has ended.
func (e engine) remove(ctx context.Context, name string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), engineTime)
	defer cancel()
	argv := []string{"rm", "--force", "--volumes"}
	if e.name == "podman" { // it would wait for the command
		argv = append(argv, "--time", "0")
	}
	_, _ = e.run(ctx, append(argv, name)...) // it fails where there is no such container
}

// failed returns the error of an engine.
func (e engine) failed(err error, what string) error {
	var exit *process.ExitError
	text := err.Error()
	if errors.As(err, &exit) {
		if lines := exit.LastLines(1); len(lines) > 0 {
			text = lines[0]
		}
	}
	text = strings.TrimPrefix(cmp.Or(text, err.Error()), "Error: ")
	kind := fault.Unsupported
	if k := fault.KindOf(err); k == fault.OutOfTime || k == fault.Transient || isHiccup(text) {
		kind = fault.Transient
	}
	return &fault.Error{Kind: kind, What: fmt.Sprintf("%s cannot %s", e.name, what), Err: errors.New(text)}
}

// hiccups are words of the errors of engines that may work a moment later: their service starts or is busy, or another of their processes
// holds their store.
var hiccups = []string{
	"cannot connect", "connection refused", "connection reset", "timed out", "timeout", "deadline exceeded", "temporarily unavailable", "database is locked",
}

// isHiccup reports whether the text of an engine's error names a fault that may pass.
func isHiccup(text string) bool {
	text = strings.ToLower(text)
	return slices.ContainsFunc(hiccups, func(words string) bool { return strings.Contains(text, words) })
}
