package estimate

import (
	"context"
	"slices"

	"github.com/mapreel/mapreel/pkg/price"
)

// Memory is what a job takes on Lambda where the functions that encode have so much memory, and as many threads as that buys processors.
type Memory struct {
	MiB  int64       `json:"mib"` // the setting functionMemory
	Wall Range       `json:"wall"`
	Low  price.Money `json:"low"`
	High price.Money `json:"high"`
}

// memories are what is worth comparing: one, three and four processors, besides the deployment's own.
var memories = []int64{1769, 5307, 7076}

// Memories returns what a job takes on Lambda with several sizes of functions, the smallest first, without those with which a unit may
// exceed its time.
func Memories(ctx context.Context, w Work, d Deployment, table price.Table) ([]Memory, error) {
	d = d.withDefaults()
	sizes := append([]int64{d.Memory}, memories...)
	slices.Sort(sizes)
	var list []Memory
	for _, mib := range slices.Compact(sizes) {
		with := d
		with.Memory, w.Threads = mib, Deployment{Memory: mib}.Processors()
		place := onLambda(w, with, table)
		if place.Refused != "" {
			continue
		}
		took, err := wall(ctx, w, with, "lambda", false)
		if err != nil {
			return nil, err
		}
		list = append(list, Memory{mib, took, place.Low.Total, place.High.Total})
	}
	return list, nil
}
