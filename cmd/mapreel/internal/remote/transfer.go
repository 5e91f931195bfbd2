package remote

import (
	"fmt"
	"sync"
	"time"

	"github.com/mapreel/mapreel/cmd/mapreel/internal/bars"
	"github.com/mapreel/mapreel/cmd/mapreel/internal/format"
	"github.com/mapreel/mapreel/pkg/client"
)

// transferView shows an upload or a download. Its methods may be called from several goroutines.
type transferView struct {
	mu    sync.Mutex
	last  client.Transfer
	first client.Transfer
	began time.Time
}

func (v *transferView) set(t client.Transfer) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if t.Verb != v.last.Verb {
		v.first, v.began = t, time.Now() // what an earlier call has sent comes first, at no time
	} else if t.Done < v.last.Done {
		return
	}
	v.last = t
}

func (v *transferView) show(env Env, asJSON bool, mode progressMode) (stop func()) {
	return showLines(env, asJSON, mode, v.lines)
}

// lines returns the line that shows the transfer on a terminal of width columns.
func (v *transferView) lines(now time.Time, width int) []string {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.last.Total == 0 {
		return bars.Clip([]string{"asking"}, width)
	}
	fields := []string{format.Bytes(v.last.Done) + " of " + format.Bytes(v.last.Total)}
	seconds, gained := now.Sub(v.began).Seconds(), float64(v.last.Done-v.first.Done)
	if seconds >= 1 && gained > 0 {
		if v.last.Done < v.last.Total {
			fields = append(fields, format.Clock(time.Duration(float64(v.last.Total-v.last.Done)/gained*seconds*float64(time.Second)))+" left")
		}
		fields = append(fields, format.Bytes(int64(gained/seconds))+"/s")
	}
	status := bars.FitFields(fields, bars.StatusWidth(width)-len("ading")) // a verb is longer than "video"
	bar := bars.Bar(fmt.Sprintf("%-9s", v.last.Verb), float64(v.last.Done)/float64(v.last.Total), bars.BarLength(status, width))
	return bars.Clip([]string{bar + status}, width)
}
