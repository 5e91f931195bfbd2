package manifest

import "testing"

// A player that compares the rates of different codecs would take the larger file for the better picture.
func TestRenditionsOfSeveralCodecsAreRanked(t *testing.T) {
	t.Parallel()
	rung := func(name, codecs string, height int) Video {
		return Video{Rendition: Rendition{Name: name, Codecs: codecs, Timescale: 1, Segments: []Segment{{Resource: Resource{Size: 100}, Duration: 1}}}, Width: 16 * height / 9, Height: height}
	}
	p := Package{Video: []Video{rung("a", "avc1.640028", 1080), rung("b", "av01.0.08M.08", 1080), rung("c", "hvc1.1.6.L93.90", 720), rung("d", "avc1.64001f", 720)}}
	scores := p.scores()
	for name, want := range map[string]string{"d": "SCORE=1", "c": "SCORE=2", "a": "SCORE=3", "b": "SCORE=4"} {
		if scores[name] != want {
			t.Errorf("%s: %q, want %s", name, scores[name], want)
		}
	}
	p.Video = []Video{p.Video[0], p.Video[3]}
	if got := p.scores(); len(got) > 0 {
		t.Errorf("renditions of one codec have %v", got)
	}
}
