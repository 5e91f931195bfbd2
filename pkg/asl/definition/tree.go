package definition

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// maxDefinition is Step Functions' quota on the size of a definition, 1 MB.
const maxDefinition = 1 << 20

// maxDepth bounds the recursion of the loader. Real definitions nest a few dozen levels.
const maxDepth = 200

type nodeKind int

const (
	nullNode nodeKind = iota
	boolNode
	numberNode
	stringNode
	arrayNode
	objectNode
)

func (k nodeKind) String() string {
	return [...]string{"null", "a boolean", "a number", "a string", "an array", "an object"}[k]
}

// node is a JSON value with its path. It keeps the order of an object's members.
type node struct {
	path   string // JSON Pointer
	kind   nodeKind
	text   string   // the string, or the literal of a number
	truth  bool     // the boolean
	keys   []string // of an object
	values []*node  // of an object or array
}

func (n *node) get(key string) *node {
	for i, k := range n.keys {
		if k == key {
			return n.values[i]
		}
	}
	return nil
}

// pointer appends a reference token to a JSON Pointer.
func pointer(path, token string) string {
	return path + "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(token)
}

// parseTree parses a JSON text. It reports a repeated member to add and keeps the first one.
func parseTree(text []byte, add func(path, message string)) (*node, bool) {
	if len(text) > maxDefinition {
		add("", fmt.Sprintf("definition has %d bytes; Step Functions allows %d", len(text), maxDefinition))
		return nil, false
	}
	var probe json.RawMessage
	if err := json.Unmarshal(text, &probe); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			before := text[:min(max(int(syntax.Offset)-1, 0), len(text))]
			line := 1 + bytes.Count(before, []byte("\n"))
			add("", fmt.Sprintf("not JSON: line %d, column %d: %v", line, len(before)-bytes.LastIndexByte(before, '\n'), err))
		} else {
			add("", "not JSON: "+err.Error())
		}
		return nil, false
	}
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	n, err := parseNode(d, "", 0, add)
	if err != nil {
		add("", err.Error())
		return nil, false
	}
	return n, true
}

func parseNode(d *json.Decoder, path string, depth int, add func(path, message string)) (*node, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("nested deeper than %d levels", maxDepth)
	}
	token, err := d.Token()
	if err != nil {
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	n := &node{path: path}
	switch t := token.(type) {
	case nil:
		n.kind = nullNode
	case bool:
		n.kind, n.truth = boolNode, t
	case json.Number:
		n.kind, n.text = numberNode, t.String()
	case string:
		n.kind, n.text = stringNode, t
	case json.Delim:
		n.kind = arrayNode
		if t == '{' {
			n.kind = objectNode
		}
		seen := map[string]bool{}
		for d.More() {
			token := strconv.Itoa(len(n.values))
			if n.kind == objectNode {
				key, err := d.Token()
				if err != nil {
					return nil, fmt.Errorf("not JSON: %w", err)
				}
				token, _ = key.(string)
			}
			child, err := parseNode(d, pointer(path, token), depth+1, add)
			if err != nil {
				return nil, err
			}
			if n.kind == objectNode {
				if seen[token] {
					add(child.path, "appears twice")
					continue
				}
				seen[token] = true
				n.keys = append(n.keys, token)
			}
			n.values = append(n.values, child)
		}
		if _, err := d.Token(); err != nil {
			return nil, fmt.Errorf("not JSON: %w", err)
		}
	}
	return n, nil
}
