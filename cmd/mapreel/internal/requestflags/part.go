package requestflags

import (
	"github.com/mapreel/mapreel/cmd/mapreel/internal/flagvalue"
	"github.com/mapreel/mapreel/cmd/mapreel/internal/requestfile"
	"github.com/mapreel/mapreel/pkg/film"
)

// PartFlags are the flags that select a part of the source.
type PartFlags struct {
	Start    *flagvalue.Moment `group:"Part" placeholder:"TIME" help:"Begin at this time of the source: 90, 1:30, 1:02:03.5 or 1m30s. Exact to the frame, and for encoded sound to the sample. Default: its beginning."`
	End      *flagvalue.Moment `group:"Part" placeholder:"TIME" help:"End at this time of the source; the frame that begins there is not included. Default: its end."`
	Duration *flagvalue.Moment `group:"Part" placeholder:"LENGTH" help:"Length of the output, instead of --end."`
	Chapters string            `group:"Part" placeholder:"N-M" help:"These chapters of the source: 3 or 3-5, instead of --start and --end."`
}

// Apply writes the flags into a request.
func (p PartFlags) Apply(d *requestfile.Draft) {
	for _, f := range []struct {
		value         *flagvalue.Moment
		pointer, flag string
	}{
		{p.Start, "/part/start", "--start"}, {p.End, "/part/end", "--end"}, {p.Duration, "/part/duration", "--duration"},
	} {
		// The beginning of the source is the default, which a request cannot name otherwise.
		if f.value != nil && (*f.value > 0 || f.pointer != "/part/start") {
			d.Set(f.pointer, film.Seconds(*f.value), f.flag)
		}
	}
	d.SetText("/part/chapters", p.Chapters, "--chapters")
}

// Part returns the part that the flags select; the zero value is the whole source.
func (p PartFlags) Part() film.Part {
	seconds := func(m *flagvalue.Moment) film.Seconds {
		if m == nil {
			return 0
		}
		return film.Seconds(*m)
	}
	return film.Part{Start: seconds(p.Start), End: seconds(p.End), Duration: seconds(p.Duration), Chapters: p.Chapters}
}
