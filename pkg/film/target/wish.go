package target

import (
	"fmt"
	"regexp"
	"strconv"
)

// Wish is a Quality in one text, as on a command line: "xpsnr=42", or "ssim=0.98,18-36" with the CRF that may be used.
type Wish Quality

var wish = regexp.MustCompile(`^([a-z]+)=([0-9]+(?:\.[0-9]+)?)(?:,([0-9]{1,2})-([0-9]{1,2}))?$`)

// UnmarshalText parses the text. What it says is checked with the request.
func (w *Wish) UnmarshalText(text []byte) error {
	m := wish.FindSubmatch(text)
	if m == nil {
		return fmt.Errorf("%.40q is not a quality such as xpsnr=42, or xpsnr=42,18-36 with the lowest and the highest CRF", text)
	}
	value, err := strconv.ParseFloat(string(m[2]), 64)
	if err != nil {
		return err
	}
	*w = Wish{Metric: Metric(m[1]), Target: value}
	if len(m[3]) > 0 {
		w.Min, _ = strconv.Atoi(string(m[3])) // digits only
		w.Max, _ = strconv.Atoi(string(m[4]))
		if w.Min == 0 || w.Max == 0 {
			return fmt.Errorf("%.40q: the lowest CRF to use is 1", text)
		}
	}
	return nil
}

// Fields returns the fields of the Quality, as they are in a request.
func (w Wish) Fields() map[string]any {
	fields := map[string]any{"metric": string(w.Metric), "target": w.Target}
	if w.Min != 0 {
		fields["min"], fields["max"] = w.Min, w.Max
	}
	return fields
}
