package console

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"image"
	"image/color"
	"image/png"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/blob/dir"
	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/history"
	"github.com/mapreel/mapreel/pkg/ledger"
	"github.com/mapreel/mapreel/pkg/local"
	"github.com/mapreel/mapreel/pkg/player/playertest"
	"github.com/mapreel/mapreel/pkg/render"
	"github.com/mapreel/mapreel/pkg/render/arrived"
	"github.com/mapreel/mapreel/pkg/render/blender/blendertest"
	"github.com/mapreel/mapreel/pkg/work"
)

// rendering starts an execution of a source, with a job whose plan has doc. The page reads frames from the returned folder.
func (s *site) rendering(name, job, source, doc string) (history.Execution, *dir.Store) {
	s.t.Helper()
	store, err := dir.New(filepath.Join(s.root, "pieces"))
	if err != nil {
		s.t.Fatal(err)
	}
	s.opts.Frames = arrived.In(store)
	x, err := s.fake.Start(s.t.Context(), name, json.RawMessage(`{"source":"`+source+`"}`))
	if err != nil {
		s.t.Fatal(err)
	}
	plan, err := json.Marshal(work.Plan{ID: job, Doc: json.RawMessage(doc)})
	if err != nil {
		s.t.Fatal(err)
	}
	if err := s.opts.Ledger.PutJob(s.t.Context(), ledger.Job{ID: job, State: ledger.JobRunning, Execution: x.ARN, Started: time.Now(), Doc: plan}); err != nil {
		s.t.Fatal(err)
	}
	return x, store
}

