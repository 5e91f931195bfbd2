package remux

import (
	"bufio"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/internal/option"
	"github.com/mapreel/mapreel/pkg/ffmpeg/internal/output"
	"github.com/mapreel/mapreel/pkg/media"
)

// Sidecar is everything in a source but video and audio, extracted in one pass: subtitle tracks,
// each in the forms that the outputs need, the cover image and the attached files.
type Sidecar struct {
	// Input is read with its Origin as time 0 or, if its clock Jumps, its start. Events that begin
	// before that are dropped, except for the muxer "mp4".
	Input       ffmpeg.Input
	Subtitles   []SubtitleOutput
	Cover       *CopiedStream  // the first packet of a stream
	Attachments []CopiedStream // attachment streams
	// Seek is where reading begins, in microseconds of the source; nil = its start.
	Seek *int64
	// Part selects the events of copied tracks, and cuts them off where the part begins and ends; nil = all. Of tracks for "mp4", and of
	// those that are encoded, all events are written: SidecarPart.Cut does the same to each.
	Part *SidecarPart
}

// SubtitleOutput is one form of a subtitle stream.
type SubtitleOutput struct {
	Stream int    // index of the stream in the input
	Codec  string // "copy", "mov_text", "subrip" or "webvtt"
	// Muxer is "matroska", "webvtt" (a text file), or "mp4", which writes three files: the
	// description of the track at Path, the log of its events at Path.log and their bytes at
	// Path.data. The first two write Path.log too. "data" writes the log and the bytes.
	Muxer string
	Path  string
}

// Log returns the path of the log of the events, for ReadSubtitleLog.
func (t SubtitleOutput) Log() string { return t.Path + ".log" }

// Data returns the path of the bytes of the events, concatenated; only for the muxers "mp4" and "data".
func (t SubtitleOutput) Data() string { return t.Path + ".data" }

// CopiedStream is a stream whose bytes are written to a file unchanged.
type CopiedStream struct {
	Stream int
	Path   string
}

// SidecarPart is a part of a source. Its events are moved Delay microseconds earlier; those count that are then shown within 0 ≤ t < Length,
// in microseconds, cut off there. A Length of 0 is open.
type SidecarPart struct{ Delay, Length int64 }

// Cut returns the event as the part shows it, in ticks of tb. shown is false where the part shows nothing of it.
func (p SidecarPart) Cut(e SubtitleEvent, tb media.Rational) (_ SubtitleEvent, shown bool) {
	end := e.Start + max(e.Duration, 1)
	e.Start -= p.ticks(p.Delay, tb)
	end -= p.ticks(p.Delay, tb)
	if limit := p.ticks(p.Length, tb); p.Length > 0 {
		if e.Start >= limit {
			return e, false
		}
		end = min(end, limit)
	}
	if e.Start = max(e.Start, 0); e.Duration > 0 {
		e.Duration = end - e.Start
	}
	return e, end > e.Start
}

func (SidecarPart) ticks(us int64, tb media.Rational) int64 {
	return int64(media.Rescale(media.Ticks(us), media.Microseconds, tb))
}

// filter returns the bitstream filters that do the same to the packets of a stream that is copied. (ffmpeg 5.1 does not flush the filters
// of subtitles that it encodes, and setts holds a packet back.)
func (p SidecarPart) filter() string {
	ticks := func(us int64, tb string) string { return fmt.Sprintf("round(%d/1000000/%s)", us, tb) }
	outside := fmt.Sprintf(`lte(pts+max(duration\,1)\,%s)`, ticks(p.Delay, "tb"))
	start := fmt.Sprintf(`max(PTS-%s\,0)`, ticks(p.Delay, "TB"))
	duration := "DURATION-max(" + ticks(p.Delay, "TB") + `-PTS\,0)`
	if p.Length > 0 {
		outside += fmt.Sprintf(`+gte(pts\,%s)`, ticks(p.Delay, "tb")+"+"+ticks(p.Length, "tb"))
		duration = fmt.Sprintf(`min(%s\,%s-%s)`, duration, ticks(p.Length, "TB"), start)
	}
	return fmt.Sprintf(`noise=drop=%s,setts=pts=%[2]s:dts=%[2]s:duration=if(gt(DURATION\,0)\,%s\,DURATION)`, outside, start, duration)
}

// dropEarly is the bitstream filter that drops events before the start of the output.
const dropEarly = "noise=drop='lt(pts,0)'"

