// Package preset makes a request for each film of a watched folder.
package preset

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/mapreel/mapreel/cmd/mapreel/internal/requestfile"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/history"
	"github.com/mapreel/mapreel/pkg/local"
	"github.com/mapreel/mapreel/pkg/queue"
	"github.com/mapreel/mapreel/pkg/watch"
)

// Preset is what is asked for each film of a watched folder: a request without a source.
type Preset struct {
	folder string // that is watched
	tree   map[string]any
	taken  map[string]string // the job that has not ended of each output, by path
}

// nameField stands for a film's name, without its extension, in the destination of a preset and in the names of its outputs.
const nameField = "{name}"

// Read reads the file of --preset for the folder of --watch, and checks that it makes valid requests within the roots. It returns
// nil if neither is given.
func Read(watched, file string, roots []string) (*Preset, error) {
	if (watched == "") != (file == "") {
		return nil, fault.WithHint(fault.New(fault.Invalid, "--watch and --preset need each other"),
			"for example: mapreel serve --watch in --preset web.yaml")
	}
	if watched == "" {
		return nil, nil
	}
	folder, err := filepath.Abs(watched)
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "--watch")
	}
	f, err := requestfile.Read(file, strings.NewReader(""))
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "--preset")
	}
	p := &Preset{folder, f.Tree, map[string]string{}}
	text, err := p.request(filepath.Join(folder, "film.mp4"), "film")
	if err == nil {
		err = local.CheckRoots(text, roots)
	}
	var req film.Request
	if err == nil {
		req, err = film.Parse(text)
	}
	if err == nil && filepath.Clean(req.Destination) == folder {
		err = errors.New("/destination: outputs in the watched folder itself would be taken for films")
	}
	return p, fault.Wrap(fault.Invalid, err, "--preset")
}

// request returns the request for a film that goes by a name. Without a destination the outputs go to the subfolder "out"; without {name}, to a
// folder of the film's name.
func (p *Preset) request(path, name string) (json.RawMessage, error) {
	tree := maps.Clone(p.tree)
	destination, _ := tree["destination"].(string)
	if destination == "" {
		destination = filepath.Join(p.folder, "out")
	}
	if !filepath.IsAbs(destination) {
		return nil, fmt.Errorf("/destination: %q is not an absolute path", destination)
	}
	named := strings.Contains(destination, nameField)
	var outputs []any
	list, _ := tree["outputs"].([]any)
	for _, output := range list {
		fields, ok := output.(map[string]any)
		if text, isText := fields["name"].(string); ok && isText && strings.Contains(text, nameField) {
			fields = maps.Clone(fields)
			fields["name"], named = strings.ReplaceAll(text, nameField, name), true
			output = fields
		}
		outputs = append(outputs, output)
	}
	if !named {
		destination = filepath.Join(destination, nameField)
	}
	tree["source"], tree["destination"], tree["outputs"] = path, strings.ReplaceAll(destination, nameField, name), outputs
	return json.Marshal(tree)
}

// maxNames bounds the names that are tried for a film.
const maxNames = 10_000

// claim returns the request of a job for a film. The film goes by the name of its file, or by that with a number where an output
// would replace one of another film: one that is there, or that a job has yet to make.
func (p *Preset) claim(job, path string, outputs func(json.RawMessage) []string) (json.RawMessage, error) {
	base := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
	for n := 1; n <= maxNames; n++ {
		name := base
		if n > 1 {
			name += "-" + strconv.Itoa(n)
		}
		request, err := p.request(path, name)
		if err != nil {
			return nil, err
		}
		files := outputs(request)
		if slices.ContainsFunc(files, p.inUse) {
			continue
		}
		for _, file := range files {
			p.taken[file] = job
		}
		return request, nil
	}
	return nil, fmt.Errorf("%s: the outputs of %d films have its name", path, maxNames)
}

// inUse reports whether a file is there, or will be.
func (p *Preset) inUse(file string) bool {
	_, err := os.Lstat(file)
	return p.taken[file] != "" || !errors.Is(err, fs.ErrNotExist)
}

// release gives back the outputs of a job that has ended.
func (p *Preset) release(job string) {
	maps.DeleteFunc(p.taken, func(_, by string) bool { return by == job })
}

// recall learns the outputs of the jobs that have not ended.
func (p *Preset) recall(ctx context.Context, store *history.Store, outputs func(json.RawMessage) []string) error {
	list, err := store.Unfinished(ctx, "")
	for _, arn := range list {
		x, err := store.Execution(ctx, arn)
		if err != nil {
			return err
		}
		for _, file := range outputs(x.Input) {
			p.taken[file] = x.Name
		}
	}
	return err
}

// Watch starts a job for each film of the folder, until ctx ends. outputs returns the files that a request publishes.
func (p *Preset) Watch(
	ctx context.Context, store *history.Store, q *queue.Queue, outputs func(json.RawMessage) []string, log *slog.Logger,
) error {
	if err := p.recall(ctx, store, outputs); err != nil {
		return err
	}
	return watch.Run(ctx, watch.Folder{
		Path: p.folder, Log: log,
		Start: func(ctx context.Context, name, file string) error {
			if _, err := store.Execution(ctx, history.ExecutionARN(name)); !errors.Is(err, history.ErrNotFound) {
				return err // without one, the file was taken before a restart
			}
			request, err := p.claim(name, file, outputs)
			if err == nil {
				_, err = q.Start(ctx, name, request)
			}
			return err
		},
		Outcome: func(ctx context.Context, name string) (watch.Outcome, error) {
			x, err := store.Execution(ctx, history.ExecutionARN(name))
			if err != nil || !x.Ended() {
				return watch.Outcome{}, err
			}
			p.release(name)
			out := watch.Outcome{Ended: true}
			if x.Status != history.Succeeded {
				out.Failure = fmt.Sprintf("%s %s: %s\nRedrive the execution %s when the reason is gone.", x.Status, x.Error, x.Cause, x.ARN)
			}
			return out, nil
		},
	})
}
