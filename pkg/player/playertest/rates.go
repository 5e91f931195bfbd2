package playertest

import (
	"encoding/json"
	"testing"
)

// SwitchedRates is what a player did that changed the rate of the audio while it played.
type SwitchedRates struct {
	Rates    int      `json:"rates"` // that it knows: with DASH those of a track, else its variants
	Problems []string `json:"problems"`
	Duration float64  `json:"duration"`
	End      float64  `json:"end"`   // where playback ended, in seconds
	Files    []string `json:"files"` // the addresses that were requested, in order
}

// SwitchRates plays the playlist of the package in folder with "hls", "dash" or "shaka". The player begins with the lowest rate of the
// audio, in HLS with the lowest variant, and changes to the highest after a second.
func SwitchRates(t testing.TB, folder, playlist, player string) (r SwitchedRates) {
	t.Helper()
	out := browse(t, ratesScript, folder, playlist, player, nil)
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatalf("switch rates of %s: %v in %q", playlist, err, out)
	}
	return r
}
