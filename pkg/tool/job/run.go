package job

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/process"
	"github.com/mapreel/mapreel/pkg/tool"
	"github.com/mapreel/mapreel/pkg/tool/confine"
	"github.com/mapreel/mapreel/pkg/work"
)

// Kind runs a tool for a piece.
type Kind struct {
	Tools ffmpeg.Tools
	Self  []string // program and arguments that call confine.Main
	Alone bool     // this machine works on one job at a time and shares no files: see confine.Options
	// Env are the variables of the image that this program runs in, which the tools of the image expect.
	Env []string
	// Secret returns the value of a secret of a tool. nil: it is a variable of this program's environment.
	Secret func(ctx context.Context, tool, name string) (string, error)
}

var _ work.Kind = Kind{}

// Name implements work.Kind.
func (Kind) Name() string { return ToolKind }

// Run implements work.Kind. Nothing of a tool that fails is kept.
func (k Kind) Run(ctx context.Context, env *work.Env, u work.Unit) (work.Result, error) {
	a := &attempt{Env: env, tools: k.Tools, kind: k, route: u.Needs.Route}
	if err := env.Decode(&a.doc); err != nil {
		return work.Result{}, err
	}
	if err := decode(u.Spec, &a.piece, u.Name); err != nil {
		return work.Result{}, err
	}
	if a.piece.Tool < 0 || a.piece.Tool >= len(a.doc.Request.Tools) {
		return work.Result{}, fault.New(fault.Corrupt, "%s is of no tool of its job", u.Name)
	}
	a.tool = a.doc.Request.Tools[a.piece.Tool]
	a.image = a.doc.Images[a.tool.Name]
	var result work.Result
	var f facts
	err := a.run(ctx, &f, &result)
	f.Start, f.End = a.piece.Start, a.piece.End // as they were cut
	result.Done.Media, result.Done.Count = f.End-f.Start, 1
	for _, artifact := range result.Artifacts {
		result.Done.Bytes += artifact.Size
	}
	if err != nil {
		return work.Result{Artifacts: result.Artifacts}, err
	}
	return result, result.SetFacts(f)
}

// attempt is one attempt at a piece.
type attempt struct {
	*work.Env
	tools ffmpeg.Tools
	kind  Kind
	doc   document
	piece piece
	tool  tool.Tool

	route               work.Route
	image               string  // ID of the image that the tool runs in; "": programs of this machine
	source              string  // where the source lies on this machine, if the tool reads it there
	input, work, output string  // folders
	before, after       string  // folders of frames around the piece; "" where the tool asks for none
	times               []int64 // of the frames of the input, in ticks from its beginning, where a film is made of them
}

// job returns what the limits of ffmpeg follow from.
func (a *attempt) job() film.Job { return film.Job{Source: a.doc.Source} }

func (a *attempt) run(ctx context.Context, f *facts, result *work.Result) error {
	for name, to := range map[string]*string{"input": &a.input, "work": &a.work, "output": &a.output} {
		*to = filepath.Join(a.Dir, name)
		if err := os.Mkdir(*to, 0o700); err != nil {
			return fault.Wrap(fault.KindOf(err), err, "folder of a tool")
		}
	}
	in, err := a.prepare(ctx)
	if err != nil || in == "" {
		return err
	}
	secrets, err := a.secrets(ctx)
	if err != nil {
		return err
	}
	o, err := a.options(in, secrets)
	if err != nil {
		return err
	}
	if err := a.follow(ctx, a.route, func(ctx context.Context) error { return confine.Run(ctx, o) }); err != nil {
		return err
	}
	return a.keep(ctx, f, result)
}

// secrets returns the values of the tool's secrets, in their order.
func (a *attempt) secrets(ctx context.Context) (values []string, err error) {
	for _, secret := range a.tool.Secrets {
		value := os.Getenv(secret.Name)
		if a.kind.Secret != nil {
			if value, err = a.kind.Secret(ctx, a.tool.Name, secret.Name); err != nil {
				return nil, fault.Wrap(fault.KindOf(err), err, "secret "+secret.Name+" of "+a.tool.Name)
			}
		}
		values = append(values, value)
	}
	return values, nil
}

