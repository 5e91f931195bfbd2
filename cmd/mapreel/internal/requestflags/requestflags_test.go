package requestflags

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mapreel/mapreel/cmd/mapreel/internal/flagvalue"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
)

func FuzzLadderFile(f *testing.F) {
	for _, seed := range []string{
		"video: [{height: 1080, maxBitrate: 6M}, {height: 720}]\n", `{"video": [{"height": 360}]}`, "video: []", "video: x", "video: [1]",
		"video: [{}]\nother: 1", "&a [*a]", "video: &v [*v]", "- video", "", "\x00", "video: [{height: 1e400}]", "{\"video\": [",
	} {
		f.Add([]byte(seed), true)
		f.Add([]byte(seed), false)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte, asJSON bool) {
		name := filepath.Join(dir, "ladder.yaml")
		if asJSON {
			name = filepath.Join(dir, "ladder.json")
		}
		if err := os.WriteFile(name, data, 0o600); err != nil {
			t.Fatal(err)
		}
		file, rungs, err := readLadder(name)
		if err != nil {
			if strings.Contains(err.Error(), "\n") || fault.KindOf(err) != fault.Invalid {
				t.Errorf("kind %s: %q", fault.KindOf(err), err)
			}
			return
		}
		if len(rungs) == 0 || len(file.Tree) != 1 {
			t.Errorf("%q is read as a ladder of %d renditions", data, len(rungs))
		}
	})
}

func TestARequestForABucketNamesTheFolderOfItsOutput(t *testing.T) {
	at := Place{
		Source: func(s string) (string, error) { return s, nil },
		Destination: func(s string) (string, error) {
			return "s3://media/out/" + strings.TrimPrefix(s, "s3://media/out/"), nil
		},
	}
	eight := flagvalue.WholeNumber(8)
	for output, want := range map[string]string{"film.mp4": "s3://media/out/", "site/a.m3u8": "s3://media/out/site/"} {
		req, _, err := Flags{Source: "s3://media/in/film.mov", Output: output, Concurrency: &eight}.Read(strings.NewReader(""), at)
		if err != nil || req.Destination != want || req.Source != "s3://media/in/film.mov" || req.Compute.Concurrency != 8 || req.Retention.Hours != 0 {
			t.Errorf("%s: %+v, %v; want the destination %s", output, req, err, want)
		}
	}
}

func TestFlagsSelectAPart(t *testing.T) {
	at := func(text string) *flagvalue.Moment {
		m := new(flagvalue.Moment)
		if err := m.UnmarshalText([]byte(text)); err != nil {
			t.Fatal(err)
		}
		return m
	}
	second := film.Seconds(time.Second)
	for _, c := range []struct {
		flags PartFlags
		want  film.Part
		err   string
	}{
		{PartFlags{Start: at("1:02:03.5"), End: at("1h3m")}, film.Part{Start: 3723*second + second/2, End: 3780 * second}, ""},
		{PartFlags{Start: at("0"), Duration: at("90")}, film.Part{Duration: 90 * second}, ""},
		{PartFlags{Chapters: "3-5"}, film.Part{Chapters: "3-5"}, ""},
		{PartFlags{Start: at("20"), End: at("10")}, film.Part{}, "--end: 10s is not after the start, 20s"},
		{PartFlags{End: at("20"), Duration: at("10")}, film.Part{}, "--duration: end says where the outputs end; leave out one of the two"},
		{PartFlags{Start: at("1"), Chapters: "3"}, film.Part{}, "--chapters: chapters say where the outputs begin and end; leave out start, end and duration"},
		{PartFlags{Chapters: "5-3"}, film.Part{}, `--chapters: "5-3" is not a range of chapters such as 3 or 3-5`},
	} {
		req, _, err := Flags{Source: "/in.mp4", Output: "/out.mp4", PartFlags: c.flags}.Read(strings.NewReader(""), Place{
			Source: func(s string) (string, error) { return s, nil }, Destination: func(s string) (string, error) { return s, nil },
		})
		switch {
		case c.err == "" && (err != nil || req.Part != c.want):
			t.Errorf("got %+v, %v; want %+v", req.Part, err, c.want)
		case c.err != "" && (err == nil || err.Error() != c.err):
			t.Errorf("got %v, want %s", err, c.err)
		}
	}
}

// Several sources become one film only where that is asked for.
func TestJoinNamesTheSourcesThatFollow(t *testing.T) {
	t.Parallel()
	at := Place{
		Source:      func(s string) (string, error) { return "s3://media/in/" + s, nil },
		Destination: func(s string) (string, error) { return "s3://media/out/" + s, nil },
	}
	req, _, err := Flags{Source: "a.mp4", Others: []string{"b.mov", "c.mkv"}, Join: true, Output: "film.mp4"}.Read(strings.NewReader(""), at)
	if want := []string{"s3://media/in/b.mov", "s3://media/in/c.mkv"}; err != nil || req.Source != "s3://media/in/a.mp4" || !slices.Equal(req.Join, want) {
		t.Errorf("%s, then %s, %v; want %s", req.Source, req.Join, err, want)
	}
	for want, flags := range map[string]Flags{
		"2 sources for one output": {Source: "a.mp4", Others: []string{"b.mp4"}},
		"two or more":              {Source: "a.mp4", Join: true},
		"only the first":           {Source: "a.mp4", Others: []string{"-"}, Join: true},
	} {
		flags.Output = "film.mp4"
		if _, _, err := flags.Read(strings.NewReader(""), at); fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}
