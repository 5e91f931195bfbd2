package film

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"regexp"
	"strconv"
)

// FrameRate is a number of frames per second, as a reduced fraction. In JSON it is a number, or a
// string such as "25" or "30000/1001". The zero value means that none is set.
type FrameRate struct{ Num, Den int64 }

// frameRate matches the text form: a fraction of whole numbers, or a decimal number.
var frameRate = regexp.MustCompile(`^([0-9]{1,9})(?:/([0-9]{1,9})|\.([0-9]{1,6}))?$`)

// broadcast maps the usual decimal names of rates with a denominator of 1001 (SMPTE ST 12-1) to the
// exact rates.
var broadcast = map[string]FrameRate{
	"23.976": {24000, 1001}, "23.98": {24000, 1001}, "29.97": {30000, 1001}, "47.952": {48000, 1001}, "47.95": {48000, 1001},
	"59.94": {60000, 1001}, "119.88": {120000, 1001},
}

// Limits of a frame rate: a slide show with one frame per minute, and more than any camera records.
const (
	minFrameRate = 60   // seconds per frame
	maxFrameRate = 1000 // frames per second
)

// ParseFrameRate parses "25", "12.5", "30000/1001" or "29.97", which means 30000/1001.
func ParseFrameRate(s string) (FrameRate, error) {
	bad := fmt.Errorf("%.40q is not a frame rate such as 25 or 30000/1001", s)
	if f, ok := broadcast[s]; ok {
		return f, nil
	}
	m := frameRate.FindStringSubmatch(s)
	if m == nil || m[2] != "" && m[3] != "" {
		return FrameRate{}, bad
	}
	r, ok := new(big.Rat).SetString(s)
	if !ok || r.Sign() <= 0 {
		return FrameRate{}, bad
	}
	if r.Cmp(big.NewRat(maxFrameRate, 1)) > 0 || r.Cmp(big.NewRat(1, minFrameRate)) < 0 {
		return FrameRate{}, fmt.Errorf("%s frames per second is outside 1/%d to %d", s, minFrameRate, maxFrameRate)
	}
	// ffmpeg rounds a fraction of larger numbers to the nearest one of smaller numbers.
	if !r.Num().IsInt64() || r.Num().Int64() > 1_000_000 || r.Denom().Int64() > 1_000_000 {
		return FrameRate{}, fmt.Errorf("%s has too many digits; numerator and denominator may be at most 1000000", s)
	}
	return FrameRate{r.Num().Int64(), r.Denom().Int64()}, nil
}

// UnmarshalJSON parses a number, or a string as ParseFrameRate does.
func (f *FrameRate) UnmarshalJSON(data []byte) error {
	text := string(data)
	if bytes.HasPrefix(data, []byte(`"`)) {
		if err := json.Unmarshal(data, &text); err != nil {
			return err
		}
	}
	v, err := ParseFrameRate(text)
	*f = v
	return err
}

// String returns "25" or "30000/1001".
func (f FrameRate) String() string {
	if f.Den == 1 {
		return strconv.FormatInt(f.Num, 10)
	}
	return fmt.Sprintf("%d/%d", f.Num, f.Den)
}

// MarshalText returns the readable form: "30000/1001".
func (f FrameRate) MarshalText() ([]byte, error) { return []byte(f.String()), nil }
