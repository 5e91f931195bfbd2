package probe

import (
	"bytes"
	"context"
	"math"
	"strconv"
	"strings"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/budget"
	"github.com/mapreel/mapreel/pkg/ffmpeg/internal/option"
	"github.com/mapreel/mapreel/pkg/media"
)

// PacketBytes returns how many bytes the packets have whose timestamps, in microseconds, are from ≤ t < to, by the number of their stream.
// It reads a little more than that, and nothing else of a file in which its demuxer can seek.
func PacketBytes(ctx context.Context, t ffmpeg.Tools, in ffmpeg.Input, from, to media.Ticks) (map[int]int64, error) {
	const around = 2_000_000 // packets do not come in the order of their timestamps, and a transport stream is not searched exactly
	args := append(inputArgs(in), "-read_intervals", option.Seconds(int64(max(from-around, 0)))+"%"+option.Seconds(int64(to+around)),
		"-show_entries", "packet=stream_index,pts_time,size", "-print_format", "csv=p=0", "-i", in.URL())
	answer, err := ffmpeg.Output(ctx, t.FFprobe, args, maxAnswer, budget.Worker{}.Limit(ctx, budget.Probe()))
	if err != nil {
		return nil, err
	}
	sums := map[int]int64{}
	for line := range bytes.Lines(answer) {
		const stream, time, size = 0, 1, 2
		fields := strings.Split(strings.TrimSpace(string(line)), ",")
		if len(fields) <= size {
			continue
		}
		n, err := strconv.Atoi(fields[stream])
		at, noTime := strconv.ParseFloat(fields[time], 64)
		bytes, noSize := strconv.ParseInt(fields[size], 10, 64)
		if err != nil || noTime != nil || noSize != nil { // such as a packet without a timestamp
			continue
		}
		if micros := media.Ticks(math.Round(at * 1e6)); from <= micros && micros < to {
			sums[n] += bytes
		}
	}
	return sums, nil
}
