package film

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/big"
	"regexp"
	"strconv"
)

// FrameRate is a number of frames a second, as a reduced fraction. In JSON it is a number, or a string such as "25" or
// "30000/1001". The zero value is none.
type FrameRate struct{ Num, Den int64 }

// frameRate is the text form: a fraction of whole numbers, or a decimal number.
var frameRate = regexp.MustCompile(`^([0-9]{1,9})(?:/([0-9]{1,9})|\.([0-9]{1,6}))?$`)

// broadcast are the decimals by which people call rates that are fractions of 1001 (SMPTE ST 12-1).
var broadcast = map[string]FrameRate{
	"23.976": {24000, 1001}, "23.98": {24000, 1001}, "29.97": {30000, 1001}, "47.952": {48000, 1001}, "47.95": {48000, 1001},
	"59.94": {60000, 1001}, "119.88": {120000, 1001},
}

// Limits of a frame rate: a slide show of a frame in a minute, and beyond every camera.
const (
	minFrameRate = 60   // seconds a frame
	maxFrameRate = 1000 // frames a second
)

// ParseFrameRate reads "25", "12.5", "30000/1001" or "29.97", which means 30000/1001.
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
		return FrameRate{}, fmt.Errorf("%s frames a second is outside 1/%d to %d", s, minFrameRate, maxFrameRate)
	}
	// ffmpeg takes fractions of larger numbers for the nearest of smaller ones.
	if !r.Num().IsInt64() || r.Num().Int64() > 1_000_000 || r.Denom().Int64() > 1_000_000 {
		return FrameRate{}, fmt.Errorf("%s is too fine a fraction; at most 1000000 above and below the line", s)
	}
	return FrameRate{r.Num().Int64(), r.Denom().Int64()}, nil
}

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

func (f FrameRate) String() string {
	if f.Den == 1 {
		return strconv.FormatInt(f.Num, 10)
	}
	return fmt.Sprintf("%d/%d", f.Num, f.Den)
}

// MarshalText keeps a FrameRate readable: "30000/1001".
func (f FrameRate) MarshalText() ([]byte, error) { return []byte(f.String()), nil }
