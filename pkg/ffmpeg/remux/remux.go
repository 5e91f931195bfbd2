// Package remux builds the arguments of ffmpeg that copy streams without encoding audio or video: a
// source into source chunks (Split), finished streams into Matroska or WebM (Output), and the
// subtitles, cover and attachments out of a source (Sidecar). It also states which codecs each
// container can hold.
package remux

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/internal/option"
	"github.com/mapreel/mapreel/pkg/media"
)

// Output is a file to write from finished streams.
type Output struct {
	Inputs []Input
	Tags   []media.Tag // of the whole file
	// Chapters is the path of a file with the text of ChapterText; "" = none.
	Chapters    string
	Attachments []Attachment
	Muxer       string // "matroska" or "webm"
	Path        string
}

// Attachment is a file that a Matroska file contains: a font, a cover image.
type Attachment struct{ Path, Name, MIME string }

// Input is one file and the streams to copy from it.
type Input struct {
	Input   ffmpeg.Input // TimestampOffset is subtracted, so that audio and video stay in sync
	Streams []Stream
	Sparse  bool // subtitles, which may have long gaps
}

// Stream is one stream of the output. Streams are in the order of inputs and, within each, of
// Streams.
type Stream struct {
	Index    int    // in its input
	Codec    string // "" = copy; or an encoder of text subtitles ("subrip", "webvtt")
	Language string // ISO 639; "" = not declared
	Title    string
	Default  bool
	Forced   bool
	Flags    []string // as in probe.Stream
	// From drops the packets of a copied stream that begin before it, in microseconds after
	// TimestampOffset and Origin are subtracted; nil keeps all.
	From *int64
}

// Args returns the arguments of ffmpeg that write o. The same inputs give the same bytes. Times are
// exact to a millisecond, Matroska's unit. If a stream begins before time 0 (AAC priming), all
// streams are shifted equally. The muxer of ffmpeg 5.1 does not add the priming of Opus that its
// demuxer subtracts, so that Opus becomes early by it: LosesPriming. Standard output carries the progress.
func Args(o Output) []string {
	args := append(option.Progress(), "-copyts")
	for _, in := range o.Inputs {
		args = append(append(args, ffmpeg.AllocationLimits()...), in.Input.Options()...)
		args = append(args, "-i", in.Input.URL())
	}
	chapters := "-1"
	if o.Chapters != "" {
		chapters = strconv.Itoa(len(o.Inputs))
		in := ffmpeg.Input{Location: o.Chapters, Demuxer: "ffmetadata"}
		args = append(append(args, in.Options()...), "-i", in.URL())
	}
	// Of the inputs' own metadata, only the chapters' titles are kept.
	args = append(args, "-map_metadata:g", "-1", "-map_metadata:s", "-1", "-map_chapters", chapters, "-c", "copy")
	out := 0
	for i, in := range o.Inputs {
		for _, s := range in.Streams {
			args = append(args, "-map", fmt.Sprintf("%d:%d", i, s.Index))
			args = append(args, s.options(out)...)
			out++
		}
	}
	for _, t := range o.Tags {
		args = append(args, "-metadata", t.Name+"="+t.Value)
	}
	for i, a := range o.Attachments {
		args = append(args, "-attach", option.FileURL(a.Path), fmt.Sprintf("-metadata:s:t:%d", i), "mimetype="+a.MIME,
			fmt.Sprintf("-metadata:s:t:%d", i), "filename="+a.Name)
	}
	// Streams come from different files, and one may be much longer than another, so the muxer
	// waits for every stream without limit. Subtitles are rare, though, and packets that wait for
	// the next one would fill the memory. So with a sparse input the wait is bounded.
	args = append(args, "-fflags", "+bitexact", "-max_interleave_delta", o.interleaveDelta())
	// The index precedes the media, so that a player can seek before it has the whole file.
	return append(args, "-cues_to_front", "1", "-f", option.Name(o.Muxer), option.FileURL(o.Path))
}

// sparseDelta is how long the muxer waits for the next subtitle, in microseconds of media.
const sparseDelta = 30_000_000

// interleaveDelta returns the value of -max_interleave_delta; 0 = no limit.
func (o Output) interleaveDelta() string {
	for _, in := range o.Inputs {
		if in.Sparse {
			return strconv.Itoa(sparseDelta)
		}
	}
	return "0"
}

func (s Stream) options(out int) []string {
	var args []string
	if s.Codec != "" {
		args = append(args, fmt.Sprintf("-c:%d", out), option.Name(s.Codec))
	}
	if s.Language != "" {
		args = append(args, fmt.Sprintf("-metadata:s:%d", out), "language="+s.Language)
	}
	if s.Title != "" {
		args = append(args, fmt.Sprintf("-metadata:s:%d", out), "title="+s.Title)
	}
	if s.From != nil {
		args = append(args, fmt.Sprintf("-bsf:%d", out), fmt.Sprintf("noise=drop='lt(pts*tb,%s)'", option.Seconds(*s.From)))
	}
	disposition := ""
	if s.Default {
		disposition += "+default"
	}
	if s.Forced {
		disposition += "+forced"
	}
	for _, flag := range s.Flags {
		if slices.Contains(option.Dispositions, flag) {
			disposition += "+" + flag
		}
	}
	if disposition == "" {
		disposition = "0"
	}
	return append(args, fmt.Sprintf("-disposition:%d", out), disposition)
}

// ChapterText returns chapters, with times of the output, in ffmpeg's metadata format, for the file
// of Output.Chapters.
func ChapterText(chapters []media.Chapter) string {
	escape := strings.NewReplacer("\\", "\\\\", "=", "\\=", ";", "\\;", "#", "\\#", "\n", "\\\n", "\r", "", "\x00", "")
	var b strings.Builder
	b.WriteString(";FFMETADATA1\n")
	for _, c := range chapters {
		fmt.Fprintf(&b, "[CHAPTER]\nTIMEBASE=1/1000000\nSTART=%d\nEND=%d\n", c.Start, c.End)
		if c.Title != "" {
			fmt.Fprintf(&b, "title=%s\n", escape.Replace(c.Title))
		}
	}
	return b.String()
}
