package job_test

import (
	"encoding/json"
	"testing"

	"github.com/mapreel/mapreel/pkg/job"
)

func TestFrameRatesAreReadExactly(t *testing.T) {
	for text, want := range map[string]job.FrameRate{
		`25`: {Num: 25, Den: 1}, `"25"`: {Num: 25, Den: 1}, `"30000/1001"`: {Num: 30000, Den: 1001}, `29.97`: {Num: 30000, Den: 1001},
		`"23.976"`: {Num: 24000, Den: 1001}, `12.5`: {Num: 25, Den: 2}, `"50/2"`: {Num: 25, Den: 1}, `"1/60"`: {Num: 1, Den: 60},
	} {
		var got job.FrameRate
		if err := json.Unmarshal([]byte(text), &got); err != nil || got != want {
			t.Errorf("%s is %v (%v), want %v", text, got, err, want)
		}
		again, err := json.Marshal(got)
		if err == nil {
			err = json.Unmarshal(again, &got)
		}
		if err != nil || got != want {
			t.Errorf("%s comes back from %s as %v (%v)", text, again, got, err)
		}
	}
	for _, text := range []string{
		`0`, `"0"`, `-25`, `1e3`, `"25/0"`, `"1/61"`, `1001`, `"film"`, `""`, `"30/1.5"`, `"30.5/2"`, `"123456789/999999"`, `true`, `null`,
	} {
		var got job.FrameRate
		if err := got.UnmarshalJSON([]byte(text)); err == nil {
			t.Errorf("%s is taken for %v", text, got)
		}
	}
}
