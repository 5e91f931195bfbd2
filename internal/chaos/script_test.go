package chaos

import (
	"fmt"
	"strings"
	"testing"
)

// script maps a site to its fault.
type script = map[string]Kind

// Indexes of variants.
const mp4, mkv, ts, jumps, checksums, previews = 0, 3, 4, 6, 7, 8

// failing makes the first execution fail: every delivery of the task after the first fails at the
// given call.
func failing(task, call string, s script) script {
	const deliveries = 7 // the first one and six retries
	for n := 1; n < deliveries; n++ {
		s[fmt.Sprintf("round 1, %s, delivery %d, %s #0", task, n, call)] = ErrorBefore
	}
	return s
}

// scripted is a job under a script.
type scripted struct {
	name    string
	variant int
	until   resumePoint
	fails   bool // the first execution fails
	script  script
}

// scripts reproduce failures that seeds once found, and situations that seeds rarely meet.
var scripts = []scripted{
	{"a result survives a repeated Complete", mp4, atEnd, false, script{
		"round 1, run video/00002, delivery 0, Complete video/00002 #0":    Repeated,
		"round 1, run audio/00000, delivery 0, Complete audio/00000 #0":    Repeated,
		"round 1, run output/out, delivery 0, Complete output/out #0":      Repeated,
		"round 1, finish, delivery 0, Delete scratch items-encode.json #0": Repeated,
	}},
	{"a checksum survives a repeated Complete", checksums, atEnd, false, script{
		"round 1, run checksum/00002, delivery 0, Complete checksum/00002 #0":     Repeated,
		"round 1, run checksumlist/all, delivery 0, Complete checksumlist/all #0": Repeated,
	}},
	{"previews are the same after the death of a slice and of their list", previews, atEnd, false, script{
		"round 1, run slice/000000, delivery 0, Put files out-000003.jpg #0":          KillAfter,
		"round 1, run slice/000001, delivery 0, Open scratch video/00000.pictures #0": KillBefore,
		"round 1, run preview/out, delivery 0, Put files out.preview.json #0":         KillAfter,
	}},
	{"nor does a late slice change them", previews, atEnd, false, script{
		"round 1, run slice/000000, delivery 0, Put files out-000002.jpg #0": Zombie,
		"round 1, run preview/out, delivery 0, Complete preview/out #0":      Repeated,
	}},
	{"a late Merge of the same bytes does not undo the job", mp4, atEnd, false, script{
		"round 1, run output/out, delivery 0, Compose files out.mp4 #0": Zombie,
	}},
	{"nor if it is killed after Complete", mkv, atEnd, false, script{
		"round 1, run output/out, delivery 0, Put files out.mkv #0":   Zombie,
		"round 1, run output/out, delivery 1, Complete output/out #0": KillAfter,
	}},
	{"a late Analyse does not run a finished job again", mp4, atEnd, false, script{
		"round 1, analyse, delivery 0, PutJob  #0": Zombie,
	}},
	{"nor does it leave its items behind", mp4, atEnd, false, script{
		"round 1, analyse, delivery 0, Put scratch items-encode.json #0": Zombie,
	}},
	{"nor does it give up results whose objects Finish removed", mp4, atEnd, false, script{
		"round 1, analyse, delivery 0, Units  #0": Zombie,
	}},
	{"a concurrent Analyse does not give up units completed after it read them", mp4, afterUnit, false, script{
		"round 1, analyse, delivery 0, Units  #0": Zombie,
	}},

	{"a late Split leaves no source chunks behind", ts, atEnd, false, script{
		"round 1, run split/source, delivery 0, Put scratch split/00001.mp4 #0": Zombie,
	}},
	{"nor does one that fails late", ts, atEnd, false, script{
		"round 1, run split/source, delivery 0, Put scratch split/00001.mp4 #0": Zombie,
		"round 1, run split/source, delivery 0, Put scratch split/00002.mp4 #0": ErrorBefore,
	}},
	{"nor does one that has cut the whole source", ts, atEnd, false, script{
		"round 1, run split/source, delivery 0, Put scratch split/index.json #0": Zombie,
	}},
	{"nor does one that only had to complete", ts, atEnd, false, script{
		"round 1, run split/source, delivery 0, Complete split/source #0": Zombie,
	}},
	{"a late Split does not undo the plan of the next phase", ts, beforeOutput, false, script{
		"round 1, run split/source, delivery 0, Put scratch split/00001.mp4 #0": Zombie,
	}},
	{"two Splits at once make the same source chunks", ts, atEnd, false, script{
		"round 1, run split/source, delivery 0": Concurrent,
	}},
	{"a Split that is delivered twice is done once", ts, atEnd, false, script{
		"round 1, run split/source, delivery 0": Redelivered,
	}},

	{"a late plan of the next phase leaves nothing behind", ts, atEnd, false, script{
		"round 1, analyse the next phase, delivery 0, Plan  #0": Zombie,
	}},
	{"nor does it leave its items behind", ts, atEnd, false, script{
		"round 1, analyse the next phase, delivery 0, Put scratch items-encode.json #0": Zombie,
	}},
	{"the next phase is planned again if its plan was killed before it was recorded", ts, atEnd, false, script{
		"round 1, analyse the next phase, delivery 0, Plan  #0": KillAfter,
	}},
	{"by the next execution if its own fails", ts, atEnd, true, failing("analyse the next phase", "Job ", script{
		"round 1, analyse the next phase, delivery 0, Plan  #0": KillAfter,
	})},
	{"the next phase is not planned twice if its plan was killed after it was recorded", ts, atEnd, false, script{
		"round 1, analyse the next phase, delivery 0, PutJob  #0": KillAfter,
	}},
	{"two plans of the next phase at once are one", ts, atEnd, false, script{
		"round 1, analyse the next phase, delivery 0": Concurrent,
	}},
	{"a late Analyse does not undo the plan of the next phase", ts, beforeOutput, false, script{
		"round 1, analyse, delivery 0, PutJob  #0": Zombie,
	}},
	{"nor if it is killed right after it has recorded its own plan", ts, beforeOutput, false, script{
		"round 1, analyse, delivery 0, PutJob  #0": Zombie,
		"round 1, analyse, delivery 0, Plan  #0":   KillBefore,
	}},

	{"a late chunk is removed when its worker sees that it lost", mp4, atEnd, false, script{
		"round 1, run video/00001, delivery 0, Put scratch video/00001.mp4 #0": Zombie,
		"round 1, run audio/00000, delivery 0, Put scratch audio/00000.mp4 #0": Zombie,
	}},
	{"a late checksum too", checksums, atEnd, false, script{
		"round 1, run checksum/00001, delivery 0, Put scratch checksum/00001.txt #0": Zombie,
	}},
	{"the work of a Finish that was killed between EndJob and the cleanup is completed", mp4, atEnd, false, script{
		"round 1, finish, delivery 0, EndJob  #0":       KillAfter,
		"round 1, finish, delivery 1, List scratch  #0": ErrorBefore,
	}},

	{"a destination that cannot be looked at is not taken for missing", mp4, atEnd, false, script{
		"round 1, analyse, delivery 0, Stat files out.mp4 #0": ErrorBefore,
	}},

	{"an abandoned Analyse does not restart a failed job", mp4, afterFailure, true, failing("analyse", "Plan ", script{
		"round 1, analyse, delivery 0, PutJob  #0": Zombie,
	})},
	{"nor does an abandoned plan of the next phase", ts, afterFailure, true, failing("analyse the next phase", "Job ", script{
		"round 1, analyse the next phase, delivery 0, PutJob  #0": Zombie,
	})},
	{"an abandoned Analyse does not take the job from the next execution", mp4, afterUnit, true, failing("analyse", "Plan ", script{
		"round 1, analyse, delivery 0, PutJob  #0": Zombie,
	})},
	{"nor does an abandoned plan of the next phase", ts, beforeOutput, true, failing("analyse the next phase", "Job ", script{
		"round 1, analyse the next phase, delivery 0, PutJob  #0": Zombie,
	})},
}

