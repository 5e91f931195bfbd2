package job_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/mapreel/mapreel/internal/toy/toytest"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/tool/confine/containertest"
)

// What a tool reports is the progress of its unit, also from within an image. It only ever grows, and no report is too slow on a machine
// where no other worker could take over.
func TestAToolReportsItsProgress(t *testing.T) {
	t.Parallel()
	wav := toytest.NoisyWAV(t, 16_000, 1)
	for _, name := range []string{"on this machine", "in an image", "of a whole file, whose length nobody needs"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in, each := "", "sound"
			switch name {
			case "of a whole file, whose length nobody needs":
				each = "file"
			case "in an image":
				in = fmt.Sprintf(`"image": %q, `, containertest.Image(t, "sleep"))
			}
			b := newBench(t, wav)
			_, err := b.run(t, `{"name": "report", "each": "`+each+`", "timeout": 60, `+in+`"command": ["sh", "-c", `+
				`"for n in 0.25 0.5 nonsense 0.1; do echo $n > $MAPREEL_PROGRESS_FILE; sleep 1.5; done"]}`)
			if err != nil {
				t.Fatal(err)
			}
			if want := []media.Ticks{250_000, 500_000}; !slices.Equal(b.progress, want) {
				t.Errorf("progress is %v, want %v", b.progress, want)
			}
		})
	}
}
