package film_test

import (
	"strings"
	"testing"

	"github.com/mapreel/mapreel/pkg/film"
)

func TestGainReachesTheLoudnessWithoutExceedingThePeak(t *testing.T) {
	for _, c := range []struct {
		facts   film.LoudnessFacts
		gain    film.Loudness
		limited bool
	}{
		{film.LoudnessFacts{Integrated: -1812, Peak: -30}, -488, false},
		{film.LoudnessFacts{Integrated: -3000, Peak: -1500}, 700, false},
		{film.LoudnessFacts{Integrated: -3000, Peak: -400}, 300, true},
		{film.LoudnessFacts{Integrated: -2400, Peak: 50}, 0, true},    // louder already than the limit: not made quieter than asked for
		{film.LoudnessFacts{Integrated: -2200, Peak: 50}, -100, true}, // what the target needs
		{film.LoudnessFacts{Integrated: -7000, Peak: -6000}, 0, false},
	} {
		if gain, limited := c.facts.Gain(-2300); gain != c.gain || limited != c.limited {
			t.Errorf("%+v: %v, %v, want %v, %v", c.facts, gain, limited, c.gain, c.limited)
		}
	}
}

func TestLoudnessIsChecked(t *testing.T) {
	for audio, want := range map[string]string{
		`{"loudness":-23.5}`:              "",
		`{"loudness":-2}`:                 "/outputs/0/audio/loudness: ",
		`{"loudness":3}`:                  "/outputs/0/audio/loudness: ",
		`{"loudness":"loud"}`:             "/outputs/0/audio/loudness: must be a number",
		`{"loudness":-23,"codec":"copy"}`: "/outputs/0/audio/loudness: the loudness of what is copied cannot be changed",
		`{"loudness":-23,"codec":"none"}`: "/outputs/0/audio/loudness: the output has no audio",
	} {
		r, err := film.Parse([]byte(`{"source":"/a","destination":"/b","outputs":[{"name":"c","audio":` + audio + `}]}`))
		if want == "" {
			if err != nil || r.Outputs[0].Audio.Loudness != -2350 {
				t.Errorf("%s: %v, %v", audio, r.Outputs, err)
			}
		} else if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", audio, err, want)
		}
	}
}
