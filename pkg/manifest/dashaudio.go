package manifest

import (
	"fmt"
	"slices"
	"strconv"

	"github.com/Eyevinn/dash-mpd/mpd"
)

// audioSets divides the audio renditions into adaptation sets. The members of a set share track, language,
// title, purpose, codec and number of channels.
func (p Package) audioSets() [][]Audio {
	var out [][]Audio
	for _, a := range p.Audio {
		i := slices.IndexFunc(out, func(set []Audio) bool {
			b := set[0]
			return tag(b.Language) == tag(a.Language) && b.Title == a.Title && b.Codecs == a.Codecs && b.Channels == a.Channels &&
				b.Commentary == a.Commentary && b.Described == a.Described && b.Track == a.Track
		})
		if i < 0 {
			out = append(out, []Audio{a})
			continue
		}
		out[i] = append(out[i], a)
	}
	return out
}

func (p Package) audioSet(renditions []Audio, path string) *mpd.AdaptationSetType {
	set := mpd.NewAdaptationSet()
	set.ContentType, set.MimeType = "audio", mpd.MIME_TYPE_AUDIO_MP4
	first := renditions[0]
	align(set, first.Rendition)
	protected(set, first.Rendition)
	set.Lang = tag(first.Language)
	switch {
	case first.Described:
		set.Accessibilities = []*mpd.DescriptorType{{SchemeIdUri: accessibility, Value: "1"}}
		set.Roles = []*mpd.DescriptorType{{SchemeIdUri: roleScheme, Value: "alternate"}}
	case first.Commentary:
		set.Roles = []*mpd.DescriptorType{{SchemeIdUri: roleScheme, Value: "commentary"}}
	case p.isDefault(first):
		set.Roles = []*mpd.DescriptorType{{SchemeIdUri: roleScheme, Value: "main"}}
	default:
		set.Roles = []*mpd.DescriptorType{{SchemeIdUri: roleScheme, Value: "dub"}}
	}
	if text := label(first.Title, first.Language, ""); text != "" {
		set.Labels = []*mpd.LabelType{{Value: text}}
	}
	for _, a := range renditions {
		r := p.representation(a.Rendition, path)
		if a.SampleRate > 0 {
			rate := mpd.UIntVectorType(strconv.Itoa(a.SampleRate))
			r.AudioSamplingRate = &rate
		}
		r.AudioChannelConfigurations = a.configuration()
		if a.Objects > 0 {
			r.SupplementalProperties = []*mpd.DescriptorType{
				{SchemeIdUri: dolbyObjects, Value: "JOC"}, {SchemeIdUri: dolbyComplexity, Value: strconv.Itoa(a.Objects)},
			}
		}
		set.AppendRepresentation(r)
	}
	return set
}

// isDefault reports whether the rendition is the default of its group.
func (p Package) isDefault(a Audio) bool {
	for _, g := range p.groups() {
		if g.members[g.defaultMember].Name == a.Name {
			return true
		}
	}
	return false
}

// configuration describes a rendition's channels: those of Dolby's codecs by Dolby's scheme, where they are known.
func (a Audio) configuration() []*mpd.DescriptorType {
	switch {
	case a.DolbyChannels != 0:
		return []*mpd.DescriptorType{{SchemeIdUri: dolbyChannels, Value: fmt.Sprintf("%04X", a.DolbyChannels)}}
	case a.Channels > 0:
		return []*mpd.DescriptorType{channels(a.Channels)}
	}
	return nil
}

// channels describes a channel layout by its code point of ISO/IEC 23091-3, or by the number of
// channels if that number has no usual layout.
func channels(n int) *mpd.DescriptorType {
	code := map[int]int{1: 1, 2: 2, 6: 6, 8: 12}[n]
	if code == 0 {
		return &mpd.DescriptorType{SchemeIdUri: anyChannels, Value: strconv.Itoa(n)}
	}
	return &mpd.DescriptorType{SchemeIdUri: channelsScheme, Value: strconv.Itoa(code)}
}
