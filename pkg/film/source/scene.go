package source

import (
	"context"
	"image"
	"image/png"
	"os"
	"path/filepath"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/render"
	"github.com/mapreel/mapreel/pkg/render/job"
)

// frameBytes is about how many bytes a pixel of a rendered frame takes: PNG of noisy pictures.
const frameBytes = 3

// OfScene describes the video that the frames of a scene will be. dir is a private folder for working files.
func OfScene(ctx context.Context, tools ffmpeg.Tools, scene job.Scene, how film.Sequence, dir string) (Found, error) {
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
		Extension: "png", Rate: rate, Alpha: scene.Alpha, Deep: deep, Background: how.RGB(), Numbers: scene.Frames,
	}
	src.Size = int64(len(scene.Numbers)) * int64(scene.Width) * int64(scene.Height) * frameBytes
	if deep {
		src.Size *= 2
	}
	folder := filepath.Join(dir, "first-frame")
	if err := blank(folder, scene, deep); err != nil {
		return found, fault.Wrap(fault.KindOf(err), err, "picture of the size of the scene")
	}
	if err := describeFrames(ctx, tools, &found, folder, len(scene.Numbers)); err != nil {
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

// blank writes a picture that is stored as the frames of a scene will be, into a new folder.
func blank(folder string, scene job.Scene, deep bool) error {
	if err := os.Mkdir(folder, 0o700); err != nil {
		return err
	}
	f, err := os.Create(filepath.Join(folder, ffmpeg.SequenceName(0, "png")))
	if err != nil {
		return err
	}
	defer f.Close() //nolint:errcheck // ffprobe says whether it is whole
	size := image.Rect(0, 0, scene.Width, scene.Height)
	var picture image.Image
	switch {
	case deep && scene.Alpha:
		picture = image.NewNRGBA64(size)
	case deep:
		picture = opaque{image.NewNRGBA64(size)}
	case scene.Alpha:
		picture = image.NewNRGBA(size)
	default:
		picture = opaque{image.NewNRGBA(size)}
	}
	return png.Encode(f, picture)
}

// opaque is a picture that is stored without alpha.
type opaque struct{ image.Image }

// Opaque is what the encoder asks for.
func (opaque) Opaque() bool { return true }
