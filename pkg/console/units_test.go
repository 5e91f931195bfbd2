package console

import (
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/ledger"
	"github.com/mapreel/mapreel/pkg/local"
)

func each(units []Unit, end error) iter.Seq2[Unit, error] {
	return func(yield func(Unit, error) bool) {
		for _, u := range units {
			if !yield(u, nil) {
				return
			}
		}
		if end != nil {
			yield(Unit{}, end)
		}
	}
}

func TestBlocksHaveEveryUnitOnce(t *testing.T) {
	t.Parallel()
	var units []Unit
	for i := range 2*blockUnits + 7 {
		units = append(units, Unit{ID: fmt.Sprintf("video/%05d", i), State: ledger.Done, Attempt: 1, Began: 1000 + int64(i), Ended: 2000 + int64(i)})
	}
	units = append(units, Unit{ID: "output/film", State: ledger.Failed, Failure: "torn", Warnings: 2, Batch: true, Ended: 500})
	torn := errors.New("torn")
	var names []string
	for b, err := range blocksOf(each(units, torn)) {
		if err != nil {
			if !errors.Is(err, torn) || len(names) != len(units) {
				t.Errorf("%v after %d units", err, len(names))
			}
			continue
		}
		n := len(b.Names)
		if n == 0 || n > blockUnits || len(b.States) != n || len(b.Attempts) != n || len(b.Began) != n || len(b.Ended) != n || len(b.Frames) != n || len(b.Bytes) != n {
			t.Fatalf("columns of different lengths: %+v", b)
		}
		for i, name := range b.Names {
			want := units[len(names)]
			names = append(names, b.Kind+"/"+name)
			time := func(at int64) int64 {
				if at < 0 {
					return 0
				}
				return b.Base + at
			}
			got := Unit{
				ID: b.Kind + "/" + name, State: want.State, Attempt: b.Attempts[i], Began: time(b.Began[i]), Ended: time(b.Ended[i]),
				Failure: b.Failures[i], Warnings: b.Warnings[i], Batch: slices.Contains(b.Batch, i),
			}
			if got != want || b.States[i] != want.State[0] {
				t.Fatalf("got %+v in state %c, want %+v", got, b.States[i], want)
			}
		}
	}
	if len(names) != len(units) {
		t.Errorf("%d of %d units", len(names), len(units))
	}
}

// What a run knows is ahead of the ledger, which knows of units that did not run yet.
func TestUnitsAreAsTheRunKnowsThem(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	x, err := s.fake.Start(t.Context(), "film", json.RawMessage(`{"source":"/films/film.mp4"}`))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.opts.Ledger.PutJob(t.Context(), ledger.Job{ID: "job", State: ledger.JobRunning, Execution: x.ARN, Started: time.Now(), Doc: json.RawMessage("{}")}); err != nil {
		t.Fatal(err)
	}
	spec := json.RawMessage(`{"phase":"encode","needs":{"class":"encode","route":"batch"}}`)
	planned := slices.Values([]ledger.Unit{{ID: "video/00000", Spec: spec}, {ID: "video/00001", Spec: spec}})
	if err := s.opts.Ledger.Plan(t.Context(), "job", planned, time.Time{}); err != nil {
		t.Fatal(err)
	}
	s.fake.mu.Lock()
	s.fake.runs[x.ARN] = true
	s.fake.mu.Unlock()
	tell := s.Observe(x)
	for _, e := range []engine.Event{{Type: engine.Started, Attempt: 1}, {Type: engine.Failed, Attempt: 1, Error: "torn\nlast words"}, {Type: engine.Started, Attempt: 2}} {
		e.Unit = "video/00001"
		tell(local.Event{Event: e, Time: time.UnixMilli(5000)})
	}
	status, text, _ := s.get("/console/units?name=film")
	want := `{"from":{"run":1,"changes":3}}` + "\n" + `{"kind":"video","id":["00000","00001"],"s":"pr","n":[0,2],"t":5000,"b":[-1,0],"e":[-1,-1],"f":[0,0],"z":[0,0],"x":{"1":"torn"},"p":[0,1]}`
	want += "\n{\"count\":2}\n"
	if status != 200 || text != want {
		t.Errorf("%d\n%s\nwant\n%s", status, text, want)
	}
}

// The page reads the units while the stream begins: each says from which change on it knows everything.
func TestUnitsAndTheStreamSayFromWhichChangeTheyAre(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	x, err := s.fake.Start(t.Context(), "film", json.RawMessage(`{"source":"/films/film.mp4"}`))
	if err != nil {
		t.Fatal(err)
	}
	begun := func(f *follower) *position {
		t.Helper()
		n, err := f.news(t.Context())
		if err != nil || n == nil {
			t.Fatalf("news %v, %v", n, err)
		}
		return n.Begun
	}
	f := s.follow("film")
	if from := begun(f); from == nil || *from != (position{}) {
		t.Errorf("before the run, changes come from %v", from)
	}
	s.fake.mu.Lock()
	s.fake.runs[x.ARN] = true
	s.fake.mu.Unlock()
	started := local.Event{Event: engine.Event{Type: engine.Started, Unit: "video/00000", Attempt: 1}, Time: time.Now()}
	s.Observe(x)(started)
	if from := begun(f); from == nil || *from != (position{1, 1}) {
		t.Errorf("after its beginning, changes come from %v", from)
	}
	early := s.follow("film") // the run changes between the request for the stream and its first message
	tell := s.Observe(x)      // it runs again
	tell(started)
	late := s.follow("film")
	tell(started)
	for name, f := range map[string]*follower{"early": early, "late": late} {
		want := map[string]position{"early": {2, 2}, "late": {2, 1}}[name]
		if from := begun(f); from == nil || *from != want {
			t.Errorf("%s: changes come from %v, want %v", name, from, want)
		}
	}
	started.Unit = "video/00001"
	tell(started)
	if n, err := late.news(t.Context()); err != nil || n.Begun != nil || len(n.Units) != 1 {
		t.Errorf("later: %+v, %v", n, err)
	}
}

