package blob

import (
	"context"
	"iter"
	"path"
)

// ListFolder yields the objects whose key begins with prefix and has no slash after it, in ascending byte order of key.
func ListFolder(ctx context.Context, store Store, prefix string) iter.Seq2[Info, error] {
	if s, ok := store.(interface {
		ListFolder(ctx context.Context, prefix string) iter.Seq2[Info, error]
	}); ok {
		return s.ListFolder(ctx, prefix)
	}
	return func(yield func(Info, error) bool) {
		for info, err := range store.List(ctx, prefix) {
			if err == nil && path.Dir(info.Key) != path.Dir(prefix+"x") {
				continue
			}
			if !yield(info, err) {
				return
			}
		}
	}
}
