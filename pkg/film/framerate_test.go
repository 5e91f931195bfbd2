package film_test

import (
	"encoding/json"
	"testing"

	"github.com/mapreel/mapreel/pkg/film"
)

func TestFrameRatesAreParsedExactly(t *testing.T) {
	for text, want := range map[string]film.FrameRate{
		`25`: {Num: 25, Den: 1}, `"25"`: {Num: 25, Den: 1}, `"30000/1001"`: {Num: 30000, Den: 1001}, `29.97`: {Num: 30000, Den: 1001},
		`"23.976"`: {Num: 24000, Den: 1001}, `12.5`: {Num: 25, Den: 2}, `"50/2"`: {Num: 25, Den: 1}, `"1/60"`: {Num: 1, Den: 60},
	} {
		var got film.FrameRate
		if err := json.Unmarshal([]byte(text), &got); err != nil || got != want {
			t.Errorf("%s: got %v (%v), want %v", text, got, err, want)
		}
		again, err := json.Marshal(got)
		if err == nil {
			err = json.Unmarshal(again, &got)
		}
		if err != nil || got != want {
			t.Errorf("%s is written as %s and parsed as %v (%v)", text, again, got, err)
		}
	}
	for _, text := range []string{
		`0`, `"0"`, `-25`, `1e3`, `"25/0"`, `"1/61"`, `1001`, `"film"`, `""`, `"30/1.5"`, `"30.5/2"`, `"123456789/999999"`, `true`, `null`,
	} {
		var got film.FrameRate
		if err := got.UnmarshalJSON([]byte(text)); err == nil {
			t.Errorf("%s is accepted as %v", text, got)
		}
	}
}

// FuzzNumbers checks that a text which is accepted gives a positive number that parses again from
// its own text.
func FuzzNumbers(f *testing.F) {
	for _, seed := range []string{
		"160k", "2.5M", "96000", "0.001k", "1000M", "25", "12.5", "30000/1001", "29.97", "1/60", "1/12288", "9223372036854775807/1",
		"", "/", "1/0", "-1/5", "1e3", "0x10", "１", "1/2/3", "99999999999999999999", "1.k", ".5M", "25\n",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if b, err := film.ParseBitrate(text); err == nil {
			if again, err := film.ParseBitrate(b.String()); err != nil || again != b || b < 1 {
				t.Errorf("bit rate %q is %d, and its text %q is %d (%v)", text, b, b, again, err)
			}
		}
		if r, err := film.ParseFrameRate(text); err == nil {
			data, err := json.Marshal(r)
			var again film.FrameRate
			if err == nil {
				err = json.Unmarshal(data, &again)
			}
			if err != nil || again != r || r.Num < 1 || r.Den < 1 {
				t.Errorf("frame rate %q is %v, and %s is %v (%v)", text, r, data, again, err)
			}
		}
	})
}
