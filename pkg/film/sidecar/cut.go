package sidecar

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/remux"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/input"
	"github.com/mapreel/mapreel/pkg/media"
)

// cueReach is how long before a part a subtitle may begin and still be shown in it, in microseconds: reading begins there.
const cueReach = 600_000_000

// limit makes files hold the subtitles of the job's part of the source only.
func (a *attempt) limit(files *remux.Sidecar) {
	src := a.job.Source
	if src.Cut == nil {
		return
	}
	files.Part = &remux.SidecarPart{}
	if src.Cut.End != nil {
		files.Part.Length = int64(*src.Cut.End - src.Origin.In(media.Microseconds))
	}
	for i := range files.Subtitles {
		if t := &files.Subtitles[i]; t.Codec == subRip {
			t.Muxer = "data"
		}
	}
}

// place makes files be read from the source.
func (a *attempt) place(files *remux.Sidecar, in ffmpeg.Input) {
	src := a.job.Source
	files.Input = in
	if files.Input.Jumps = input.Jumps(src, input.NoStream); files.Input.Jumps == nil { // with Jumps, ffmpeg subtracts the source's start itself
		files.Input.Origin = int64(src.Origin.In(media.Microseconds))
	}
	switch j := files.Input.Jumps; {
	case src.Cut == nil || src.Cut.Start == nil:
	case j != nil: // ffmpeg subtracts the start of the whole source
		files.Part.Delay = int64(*src.Cut.Start) - j.Start
	default:
		files.Seek = new(int64(*src.Cut.Start) - cueReach)
	}
}

// subRip is ffmpeg's name of the encoder of SubRip.
const subRip = "subrip"

// writeCues writes the text of a part's cues to the path of a track that was encoded, and returns how many there are. Times are cut off
// where the part begins and ends.
func writeCues(track remux.SubtitleOutput, part remux.SidecarPart, tb media.Rational, events []remux.SubtitleEvent) (count int, err error) {
	source := track.Path
	if track.Muxer == "data" {
		source = track.Data()
	}
	data, err := os.ReadFile(source)
	if err != nil {
		return 0, err
	}
	var text bytes.Buffer
	if track.Codec == webVTT {
		text.WriteString("WEBVTT\n")
	}
	for i, e := range events {
		if track.Codec == webVTT { // the line with the muxer's own times
			timing := bytes.Index(data, []byte(" --> "))
			end := bytes.IndexByte(data[max(timing, 0):], '\n')
			if timing < 0 || end < 0 {
				return 0, fault.New(fault.Corrupt, "ffmpeg wrote %d of %d cues", i, len(events))
			}
			data = data[timing+end+1:]
		}
		if e.Size > int64(len(data)) {
			return 0, fault.New(fault.Corrupt, "the text of cue %d is missing", i+1)
		}
		own := string(data[:e.Size])
		data = data[e.Size:]
		cut, shown := part.Cut(e, tb)
		if !shown {
			continue
		}
		count++
		from, to := tb.Duration(media.Ticks(cut.Start)), tb.Duration(media.Ticks(cut.Start+max(cut.Duration, 0)))
		if track.Codec == webVTT {
			fmt.Fprintf(&text, "\n%s --> %s\n%s\n", clock(from, "."), clock(to, "."), escapeCue(own))
		} else {
			fmt.Fprintf(&text, "%d\n%s --> %s\n%s\n\n", count, clock(from, ","), clock(to, ","), withoutEmptyLines(own))
		}
	}
	return count, os.WriteFile(track.Path, text.Bytes(), 0o600)
}

// withoutEmptyLines returns a text that ends no cue of SubRip before its end.
func withoutEmptyLines(text string) string {
	var lines []string
	for line := range strings.Lines(strings.ReplaceAll(text, "\r\n", "\n")) {
		if line = strings.TrimRight(line, "\r\n"); strings.TrimSpace(line) != "" {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "\n")
}

// clock formats the time of a cue, to the nearest millisecond.
func clock(t time.Duration, point string) string {
	ms := t.Round(time.Millisecond).Milliseconds()
	return fmt.Sprintf("%02d:%02d:%02d%s%03d", ms/3_600_000, ms/60_000%60, ms/1000%60, point, ms%1000)
}

// Demuxer returns the name of ffmpeg's demuxer that reads a subtitle rendition as the sidecar unit stored it; not for renditions of MP4.
func Demuxer(j film.Job, r film.SubtitleRendition) string {
	switch {
	case r.Codec == webVTT:
		return "webvtt"
	case r.Codec == subRip && j.Source.Cut != nil:
		return "srt"
	}
	return "matroska"
}
