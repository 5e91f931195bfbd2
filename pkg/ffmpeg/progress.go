package ffmpeg

import (
	"bytes"
	"math"
	"strconv"
	"strings"
)

// Progress is one report of a running ffmpeg, twice a second and once at its end.
type Progress struct {
	Frame      int64 // frames handed to the first encoder so far
	OutTime    int64 // microseconds of output so far; -1 = not known yet. It counts from 0 whatever -output_ts_offset says
	Bytes      int64 // size of the output so far; -1 = not known
	MilliFPS   int64 // thousandths of frames a second, averaged since the start; 0 = not known yet
	MilliSpeed int64 // thousandths of real time; 0 = not known yet
	Duplicated int64 // frames that ffmpeg repeated to keep a constant rate; always 0 with VideoArgs
	Dropped    int64 // frames that ffmpeg dropped to keep a constant rate; always 0 with VideoArgs
	End        bool  // the last report of a run that reached its end
}

// maxProgressLine bounds a line; ffmpeg's longest is about 60 bytes.
const maxProgressLine = 4096

// progressParser is an io.Writer that reads the blocks of `-progress`: lines of key=value that a line
// "progress=continue" or "progress=end" closes. It holds at most one line.
type progressParser struct {
	report  func(Progress)
	current Progress
	fresh   bool // the current block has no line yet
	lines   lineSplitter
}

func newProgressParser(report func(Progress)) *progressParser {
	p := &progressParser{report: report, fresh: true}
	p.lines = lineSplitter{limit: maxProgressLine, each: p.line}
	return p
}

func (p *progressParser) Write(data []byte) (int, error) { return p.lines.Write(data) }

func (p *progressParser) line(line []byte) error {
	key, value, ok := strings.Cut(string(line), "=")
	if !ok {
		return nil // newer versions may add lines; what is not key=value says nothing to us
	}
	if p.fresh {
		p.current, p.fresh = Progress{OutTime: -1, Bytes: -1}, false
	}
	value = strings.TrimSpace(value)
	switch key {
	case "frame":
		p.current.Frame = count(value, 0)
	case "out_time_us": // out_time_ms is in microseconds too, by an old mistake that ffmpeg keeps; so it is not read
		p.current.OutTime = count(value, -1)
	case "total_size":
		p.current.Bytes = count(value, -1)
	case "fps":
		p.current.MilliFPS = milli(value)
	case "speed":
		p.current.MilliSpeed = milli(strings.TrimSuffix(value, "x"))
	case "dup_frames":
		p.current.Duplicated = count(value, 0)
	case "drop_frames":
		p.current.Dropped = count(value, 0)
	case "progress":
		p.current.End = value == "end"
		p.fresh = true
		p.report(p.current)
	}
	return nil
}

// count reads a whole number that cannot be negative; "N/A" and what is not a number are the fallback.
func count(value string, fallback int64) int64 {
	n, err := strconv.ParseInt(value, 10, 64)
	if err != nil || n < 0 {
		return fallback
	}
	return n
}

// milli reads "23.98" or "1.2e+03" as thousandths; what is not a number is 0.
func milli(value string) int64 {
	f, err := strconv.ParseFloat(strings.TrimSpace(value), 64)
	if err != nil || math.IsNaN(f) || f <= 0 || f > 1e12 {
		return 0
	}
	return int64(math.Round(f * 1000))
}

// lineSplitter is an io.Writer that calls each for every line, without its end. A line longer than limit is cut there
// and its rest dropped, so memory stays bounded whatever is written.
type lineSplitter struct {
	limit int
	each  func(line []byte) error
	rest  []byte
}

func (s *lineSplitter) Write(data []byte) (int, error) {
	written := len(data)
	for {
		end := bytes.IndexByte(data, '\n')
		if end < 0 {
			s.keep(data)
			return written, nil
		}
		s.keep(data[:end])
		data = data[end+1:]
		line := bytes.TrimSuffix(s.rest, []byte("\r"))
		err := s.each(line)
		s.rest = s.rest[:0]
		if err != nil {
			return 0, err
		}
	}
}

// flush hands over a last line that has no end.
func (s *lineSplitter) flush() error {
	if len(s.rest) == 0 {
		return nil
	}
	line := s.rest
	s.rest = nil
	return s.each(line)
}

func (s *lineSplitter) keep(data []byte) {
	if room := s.limit - len(s.rest); len(data) > room {
		data = data[:room]
	}
	s.rest = append(s.rest, data...)
}
