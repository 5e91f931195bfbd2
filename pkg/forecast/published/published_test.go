package published

import (
	"math"
	"testing"
)

func TestForecastsAreAsNearToPublishedFiguresAsDocumented(t *testing.T) {
	rows, _, err := Rows(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	within := map[string]float64{"1 h of 4K to 720p on 30 functions": 0.10, "SCAR, audio2srt at 1 GB": 0.05}
	checks := 0
	for _, r := range rows {
		t.Logf("%-36s %-32s fitted %-5t %8.3f %8.3f %s %+.0f %%", r.Source, r.What, r.Fitted, r.Published, r.Forecast, r.Unit, 100*r.Error())
		limit, known := within[r.Source]
		if r.Unit == "USD" {
			limit = 0.25
		}
		if r.Fitted {
			limit, known = 0.02, true
		}
		if known && math.Abs(r.Error()) > limit {
			t.Errorf("%s, %s: %.1f %s, published %.1f", r.Source, r.What, r.Forecast, r.Unit, r.Published)
		}
		if !r.Fitted {
			checks++
		}
	}
	if checks < 12 {
		t.Errorf("%d rows are checks", checks)
	}
}
