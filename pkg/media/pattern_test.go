package media

import "testing"

func TestAPatternMatchesTheFramesOfItsSequenceAlone(t *testing.T) {
	for _, c := range []struct {
		pattern string
		match   []string
		other   []string
	}{
		{"/a/f_%05d.png", []string{"f_00001.png", "f_99999.png", "f_100000.png"}, []string{"f_1.png", "f_0100000.png", "f_00001.exr", "f_0000a.png", "g_00001.png", "f_.png", "f_00001.png.tmp"}},
		{"%d.png", []string{"1.png", "10.png", "0.png"}, []string{"01.png", ".png", "-1.png"}},
		{"/a/*.exr", []string{"a.exr", "a 1.exr"}, []string{"a.png", ".a.exr"}},
		{"a?[0-9].png", []string{"ab1.png"}, []string{"ab.png", "abx.png"}},
	} {
		p, ok := ParsePattern(c.pattern)
		if !ok {
			t.Errorf("%s is no pattern", c.pattern)
		}
		for _, name := range c.match {
			if !p.Match(name) {
				t.Errorf("%s does not match %s", c.pattern, name)
			}
		}
		for _, name := range c.other {
			if p.Match(name) {
				t.Errorf("%s matches %s", c.pattern, name)
			}
		}
	}
	for _, name := range []string{"film.mp4", "film [1080p].mkv", "100%.mov", "50%d and %d.png", "/a*/film.mp4", "a*[.png", "%s.png", "100%%d.png"} {
		if _, ok := ParsePattern(name); ok {
			t.Errorf("%s is a pattern", name)
		}
	}
}
