package plan

import (
	"cmp"
	"fmt"
	"math/big"
	"path"
	"slices"
	"time"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/media"
)

// maxJoinClock is the highest number of ticks a second of a film that is joined from several sources: enough for every usual mix of frame
// rates and containers, and so few that a frame may be shown for minutes.
const maxJoinClock = 10_000_000

// JoinedAudioCodec names the codec of a joined audio track in a plan. No container holds it, so that it is encoded.
const JoinedAudioCodec = "joined"

// JoinSources returns the film that sources make one after the other. Its size, its colours, its frame rate and its audio tracks are those of
// the first source that has any. The first source keeps the distance between its picture and its sound at the start; each of the others
// begins with its first frame. An error is of kind fault.Invalid and holds film.Problems.
func JoinSources(sources []film.Source) (film.Source, error) {
	var problems film.Problems
	for i, src := range sources {
		if text := unjoinable(src); text != "" {
			problems = append(problems, film.Problem{Pointer: film.JoinPointer(i), Message: text})
		}
	}
	if err := problems.Err(); err != nil {
		return film.Source{}, err
	}
	tb, ok := commonClock(sources)
	if !ok {
		return film.Source{}, film.Problems{{Pointer: "/join", Message: "the clocks of the sources have no common one"}}.Err()
	}
	first := sources[0]
	joined := film.Source{
		URL: first.URL, Version: first.Version, Demuxer: first.Demuxer, Title: first.Title, Created: first.Created, Tags: first.Tags,
		Origin: media.Instant{Timebase: media.Microseconds},
	}
	video := filmVideo(sources, tb)
	end := media.Ticks(0)
	for i, src := range sources {
		one := film.JoinedSource{Source: trimmed(src)}
		begin := src.Video.Start // of the source, on its own clock
		if i == 0 {
			one.Shift = -src.Origin.In(tb)
		} else {
			one.Shift = end - media.Rescale(begin, src.Video.Timebase, tb)
		}
		end = one.End(tb)
		joined.Size += src.Size
		joined.Joined = append(joined.Joined, one)
		joined.Losses = append(joined.Losses, joinLosses(src)...)
		joined.Chapters = append(joined.Chapters, shiftedChapters(src, one, tb)...)
	}
	video.Start, video.End = joined.Joined[0].Start(tb), end
	joined.Video = &video
	joined.Duration = media.Rescale(end, tb, media.Microseconds)
	return joined, joinAudio(&joined)
}

// commonClock returns the timebase in which the times of all sources are whole numbers.
func commonClock(sources []film.Source) (_ media.Rational, ok bool) {
	clock := int64(1)
	for _, src := range sources {
		den := src.Video.Timebase.Den
		if den <= 0 || den > maxJoinClock {
			return media.Rational{}, false
		}
		if clock = clock / gcd(clock, den) * den; clock > maxJoinClock {
			return media.Rational{}, false
		}
	}
	return media.Rational{Num: 1, Den: clock}, true
}

// filmVideo returns the video track of a film with this timebase: that of the first source, as it is shown. Its Start and End are not set.
func filmVideo(sources []film.Source, tb media.Rational) film.VideoTrack {
	first := *sources[0].Video
	video := first
	video.Timebase, video.Rotation = tb, 0
	if video.Color.Range == "pc" {
		video.Color.Range = "tv" // in which ffmpeg draws the bars around pictures of another shape
	}
	size := displaySize(first)
	video.Width, video.Height = size.Width, size.Height
	if first.Rotation%180 != 0 && first.SampleAspect.Known() {
		video.SampleAspect = media.Rational{Num: first.SampleAspect.Den, Den: first.SampleAspect.Num}
	}
	counted := true
	video.Frames = 0
	for _, src := range sources {
		video.Frames += src.Video.Frames
		counted = counted && src.Video.Frames > 0
		if src.Video.ConstantRate != first.ConstantRate {
			video.ConstantRate = media.Rational{}
		}
	}
	if !counted {
		video.Frames = 0
	}
	return video
}

// unjoinable says why a source cannot be joined to others, or "".
func unjoinable(src film.Source) string {
	const remux = "; copy it into a file with an index first: ffmpeg -i SOURCE -map 0 -c copy NEW.mkv"
	switch v := src.Video; {
	case src.Sequence != nil:
		return "is an image sequence, which cannot be joined; make a video of it first"
	case v == nil:
		return "has no video, and only videos are joined"
	case v.End <= v.Start:
		return "does not say how long its video is" + remux
	case v.Unordered:
		return "does not say when its frames are shown" + remux
	}
	return ""
}

// trimmed returns what the units need to know of a source.
func trimmed(src film.Source) film.Source {
	src.Subtitles, src.Chapters, src.Tags, src.Cover, src.Attachments, src.Losses, src.Title, src.Created = nil, nil, nil, nil, nil, nil, "", time.Time{}
	return src
}

