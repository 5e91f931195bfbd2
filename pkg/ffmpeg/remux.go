package ffmpeg

import (
	"fmt"
	"strconv"
)

// Remux copies finished streams into another container.
type Remux struct {
	Inputs []RemuxInput
	Title  string // of the whole; "" = none
	// ChaptersFrom is the index of the input whose chapters are kept; nil = none.
	ChaptersFrom *int
	Muxer        string // "matroska" or "webm"
	Path         string
}

// RemuxInput is one file and the streams to take from it.
type RemuxInput struct {
	Input   Input // Late is taken off, so that sound and picture keep their distance
	Streams []RemuxStream
}

// RemuxStream is one stream of the result, in the order of inputs and streams.
type RemuxStream struct {
	Index    int    // in its input
	Codec    string // "" = copy; or an encoder, for text subtitles ("subrip", "webvtt")
	Language string // ISO 639; "" = not said
	Title    string
	Default  bool
	Forced   bool
}

// RemuxArgs are the arguments of ffmpeg that make r. The same inputs give the same bytes. Times are kept to the
// millisecond that Matroska counts in; where a stream begins before time 0 (AAC priming), all are shifted together.
// Opus comes out 6.5 ms early, as from every ffmpeg: its priming is counted twice. Standard output gets the progress.
func RemuxArgs(r Remux) []string {
	args := []string{
		"-hide_banner", "-nostdin", "-loglevel", "warning", "-y", "-progress", "pipe:1", "-nostats", "-copyts",
	}
	for _, in := range r.Inputs {
		args = append(args, in.Input.options()...)
		args = append(args, "-i", in.Input.url())
	}
	chapters := "-1"
	if r.ChaptersFrom != nil {
		chapters = strconv.Itoa(*r.ChaptersFrom)
	}
	args = append(args, "-map_metadata", "-1", "-map_chapters", chapters, "-c", "copy")
	out := 0
	for i, in := range r.Inputs {
		for _, s := range in.Streams {
			args = append(args, "-map", fmt.Sprintf("%d:%d", i, s.Index))
			args = append(args, s.options(out)...)
			out++
		}
	}
	if r.Title != "" {
		args = append(args, "-metadata", "title="+r.Title)
	}
	// Streams of different files meet here, and one may be much longer than another: no limit on waiting for it.
	args = append(args, "-fflags", "+bitexact", "-max_interleave_delta", "0")
	// The index stands in front, so that a player can seek before it has the whole file.
	return append(args, "-cues_to_front", "1", "-f", r.Muxer, fileURL(r.Path))
}

func (s RemuxStream) options(out int) []string {
	var args []string
	if s.Codec != "" {
		args = append(args, fmt.Sprintf("-c:%d", out), s.Codec)
	}
	if s.Language != "" {
		args = append(args, fmt.Sprintf("-metadata:s:%d", out), "language="+s.Language)
	}
	if s.Title != "" {
		args = append(args, fmt.Sprintf("-metadata:s:%d", out), "title="+s.Title)
	}
	flags := ""
	if s.Default {
		flags += "+default"
	}
	if s.Forced {
		flags += "+forced"
	}
	if flags == "" {
		flags = "0"
	}
	return append(args, fmt.Sprintf("-disposition:%d", out), flags)
}
