package local

import (
	"testing"

	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/media"
)

func TestRoomIsEstimatedFromSourceBoundsAndPixels(t *testing.T) {
	t.Parallel()
	const mb = 1_000_000
	// 100 s of 1000x1000 at 25 frames a second: 0.25 bits a pixel are 78.125 MB.
	source := film.Source{
		Size: 1000 * mb, Duration: 100_000_000,
		Video: &film.VideoTrack{FrameRate: media.Rational{Num: 25, Den: 1}},
		Audio: []film.AudioTrack{{Codec: "ac3"}},
	}
	video := film.Rendition{Codec: film.H264, CRF: 21, Width: 1000, Height: 1000}
	plan := func(change func(*film.Job)) film.Job {
		j := film.Job{
			Source: source, Segments: 10, Renditions: []film.Rendition{video},
			Outputs: []film.OutputPlan{{Name: "out", Container: film.MP4, Renditions: []int{0}}},
		}
		change(&j)
		return j
	}
	for _, c := range []struct {
		name                 string
		change               func(*film.Job)
		have                 progress
		scratch, destination float64 // in MB, without margin
	}{
		{"pixels", func(*film.Job) {}, progress{}, 78.125, 78.125},
		{"a small source", func(j *film.Job) { j.Source.Size = 10 * mb }, progress{}, 20, 20},
		{"a bound", func(j *film.Job) { j.Renditions[0].MaxBitrate = 800_000 }, progress{}, 10.2, 10.2},
		{"finer", func(j *film.Job) { j.Renditions[0].CRF = 15 }, progress{}, 156.25, 156.25},
		{"a length that nobody knows", func(j *film.Job) { j.Source.Duration = 0 }, progress{}, 2000, 2000},
		{"half done", func(*film.Job) {}, progress{Segments: 5}, 39.0625, 78.125},
		{"all done", func(*film.Job) {}, progress{Segments: 10, Outputs: map[string]bool{"out": true}}, 0, 0},
		{"cut first", func(j *film.Job) { j.Split, j.Segments = true, 0 }, progress{}, 1078.125, 78.125},
		{"remuxed", func(j *film.Job) { j.Outputs[0].Container = film.Matroska }, progress{}, 234.375, 78.125},
		{"a package of many files", func(j *film.Job) { j.Outputs[0].Container = film.HLS }, progress{}, 0, 78.125},
		{"a package of single files", func(j *film.Job) {
			j.Outputs[0].Container, j.Outputs[0].SingleFile = film.HLS, true
		}, progress{}, 78.125, 78.125},
		{"sound", func(j *film.Job) {
			j.Renditions, j.Outputs[0].Renditions, j.Outputs[0].Audio = nil, nil, []int{0}
			j.AudioRenditions = []film.AudioRendition{{Codec: film.AAC, Bitrate: 160_000}}
		}, progress{}, 2, 2},
		{"sound beside a picture", func(j *film.Job) {
			j.Renditions[0].MaxBitrate, j.Outputs[0].Audio = 800_000, []int{0}
			j.AudioRenditions = []film.AudioRendition{{Codec: film.AAC, Bitrate: 160_000}}
		}, progress{}, 14.2, 12.2},
		{"copied sound", func(j *film.Job) {
			j.Renditions, j.Outputs[0].Renditions, j.Outputs[0].Audio = nil, nil, []int{0}
			j.AudioRenditions = []film.AudioRendition{{Codec: film.AudioCopy}}
		}, progress{}, 19.2, 19.2},
	} {
		got := roomFor(plan(c.change), c.have)
		bytes := func(n float64) int64 { return int64(n*mb*margin + around) }
		want := room{bytes(c.scratch), bytes(c.destination)}
		if d, e := got.Scratch-want.Scratch, got.Destination-want.Destination; d > 1 || d < -1 || e > 1 || e < -1 {
			t.Errorf("%s: got %+v, want %+v", c.name, got, want)
		}
	}
}
