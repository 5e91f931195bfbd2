package preview

import (
	"context"
	"encoding/json"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/work"
)

// EachSlice calls yield with the facts of the slices of one preview of an output, in the order of the film.
func EachSlice(ctx context.Context, results work.Results, output, preview int, yield func(film.SliceFacts) error) error {
	for f, err := range results.All(ctx, film.SliceKind+"/") {
		if err != nil {
			return err
		}
		var facts film.SliceFacts
		if err := json.Unmarshal(f.Result.Facts, &facts); err != nil {
			return fault.Wrap(fault.Corrupt, err, "facts of "+f.Unit)
		}
		if facts.Output != output || facts.Preview != preview {
			continue
		}
		if err := yield(facts); err != nil {
			return err
		}
	}
	return nil
}
