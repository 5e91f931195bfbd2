package film_test

import (
	"encoding/json"
	"testing"

	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/target"
)

func TestSizesOfFiles(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]film.Bytes{"700M": 700e6, "1.5G": 1.5e9, "800k": 800e3, "123456": 123456, "0.001k": 1} {
		got, err := film.ParseBytes(text)
		if err != nil || got != want {
			t.Errorf("%s: %d, %v, want %d", text, got, err, want)
		}
		var of film.Bytes
		data, err := json.Marshal(got)
		if err == nil {
			err = json.Unmarshal(data, &of)
		}
		if err != nil || of != want {
			t.Errorf("%s becomes %s and %d, %v", text, data, of, err)
		}
	}
	for _, text := range []string{"", "0", "0.5", "-1", "1e6", "700MB", "1.2345k", "20000G", "99999999999999999999"} {
		if got, err := film.ParseBytes(text); err == nil {
			t.Errorf("%q is accepted as %d", text, got)
		}
		var of film.Bytes
		if err := json.Unmarshal([]byte(`"`+text+`"`), &of); err == nil {
			t.Errorf("%q is accepted in JSON as %d", text, of)
		}
	}
}

func TestTheReportHasTheBitrateOfAllSegments(t *testing.T) {
	t.Parallel()
	j := film.Job{Renditions: []film.Rendition{{Codec: film.H264, CRF: 21}, {Codec: film.H264, Bitrate: 800_000}}}
	segment := func(wanted float64, bytes int64, crf float64) film.SegmentFacts {
		p := target.Probe{CRF: crf, Bytes: bytes}
		return film.SegmentFacts{Chunks: []film.Chunk{{}, {Sizing: &film.SizingFacts{Wanted: wanted, Duration: 5_000_000, Probe: p, Probes: []target.Probe{{}, p}}}}}
	}
	facts := []film.SegmentFacts{segment(400_000, 402_000, 21.3), {Chunks: []film.Chunk{{}, {}}}, segment(600_000, 590_000, 20.05)}
	if b := j.BitrateOf(0, facts); b != nil {
		t.Errorf("a rendition with a CRF: %+v", b)
	}
	b := j.BitrateOf(1, facts)
	want := film.BitrateReport{Wanted: 800_000, Bitrate: 793_600, MinCRF: 20.05, MaxCRF: 21.3, Probes: 4}
	if b == nil || *b != want {
		t.Fatalf("%+v, want %+v", b, want)
	}
	if w := b.Warning("film.mp4"); w != "" {
		t.Errorf("warning %q of what is 0.8 %% off", w)
	}
	facts[2] = segment(600_000, 300_000, 1)
	if w := j.BitrateOf(1, facts).Warning("film.mp4"); w != "the video of film.mp4 has 561600 bit/s instead of 800k: its segments came no nearer, at CRF 1 to 21.3" {
		t.Errorf("warning %q", w)
	}
}
