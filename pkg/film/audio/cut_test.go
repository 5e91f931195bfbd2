package audio

import (
	"testing"

	"github.com/mapreel/mapreel/pkg/isobmff"
)

// A last packet that lasts 0 would be in the file and never played.
func TestTheLastPacketHasADuration(t *testing.T) {
	t.Parallel()
	of := func(durations ...uint32) (c isobmff.Chunk) {
		for _, d := range durations {
			c.Samples = append(c.Samples, isobmff.Sample{Duration: d})
		}
		return c
	}
	for _, test := range []struct {
		durations []uint32
		last      uint32
	}{
		{[]uint32{4096, 4096, 0}, 4096},
		{[]uint32{4096, 4096, 100}, 100}, // the source says so
		{[]uint32{0}, 0},                 // nothing says how long it is
	} {
		before := of(test.durations...)
		after := completed(before).Samples
		if got := after[len(after)-1].Duration; got != test.last || len(after) != len(test.durations) {
			t.Errorf("%v: the last of %d packets lasts %d", test.durations, len(after), got)
		}
		if got := before.Samples[len(after)-1].Duration; got != test.durations[len(after)-1] {
			t.Errorf("%v: the argument was changed", test.durations)
		}
	}
}
