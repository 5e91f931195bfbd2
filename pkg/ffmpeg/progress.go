package ffmpeg

import (
	"strings"

	"github.com/mapreel/mapreel/pkg/ffmpeg/internal/output"
)

// Progress is one report of a running ffmpeg. Reports come twice a second, and once at the end.
type Progress struct {
	Frame   int64 // frames passed to the first encoder so far
	OutTime int64 // microseconds of output so far; -1 = not known yet. It counts from 0, with any -output_ts_offset
	Bytes   int64 // size of the output so far; -1 = unknown
	End     bool  // the last report of a run that reached its end
}

// maxProgressLine bounds a line, in bytes; ffmpeg's longest has about 60.
const maxProgressLine = 4096

// progressParser is an io.Writer that parses the blocks of `-progress`: lines of key=value, up to a
// line "progress=continue" or "progress=end". It holds at most one line.
type progressParser struct {
	report  func(Progress)
	current Progress
	fresh   bool // the current block has no line yet
	lines   output.Lines
}

func newProgressParser(report func(Progress)) *progressParser {
	p := &progressParser{report: report, fresh: true}
	p.lines = output.Lines{Limit: maxProgressLine, Each: p.line}
	return p
}

func (p *progressParser) Write(data []byte) (int, error) { return p.lines.Write(data) }

func (p *progressParser) line(line []byte) error {
	key, value, ok := strings.Cut(string(line), "=")
	if !ok {
		return nil // newer versions may add lines of another form
	}
	if p.fresh {
		p.current, p.fresh = Progress{OutTime: -1, Bytes: -1}, false
	}
	value = strings.TrimSpace(value)
	switch key {
	case "frame":
		p.current.Frame = output.Count(value, 0)
	case "out_time_us": // not out_time_ms, which is in microseconds too, by an old mistake that ffmpeg keeps
		p.current.OutTime = output.Count(value, -1)
	case "total_size":
		p.current.Bytes = output.Count(value, -1)
	case "progress":
		p.current.End = value == "end"
		p.fresh = true
		p.report(p.current)
	}
	return nil
}
