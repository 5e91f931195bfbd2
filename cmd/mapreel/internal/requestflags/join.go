package requestflags

import (
	"fmt"

	"github.com/mapreel/mapreel/cmd/mapreel/internal/requestfile"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/local"
)

// applyJoin writes the sources that follow the first one into the tree.
func (t Flags) applyJoin(d *requestfile.Draft) error {
	const flag = "--join"
	switch {
	case !t.Join && len(t.Others) > 0:
		return fault.WithHint(fault.New(fault.Invalid, "%d sources for one output", 1+len(t.Others)), "add --join to make one film of them, one after the other")
	case !t.Join:
		return nil
	case len(t.Others) == 0:
		return fault.WithHint(fault.New(fault.Invalid, "%s: needs two or more SOURCEs", flag), "for example: mapreel transcode a.mp4 b.mov --join -o film.mp4")
	}
	list := make([]any, len(t.Others))
	for i, s := range t.Others {
		if s == local.Pipe {
			return fault.New(fault.Invalid, "%s: only the first SOURCE can be standard input", flag)
		}
		list[i] = s
		d.Flags[film.JoinPointer(i+1)] = fmt.Sprintf("SOURCE %d", i+2)
	}
	d.Set("/join", list, flag)
	return nil
}