// joinLosses says what a joined film does not have of a source.
func joinLosses(src film.Source) (list []string) {
	name := path.Base(src.URL)
	for _, loss := range src.Losses {
		list = append(list, name+": "+loss)
	}
	if n := len(src.Subtitles); n > 0 {
		list = append(list, name+": its subtitles are left out: those of joined sources cannot be kept yet")
	}
	if src.Cover != nil || len(src.Attachments) > 0 {
		list = append(list, name+": its cover and its attachments are left out: those of joined sources cannot be kept yet")
	}
	return list
}

// shiftedChapters returns the chapters of a source by the times of the film.
func shiftedChapters(src film.Source, one film.JoinedSource, tb media.Rational) (list []media.Chapter) {
	by := src.Origin.In(media.Microseconds) + media.Rescale(one.Shift, tb, media.Microseconds)
	begin, end := media.Rescale(one.Start(tb), tb, media.Microseconds), media.Rescale(one.End(tb), tb, media.Microseconds)
	for _, c := range src.Chapters {
		if c.Start, c.End = max(c.Start+by, begin), min(c.End+by, end); c.Start < c.End {
			list = append(list, c)
		}
	}
	return list
}

// joinAudio adds the audio tracks of a joined film: those of the first source that has any. A source that lacks one of them is silent.
func joinAudio(joined *film.Source) error {
	at := slices.IndexFunc(joined.Joined, func(s film.JoinedSource) bool { return len(s.Source.Audio) > 0 })
	if at < 0 {
		return nil
	}
	for i, t := range joined.Joined[at].Source.Audio {
		to, channels, _, ok := film.AAC.Layout(t.Layout, t.Channels)
		if t.SampleRate <= 0 || !ok || channels > maxJoinedChannels {
			return film.Problems{{Pointer: film.JoinPointer(at), Message: fmt.Sprintf("audio track %d has a layout of channels (%s) that cannot be joined", i+1, cmp.Or(t.Layout, "unknown"))}}.Err()
		}
		scale := media.Rational{Num: 1, Den: int64(t.SampleRate)}
		joined.Audio = append(joined.Audio, film.AudioTrack{
			Stream: 0, Codec: JoinedAudioCodec, SampleRate: t.SampleRate, Channels: channels, Layout: to, Timebase: scale,
			Duration: media.Rescale(joined.Video.End, joined.Video.Timebase, scale), Clock: film.ClockExact,
			Language: t.Language, Title: t.Title, Default: t.Default, Flags: t.Flags,
		})
	}
	for _, one := range joined.Joined {
		name, n := path.Base(one.Source.URL), len(one.Source.Audio)
		switch want := len(joined.Audio); {
		case n == 0:
			joined.Losses = append(joined.Losses, film.NoticeMark+name+": has no sound, and is silent in the film")
		case n < want:
			joined.Losses = append(joined.Losses, fmt.Sprintf("%s: has no audio track %d, and is silent there in the film", name, n+1))
		case n > want:
			joined.Losses = append(joined.Losses, fmt.Sprintf("%s: audio tracks from %d on are left out: the first source with sound has no more", name, want+1))
		}
		if late := lateAudio(one.Source); late > time.Second/2 {
			joined.Losses = append(joined.Losses, fmt.Sprintf("%s: the last %v of its sound are left out: its picture ends before", name, late.Round(time.Millisecond)))
		}
	}
	return nil
}

// maxJoinedChannels is how many channels a joined audio track may have: those of the usual layouts.
const maxJoinedChannels = 8

// lateAudio returns how long the sound of a source goes on after its picture, as far as its container says.
func lateAudio(src film.Source) (late time.Duration) {
	end := media.Rescale(src.Video.End, src.Video.Timebase, media.Microseconds)
	for _, t := range src.Audio {
		if t.Duration > 0 {
			late = max(late, media.Microseconds.Duration(media.Rescale(t.Start+t.Duration, t.Timebase, media.Microseconds)-end))
		}
	}
	return late
}

// JoinedRange is what an audio track of a joined film has of one source: Count samples, which are those from First on in the source,
// counted from its time 0. Both are at the sample rate of the track. Samples that the source does not have are silent.
type JoinedRange struct{ First, Count int64 }

// JoinedRanges returns what an audio track of a film has of each source. The ends of the ranges are rounded, not their lengths, so that
// picture and sound never drift apart.
func JoinedRanges(src film.Source, track int) (list []JoinedRange) {
	scale, tb := src.Audio[track].Timebase, src.Video.Timebase
	at := media.Ticks(0)
	for i, one := range src.Joined {
		end := media.Rescale(one.End(tb), tb, scale)
		first := media.Rescale(one.Source.Video.Start, one.Source.Video.Timebase, scale)
		if i == 0 {
			first = one.Source.Origin.In(scale)
		}
		list = append(list, JoinedRange{First: int64(first), Count: int64(end - at)})
		at = end
	}
	return list
}

