package verify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/budget"
	"github.com/mapreel/mapreel/pkg/ffmpeg/decode"
	"github.com/mapreel/mapreel/pkg/ffmpeg/probe"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/verify/playlist"
)

// file is the source or the output: what it is, which streams are compared, and what its decoders
// reported.
type file struct {
	in            ffmpeg.Input
	container     string
	media         probe.Media
	video         *probe.Stream
	audio         []probe.Stream
	listed        []probe.Stream // the audio tracks that the file declares: audio is those of them that have packets
	declared      budget.Source
	decoderErrors decoderErrors
	damage        ffmpeg.DamageLog // of the video
	part          decode.Part      // what is compared of it
}

// silent returns a verification of the same files whose decoders' errors do not count again.
func (v *verification) silent() *verification {
	mute := func(f *file) *file {
		return &file{in: f.in, media: f.media, video: f.video, declared: f.declared, part: f.part}
	}
	return &verification{tools: v.tools, cut: v.cut, drawing: v.drawing, source: mute(v.source), output: mute(v.output)}
}

// opening is how a file is opened.
type opening struct {
	playlists bool           // it may be a playlist or a manifest, as an output may
	program   int            // as Options.Program
	rate      media.Rational // as Options.Rate
}

// open recognises and probes a file.
func (v *verification) open(ctx context.Context, path string, how opening) (*file, error) {
	if err := playlist.CheckFiles(path); err != nil {
		return nil, err
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fault.Wrap(fault.KindOf(err), err, "open")
	}
	defer f.Close() //nolint:errcheck // it was only read
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return nil, fault.New(fault.Invalid, "%s is a folder; name the file in it", path)
	}
	head := make([]byte, probe.SniffLength)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, fault.Wrap(fault.KindOf(err), err, "read "+path)
	}
	isRaw := false
	container, ok := playlist.Sniff(head[:n])
	if !ok || !how.playlists {
		container, err = probe.Sniff(head[:n], filepath.Base(path))
		switch raw := container.Demuxer != ""; {
		case err != nil && raw && !how.rate.Known():
			return nil, fault.WithHint(err, "say the frame rate that the job was given: --fps 25, or --report with the report of the job")
		case err != nil && !raw:
			return nil, err
		}
		isRaw = err != nil
	}
	opened := &file{in: ffmpeg.Input{Location: path, Demuxer: container.Demuxer}, container: container.Name}
	if opened.media, opened.in, err = probe.InspectLate(ctx, v.tools, opened.in); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Base(path), err)
	}
	if opened.media, err = chooseProgram(opened.media, container, how.program); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Base(path), err)
	}
	if isRaw {
		opened.setRate(how.rate)
	}
	opened.declared = budget.Source{Size: sizeOf(path, container.Demuxer), Duration: media.Ticks(opened.media.Duration)}
	opened.media.Format = formatOf(container, opened.media.Format)
	if container.Demuxer == "hls" {
		text, err := io.ReadAll(io.LimitReader(io.MultiReader(bytes.NewReader(head[:n]), f), maxPlaylist))
		if err != nil {
			return nil, fault.Wrap(fault.KindOf(err), err, "read "+path)
		}
		applyPlaylist(&opened.media, string(text))
	}
	opened.video, opened.audio = mainVideo(opened.media), streamsOf(opened.media, "audio")
	opened.listed = opened.audio
	if !isPlaylist(container.Demuxer) && (len(opened.audio) > 1 || opened.video != nil) {
		if opened.audio, err = v.heard(ctx, opened.in, opened.audio); err != nil {
			return nil, fmt.Errorf("%s: %w", filepath.Base(path), err)
		}
		opened.media.Streams = slices.DeleteFunc(opened.media.Streams, func(s probe.Stream) bool {
			return s.Type == "audio" && !slices.ContainsFunc(opened.audio, func(a probe.Stream) bool { return a.Index == s.Index })
		})
	}
	if opened.video == nil && len(opened.audio) == 0 {
		return nil, fault.New(fault.Invalid, "%s has neither video nor audio", filepath.Base(path))
	}
	return opened, nil
}

// setRate gives the frames of a raw stream times: frame n is at n ticks of 1/rate.
func (f *file) setRate(rate media.Rational) {
	f.in.Rate = rate
	for i := range f.media.Streams {
		s := &f.media.Streams[i]
		s.Timebase, s.AverageRate, s.BaseRate = media.Rational{Num: rate.Den, Den: rate.Num}, rate, rate
	}
}

// chooseProgram returns what m holds of the program that is compared, where it is a transport stream
// with several: the one of that number, or with 0 the one with the largest picture.
func chooseProgram(m probe.Media, container probe.Container, number int) (probe.Media, error) {
	if container.Demuxer != "mpegts" {
		return m, nil
	}
	programs := probe.Playable(m)
	chosen, ok := probe.Choose(m, programs, number)
	switch {
	case !ok:
		return m, fault.New(fault.Invalid, "it has no program %d", number)
	case len(programs) < 2:
		return m, nil
	}
	return m.Only(chosen), nil
}

// heard returns the audio streams that have any packet: a container may declare others.
func (v *verification) heard(ctx context.Context, in ffmpeg.Input, all []probe.Stream) (list []probe.Stream, err error) {
	for _, s := range all {
		has, err := s.Complete(), error(nil)
		if has {
			has, err = probe.HasPackets(ctx, v.tools, in, s.Index)
		}
		if err != nil {
			return nil, err
		}
		if has {
			list = append(list, s)
		}
	}
	return list, nil
}

// input describes how ffmpeg reads f for one of its streams. The clock of a broadcast may jump;
// then the timestamps of one ffmpeg pass over all its streams are the reference. Without a jump,
// such a pass only shifts the zero point of every stream equally.
func (f *file) input(stream int) ffmpeg.Input {
	in := f.in
	if !f.jumping() {
		return in
	}
	in.Jumps = &ffmpeg.Jumps{Start: f.media.Start}
	if f.video != nil {
		in.Jumps.Step = ffmpeg.JumpStep(f.video.FrameRate())
	}
	if f.video != nil && f.video.Index != stream {
		in.Jumps.Also = append(in.Jumps.Also, f.video.Index)
	}
	for _, a := range f.audio {
		in.Jumps.Decoded = append(in.Jumps.Decoded, a.Index)
	}
	return in
}

// jumping reports whether f is read as a broadcast whose clock may jump.
func (f *file) jumping() bool { return f.in.Demuxer == "mpegts" || f.in.Demuxer == "mpeg" }

// formatOf returns the format name of a file: the demuxer of a playlist, else what ffprobe
// reported.
func formatOf(c probe.Container, probed string) string {
	if isPlaylist(c.Demuxer) {
		return c.Demuxer
	}
	return probed
}
