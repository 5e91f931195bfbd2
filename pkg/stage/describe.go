package stage

import (
	"slices"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/plan"
	"github.com/mapreel/mapreel/pkg/matroska"
	"github.com/mapreel/mapreel/pkg/media"
)

// describe takes from ffprobe's account what a job needs: the first stream that is a moving picture, and every sound.
func describe(src *film.Source, probed ffmpeg.Media) error {
	src.Duration = media.Ticks(max(probed.Duration, 0))
	first := true
	for _, s := range probed.Streams {
		tb := s.Timebase
		start := media.Ticks(0)
		if s.StartPTS != nil {
			start = media.Ticks(*s.StartPTS)
		}
		switch {
		case s.Type == "video" && !s.AttachedPic && src.Video == nil:
			if s.Width <= 0 || s.Height <= 0 || s.Codec == "" {
				return fault.New(fault.Corrupt, "the picture of the source cannot be read: its size or codec is unknown")
			}
			if int64(s.Width)*int64(s.Height) > ffmpeg.MaxPixels {
				return fault.New(fault.Unsupported, "the picture of the source is %d x %d, larger than the 16384 x 8704 of the largest level of H.265 and AV1",
					s.Width, s.Height)
			}
			src.Video = &film.VideoTrack{
				Stream: s.Index, Timebase: tb, Start: start, Width: s.Width, Height: s.Height,
				FrameRate: rate(s), SampleAspect: s.SAR, Rotation: s.Rotation, PixelFormat: s.PixelFormat,
				Depth: s.BitDepth, Interlaced: fields(s.FieldOrder), Color: s.Color, DolbyVision: s.DolbyVision,
				HDR: s.HDR,
			}
			if s.DurationTS > 0 {
				src.Video.End = start + media.Ticks(s.DurationTS)
			}
		case s.Type == "audio" && s.Codec != "" && s.Channels > 0 && s.SampleRate > 0:
			src.Audio = append(src.Audio, film.AudioTrack{
				Stream: s.Index, Codec: s.Codec, SampleRate: s.SampleRate, Channels: s.Channels, Timebase: tb,
				Start: start, Duration: length(src.Demuxer, s), Language: clean(s.Language, maxTitle), Title: clean(s.Title, maxTitle),
				Default: s.Default, Flags: s.Flags,
			})
		default:
			continue
		}
		// Compared to the microsecond, kept exactly.
		if first || media.Rescale(start, tb, media.Microseconds) < src.Origin.In(media.Microseconds) {
			src.Origin, first = media.Instant{Ticks: start, Timebase: tb}, false
		}
	}
	besides(src, probed)
	return nil
}

// fields says which field of an interlaced stream is shown first. ffprobe's words name the field that is stored first,
// then the one that is shown first.
func fields(order string) string {
	switch order {
	case "tt", "bt":
		return "tff"
	case "bb", "tb":
		return "bff"
	}
	return ""
}

// length is how long a track lasts where its container says so to the sample, which is what MP4's edit lists are for. Others
// round it, or leave ffprobe to guess it from the last packet that it sees: a guess would cut off what is there.
func length(demuxer string, s ffmpeg.Stream) media.Ticks {
	if demuxer != "mov" {
		return 0
	}
	return media.Ticks(max(s.DurationTS, 0))
}

// rate is a stream's frame rate, as every segment's encoder is told: the average where the container has one, for it is
// what rate control needs; zero where nothing is known.
func rate(s ffmpeg.Stream) media.Rational {
	for _, r := range []media.Rational{s.AverageRate, s.BaseRate} {
		if r.Known() {
			return r
		}
	}
	return media.Rational{}
}

// clocks finds out which of the source's sounds a worker may read from the middle.
func (x index) clocks(src *film.Source, probed ffmpeg.Media) {
	for i := range src.Audio {
		t := &src.Audio[i]
		exact := t.Timebase == media.Rational{Num: 1, Den: int64(t.SampleRate)}
		switch {
		case x.mp4 != nil && !x.mp4.Fragmented && exact:
			nth := 0 // both sides count in the file's order
			for _, s := range probed.Streams {
				if s.Type == "audio" && s.Index < t.Stream {
					nth++
				}
			}
			for _, found := range x.mp4.Tracks {
				if found.Handler != "soun" {
					continue
				}
				if nth == 0 && found.Even {
					t.Clock = film.ClockExact
				}
				nth--
			}
		case x.mkv != nil && len(x.mkv.Cues) > 0 && slices.Contains(framed, t.Codec):
			t.Clock = film.ClockFramed
		case src.Demuxer == "wav" && exact:
			t.Clock = film.ClockExact
		}
	}
}

// framed are the codecs whose packets all hold equally many samples, so many that a millisecond tells them apart, and
// whose decoders drop none at the beginning. Opus and Vorbis have packets of many lengths, TrueHD such of less than a
// millisecond, and PCM is cut up as its muxer likes.
var framed = []string{"aac", "ac3", "eac3", "mp2", "mp3", "dts", "flac"}

// fromMatroska turns Cues into an index of the picture, or nil where there are none. Cues name sync frames only, so the
// number of frames stays open, and the end is the container's duration.
func fromMatroska(file *matroska.Index, nth int, src film.Source) *plan.Index {
	for _, t := range file.Tracks {
		if t.Type != matroska.Video {
			continue
		}
		if nth > 0 {
			nth--
			continue
		}
		cues := file.Cues[t.Number]
		if len(cues) == 0 {
			return nil
		}
		p := src.Video
		end := media.Rescale(src.Duration, media.Microseconds, p.Timebase)
		return &plan.Index{Start: p.Start, End: max(end, media.Ticks(cues[len(cues)-1])+1), Sync: ticks(cues)}
	}
	return nil
}
