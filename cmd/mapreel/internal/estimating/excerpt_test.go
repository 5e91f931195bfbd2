package estimating

import (
	"context"
	"encoding/json"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mapreel/mapreel/cmd/mapreel/internal/toolrun"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/work"
)

// stream makes a transport stream of tiny pictures from a source of lavfi, with a keyframe every ten seconds.
func stream(t *testing.T, lavfi string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "stream.ts")
	args := []string{"-v", "error", "-f", "lavfi", "-i", lavfi, "-c:v", "libx264", "-preset", "ultrafast", "-g", "50", "-pix_fmt", "yuv420p", path}
	if out, err := exec.CommandContext(t.Context(), "ffmpeg", args...).CombinedOutput(); err != nil {
		t.Fatalf("ffmpeg: %v\n%s", err, out)
	}
	return path
}

// sampled is a kind that passes each of its results to a function, which may change it.
type sampled struct {
	work.Kind

	each func(*work.Result)
}

func (s sampled) Run(ctx context.Context, env *work.Env, u work.Unit) (work.Result, error) {
	r, err := s.Kind.Run(ctx, env, u)
	s.each(&r)
	return r, err
}

// basis returns what the speed of a request is taken from. each gets the result of every sample.
func basis(t *testing.T, request map[string]any, each func(*work.Result)) string {
	t.Helper()
	tools, err := ffmpeg.Find(t.Context(), ffmpeg.FindOptions{})
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Registry: toolrun.Registry(tools), Tools: tools}
	o.Registry.Kinds = slices.Clone(o.Registry.Kinds)
	for i, k := range o.Registry.Kinds {
		if k.Name() == film.VideoKind {
			o.Registry.Kinds[i] = sampled{k, each}
		}
	}
	request["destination"] = t.TempDir()
	request["outputs"] = []any{map[string]any{"name": "film", "video": []any{map[string]any{"preset": "ultrafast"}}}}
	data, err := json.Marshal(request)
	if err != nil {
		t.Fatal(err)
	}
	s, err := fromSamples(t.Context(), data, o)
	if err != nil {
		t.Fatal(err)
	}
	return s.Basis
}

func TestAnExcerptWithoutFramesLeavesTheSamplesOfOthers(t *testing.T) {
	t.Parallel()
	calls := 0
	got := basis(t, map[string]any{"source": stream(t, "testsrc2=size=64x36:rate=5:duration=66")}, func(r *work.Result) {
		if calls++; calls == 1 {
			r.Done.Count = 0
		}
	})
	if want := "3 samples of this source, "; !strings.HasPrefix(got, want) {
		t.Errorf("the speed is that of %q, want %q", got, want)
	}
}

// TestSamplesOfAShortPartLieWithinIt makes noise from 43 to 46 s, and nothing to encode elsewhere. The keyframe before is at 40 s, the next
// one at 50 s.
func TestSamplesOfAShortPartLieWithinIt(t *testing.T) {
	t.Parallel()
	source := stream(t, "color=gray:size=64x36:rate=5:duration=80,noise=alls=100:allf=t:enable='between(t,42.9,45.9)'")
	var written []int64
	got := basis(t, map[string]any{"source": source, "part": film.Part{Start: film.Seconds(43e9), End: film.Seconds(46e9)}}, func(r *work.Result) {
		written = append(written, r.Done.Bytes/max(r.Done.Count, 1))
	})
	if want := "2 samples of this source, "; !strings.HasPrefix(got, want) {
		t.Errorf("the speed is that of %q, want %q", got, want)
	}
	for _, n := range written {
		if n < 700 {
			t.Errorf("samples have %d bytes a frame, want some of noise: 700 at least", written)
		}
	}
}

func TestExcerptsOfPartsHaveARunUpWithinTheSource(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ from, length, want media.Ticks }{
		{0, 5_000_000, 0}, {8_000_000, 5_000_000, 8_000_000}, {100_000_000, 5_000_000, excerptLength}, {100_000_000, excerptLength, 0},
	} {
		if got := runUp(c.from, c.length); got != c.want {
			t.Errorf("%d us from %d: a run-up of %d us, want %d", c.length, c.from, got, c.want)
		}
	}
}

func TestWindowsAreWeighedOnlyWhereTheySaySomething(t *testing.T) {
	t.Parallel()
	whole := film.Job{Source: film.Source{Size: 1, Duration: 100_000_000}}
	part, endless := whole, whole
	part.Request.Part, endless.Source.Duration = film.Part{Start: 1}, 0
	for name, c := range map[string]struct {
		job         film.Job
		sized, want bool
	}{
		"a film":                       {job: whole, want: true},
		"outputs of a size":            {job: whole, sized: true},
		"a part, of bytes not known":   {job: part},
		"a film of a length not known": {job: endless},
	} {
		if got := windowed(c.job, c.sized); got != c.want {
			t.Errorf("%s: %t, want %t", name, got, c.want)
		}
	}
}

func TestExcerptsFitTheFolderForTemporaryFiles(t *testing.T) {
	t.Parallel()
	const mega = 1_000_000
	film1h := film.Job{Source: film.Source{Size: 1800 * mega, Duration: 3_600_000_000}} // 10 MB in 20 s
	part, endless := film1h, film1h
	part.Request.Part, part.Source.Duration = film.Part{Start: 1}, 5_000_000
	endless.Source.Duration = 0
	heavy := film1h
	heavy.Source.Size = 360_000 * mega
	for name, c := range map[string]struct {
		job        film.Job
		free, most int64
		fails      bool
	}{
		"a film":                       {job: film1h, free: 1000 * mega, most: 40*mega + excerptSlack},
		"little is free":               {job: film1h, free: 30 * mega, most: 15 * mega},
		"too little is free":           {job: film1h, free: 19 * mega, fails: true},
		"nothing is free":              {job: film1h, free: 0, fails: true},
		"what is free is not known":    {job: film1h, free: -1, most: 40*mega + excerptSlack},
		"a film of 2 GB in 20 s":       {job: heavy, free: 3000 * mega, most: excerptMost},
		"a part":                       {job: part, free: 10_000 * mega, most: excerptMost},
		"a part, and little is free":   {job: part, free: 20 * mega, fails: true},
		"a film of a length not known": {job: endless, free: 10_000 * mega, most: excerptMost},
	} {
		got, err := excerptSize(c.job, excerptLength, "/tmp", c.free)
		if got != c.most || (err != nil) != c.fails {
			t.Errorf("%s: %d bytes, %v; want %d", name, got, err, c.most)
		}
		if c.fails && fault.KindOf(err) != fault.OutOfSpace {
			t.Errorf("%s: the error is of kind %s", name, fault.KindOf(err))
		}
	}
}
