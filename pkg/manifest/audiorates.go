package manifest

import (
	"cmp"
	"slices"
	"strings"
)

// pair is a variant of a package: a video rendition with an audio group. One of the two may be missing.
type pair struct {
	video *Video
	group group
}

// pairs returns the variants, in the order of the playlist.
func (p Package) pairs(groups []group) (list []pair) {
	if len(groups) == 0 {
		groups = []group{{}}
	}
	byRate := p.rateGroups(groups)
	paired := false
	for _, g := range groups {
		if slices.Contains(p.AudioRates, g.id) {
			if !paired {
				list = append(list, p.pairRates(byRate)...)
			}
			paired = true
			continue
		}
		if len(p.Video) == 0 {
			list = append(list, pair{group: g})
		}
		for i := range p.Video {
			list = append(list, pair{&p.Video[i], g})
		}
	}
	return list
}

// rateGroups returns the groups that differ in their rates, from the lowest.
func (p Package) rateGroups(groups []group) (byRate []group) {
	for _, id := range p.AudioRates {
		if i := slices.IndexFunc(groups, func(g group) bool { return g.id == id }); i >= 0 {
			byRate = append(byRate, groups[i])
		}
	}
	return byRate
}

// pairRates gives each video rendition one of the groups: the lowest rungs of a ladder the lowest rate, and the highest the highest.
// Where there are fewer rungs than groups, a rung gets several, so that each group is in a variant. Without video each group is a
// variant, the highest rate first, as in ladders.
func (p Package) pairRates(byRate []group) (list []pair) {
	if len(p.Video) == 0 {
		for _, g := range slices.Backward(byRate) {
			list = append(list, pair{group: g})
		}
		return list
	}
	for i := range p.Video {
		v := &p.Video[i]
		rank, rungs := p.rank(*v)
		end := (len(byRate)*(rank+1) + rungs - 1) / rungs
		begin := min((len(byRate)*rank+rungs-1)/rungs, end-1)
		for n := end - 1; n >= max(begin, 0); n-- {
			list = append(list, pair{v, byRate[n]})
		}
	}
	return list
}

// rank returns the place of a video rendition, from 0 for the lowest, among those that players may switch to from it, and their number.
func (p Package) rank(v Video) (rank, rungs int) {
	for _, other := range p.Video {
		if !other.switchable(v) {
			continue
		}
		rungs++
		if other.Name != v.Name && cmp.Or(cmp.Compare(other.Width*other.Height, v.Width*v.Height), cmp.Compare(average(other.spans()), average(v.spans())),
			cmp.Compare(other.Name, v.Name)) < 0 {
			rank++
		}
	}
	return rank, rungs
}

// audioRates checks that a player can switch between audio groups of the same codecs: that renditions of the same name and the same
// channels begin their segments at the same times.
func (c *hlsCheck) audioRates(name string, variants []variant, groups map[string][]mediaTiming) {
	type first struct {
		mediaTiming
		group string
	}
	seen := map[string]first{} // by codecs, name and channels
	done := map[string]bool{}
	for _, v := range variants {
		group := v.attributeList["AUDIO"]
		if group == "" || done[group] {
			continue
		}
		done[group] = true
		codecs := slices.DeleteFunc(strings.Split(v.attributeList["CODECS"], ","), isVideo)
		for _, m := range groups["AUDIO "+group] {
			key := strings.Join(codecs, ",") + "\n" + m.name
			other, ok := seen[key]
			if !ok {
				seen[key] = first{m, group}
				continue
			}
			label, _, _ := strings.Cut(m.name, "\n")
			c.aligned(name+": "+label+" in AUDIO group "+group, "group "+other.group, m, other.mediaTiming)
		}
	}
}
