package planner

import (
	"testing"

	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/media"
)

func TestSpaceIsEstimatedFromSourceBoundsAndPixels(t *testing.T) {
	t.Parallel()
	const mb = 1_000_000
	// 100 s of 1000x1000 at 25 frames a second: 0.25 bits a pixel are 78.125 MB.
	source := film.Source{
		Size: 1000 * mb, Duration: 100_000_000,
		Video: &film.VideoTrack{FrameRate: media.Rational{Num: 25, Den: 1}},
		Audio: []film.AudioTrack{{Codec: "ac3"}},
	}
	video := film.Rendition{Codec: film.H264, CRF: 21, Width: 1000, Height: 1000}
	job := func(change func(*film.Job)) film.Job {
		j := film.Job{
			Source: source, Segments: 10, Renditions: []film.Rendition{video},
			Outputs: []film.OutputPlan{{Name: "out", Container: film.MP4, Renditions: []int{0}}},
		}
		change(&j)
		return j
	}
	type done map[string]int // units, by group
	for _, c := range []struct {
		name                 string
		change               func(*film.Job)
		done                 done
		scratch, destination float64 // in MB
	}{
		{"pixels", func(*film.Job) {}, nil, 78.125, 78.125},
		{"a small source", func(j *film.Job) { j.Source.Size = 10 * mb }, nil, 20, 20},
		{"a bound", func(j *film.Job) { j.Renditions[0].MaxBitrate = 800_000 }, nil, 10.2, 10.2},
		{"finer", func(j *film.Job) { j.Renditions[0].CRF = 15 }, nil, 156.25, 156.25},
		{"unknown duration", func(j *film.Job) { j.Source.Duration = 0 }, nil, 2000, 2000},
		{"half done", func(*film.Job) {}, done{"video": 5}, 39.0625, 78.125},
		{"all done", func(*film.Job) {}, done{"video": 10, "output/out": 1}, 0, 0},
		{"to be split", func(j *film.Job) { j.Split, j.Segments = true, 0 }, nil, 1078.125, 78.125},
		{"split", func(j *film.Job) { j.Split = true }, done{"split": 1}, 78.125, 78.125},
		{"remuxed", func(j *film.Job) { j.Outputs[0].Container = film.Matroska }, nil, 234.375, 78.125},
		{"a package of many files", func(j *film.Job) { j.Outputs[0].Container = film.HLS }, nil, 0, 78.125},
		{"a package of single files", func(j *film.Job) {
			j.Outputs[0].Container, j.Outputs[0].SingleFile = film.HLS, true
		}, nil, 78.125, 78.125},
		{"audio", func(j *film.Job) {
			j.Renditions, j.Outputs[0].Renditions, j.Outputs[0].Audio = nil, nil, []int{0}
			j.AudioRenditions = []film.AudioRendition{{Codec: film.AAC, Bitrate: 160_000}}
		}, nil, 2, 2},
		{"joined audio", func(j *film.Job) {
			j.Renditions, j.Outputs[0].Renditions, j.Outputs[0].Audio = nil, nil, []int{0}
			j.AudioRenditions = []film.AudioRendition{{Codec: film.AAC, Bitrate: 160_000}}
			j.Source.Joined, j.Source.Audio = make([]film.JoinedSource, 2), []film.AudioTrack{{SampleRate: 48_000, Channels: 2}}
		}, nil, 40.4, 2},
		{"audio with video", func(j *film.Job) {
			j.Renditions[0].MaxBitrate, j.Outputs[0].Audio = 800_000, []int{0}
			j.AudioRenditions = []film.AudioRendition{{Codec: film.AAC, Bitrate: 160_000}}
		}, nil, 14.2, 12.2},
		{"copied audio", func(j *film.Job) {
			j.Renditions, j.Outputs[0].Renditions, j.Outputs[0].Audio = nil, nil, []int{0}
			j.AudioRenditions = []film.AudioRendition{{Codec: film.AudioCopy}}
		}, nil, 19.2, 19.2},
	} {
		// As a host adds up the groups of a plan.
		var scratch, destination float64
		j := job(c.change)
		for _, g := range groups(j, make([]film.Segment, j.Segments)) {
			left := engine.GroupProgress{Group: g, Done: c.done[g.Name]}.Left()
			scratch += float64(g.Space.Scratch) * left
			destination += float64(g.Space.Destination) * left
		}
		if d, e := scratch-c.scratch*mb, destination-c.destination*mb; d > 3 || d < -3 || e > 3 || e < -3 { // each group is rounded
			t.Errorf("%s: %.0f bytes in scratch and %.0f in the destination, want %.0f and %.0f",
				c.name, scratch, destination, c.scratch*mb, c.destination*mb)
		}
	}
}

func TestPreviewsTakeTheSpaceOfTheirFiles(t *testing.T) {
	v := film.VideoTrack{Width: 854, Height: 480, Timebase: media.Rational{Num: 1, Den: 24}, End: 24 * 10_800}
	j := film.Job{Source: film.Source{Video: &v, Duration: 10_800 * 1e6, Size: 1e9}, Pictures: []film.Pictures{
		{Rate: media.Rational{Num: 1, Den: 5}, Format: film.QOI, Size: media.Size{Width: 160, Height: 90}},
		{Rate: media.Rational{Num: 10, Den: 1}, Format: film.QOI, Size: media.Size{Width: 240, Height: 135}},
		{Rate: media.Rational{Num: 1, Den: 2}, Format: film.JPEG, Size: media.Size{Width: 854, Height: 480}, Limit: 30},
	}}
	for name, c := range map[string]struct {
		plan        film.PreviewPlan
		least, most float64 // MB
	}{
		"sheets": {film.PreviewPlan{Form: film.Sprites, Format: film.JPEG, Columns: 10, Rows: 10, Unit: 100}, 5, 12}, // measured: 64 KB for 30 tiles
		// Measured: 1.42 MB for 10 s, so 42.6 MB for 300 s of each 30 minutes.
		"gif":    {film.PreviewPlan{Form: film.GIF, Pictures: 1, Every: 1800e6, Length: 300e6}, 255, 500},
		"avif":   {film.PreviewPlan{Form: film.AnimatedAVIF, Pictures: 1, Every: 30e6, Length: 30e6}, 39, 300},
		"poster": {film.PreviewPlan{Form: film.Poster, Pictures: 2, Format: film.JPEG, Unit: 300}, 0.05, 0.2},
	} {
		j.Outputs = []film.OutputPlan{{Container: film.PreviewSet, Previews: []film.PreviewPlan{c.plan}}}
		if got := float64(estimateSpace(j).slices.Destination) / 1e6; got < c.least || got > c.most {
			t.Errorf("%s: %.2f MB, want %.2f to %.2f", name, got, c.least, c.most)
		}
	}
}
