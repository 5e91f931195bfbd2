// Package probe finds out what a source holds. Sniff identifies the container from the first bytes,
// Inspect asks ffprobe for the streams, and a PacketLog lists the packets of one stream.
//
//	container, err := probe.Sniff(head, path)
//	source, err := probe.Inspect(ctx, tools, ffmpeg.Input{Location: path, Demuxer: container.Demuxer})
package probe

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/budget"
)

const (
	// maxTime bounds ffprobe, also on a slow network.
	maxTime = 2 * time.Minute
	// probeBytes and probeMicros are how far ffprobe reads to find the streams. They are larger
	// than ffmpeg's defaults (5 MB, 5 s), for streams that begin late in a transport stream, and
	// still small compared with any film.
	probeBytes  = 20_000_000
	probeMicros = "10000000"
	// maxAnswer bounds ffprobe's answer, in bytes. 10,000 chapters take 3 MB.
	maxAnswer = 16 << 20
)

// Inspect asks ffprobe what an input holds, and waits two minutes at most. Streams are in the order
// of their index.
func Inspect(ctx context.Context, t ffmpeg.Tools, in ffmpeg.Input) (Media, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, maxTime,
		fault.New(fault.Transient, "ffprobe took more than %v", maxTime))
	defer cancel()
	source, err := run(ctx, t, streamArgs(in), parseStreams)
	if err != nil {
		return Media{}, err
	}
	decoded := 0
	for i, s := range source.Streams {
		if !s.needsFrame() || decoded == maxDecoded {
			continue
		}
		decoded++
		frame, err := run(ctx, t, frameArgs(in, s.Index, 1), parseFrame)
		if err == nil && frame.fields == "" { // an edit list hides the first
			frame, err = run(ctx, t, frameArgs(in, s.Index, hiddenPackets), parseFrame)
		}
		if err != nil {
			return Media{}, err
		}
		frame.complete(&source.Streams[i])
	}
	return source, nil
}

// maxDecoded is of how many streams Inspect decodes a frame. Real files have two or three video streams.
const maxDecoded = 8

// LateBytes is how far InspectLate reads: nearly a minute of a broadcast of 20 Mbit/s. ffmpeg holds
// in memory what it reads before it knows all streams.
const LateBytes = 128 << 20

// InspectLate does what Inspect does, and looks for streams that begin late: where a transport or
// program stream or an FLV file declares a stream of which Inspect sees no packet, it reads
// LateBytes. It returns the input as it must be opened to see the same: ffmpeg's own default is less,
// and a copy fails where it shows no size of the pictures. Whoever opens it so gets to know of each
// stream that begins after that (ffmpeg.NewStreamLog).
func InspectLate(ctx context.Context, t ffmpeg.Tools, in ffmpeg.Input) (Media, ffmpeg.Input, error) {
	if !slices.Contains(headerless, in.Demuxer) {
		m, err := Inspect(ctx, t, in)
		return m, in, err
	}
	in.ProbeBytes = probeBytes
	near, err := Inspect(ctx, t, in)
	incomplete := func(m Media) (n int) {
		for _, s := range m.Streams {
			if !s.Complete() {
				n++
			}
		}
		return n
	}
	if err != nil || incomplete(near) == 0 {
		return near, in, err
	}
	deep := in
	deep.ProbeBytes = LateBytes
	far, err := Inspect(ctx, t, deep)
	if err != nil || incomplete(far) >= incomplete(near) {
		return near, in, err
	}
	return far, deep, nil
}

// headerless are the demuxers of containers that have no header with the parameters of all streams.
var headerless = []string{"mpegts", "mpeg", "flv"}

func run[T any](ctx context.Context, t ffmpeg.Tools, args []string, parse func([]byte) (T, error)) (T, error) {
	// Its limit of CPU time ends before maxTime, whose error would be retried: computing for so long
	// cannot be the network's fault, but a demuxer could search gigabytes of zeros after a valid header.
	answer, err := ffmpeg.Output(ctx, t.FFprobe, args, maxAnswer, budget.Worker{}.Limit(ctx, budget.Probe()))
	if err != nil {
		var none T
		return none, err
	}
	return parse(answer)
}

// streamArgs returns the arguments of ffprobe that describe an input's container, streams, programmes
// and chapters, and ffprobe's version.
func streamArgs(in ffmpeg.Input) []string {
	return append(inputArgs(in), "-print_format", "json=compact=1", "-show_program_version", "-show_format", "-show_streams", "-show_programs",
		"-show_chapters", "-i", in.URL())
}

func inputArgs(in ffmpeg.Input) []string {
	args := []string{"-hide_banner", "-loglevel", "warning", "-probesize", strconv.Itoa(probeBytes), "-analyzeduration", probeMicros}
	return append(append(args, ffmpeg.AllocationLimits()...), in.ProbeOptions()...)
}

// needsFrame reports whether facts about a stream require decoding: HDR10 metadata is often only in
// the video stream itself, and the containers and parsers of DV and MPEG-4 do not report fields.
func (s Stream) needsFrame() bool {
	if s.Type != "video" || s.AttachedPic {
		return false
	}
	return s.Color.Transfer == "smpte2084" && s.HDR.Mastering == nil || s.FieldOrder == "" && !slices.Contains(progressiveOnly, s.Codec)
}

// progressiveOnly are codecs without fields, and "", the unknown codec, which cannot be decoded.
var progressiveOnly = []string{"", "vp8", "vp9", "av1", "theora", "png", "gif", "webp", "tiff", "dpx", "exr"}

// hiddenPackets is how many packets are read to find a frame behind those that an edit list hides: the
// longest usual distance of keyframes.
const hiddenPackets = 600

// frameArgs returns the arguments of ffprobe that decode the first packets of one stream and print
// the metadata of their frames.
func frameArgs(in ffmpeg.Input, stream, packets int) []string {
	return append(inputArgs(in), "-print_format", "json=compact=1", "-select_streams", strconv.Itoa(stream),
		"-read_intervals", "%+#"+strconv.Itoa(packets), "-show_frames", "-show_entries", "frame=interlaced_frame,top_field_first,side_data_list", "-i", in.URL())
}
