package film

import "slices"

// layout is a channel layout: ffmpeg's name, and the number of its channels.
type layout struct {
	name     string
	channels int
}

// layouts are the layouts that ffmpeg 5.1 names. Newer ones name some more.
var layouts = []layout{
	{"mono", 1},
	{"stereo", 2},
	{"downmix", 2},
	{"2.1", 3},
	{"3.0", 3},
	{"3.0(back)", 3},
	{"3.1", 4},
	{"4.0", 4},
	{"quad", 4},
	{"quad(side)", 4},
	{"4.1", 5},
	{"5.0", 5},
	{"5.0(side)", 5},
	{"5.1", 6},
	{"5.1(side)", 6},
	{"6.0", 6},
	{"6.0(front)", 6},
	{"hexagonal", 6},
	{"6.1", 7},
	{"6.1(back)", 7},
	{"6.1(front)", 7},
	{"7.0", 7},
	{"7.0(front)", 7},
	{"7.1", 8},
	{"7.1(wide)", 8},
	{"7.1(wide-side)", 8},
	{"octagonal", 8},
	{"hexadecagonal", 16},
}

// usualLayouts are the layouts that ffmpeg assumes for so many channels where a source declares
// none (av_get_default_channel_layout); index 0 is unused.
var usualLayouts = []string{"", "mono", "stereo", "2.1", "4.0", "5.0", "5.1", "6.1", "7.1"}

// aacLayouts are the layouts that AAC gets instead of others, because it has configurations of its
// own for them (ISO/IEC 14496-3, table 1.19) that every player knows. No channel is lost. The other
// layouts stay as they are: AAC describes them in a program configuration element.
var aacLayouts = map[string]string{
	"downmix": "stereo", "3.0(back)": "5.0", "quad": "5.0", "quad(side)": "5.0", "4.1": "5.1", "5.0(side)": "5.0", "5.1(side)": "5.1",
}

// opusLayouts are the layouts that Opus gets. It has no others than those of channel mapping family
// 1 (RFC 7845, 5.1.1.2), the last one that assigns a position to each channel.
var opusLayouts = map[string]string{
	"mono": "mono", "stereo": "stereo", "downmix": "stereo", "2.1": "5.1", "3.0": "3.0", "3.0(back)": "quad", "4.0": "5.0", "quad": "quad", "quad(side)": "quad",
	"3.1": "5.1", "4.1": "5.1", "5.0": "5.0", "5.0(side)": "5.0", "5.1": "5.1", "5.1(side)": "5.1", "6.0": "7.1", "hexagonal": "7.1",
	"6.1": "6.1", "6.1(back)": "7.1", "7.0": "7.1", "7.1": "7.1",
	// These lose channels.
	"6.0(front)": "5.0", "6.1(front)": "5.1", "7.0(front)": "5.0", "7.1(wide)": "5.1", "7.1(wide-side)": "5.1",
	"octagonal": "7.1", "hexadecagonal": "7.1",
}

// opusDownmixes are the layouts whose channels Opus does not hold all.
var opusDownmixes = []string{"6.0(front)", "6.1(front)", "7.0(front)", "7.1(wide)", "7.1(wide-side)", "octagonal", "hexadecagonal"}

// Layout returns the channel layout in which c, which must not be a copy, encodes a track of a
// layout ("" where the source declares none) with so many channels. mixed reports that channels are
// mixed with others. ok is false if the channels have no known positions and are too many to guess
// them, so that they can be neither kept nor mixed.
func (c AudioCodec) Layout(name string, channels int) (to string, toChannels int, mixed, ok bool) {
	if name == "" {
		if channels <= 0 || channels >= len(usualLayouts) {
			return "", 0, false, false
		}
		name = usualLayouts[channels]
	}
	switch replaced := aacLayouts[name]; {
	case !slices.ContainsFunc(layouts, func(l layout) bool { return l.name == name }):
		// Of a layout without a table entry, as of a cinema's 24 channels, the usual ones are kept.
		to, mixed = usualLayouts[min(max(channels, 1), len(usualLayouts)-1)], true
		if c == Opus {
			to = opusLayouts[to]
		}
	case c == Opus:
		to, mixed = opusLayouts[name], slices.Contains(opusDownmixes, name)
	case replaced != "":
		to = replaced
	default:
		to = name
	}
	i := slices.IndexFunc(layouts, func(l layout) bool { return l.name == to })
	return to, layouts[i].channels, mixed, true
}
