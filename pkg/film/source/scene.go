package source

import (
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg/probe"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/render"
	"github.com/mapreel/mapreel/pkg/render/job"
)

// frameBytes is about how many bytes a pixel of a rendered frame takes: PNG of noisy pictures.
const frameBytes = 3

// OfScene describes the video that the frames of a scene will be.
func OfScene(scene job.Scene, how film.Sequence) (Found, error) {
	found := Found{Source: film.Source{URL: scene.Job.Scene, Demuxer: "image2", Version: scene.Version}}
	src := &found.Source
	rate := scene.Rate
	if media.Rational(how.FrameRate).Known() {
		rate = media.Rational(how.FrameRate)
	}
	if !rate.Known() {
		return found, fault.New(fault.Unsupported, "the scene has no frame rate")
	}
	deep := scene.Settings.Format.Deep()
	src.Sequence = &film.FrameSequence{
		Extension: scene.Settings.Format.Extension(), Rate: rate, Alpha: scene.Alpha, Deep: deep, Background: how.RGB(), Numbers: scene.Frames,
	}
	src.Size = int64(len(scene.Numbers)) * int64(scene.Width) * int64(scene.Height) * frameBytes
	if deep {
		src.Size *= 2
	}
	if scene.Settings.Format == render.EXR32 {
		src.Size *= 2
	}
	if err := describeFrames(&found, probe.Media{Duration: -1, Streams: []probe.Stream{frameStream(scene)}}, len(scene.Numbers)); err != nil {
		return found, err
	}
	src.Video.SampleAspect = scene.Aspect
	if s := scene.Sound; s != nil {
		src.Audio = []film.AudioTrack{{
			Codec: render.SoundCodec, SampleRate: s.Rate, Channels: s.Channels, Layout: job.Layouts()[s.Channels],
			Timebase: media.Rational{Num: 1, Den: int64(s.Rate)}, Duration: media.Ticks(s.Samples), Clock: film.ClockExact, Default: true,
		}}
	}
	if how.RGB() != [3]uint8{} && !scene.Alpha {
		src.Losses = append(src.Losses, film.NoticeMark+"the background has no effect: the scene's film is not transparent")
	}
	src.Losses = append(src.Losses, scene.Warnings...)
	return found, nil
}

// frameStream returns what ffprobe says of the frames of a scene, which follows from their size, channels and depth. Asking it takes as long
// as rendering a light frame, and no frame is rendered meanwhile.
func frameStream(scene job.Scene) probe.Stream {
	format, depth := "rgb24", 8
	switch deep := scene.Settings.Format.Deep(); {
	case scene.Settings.Format.Linear():
		return probe.Stream{
			Type: "video", Codec: "exr", Width: scene.Width, Height: scene.Height, PixelFormat: "gbrpf32le", BitDepth: 32, Color: media.Color{Range: "pc"},
		}
	case deep && scene.Alpha:
		format, depth = "rgba64be", 16
	case deep:
		format, depth = "rgb48be", 16
	case scene.Alpha:
		format = "rgba"
	}
	return probe.Stream{
		Type: "video", Codec: "png", Width: scene.Width, Height: scene.Height, PixelFormat: format, BitDepth: depth,
		Color: media.Color{Range: "pc"},
	}
}
