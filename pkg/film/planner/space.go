package planner

import (
	"math"
	"slices"
	"strings"

	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/work"
)

// Bounds for the size of an encode. They are at the upper end for films; noise can take more. A
// disk that fills up all the same ends the job with OutOfSpace and keeps everything that is
// finished, whereas refusing a job that would have fitted is useless.
const (
	// bitsPerPixel is the size of a grainy film at a codec's default quality: 13 Mbit/s at 1080p25.
	bitsPerPixel = 0.25
	// growth is how much larger than its source an encode at a codec's default quality may be.
	growth = 2
	// keyframeGrowth is how much larger a keyframe is than the mean of all frames.
	keyframeGrowth = 4
	// copiedAudio is the bit rate of a track that is copied: the highest that Dolby Digital Plus
	// and DTS have in films.
	copiedAudio = 1_536_000
	// unknownRate is assumed for a source that does not declare its frames per second.
	unknownRate = 60
)

// spaceEstimate holds how many bytes the groups of a job may write.
type spaceEstimate struct {
	video, audio, split, slices work.Space
	outputs                     []work.Space // as Job.Outputs
}

// estimateSpace estimates how many bytes of a job exist at the same time. Artifacts are kept until
// the job is done, so they and the outputs exist side by side. File systems that share blocks
// between files may need less, which cannot be known in advance. For Matroska and WebM, ffmpeg
// reads one merged file and writes another before the output is published.
func estimateSpace(j film.Job) spaceEstimate {
	seconds := float64(j.Source.Duration) / 1e6
	var e spaceEstimate
	var videoScratch, videoDestination, audioScratch float64
	if j.Split { // source chunks are a copy of the video track
		e.split.Scratch = j.Source.Size
	}
	video, audio := make([]float64, len(j.Renditions)), make([]float64, len(j.AudioRenditions))
	for i, r := range j.Renditions {
		video[i] = videoBytes(j.Source, r, seconds)
	}
	for i, r := range j.AudioRenditions {
		audio[i] = audioBytes(j.Source, r, seconds)
		audioScratch += audio[i]
	}
	for _, i := range j.JoinsAudio() {
		audioScratch += joinedBytes(j.Source.Audio[i], seconds)
	}
	stored := make([]bool, len(j.Renditions)) // whether the rendition's chunks are in scratch
	for _, out := range j.Outputs {
		direct := out.Container.Packaged() && !out.SingleFile
		var total float64
		for _, i := range slices.Concat(out.Renditions, out.TrickPlay) {
			if direct { // media segments are written to the destination
				videoDestination += video[i]
				continue
			}
			stored[i] = true
			total += video[i]
		}
		for _, i := range out.Audio {
			total += audio[i]
			if len(out.Renditions) > 0 && out.Container == film.MP4 { // a chunk has the audio interleaved
				videoScratch += audio[i]
			}
		}
		space := work.Space{Destination: bytes(total)}
		if out.Container == film.Frames {
			space.Destination = j.Source.Size
		}
		if out.Container.Remuxed() {
			space.Scratch = bytes(2 * total) // outputs are merged side by side
		}
		e.outputs = append(e.outputs, space)
	}
	for i, inScratch := range stored {
		if inScratch {
			videoScratch += video[i]
		}
	}
	for _, out := range j.Outputs {
		for _, p := range out.Previews {
			e.slices.Destination += bytes(previewBytes(j, p))
		}
	}
	for i := range j.Pictures {
		videoScratch += pictureCount(j, i) * pictureBytes(j.Pictures[i].Size, bytesPerPixel[string(j.Pictures[i].Format)])
	}
	e.video = work.Space{Scratch: bytes(videoScratch), Destination: bytes(videoDestination)}
	e.audio = work.Space{Scratch: bytes(audioScratch)}
	return e
}

// bytesPerPixel is the size of a pixel of a picture, by its format: at the upper end for films.
var bytesPerPixel = map[string]float64{
	string(film.JPEG): 0.25, string(film.WebP): 0.2, string(film.PNG): 2.2, string(film.QOI): 2.5, string(film.AVIF): 0.15,
}

// animatedPixel is the same of a frame of an animation.
var animatedPixel = map[film.Container]float64{film.GIF: 0.7, film.AnimatedWebP: 0.2, film.AnimatedAVIF: 0.05, film.Clip: 0.05}

