package merge

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/manifest"
)

// Groups of a package's audio: a player plays one rendition of one group.
const (
	firstGroup  = "sound"
	secondGroup = "mixed" // of the second renditions
)

// groupAudio puts the audio renditions of a package, which are those of tracks, into groups.
//
// Players leave out a group with a codec that they cannot decode. So each codec has a group of its own: of what the source has in
// several codecs, such as English in AC-3 and in AAC, it has the rendition in that codec, and of everything else what there is.
// Where any track has a second rendition, these make a group, in which are also the tracks that have none.
func groupAudio(audio []manifest.Audio, tracks []film.AudioRendition) {
	var first, second []int // indexes of renditions
	for i, r := range tracks {
		audio[i].Group, audio[i].Also = "", nil
		if r.Second {
			second = append(second, i)
		} else {
			first = append(first, i)
		}
	}
	groups, codecs := codecGroups(audio, first)
	for n, members := range groups {
		name := firstGroup
		if len(groups) > 1 {
			name = fmt.Sprintf("%s-%s", firstGroup, codecs[n])
		}
		addToGroup(audio, members, name)
	}
	if len(second) == 0 {
		return
	}
	for _, i := range first {
		if !slices.ContainsFunc(second, func(other int) bool { return tracks[other].Track == tracks[i].Track }) {
			second = append(second, i)
		}
	}
	addToGroup(audio, second, secondGroup)
}

// codecGroups returns the groups of renditions that differ in their codecs, and the codec of each. All have the same content, so one
// that has all members of another is left out.
func codecGroups(audio []manifest.Audio, renditions []int) (groups [][]int, codecs []string) {
	for _, i := range renditions {
		codec := codecOf(audio[i])
		if slices.Contains(codecs, codec) {
			continue
		}
		var members []int
		for _, member := range renditions {
			replaced := codecOf(audio[member]) != codec && slices.ContainsFunc(renditions, func(other int) bool {
				return codecOf(audio[other]) == codec && sameContent(audio[member], audio[other])
			})
			if !replaced {
				members = append(members, member)
			}
		}
		groups, codecs = append(groups, members), append(codecs, codec)
	}
	for n := len(groups) - 1; n >= 0; n-- {
		if slices.ContainsFunc(groups, func(g []int) bool { return &g[0] != &groups[n][0] && containsAll(groups[n], g) }) {
			groups, codecs = slices.Delete(groups, n, n+1), slices.Delete(codecs, n, n+1)
		}
	}
	return groups, codecs
}

func containsAll(list, of []int) bool {
	return !slices.ContainsFunc(of, func(i int) bool { return !slices.Contains(list, i) })
}

// codecOf returns the first part of a rendition's codec: "ac-3", "mp4a".
func codecOf(a manifest.Audio) string {
	codec, _, _ := strings.Cut(a.Codecs, ".")
	return codec
}

// sameContent reports whether two tracks say the same to a viewer, as far as the source tells. Titles often name the codec.
func sameContent(a, b manifest.Audio) bool {
	return film.SameLanguage(a.Language, b.Language) && a.Commentary == b.Commentary && a.Described == b.Described
}

// addToGroup puts renditions into a group, and into it alone if they are in no other.
func addToGroup(audio []manifest.Audio, members []int, name string) {
	for _, i := range members {
		if audio[i].Group == "" {
			audio[i].Group = name
			continue
		}
		audio[i].Also = append(audio[i].Also, name)
	}
}
