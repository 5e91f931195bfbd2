// Package flagvalue parses the values of flags, with error messages in plain words.
package flagvalue

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/price"
)

// Plain returns an error of the command line with a list of values that users can give: kong lists the empty default of a flag, which
// stands for the flag that is not given, as one of them.
func Plain(err error) error {
	text := err.Error()
	if plain := strings.Replace(text, ` must be one of "",`, " must be one of ", 1); plain != text {
		return errors.New(plain)
	}
	return err
}

// WholeNumber is the value of an integer flag.
type WholeNumber int

// UnmarshalText implements encoding.TextUnmarshaler.
func (w *WholeNumber) UnmarshalText(text []byte) error {
	n, err := strconv.Atoi(string(text))
	if err != nil {
		return fmt.Errorf("%q is not a whole number", text)
	}
	*w = WholeNumber(n)
	return nil
}

// Money is the value of a flag in US dollars, such as 2.50.
type Money price.Money

// UnmarshalText implements encoding.TextUnmarshaler.
func (m *Money) UnmarshalText(text []byte) error {
	v, err := price.ParseMoney(string(text))
	if err == nil && v == 0 {
		err = fmt.Errorf("%q is no amount that a job could do with", text)
	}
	*m = Money(v)
	return err
}

// Duration is the value of a flag such as "10s" or "1m30s", or a number of seconds.
type Duration time.Duration

// UnmarshalText implements encoding.TextUnmarshaler.
func (l *Duration) UnmarshalText(text []byte) error {
	d, err := time.ParseDuration(string(text))
	if err != nil {
		if d, err = time.ParseDuration(string(text) + "s"); err != nil {
			return fmt.Errorf("%q is not a duration such as 10s or 1m30s", text)
		}
	}
	*l = Duration(d)
	return nil
}

// Seconds returns the value as a request has it, 0 without the flag.
func (l *Duration) Seconds() film.Seconds {
	if l == nil {
		return 0
	}
	return film.Seconds(*l)
}

// Moments is the value of a flag that lists moments of a film: "12,1:30,1:02:03.5", or durations since its beginning.
type Moments []film.Seconds

// UnmarshalText implements encoding.TextUnmarshaler.
func (m *Moments) UnmarshalText(text []byte) error {
	*m = nil
	for item := range strings.SplitSeq(string(text), ",") {
		at, err := parseMoment(strings.TrimSpace(item))
		if err != nil {
			return err
		}
		*m = append(*m, at)
	}
	return nil
}

// Moment is the value of a flag that names a moment of a film: "12", "1:30", "1:02:03.5" or "1m30s".
type Moment film.Seconds

// UnmarshalText implements encoding.TextUnmarshaler.
func (m *Moment) UnmarshalText(text []byte) error {
	at, err := parseMoment(strings.TrimSpace(string(text)))
	*m = Moment(at)
	return err
}

// parseMoment parses "1:02:03.5", "1:30", "12" or "1m30s".
func parseMoment(text string) (film.Seconds, error) {
	bad := fmt.Errorf("%.40q is not a moment such as 12, 1:30 or 1:02:03.5", text)
	parts := strings.Split(text, ":")
	var minutes time.Duration
	for _, p := range parts[:len(parts)-1] {
		n, err := strconv.ParseUint(p, 10, 16)
		if err != nil {
			return 0, bad
		}
		minutes = minutes*60 + time.Duration(n)*time.Minute
	}
	var last Duration
	if err := last.UnmarshalText([]byte(parts[len(parts)-1])); err != nil || last < 0 || len(parts) > 3 {
		return 0, bad
	}
	if len(parts) > 1 && time.Duration(last) >= time.Minute {
		return 0, bad
	}
	return film.Seconds(minutes) + film.Seconds(last), nil
}