// realScripts are scripts in which an encoder reads other bytes than it would without the fault. The
// replayed one would not notice.
var realScripts = []scripted{
	{"a late Split that looks for a jump does not undo the chunks of one that found it", jumps, afterUnit, false, script{
		"round 1, run split/source, delivery 0, Put scratch split/00002.mp4 #0":    Zombie,
		"round 1, run split/source, delivery 0, Delete scratch split/00000.mp4 #0": KillBefore,
	}},
}

func TestScriptedFaults(t *testing.T) {
	t.Parallel()
	harness, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	runScripts(t, harness, scripts)
}

func TestScriptedFaultsWithARealEncoder(t *testing.T) {
	t.Parallel()
	harness, err := sharedReal()
	if err != nil {
		t.Fatal(err)
	}
	runScripts(t, harness, realScripts)
}

func runScripts(t *testing.T, harness *Harness, scripts []scripted) {
	for _, c := range scripts {
		executions := 1
		if c.fails {
			executions = 2
		}
		t.Run(c.name, func(t *testing.T) {
			p := newPlan(0)
			p.script, p.resumeAt = c.script, c.until
			o, err := harness.runPlan(t.Context(), p, harness.variants[c.variant])
			if err != nil {
				t.Error(err)
			}
			if got := p.descriptions(); len(got) < len(c.script) {
				t.Errorf("of the script's %d faults only these were injected: %q", len(c.script), got)
			}
			if o.Rounds != executions {
				t.Errorf("it took %d executions, want %d", o.Rounds, executions)
			}
		})
	}
}

// The toy is a kind of work that knows nothing of films. Its job is killed once at every call that it
// makes: the stage before the call, the stage after it, and the whole process.
func TestAJobKilledAtAnyCallEndsWithTheSameBytes(t *testing.T) {
	t.Parallel()
	harness, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	undisturbed := newPlan(0)
	undisturbed.script = script{}
	if _, err := harness.runPlan(t.Context(), undisturbed, harness.variants[checksums]); err != nil {
		t.Fatal(err)
	}
	deaths := 0
	for _, site := range undisturbed.visited {
		if !strings.Contains(site, "#") { // a delivery, not a call
			continue
		}
		for _, k := range []Kind{KillBefore, KillAfter, Crash} {
			p := newPlan(0)
			p.script, p.resumeAt = script{site: k}, atEnd
			if _, err := harness.runPlan(t.Context(), p, harness.variants[checksums]); err != nil {
				t.Errorf("%s: %v", k, err)
			}
			deaths += p.injectedCount()
		}
	}
	if deaths < 100 {
		t.Errorf("the job was killed %d times, want one for each of its calls", deaths)
	}
	t.Logf("killed %d times", deaths)
}
