package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
)

// requestFile is a request as somebody wrote it, before it is checked: JSON, or YAML, with the place of each value.
type requestFile struct {
	name string         // for messages
	tree map[string]any // as encoding/json would decode it
	root ast.Node       // the same as YAML, which JSON nearly always is; nil where the places are not known
}

// readRequestFile reads the request in a file, or in standard input where name is "-". The extensions .json, .yaml and
// .yml say what it is; anything else is JSON when it begins with a brace. Errors are of kind fault.Invalid and name line
// and column.
func readRequestFile(name string, stdin io.Reader) (requestFile, error) {
	data, shown, err := readAll(name, stdin)
	if err != nil {
		return requestFile{}, fault.Wrap(fault.Invalid, err, "read the request")
	}
	if len(data) > film.MaxRequest {
		return requestFile{}, fault.New(fault.Invalid, "%s: the request is larger than %d bytes", shown, film.MaxRequest)
	}
	ext := strings.ToLower(filepath.Ext(name))
	var f requestFile
	switch brace := bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")); {
	case ext == ".json":
		f, err = decodeJSON(data)
	case ext == ".yaml", ext == ".yml", !brace:
		f, err = decodeYAML(data)
	default:
		if f, err = decodeJSON(data); err != nil {
			if flow, yamlErr := decodeYAML(data); yamlErr == nil {
				f, err = flow, nil
			}
		}
	}
	f.name = shown
	if err != nil {
		return requestFile{}, fault.Wrap(fault.Invalid, err, shown)
	}
	return f, nil
}

func readAll(name string, stdin io.Reader) (data []byte, shown string, err error) {
	const enough = film.MaxRequest + 1
	if name == "-" {
		data, err = io.ReadAll(io.LimitReader(stdin, enough))
		return data, "standard input", err
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, name, err
	}
	defer f.Close()
	data, err = io.ReadAll(io.LimitReader(f, enough))
	return data, name, err
}

var errNoObject = errors.New("the request must be an object with source, destination and outputs")

func decodeJSON(data []byte) (requestFile, error) {
	var tree any
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	err := dec.Decode(&tree)
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &syntax):
		line, column := place(data, syntax.Offset)
		return requestFile{}, fmt.Errorf("line %d, column %d: %w", line, column, err)
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return requestFile{}, errors.New("the JSON ends too early")
	case err != nil:
		return requestFile{}, err
	}
	if rest := bytes.TrimSpace(data[dec.InputOffset():]); len(rest) > 0 {
		line, column := place(data, int64(len(data)-len(bytes.TrimLeft(data[dec.InputOffset():], " \t\r\n"))+1))
		return requestFile{}, fmt.Errorf("line %d, column %d: text follows the request's end", line, column)
	}
	object, ok := tree.(map[string]any)
	if !ok {
		return requestFile{}, errNoObject
	}
	f := requestFile{tree: object}
	if file, err := parser.ParseBytes(data, 0); err == nil && len(file.Docs) == 1 {
		f.root = file.Docs[0].Body
	}
	return f, nil
}

// place is the line and column of the byte before offset, both from 1, as json.SyntaxError counts.
func place(data []byte, offset int64) (line, column int) {
	before := data[:max(0, min(offset-1, int64(len(data))))]
	return 1 + bytes.Count(before, []byte("\n")), len(before) - bytes.LastIndexByte(before, '\n')
}

func decodeYAML(data []byte) (requestFile, error) {
	file, err := parser.ParseBytes(data, 0)
	if err != nil {
		return requestFile{}, atToken(err)
	}
	if len(file.Docs) > 1 {
		return requestFile{}, errors.New("it holds more than one YAML document")
	}
	if len(file.Docs) == 0 || file.Docs[0].Body == nil {
		return requestFile{}, errNoObject
	}
	root := file.Docs[0].Body
	// Aliases can make a small file into gigabytes of request. Nothing in a request is worth one.
	var aliases aliasFinder
	ast.Walk(&aliases, root)
	if aliases.first != nil {
		p := aliases.first.Position
		return requestFile{}, fmt.Errorf("line %d, column %d: a request cannot hold YAML aliases", p.Line, p.Column)
	}
	var tree any
	if err := yaml.NodeToValue(root, &tree); err != nil {
		return requestFile{}, atToken(err)
	}
	object, ok := tree.(map[string]any)
	if !ok {
		return requestFile{}, errNoObject
	}
	return requestFile{tree: object, root: root}, nil
}

type aliasFinder struct{ first *token.Token }

func (a *aliasFinder) Visit(n ast.Node) ast.Visitor {
	if alias, ok := n.(*ast.AliasNode); ok && a.first == nil {
		a.first = alias.GetToken()
	}
	return a
}

// atToken turns an error of the YAML package, which quotes the file over several lines, into one line with its place.
func atToken(err error) error {
	var y yaml.Error
	if !errors.As(err, &y) || y.GetToken() == nil {
		line, _, _ := strings.Cut(err.Error(), "\n")
		return errors.New(line)
	}
	p := y.GetToken().Position
	return fmt.Errorf("line %d, column %d: %s", p.Line, p.Column, y.GetMessage())
}

// find gives the line and column where the value that a JSON pointer names begins, with its key. ok is false where the
// file does not hold it.
func (f requestFile) find(pointer string) (line, column int, ok bool) {
	node, at := f.root, f.root
	for _, step := range strings.Split(pointer, "/")[1:] {
		step = strings.NewReplacer("~1", "/", "~0", "~").Replace(step)
		if node, at = child(node, step); node == nil {
			return 0, 0, false
		}
	}
	if node == nil || at.GetToken() == nil {
		return 0, 0, false
	}
	p := at.GetToken().Position
	return p.Line, p.Column, true
}

// child is what a node holds under a key or an index, with the node that marks its place.
func child(n ast.Node, step string) (value, at ast.Node) {
	switch n := bare(n).(type) {
	case *ast.MappingNode:
		for _, pair := range n.Values {
			if pair.Key.GetToken().Value == step {
				return bare(pair.Value), pair.Key
			}
		}
	case *ast.MappingValueNode:
		if n.Key.GetToken().Value == step {
			return bare(n.Value), n.Key
		}
	case *ast.SequenceNode:
		if i, err := strconv.Atoi(step); err == nil && i >= 0 && i < len(n.Values) {
			return bare(n.Values[i]), first(n.Values[i])
		}
	}
	return nil, nil
}

// bare is a node without the anchor or tag around it.
func bare(n ast.Node) ast.Node {
	for {
		switch w := n.(type) {
		case *ast.AnchorNode:
			n = w.Value
		case *ast.TagNode:
			n = w.Value
		default:
			return n
		}
	}
}

// first is where an element of a list begins. A mapping's own token is its first colon.
func first(n ast.Node) ast.Node {
	if m, ok := bare(n).(*ast.MappingNode); ok && len(m.Values) > 0 && !m.IsFlowStyle {
		return m.Values[0].Key
	}
	if m, ok := bare(n).(*ast.MappingValueNode); ok {
		return m.Key
	}
	return n
}
