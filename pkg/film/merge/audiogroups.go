package merge

import (
	"fmt"
	"slices"
	"strings"

	"github.com/mapreel/mapreel/pkg/fault"
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
//
// Where tracks have renditions at several rates, the group that these are in, of the second ones if there are any, is one for each rate.
// Each has all tracks, those with one rate too. It returns their names, from the lowest rate.
func groupAudio(audio []manifest.Audio, tracks []film.AudioRendition) (byRate []string) {
	var first, second []int // indexes of renditions, of several rates the highest
	rates := ratesOf(tracks)
	most := 0
	for i, r := range tracks {
		audio[i].Group, audio[i].Also = "", nil
		most = max(most, len(rates[i]))
		switch {
		case rates[i][len(rates[i])-1] != i:
		case r.Second:
			second = append(second, i)
		default:
			first = append(first, i)
		}
	}
	inAll := func(members []int, name string) {
		for n := range most {
			each := name
			if most > 1 {
				each = fmt.Sprintf("%s-%d", name, n+1)
				byRate = append(byRate, each)
			}
			var list []int
			for _, i := range members {
				list = append(list, rates[i][min(n, len(rates[i])-1)])
			}
			addToGroup(audio, list, each)
		}
	}
	if len(second) == 0 && most > 1 { // all have one codec, in which they are encoded
		inAll(first, firstGroup)
		return byRate
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
		return nil
	}
	for _, i := range first {
		if !slices.ContainsFunc(second, func(other int) bool { return tracks[other].Track == tracks[i].Track }) {
			second = append(second, i)
		}
	}
	inAll(second, secondGroup)
	return byRate
}

// ratesOf returns for each rendition those of the same form of its track, which are at several rates, in the order of the package.
func ratesOf(tracks []film.AudioRendition) [][]int {
	list := make([][]int, len(tracks))
	for i, r := range tracks {
		for n, other := range tracks {
			if other.Track == r.Track && other.Second == r.Second {
				list[i] = append(list[i], n)
			}
		}
	}
	return list
}

// checkRates returns an error if the renditions of a track at several rates do not begin their media segments at the same times, so that
// players could not switch between them.
func checkRates(audio []manifest.Audio, tracks []film.AudioRendition) error {
	for i, same := range ratesOf(tracks) {
		a, b := audio[same[0]], audio[i]
		aligned := a.Timescale == b.Timescale && a.Start == b.Start && slices.EqualFunc(a.Segments, b.Segments, func(x, y manifest.Segment) bool {
			return x.Duration == y.Duration
		})
		if !aligned {
			return fault.New(fault.Corrupt, "the media segments of %s and %s do not begin at the same times", a.Name, b.Name)
		}
	}
	return nil
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
