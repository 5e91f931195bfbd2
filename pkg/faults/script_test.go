package faults

import (
	"fmt"
	"testing"
)

// What the seeds found, each as it happened, so that it stays mended.
func TestWhatFaultsOnceBroke(t *testing.T) {
	t.Parallel()
	bed, err := shared()
	if err != nil {
		t.Fatal(err)
	}
	const mp4, mkv, ts = 0, 3, 4 // variants
	// lost makes an execution fail: nobody after the first finds the job.
	lost := func(stage, call string, script map[string]Kind) map[string]Kind {
		for n := 1; n < 10; n++ {
			script[fmt.Sprintf("round 1, %s, delivery %d, %s #0", stage, n, call)] = ErrorBefore
		}
		return script
	}
	for _, c := range []struct {
		name    string
		variant int
		until   moment
		script  map[string]Kind
	}{
		{"a result is not thrown away when its completion is asked for twice", mp4, atLast, map[string]Kind{
			"round 1, encode 2, delivery 0, Complete video/00002 #0":    Twice,
			"round 1, audio 0, delivery 0, Complete audio/00000 #0":     Twice,
			"round 1, merge out, delivery 0, Complete output/out #0":    Twice,
			"round 1, finish, delivery 0, Delete scratch items.json #0": Twice,
		}},
		{"a late merge of the same bytes does not undo the job", mp4, atLast, map[string]Kind{
			"round 1, merge out, delivery 0, Compose files out.mp4 #0": Zombie,
		}},
		{"nor where it dies before it can say so", mkv, atLast, map[string]Kind{
			"round 1, merge out, delivery 0, Put files out.mkv #0":   Zombie,
			"round 1, merge out, delivery 0, Complete output/out #0": KillAfter,
		}},
		{"a late Analyse does not run a finished job again", mp4, atLast, map[string]Kind{
			"round 1, analyse, delivery 0, PutJob  #0": Zombie,
		}},
		{"nor leaves its items behind", mp4, atLast, map[string]Kind{
			"round 1, analyse, delivery 0, Put scratch items.json #0": Zombie,
		}},
		{"nor gives up results whose pieces Finish cleared", mp4, atLast, map[string]Kind{
			"round 1, analyse, delivery 0, List scratch  #0": Zombie,
		}},
		{"an Analyse beside the work does not give up what was done after it looked", mp4, amid, map[string]Kind{
			"round 1, analyse, delivery 0, Units video/ #0": Zombie,
		}},
		{"a late Split leaves no stretches behind", ts, atLast, map[string]Kind{
			"round 1, split, delivery 0, Put scratch split/00001.mp4 #0": Zombie,
		}},
		{"nor when it has planned", ts, atLast, map[string]Kind{
			"round 1, split, delivery 0, Plan  #0": Zombie,
		}},
		{"a late piece goes when its worker sees that it lost", mp4, atLast, map[string]Kind{
			"round 1, encode 1, delivery 0, Put scratch video/00001.mp4 #0": Zombie,
			"round 1, audio 0, delivery 0, Put scratch audio/00000.mp4 #0":  Zombie,
		}},
		{"a Finish that died between the end and the tidying is made up for", mp4, atLast, map[string]Kind{
			"round 1, finish, delivery 0, EndJob  #0":       KillAfter,
			"round 1, finish, delivery 1, List scratch  #0": ErrorBefore,
		}},
		{"an Analyse that was given up does not run a job again that failed", mp4, afterFailure, lost("analyse", "Plan ", map[string]Kind{
			"round 1, analyse, delivery 0, PutJob  #0": Zombie,
		})},
		{"nor a Split", ts, afterFailure, lost("split", "Job ", map[string]Kind{
			"round 1, split, delivery 0, PutJob  #0": Zombie,
		})},
		{"nor does an Analyse take it from the next execution", mp4, amid, lost("analyse", "Plan ", map[string]Kind{
			"round 1, analyse, delivery 0, PutJob  #0": Zombie,
		})},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := newPlan(0)
			p.script, p.until = c.script, c.until
			o, err := bed.try(t.Context(), p, bed.variants[c.variant])
			if err != nil {
				t.Error(err)
			}
			if len(o.Faults) == 0 {
				t.Error("nothing of the script happened")
			}
			t.Log(o.Rounds, o.Faults)
		})
	}
}
