// Package preset makes a request for each film of a watched folder.
package preset

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"path/filepath"
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
	p := &Preset{folder, f.Tree}
	text, err := p.request(filepath.Join(folder, "film.mp4"))
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

// request returns the request for a film. Without a destination the outputs go to the subfolder "out"; without {name}, to a
// folder of the film's name.
func (p *Preset) request(path string) (json.RawMessage, error) {
	tree := maps.Clone(p.tree)
	name := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
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

// Watch starts a job for each film of the folder, until ctx ends.
func (p *Preset) Watch(ctx context.Context, store *history.Store, q *queue.Queue, log *slog.Logger) error {
	return watch.Run(ctx, watch.Folder{
		Path: p.folder, Log: log,
		Start: func(ctx context.Context, name, file string) error {
			request, err := p.request(file)
			if err != nil {
				return err
			}
			_, err = q.Start(ctx, name, request)
			if errors.Is(err, history.ErrExists) { // another server had the file before
				return nil
			}
			return err
		},
		Outcome: func(ctx context.Context, name string) (watch.Outcome, error) {
			x, err := store.Execution(ctx, history.ExecutionARN(name))
			if err != nil || !x.Ended() {
				return watch.Outcome{}, err
			}
			out := watch.Outcome{Ended: true}
			if x.Status != history.Succeeded {
				out.Failure = fmt.Sprintf("%s %s: %s\nRedrive the execution %s when the reason is gone.", x.Status, x.Error, x.Cause, x.ARN)
			}
			return out, nil
		},
	})
}
