package job

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path"
	"path/filepath"
	"strings"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/tool"
	"github.com/mapreel/mapreel/pkg/tool/confine"
)

// Where the files of a tool lie in its container. An image may have files of its own at the paths that they have on this machine.
const (
	insideOwn    = "/mapreel"
	insideTools  = "/mapreel/tools"
	insideSource = "/mapreel/source"
)

// images returns the IDs of the images of tools. A tool never runs without the image that it asks for: the programs of this machine may be
// others, or of other versions.
func (p Planner) images(ctx context.Context, tools []tool.Tool) (map[string]string, error) {
	var ids map[string]string
	var ps film.Problems
	find := once(func(name string) (string, error) { return confine.Image(ctx, p.Self, name) })
	for i, t := range tools {
		if t.Image == "" {
			continue
		}
		id, err := find(t.Image)
		switch {
		case ctx.Err() != nil:
			return nil, err
		case err != nil:
			ps = append(ps, film.Problem{Pointer: fmt.Sprintf("/tools/%d/image", i), Message: describeImage(err)})
			continue
		case ids == nil:
			ids = map[string]string{}
		}
		ids[t.Name] = id
	}
	return ids, ps.Err()
}

// once returns a function that calls find once for each name: tools that share the name of an image get the same one, even if the name gets
// another image meanwhile.
func once(find func(name string) (string, error)) func(name string) (string, error) {
	type result struct {
		id  string
		err error
	}
	known := map[string]result{}
	return func(name string) (string, error) {
		r, ok := known[name]
		if !ok {
			r.id, r.err = find(name)
			known[name] = r
		}
		return r.id, r.err
	}
}

// describeImage says why an image cannot be used, and what to do.
func describeImage(err error) string {
	if errors.Is(err, confine.ErrNoEngine) {
		return "tools with an image need podman or docker, and neither is installed here; without the field, the machine's own programs are used"
	}
	if hint := fault.HintOf(err); hint != "" {
		return err.Error() + "; " + hint
	}
	return err.Error()
}

// container returns the container of the tool; nil without an image.
func (a *attempt) container() *confine.Container {
	if a.image == "" {
		return nil
	}
	c := &confine.Container{Image: a.image}
	for _, folder := range []string{a.input, a.work, a.output, a.before, a.after} {
		if folder != "" {
			c.Mounts = append(c.Mounts, confine.Mount{Host: folder, Path: a.inside(folder), Writable: folder == a.work || folder == a.output, Own: true})
		}
	}
	if a.tool.Script != "" {
		script := filepath.Join(a.Dir, "script")
		c.Mounts = append(c.Mounts, confine.Mount{Host: script, Path: a.inside(script), Own: true})
	}
	if folder := a.doc.Request.Folder; folder != "" {
		c.Mounts = append(c.Mounts, confine.Mount{Host: folder, Path: insideTools})
	}
	if a.source != "" {
		c.Mounts = append(c.Mounts, confine.Mount{Host: a.source, Path: a.inside(a.source)})
	}
	return c
}

// inside returns the path that the tool finds a file of this machine at.
func (a *attempt) inside(file string) string {
	if a.image == "" || file == "" {
		return file
	}
	if rest, ok := strings.CutPrefix(file, a.Dir+string(filepath.Separator)); ok {
		return path.Join(insideOwn, filepath.ToSlash(rest))
	}
	if file == a.source {
		return path.Join(insideSource, filepath.Base(file))
	}
	return file
}

// toolsFolder returns the path that the tool finds the folder of the tools file at.
func (a *attempt) toolsFolder() string {
	if a.image == "" || a.doc.Request.Folder == "" {
		return a.doc.Request.Folder
	}
	return insideTools
}

// program returns the command line of the tool. A path relative to the folder of the tools file has become an absolute one of this machine.
func (a *attempt) program(command []string) []string {
	folder := a.doc.Request.Folder
	if a.image == "" || folder == "" {
		return command
	}
	rest, ok := strings.CutPrefix(command[0], strings.TrimSuffix(folder, "/")+"/")
	if _, err := os.Stat(command[0]); !ok || err != nil {
		return command
	}
	return append([]string{path.Join(insideTools, rest)}, command[1:]...)
}
