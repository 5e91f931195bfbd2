package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mapreel/mapreel/exact/source"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/local"
)

// crf is low enough that the worst frame of every source comes out clearly above what a wrong frame would give.
const crf = 14

// task is one source to be encoded.
type task struct {
	source  source.Source
	path    string
	account account
	kind    film.Container
	dir     string // of the output and what is made on the way; empty
}

func (t task) output() string { return filepath.Join(t.dir, "out."+string(t.kind)) }

func (t task) segment() time.Duration { return cmp.Or(t.source.Segment, 2*time.Second) }

func (t task) codec() film.VideoCodec {
	if t.source.Codec == "" && t.kind == film.WebM {
		return film.VP9
	}
	return cmp.Or(t.source.Codec, film.H264)
}

func (t task) preset() string {
	if t.codec() == film.VP9 {
		return "8"
	}
	return "ultrafast"
}

// contender is a way to encode a source.
type contender struct {
	name   string
	encode func(context.Context, task) error
}

// contenders are mapreel, and what it is held against: the same encoder with the same settings in one pass, and in
// segments of fixed length that are joined by the concat demuxer.
func contenders(tools ffmpeg.Tools) []contender {
	return []contender{
		{"one pass", onePass},
		{"mapreel", func(ctx context.Context, t task) error { return mapreel(ctx, t, tools) }},
		{"usual recipe", recipe},
	}
}

func mapreel(ctx context.Context, t task, tools ffmpeg.Tools) error {
	output := film.Output{Name: "out", Container: t.kind}
	if t.account.stated.picture() != nil {
		output.Video = []film.Video{{Codec: t.codec(), CRF: new(crf), Preset: t.preset()}}
	}
	// What a user writes goes through Parse; so does this.
	body, err := json.Marshal(film.Request{
		Source: t.path, Destination: t.dir, Outputs: []film.Output{output}, Segment: film.Segmenting{Seconds: film.Seconds(t.segment())},
	})
	if err != nil {
		return err
	}
	req, err := film.Parse(body)
	if err != nil {
		return err
	}
	scratch := filepath.Join(t.dir, "scratch")
	defer os.RemoveAll(scratch)
	_, err = local.Run(ctx, req, local.Options{Scratch: scratch, Tools: tools, Jobs: 2})
	return err
}

// onePass is what mapreel is measured against.
func onePass(ctx context.Context, t task) error {
	args := slices.Concat([]string{"-v", "error", "-nostdin"}, decoding, open(t.path), []string{"-map", "0:V:0?", "-map", "0:a?"})
	args = append(args, t.pictureOptions()...)
	args = append(args, "-fps_mode", "passthrough", "-enc_time_base", "-1")
	args = append(args, t.soundOptions()...)
	if subtitle, ok := map[film.Container]string{film.MP4: "mov_text", film.Matroska: "srt", film.WebM: "webvtt"}[t.kind]; ok {
		args = append(args, "-map", "0:s?", "-c:s", subtitle)
	}
	_, err := output(ctx, "ffmpeg", append(args, "file:"+t.output())...)
	return err
}

// maxSegments is far above what the sources of the matrix have.
const maxSegments = 1000

// recipe is what is found on the web: segments by -ss and -t, joined by the concat demuxer.
func recipe(ctx context.Context, t task) error {
	out, err := output(ctx, "ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "default=nk=1:nw=1", "file:"+t.path)
	if err != nil {
		return err
	}
	seconds, err := strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
	if err != nil {
		return fmt.Errorf("the source tells no duration: %w", err)
	}
	length := t.segment().Seconds()
	if n := seconds / length; n > maxSegments { // a jump of the clock counts as duration
		return fmt.Errorf("the source tells %.0f segments", n)
	}
	var list strings.Builder
	for i := 0; i == 0 || float64(i)*length < seconds-0.001; i++ {
		name := fmt.Sprintf("%05d.%s", i, t.kind)
		args := slices.Concat([]string{"-v", "error", "-nostdin", "-ss", fmt.Sprint(float64(i) * length), "-t", fmt.Sprint(length)},
			open(t.path), []string{"-map", "0:V:0?", "-map", "0:a?"})
		args = append(args, t.pictureOptions()...)
		args = append(args, t.soundOptions()...)
		if _, err := output(ctx, "ffmpeg", append(args, filepath.Join(t.dir, name))...); err != nil {
			return err
		}
		fmt.Fprintf(&list, "file '%s'\n", name)
	}
	index := filepath.Join(t.dir, "list.txt")
	if err := os.WriteFile(index, []byte(list.String()), 0o600); err != nil {
		return err
	}
	_, err = output(ctx, "ffmpeg", "-v", "error", "-nostdin", "-f", "concat", "-i", index, "-map", "0", "-c", "copy", t.output())
	return err
}

// pictureOptions encode the picture as mapreel does by default.
func (t task) pictureOptions() []string {
	p := t.account.stated.picture()
	if p == nil {
		return nil
	}
	var filters []string
	if t.source.Interlaced {
		filters = append(filters, "bwdif=mode=send_frame:deint=interlaced")
	}
	if p.Width%2 != 0 || p.Height%2 != 0 {
		filters = append(filters, "crop=trunc(iw/2)*2:trunc(ih/2)*2:0:0")
	}
	var args []string
	if len(filters) > 0 {
		args = append(args, "-vf", strings.Join(filters, ","))
	}
	encoder, _ := ffmpeg.Encoder(string(t.codec()), false)
	args = append(args, "-c:v", encoder, "-crf", strconv.Itoa(crf))
	switch t.codec() {
	case film.VP9:
		args = append(args, "-b:v", "0", "-deadline", "good", "-cpu-used", t.preset())
	case film.H265:
		params := "log-level=none"
		if p.Transfer == "smpte2084" {
			params += ":hdr10=1:repeat-headers=1:master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50):max-cll=1000,400"
		}
		args = append(args, "-preset", t.preset(), "-tag:v", "hvc1", "-x265-params", params)
	default:
		args = append(args, "-preset", t.preset())
	}
	if t.source.ToneMapped {
		args = append(args, "-pix_fmt", "yuv420p")
	}
	return args
}

// soundOptions copy the sound where the container holds it, or encode it.
func (t task) soundOptions() (args []string) {
	for i, a := range t.account.stated.of("audio") {
		n := strconv.Itoa(i)
		switch {
		case ffmpeg.CopyableTo(a.Codec, string(t.kind)):
			args = append(args, "-c:a:"+n, "copy", "-strict", "experimental")
		case t.kind == film.WebM:
			args = append(args, "-c:a:"+n, "libopus", "-b:a:"+n, "160k")
		default:
			args = append(args, "-c:a:"+n, "aac", "-b:a:"+n, strconv.Itoa(max(160_000, 80_000*a.Channels)))
		}
	}
	return slices.Clip(args)
}
