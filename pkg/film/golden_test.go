package film_test

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "rewrite the expected results in testdata")

// golden runs result on the cases of the archives that match pattern: NAME.json holds the input, NAME.want the expected
// result. With -update the results are written instead.
func golden(t *testing.T, pattern string, result func(t *testing.T, name string, input []byte) string) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("testdata", pattern))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no archive %s: %v", pattern, err)
	}
	for _, path := range paths {
		archive, err := txtar.ParseFile(path)
		if err != nil {
			t.Fatal(err)
		}
		want := map[string]string{}
		for _, f := range archive.Files {
			want[f.Name] = string(f.Data)
		}
		written := &txtar.Archive{Comment: archive.Comment}
		for _, f := range archive.Files {
			name, isInput := strings.CutSuffix(f.Name, ".json")
			if !isInput {
				continue
			}
			t.Run(strings.TrimSuffix(filepath.Base(path), ".txtar")+"/"+name, func(t *testing.T) {
				got := result(t, name, f.Data)
				written.Files = append(written.Files, f, txtar.File{Name: name + ".want", Data: []byte(got)})
				if diff := cmp.Diff(want[name+".want"], got); diff != "" && !*update {
					t.Errorf("(-want +got):\n%s", diff)
				}
			})
		}
		if *update {
			if err := os.WriteFile(path, txtar.Format(written), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// problemsOf returns the problems in err. It fails if err is not as Parse documents.
func problemsOf(t testing.TB, err error) film.Problems {
	t.Helper()
	if err == nil {
		return nil
	}
	var ps film.Problems
	if !errors.As(err, &ps) || len(ps) == 0 {
		t.Errorf("%v holds no problems", err)
	}
	if k := fault.KindOf(err); k != fault.Invalid {
		t.Errorf("%v is %s, want Invalid", err, k)
	}
	return ps
}
