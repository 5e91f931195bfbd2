package film_test

import (
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/work"
	"pgregory.net/rapid"
)

// anyName draws names of outputs that Check accepts, also such as resemble keys, units and parts of
// URLs.
func anyName() *rapid.Generator[string] {
	unusual := rapid.SampledFrom([]string{"a..", "-", "~", "a.1.0.mp4", "items.json", "%2e%2e%2f", "…", " ", "video", "con"})
	drawn := rapid.StringMatching(`[^/]{1,60}`)
	return rapid.OneOf(unusual, drawn).Filter(func(name string) bool {
		r := film.Request{Source: "/a", Destination: "/b", Outputs: []film.Output{{Name: name}}}
		return len(r.Check()) == 0
	})
}

const jobID = "0123456789abcdef0123"

func TestKeysStayBelowThePrefixOfTheirJob(t *testing.T) {
	check := func(t rapid.TB, key string) {
		t.Helper()
		if path.Clean(key) != key || !strings.HasPrefix(key, work.Prefix(jobID)) {
			t.Fatalf("%q is not a clean path below %q", key, work.Prefix(jobID))
		}
		for name := range strings.SplitSeq(key, "/") {
			if strings.HasPrefix(name, ".") {
				t.Fatalf("%q has the hidden name %q", key, name)
			}
			if len(name) > 255 {
				t.Fatalf("%q has a name of %d bytes, more than file systems allow", key, len(name))
			}
		}
	}
	check(t, film.SourceIndexKey(jobID))
	rapid.Check(t, func(t *rapid.T) {
		i := rapid.IntRange(0, 100_000).Draw(t, "index")
		unit := rapid.OneOf(
			rapid.Just(film.VideoUnit(i)), rapid.Just(film.AudioUnit(i)), rapid.Just(film.SidecarUnit), rapid.Map(anyName(), func(name string) string { return film.OutputKind + "/" + name }),
		).Draw(t, "unit")
		attempt, rendition := rapid.IntRange(1, 1e6).Draw(t, "attempt"), rapid.IntRange(0, 99).Draw(t, "rendition")
		check(t, work.ArtifactKey(jobID, unit, attempt, rendition, "webm"))
		check(t, film.SourceChunkKey(jobID, false, i))
		check(t, film.SourceChunkKey(jobID, true, i))
	})
}

func TestSourceChunksLieBelowTheirPrefix(t *testing.T) {
	for _, key := range []string{film.SourceChunkKey(jobID, false, 0), film.SourceChunkKey(jobID, true, 99_999), film.SourceIndexKey(jobID)} {
		if !strings.HasPrefix(key, film.SourceChunkPrefix(jobID)) {
			t.Errorf("%q is not below %q", key, film.SourceChunkPrefix(jobID))
		}
	}
}

// A request may ask for film.mp4 and film.mkv: two outputs of one name.
func TestOutputsOfOneNameHaveUnitsOfTheirOwn(t *testing.T) {
	out := func(name, file string, c film.Container) film.OutputPlan {
		return film.OutputPlan{Name: name, File: file, Container: c}
	}
	for _, test := range []struct {
		outputs []film.OutputPlan
		want    []string
	}{
		{[]film.OutputPlan{out("a", "a.mp4", film.MP4), out("b", "b.mp4", film.MP4)}, []string{"output/a", "output/b"}},
		{[]film.OutputPlan{out("a", "a.mp4", film.MP4), out("b", "b.mp4", film.MP4), out("a", "a.mkv", film.Matroska)}, []string{"output/a.mp4", "output/b.mp4", "output/a.mkv"}},
		{[]film.OutputPlan{out("a", "a.mp4", film.MP4), out("a", "a.mkv", film.Matroska), out("a.mkv", "a.mkv.mp4", film.MP4)}, []string{"output/a.mp4", "output/a.mkv", "output/a.mkv.mp4"}},
		{[]film.OutputPlan{out("a", "a.mp4", film.MP4), out("a", "a.preview.json", film.PreviewSet)}, []string{"output/a", "preview/a"}},
	} {
		for i, want := range test.want {
			if got := (film.Job{Outputs: test.outputs}).OutputUnit(i); got != want {
				t.Errorf("output %d of %v: unit %q, want %q", i, test.outputs, got, want)
			}
		}
	}
}

// A package's media paths contain the name of a rendition. Whatever Check accepts must not lead out
// of the folder.
func TestMediaPathsStayInTheirFolder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		got := film.MediaPath(anyName().Draw(t, "name"), rapid.Int64().Draw(t, "start"))
		if path.Join("/folder", got) != "/folder/"+got || strings.Count(got, "/") != 1 {
			t.Fatalf("%q leads out of its folder", got)
		}
	})
}

func TestNamesThatLeadOutOfTheDestinationAreRefused(t *testing.T) {
	for _, name := range []string{"..", ".", "a/../../b", "../a", "/a", "a/b", `a\b`, `..\a`, ".hidden", "a\x00", "a\nb", "\x7f", "a\xff", ""} {
		r := film.Request{Source: "/a", Destination: "/b", Outputs: []film.Output{{Name: name}}}
		if len(r.Check()) == 0 {
			t.Errorf("an output may be named %q", name)
		}
	}
}

func TestKeysOfArtifactsAreUnique(t *testing.T) {
	type artifact struct {
		unit               string
		attempt, rendition int
		ext                string
	}
	rapid.Check(t, func(t *rapid.T) {
		draw := rapid.Custom(func(t *rapid.T) artifact {
			names := rapid.SampledFrom([]string{"a", "a.1", "a.1.1", "a.1.1.mp4", "1"})
			return artifact{
				film.OutputKind + "/" + names.Draw(t, "name"), rapid.IntRange(1, 11).Draw(t, "attempt"),
				rapid.IntRange(0, 11).Draw(t, "rendition"), rapid.SampledFrom([]string{"mp4", "mkv"}).Draw(t, "ext"),
			}
		})
		a, b := draw.Draw(t, "a"), draw.Draw(t, "b")
		key := func(a artifact) string { return work.ArtifactKey(jobID, a.unit, a.attempt, a.rendition, a.ext) }
		ka, kb := key(a), key(b)
		if (a == b) != (ka == kb) {
			t.Fatalf("%v has the key %q, %v has %q", a, ka, b, kb)
		}
	})
}

func TestUnitsAndSourceChunksSortInTheOrderOfTheFilm(t *testing.T) {
	sourceChunk := func(i int) string { return film.SourceChunkKey(jobID, false, i) }
	for _, name := range []func(int) string{film.VideoUnit, film.AudioUnit, sourceChunk} {
		var units []string
		for _, i := range []int{0, 1, 2, 9, 10, 99, 100, 999, 1000, 9_999, 10_000, 99_999} {
			units = append(units, name(i))
		}
		if !slices.IsSorted(units) {
			t.Errorf("%q do not sort", units)
		}
	}
}
