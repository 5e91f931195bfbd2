package film

import (
	"fmt"
	"slices"
	"strings"
)

// maxRates is how many bit rates a track may have in a package: more differ too little.
const maxRates = 8

// ParseBitrates parses bit rates with commas between them: "64k,128k".
func ParseBitrates(text string) (rates []Bitrate, err error) {
	for item := range strings.SplitSeq(text, ",") {
		rate, err := ParseBitrate(strings.TrimSpace(item))
		if err != nil {
			return nil, err
		}
		rates = append(rates, rate)
	}
	return rates, nil
}

// foldRates returns rates from the lowest, each once.
func foldRates(rates []Bitrate) []Bitrate {
	rates = slices.Clone(rates)
	slices.Sort(rates)
	return slices.Compact(rates)
}

// Measured returns the index of the audio rendition whose loudness is that of rendition i: the first that differs from it in its bit
// rate only.
func (j Job) Measured(i int) int {
	same := func(r AudioRendition) AudioRendition {
		r.Bitrate = 0
		return r
	}
	return slices.IndexFunc(j.AudioRenditions, func(r AudioRendition) bool { return same(r) == same(j.AudioRenditions[i]) })
}

// checkRates returns the problems of the bit rates that o lists. at is its pointer.
func (o Output) checkRates(at string) (ps Problems) {
	const pointer = "/audio/bitrates"
	if o.Audio == nil || len(o.Audio.Bitrates) == 0 {
		return nil
	}
	add := func(format string, args ...any) { ps = append(ps, Problem{at + pointer, fmt.Sprintf(format, args...)}) }
	a := o.Audio
	if len(a.Bitrates) > maxRates {
		add("%d bit rates; at most %d", len(a.Bitrates), maxRates)
	}
	for i, rate := range a.Bitrates[:min(len(a.Bitrates), maxRates)] {
		if rate < minAudio || rate > maxAudio {
			ps = append(ps, Problem{fmt.Sprintf("%s%s/%d", at, pointer, i), fmt.Sprintf("%v is outside %v to %v", rate, Bitrate(minAudio), Bitrate(maxAudio))})
		}
	}
	if a.Bitrate != 0 {
		add("bitrate is set too; leave out one of the two")
	}
	switch {
	case !o.Container.Packaged():
		add("a file has one bit rate; set bitrate, or choose hls, dash or cmaf")
	case a.Codec == AudioNone:
		add("the output has no audio; leave out one of the two")
	case a.Codec == AudioCopy && a.Second == "":
		add("what is copied keeps its bit rate; choose another codec, or add a second rendition")
	}
	return ps
}