func put(t *testing.T, store blob.Store, key string, data []byte) {
	t.Helper()
	if _, err := store.Put(t.Context(), key, bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
}

func TestFramesThatHaveArrivedAreListedAndServed(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	const doc = `{"render":{"frames":"-5,3,10-12"}}`
	_, store := s.rendering("shot", "aa", "/films/shot.blend", doc)
	s.rendering("other", "bb", "/films/shot.blend", doc)
	s.rendering("film", "cc", "/films/film.mp4", `{"segments":2}`)
	if _, err := s.fake.Start(t.Context(), "new", json.RawMessage(`{"source":"/films/new.blend"}`)); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{render.Key("aa", 2, render.PNG), render.Key("aa", 0, render.PNG), render.TileKey("aa", 3, 1), render.Key("aa", 5, render.PNG), render.SoundKey("aa"), render.Key("cc", 0, render.PNG), "cc/secret.png"} {
		put(t, store, key, []byte(key))
		time.Sleep(10 * time.Millisecond) // the order in which they arrive
	}
	unfinished := filepath.Join(store.Root(), filepath.Dir(render.Key("aa", 1, render.PNG)), blob.Reserved+"000001.png")
	if err := os.WriteFile(unfinished, []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"frames?name=shot":                       `{"frames":5,"arrived":2,"latest":[-5,10]}`,
		"frames?name=other":                      `{"frames":5,"arrived":0,"latest":[]}`,
		"frames?name=film":                       `{"frames":0,"arrived":0,"latest":[]}`,
		"frames?name=new":                        `{"frames":0,"arrived":0,"latest":[]}`,
		"frames?name=none":                       "404",
		"frame?name=shot&number=10":              render.Key("aa", 2, render.PNG),
		"frame?name=shot&number=-5":              render.Key("aa", 0, render.PNG),
		"frame?name=shot&number=3":               "404", // it is being written
		"frame?name=shot&number=13":              "404",
		"frame?name=other&number=10":             "404",
		"frame?name=film&number=0":               "404",
		"frame?name=new&number=10":               "404",
		"frame?name=none&number=10":              "404",
		"frame?name=film&number=../secret":       "400",
		"frame?name=shot&number=":                "400",
		"frame?name=shot&number=../../cc/secret": "400",
	} {
		status, text, header := s.get("/console/" + path)
		if status != http.StatusOK {
			text = http.StatusText(status)
			want = map[string]string{"404": http.StatusText(http.StatusNotFound), "400": http.StatusText(http.StatusBadRequest)}[want]
		} else if strings.HasPrefix(path, "frame?") && header.Get("Content-Type") != "image/png" {
			t.Errorf("%s: a frame of type %s", path, header.Get("Content-Type"))
		}
		if text != want {
			t.Errorf("%s: %d %q, want %q", path, status, text, want)
		}
	}
}

func TestAFrameInLinearLightIsServedAsAPNG(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	_, store := s.rendering("shot", "aa", "/films/shot.blend", `{"render":{"frames":"7","settings":{"format":"exr32"}}}`)
	put(t, store, render.Key("aa", 0, render.EXR32), blendertest.EXR(render.Picture{Width: 3, Height: 2, Format: render.EXR32}, "", func(_, x, _ int) float32 { return float32(x) }))
	if _, text, _ := s.get("/console/frames?name=shot"); text != `{"frames":1,"arrived":1,"latest":[7]}` {
		t.Error(text)
	}
	_, text, header := s.get("/console/frame?name=shot&number=7")
	shown, err := png.Decode(strings.NewReader(text))
	if err != nil || header.Get("Content-Type") != "image/png" || shown.At(0, 0) != (color.RGBA{0, 0, 0, 255}) || shown.At(1, 1) != (color.RGBA{255, 255, 255, 255}) {
		t.Errorf("%v, %v, a frame of type %s", shown, err, header.Get("Content-Type"))
	}
}

// pictureOf returns a PNG of 8 or 16 bits.
func pictureOf(t *testing.T, width, height int, deep bool) []byte {
	t.Helper()
	var out bytes.Buffer
	var p interface {
		image.Image
		Set(x, y int, c color.Color)
	} = image.NewNRGBA(image.Rect(0, 0, width, height))
	if deep {
		p = image.NewNRGBA64(p.Bounds())
	}
	p.Set(1, 1, color.White)
	if err := png.Encode(&out, p); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestThePageShowsFramesAsTheyArrive(t *testing.T) {
	t.Parallel()
	modules, chromium := playertest.Browser(t)
	s := newSite(t)
	x, store := s.rendering("shot", "aa", "/films/shot.blend", `{"render":{"frames":"7-9"}}`)
	s.fake.mu.Lock()
	s.fake.runs[x.ARN] = true
	s.fake.mu.Unlock()
	observe := s.Observe(x)
	shown := s.openJob(modules, chromium, "shot")
	for step, want := range []string{
		`{"frames":[],"summary":""}`,
		`{"frames":["Frame 8 64x36"],"summary":"1 of 3 rendered"}`,
		`{"frames":["Frame 7 32x18","Frame 8 64x36"],"summary":"2 of 3 rendered"}`,
	} {
		if got := shown(); got != want {
			t.Fatalf("step %d: the page shows %s, want %s", step, got, want)
		}
		switch step {
		case 0:
			put(t, store, render.Key("aa", 1, render.PNG), pictureOf(t, 64, 36, false))
		case 1:
			put(t, store, render.Key("aa", 0, render.PNG), pictureOf(t, 32, 18, true))
		}
		observe(local.Event{Event: engine.Event{Type: engine.Progress, Unit: "frames/000000", Amount: work.Amount{Count: int64(step + 1)}}, Time: time.Now()})
	}
}

// openJob opens the page of a job in a browser. The returned function waits for the next line that rendered.mjs prints.
func (s *site) openJob(modules, chromium, name string) func() string {
	t := s.t
	t.Helper()
	arguments, err := json.Marshal(map[string]any{
		"chromium": chromium, "modules": modules, "profile": filepath.Join(t.TempDir(), "profile"), "address": s.url + "/#/job/" + name,
	})
	if err != nil {
		t.Fatal(err)
	}
	// The context of the test ends before its cleanup, and would leave the browser behind, which writes to its profile.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), 3*time.Minute)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, "node", filepath.Join("testdata", "rendered.mjs"), string(arguments))
	cmd.Stderr = os.Stderr
	cmd.WaitDelay = 10 * time.Second
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close() // which ends the program
		_ = cmd.Wait()
	})
	lines := bufio.NewScanner(out)
	return func() string {
		if !lines.Scan() {
			t.Fatalf("the browser ended: %v", lines.Err())
		}
		return lines.Text()
	}
}
