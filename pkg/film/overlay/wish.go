package overlay

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Wish is an Overlay in one text, as on a command line: "logo.png", "logo.png@top-left" or
// "logo.png@top-left,height=12,margin=4,opacity=60".
type Wish Overlay

// UnmarshalText implements encoding.TextUnmarshaler. What follows the last @ is taken for a place if it begins with the name of one; any
// other @ belongs to the name of the file.
func (w *Wish) UnmarshalText(text []byte) error {
	s := string(text)
	*w = Wish{Image: s}
	at := strings.LastIndexByte(s, '@')
	if at < 0 {
		return nil
	}
	fields := strings.Split(s[at+1:], ",")
	if !slices.Contains(corners, Corner(fields[0])) {
		if len(fields) > 1 || !strings.Contains(fields[0], ".") { // not logo@2x.png
			return fmt.Errorf("%.40q is not a place; there are: %s", fields[0], list())
		}
		return nil
	}
	w.Image, w.At = s[:at], Corner(fields[0])
	for _, field := range fields[1:] {
		name, value, _ := strings.Cut(field, "=")
		n, err := strconv.Atoi(strings.TrimSuffix(value, "%"))
		low := 1
		switch name {
		case "height":
			w.Height = n
		case "margin":
			w.Margin, low = &n, 0
		case "opacity":
			w.Opacity = n
		default:
			return fmt.Errorf("%.40q is not one of height, margin, opacity", name)
		}
		if err != nil || n < low || n > maxPercent {
			return fmt.Errorf("%s: %.20q is not a whole number of percent", name, value)
		}
	}
	return nil
}

// Fields returns the fields of the Overlay, as they are in a request.
func (w Wish) Fields() map[string]any {
	fields := map[string]any{"image": w.Image}
	if w.At != "" {
		fields["at"] = string(w.At)
	}
	if w.Height != 0 {
		fields["height"] = w.Height
	}
	if w.Margin != nil {
		fields["margin"] = *w.Margin
	}
	if w.Opacity != 0 {
		fields["opacity"] = w.Opacity
	}
	return fields
}
