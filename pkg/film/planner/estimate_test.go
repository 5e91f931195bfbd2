package planner

import (
	"math"
	"testing"

	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/work"
)

func TestVideoIsEstimatedFromItsPixelsSourceAndLimit(t *testing.T) {
	t.Parallel()
	const mb = 1_000_000
	// 1000x1000 with 0.25 bits per pixel: 31,250 bytes per frame.
	hd := film.Rendition{Codec: film.H264, CRF: 21, Width: 1000, Height: 1000}
	for _, c := range []struct {
		name    string
		source  int64
		video   film.VideoTrack
		change  func(*film.Rendition)
		seconds float64
		want    float64
	}{
		{"declared frame rate", 1000 * mb, film.VideoTrack{FrameRate: media.Rational{Num: 25, Den: 1}}, nil, 100, 78.125 * mb},
		{"number of frames", 1000 * mb, film.VideoTrack{Frames: 1000, FrameRate: media.Rational{Num: 25, Den: 1}}, nil, 100, 31.25 * mb},
		{"unknown frame rate", 1000 * mb, film.VideoTrack{}, nil, 100, 60 * 100 * 31_250},
		{"constant frame rate", 1000 * mb, film.VideoTrack{Frames: 1000}, func(r *film.Rendition) { r.Rate = media.Rational{Num: 50, Den: 1} }, 100, 156.25 * mb},
		{"small source", 10 * mb, film.VideoTrack{}, nil, 100, 20 * mb},
		{"small source, lower CRF", 10 * mb, film.VideoTrack{}, func(r *film.Rendition) { r.CRF = 15 }, 100, 40 * mb},
		{"higher CRF does not count", 10 * mb, film.VideoTrack{}, func(r *film.Rendition) { r.CRF = 40 }, 100, 20 * mb},
		{"lower CRF on AV1's scale", 10 * mb, film.VideoTrack{}, func(r *film.Rendition) { r.Codec, r.CRF = film.AV1, 24 }, 100, 40 * mb},
		{"bit rate limit", 1000 * mb, film.VideoTrack{}, func(r *film.Rendition) { r.MaxBitrate = 8_000_000 }, 10, 12 * mb},
		{"unknown duration", 10 * mb, film.VideoTrack{}, func(r *film.Rendition) { r.MaxBitrate = 8 }, 0, 20 * mb},
	} {
		r := hd
		if c.change != nil {
			c.change(&r)
		}
		if got := videoBytes(film.Source{Size: c.source, Video: &c.video}, r, c.seconds); math.Abs(got-c.want) > 1 {
			t.Errorf("%s: got %.0f bytes, want %.0f", c.name, got, c.want)
		}
	}
}

func TestAudioIsEstimatedFromItsBitRate(t *testing.T) {
	t.Parallel()
	const mb = 1_000_000
	for _, c := range []struct {
		name    string
		track   film.AudioTrack
		codec   film.AudioCodec
		seconds float64
		want    float64
	}{
		{"AAC", film.AudioTrack{Codec: "flac"}, film.AAC, 100, 2 * mb},
		{"AAC of unknown duration", film.AudioTrack{Codec: "flac"}, film.AAC, 0, 200 * mb},
		{"copy", film.AudioTrack{Codec: "eac3", SampleRate: 48_000, Channels: 6}, film.AudioCopy, 100, 19.2 * mb},
		{"lossless copy", film.AudioTrack{Codec: "pcm_s24le", SampleRate: 48_000, Channels: 6}, film.AudioCopy, 10, 11.52 * mb},
		{"lossless copy of a low rate", film.AudioTrack{Codec: "flac", SampleRate: 8000, Channels: 1}, film.AudioCopy, 10, 1.92 * mb},
		{"copy, at most the source", film.AudioTrack{Codec: "eac3"}, film.AudioCopy, 10_000, 100 * mb},
		{"copy of unknown duration", film.AudioTrack{Codec: "eac3"}, film.AudioCopy, 0, 100 * mb},
	} {
		src := film.Source{Size: 100 * mb, Audio: []film.AudioTrack{c.track}}
		if got := audioBytes(src, film.AudioRendition{Codec: c.codec, Bitrate: 160_000}, c.seconds); math.Abs(got-c.want) > 1 {
			t.Errorf("%s: got %.0f bytes, want %.0f", c.name, got, c.want)
		}
	}
}

func TestOutputsShareTheSpaceOfTheirChunks(t *testing.T) {
	t.Parallel()
	const video, audio = 20_000_000, 2_000_000 // twice the source; 160 kbit/s for 100 s
	job := func(outputs ...film.OutputPlan) film.Job {
		for i := range outputs {
			outputs[i].Renditions, outputs[i].Audio = []int{0}, []int{0}
		}
		return film.Job{
			Source:          film.Source{Size: video / 2, Duration: 100_000_000, Audio: []film.AudioTrack{{Codec: "flac"}}},
			Renditions:      []film.Rendition{{Codec: film.H264, CRF: 21, Width: 4000, Height: 4000}},
			AudioRenditions: []film.AudioRendition{{Codec: film.AAC, Bitrate: 160_000}},
			Outputs:         outputs,
		}
	}
	for _, c := range []struct {
		name    string
		job     film.Job
		video   work.Space
		outputs []work.Space
	}{
		{
			"Matroska and WebM", job(film.OutputPlan{Container: film.Matroska}, film.OutputPlan{Container: film.WebM}),
			work.Space{Scratch: video},
			[]work.Space{
				{Scratch: 2 * (video + audio), Destination: video + audio}, {Scratch: 2 * (video + audio), Destination: video + audio},
			},
		},
		{
			"MP4 has the audio interleaved with the chunks", job(film.OutputPlan{Container: film.MP4}),
			work.Space{Scratch: video + audio},
			[]work.Space{{Destination: video + audio}},
		},
		{
			"a package's media segments are written to the destination", job(film.OutputPlan{Container: film.HLS}),
			work.Space{Destination: video},
			[]work.Space{{Destination: audio}},
		},
		{
			"single files are joined from chunks", job(film.OutputPlan{Container: film.DASH, SingleFile: true}),
			work.Space{Scratch: video},
			[]work.Space{{Destination: video + audio}},
		},
	} {
		e := estimateSpace(c.job)
		if e.video != c.video || e.audio != (work.Space{Scratch: audio}) || e.split != (work.Space{}) {
			t.Errorf("%s: got %+v, want video %+v, audio %d in scratch and no split", c.name, e, c.video, audio)
		}
		for i, want := range c.outputs {
			if e.outputs[i] != want {
				t.Errorf("%s: output %d: got %+v, want %+v", c.name, i, e.outputs[i], want)
			}
		}
	}
}

func TestEstimatesOfHostileSourcesDoNotOverflow(t *testing.T) {
	t.Parallel()
	j := jobWith(func(j *film.Job) {
		j.Split = true
		j.Source.Size, j.Source.Duration = math.MaxInt64, math.MaxInt64
		j.Source.Audio[1] = film.AudioTrack{Codec: "pcm_f64le", SampleRate: math.MaxInt32, Channels: math.MaxInt32}
		j.Renditions[0].Width, j.Renditions[0].Height = math.MaxInt32, math.MaxInt32
	})
	for _, g := range groups(j, nil) {
		if g.Space.Scratch < 0 || g.Space.Destination < 0 {
			t.Errorf("%s: got %+v", g.Name, g.Space)
		}
	}
}
