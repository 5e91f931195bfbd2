package encode

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/internal/option"
	"github.com/mapreel/mapreel/pkg/media"
)

// Extract is a segment of a video for a program that knows no segments: a movie, or pictures, whose times begin at the start of the
// segment.
type Extract struct {
	Format string // "mp4" (H.264 of high quality) or "mkv" (FFV1); or of pictures: "jpg" or "png"
	Width  int    // columns, and as many rows as the ratio needs; 0 = the source's size
	// Every selects pictures: the first frame at or after each multiple of Every, counted from Origin; 0 = all frames.
	// Microseconds.
	Every  int64
	Origin int64  // time of Zero, in microseconds
	Zero   int64  // the tick whose time becomes 0; not after Start
	Path   string // a file; or a folder for pictures, whose names are their times in microseconds
	// Log writes the times of the frames, in ticks from Zero, to descriptor 3: an ffmpeg.FrameLog. Those that Every leaves out are in it.
	Log bool
}

// roundingError is by how many microseconds the sum of two rounded times may be wrong.
const roundingError = 2

// scaler is how pictures are scaled and their colours converted: the same on every machine.
const scaler = "bicubic+accurate_rnd+full_chroma_int+bitexact"

// ExtractArgs returns the arguments of ffmpeg that write the frames of v from its Start to its End. The same arguments give the
// same bytes.
func ExtractArgs(v Video, x Extract) []string {
	chain := append(trim(v.Start, v.End), fmt.Sprintf("setpts=PTS-(%d)", x.Zero))
	if x.Log {
		chain = append(chain, ffmpeg.FrameLogFilters())
	}
	pictures := x.Format == "jpg" || x.Format == "png"
	timebase := v.Timebase
	if pictures {
		timebase = media.Microseconds
		chain = append(chain, "settb=expr=1/1000000")
		if x.Every > 0 {
			first := (x.Origin + x.Every - 1) / x.Every * x.Every
			number := func(pts string) string { return fmt.Sprintf("floor((%s+%d)/%d)", pts, x.Origin+roundingError, x.Every) }
			chain = append(chain, fmt.Sprintf("select='if(isnan(prev_selected_pts),gte(pts,%d),gt(%s,%s))'",
				first-x.Origin-roundingError, number("pts"), number("prev_selected_pts")))
		}
	}
	if x.Width > 0 {
		chain = append(chain, fmt.Sprintf("scale=%d:-2:flags="+scaler, max(x.Width/2*2, 2)))
	}
	if x.Format == "jpg" {
		chain = append(chain, "scale=out_color_matrix=bt601:out_range=pc:flags="+scaler) // whatever the film's are: readers of JPEG know no others
	}
	codec := []string{"-c:v", "mjpeg", "-q:v", "2", "-pix_fmt", "yuvj420p"}
	switch x.Format {
	case "png":
		codec = []string{"-c:v", "png", "-pix_fmt", "rgb24"}
	case "mp4":
		chain = append(chain, "crop=trunc(iw/2)*2:trunc(ih/2)*2") // 4:2:0 needs even numbers
		codec = []string{"-c:v", "libx264", "-preset", "ultrafast", "-crf", "16", "-pix_fmt", "yuv420p"}
	case "mkv":
		codec = []string{"-c:v", "ffv1", "-level", "3"}
	}
	args := append(v.inputArgs(), "-filter_complex", fmt.Sprintf("[0:%d]%s[v]", v.Stream, strings.Join(chain, ",")),
		"-map", "[v]", "-map_metadata", "-1", "-map_chapters", "-1", "-fps_mode", "passthrough",
		"-enc_time_base", fmt.Sprintf("%d:%d", timebase.Num, timebase.Den))
	args = append(append(args, codec...), "-threads", strconv.Itoa(max(v.Threads, 1)), "-fflags", "+bitexact", "-flags:v", "+bitexact")
	switch {
	case pictures:
		return append(args, "-f", "image2", "-frame_pts", "1", option.FileURL(strings.ReplaceAll(x.Path, "%", "%%")+"/%012d."+x.Format))
	case x.Format == "mkv":
		return append(args, "-f", "matroska", option.FileURL(x.Path))
	}
	return append(args, "-video_track_timescale", strconv.FormatInt(timebase.Den, 10), "-movflags", "+faststart", "-f", "mp4", option.FileURL(x.Path))
}

// SoundExtract is a part of an audio track for a program that knows no parts: its first sample is the one at Start.
type SoundExtract struct {
	Input    ffmpeg.Input
	Stream   int
	Start    int64  // of the source, in microseconds
	End      *int64 // nil = the end of the track
	Rate     int    // samples a second
	Channels int
	Format   string // "wav" or "flac"
	Path     string
}

// runUp is how much earlier than its first sample a decoder begins, in microseconds: more than any codec needs.
const runUp = 1_000_000

// SoundExtractArgs returns the arguments of ffmpeg that write x. Where the source has no sound, there is silence, except at its end.
func SoundExtractArgs(x SoundExtract) []string {
	samples := func(us int64) int64 {
		return int64(media.Rescale(media.Ticks(us), media.Microseconds, media.Rational{Num: 1, Den: int64(x.Rate)}))
	}
	first := samples(x.Start)
	end := ""
	if x.End != nil {
		end = fmt.Sprintf(":end_pts=%d", samples(*x.End))
	}
	args := append(option.Progress(), "-copyts")
	if x.Start > runUp {
		args = append(args, "-ss", option.Seconds(x.Start-runUp))
	}
	args = append(append(args, ffmpeg.AllocationLimits()...), x.Input.Options()...)
	args = append(args, "-i", x.Input.URL(), "-map", fmt.Sprintf("0:%d", x.Stream), "-af",
		fmt.Sprintf("aresample=%d:async=1:first_pts=%d,atrim=start_pts=%d%s,asetpts=PTS-(%d)", x.Rate, min(first, samples(max(x.Start-runUp, 0))), first, end, first),
		"-ac", strconv.Itoa(x.Channels), "-map_metadata", "-1", "-fflags", "+bitexact", "-flags:a", "+bitexact")
	if x.Format == "flac" {
		return append(args, "-c:a", "flac", "-sample_fmt", "s16", "-f", "flac", option.FileURL(x.Path))
	}
	return append(args, "-c:a", "pcm_s16le", "-f", "wav", option.FileURL(x.Path))
}

// SoundArgs returns the arguments of ffmpeg that convert a file of sound, a WAV or FLAC file as demuxer says, to another of the format
// to: "wav" or "flac". Its samples have 16 bits, as those of SoundExtractArgs. from is a path or a URL.
func SoundArgs(from, demuxer, result, to string) []string {
	in := ffmpeg.Input{Location: from, Demuxer: demuxer}
	args := append(option.Progress(), ffmpeg.AllocationLimits()...)
	args = append(append(args, in.Options()...), "-i", in.URL(), "-map", "0:a:0", "-map_metadata", "-1",
		"-fflags", "+bitexact", "-flags:a", "+bitexact")
	if to == "flac" {
		return append(args, "-c:a", "flac", "-sample_fmt", "s16", "-f", "flac", option.FileURL(result))
	}
	return append(args, "-c:a", "pcm_s16le", "-f", "wav", option.FileURL(result))
}
