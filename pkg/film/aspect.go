package film

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
)

// Aspect is a ratio of width to height. In JSON it is a string such as "16:9". The zero value means that none is set.
type Aspect struct{ Num, Den int64 }

// aspect matches the text form.
var aspect = regexp.MustCompile(`^([0-9]{1,4}):([0-9]{1,4})$`)

// maxAspect bounds an aspect and its reciprocal: a picture of 20:1 is a slip of the pen.
const maxAspect = 20

// ParseAspect parses "16:9".
func ParseAspect(s string) (Aspect, error) {
	m := aspect.FindStringSubmatch(s)
	if m == nil {
		return Aspect{}, fmt.Errorf("%.40q is not an aspect such as 16:9", s)
	}
	width, _ := strconv.ParseInt(m[1], 10, 64) // four digits
	height, _ := strconv.ParseInt(m[2], 10, 64)
	if width == 0 || height == 0 || width > maxAspect*height || height > maxAspect*width {
		return Aspect{}, fmt.Errorf("%s is outside 1:%d to %d:1", s, maxAspect, maxAspect)
	}
	return Aspect{width, height}, nil
}

// UnmarshalJSON parses a string as ParseAspect does.
func (a *Aspect) UnmarshalJSON(data []byte) error {
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return fmt.Errorf("%.40s is not an aspect such as \"16:9\"", data)
	}
	v, err := ParseAspect(text)
	*a = v
	return err
}

// MarshalText returns the form that ParseAspect parses.
func (a Aspect) MarshalText() ([]byte, error) { return fmt.Appendf(nil, "%d:%d", a.Num, a.Den), nil }
