package encode

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/mapreel/mapreel/pkg/ffmpeg/encode"
	"github.com/mapreel/mapreel/pkg/ffmpeg/probe"
	"github.com/mapreel/mapreel/pkg/media"
)

// packets are the times of a segment's packets, as the demuxer finds them without decoding:
// ascending, each once. They are a count of the frames that does not depend on the decoder.
type packets []media.Ticks

// packetFile is the name of the list of packets in the working folder.
const packetFile = "packets.txt"

// countable are the codecs of which a packet is shown as a frame, or as one of its two fields, and
// whose decoders may show nothing at first. Others have hidden packets (VP8, VP9, AV1), or decode
// each packet for itself.
var countable = []string{"h264", "hevc", "mpeg2video", "mpeg1video", "mpeg4"}

// mustList reports whether the packets of the segment have to be listed: where the plan does not
// know how many frames it has. The first segment is decoded from the start of the source, as one
// pass would.
func (a *attempt) mustList() bool {
	return !a.segment.OpenStart() && a.segment.Frames == 0 && !a.job.Keyframes && slices.Contains(countable, a.job.Source.Video.Codec)
}

// readPackets reads the list of packets, and returns those of the segment, and the keyframes among them.
func (a *attempt) readPackets() (_, keyframes packets, err error) {
	f, err := os.Open(filepath.Join(a.Dir, packetFile))
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	var log encode.PacketLog
	if a.job.Source.Video.Codec == "mpeg4" {
		log.MinSize = probe.MaxSkipped + 1 // the decoder may show nothing for smaller ones, which repeat the frame before
	}
	if _, err := io.Copy(&log, f); err != nil {
		return nil, nil, err
	}
	return a.inOrder(a.inFilm(log.PTS())), a.inOrder(a.inFilm(log.Keyframes())), nil
}

// inOrder returns the times that lie in the segment, ascending, each once.
func (a *attempt) inOrder(times []int64) packets {
	list := slices.DeleteFunc(media.TicksOf(times), func(t media.Ticks) bool {
		return !a.segment.OpenStart() && t < a.segment.Start || !a.segment.OpenEnd() && t >= a.segment.End
	})
	slices.Sort(list)
	return slices.Compact(list)
}

// missing returns of how many packets there is no frame. Two packets may be the fields of one frame.
func (p packets) missing(times []media.Ticks) int {
	if len(times) == 0 {
		return len(p)
	}
	atStart, _ := slices.BinarySearch(p, times[0])
	if atStart == 0 && len(p) >= 2*len(times)-1 {
		return 0
	}
	return max(0, len(p)-len(times))
}
