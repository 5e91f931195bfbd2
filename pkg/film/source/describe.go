package source

import (
	"strings"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/probe"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/media"
)

// describe fills in src from ffprobe's output: the first video track that can be decoded, all audio
// tracks, the origin of their timestamps, and the sidecar.
func describe(src *film.Source, probed probe.Media) error {
	src.Duration = media.Ticks(max(probed.Duration, 0))
	first := true
	wanted := videoStream(src.Demuxer, probed)
	for _, s := range probed.Streams {
		tb := s.Timebase
		start := media.Ticks(0)
		if s.StartPTS != nil {
			start = media.Ticks(*s.StartPTS)
		}
		switch {
		case s.Type == "video" && s.Index == wanted:
			if tag := clean(s.Tag, maxTitle); s.Codec == "" && tag != "" && !strings.HasPrefix(tag, "[") {
				return fault.WithHint(fault.New(fault.Unsupported, "the video track of the source is coded as %s, which this ffmpeg does not know", tag),
					"install a full or newer build of ffmpeg")
			}
			if s.Width <= 0 || s.Height <= 0 || s.Codec == "" {
				return fault.New(fault.Corrupt, "the video track of the source cannot be read: its size or codec is unknown")
			}
			if int64(s.Width)*int64(s.Height) > ffmpeg.MaxPixels {
				return fault.New(fault.Unsupported, "the video track of the source has %d x %d pixels, more than the 16384 x 8704 of the largest level of H.265 and AV1",
					s.Width, s.Height)
			}
			src.Video = &film.VideoTrack{
				Stream: s.Index, Codec: s.Codec, Timebase: tb, Start: start, Width: s.Width, Height: s.Height,
				FrameRate: s.FrameRate(), SampleAspect: s.SAR, Rotation: s.Rotation, PixelFormat: s.PixelFormat,
				Depth: s.BitDepth, Interlaced: fieldOrder(s.FieldOrder), Color: s.Color, DolbyVision: s.DolbyVision,
				HDR: s.HDR,
			}
			if s.DurationTS > 0 {
				src.Video.End = start + media.Ticks(s.DurationTS)
			}
		case s.Type == "audio" && len(src.Audio) == maxAudio:
			continue // describeSidecar says so
		case s.Type == "audio" && s.Complete():
			src.Audio = append(src.Audio, film.AudioTrack{
				Stream: s.Index, Codec: s.Codec, SampleRate: s.SampleRate, Channels: s.Channels, Layout: clean(s.ChannelLayout, maxTitle), BitRate: max(s.BitRate, 0), Timebase: tb,
				Start: start, Duration: exactDuration(src.Demuxer, s), Language: clean(s.Language, maxTitle), Title: clean(s.Title, maxTitle),
				Default: s.Default, Flags: s.Flags,
			})
		default:
			continue
		}
		// Timestamps of different timebases are compared in microseconds. The origin itself stays
		// exact.
		if first || media.Rescale(start, tb, media.Microseconds) < src.Origin.In(media.Microseconds) {
			src.Origin, first = media.Instant{Ticks: start, Timebase: tb}, false
		}
	}
	describeSidecar(src, probed)
	return nil
}

// videoStream returns the index of the first video stream that is no cover, whose size and codec are
// known, and which has frames; -1 if there is none beside audio. Without audio it is the first that is
// no cover.
func videoStream(demuxer string, probed probe.Media) int {
	index, audible := -1, false
	for _, s := range probed.Streams {
		switch {
		case s.Type == "audio":
			audible = audible || s.Complete() && !isEmpty(demuxer, s)
		case s.Type != "video" || s.AttachedPic:
		case s.Complete() && !isEmpty(demuxer, s):
			return s.Index
		case index < 0:
			index = s.Index
		}
	}
	if audible {
		return -1
	}
	return index
}

// isEmpty reports whether a track of an MP4 or MOV declares that it has no samples.
func isEmpty(demuxer string, s probe.Stream) bool {
	return demuxer == "mov" && s.StartPTS == nil && s.Frames <= 0 && s.DurationTS <= 0
}

// fieldOrder returns which field of an interlaced stream is shown first, tff or bff; "" where the
// stream is progressive or does not say. Of the two letters of ffprobe's field_order, the first
// names the field that is stored first, the second the one that is shown first.
func fieldOrder(order string) string {
	switch order {
	case "tt", "bt":
		return "tff"
	case "bb", "tb":
		return "bff"
	}
	return ""
}

// exactDuration returns how long a track lasts where its container declares that to the sample, as
// MP4 does with edit lists; else 0. Other containers round the duration, or ffprobe guesses it from
// the last packet that it sees, which could cut off audio.
func exactDuration(demuxer string, s probe.Stream) media.Ticks {
	if demuxer != "mov" {
		return 0
	}
	return media.Ticks(max(s.DurationTS, 0))
}