// options describe the run of the tool. in is the path of its input, and secrets are the values of its secrets.
func (a *attempt) options(in string, secrets []string) (confine.Options, error) {
	command, err := a.command()
	if err != nil {
		return confine.Options{}, err
	}
	disk := int64(a.tool.Disk) << 20
	if free, err := process.FreeDisk(a.Dir); err == nil {
		const reserve = 16 // the share of the disk, as a divisor, that is left to others
		disk = min(disk, free-free/reserve)
	}
	env := a.environment(in, secrets)
	work, output := a.inside(a.work), a.inside(a.output)
	return confine.Options{
		Spec: confine.Spec{
			Command: command, Dir: work, Writable: []string{work, output}, Memory: int64(a.tool.Memory) << 20, Disk: max(disk, 1<<20),
			Processes: a.tool.Processes, Timeout: a.tool.TimeoutOf(),
		},
		Self: a.kind.Self, Name: a.tool.Name, Env: append(slices.Clone(a.kind.Env), env...), Network: a.tool.Network, Secrets: secrets, Alone: a.kind.Alone,
		Container: a.container(),
	}, nil
}

// command returns the program and its arguments.
func (a *attempt) command() ([]string, error) {
	if a.tool.Script == "" {
		return a.program(a.tool.Command), nil
	}
	text := a.tool.Script
	if !strings.HasPrefix(text, "#!") {
		text = "#!/bin/sh\n" + text
	}
	file := filepath.Join(a.Dir, "script")
	if err := os.WriteFile(file, []byte(text), 0o700); err != nil { //nolint:gosec // it is run
		return nil, fault.Wrap(fault.KindOf(err), err, "script of a tool")
	}
	return []string{a.inside(file)}, nil
}

// environment returns the tool's environment variables. secrets are the values of its secrets. The names of the first lines are those of
// SCAR.
func (a *attempt) environment(in string, secrets []string) (env []string) {
	for name, value := range a.tool.Environment {
		env = append(env, name+"="+value)
	}
	for i, secret := range a.tool.Secrets {
		env = append(env, secret.Name+"="+secrets[i])
	}
	slices.Sort(env)
	in = a.inside(in)
	inputs := a.inside(a.input)
	if a.tool.Each.Part == tool.File {
		inputs = filepath.Dir(in)
	}
	if a.before != "" {
		env = append(env, "MAPREEL_BEFORE_DIR="+a.inside(a.before), "MAPREEL_AFTER_DIR="+a.inside(a.after),
			"MAPREEL_CONTEXT="+strconv.FormatInt(time.Duration(a.tool.As.Context).Microseconds(), 10))
	}
	return append(
		env,
		"INPUT_FILE_PATH="+in,
		"TMP_INPUT_DIR="+inputs,
		"TMP_OUTPUT_DIR="+a.inside(a.output),
		"STORAGE_OBJECT_KEY="+path.Base(a.doc.Source.URL),
		"MAPREEL_TOOL="+a.tool.Name,
		"MAPREEL_TOOLS_DIR="+a.toolsFolder(),
		"MAPREEL_INDEX="+strconv.Itoa(a.piece.Index),
		"MAPREEL_COUNT="+strconv.Itoa(a.doc.Counts[a.tool.Name]),
		"MAPREEL_START="+strconv.FormatInt(int64(a.piece.Start), 10),
		"MAPREEL_END="+strconv.FormatInt(int64(a.piece.End), 10),
		"MAPREEL_TIMESCALE=1000000",
		"HOME="+a.inside(a.work),
		"TMPDIR="+a.inside(a.work),
		"MAPREEL_PROGRESS_FILE="+a.inside(a.progressFile()),
	)
}

// Bounds of what a tool may leave for a piece. The ledger holds the names.
const (
	maxFiles = 1000
	maxNames = 64 << 10 // bytes, of all names together
)

