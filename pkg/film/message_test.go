package film_test

import (
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/mapreel/mapreel/pkg/film"
	"pgregory.net/rapid"
)

// anyName draws names of outputs that Check accepts, nasty ones among them.
func anyName() *rapid.Generator[string] {
	nasty := rapid.SampledFrom([]string{"a..", "-", "~", "a.1.0.mp4", "items.json", "%2e%2e%2f", "…", " ", "video", "con"})
	drawn := rapid.StringMatching(`[^/]{1,60}`)
	return rapid.OneOf(nasty, drawn).Filter(func(name string) bool {
		r := film.Request{Source: "/a", Destination: "/b", Outputs: []film.Output{{Name: name}}}
		return len(r.Check()) == 0
	})
}

const jobID = "0123456789abcdef0123"

func TestKeysStayBelowTheirJob(t *testing.T) {
	check := func(t rapid.TB, key string) {
		t.Helper()
		if path.Clean(key) != key || !strings.HasPrefix(key, film.Prefix(jobID)) {
			t.Fatalf("%q is not a path below %q", key, film.Prefix(jobID))
		}
		for name := range strings.SplitSeq(key, "/") {
			if strings.HasPrefix(name, ".") {
				t.Fatalf("%q holds the hidden name %q", key, name)
			}
			if len(name) > 255 {
				t.Fatalf("%q holds a name of %d bytes, more than file systems take", key, len(name))
			}
		}
	}
	check(t, film.ItemsKey(jobID))
	rapid.Check(t, func(t *rapid.T) {
		i := rapid.IntRange(0, 100_000).Draw(t, "index")
		unit := rapid.OneOf(
			rapid.Just(film.VideoUnit(i)), rapid.Just(film.AudioUnit(i)), rapid.Map(anyName(), film.OutputUnit)).Draw(t, "unit")
		attempt, rendition := rapid.IntRange(1, 1e6).Draw(t, "attempt"), rapid.IntRange(0, 99).Draw(t, "rendition")
		check(t, film.ArtifactKey(jobID, unit, attempt, rendition, "webm"))
		check(t, film.SplitKey(jobID, i))
	})
}

// The names of a package's media follow from an output's name: those that Check accepts stay in the package's folder.
func TestMediaPathsStayInTheirFolder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		got := film.MediaPath(anyName().Draw(t, "name"), rapid.Int64().Draw(t, "start"))
		if path.Join("/folder", got) != "/folder/"+got || strings.Count(got, "/") != 1 {
			t.Fatalf("%q leads out of its folder", got)
		}
	})
}

func TestNamesThatClimbAreRefused(t *testing.T) {
	for _, name := range []string{"..", ".", "a/../../b", "../a", "/a", "a/b", `a\b`, `..\a`, ".hidden", "a\x00", "a\nb", "\x7f", "a\xff", ""} {
		r := film.Request{Source: "/a", Destination: "/b", Outputs: []film.Output{{Name: name}}}
		if len(r.Check()) == 0 {
			t.Errorf("an output may be called %q", name)
		}
	}
}

func TestKeysOfPiecesDiffer(t *testing.T) {
	type piece struct {
		unit               string
		attempt, rendition int
		ext                string
	}
	rapid.Check(t, func(t *rapid.T) {
		draw := rapid.Custom(func(t *rapid.T) piece {
			names := rapid.SampledFrom([]string{"a", "a.1", "a.1.1", "a.1.1.mp4", "1"})
			return piece{
				film.OutputUnit(names.Draw(t, "name")), rapid.IntRange(1, 11).Draw(t, "attempt"),
				rapid.IntRange(0, 11).Draw(t, "rendition"), rapid.SampledFrom([]string{"mp4", "mkv"}).Draw(t, "ext"),
			}
		})
		a, b := draw.Draw(t, "a"), draw.Draw(t, "b")
		key := func(p piece) string { return film.ArtifactKey(jobID, p.unit, p.attempt, p.rendition, p.ext) }
		ka, kb := key(a), key(b)
		if (a == b) != (ka == kb) {
			t.Fatalf("%v has the key %q, %v has %q", a, ka, b, kb)
		}
	})
}

func TestUnitsSortInTheOrderOfTheFilm(t *testing.T) {
	stretch := func(i int) string { return film.SplitKey(jobID, i) }
	for _, name := range []func(int) string{film.VideoUnit, film.AudioUnit, stretch} {
		var units []string
		for _, i := range []int{0, 1, 2, 9, 10, 99, 100, 999, 1000, 9_999, 10_000, 99_999} {
			units = append(units, name(i))
		}
		if !slices.IsSorted(units) {
			t.Errorf("%q do not sort", units)
		}
	}
}
