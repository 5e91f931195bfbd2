package job

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/render"
)

// merge makes the frames of a unit from their tiles. No pixel changes.
func (a *attempt) merge(ctx context.Context) (f Facts, err error) {
	if err := a.findStored(ctx); err != nil {
		return f, err
	}
	for _, n := range a.missing() {
		if err := a.mergeFrame(ctx, n); err != nil {
			return f, fmt.Errorf("merge the tiles of frame %d: %w", n, err)
		}
		f.Rendered++
	}
	return f, nil
}

func (a *attempt) mergeFrame(ctx context.Context, number int) error {
	i, _ := slices.BinarySearch(a.numbers, number)
	tiles := make([][]byte, a.grid.Count())
	for t := range tiles {
		r, err := a.Scratch.Open(ctx, render.TileKey(a.Job, a.places[i], t), 0, -1)
		if err != nil {
			return err
		}
		tiles[t], err = io.ReadAll(r)
		if err = errors.Join(err, r.Close()); err != nil {
			return err
		}
	}
	data, err := render.Merge(tiles, a.grid, a.picture())
	if err != nil {
		return fault.Wrap(fault.Corrupt, err, "tiles in scratch")
	}
	return a.put(ctx, number, data)
}
