package ffmpeg

import (
	"fmt"
	"strconv"
	"strings"
)

// Input is one source as ffmpeg may open it.
type Input struct {
	// Location is an absolute path, or an http or https URL. A path may hold any character but NUL.
	Location string
	// Demuxer is what Sniff chose. It is always forced, so that a playlist posing as a video is never followed.
	Demuxer string
	// Next is the piece that follows Location, as SplitArgs wrote it; "" = none. The two are read as one stream, so
	// that the frames of an open GOP, which lie after the next keyframe in the file and before it in time, are found.
	// Neither name may then hold "|"; names relative to RunOptions.Dir avoid it, whatever the folder is called.
	Next string
	// Previous is the piece before Location, for filters that look at the frame before the first; "" = none.
	Previous string
	// TimestampOffset is how many seconds the input's timestamps lie after the source's: Offset for what SplitArgs or AudioArgs
	// wrote, 0 for a source. It is taken off as the input is read.
	TimestampOffset int
	// Origin is what else is taken off its timestamps as it is read, in microseconds: where another timeline begins.
	Origin int64
	// Jumps makes one clock of one that jumps; nil = times stay what the source says.
	Jumps *Jumps
}

// Jumps is how to read a source whose clock jumps, as where two recordings were joined. ffmpeg then shifts all that comes
// after a jump of 10 s or more (dts_delta_threshold), by what the first packet after it tells. So whoever wants the same
// clock must read the same streams, also those of which it takes nothing.
type Jumps struct {
	Start  int64 // Media.Start, in microseconds: times before the first jump stay what they are
	Beside []int // the streams to read beside the one that is taken
}

// clock says whether timestamps stay what they are.
func (in Input) clock() []string {
	if in.Jumps != nil {
		return nil
	}
	return []string{"-copyts"}
}

// offset is the argument of -output_ts_offset that makes times lie Offset seconds after the source's. Without -copyts
// ffmpeg takes the start off all times as it reads them (-itsoffset cannot keep it from that: a start later than 10 s
// would be a jump), so it is put back here.
func (in Input) offset() string {
	if in.Jumps == nil {
		return strconv.Itoa(Offset)
	}
	return strconv.FormatInt(Offset*1_000_000+in.Jumps.Start, 10) + "us"
}

// beside are the arguments of an output of nothing, for the streams that are read for their clock alone. They stand last.
func (in Input) beside() []string {
	if in.Jumps == nil || len(in.Jumps.Beside) == 0 {
		return nil
	}
	var args []string
	for _, s := range in.Jumps.Beside {
		args = append(args, "-map", fmt.Sprintf("0:%d", s))
	}
	return append(args, "-c", "copy", "-f", "null", "-")
}

// remote says whether the location is a URL; anything else is a path.
func (in Input) remote() bool {
	return strings.HasPrefix(in.Location, "https://") || strings.HasPrefix(in.Location, "http://")
}

// options are the arguments that stand before -i: which protocols, how they behave, which demuxer.
func (in Input) options() []string {
	var args []string
	switch {
	case strings.HasPrefix(in.Location, "https://"):
		args = append(args, "-protocol_whitelist", "https,tls,tcp", "-tls_verify", "1")
	case in.remote():
		args = append(args, "-protocol_whitelist", "http,tcp")
	case in.Next != "" || in.Previous != "":
		args = append(args, "-protocol_whitelist", "file,concat")
	default:
		args = append(args, "-protocol_whitelist", "file")
	}
	if in.remote() {
		// A cut connection continues where it stood, for some seconds; a server that is silent for 30 s is given up.
		args = append(args, "-reconnect", "1", "-reconnect_on_network_error", "1",
			"-reconnect_on_http_error", "5xx", "-reconnect_delay_max", "4", "-rw_timeout", "30000000")
	}
	switch {
	case in.Origin != 0:
		args = append(args, "-itsoffset", strconv.FormatInt(-int64(in.TimestampOffset)*1_000_000-in.Origin, 10)+"us")
	case in.TimestampOffset != 0:
		args = append(args, "-itsoffset", strconv.Itoa(-in.TimestampOffset))
	}
	if in.Demuxer != "" {
		args = append(args, "-f", in.Demuxer)
	}
	if in.Demuxer == "dash" { // else it refuses a manifest that names subtitles, for .vtt is not among the extensions it knows
		args = append(args, "-allowed_extensions", "ALL")
	}
	return args
}

// url is what -i gets. The file: prefix keeps names like "-x", "a:b" and "%d" from meaning anything.
func (in Input) url() string {
	if in.remote() {
		return in.Location
	}
	if in.Next != "" || in.Previous != "" {
		var urls []string
		for _, path := range []string{in.Previous, in.Location, in.Next} {
			if path != "" {
				urls = append(urls, fileURL(path))
			}
		}
		return "concat:" + strings.Join(urls, "|")
	}
	return fileURL(in.Location)
}

func fileURL(path string) string { return "file:" + path }
