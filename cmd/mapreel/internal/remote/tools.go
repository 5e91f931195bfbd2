package remote

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"reflect"
	"strings"

	"github.com/mapreel/mapreel/cmd/mapreel/internal/requestfile"
	"github.com/mapreel/mapreel/cmd/mapreel/internal/requestflags"
	"github.com/mapreel/mapreel/pkg/client"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/origin"
	"github.com/mapreel/mapreel/pkg/tool"
)

// readOrder returns the request for tools that --request names; nil where it is for a film, or there is none. What comes from standard
// input can be read again.
func (c Submit) readOrder(env *Env) (*requestfile.Draft, error) {
	if c.Request == "" {
		return nil, nil
	}
	stdin := env.Stdin
	if c.Request == "-" {
		data, err := io.ReadAll(io.LimitReader(stdin, film.MaxRequest+1))
		if err != nil {
			return nil, fault.Wrap(fault.KindOf(err), err, "read the request")
		}
		env.Stdin, stdin = io.MultiReader(bytes.NewReader(data), stdin), bytes.NewReader(data)
	}
	f, err := requestfile.Read(c.Request, stdin)
	if err != nil || f.Tree["tools"] == nil || f.Tree["outputs"] != nil {
		return nil, nil //nolint:nilerr // what is wrong is reported where it is read as a request for a film
	}
	flags := c.Flags
	flags.Request = ""
	if !reflect.DeepEqual(flags, requestflags.Flags{}) || len(c.Others) > 0 || c.Budget != nil {
		return nil, fault.New(fault.Invalid, "%s is a request for tools: only SOURCE, --output, --concurrency and --name go with it", c.Request)
	}
	d := requestfile.NewDraft()
	d.Tree, d.File = f.Tree, &f
	return d, nil
}

// submitTools starts a job of tools that a stack has. Its source is uploaded first if it is a file of this machine.
func (c Submit) submitTools(ctx context.Context, env Env, remote *client.Client, d *requestfile.Draft) (client.Job, bool, error) {
	none, tree := client.Job{}, d.Tree
	if server, _ := remote.OnServer(); server {
		return none, false, fault.WithHint(fault.New(fault.Unsupported, "a server runs no tools"), "mapreel run does on this machine, and a stack that has tools: --stack")
	}
	if c.DryRun {
		return none, false, fault.New(fault.Unsupported, "what tools take is not known in advance: there is no --dry-run of them")
	}
	text := func(given, field string) string {
		value, _ := tree[field].(string) // of another type: the schema refuses it
		return cmp.Or(given, value)
	}
	source, output := text(c.Source, "source"), text(c.Output, "destination")
	if source == "" || output == "" {
		return none, false, fault.New(fault.Invalid, "a request for tools needs a source and a destination, or SOURCE and --output")
	}
	destination, err := remote.Locate(output, true)
	if err != nil {
		return none, false, fault.Wrap(fault.Invalid, err, "destination")
	}
	tree["source"], tree["destination"] = source, destination
	if c.Source != "" {
		d.Flags["/source"] = "SOURCE"
	}
	if c.Output != "" {
		d.Flags["/destination"] = "--output"
	}
	if c.Concurrency != nil {
		d.Set("/compute", map[string]any{"concurrency": *c.Concurrency}, "--concurrency")
	}
	names, digest := remote.Tools()
	request, err := json.Marshal(tree)
	if err == nil {
		_, err = tool.CheckOrder(request, names) // before anything is uploaded
	}
	var problems film.Problems
	if errors.As(err, &problems) {
		return none, false, d.Invalid(problems)
	}
	if err != nil {
		return none, false, fault.Wrap(fault.Invalid, err, c.Request)
	}
	var identity []string
	if tree["source"], identity, err = c.sourceOfTools(ctx, env, remote, source); err != nil {
		return none, false, err
	}
	if request, err = json.Marshal(tree); err != nil {
		return none, false, fault.Wrap(fault.Internal, err, "request")
	}
	// A stack whose tools have changed since has other results, so the earlier job is not what is asked for.
	name := cmp.Or(c.Name, client.JobName(source, request, append(identity, digest)...))
	job, started, err := remote.Submit(ctx, name, request)
	if err != nil && ctx.Err() != nil {
		err = errors.New("interrupted: it is not known whether job " + name + " was started; the same command goes on")
	}
	return job, started, err
}

// sourceOfTools returns the URL of a source, and what tells its versions apart. The URL of one that is uploaded says that itself.
func (c Submit) sourceOfTools(ctx context.Context, env Env, remote *client.Client, source string) (url string, identity []string, err error) {
	switch {
	case origin.InS3(source):
		if url, err = remote.Locate(source, false); err != nil {
			return "", nil, fault.Wrap(fault.Invalid, err, "source")
		}
	case origin.OnWeb(source):
		if url, err = webSource(source); err != nil {
			return "", nil, fault.Wrap(fault.Invalid, err, "source")
		}
	default:
		path, err := requestflags.LocalPath(strings.TrimPrefix(source, "file://"), env.Dir)
		if err == nil {
			_, err = os.Stat(path)
		}
		if err != nil {
			return "", nil, fault.Wrap(fault.Invalid, err, "source")
		}
		url, err = c.upload(ctx, env, remote, path)
		return url, nil, err
	}
	id, err := identityOf(ctx, remote, url)
	return url, []string{id}, err
}