// FitJoined makes the renditions of a job for each of its joined sources: the picture is scaled into the frame of the film, and padded
// where its shape differs. An error is of kind fault.Invalid and holds film.Problems.
func FitJoined(j *film.Job) error {
	gpu := j.Request.Compute.GPU
	settings := make([]film.Video, len(j.Renditions))
	for i, out := range j.Outputs {
		for n, r := range out.Renditions {
			settings[r] = j.Request.Outputs[i].Video[min(n, len(j.Request.Outputs[i].Video)-1)]
		}
	}
	for i := range j.Source.Joined {
		one := &j.Source.Joined[i]
		track := *one.Source.Video
		for n, want := range j.Renditions {
			own, warnings := rendition(settings[n], track, false, gpu)
			if keptHDR(track, own) != keptHDR(*j.Source.Video, want) {
				return film.Problems{{Pointer: film.JoinPointer(i), Message: "one source is HDR and another is not, or of another kind; h264 joins them, where HDR is tone-mapped"}}.Err()
			}
			if i > 0 {
				own = fitted(own, track, want)
			}
			if own.ToneMap && !want.ToneMap {
				for _, w := range warnings {
					j.Warnings = append(j.Warnings, path.Base(one.Source.URL)+": "+w)
				}
			}
			own.PixelFormat, own.Level = want.PixelFormat, want.Level
			own.FileSize, own.SizedFile = want.FileSize, want.SizedFile
			one.Renditions = append(one.Renditions, own)
		}
	}
	return nil
}

// keptHDR returns the transfer function of HDR that a rendition of a track keeps, or "".
func keptHDR(v film.VideoTrack, r film.Rendition) string {
	if v.Color.HDR() && !r.ToneMap {
		return v.Color.Transfer
	}
	return ""
}

// fitted returns the rendition of a source whose picture has to fit into the frame of another one.
func fitted(own film.Rendition, track film.VideoTrack, want film.Rendition) film.Rendition {
	size := displaySize(track)
	frame := media.Size{Width: want.Width, Height: want.Height}
	from := shape(own.SampleAspect)
	to := shape(want.SampleAspect)
	// The picture's width in pixels of the film to its height.
	aspect := new(big.Rat).Mul(big.NewRat(int64(size.Width), int64(size.Height)), new(big.Rat).Quo(from, to))
	inner := frame
	if aspect.Cmp(big.NewRat(int64(frame.Width), int64(frame.Height))) > 0 {
		inner.Height = near(new(big.Rat).Quo(big.NewRat(int64(frame.Width), 1), aspect), frame.Height)
	} else {
		inner.Width = near(new(big.Rat).Mul(big.NewRat(int64(frame.Height), 1), aspect), frame.Width)
	}
	own.Width, own.Height, own.SampleAspect = frame.Width, frame.Height, want.SampleAspect
	own.Crop, own.Inner = media.Size{}, media.Size{}
	if inner != frame {
		own.Inner = inner
	}
	return own
}

// shape returns the shape of a pixel. One that is not known, or that no picture has, is square.
func shape(sar media.Rational) *big.Rat {
	if sar.Num <= 0 || sar.Den <= 0 || sar.Num > maxShape || sar.Den > maxShape {
		return big.NewRat(1, 1)
	}
	return big.NewRat(sar.Num, sar.Den)
}

// near returns the even number nearest to r, between 2 and most. Bars of a single row or column on each side are none.
func near(r *big.Rat, most int) int {
	f, _ := r.Float64()
	n := 2 * int(f/2+0.5)
	if n >= most-2 {
		return most
	}
	return max(n, 2)
}

// JoinSegments returns the segments of a film, whose sources have these segments by their own clocks.
func JoinSegments(src film.Source, each [][]film.Segment) ([]film.Segment, error) {
	var list []film.Segment
	tb := src.Video.Timebase
	for i, segments := range each {
		one := src.Joined[i]
		if len(segments) == 0 {
			return nil, fault.New(fault.Internal, "source %d has no segments", i+1)
		}
		for k, s := range segments {
			for _, t := range []*media.Ticks{&s.Start, &s.End, &s.Seek, &s.LeadSync} {
				*t = one.InFilm(*t, tb)
			}
			if s.NextKeyframe != nil {
				s.NextKeyframe = new(one.InFilm(*s.NextKeyframe, tb))
			}
			s.Index, s.Source, s.Last = len(list), i, i == len(each)-1 && k == len(segments)-1
			s.SourceBegins, s.SourceEnds = k == 0, k == len(segments)-1
			if k == 0 && i > 0 {
				s.Boundary = film.AtJoin
			}
			list = append(list, s)
		}
	}
	return list, nil
}
