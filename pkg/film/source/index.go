package source

import (
	"context"
	"slices"
	"strings"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/ffmpeg/probe"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/plan"
	"github.com/mapreel/mapreel/pkg/isobmff/movieindex"
	"github.com/mapreel/mapreel/pkg/matroska"
	"github.com/mapreel/mapreel/pkg/media"
)

// index is a container's own index. Both are nil where it has none.
type index struct {
	mp4 *movieindex.Index
	mkv *matroska.Index
}

// readIndex reads the container's index, where it has one.
func readIndex(ctx context.Context, r *blob.Reader, c probe.Container) (x index, err error) {
	switch {
	case !c.Indexed:
	case strings.HasPrefix(c.Demuxer, "mov"):
		x.mp4, err = movieindex.Read(ctx, r, r.Size())
	default:
		x.mkv, err = matroska.ReadIndex(ctx, r, r.Size())
	}
	return x, err
}

// damage returns what the container's index shows of damage; nil if there is none.
func (x index) damage() error {
	switch {
	case x.mp4 != nil && x.mp4.Damage != nil:
		return x.mp4.Damage
	case x.mkv != nil:
		return x.mkv.Damage
	}
	return nil
}

// videoNumber returns the number of the source's video track among the video tracks, which ffprobe
// and the index list in the same order.
func videoNumber(src *film.Source, probed probe.Media) int {
	nth := 0
	for _, s := range probed.Streams {
		if s.Type == "video" && s.Index < src.Video.Stream && !s.AttachedPic {
			nth++
		}
	}
	return nth
}

// mp4Track returns the nth video track of an MP4 file's index, nil where there is none.
func (x index) mp4Track(nth int) *movieindex.Track {
	if x.mp4 == nil || x.mp4.Fragmented {
		return nil
	}
	for i := range x.mp4.Tracks {
		if t := &x.mp4.Tracks[i]; t.Handler != "vide" {
			continue
		} else if nth == 0 {
			return t
		}
		nth--
	}
	return nil
}

// video returns the index of the source's video track, and completes the track's Start, End and
// Frames. It is nil where the container has none.
func (x index) video(src *film.Source, probed probe.Media) *plan.Index {
	v := src.Video
	nth := videoNumber(src, probed)
	var found *plan.Index
	switch t := x.mp4Track(nth); {
	case t != nil:
		found = fromMP4(t)
	case x.mkv != nil:
		found = fromMatroska(x.mkv, nth, *src)
	}
	if found != nil {
		v.Start, v.End, v.Frames = found.Start, found.End, len(found.Times)
		// ffprobe does not count frames before time 0, which an edit list may show nevertheless: one
		// that begins before the first sync sample, with negative composition offsets.
		src.StartAt(media.Instant{Ticks: v.Start, Timebase: v.Timebase})
	}
	return found
}

// fromMP4 makes an index of a video track from its sample table; nil where it has no samples.
func fromMP4(t *movieindex.Track) *plan.Index {
	if len(t.Presentation) == 0 {
		return nil
	}
	x := &plan.Index{Start: media.Ticks(t.Presentation[0]), End: media.Ticks(t.End), Sync: media.TicksOf(t.Sync), Times: media.TicksOf(t.Presentation), Cut: t.Missing > 0, Hidden: t.Hidden > 0}
	if t.Irregular {
		x.Times = nil // which frames ffmpeg shows cannot be predicted
	}
	return x
}

// setClocks sets how exactly a worker knows its place in each audio track when it starts reading in
// the middle.
func (x index) setClocks(src *film.Source, probed probe.Media) {
	for i := range src.Audio {
		t := &src.Audio[i]
		exact := t.Timebase == media.Rational{Num: 1, Den: int64(t.SampleRate)}
		switch {
		case x.mp4 != nil && !x.mp4.Fragmented && exact:
			nth := 0 // the track's number among the audio tracks, as in video
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
		case x.mkv != nil && len(x.mkv.Cues) > 0 && slices.Contains(constantPackets, t.Codec):
			t.Clock = film.ClockFramed
		case src.Demuxer == "wav" && exact:
			t.Clock = film.ClockExact
		}
	}
}

// constantPackets are the codecs whose packets all hold the same number of samples, last longer
// than a millisecond (the resolution of Matroska's timestamps), and lose none in the decoder at the
// beginning. Packets of Opus and Vorbis differ in length, those of TrueHD are shorter than a
// millisecond, and those of PCM are as long as the muxer likes.
var constantPackets = []string{"aac", "ac3", "eac3", "mp2", "mp3", "dts", "flac"}

// fromMatroska makes an index of the nth video track from its Cues; nil where it has none. Cues
// list sync frames only, so the number of frames is unknown, and the end is the container's
// duration.
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
		v := src.Video
		end := media.Rescale(src.Duration, media.Microseconds, v.Timebase)
		return &plan.Index{Start: v.Start, End: max(end, media.Ticks(cues[len(cues)-1])+1), Sync: media.TicksOf(cues)}
	}
	return nil
}
