package local

import (
	"context"
	"runtime"
	"time"

	"github.com/mapreel/mapreel/pkg/price"
	"github.com/mapreel/mapreel/pkg/process"
	"github.com/mapreel/mapreel/pkg/work"
)

// meter measures an attempt at a unit on this machine: how long it takes, and the time of processors of the programs that it runs.
func meter(ctx context.Context, _ int, _ work.Needs) (context.Context, func(work.Result) price.Use) {
	began := time.Now()
	var programs process.Counter
	return process.WithCounter(ctx, &programs), func(r work.Result) price.Use {
		u := price.Use{
			Place: price.Here, Arch: runtime.GOARCH, Millis: time.Since(began).Milliseconds(), CPU: programs.CPU().Milliseconds(),
		}
		for _, a := range r.Artifacts {
			if a.Key != "" && a.Folder == "" {
				u.FilesOut += a.Size
			}
		}
		return u
	}
}
