// Package check says what is wrong with a request on this machine, and where in its text.
package check

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"regexp"
	"strconv"

	"github.com/mapreel/mapreel/cmd/mapreel/internal/requestfile"
	"github.com/mapreel/mapreel/pkg/console"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/local"
	"github.com/mapreel/mapreel/pkg/origin"
)

// Text returns a function that reads a request in YAML or JSON and checks it: its form, and that its source exists and lies below
// the roots, as its destination does. Settings that the user has named in a folder are put into the request.
func Text(roots []string, folder string) func(text []byte) console.Checked {
	return func(text []byte) console.Checked {
		if len(text) > film.MaxRequest {
			return console.Checked{Problems: []console.Problem{{Message: fmt.Sprintf("the request is larger than %d bytes", film.MaxRequest)}}}
		}
		f, err := requestfile.Parse("", text)
		if err != nil {
			return console.Checked{Problems: []console.Problem{unreadable(err)}}
		}
		c := console.Checked{Tree: f.Tree}
		full, from, ps := withPresets(f.Tree, folder)
		var request json.RawMessage
		if len(ps) == 0 {
			request, ps = tree(full, roots)
		}
		for _, p := range ps {
			if _, _, written := f.Find(p.Pointer); !written {
				p = from.blame(p)
			}
			at := console.Problem{Pointer: p.Pointer, Message: p.Message}
			at.Line, at.Column, _ = f.Find(p.Pointer)
			c.Problems = append(c.Problems, at)
		}
		if len(ps) == 0 {
			c.Request = request
		}
		return c
	}
}

// tree returns the request of a tree, and its problems.
func tree(tree map[string]any, roots []string) (json.RawMessage, film.Problems) {
	request, err := json.Marshal(tree)
	if err != nil {
		return nil, film.Problems{{Message: err.Error()}}
	}
	req, err := film.Parse(request)
	var ps film.Problems
	switch {
	case errors.As(err, &ps):
		return nil, ps
	case err != nil:
		return nil, film.Problems{{Message: err.Error()}}
	}
	for pointer, path := range map[string]string{"/source": req.Source, "/destination": req.Destination} {
		if err := local.CheckPath(path, roots); err != nil {
			ps = append(ps, film.Problem{Pointer: pointer, Message: err.Error()})
		}
	}
	for _, f := range req.NamedFiles() {
		if err := local.CheckPath(*f.URL, roots); err != nil {
			ps = append(ps, film.Problem{Pointer: f.Pointer, Message: err.Error()})
		}
	}
	if len(ps) > 0 { // whether there is something outside is not told
		return nil, ps
	}
	if origin.Remote(req.Source) { // the job finds out
		return request, Paths(req)
	}
	if err := local.StatSource(req.Source); err != nil {
		var why *fs.PathError
		if errors.As(err, &why) {
			err = why.Err
		}
		return nil, film.Problems{{Pointer: "/source", Message: fmt.Sprintf("cannot read %s: %v", req.Source, err)}}
	}
	return request, Paths(req)
}

// position matches the beginning of an error of package requestfile that names one.
var position = regexp.MustCompile(`^line (\d+), column (\d+): `)

// unreadable returns the problem of a text that is no YAML or JSON.
func unreadable(err error) console.Problem {
	message := err.Error()
	m := position.FindStringSubmatch(message)
	if m == nil {
		return console.Problem{Message: message}
	}
	line, _ := strconv.Atoi(m[1]) // digits
	column, _ := strconv.Atoi(m[2])
	return console.Problem{Line: line, Column: column, Message: message[len(m[0]):]}
}

// Paths returns the problems of a request's paths: a source that is a folder, and outputs that would replace the source or a
// folder.
func Paths(req film.Request) (ps film.Problems) {
	sources := map[string]os.FileInfo{}
	for i, path := range append([]string{req.Source}, req.Join...) {
		info, err := os.Stat(path)
		if sources[path] = info; err == nil && info.IsDir() {
			ps = append(ps, film.Problem{Pointer: film.JoinPointer(i), Message: path + " is a folder; name a video in it"})
		}
	}
	for i, o := range req.Outputs {
		path := origin.Join(req.Destination, o.File())
		at := fmt.Sprintf("/outputs/%d/name", i)
		info, err := os.Stat(path)
		_, same := sources[path]
		for _, source := range sources {
			same = same || err == nil && source != nil && os.SameFile(info, source)
		}
		switch {
		case same:
			ps = append(ps, film.Problem{Pointer: at, Message: path + " is the source; choose another name"})
		case err == nil && info.IsDir():
			ps = append(ps, film.Problem{Pointer: at, Message: path + " is a folder; choose another name"})
		}
	}
	return ps
}