// pictureCount estimates how many pictures a sequence has.
func pictureCount(j film.Job, i int) float64 {
	p, v := j.Pictures[i], *j.Source.Video
	if v.End > v.Start || len(p.Times) > 0 {
		return float64(p.Count(v))
	}
	return float64(j.Source.Duration) / 1e6 * float64(p.Rate.Num) / float64(p.Rate.Den)
}

// pictureBytes estimates the size of a picture.
func pictureBytes(size media.Size, perPixel float64) float64 {
	const header = 1000
	return float64(size.Width)*float64(size.Height)*perPixel + header
}

// previewBytes estimates the size of the files of a preview.
func previewBytes(j film.Job, p film.PreviewPlan) float64 {
	size, count := j.Pictures[p.Pictures].Size, pictureCount(j, p.Pictures)
	switch {
	case p.Form == film.Poster:
		return pictureBytes(size, bytesPerPixel[string(p.Format)])
	case p.Form.Animated():
		return count * float64(p.Length) / float64(p.Every) * pictureBytes(size, animatedPixel[p.Form])
	}
	all := count * pictureBytes(size, bytesPerPixel[string(p.Format)])
	if p.Frames {
		all *= 2
	}
	return all
}

// bytes rounds an estimate, and limits it so that the sum of several cannot overflow.
func bytes(estimate float64) int64 { return int64(min(estimate, math.MaxInt64/1024)) }

// videoBytes estimates the size of a rendition: the smallest of the sizes that its bit rate limit,
// its pixels and its source allow.
func videoBytes(src film.Source, r film.Rendition, seconds float64) float64 {
	crf := r.CRF
	if r.Quality.Target != 0 { // which most segments find near the default; this is twice as many bytes
		crf = max(r.Quality.Min, crf-int(stepsToDouble(r.Codec)))
	}
	if r.FileSize > 0 {
		return float64(r.FileSize)
	}
	finer := math.Pow(2, max(0, float64(r.Codec.DefaultCRF()-crf))/stepsToDouble(r.Codec))
	size := float64(src.Size) * growth * finer
	if seconds <= 0 {
		return size
	}
	rate := float64(unknownRate)
	switch {
	case r.TrickPlay:
		rate = keyframeGrowth * float64(r.KeyframeRate().Num) / float64(r.KeyframeRate().Den)
	case r.Rate.Num > 0:
		rate = float64(r.Rate.Num) / float64(r.Rate.Den)
	case src.Video != nil && src.Video.Frames > 0:
		rate = float64(src.Video.Frames) / seconds
	case src.Video != nil && src.Video.FrameRate.Num > 0 && src.Video.FrameRate.Den > 0:
		rate = float64(src.Video.FrameRate.Num) / float64(src.Video.FrameRate.Den)
	}
	size = min(size, bitsPerPixel*finer/8*float64(r.Width)*float64(r.Height)*rate*seconds)
	if r.Bitrate > 0 {
		return float64(r.Bitrate) / 8 * (seconds + 2)
	}
	if r.MaxBitrate > 0 {
		// The encoder's rate control buffers two seconds, which may come on top of the limit.
		size = min(size, float64(r.MaxBitrate)/8*(seconds+2))
	}
	return size
}

// stepsToDouble returns how many steps of CRF roughly double the bit rate: 6 for x264 and x265,
// according to their authors, and more for libvpx and SVT-AV1, whose scale goes to 63.
func stepsToDouble(c film.VideoCodec) float64 {
	if c == film.H264 || c == film.H265 {
		return 6
	}
	return 8
}

// audioBytes estimates the size of an audio rendition.
func audioBytes(src film.Source, r film.AudioRendition, seconds float64) float64 {
	size := float64(src.Size)
	if r.Codec == film.AudioCopy {
		track := src.Audio[r.Track]
		rate := float64(copiedAudio)
		if lossless(track.Codec) {
			rate = max(rate, float64(track.SampleRate)*float64(track.Channels)*32)
		}
		if seconds > 0 {
			return min(size, rate/8*seconds)
		}
		return size
	}
	if seconds > 0 {
		return float64(r.Bitrate) / 8 * seconds
	}
	return size * growth
}

// joinedBytes returns the size of a joined audio track: samples of 4 bytes.
func joinedBytes(t film.AudioTrack, seconds float64) float64 {
	return 4 * float64(t.SampleRate) * float64(t.Channels) * seconds
}

// lossless reports whether a codec (ffmpeg's name) is lossless, or, for dts, may be.
func lossless(codec string) bool {
	switch codec {
	case "flac", "alac", "truehd", "mlp", "dts":
		return true
	}
	return strings.HasPrefix(codec, "pcm_")
}
