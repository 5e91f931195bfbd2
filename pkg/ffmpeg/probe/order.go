package probe

import (
	"context"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/budget"
)

// orderFrames is how many packets NeedsDecoder looks at: 20 s of a film, in which every encoder that
// may use B-frames has used some.
const orderFrames = 500

// MaxSkipped is the size in bytes up to which ffmpeg's decoder takes a packet of packed B-frames for
// the empty one (MAX_NVOP_SIZE of libavcodec/mpeg4videodec.c).
const MaxSkipped = 19

// bidirectional are the codecs with B-frames that may come from AVI, which has no presentation times.
var bidirectional = []string{"mpeg4", "mpeg2video", "mpeg1video"}

// NeedsDecoder reports whether only a decoder can tell which frames a video stream has and when they
// are shown, because its B-frames come from AVI: an MP4 or Matroska file has their decode times in
// place of presentation times, or they are packed. head holds the first bytes of the file.
func NeedsDecoder(ctx context.Context, t ffmpeg.Tools, in ffmpeg.Input, s Stream, head []byte) (bool, error) {
	if s.Codec == "mpeg4" && HasPackedBFrames(head) {
		return true, nil
	}
	timed := in.Demuxer == "mov" || in.Demuxer == "matroska"
	if s.Reordered == 0 || !slices.Contains(bidirectional, s.Codec) || !timed && in.Demuxer != "avi" {
		return false, nil
	}
	packets, err := firstLines(ctx, t, in, s.Index, "packet=pts,size")
	if err != nil {
		return false, err
	}
	packed, ordered := judgePackets(packets)
	if s.Codec == "mpeg4" && packed || !timed || !ordered {
		return s.Codec == "mpeg4" && packed, nil
	}
	types, err := firstLines(ctx, t, in, s.Index, "frame=pict_type")
	return slices.ContainsFunc(types, func(line string) bool { return strings.HasPrefix(line, "B") }), err
}

// firstLines returns what ffprobe prints of the first packets or frames of a stream, a line of
// comma-separated fields for each.
func firstLines(ctx context.Context, t ffmpeg.Tools, in ffmpeg.Input, stream int, entries string) ([]string, error) {
	args := append(inputArgs(in), "-select_streams", strconv.Itoa(stream), "-read_intervals", "%+#"+strconv.Itoa(orderFrames),
		"-show_entries", entries, "-print_format", "csv=p=0", "-i", in.URL())
	out, err := ffmpeg.Output(ctx, t.FFprobe, args, maxAnswer, budget.Worker{}.Limit(ctx, budget.Probe()))
	return strings.Fields(string(out)), err
}

// judgePackets reports, of lines of "pts,size", whether a packet is empty as those of packed B-frames
// are, and whether the timestamps are in the order of the packets or missing, as decode times are.
func judgePackets(lines []string) (packed, ordered bool) {
	ordered = true
	var last int64
	for i, line := range lines {
		fields := strings.Split(line, ",")
		if len(fields) < 2 {
			continue
		}
		if size, err := strconv.Atoi(fields[1]); err == nil && size <= MaxSkipped {
			packed = true
		}
		pts, err := strconv.ParseInt(fields[0], 10, 64)
		if err != nil {
			continue
		}
		if i > 0 && pts < last {
			ordered = false
		}
		last = pts
	}
	return packed, ordered
}

// packedBFrames matches the text that encoders write into a stream with packed B-frames, as
// ffmpeg's decoder recognises it (libavcodec/mpeg4videodec.c): "DivX503b1393p".
var packedBFrames = regexp.MustCompile(`DivX[0-9]+(?:Build|b)[0-9]+p`)

// HasPackedBFrames reports whether the first bytes of a file announce packed B-frames: MPEG-4 with
// two frames in one packet, and an empty packet later, as AVI needs them. Only a decoder can separate
// them.
func HasPackedBFrames(head []byte) bool { return packedBFrames.Match(head) }
