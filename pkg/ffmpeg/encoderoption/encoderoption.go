// Package encoderoption says which of an encoder's own options a user may set, and to which values.
//
//	options, err := encoderoption.Parse("libx264", "aq-mode=3:psy-rd=1,0.15")
//
// An option is allowed if it changes how a frame is coded, and nothing else. Refused by name is what would make segments
// meet at a seam, what mapreel sets itself, and what would give other bytes on another machine. Whatever is in neither list
// is unknown. Values are checked before an encoder sees them, because ffmpeg only warns of most that are wrong.
package encoderoption

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Option is one option of an encoder, under the encoder's own name.
type Option struct{ Key, Value string }

// maxLength bounds the text of all options, in bytes.
const maxLength = 1000

// NVENC names the encoders of NVIDIA's GPUs, which have the same options.
const NVENC = "nvenc"

// Parse parses "key=value:key=value" for one of ffmpeg's encoders: libx264, libx265, libvpx-vp9, libsvtav1 or NVENC.
// The error says what is wrong with the first option that is not allowed, and why.
func Parse(encoder, text string) ([]Option, error) {
	if text == "" {
		return nil, nil
	}
	if len(text) > maxLength {
		return nil, fmt.Errorf("more than %d characters", maxLength)
	}
	var list []Option
	for part := range strings.SplitSeq(text, ":") {
		key, value, ok := strings.Cut(part, "=")
		if !ok || key == "" || value == "" {
			return nil, fmt.Errorf("%.40q is not of the form key=value, such as %s; options are separated by colons, and parts of a value by commas", part, examples[encoder])
		}
		if slices.ContainsFunc(list, func(o Option) bool { return o.Key == key }) {
			return nil, fmt.Errorf("%s is set twice", key)
		}
		if err := check(encoder, key, value); err != nil {
			return nil, err
		}
		list = append(list, Option{key, value})
	}
	return list, nil
}

// examples are what messages show.
var examples = map[string]string{"libx264": "aq-mode=3", "libx265": "aq-mode=3", "libvpx-vp9": "aq-mode=2", "libsvtav1": "tune=0", NVENC: "spatial-aq=1"}

// check returns what is wrong with an option of an encoder.
func check(encoder, key, value string) error {
	if allows, ok := allowed[encoder][key]; ok {
		if problem := allows(value); problem != "" {
			return fmt.Errorf("%s: %.40q is not %s", key, value, problem)
		}
		return nil
	}
	if reason := refusal(encoder, key); reason != "" {
		return fmt.Errorf("%s cannot be set: %s", key, reason)
	}
	if plain, ok := strings.CutPrefix(key, "no-"); ok && allowed[encoder][plain] != nil {
		return fmt.Errorf("%s: write %s=0", key, plain)
	}
	if dashed := strings.ReplaceAll(key, "_", "-"); dashed != key && allowed[encoder][dashed] != nil {
		return fmt.Errorf("%.40s is called %s here", key, dashed)
	}
	return fmt.Errorf("%.40q is not an option of %s that can be set; there are: %s", key, encoder, strings.Join(Keys(encoder), ", "))
}

// refusal returns why an option of an encoder cannot be set, or "".
func refusal(encoder, key string) string {
	key = strings.ReplaceAll(strings.TrimPrefix(key, "no-"), "_", "-")
	for _, list := range [][]refused{refusals[encoder], everywhere} {
		for _, r := range list {
			if slices.Contains(strings.Fields(r.keys), key) {
				return r.reason
			}
		}
	}
	return ""
}

// Keys returns the options of an encoder that can be set, sorted.
func Keys(encoder string) []string { return slices.Sorted(maps.Keys(allowed[encoder])) }

// Value returns the value of an option, or "" if it is not set.
func Value(list []Option, key string) string {
	for _, o := range list {
		if o.Key == key {
			return o.Value
		}
	}
	return ""
}

// rule returns what a value must be if it is not allowed, else "".
type rule func(value string) string

// whole allows the whole numbers from low to high.
func whole(low, high int) rule {
	return func(value string) string {
		if n, err := strconv.Atoi(value); err != nil || n < low || n > high || len(value) > 6 {
			return fmt.Sprintf("a whole number from %d to %d", low, high)
		}
		return ""
	}
}

// decimal allows the numbers from low to high, with at most three decimals.
func decimal(low, high float64) rule {
	return func(value string) string {
		if n, err := strconv.ParseFloat(value, 64); err != nil || n < low || n > high || len(value) > 8 || strings.Trim(value, "-.0123456789") != "" {
			return fmt.Sprintf("a number from %g to %g", low, high)
		}
		return ""
	}
}

// words allows the words of a list.
func words(list ...string) rule {
	return func(value string) string {
		if !slices.Contains(list, value) {
			return "one of " + strings.Join(list, ", ")
		}
		return ""
	}
}

// onOff allows 0 and 1.
func onOff(value string) string { return words("0", "1")(value) }

// upTo allows one to most values of a rule, with commas between them.
func upTo(most int, each rule) rule {
	return func(value string) string {
		parts := strings.Split(value, ",")
		for _, part := range parts {
			if problem := each(part); problem != "" || len(parts) > most {
				return fmt.Sprintf("one to %d values with commas between them, each %s", most, orElse(problem, "allowed"))
			}
		}
		return ""
	}
}

func orElse(s, fallback string) string {
	if s == "" {
		return fallback
	}
	return s
}
