// Package source examines the source of a job: its container, its index, its streams, and its
// subtitles, chapters, metadata and attachments. It reads the index, not the media.
//
//	found, err := source.Examine(ctx, tools, store, "film.mkv", url, source.Options{})
package source

import (
	"context"
	"fmt"
	"path"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/probe"
	"github.com/mapreel/mapreel/pkg/ffmpeg/remux"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/plan"
	"github.com/mapreel/mapreel/pkg/media"
)

// headBytes is how many bytes from the start of a source are read to recognise its format: enough
// for the packet pattern of MPEG-TS and for an ID3 tag before MP3.
const headBytes = 64 << 10

// Found is the result of an examination.
type Found struct {
	Source     film.Source
	Index      *plan.Index // of the video track; nil where the source has no usable one, or must be decoded from its first packet on
	Splittable bool        // the video track can be cut without an index, by copying it once
}

// Options are what a request says about its source. The zero value is for most.
type Options struct {
	Rate    media.Rational // frames a second of a raw stream, which has no timestamps
	Program int            // of a transport stream with several; 0: the one with the largest picture
}

// Examine recognises the format of the object at key by its first bytes, reads its index, and has
// ffprobe describe its streams. url is where the request names the source.
func Examine(ctx context.Context, tools ffmpeg.Tools, store blob.Store, key, url string, opts Options) (Found, error) {
	found := Found{Source: film.Source{URL: url}}
	src := &found.Source
	info, err := store.Stat(ctx, key)
	if err != nil {
		return found, err
	}
	src.Size, src.Version = info.Size, info.Version
	head, err := blob.ReadRange(ctx, store, key, 0, min(headBytes, info.Size))
	if err != nil {
		return found, err
	}
	container, err := probe.Sniff(head, path.Base(key))
	switch raw := container.Demuxer != ""; {
	case err != nil && raw && opts.Rate.Known():
		err, src.Rate = nil, opts.Rate
	case err != nil && raw:
		return found, fault.WithHint(err, fmt.Sprintf("say its frame rate: mapreel transcode %s -o out.mp4 --fps 25", path.Base(key)))
	}
	if err != nil {
		return found, fault.WithHint(err, "give it a video: MP4, MOV, Matroska, WebM, MPEG-TS, AVI, FLV and others")
	}
	src.Demuxer = container.Demuxer
	// The index first: it takes few reads, and its errors describe truncation and damage best.
	reader := blob.ReaderAt(ctx, store, key, info.Size)
	file, err := readIndex(ctx, reader, container)
	if err != nil {
		return found, fmt.Errorf("index of %s: %w", path.Base(key), err)
	}
	location, err := store.Locate(ctx, key)
	if err != nil {
		return found, err
	}
	probed, in, err := probe.InspectLate(ctx, tools, ffmpeg.Input{Location: location, Demuxer: src.Demuxer})
	if err != nil {
		return found, err
	}
	src.ProbeBytes = in.ProbeBytes
	if probed, err = chooseProgram(src, probed, opts.Program); err != nil {
		return found, err
	}
	if err := describe(src, probed); err != nil {
		return found, err
	}
	if src.Demuxer == "mpegts" {
		if head, err = blob.ReadRange(ctx, store, key, 0, min(encryptionBytes, info.Size)); err != nil {
			return found, err
		}
	}
	if err := refuseEncrypted(src.Demuxer, head, probed.Streams); err != nil {
		return found, err
	}
	file.setClocks(src, probed)
	if v := src.Video; v != nil && src.Rate.Known() {
		v.FrameRate, v.ConstantRate, v.Timebase = src.Rate, src.Rate, media.Rational{Num: src.Rate.Den, Den: src.Rate.Num}
		v.Start, v.End, src.Duration, src.Origin = 0, 0, 0, media.Instant{Timebase: v.Timebase}
		return found, nil // only the decoder knows the order of its frames, so it can be neither indexed nor split
	}
	if damage := file.damage(); damage != nil {
		src.Losses = append(src.Losses, fmt.Sprintf("the source is cut short or damaged (%v); what can be decoded is kept", damage))
	}
	if src.Video == nil {
		return found, nil
	}
	for _, s := range probed.Streams {
		if s.Index != src.Video.Stream {
			continue
		}
		if src.Video.Unordered, err = probe.NeedsDecoder(ctx, tools, in, s, head); src.Video.Unordered || err != nil {
			return found, err // it can be neither indexed nor split
		}
		found.Splittable = remux.Splittable(src.Demuxer, s)
	}
	index := file.video(src, probed)
	for _, s := range probed.Streams {
		if s.Index == src.Video.Stream {
			src.Video.ConstantRate = constantRate(s, index)
		}
	}
	if err := readHidden(ctx, tools, in, src, index); err != nil {
		return found, err
	}
	read := newPacketReader(tools, in, reader, src, file.mp4Track(videoNumber(src, probed)))
	whole, err := readEntries(ctx, tools, in, src, index, read)
	if err != nil {
		return found, err
	}
	if whole {
		found.Splittable = false
		return found, nil
	}
	found.Index = index
	return found, nil
}
