// Package filter says which of ffmpeg's video filters a user may apply to the frames of a segment, and with which arguments.
//
//	chain, err := filter.Parse("nlmeans=s=3,eq=contrast=1.1")
//	graph := chain.Graph(filter.Colours{Matrix: "bt709", Range: "tv", Format: "yuv420p"})
//
// A filter is allowed if each frame that it gives depends on one frame alone, of the same size and time: then segments meet
// without a seam. The others are refused by name. Arguments are names and values of known forms, none of which can reach a file,
// a command or the network.
package filter

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/mapreel/mapreel/pkg/ffmpeg/internal/rule"
)

// Chain is a list of filters, applied in order.
type Chain struct{ steps []step }

type step struct {
	kind kind
	text string // as ffmpeg takes it
}

// kind is what is known of a filter.
type kind struct {
	name    string
	options map[string]rule.Rule
	rgb     bool // works on RGB
	shallow bool // works on 8 bits only
	rows    bool // uses neighbouring rows, which are of the other field in an interlaced frame
	flips   bool // changes where things are
}

// maxFilters and maxLength bound a chain and its text, in filters and in bytes.
const (
	maxFilters = 8
	maxLength  = 1000
)

// name matches the names of filters and of their options.
var name = regexp.MustCompile(`^[a-z0-9][A-Za-z0-9_]*$`)

// Parse parses filters as ffmpeg takes them, with names for all arguments: "eq=contrast=1.1:gamma=0.9,hflip".
func Parse(text string) (Chain, error) {
	var c Chain
	if text == "" {
		return c, nil
	}
	if len(text) > maxLength {
		return c, fmt.Errorf("more than %d characters", maxLength)
	}
	for part := range strings.SplitSeq(text, ",") {
		s, err := parseStep(part)
		if err != nil {
			return Chain{}, err
		}
		c.steps = append(c.steps, s)
	}
	if len(c.steps) > maxFilters {
		return Chain{}, fmt.Errorf("%d filters; at most %d", len(c.steps), maxFilters)
	}
	return c, nil
}

func parseStep(text string) (step, error) {
	filter, arguments, given := strings.Cut(text, "=")
	i := slices.IndexFunc(kinds, func(k kind) bool { return k.name == filter })
	if i < 0 {
		return step{}, refuse(filter)
	}
	k := kinds[i]
	if !given {
		return step{k, filter}, nil
	}
	var seen []string
	for argument := range strings.SplitSeq(arguments, ":") {
		key, value, ok := strings.Cut(argument, "=")
		if !ok {
			return step{}, fmt.Errorf("%s: %.40q is not of the form name=value", filter, argument)
		}
		check := k.options[key]
		if check == nil {
			return step{}, fmt.Errorf("%s: %.40q is not an argument that can be set; there are: %s", filter, key, strings.Join(slices.Sorted(maps.Keys(k.options)), ", "))
		}
		if problem := check(value); problem != "" {
			return step{}, fmt.Errorf("%s: %s: %.60q is not %s", filter, key, value, problem)
		}
		if slices.Contains(seen, key) {
			return step{}, fmt.Errorf("%s: %s is set twice", filter, key)
		}
		seen = append(seen, key)
	}
	return step{k, filter + "=" + arguments}, nil
}

// refuse returns why a filter is not allowed.
func refuse(filter string) error {
	if !name.MatchString(filter) {
		return fmt.Errorf("%.40q is not the name of a filter; filters are written name=argument=value:argument=value, with commas between them", filter)
	}
	for _, r := range refusals {
		if slices.Contains(strings.Fields(r.names), filter) {
			return fmt.Errorf("%s cannot be used: %s", filter, r.reason)
		}
	}
	return fmt.Errorf("%.40s is not a filter that is known to need one frame alone; there are: %s", filter, strings.Join(Names(), ", "))
}

// Names returns the filters that are allowed, sorted.
func Names() (names []string) {
	for _, k := range kinds {
		names = append(names, k.name)
	}
	slices.Sort(names)
	return names
}

// Shallow returns the first filter that has 8 bits per sample only, or "".
func (c Chain) Shallow() string { return c.first(func(k kind) bool { return k.shallow }) }

// MixesRows returns the first filter that uses neighbouring rows or moves them, or "".
func (c Chain) MixesRows() string { return c.first(func(k kind) bool { return k.rows || k.flips }) }

func (c Chain) first(is func(kind) bool) string {
	for _, s := range c.steps {
		if is(s.kind) {
			return s.kind.name
		}
	}
	return ""
}

// Colours are how the samples of frames are stored.
type Colours struct {
	Matrix string // the scale filter's name of the matrix: "bt709"
	Range  string // "tv" or "pc"
	Format string // "yuv420p", "yuv420p10le" or "p010le"
}

// ColoursOf returns the colours of frames by ffprobe's names of their matrix and range. A matrix that is not declared is guessed as players
// do: that of HD (BT.709) or of SD (BT.601).
func ColoursOf(space, colourRange, format string, hd bool) Colours {
	c := Colours{Matrix: "bt601", Range: "tv", Format: format}
	if hd {
		c.Matrix = "bt709"
	}
	switch space {
	case "bt709", "fcc", "smpte240m":
		c.Matrix = space
	case "bt470bg", "smpte170m":
		c.Matrix = "bt601"
	case "bt2020nc", "bt2020c":
		c.Matrix = "bt2020"
	}
	if colourRange == "pc" {
		c.Range = "pc"
	}
	return c
}

// Graph returns the filters of a graph that apply the chain to frames of those colours, which they keep. Filters of RGB stand between
// conversions, which ffmpeg would choose without regard to the matrix.
func (c Chain) Graph(of Colours) (filters []string) {
	rgb := "gbrp"
	if strings.Contains(of.Format, "10") {
		rgb = "gbrp10le"
	}
	inRGB := false
	convert := func(to bool) {
		switch {
		case to && !inRGB:
			filters = append(filters, fmt.Sprintf("scale=in_color_matrix=%s:in_range=%s:flags=bicubic+accurate_rnd+full_chroma_int", of.Matrix, of.Range), "format="+rgb)
		case !to && inRGB:
			filters = append(filters, fmt.Sprintf("scale=out_color_matrix=%s:out_range=%s:flags=bicubic+accurate_rnd+full_chroma_int", of.Matrix, of.Range), "format="+of.Format)
		}
		inRGB = to
	}
	for _, s := range c.steps {
		convert(s.kind.rgb)
		filters = append(filters, s.text)
	}
	convert(false)
	return filters
}

// Options returns the arguments of a filter that can be set, sorted, with spaces between them.
func Options(filter string) string {
	for _, k := range kinds {
		if k.name == filter {
			return strings.Join(slices.Sorted(maps.Keys(k.options)), " ")
		}
	}
	return ""
}
