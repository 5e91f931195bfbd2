package remux

import "testing"

// The times are those of ffmpeg 5.1, which loses the priming of 120 samples, and of 7.1, which does not; Matroska rounds to milliseconds.
func TestPrimingIsLostWhereThePacketIsEarly(t *testing.T) {
	t.Parallel()
	const written = 479_880
	for read, want := range map[int64]bool{9_994: true, 9_995: true, 9_997: false, 9_998: false} {
		if got := LosesPriming(written, read); got != want {
			t.Errorf("a packet of 9997.5 ms that is read at %d ms: lost %t, want %t", read, got, want)
		}
	}
}
