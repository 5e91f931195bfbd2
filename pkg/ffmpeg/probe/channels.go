package probe

import (
	"context"
	"slices"
	"strconv"
	"strings"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/internal/output"
)

// Channels returns the number of channels of an audio stream's frames, each time that it changes. It
// decodes the whole stream.
func Channels(ctx context.Context, t ffmpeg.Tools, in ffmpeg.Input, stream int, limits ffmpeg.Limits) ([]int, error) {
	var runs []int
	lines := output.Lines{Limit: output.MaxLine, Each: func(line []byte) error {
		first, _, _ := strings.Cut(string(line), "|") // side data may follow
		n, err := strconv.Atoi(strings.TrimPrefix(first, "channels="))
		if err == nil && (len(runs) == 0 || runs[len(runs)-1] != n) {
			runs = append(runs, n)
		}
		return nil
	}}
	args := slices.Concat([]string{"-hide_banner", "-loglevel", "error"}, ffmpeg.AllocationLimits(), in.ProbeOptions(),
		[]string{"-select_streams", strconv.Itoa(stream), "-show_entries", "frame=channels", "-print_format", "compact=p=0", "-i", in.URL()})
	_, err := ffmpeg.Run(ctx, t.FFprobe, args, ffmpeg.RunOptions{Stdout: &lines, Limits: limits})
	return runs, err
}