// The timeline's bars are computed by the page's own script.
func TestWhatFailedHasABarInTheTimeline(t *testing.T) {
	t.Parallel()
	const program = `
		import { Timeline } from './page/canvas.js';
		const busy = Array.from({ length: 60 }, (_, i) => ({ id: 'video/' + i, s: 'done', b: 1000, e: 9000 }));
		const list = [...busy, { id: 'video/failed', s: 'failed', b: 2000, e: 3000 }, { id: 'video/killed', s: 'failed', b: 0, e: 9500 },
			{ id: 'video/more', s: 'done', b: 2000, e: 3000 }, { id: 'video/planned', s: 'planned', b: 0, e: 0 }];
		const work = new Timeline(null, { list }).place(10000);
		let step;
		do step = work.next(); while (!step.done);
		const [bars, lanes] = step.value;
		console.log(JSON.stringify({ lanes, bars: bars.filter((b) => !busy.includes(b.unit)).map((b) => [b.unit.id, b.begin, b.end]) }));`
	dir := t.TempDir()
	if err := os.CopyFS(dir, page); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "package.json"), []byte(`{"type": "module"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "node", "--input-type=module", "-e", program)
	cmd.Dir = dir
	out, err := cmd.Output()
	const want = `{"lanes":60,"bars":[["video/failed",2000,3000],["video/killed",9500,9500]]}`
	if err != nil || strings.TrimSpace(string(out)) != want {
		t.Errorf("%v\n%s\nwant\n%s", err, out, want)
	}
}

// Each file costs the first view a round trip.
func TestThePageNeedsOneScriptAndOneStyleSheet(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	_, index, _ := s.get("/")
	var names []string
	for _, m := range regexp.MustCompile(`(?:src|href)="(/page/[^"]*)"`).FindAllStringSubmatch(index, -1) {
		names = append(names, m[1])
	}
	if want := []string{"/page/icon.svg", "/page/console.css", "/page/main.js"}; !slices.Equal(names, want) {
		t.Errorf("the page needs %q, not %q", names, want)
	}
	_, script, _ := s.get("/page/main.js")
	if m := regexp.MustCompile(`(?m)^(import|export) .*`).FindString(script); m != "" {
		t.Errorf("the script has %q", m)
	}
	for _, name := range []string{"class JobView", "class UnitsView", "function* askLines", "import('./start.js')"} {
		if !strings.Contains(script, name) {
			t.Errorf("the script lacks %q", name)
		}
	}
	if _, styles, _ := s.get("/page/console.css"); !strings.Contains(styles, ".graph-box") {
		t.Error("the style sheet lacks that of jobs")
	}
}

func TestModulesThatCannotBeJoinedAreRefused(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"another name":  "import { a as b } from './other.js';",
		"a namespace":   "import * as other from './other.js';",
		"a default":     "export default 1;",
		"a list":        "const b = 1;\nexport { b };",
		"itself":        "import { a } from './main.js';\nexport const a = 1;",
		"what changes":  "export let a = 1;",
		"a missing one": "import { a } from './none.js';",
	} {
		files := fstest.MapFS{"main.js": {Data: []byte(text + "\n")}, "other.js": {Data: []byte("export const a = 1;\n")}}
		if out, err := bundle(files, "main"); err == nil {
			t.Errorf("%s: joined as %q", name, out)
		}
	}
	files := fstest.MapFS{
		"main.js": {Data: []byte("import { a } from './a.js';\nimport { b } from './b.js';\na(b);\n")},
		"a.js":    {Data: []byte("import { b } from './b.js';\nexport async function a() { return b; }\n")},
		"b.js":    {Data: []byte("export const b = 1;\n")},
	}
	out, err := bundle(files, "main")
	if want := "const module_b = (() => {\nconst b = 1;\nreturn { b };\n})();\n" +
		"const module_a = (() => {\nconst { b } = module_b;\nasync function a() { return b; }\nreturn { a };\n})();\n" +
		"const module_main = (() => {\nconst { a } = module_a;\nconst { b } = module_b;\na(b);\nreturn {  };\n})();\n"; err != nil || string(out) != want {
		t.Errorf("%v, %q", err, out)
	}
}

func TestThePageComesWithItsFirstMessage(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	const hostile = "</script><img src=x onerror=alert(1)>"
	if _, err := s.fake.Start(t.Context(), "first", json.RawMessage(`{"source":"/films/`+hostile+`.mkv"}`)); err != nil {
		t.Fatal(err)
	}
	_, index, _ := s.get("/")
	if strings.Contains(index, hostile) {
		t.Error("the name of a source can end the block of data")
	}
	_, rest, _ := strings.Cut(index, `<script id="first" type="application/json">`)
	text, _, _ := strings.Cut(rest, "</script>")
	var got struct {
		ID   string
		Jobs struct {
			Full bool
			Rows []Row
		}
		Definition map[string]any
	}
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatalf("%v in %q", err, text)
	}
	if len(got.Jobs.Rows) != 1 || !got.Jobs.Full || !strings.Contains(got.Jobs.Rows[0].Source, hostile) || got.Definition == nil {
		t.Errorf("%+v", got)
	}
	next := messages(t, s.url+"/events?after="+got.ID, "")
	if kind, id, data := next(); kind != "jobs" || id != got.ID || data != `{"rows":[]}` {
		t.Errorf("the stream goes on with %s %s %s, not with what is new since %s", kind, id, data, got.ID)
	}
}
