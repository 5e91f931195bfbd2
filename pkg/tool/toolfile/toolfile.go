// Package toolfile reads tools files: their scripts and programs, and for a deployment the whole file.
//
//	deployed, err := toolfile.Read("tools.yaml", "/opt/mapreel/toolfiles")
package toolfile

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"unicode/utf8"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/tool"
	"github.com/mapreel/mapreel/pkg/yamlpointer"
)

// maxScript is the size of the largest script, in bytes: with all others it must fit into a request.
const maxScript = 128 << 10

// ReadPrograms replaces the name of each script in a tools file by its text, and makes the paths of programs absolute: the files of
// folder, where the tools file lies, are at the path at when tools run. Values of other types are left to the schema.
func ReadPrograms(tree map[string]any, folder, at string) (ps film.Problems) {
	tools, _ := tree["tools"].([]any)
	for i, v := range tools {
		t, _ := v.(map[string]any)
		if command, _ := t["command"].([]any); len(command) > 0 {
			if name, ok := command[0].(string); ok && strings.Contains(name, "/") && !filepath.IsAbs(name) {
				command[0] = filepath.Join(at, name)
			}
		}
		name, ok := t["script"].(string)
		if !ok || name == "" || strings.HasPrefix(name, "#!") || strings.Contains(name, "\n") {
			continue
		}
		text, err := readScript(folder, name)
		if err != nil {
			ps = append(ps, film.Problem{Pointer: fmt.Sprintf("/tools/%d/script", i), Message: err.Error()})
			continue
		}
		t["script"] = text
	}
	return ps
}

func readScript(folder, name string) (string, error) {
	if !filepath.IsLocal(name) {
		return "", fmt.Errorf("%s does not lie beside the tools file", name)
	}
	f, err := os.Open(filepath.Join(folder, name))
	if err != nil {
		return "", fmt.Errorf("cannot read the script %s, which must lie beside the tools file; a script in the file itself begins with #! or has several lines", name)
	}
	defer f.Close() //nolint:errcheck // it was only read
	data, err := io.ReadAll(io.LimitReader(f, maxScript+1))
	switch {
	case err != nil:
		return "", fmt.Errorf("cannot read the script: %w", err)
	case len(data) > maxScript:
		return "", fmt.Errorf("%s is larger than %d bytes; name a program with command", name, maxScript)
	case len(bytes.TrimSpace(data)) == 0:
		return "", fmt.Errorf("%s is empty", name)
	case !utf8.Valid(data) || bytes.ContainsRune(data, 0):
		return "", fmt.Errorf("%s is no text; name a program with command", name)
	}
	return string(data), nil
}

// Read reads a tools file for a deployment, in whose images the files beside it lie at the path at. The error does not
// name the file. It is of kind fault.Invalid, and holds film.Problems where a tool is wrong.
func Read(file, at string) (tool.Deployed, error) {
	root, tree, err := decode(file)
	if err != nil {
		return tool.Deployed{}, &fault.Error{Kind: fault.Invalid, Err: err}
	}
	problems := refuseForDeployment(tree)
	problems = append(problems, ReadPrograms(tree, filepath.Dir(file), at)...)
	tree["source"], tree["destination"] = "/source", "/destination" // those of requests are not known
	data, err := json.Marshal(tree)
	if err != nil {
		return tool.Deployed{}, &fault.Error{Kind: fault.Invalid, Err: err}
	}
	req, err := tool.Parse(data)
	var found film.Problems
	if err != nil && !errors.As(err, &found) {
		return tool.Deployed{}, err
	}
	if problems = append(problems, found...); len(problems) > 0 {
		return tool.Deployed{}, locate(problems, root).Err()
	}
	d := tool.Deployed{Tools: req.Tools, Folder: at}
	if tree["segment"] != nil { // else the default follows from the tools that a request names
		d.Segment = req.Segment
	}
	return d, nil
}

// locate adds line and column to problems.
func locate(ps film.Problems, root ast.Node) (located film.Problems) {
	for _, p := range ps {
		if line, column, ok := yamlpointer.Find(root, p.Pointer); ok {
			p = film.Problem{Message: fmt.Sprintf("line %d, column %d: %s", line, column, p)}
		}
		located = append(located, p)
	}
	return located
}

// decode reads YAML or JSON.
func decode(file string) (root ast.Node, tree map[string]any, err error) {
	f, err := os.Open(file) //nolint:gosec // the user names it
	if err != nil {
		if of, ok := errors.AsType[*fs.PathError](err); ok {
			err = of.Err // the caller names the file
		}
		return nil, nil, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	data, err := io.ReadAll(io.LimitReader(f, film.MaxRequest+1))
	if err != nil {
		return nil, nil, err
	}
	if len(data) > film.MaxRequest {
		return nil, nil, fmt.Errorf("has more than %d bytes", film.MaxRequest)
	}
	parsed, err := parser.ParseBytes(data, 0)
	if err != nil {
		return nil, nil, err
	}
	for _, doc := range parsed.Docs {
		if doc.Body != nil && len(ast.Filter(ast.AliasType, doc.Body)) > 0 {
			return nil, nil, errors.New("a tools file cannot use YAML aliases")
		}
	}
	if err := yaml.Unmarshal(data, &tree); err != nil {
		return nil, nil, err
	}
	if tree == nil {
		return nil, nil, errors.New("must be an object with a list of tools")
	}
	return parsed.Docs[0].Body, tree, nil
}

// refuseForDeployment returns what a tools file says that a deployment takes from elsewhere.
func refuseForDeployment(tree map[string]any) (ps film.Problems) {
	for _, name := range []string{"source", "destination", "folder", "compute", "retention"} {
		if tree[name] != nil {
			ps = append(ps, film.Problem{Pointer: "/" + name, Message: "does not belong in the tools file of a deployment: requests have it"})
		}
	}
	tools, _ := tree["tools"].([]any)
	for i, v := range tools {
		t, _ := v.(map[string]any)
		command, _ := t["command"].([]any)
		if len(command) == 0 {
			continue
		}
		if name, ok := command[0].(string); ok && strings.Contains(name, "/") && !path.IsAbs(name) && !filepath.IsLocal(name) {
			ps = append(ps, film.Problem{
				Pointer: fmt.Sprintf("/tools/%d/command/0", i), Message: name + " does not lie in the folder of the tools file, which becomes a part of the image",
			})
		}
	}
	return ps
}
