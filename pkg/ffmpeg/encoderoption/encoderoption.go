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
