// Package requestfile reads files that hold a request or a part of one, in JSON or YAML, and finds
// the line and column of each value.
package requestfile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/yamlpointer"
)

// File is the content of a request file before validation, JSON or YAML, with the position of each value.
type File struct {
	Name string         // for messages
	Tree map[string]any // as encoding/json decodes it
	// nodes returns the same as YAML nodes, for positions, or nil for the rare JSON that is not YAML.
	nodes func() ast.Node
}

// Read reads the request in a file, or in standard input if name is "-". The extension .json, .yaml or .yml
// selects the format; without one, text that begins with a brace is read as JSON. Errors are of kind fault.Invalid and
// name line and column.
func Read(name string, stdin io.Reader) (File, error) {
	data, shown, err := readAll(name, stdin)
	if err != nil {
		return File{}, fault.Wrap(fault.Invalid, err, "read the request")
	}
	if len(data) > film.MaxRequest {
		return File{}, fault.New(fault.Invalid, "%s: the request is larger than %d bytes", shown, film.MaxRequest)
	}
	f, err := Parse(strings.ToLower(filepath.Ext(name)), data)
	f.Name = shown
	if err != nil {
		return File{}, fault.Wrap(fault.Invalid, err, shown)
	}
	return f, nil
}

// Parse reads data in the format of a file name's extension: ".json", ".yaml" or ".yml". With any
// other, data that begins with a brace is read as JSON, and as YAML if it is not JSON.
func Parse(ext string, data []byte) (File, error) {
	switch brace := bytes.HasPrefix(bytes.TrimSpace(data), []byte("{")); {
	case ext == ".json":
		return decodeJSON(data)
	case ext == ".yaml", ext == ".yml", !brace:
		return decodeYAML(data)
	}
	f, err := decodeJSON(data)
	if err == nil {
		return f, nil
	}
	if flow, yamlErr := decodeYAML(data); yamlErr == nil {
		return flow, nil
	}
	return f, err
}

func readAll(name string, stdin io.Reader) (data []byte, shown string, err error) {
	const limit = film.MaxRequest + 1
	if name == "-" {
		data, err = io.ReadAll(io.LimitReader(stdin, limit))
		return data, "standard input", err
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, name, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	data, err = io.ReadAll(io.LimitReader(f, limit))
	return data, name, err
}

// ErrNotObject reports a file whose value is not an object.
var ErrNotObject = errors.New("the request must be an object with source, destination and outputs")

func decodeJSON(data []byte) (File, error) {
	tree, err := film.DecodeJSON(data)
	if err != nil {
		return File{}, err
	}
	object, ok := tree.(map[string]any)
	if !ok {
		return File{}, ErrNotObject
	}
	return File{Tree: object, nodes: sync.OnceValue(func() ast.Node {
		// JSON is nearly always YAML too, whose parser knows positions.
		if checkYAMLCost(data) != nil {
			return nil
		}
		file, err := parser.ParseBytes(data, 0)
		if err != nil || len(file.Docs) != 1 {
			return nil
		}
		return file.Docs[0].Body
	})}, nil
}

// maxTokens is the number of tokens from which on a YAML file is refused. The largest useful request, 20 outputs of 12
// renditions with all fields, has about 10,000. The time of the parser grows with the square of some tokens: 20,000 keys
// take seconds.
const maxTokens = 20_000

// checkYAMLCost returns an error if data nests deeper than film.MaxDepth or has more than maxTokens tokens. Lexing takes
// linear time, unlike parsing.
func checkYAMLCost(data []byte) error {
	tokens := lexer.Tokenize(string(data))
	if len(tokens) > maxTokens {
		return fmt.Errorf("the file has %d YAML tokens, more than %d", len(tokens), maxTokens)
	}
	var blocks []int // columns of the block collections that are open
	flow := 0        // number of flow collections that are open
	for _, t := range tokens {
		start := t // where the collection begins
		switch t.Type {
		case token.SequenceStartType, token.MappingStartType:
			flow++
		case token.SequenceEndType, token.MappingEndType:
			flow = max(flow-1, 0)
		case token.MappingValueType:
			if t.Prev != nil {
				start = t.Prev
			}
			fallthrough
		case token.SequenceEntryType, token.MappingKeyType, token.TagType, token.AnchorType:
			if flow > 0 {
				break
			}
			column := start.Position.Column
			for len(blocks) > 0 && blocks[len(blocks)-1] >= column {
				blocks = blocks[:len(blocks)-1]
			}
			blocks = append(blocks, column)
		}
		if flow+len(blocks) > film.MaxDepth {
			return fmt.Errorf("line %d, column %d: nested more than %d deep", t.Position.Line, t.Position.Column, film.MaxDepth)
		}
	}
	return nil
}

func decodeYAML(data []byte) (File, error) {
	if err := checkYAMLCost(data); err != nil {
		return File{}, err
	}
	file, err := parser.ParseBytes(data, 0)
	if err != nil {
		return File{}, formatYAMLError(err)
	}
	if len(file.Docs) > 1 {
		return File{}, errors.New("the file has more than one YAML document")
	}
	if len(file.Docs) == 0 || file.Docs[0].Body == nil {
		return File{}, ErrNotObject
	}
	root := file.Docs[0].Body
	// Aliases can expand a small file to gigabytes, and no request needs them.
	var aliases aliasFinder
	ast.Walk(&aliases, root)
	if aliases.first != nil {
		p := aliases.first.Position
		return File{}, fmt.Errorf("line %d, column %d: a request cannot use YAML aliases", p.Line, p.Column)
	}
	var tree any
	if err := yaml.NodeToValue(root, &tree); err != nil {
		return File{}, formatYAMLError(err)
	}
	object, ok := tree.(map[string]any)
	if !ok {
		return File{}, ErrNotObject
	}
	return File{Tree: object, nodes: func() ast.Node { return root }}, nil
}

type aliasFinder struct{ first *token.Token }

func (a *aliasFinder) Visit(n ast.Node) ast.Visitor {
	if alias, ok := n.(*ast.AliasNode); ok && a.first == nil {
		a.first = alias.GetToken()
	}
	return a
}

// formatYAMLError reduces an error of the YAML package, which quotes several lines of the file, to one line with its
// position.
func formatYAMLError(err error) error {
	var y yaml.Error
	if !errors.As(err, &y) || y.GetToken() == nil {
		line, _, _ := strings.Cut(err.Error(), "\n")
		return errors.New(line)
	}
	p := y.GetToken().Position
	return fmt.Errorf("line %d, column %d: %s", p.Line, p.Column, y.GetMessage())
}

// Find returns the line and column of the key, or of the list element, at a JSON pointer. ok is false if the file does not
// contain it.
func (f File) Find(pointer string) (line, column int, ok bool) {
	if f.nodes == nil {
		return 0, 0, false
	}
	return yamlpointer.Find(f.nodes(), pointer)
}
