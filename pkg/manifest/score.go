package manifest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// efficiency ranks codecs by how good they look at one bit rate.
var efficiency = map[string]int{"avc1": 0, "avc3": 0, "vp09": 1, "hvc1": 2, "hev1": 2, "av01": 3}

// scores returns the attribute SCORE of each video rendition, by its name, where a ladder has several codecs: players then compare rates
// of different codecs, and the higher rate is not the better picture. More pixels are better, then the more efficient codec, then the
// higher rate. It is empty where all have one codec.
func (p Package) scores() map[string]string {
	codec := func(v Video) string {
		name, _, _ := strings.Cut(v.Codecs, ".")
		return name
	}
	if len(p.Video) == 0 || !slices.ContainsFunc(p.Video, func(v Video) bool { return codec(v) != codec(p.Video[0]) }) {
		return nil
	}
	list := slices.Clone(p.Video)
	slices.SortStableFunc(list, func(a, b Video) int {
		return cmp.Or(cmp.Compare(a.Width*a.Height, b.Width*b.Height), cmp.Compare(efficiency[codec(a)], efficiency[codec(b)]),
			cmp.Compare(average(a.spans()), average(b.spans())))
	})
	scores := map[string]string{}
	for i, v := range list {
		scores[v.Name] = fmt.Sprintf("SCORE=%d", i+1)
	}
	return scores
}
