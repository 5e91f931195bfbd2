package ffmpeg

import (
	"bufio"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/media"
)

// Sidecar is everything of a source that is neither picture nor sound, taken in one pass: subtitle tracks, each in the
// forms that the outputs need, the cover picture, the attached files.
type Sidecar struct {
	// Input is read with its Origin as time 0, or, where its clock Jumps, its start. What begins before that is left out,
	// but for the muxer "mp4".
	Input       Input
	Subtitles   []SubtitleOutput
	Cover       *CopiedStream  // the first packet of a stream
	Attachments []CopiedStream // attachment streams
}

// SubtitleOutput is one form of a subtitle stream.
type SubtitleOutput struct {
	Stream int    // index of the stream in the input
	Codec  string // "copy", "mov_text", "subrip" or "webvtt"
	// Muxer is "matroska", "webvtt" (a file of text), or "mp4", which stands for three files: at Path a description of
	// the track alone, at Path.log and Path.data its events as they are. The first two have a Path.log too.
	Muxer string
	Path  string
}

// Log is the path of the TextLog of the events.
func (t SubtitleOutput) Log() string { return t.Path + ".log" }

// Data is the path of the bytes of the events, one after the other; only of the muxer "mp4".
func (t SubtitleOutput) Data() string { return t.Path + ".data" }

// CopiedStream is a stream whose bytes go to a file as they are.
type CopiedStream struct {
	Stream int
	Path   string
}

// afterOrigin drops what would lie before the output's beginning.
const afterOrigin = "noise=drop='lt(pts,0)'"

// SidecarArgs are the arguments of ffmpeg that make t. At least a track or a cover must be asked for. Standard output gets
// the progress.
func SidecarArgs(t Sidecar) []string {
	args := []string{
		"-hide_banner", "-nostdin", "-loglevel", "warning", "-y", "-progress", "pipe:1", "-nostats",
	}
	args = append(args, t.Input.clock()...)
	for _, a := range t.Attachments {
		args = append(args, fmt.Sprintf("-dump_attachment:%d", a.Stream), fileURL(a.Path))
	}
	args = append(append(args, bounds()...), t.Input.options()...)
	args = append(args, "-i", t.Input.url())
	for _, track := range t.Subtitles {
		common := []string{
			"-map", fmt.Sprintf("0:%d", track.Stream), "-c", word(track.Codec), "-map_metadata", "-1", "-map_chapters", "-1",
			"-fflags", "+bitexact", "-avoid_negative_ts", "disabled",
		}
		output := func(path string, options ...string) {
			args = append(append(append(args, common...), options...), fileURL(path))
		}
		if track.Muxer == "mp4" {
			// Fragments of text lose their times in ffmpeg 5.1; what counts of this file is its moov.
			output(track.Path, "-output_ts_offset", strconv.Itoa(Offset), "-movflags", "delay_moov+default_base_moof", "-f", "mp4")
			output(track.Log(), "-f", "framecrc")
			output(track.Data(), "-f", "data")
			continue
		}
		output(track.Path, "-bsf:s", afterOrigin, "-f", word(track.Muxer))
		output(track.Log(), "-bsf:s", afterOrigin, "-f", "framecrc")
	}
	if t.Cover != nil {
		args = append(args, "-map", fmt.Sprintf("0:%d", t.Cover.Stream), "-c", "copy", "-frames:v", "1", "-f", "data", fileURL(t.Cover.Path))
	}
	return append(args, t.Input.beside()...)
}

// SubtitleEvent is a packet of a subtitle stream: when it is shown, for how long, how many bytes it has. A Duration of 0 or
// less is not known.
type SubtitleEvent struct{ Start, Duration, Size int64 }

// Bounds of a TextLog: a subtitle each second for eleven days, and far more bytes than a person reads in that time.
const (
	maxTextEvents = 1 << 20
	maxTextBytes  = 64 << 20
)

// ReadSubtitleLog reads what ffmpeg's framecrc muxer wrote of one stream: its timebase and its packets, in order.
func ReadSubtitleLog(r io.Reader) (tb media.Rational, events []SubtitleEvent, err error) {
	bad := func(line string) error { return fault.New(fault.Corrupt, "%.80q in a log of subtitles", line) }
	var total int64
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		line := lines.Text()
		if word, ok := strings.CutPrefix(line, "#tb 0: "); ok {
			if tb = rational(word, "/"); !tb.Known() {
				return tb, nil, bad(line)
			}
		}
		if strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.Split(line, ",")
		if len(fields) < 6 { // stream, dts, pts, duration, size, checksum
			return tb, nil, bad(line)
		}
		var n [3]int64
		for i, field := range fields[2:5] {
			if n[i], err = strconv.ParseInt(strings.TrimSpace(field), 10, 62); err != nil {
				return tb, nil, bad(line)
			}
		}
		e := SubtitleEvent{Start: n[0], Duration: n[1], Size: n[2]}
		if e.Size < 0 || !tb.Known() {
			return tb, nil, bad(line)
		}
		events = append(events, e)
		if total += min(e.Size, maxTextBytes+1); total > maxTextBytes || len(events) > maxTextEvents {
			return tb, nil, fault.New(fault.Unsupported, "a subtitle track of more than %d events or %d bytes", maxTextEvents, maxTextBytes)
		}
	}
	if err := lines.Err(); err != nil {
		return tb, nil, fault.Wrap(fault.Corrupt, err, "log of subtitles")
	}
	return tb, events, nil
}

// Kinds of subtitles, by ffmpeg's names, that its version 5.1 can decode.
var (
	writtenTexts = []string{
		"subrip", "ass", "webvtt", "mov_text", "text", "microdvd", "subviewer", "subviewer1", "realtext", "sami", "stl", "jacosub",
		"mpl2", "pjs", "vplayer",
	}
	drawnTexts = []string{"hdmv_pgs_subtitle", "dvd_subtitle", "dvb_subtitle", "xsub", "dvb_teletext", "arib_caption"}
)

// IsTextSubtitle says whether a subtitle codec is text, which can become text of another form.
func IsTextSubtitle(codec string) bool { return slices.Contains(writtenTexts, codec) }

// Drawn says whether a subtitle codec is pictures, or cannot be read as text here.
func Drawn(codec string) bool { return slices.Contains(drawnTexts, codec) }
