package film

import "fmt"

// Mix is what the channels of an audio track are mixed to.
type Mix string

// Mixes.
const (
	Mono   Mix = "mono"
	Stereo Mix = "stereo"
)

// Channels returns how many channels m has; 0: it is not set. Layouts by ffmpeg's names are the mixes themselves.
func (m Mix) Channels() int {
	switch m {
	case Mono:
		return 1
	case Stereo:
		return 2
	}
	return 0
}

// mixOf returns the mix with so many channels.
func mixOf(channels int) Mix {
	if channels == 1 {
		return Mono
	}
	return Stereo
}

// Form is one of the forms in which an output has an audio track.
type Form struct {
	Channels int
	Second   bool    // it is the additional, mixed track
	Bitrate  Bitrate // one of several that the request lists; 0: it lists none
}

// Forms returns the forms in which an output has a track with so many channels. The second one has fewer channels than the first. Of
// several bit rates there is a form for each, the lowest first.
func (c Chosen) Forms(channels int) []Form {
	first := Form{Channels: channels}
	if c.Downmix > 0 {
		first.Channels = min(channels, c.Downmix)
	}
	if c.Second > 0 && c.Second < first.Channels {
		return append([]Form{first}, c.rates(Form{Channels: c.Second, Second: true})...)
	}
	if c.RatesOfMixes {
		return []Form{first}
	}
	return c.rates(first)
}

// rates returns f at each of the bit rates that c lists.
func (c Chosen) rates(f Form) []Form {
	if len(c.Bitrates) == 0 {
		return []Form{f}
	}
	var list []Form
	for _, rate := range c.Bitrates {
		f.Bitrate = rate
		list = append(list, f)
	}
	return list
}

// TitleOf returns the title of a form of a track in a file.
func (f Form) TitleOf(title string) string {
	switch {
	case !f.Second:
		return title
	case title == "":
		return string(mixOf(f.Channels))
	}
	return fmt.Sprintf("%s (%s)", title, mixOf(f.Channels))
}

// checkMix returns the problems of what o mixes. at is its pointer.
func (o Output) checkMix(at string) (ps Problems) {
	c := o.Choices()
	for _, f := range []struct {
		pointer string
		mix     Mix
	}{{"/audio/downmix", c.Downmix}, {"/audio/second", c.Second}} {
		switch {
		case f.mix == "":
		case f.mix.Channels() == 0:
			ps = append(ps, Problem{at + f.pointer, fmt.Sprintf("%q is not one of stereo, mono", f.mix)})
		case o.Audio.Codec == AudioNone:
			ps = append(ps, Problem{at + f.pointer, "the output has no audio; leave out one of the two"})
		case o.Audio.Codec == AudioCopy && f.pointer == "/audio/downmix":
			ps = append(ps, Problem{at + f.pointer, "what is copied cannot be mixed; leave out one of the two, or ask for a second rendition"})
		}
	}
	return ps
}

// LayoutOf returns ffmpeg's name of the layout of a mix with so many channels.
func LayoutOf(channels int) string { return string(mixOf(channels)) }
