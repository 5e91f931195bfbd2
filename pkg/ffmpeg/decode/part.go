package decode

import (
	"fmt"
	"strings"

	"github.com/mapreel/mapreel/pkg/ffmpeg/internal/option"
	"github.com/mapreel/mapreel/pkg/media"
)

// Part is what is decoded of a stream: Start ≤ t < End, in microseconds on the clock of what is decoded; nil = open. Seek is where
// reading begins, on the clock of the input; nil = its start. It must be so long before Start that decoders have settled there.
type Part struct{ Seek, Start, End *int64 }

// inputOptions returns the arguments before -i.
func (p Part) inputOptions() []string {
	if p.Seek == nil || *p.Seek <= 0 {
		return nil
	}
	return []string{"-noaccurate_seek", "-seek_timestamp", "1", "-ss", option.Seconds(*p.Seek)}
}

// filter returns the filter of that name, trim or atrim, that selects what belongs to the part by ticks of tb, with a comma; "" where that
// is all.
func (p Part) filter(name string, tb media.Rational) string {
	var bounds []string
	for _, b := range []struct {
		name string
		us   *int64
	}{{"start_pts", p.Start}, {"end_pts", p.End}} {
		if b.us != nil {
			bounds = append(bounds, fmt.Sprintf("%s=%d", b.name, media.PartTick(media.Ticks(*b.us), tb)))
		}
	}
	if len(bounds) == 0 {
		return ""
	}
	return name + "=" + strings.Join(bounds, ":") + ","
}
