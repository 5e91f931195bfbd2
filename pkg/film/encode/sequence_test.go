package encode

import (
	"testing"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/media"
)

func TestFramesThatCannotBeDecodedAreNamed(t *testing.T) {
	for _, c := range []struct {
		times  []media.Ticks
		damage string
		want   string
	}{
		{[]media.Ticks{10, 11, 12, 13, 14, 15, 16}, "", ""},
		{[]media.Ticks{10, 11, 13, 14, 15, 16}, "", "frames cannot be decoded: e.png"},
		{[]media.Ticks{11}, "", "6 frames cannot be decoded: c.png, e.png, f.png, g.png, h.png and others"},
		{[]media.Ticks{10, 11, 12, 13, 14, 15, 16}, "Error while decoding stream #0:0: Invalid data\n", "one of the frames a.png to j.png is damaged: "},
	} {
		a := &attempt{segment: film.Segment{Start: 10, End: 17}, frames: []string{"a.png", "b.png", "c.png", "d.png", "e.png", "f.png", "g.png", "h.png", "i.png", "j.png"}}
		if _, err := a.damage.Write([]byte(c.damage)); err != nil {
			t.Fatal(err)
		}
		err := a.refuseUnreadable(decoding{times: c.times, input: 8})
		switch {
		case c.want == "" && err == nil:
		case c.want == "" || err == nil, fault.KindOf(err) != fault.Corrupt, len(err.Error()) < len(c.want) || err.Error()[:len(c.want)] != c.want:
			t.Errorf("%v: %v, want %q", c.times, err, c.want)
		}
	}
}
