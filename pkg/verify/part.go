package verify

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/probe"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/media"
)

// partSeek is how long before a part decoding begins, in microseconds: decoders of intra refresh and of audio have settled by then.
const partSeek = 10_000_000

// cut is the part of the source that the output shows, in microseconds. Start is on the source's clock; an End of 0 is the source's.
type cut struct {
	start, end media.Ticks
	origin     media.Ticks // of the whole source
}

// take makes v compare with a part of the source.
func (v *verification) take(part film.Part) error {
	if part == (film.Part{}) {
		return nil
	}
	m := v.source.media
	c := cut{origin: sourceOrigin(v.source)}
	whole := film.Source{Duration: media.Ticks(m.Duration)}
	for _, chapter := range m.Chapters {
		whole.Chapters = append(whole.Chapters, media.Chapter{Start: chapter.Start - c.origin, End: chapter.End - c.origin})
	}
	start, end, err := whole.Bounds(part)
	if err != nil {
		return fault.New(fault.Invalid, "%s", strings.ReplaceAll(err.Error(), "/part/", "--"))
	}
	if c.start = c.origin + start; end > 0 {
		c.end = c.origin + end
	}
	if s := v.source.video; s != nil && s.Timebase.Known() {
		c.start = media.PartBound(c.start, s.Timebase)
		if end > 0 {
			c.end = media.PartBound(c.end, s.Timebase)
		}
	}
	v.cut = &c
	v.source.media.Chapters = media.CutChapters(m.Chapters, c.start, c.end)
	in := v.source.in
	clock := int64(0)
	if v.source.jumping() {
		clock = m.Start // what is decoded counts from there
	} else if start > 0 {
		v.source.part.Seek = new(int64(c.start) - partSeek)
	}
	if start > 0 {
		v.source.part.Start = new(int64(c.start) - clock)
	}
	if end > 0 {
		v.source.part.End = new(int64(c.end) - clock)
	}
	if in.Demuxer == "hls" || in.Demuxer == "dash" {
		v.source.part.Seek = nil
	}
	return nil
}

// sourceOrigin returns when the earliest stream of a source begins, which is the beginning of its outputs.
func sourceOrigin(f *file) media.Ticks {
	origin, known := media.Ticks(f.media.Start), false
	consider := func(s probe.Stream) {
		if s.StartPTS == nil || !s.Timebase.Known() {
			return
		}
		if at := media.Rescale(media.Ticks(*s.StartPTS), s.Timebase, media.Microseconds); !known || at < origin {
			origin, known = at, true
		}
	}
	if f.video != nil {
		consider(*f.video)
	}
	for _, s := range f.audio {
		consider(s)
	}
	return origin
}

// check describes the part.
func (c cut) check() Check {
	at := func(t media.Ticks) string { return ClockTime(media.Microseconds.Duration(t - c.origin)) }
	figure := at(c.start) + " to the end of the source"
	if c.end > 0 {
		figure = fmt.Sprintf("%s to %s of the source", at(c.start), at(c.end))
	}
	return Check{Name: "part", Verdict: Note, Figure: figure}
}

// shows reports whether a packet of a subtitle track is shown in the part of the source that is compared.
func (v *verification) shows(p probe.Packet, tb media.Rational) bool {
	if v.cut == nil || !tb.Known() {
		return true
	}
	from := media.Rescale(media.Ticks(p.PTS), tb, media.Microseconds)
	to := media.Rescale(media.Ticks(p.PTS+max(p.Duration, 1)), tb, media.Microseconds)
	return to > v.cut.start && (v.cut.end <= 0 || from < v.cut.end)
}

// maxPacket is the longest packet of the codecs that declare none: 4608 samples of FLAC at 48 kHz.
const maxPacket = 96 * time.Millisecond

// edges returns by how much a track of the output may differ at its ends from the part that it was taken from. Copied packets are
// whole where the container has no edit list, and others precede them, which a decoder needs.
func (v *verification) edges(source, output probe.Stream, frame time.Duration) time.Duration {
	switch {
	case v.cut == nil && source.Codec == output.Codec && strings.Contains(v.source.media.Format, "matroska") && !isPlaylist(v.output.media.Format):
		return frame // Matroska may have the decoder discard the end of the last packet
	case strings.Contains(v.output.media.Format, "mp4") && output.FrameSize > 0:
		return 0 // an edit list cuts the packets off
	case v.cut == nil && source.Codec == output.Codec && strings.Contains(v.source.media.Format, "mp4") && !isPlaylist(v.output.media.Format):
		if source.FrameSize == 0 {
			return max(frame, maxPacket)
		}
		return frame // the source's edit list may cut off more than a packet
	case v.cut == nil:
		return 0
	case isPlaylist(v.output.media.Format):
		return 3 * frame
	}
	return max(frame, maxPacket)
}

// partFrames estimates how many frames the part has.
func (v *verification) partFrames(whole int64) int64 {
	d := v.source.media.Duration
	if v.cut == nil || d <= 0 {
		return whole
	}
	end := v.cut.end
	if end <= 0 {
		end = v.cut.origin + media.Ticks(d)
	}
	return int64(float64(whole) * float64(end-v.cut.start) / float64(d))
}

// anyShown reports whether any packet of a subtitle stream of the source is shown.
func (v *verification) anyShown(ctx context.Context, s probe.Stream) (bool, error) {
	shown := false
	log := &probe.PacketLog{Each: func(p probe.Packet) { shown = shown || v.shows(p, s.Timebase) }}
	_, err := ffmpeg.Run(ctx, v.tools.FFprobe, probe.PacketArgs(v.source.in, s.Index), ffmpeg.RunOptions{Stdout: log, Limits: v.source.listing(ctx)})
	return shown, err
}
