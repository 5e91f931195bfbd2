// Package assemble builds the arguments of ffmpeg that make one file of many pictures: an animation, or a sheet of thumbnails. Package gif makes GIFs.
//
// Args is pure: the same description gives the same arguments and, with fixed threads, the same bytes.
package assemble

import (
	"fmt"
	"strconv"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/internal/option"
	"github.com/mapreel/mapreel/pkg/media"
)

// File is a file that is made of the pictures 0 ≤ k < Count in the working folder.
type File struct {
	Format  string // "webp", "avif", "mp4": animations; "sheet"
	Picture string // the format of a sheet: "jpg", "png", "webp"
	Rate    media.Rational
	Columns int // of a sheet; a tile that has no picture is black
	Rows    int
	Path    string
}

// Encoder returns the name of ffmpeg's encoder for animations of a format, "" for GIF, which package gif writes.
func Encoder(format string) string {
	return map[string]string{"webp": "libwebp_anim", "avif": "libsvtav1", "mp4": "libx264"}[format]
}

// Source returns the name of picture k in the working folder.
func Source(k int) string { return fmt.Sprintf("source-%d.qoi", k) }

// Conversions of RGB. WebP and JPEG have BT.601 (RFC 9649, JFIF), the others BT.709.
const (
	scaler  = "scale=flags=bicubic+accurate_rnd+full_chroma_int+full_chroma_inp+bitexact:out_color_matrix="
	to601   = scaler + "bt601:out_range=tv,format=yuv420p"
	toJFIF  = scaler + "bt601:out_range=pc,format=yuvj420p"
	to709   = scaler + "bt709:out_range=tv,format=yuv420p,setparams=range=tv:color_primaries=bt709:color_trc=bt709:colorspace=bt709"
	even    = "crop=trunc(iw/2)*2:trunc(ih/2)*2:0:0,"
	threads = "2"
)

// Args returns the arguments of ffmpeg. An animation of any format shows each picture for as long.
func Args(f File) []string {
	args := append([]string{"-hide_banner", "-nostdin", "-y", "-loglevel", "error", "-nostats"}, ffmpeg.AllocationLimits()...)
	args = append(args, "-threads", "1", "-protocol_whitelist", "file", "-f", "image2", "-framerate", f.Rate.String(), "-start_number", "0",
		"-c:v", "qoi", "-i", "source-%d.qoi", "-map_metadata", "-1", "-fflags", "+bitexact", "-flags:v", "+bitexact", "-an")
	switch f.Format {
	case "webp":
		args = append(args, "-vf", to601, "-c:v", "libwebp_anim", "-quality", "60", "-compression_level", "4", "-loop", "0", "-f", "webp")
	case "avif":
		args = append(args, "-vf", even+to709, "-c:v", "libsvtav1", "-preset", "8", "-crf", "40", "-svtav1-params", "lp="+threads, "-f", "avif")
	case "mp4":
		args = append(args, "-vf", even+to709, "-c:v", "libx264", "-preset", "medium", "-crf", "28", "-threads", threads,
			"-x264-params", "sync-lookahead=0", "-movflags", "+faststart", "-f", "mp4")
	default:
		args = append(args, f.sheet()...)
	}
	return append(args, option.FileURL(f.Path))
}

// sheet returns the options of a sheet of thumbnails.
func (f File) sheet() []string {
	tile := fmt.Sprintf("tile=%dx%d,", f.Columns, f.Rows)
	args := []string{"-frames:v", "1", "-update", "1", "-f", "image2"}
	switch f.Picture {
	case "png":
		return append(args, "-vf", tile+"format=rgb24", "-c:v", "png", "-pred", "mixed", "-compression_level", "6")
	case "webp":
		return append(args, "-vf", tile+to601, "-c:v", "libwebp", "-quality", strconv.Itoa(75), "-compression_level", "4")
	}
	return append(args, "-vf", tile+toJFIF, "-c:v", "mjpeg", "-q:v", "5", "-huffman", "optimal")
}
