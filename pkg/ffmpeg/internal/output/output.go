// Package output parses the text that ffmpeg and ffprobe write: lines, counts, fractions and times.
// Malformed numbers are unknown values, not errors.
package output

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/mapreel/mapreel/pkg/media"
)

// MaxLine bounds a line of ffmpeg's and ffprobe's logs, in bytes; the longest has about 100.
const MaxLine = 1024

// Lines is an io.Writer that calls Each for every line, without its end. A line longer than Limit
// is cut there and its rest discarded, so memory stays bounded for any input.
type Lines struct {
	Limit int
	Each  func(line []byte) error
	rest  []byte // of a line that has no end yet
}

// Write takes more of the text. It stops at the first error of Each.
func (l *Lines) Write(data []byte) (int, error) {
	written := len(data)
	for {
		end := bytes.IndexByte(data, '\n')
		if end < 0 {
			l.hold(data)
			return written, nil
		}
		l.hold(data[:end])
		data = data[end+1:]
		line := bytes.TrimSuffix(l.rest, []byte("\r"))
		err := l.Each(line)
		l.rest = l.rest[:0]
		if err != nil {
			return 0, err
		}
	}
}

func (l *Lines) hold(data []byte) {
	if room := l.Limit - len(l.rest); len(data) > room {
		data = data[:room]
	}
	l.rest = append(l.rest, data...)
}

// Count parses a whole number that cannot be negative. It returns fallback for "N/A" and other
// text.
func Count(text string, fallback int64) int64 {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || n < 0 {
		return fallback
	}
	return n
}

// Rational parses "1/12800" or "16:9". It returns the zero value, unknown, unless both parts are
// positive.
func Rational(text, separator string) media.Rational {
	left, right, ok := strings.Cut(text, separator)
	if !ok {
		return media.Rational{}
	}
	r := media.Rational{Num: Count(left, 0), Den: Count(right, 0)}
	if !r.Known() {
		return media.Rational{}
	}
	return r
}

// maxMicros is 100,000 years: longer than any media, and far below where sums overflow.
const maxMicros = 100_000 * 366 * 24 * 3600 * 1_000_000

// Micros parses seconds, "-1.000023", as microseconds, without floating point.
func Micros(text string) (us int64, ok bool) {
	digits, negative := strings.CutPrefix(text, "-")
	whole, fraction, _ := strings.Cut(digits, ".")
	s, err := strconv.ParseUint(whole, 10, 63)
	if err != nil || s > maxMicros/1_000_000 {
		return 0, false
	}
	fraction = (fraction + "000000")[:6]
	f, err := strconv.ParseUint(fraction, 10, 63)
	if err != nil {
		return 0, false
	}
	us = int64(s)*1_000_000 + int64(f)
	if negative {
		us = -us
	}
	return us, true
}
