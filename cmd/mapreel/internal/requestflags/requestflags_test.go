package requestflags

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mapreel/mapreel/cmd/mapreel/internal/flagvalue"
	"github.com/mapreel/mapreel/pkg/fault"
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
