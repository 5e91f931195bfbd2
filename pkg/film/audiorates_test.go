package film_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/film"
)

// ratesRequest returns a request for a package whose audio is as given.
func ratesRequest(container, audio string) []byte {
	return fmt.Appendf(nil, `{"source": "/a", "destination": "/b", "outputs": [{"name": "c", "container": %q, "audio": %s}]}`, container, audio)
}

func TestBitratesOfAPackageAreSortedAndFolded(t *testing.T) {
	t.Parallel()
	ids := map[string]bool{}
	for _, list := range []string{`["64k", "128k", "192k"]`, `[192000, "64k", "128k", "0.192M", "64k"]`} {
		r, err := film.Parse(ratesRequest("cmaf", `{"bitrates": `+list+`}`))
		if err != nil {
			t.Fatal(err)
		}
		if r, err = r.Normalise(true); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]film.Bitrate{64_000, 128_000, 192_000}, r.Outputs[0].Audio.Bitrates); diff != "" {
			t.Errorf("%s (-want +got):\n%s", list, diff)
		}
		id, err := film.ID(r, film.Source{URL: "/a"}, "5.1")
		if err != nil {
			t.Fatal(err)
		}
		ids[id] = true
	}
	if len(ids) != 1 {
		t.Errorf("equal rates give %d jobs", len(ids))
	}
}

func TestBitratesThatNoPackageCanHaveAreRefused(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ container, audio, want string }{
		{"mp4", `{"bitrates": ["64k", "128k"]}`, "/outputs/0/audio/bitrates: a file has one bit rate"},
		{"hls", `{"bitrates": ["64k"], "bitrate": "96k"}`, "/outputs/0/audio/bitrates: bitrate is set too"},
		{"hls", `{"bitrates": ["64k"], "codec": "copy"}`, "/outputs/0/audio/bitrates: what is copied keeps its bit rate"},
		{"hls", `{"bitrates": ["64k"], "codec": "none"}`, "/outputs/0/audio/bitrates: the output has no audio"},
		{"dash", `{"bitrates": ["64k", "5k"]}`, "/outputs/0/audio/bitrates/1: 5k is outside 6k to 1536k"},
		{"dash", `{"bitrates": ["64k", "lots"]}`, `/outputs/0/audio/bitrates/1: "lots" is not a bit rate`},
		{"dash", `{"bitrates": []}`, "/outputs/0/audio/bitrates: "},
		{"dash", `{"bitrates": [1e5, 2e5, 3e5, 4e5, 5e5, 6e5, 7e5, 8e5, 9e5]}`, "/outputs/0/audio/bitrates: 9 bit rates; at most 8"},
	} {
		if _, err := film.Parse(ratesRequest(c.container, c.audio)); err == nil || !strings.HasPrefix(err.Error(), "invalid request: "+c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s %s: %v, want %s", c.container, c.audio, err, c.want)
		}
	}
	for _, audio := range []string{`{"codec": "copy", "second": "stereo", "bitrates": ["64k"]}`, `{"codec": "opus", "bitrates": ["64k", "96k"]}`} {
		if _, err := film.Parse(ratesRequest("hls", audio)); err != nil {
			t.Errorf("%s: %v", audio, err)
		}
	}
}

// The loudness of a track does not depend on the rate at which it is encoded.
func TestLoudnessIsMeasuredOnceForAllRates(t *testing.T) {
	t.Parallel()
	j := film.Job{AudioRenditions: []film.AudioRendition{
		{Track: 0, Bitrate: 1, Loudness: -2300}, {Track: 0, Bitrate: 2, Loudness: -2300}, {Track: 0, Second: true, Bitrate: 1, Loudness: -2300}, {Track: 1, Bitrate: 2, Loudness: -2300},
	}}
	for i, want := range []int{0, 0, 2, 3} {
		if got := j.Measured(i); got != want {
			t.Errorf("rendition %d: %d, want %d", i, got, want)
		}
	}
}
