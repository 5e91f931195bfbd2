package verify

import (
	"context"
	"errors"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/decode"
	"github.com/mapreel/mapreel/pkg/ffmpeg/probe"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/verify/picture"
	"github.com/mapreel/mapreel/pkg/verify/shift"
)

// errSeen ends a run of ffmpeg or ffprobe that has shown enough.
var errSeen = errors.New("seen enough")

// leadingFrames returns how many frames at the start of the source the output leaves out because they cannot be decoded
// whole: those before the first keyframe, where a capture begins within a group of pictures. It is 0 where the output
// has these frames. They show what ffmpeg makes of references that it does not have, so either is right.
func leadingFrames[S picture.Sample](ctx context.Context, v *verification, f picture.Format, from, to decode.Video, convert func([]byte, []S)) (int, error) {
	if v.source.part.Start != nil {
		return 0, nil // a part begins where it is told to
	}
	key, first, err := v.firstKeyframe(ctx)
	if err != nil || key <= first {
		return 0, err
	}
	lead := 0
	again := v.silent()
	_, _, err = decodeBoth(ctx, again, f, from, to, 0, convert, func(a, b *frameWindow[S]) error {
		if !b.current.ok || !a.current.ok {
			return errSeen
		}
		own := shift.MeanSquare(a.current.small, b.current.small)
		n := 0
		for a.current.ok && a.current.ticks < key {
			if err := a.advance(); err != nil {
				return err
			}
			n++
		}
		if a.current.ok && shift.MeanSquare(a.current.small, b.current.small) < own {
			lead = n
		}
		return errSeen
	})
	if errors.Is(err, errSeen) {
		err = nil
	}
	return lead, err
}

// firstKeyframe returns the times of the source's first keyframe and of its earliest frame before that, in ticks of the
// decoded frames.
func (v *verification) firstKeyframe(ctx context.Context) (key, first int64, err error) {
	a := *v.source.video
	seen, found := false, false
	log := &probe.PacketLog{Each: func(p probe.Packet) {
		if found {
			return
		}
		if !seen || p.PTS < first {
			first = p.PTS
		}
		seen = true
		if p.Key {
			key, found = p.PTS, true
		}
	}}
	reader := writerFunc(func(data []byte) (int, error) {
		n, err := log.Write(data)
		if found {
			err = errSeen
		}
		return n, err
	})
	if _, err := ffmpeg.Run(ctx, v.tools.FFprobe, probe.PacketArgs(v.source.in, a.Index), ffmpeg.RunOptions{Stdout: reader, Limits: v.source.listing(ctx)}); err != nil && !found {
		return 0, 0, err
	}
	if !found {
		return 0, 0, nil
	}
	if v.source.input(a.Index).Jumps != nil { // then frames are timed from the file's start
		zero := int64(media.Rescale(media.Ticks(v.source.media.Start), media.Microseconds, a.Timebase))
		key, first = key-zero, first-zero
	}
	return key, first, nil
}

// writerFunc is a function as an io.Writer.
type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(data []byte) (int, error) { return f(data) }
