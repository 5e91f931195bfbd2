package media

import (
	"path"
	"regexp"
	"strconv"
	"strings"
)

// Pattern names the frames of an image sequence, which lie in one folder: "%05d.png" those with a number in
// that place, "*.exr" all whose names match, as a shell does.
type Pattern struct {
	prefix, suffix string
	digits         int    // the least number of digits
	glob           string // "" where the pattern has a number
}

// numbered matches a name with one number as printf writes it.
var numbered = regexp.MustCompile(`^([^%]*)%(?:0([0-9]{1,2}))?d([^%]*)$`)

// ParsePattern returns the pattern that the last element of a path is. ok is false for any other name. A name
// in brackets alone, such as "film [1080p].mkv", is none.
func ParsePattern(source string) (_ Pattern, ok bool) {
	name := path.Base(source)
	if m := numbered.FindStringSubmatch(name); m != nil && !strings.ContainsAny(name, "*?") {
		digits, _ := strconv.Atoi(m[2]) // two digits, or none
		return Pattern{prefix: m[1], suffix: m[3], digits: max(digits, 1)}, true
	}
	if !strings.ContainsAny(name, "*?") {
		return Pattern{}, false
	}
	if _, err := path.Match(name, ""); err != nil {
		return Pattern{}, false
	}
	return Pattern{prefix: name[:strings.IndexAny(name, `*?[\`)], glob: name}, true
}

// Prefix returns how the names of all frames begin.
func (p Pattern) Prefix() string { return p.prefix }

// Match reports whether name is that of a frame. Hidden files match only a pattern that begins with their point.
func (p Pattern) Match(name string) bool {
	if strings.HasPrefix(name, ".") && !strings.HasPrefix(p.prefix, ".") {
		return false
	}
	if p.glob != "" {
		ok, err := path.Match(p.glob, name)
		return ok && err == nil
	}
	number, ok := strings.CutPrefix(name, p.prefix)
	if !ok || len(number) < len(p.suffix) {
		return false
	}
	if number, ok = strings.CutSuffix(number, p.suffix); !ok || len(number) < p.digits || len(number) > 18 {
		return false
	}
	for _, c := range number {
		if c < '0' || c > '9' {
			return false
		}
	}
	return len(number) == p.digits || number[0] != '0'
}