// keep stores the files that the tool has left, where an output or another tool takes them.
func (a *attempt) keep(ctx context.Context, f *facts, result *work.Result) error {
	needed := func(name string) bool {
		return slices.ContainsFunc(a.doc.Request.Tools, func(t tool.Tool) bool { return t.Each.Tool == a.tool.Name && t.Each.Matches(name) })
	}
	var unused []string
	names := 0
	made := make([][]string, len(a.tool.Outputs)) // the files that become a film or sound, by output
	err := filepath.WalkDir(a.output, func(at string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		rel, err := filepath.Rel(a.output, at)
		if err != nil {
			return err
		}
		name := filepath.ToSlash(rel)
		if !d.Type().IsRegular() {
			return fault.New(fault.Unsupported, "%s left %q, which is no file", a.tool.Name, name)
		}
		if strings.ContainsFunc(name, unicode.IsControl) {
			return fault.New(fault.Unsupported, "%s left %q: such a name cannot be published", a.tool.Name, name)
		}
		if err := blob.CheckKey(name); err != nil {
			return fault.Wrap(fault.Unsupported, err, a.tool.Name+" left a file that cannot be published")
		}
		kept := file{Name: name}
		var used bool
		kept.Outputs, used = a.takers(name, made)
		if len(kept.Outputs) == 0 && !needed(name) {
			if !used {
				unused = append(unused, name)
			}
			return nil
		}
		if names += len(name); len(f.Files) >= maxFiles || names > maxNames {
			return fault.WithHint(fault.New(fault.Unsupported, "%s left more than %d files, or %d bytes of their names", a.tool.Name, maxFiles, maxNames),
				"put them into an archive, or give the tool shorter pieces")
		}
		artifact, err := a.store(ctx, at, len(f.Files))
		if err != nil {
			return err
		}
		kept.Size = artifact.Size
		f.Files, result.Artifacts = append(f.Files, kept), append(result.Artifacts, artifact)
		return nil
	})
	if err != nil {
		return fault.Wrap(fault.KindOf(err), err, "")
	}
	if err := a.keepMade(ctx, made, f, result); err != nil {
		return err
	}
	if len(unused) > 0 {
		const shown = 3
		more := ""
		if len(unused) > shown {
			more = fmt.Sprintf(" and %d more", len(unused)-shown)
			unused = unused[:shown]
		}
		result.Warnings = append(result.Warnings, fmt.Sprintf("%s: no output takes the files %s%s", a.tool.Name, strings.Join(unused, ", "), more))
	}
	return nil
}

// takers returns the outputs that publish or join a file as it is. It adds the file to made where an output makes a film or sound of it,
// and used reports that one does.
func (a *attempt) takers(name string, made [][]string) (outputs []int, used bool) {
	for i, o := range a.tool.Outputs {
		switch {
		case !o.Matches(name):
		case o.Join == tool.JoinVideo || o.Join == tool.JoinAudio:
			made[i] = append(made[i], name)
			used = true
		default:
			outputs = append(outputs, i)
		}
	}
	return outputs, used
}

// keepMade stores what is made of the files that outputs take: pictures for a film, and sound. names are those of the files, by output.
func (a *attempt) keepMade(ctx context.Context, names [][]string, f *facts, result *work.Result) error {
	for i, o := range a.tool.Outputs {
		keep := a.keepPictures
		switch o.Join {
		case tool.JoinVideo:
		case tool.JoinAudio:
			keep = a.keepSound
		default:
			continue
		}
		kept, artifact, err := keep(ctx, i, names[i], len(f.Files))
		if err != nil {
			return err
		}
		f.Files, result.Artifacts = append(f.Files, kept), append(result.Artifacts, artifact)
	}
	return nil
}

// store stores a file as an artifact of the attempt.
func (a *attempt) store(ctx context.Context, path string, n int) (work.Artifact, error) {
	f, err := os.Open(path)
	if err != nil {
		return work.Artifact{}, fault.Wrap(fault.KindOf(err), err, "open what "+a.tool.Name+" left")
	}
	defer f.Close() //nolint:errcheck // it was only read
	key := a.Key(n, "bin")
	info, err := a.Scratch.Put(ctx, key, f)
	return work.Artifact{Key: key, Size: info.Size}, err
}
