package ffmpeg

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/mapreel/mapreel/pkg/media"
)

// Remux copies finished streams into another container.
type Remux struct {
	Inputs []RemuxInput
	Tags   []media.Tag // of the whole
	// Chapters is the path of a file of ChapterText; "" = none.
	Chapters    string
	Attachments []Attachment
	Muxer       string // "matroska" or "webm"
	Path        string
}

// Attachment is a file that a Matroska file carries whole: a font, a cover picture.
type Attachment struct{ Path, Name, MIME string }

// RemuxInput is one file and the streams to take from it.
type RemuxInput struct {
	Input   Input // TimestampOffset is taken off, so that sound and picture keep their distance
	Streams []RemuxStream
	Sparse  bool // subtitles, which may pause for long
}

// RemuxStream is one stream of the result, in the order of inputs and streams.
type RemuxStream struct {
	Index    int    // in its input
	Codec    string // "" = copy; or an encoder, for text subtitles ("subrip", "webvtt")
	Language string // ISO 639; "" = not said
	Title    string
	Default  bool
	Forced   bool
	Flags    []string // as Stream has them
	// From drops the packets of a copied stream that begin before it, in microseconds after TimestampOffset and Origin are taken off;
	// nil keeps all.
	From *int64
}

// RemuxArgs are the arguments of ffmpeg that make r. The same inputs give the same bytes. Times are kept to the
// millisecond that Matroska counts in; where a stream begins before time 0 (AAC priming), all are shifted together.
// Opus comes out 6.5 ms early, as from every ffmpeg: its priming is counted twice. Standard output gets the progress.
func RemuxArgs(r Remux) []string {
	args := []string{
		"-hide_banner", "-nostdin", "-loglevel", "warning", "-y", "-progress", "pipe:1", "-nostats", "-copyts",
	}
	for _, in := range r.Inputs {
		args = append(append(args, bounds()...), in.Input.options()...)
		args = append(args, "-i", in.Input.url())
	}
	chapters := "-1"
	if r.Chapters != "" {
		chapters = strconv.Itoa(len(r.Inputs))
		in := Input{Location: r.Chapters, Demuxer: "ffmetadata"}
		args = append(append(args, in.options()...), "-i", in.url())
	}
	// Nothing of the inputs' own but the chapters' titles.
	args = append(args, "-map_metadata:g", "-1", "-map_metadata:s", "-1", "-map_chapters", chapters, "-c", "copy")
	out := 0
	for i, in := range r.Inputs {
		for _, s := range in.Streams {
			args = append(args, "-map", fmt.Sprintf("%d:%d", i, s.Index))
			args = append(args, s.options(out)...)
			out++
		}
	}
	for _, t := range r.Tags {
		args = append(args, "-metadata", t.Name+"="+t.Value)
	}
	for i, a := range r.Attachments {
		args = append(args, "-attach", fileURL(a.Path), fmt.Sprintf("-metadata:s:t:%d", i), "mimetype="+a.MIME,
			fmt.Sprintf("-metadata:s:t:%d", i), "filename="+a.Name)
	}
	// Streams of different files meet here, and one may be much longer than another: no limit on waiting for it. But
	// subtitles are rare, and what waited for the next one would fill the memory; they are read ahead of their time.
	args = append(args, "-fflags", "+bitexact", "-max_interleave_delta", r.patience())
	// The index stands in front, so that a player can seek before it has the whole file.
	return append(args, "-cues_to_front", "1", "-f", word(r.Muxer), fileURL(r.Path))
}

// textPatience is how long, in microseconds of media, the muxer waits for the next subtitle.
const textPatience = 30_000_000

func (r Remux) patience() string {
	for _, in := range r.Inputs {
		if in.Sparse {
			return strconv.Itoa(textPatience)
		}
	}
	return "0"
}

func (s RemuxStream) options(out int) []string {
	var args []string
	if s.Codec != "" {
		args = append(args, fmt.Sprintf("-c:%d", out), word(s.Codec))
	}
	if s.Language != "" {
		args = append(args, fmt.Sprintf("-metadata:s:%d", out), "language="+s.Language)
	}
	if s.Title != "" {
		args = append(args, fmt.Sprintf("-metadata:s:%d", out), "title="+s.Title)
	}
	if s.From != nil {
		args = append(args, fmt.Sprintf("-bsf:%d", out), fmt.Sprintf("noise=drop='lt(pts*tb,%s)'", seconds(*s.From)))
	}
	disposition := ""
	if s.Default {
		disposition += "+default"
	}
	if s.Forced {
		disposition += "+forced"
	}
	for _, flag := range s.Flags {
		if slices.Contains(flags, flag) {
			disposition += "+" + flag
		}
	}
	if disposition == "" {
		disposition = "0"
	}
	return append(args, fmt.Sprintf("-disposition:%d", out), disposition)
}

// ChapterText is the file that Remux.Chapters names: chapters with times of the output, in ffmpeg's metadata format.
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
