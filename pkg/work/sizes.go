package work

import (
	"context"
	"strings"

	"github.com/mapreel/mapreel/pkg/blob"
)

// FolderSizes lists the sizes of the files in a folder of the destination, by their paths in it.
func FolderSizes(ctx context.Context, resolve Resolver, url string) (map[string]int64, error) {
	const any = "-" // some name in the folder: resolvers find files
	store, key, err := resolve(ctx, url+"/"+any)
	if err != nil {
		return nil, err
	}
	prefix := strings.TrimSuffix(key, any)
	sizes, err := Sizes(ctx, store, prefix)
	if err != nil {
		return nil, err
	}
	below := make(map[string]int64, len(sizes))
	for key, size := range sizes {
		below[strings.TrimPrefix(key, prefix)] = size
	}
	return below, nil
}

// Sizes lists the sizes of the objects whose keys begin with prefix.
func Sizes(ctx context.Context, store blob.Store, prefix string) (map[string]int64, error) {
	sizes := map[string]int64{}
	for info, err := range store.List(ctx, prefix) {
		if err != nil {
			return nil, err
		}
		sizes[info.Key] = info.Size
	}
	return sizes, nil
}
