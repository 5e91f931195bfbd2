// Package yamlpointer finds where a value lies in a YAML file, by its JSON pointer (RFC 6901).
//
//	line, column, ok := yamlpointer.Find(root, "/tools/0/each")
package yamlpointer

import (
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"
)

// Find returns the line and column of the key, or of the list element, at a pointer. ok is false if the document does not contain it.
func Find(root ast.Node, pointer string) (line, column int, ok bool) {
	node := root
	at := node
	for _, step := range strings.Split(pointer, "/")[1:] {
		step = strings.NewReplacer("~1", "/", "~0", "~").Replace(step)
		if node, at = lookup(node, step); node == nil {
			return 0, 0, false
		}
	}
	if node == nil || at.GetToken() == nil {
		return 0, 0, false
	}
	p := at.GetToken().Position
	return p.Line, p.Column, true
}

// lookup returns the value of n at a key or index, and the node that marks its position.
func lookup(n ast.Node, step string) (value, at ast.Node) {
	switch n := unwrapNode(n).(type) {
	case *ast.MappingNode:
		for _, pair := range n.Values {
			if pair.Key.GetToken().Value == step {
				return unwrapNode(pair.Value), pair.Key
			}
		}
	case *ast.MappingValueNode:
		if n.Key.GetToken().Value == step {
			return unwrapNode(n.Value), n.Key
		}
	case *ast.SequenceNode:
		if i, err := strconv.Atoi(step); err == nil && i >= 0 && i < len(n.Values) {
			return unwrapNode(n.Values[i]), startNode(n.Values[i])
		}
	}
	return nil, nil
}

// unwrapNode removes the anchors and tags around n.
func unwrapNode(n ast.Node) ast.Node {
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

// startNode returns the node at which a list element begins. The token of a mapping is its first colon, so it returns the
// first key instead.
func startNode(n ast.Node) ast.Node {
	if m, ok := unwrapNode(n).(*ast.MappingNode); ok && len(m.Values) > 0 && !m.IsFlowStyle {
		return m.Values[0].Key
	}
	if m, ok := unwrapNode(n).(*ast.MappingValueNode); ok {
		return m.Key
	}
	return n
}