// SidecarArgs returns the arguments of ffmpeg that extract t, which must have something. Standard output carries the progress.
func SidecarArgs(t Sidecar) []string {
	args := append(option.Progress(), t.Input.TimestampOptions()...)
	for _, a := range t.Attachments {
		args = append(args, fmt.Sprintf("-dump_attachment:%d", a.Stream), option.FileURL(a.Path))
	}
	if t.Seek != nil && *t.Seek > 0 {
		args = append(args, "-noaccurate_seek", "-seek_timestamp", "1", "-ss", option.Seconds(*t.Seek))
	}
	args = append(append(args, ffmpeg.AllocationLimits()...), t.Input.Options()...)
	args = append(args, "-i", t.Input.URL())
	for _, track := range t.Subtitles {
		common := []string{
			"-map", fmt.Sprintf("0:%d", track.Stream), "-c", option.Name(track.Codec), "-map_metadata", "-1", "-map_chapters", "-1",
			"-fflags", "+bitexact", "-avoid_negative_ts", "disabled",
		}
		write := func(path string, options ...string) {
			args = append(append(append(args, common...), options...), option.FileURL(path))
		}
		if track.Muxer == "mp4" {
			// Fragments of subtitles lose their times in ffmpeg 5.1; only the moov of this file is
			// used.
			write(track.Path, "-output_ts_offset", strconv.Itoa(ffmpeg.Offset), "-movflags", "delay_moov+default_base_moof", "-f", "mp4")
			write(track.Log(), "-f", "framecrc")
			write(track.Data(), "-f", "data")
			continue
		}
		var selected []string
		switch {
		case t.Part == nil:
			selected = []string{"-bsf:s", dropEarly}
		case track.Codec == "copy":
			selected = []string{"-bsf:s", t.Part.filter()}
		}
		path := track.Path
		if track.Muxer == "data" {
			path = track.Data()
		}
		write(path, append(selected, "-f", option.Name(track.Muxer))...)
		write(track.Log(), append(selected, "-f", "framecrc")...)
	}
	if t.Cover != nil {
		args = append(args, "-map", fmt.Sprintf("0:%d", t.Cover.Stream), "-c", "copy")
		if t.Seek != nil {
			args = append(args, "-copypriorss", "1") // it is at the start of the source
		}
		args = append(args, "-frames:v", "1", "-f", "data", option.FileURL(t.Cover.Path))
	}
	if len(t.Subtitles) == 0 && t.Cover == nil {
		args = append(args, "-map", "0:v?", "-map", "0:a?", "-c", "copy", "-t", "0", "-f", "null", "-") // ffmpeg needs an output
	}
	return append(args, t.Input.ClockOutput()...)
}

// SubtitleEvent is a packet of a subtitle stream: when it is shown and for how long, in ticks, and
// its size in bytes. A Duration of 0 or less is unknown.
type SubtitleEvent struct{ Start, Duration, Size int64 }

// Bounds of an event log: a subtitle each second for twelve days, and far more bytes than a person
// reads in that time.
const (
	maxSubtitleEvents = 1 << 20
	maxSubtitleBytes  = 64 << 20
)

// ReadSubtitleLog parses what ffmpeg's framecrc muxer wrote for one subtitle stream: its timebase,
// and its packets in order. A malformed log is an error of kind Corrupt; one with too many events
// or bytes is Unsupported.
func ReadSubtitleLog(r io.Reader) (tb media.Rational, events []SubtitleEvent, err error) {
	bad := func(line string) error { return fault.New(fault.Corrupt, "%.80q in a log of subtitles", line) }
	var total int64
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		line := lines.Text()
		if word, ok := strings.CutPrefix(line, "#tb 0: "); ok {
			if tb = output.Rational(word, "/"); !tb.Known() {
				return tb, nil, bad(line)
			}
		}
		if strings.HasPrefix(line, "#") {
			continue
		}
		_, e, ok := parsePacket(line)
		if !ok || e.Size < 0 || !tb.Known() {
			return tb, nil, bad(line)
		}
		events = append(events, e)
		if total += min(e.Size, maxSubtitleBytes+1); total > maxSubtitleBytes || len(events) > maxSubtitleEvents {
			return tb, nil, fault.New(fault.Unsupported, "a subtitle track of more than %d events or %d bytes", maxSubtitleEvents, maxSubtitleBytes)
		}
	}
	if err := lines.Err(); err != nil {
		return tb, nil, fault.Wrap(fault.Corrupt, err, "read a log of subtitles")
	}
	return tb, events, nil
}

// parsePacket parses a packet's line of the framecrc muxer: stream, decode time, presentation time,
// duration, size, checksum.
func parsePacket(line string) (stream int64, e SubtitleEvent, ok bool) {
	fields := strings.Split(line, ",")
	if len(fields) < 6 {
		return 0, e, false
	}
	for i, n := range map[int]*int64{0: &stream, 2: &e.Start, 3: &e.Duration, 4: &e.Size} {
		var err error
		if *n, err = strconv.ParseInt(strings.TrimSpace(fields[i]), 10, 62); err != nil {
			return 0, e, false
		}
	}
	return stream, e, true
}
