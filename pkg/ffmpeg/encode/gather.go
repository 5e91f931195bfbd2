package encode

import (
	"fmt"
	"strconv"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/internal/option"
	"github.com/mapreel/mapreel/pkg/media"
)

// Gather describes the pictures that a program made of the frames of a segment. They become one lossless movie at a constant frame rate:
// the times of the program's own movie are not used.
type Gather struct {
	Path    string // a movie, or a pattern of pictures: "seq/%06d.png"
	Demuxer string // of a movie; "" for pictures
	JPEG    bool   // the pictures are in JPEG, whose colours are those of BT.601
	Limit   media.Size
	Threads int

	PixelFormat string      // of the movie
	Color       media.Color // of the movie: that of the film
	Movie       string      // path of the result, a fragmented movie
}

// gatherRate is the frame rate of the result.
const gatherRate = 25

// GatherArgs returns the arguments of ffmpeg that make the movie. The same arguments give the same bytes.
func GatherArgs(g Gather) []string {
	matrix := "bt601" // which ExtractArgs assumes of a film that does not say
	if known, ok := matrices[g.Color.Space]; ok {
		matrix = known
	}
	in := matrix // a program that writes a movie may not say what its colours are, and they are the film's
	if g.JPEG {
		in = "bt601"
	}
	to := "tv"
	if g.Color.Range == "pc" {
		to = "pc"
	}
	args := append(option.Progress(), ffmpeg.DecodingLimits(g.Limit)...)
	threads := strconv.Itoa(max(g.Threads, 1))
	args = append(args, "-threads", threads, "-protocol_whitelist", "file")
	if g.Demuxer == "" {
		args = append(args, "-f", "image2", "-framerate", strconv.Itoa(gatherRate), "-start_number", "0")
	} else {
		args = append(args, "-f", g.Demuxer)
	}
	return append(
		args, "-i", option.FileURL(g.Path), "-map", "0:v:0", "-vf",
		fmt.Sprintf("settb=1/%d,setpts=N,scale=in_color_matrix=%s:out_color_matrix=%s:out_range=%s:flags=%s,format=%s",
			gatherRate, in, matrix, to, scaler, g.PixelFormat),
		"-map_metadata", "-1", "-fps_mode", "passthrough", "-enc_time_base", fmt.Sprintf("1:%d", gatherRate),
		"-c:v", "ffv1", "-level", "3", "-g", "1", "-slices", "4", "-threads", threads, "-fflags", "+bitexact", "-flags:v", "+bitexact",
		"-movflags", "empty_moov+default_base_moof+frag_keyframe", "-f", "mov", option.FileURL(g.Movie),
	)
}

// matrices are ffmpeg's names of matrices of colours in the words of the filter scale.
var matrices = map[string]string{
	"bt709": "bt709", "smpte170m": "smpte170m", "bt470bg": "bt470", "smpte240m": "smpte240m", "fcc": "fcc", "bt2020nc": "bt2020",
}
