package merge

import (
	"testing"

	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/media"
)

// Of what an edit list hides of a copied track, Matroska gets the packet within which the sound begins, and the one that its decoder needs
// before that.
func TestMatroskaGetsNoPacketsThatAnEditListHides(t *testing.T) {
	t.Parallel()
	all := int64(-1)
	for _, test := range []struct {
		codec   string
		rate    int
		demuxer string
		encoded bool
		before  int64 // samples
	}{
		{codec: "aac", rate: 48000, before: 2048},
		{codec: "opus", rate: 48000, before: 1920},
		{codec: "alac", rate: 48000, before: 4096},
		{codec: "flac", rate: 48000, before: 4608},
		{codec: "flac", rate: 96000, before: 16384},
		{codec: "pcm_s24le", rate: 48000, before: 1024},
		{codec: "amr_nb", rate: 8000, before: all},                     // nothing says how long its packets are
		{codec: "alac", rate: 48000, demuxer: "matroska", before: all}, // which has no edit lists
		{codec: "alac", rate: 48000, encoded: true, before: all},       // the encoder gets what is heard
	} {
		src := film.Source{Demuxer: "mov", Origin: media.Instant{Timebase: media.Microseconds}}
		if test.demuxer != "" {
			src.Demuxer = test.demuxer
		}
		track := film.AudioTrack{Codec: test.codec, SampleRate: test.rate, Start: 500, Timebase: media.Rational{Num: 1, Den: 1000}}
		codec := film.AudioCopy
		if test.encoded {
			codec = film.AAC
		}
		got := firstPacket(src, track, codec)
		if test.before == all {
			if got != nil {
				t.Errorf("%+v: packets before %d µs are dropped", test, *got)
			}
			continue
		}
		if got == nil {
			t.Errorf("%+v: no packets are dropped", test)
			continue
		}
		if want := 501_000 - test.before*1_000_000/int64(test.rate); *got < want-1 || *got > want+1 {
			t.Errorf("%+v: got %d, want %d", test, *got, want)
		}
	}
}
