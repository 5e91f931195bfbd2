// Package judge compares an output with its source, frame by frame and beep by beep, as plain ffmpeg
// decodes them, and runs what it compares: mapreel, one pass of ffmpeg, and the usual recipe. It
// relies on nothing that mapreel reports about itself.
//
//	source, err := judge.Measure(ctx, path)
//	finding := judge.Mapreel(tools).Judge(ctx, judge.Task{Path: path, Measured: source, Container: film.MP4, Dir: dir})
//	finding.Evaluate(source, nil)
package judge

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

	"github.com/mapreel/mapreel/internal/exact/source"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/encode"
	"github.com/mapreel/mapreel/pkg/ffmpeg/remux"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/subtitle"
	"github.com/mapreel/mapreel/pkg/kinds"
	"github.com/mapreel/mapreel/pkg/local"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/render"
	"github.com/mapreel/mapreel/pkg/tool/confine"
	"github.com/mapreel/mapreel/pkg/verify"
	"github.com/mapreel/mapreel/pkg/work"
)

// crf is low enough that the worst frame of every source scores clearly above a frame with the
// wrong content.
const crf = 14

// audioPart is the length of audio parts where the loudness is changed or there are several rates, so that there are seams inside.
const audioPart = 2 * time.Second

// Task is one source that a candidate should encode.
type Task struct {
	Path      string
	Rate      string      // frames a second of a raw source; "" for others
	Measured  Measurement // of the source
	Container film.Container
	Dir       string // empty folder for the output and intermediate files

	Codec      film.VideoCodec // of the output; "" = the default of its container
	Segment    time.Duration   // target length of a segment; 0 = 2 s
	Video      film.Video      // settings of the output's video beside codec, crf and preset
	Filter     string          // of ffmpeg, which does to the source's picture what Video says
	Options    string          // of ffmpeg's encoder, likewise
	Crop       film.Region     // what Filter keeps of the source's frame; zero = all
	Picture    film.Region     // the part of the output's frame that is not padding; zero = all
	Request    film.Output     // settings of the output beside name, container and video
	Chosen     film.Chosen     // which tracks of the source they select; Measured is that of these tracks
	Beside     []subtitle.File // further subtitle tracks, which Request selects in the place of the source's own
	gains      []float64       // in decibels, by which plain ffmpeg amplifies each audio track
	Join       []string        // the clips that mapreel joins in the place of Path; nil = it gets Path
	Scene      string          // the scene that mapreel renders in the place of Path; "" = it gets Path
	Render     render.Settings // of the scene
	Part       film.Part       // what is encoded of the source; zero = all. Measured is that of the part
	Sequence   film.Sequence   // how the source is read, if it is an image sequence
	From       source.From     // how mapreel gets the source
	Interlaced bool            // should be deinterlaced
	ToneMapped bool            // HDR to SDR: the colours of the output differ on purpose
}

// Output returns the path of the file that a candidate writes.
func (t Task) Output() string {
	return filepath.Join(t.Dir, film.Output{Name: "out", Container: t.Container}.File())
}

func (t Task) input() input { return input{path: t.Path, rate: t.Rate} }

func (t Task) segment() time.Duration { return cmp.Or(t.Segment, 2*time.Second) }

func (t Task) codec() film.VideoCodec {
	if t.Codec == "" && t.Container == film.WebM {
		return film.VP9
	}
	return cmp.Or(t.Codec, film.H264)
}

func (t Task) preset() string {
	switch t.codec() {
	case film.VP9:
		return "8"
	case film.AV1:
		return "10"
	}
	return "ultrafast"
}

// Candidate is a way to encode a source.
type Candidate struct {
	Name   string
	Encode func(context.Context, Task) (warnings []string, err error)
}

// OnePass is the reference: the same encoder with the same settings in one pass of ffmpeg.
func OnePass() Candidate { return Candidate{"one pass", onePass} }

// UsualRecipe encodes segments of fixed length, which the concat demuxer joins.
func UsualRecipe() Candidate { return Candidate{"usual recipe", usualRecipe} }

// confined is the first argument of the process that runs Blender within limits.
const confined = "confined"

// self returns the program and argument that call confine.Main: this program, whose main function calls Confined.
func self() []string {
	program, err := os.Executable()
	if err != nil {
		program = os.Args[0]
	}
	return []string{program, confined}
}

// Confined does the work of a process that runs Blender within limits, and returns its exit code. ok is false where args are those of another.
func Confined(args []string) (code int, ok bool) {
	if len(args) != 3 || args[1] != confined {
		return 0, false
	}
	return confine.Main(args[2]), true
}

// Mapreel runs a job in this process. Scenes need a program that calls Confined first.
func Mapreel(tools ffmpeg.Tools) Candidate {
	registry, inParts := kinds.All(tools, kinds.Options{Self: self()}), kinds.All(tools, kinds.Options{AudioPartLength: audioPart})
	return Candidate{"mapreel", func(ctx context.Context, t Task) ([]string, error) {
		if t.loudness() != 0 || t.Request.Audio != nil && len(t.Request.Audio.Bitrates) > 0 {
			return mapreel(ctx, t, inParts)
		}
		return mapreel(ctx, t, registry)
	}}
}

// Judge encodes a source with a candidate and compares the output.
func (c Candidate) Judge(ctx context.Context, t Task) Finding {
	warnings, err := c.Encode(ctx, t)
	if err != nil {
		return Finding{Err: err, Refused: true}
	}
	out, err := Measure(ctx, t.Output())
	if err != nil {
		return Finding{Err: err}
	}
	if t.Container != film.MP4 {
		out.DropPriming(t.Measured)
	}
	colours := ""
	if t.ToneMapped {
		colours = toneMapped
	}
	f := Compare(t.Measured, out, colours)
	f.Out, f.Warnings = out, warnings
	if f.WantLoudness = t.loudness(); f.WantLoudness != 0 {
		for i := range out.Audio {
			got, err := measureLoudness(ctx, t.Output(), fmt.Sprintf("0:a:%d", i), "")
			if err != nil {
				return Finding{Err: err}
			}
			f.Loudness = append(f.Loudness, got)
		}
	}
	f.NoEditLists = t.Container != film.MP4
	from, to := t.Measured.Metadata.Video(), out.Metadata.Video()
	if from != nil && to != nil && !t.ToneMapped {
		if f.PSNR, err = worstPSNR(ctx, t.input(), t.Output(), *from, *to, t.Interlaced, t.Measured.Skipped, t.Filter); err != nil {
			return Finding{Err: err}
		}
	}
	return f
}

// Verify returns the findings of mapreel verify on the output of a task, or "good". It is told what
// the job warned about.
func Verify(ctx context.Context, tools ffmpeg.Tools, t Task, warnings []string) string {
	options := verify.Options{Job: verify.Job{Warnings: warnings, Crop: t.Crop, Filter: t.Video.Filter, Picture: t.Picture, Chosen: t.Chosen}, Part: t.Part, Sequence: t.Sequence, Overlay: t.Video.Overlay, Burn: t.Video.Burn, Subtitles: t.Beside}
	if t.Rate != "" {
		rate, err := film.ParseFrameRate(t.Rate)
		if err != nil {
			return err.Error()
		}
		options.Rate = media.Rational{Num: rate.Num, Den: rate.Den}
	}
	report, err := verify.Files(ctx, tools, t.Path, t.Output(), options)
	if err != nil {
		return err.Error()
	}
	var bad []string
	for _, c := range report.Checks {
		if c.Verdict == verify.Bad {
			bad = append(bad, c.Name+": "+c.Figure)
		}
	}
	return cmp.Or(strings.Join(bad, "; "), string(report.Verdict))
}

func mapreel(ctx context.Context, t Task, registry work.Registry) (warnings []string, err error) {
	output := t.Request
	output.Name, output.Container = "out", t.Container
	if t.Measured.Metadata.Video() != nil && output.Preset == "" {
		video := t.Video
		if video.Codec, video.Preset = t.codec(), t.preset(); video.Quality == nil && video.Bitrate == 0 {
			video.CRF = new(crf)
		}
		if t.Rate != "" {
			if video.FrameRate, err = film.ParseFrameRate(t.Rate); err != nil {
				return nil, err
			}
		}
		output.Video = []film.Video{video}
	}
	path, following := t.Path, []string(nil)
	if len(t.Join) > 0 {
		path, following = t.Join[0], t.Join[1:]
	}
	path = cmp.Or(t.Scene, path)
	body, err := json.Marshal(film.Request{
		Source: path, Join: following, SubtitleFiles: t.Beside, Destination: t.Dir, Part: t.Part, Sequence: t.Sequence, Render: t.Render, Outputs: []film.Output{output}, Segment: film.Segmenting{Seconds: film.Seconds(t.segment())},
	})
	if err != nil {
		return nil, err
	}
	scratch := filepath.Join(t.Dir, "scratch")
	defer os.RemoveAll(scratch)
	body, opts, leave, err := t.receive(ctx, body, local.Options{Scratch: scratch, Registry: registry, Jobs: 2})
	if err != nil {
		return nil, err
	}
	defer leave()
	report, err := local.Run(ctx, body, opts)
	return report.Warnings, err
}

// onePass encodes a source in one pass of ffmpeg, the reference for mapreel.
func onePass(ctx context.Context, t Task) ([]string, error) {
	source := t.Measured.Metadata
	var err error
	if t.gains, err = t.findGains(ctx); err != nil {
		return nil, err
	}
	args := slices.Concat([]string{"-v", "error", "-nostdin"}, source.Video().clockArgs(t.Path), t.partArgs(), decoderArgs, t.input().args(), source.maps())
	args = append(args, t.videoOptions()...)
	args = append(args, "-fps_mode", "passthrough", "-enc_time_base", "-1")
	args = append(args, t.audioOptions()...)
	if subtitle, ok := map[film.Container]string{film.MP4: "mov_text", film.Matroska: "srt", film.WebM: "webvtt"}[t.Container]; ok {
		args = append(args, source.subtitleMaps()...)
		args = append(args, "-c:s", subtitle)
	}
	_, err = output(ctx, "ffmpeg", append(args, "file:"+t.Output())...)
	return nil, err
}

// partArgs returns the options before the input that select the part of the source.
func (t Task) partArgs() (args []string) {
	if t.Part.Start > 0 {
		args = append(args, "-ss", fmt.Sprint(time.Duration(t.Part.Start).Seconds()))
	}
	if t.Part.End > 0 {
		args = append(args, "-to", fmt.Sprint(time.Duration(t.Part.End).Seconds()))
	}
	return args
}

// maxSegments is far above what the sources of the matrix need.
const maxSegments = 1000

// usualRecipe encodes segments by -ss and -t and joins them by the concat demuxer, as most guides
// on the web suggest.
func usualRecipe(ctx context.Context, t Task) ([]string, error) {
	source := t.Measured.Metadata
	out, err := output(ctx, "ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "default=nk=1:nw=1", "file:"+t.Path)
	if err != nil {
		return nil, err
	}
	seconds, err := strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
	if err != nil {
		return nil, fmt.Errorf("the source declares no duration: %w", err)
	}
	length := t.segment().Seconds()
	start := time.Duration(t.Part.Start).Seconds()
	if t.Part.End > 0 {
		seconds = time.Duration(t.Part.End).Seconds()
	}
	seconds -= start
	if n := seconds / length; n > maxSegments { // a clock jump counts as duration
		return nil, fmt.Errorf("the source declares a duration of %.0f segments", n)
	}
	var list strings.Builder
	for i := 0; i == 0 || float64(i)*length < seconds-0.001; i++ {
		name := fmt.Sprintf("%05d.%s", i, t.Container)
		args := slices.Concat([]string{"-v", "error", "-nostdin", "-ss", fmt.Sprint(start + float64(i)*length), "-t", fmt.Sprint(min(length, seconds-float64(i)*length))},
			t.input().args(), source.maps())
		args = append(args, t.videoOptions()...)
		args = append(args, t.audioOptions()...)
		if _, err := output(ctx, "ffmpeg", append(args, filepath.Join(t.Dir, name))...); err != nil {
			return nil, err
		}
		fmt.Fprintf(&list, "file '%s'\n", name)
	}
	index := filepath.Join(t.Dir, "list.txt")
	if err := os.WriteFile(index, []byte(list.String()), 0o600); err != nil {
		return nil, err
	}
	_, err = output(ctx, "ffmpeg", "-v", "error", "-nostdin", "-f", "concat", "-i", index, "-map", "0", "-c", "copy", t.Output())
	return nil, err
}

// videoOptions encode the video as mapreel does by default.
func (t Task) videoOptions() []string {
	p := t.Measured.Metadata.Video()
	if p == nil {
		return nil
	}
	var filters []string
	if t.Interlaced {
		filters = append(filters, "bwdif=mode=send_frame:deint=interlaced")
	}
	if t.Filter != "" {
		filters = append(filters, t.Filter)
	} else if p.Width%2 != 0 || p.Height%2 != 0 {
		filters = append(filters, "crop=trunc(iw/2)*2:trunc(ih/2)*2:0:0")
	}
	var args []string
	if len(filters) > 0 {
		args = append(args, "-vf", strings.Join(filters, ","))
	}
	args = append(args, strings.Fields(t.Options)...)
	encoder, _ := encode.Encoder(string(t.codec()), false)
	if t.Request.Preset != "" { // Options say all
		return append(args, "-c:v", encoder)
	}
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
	if t.ToneMapped {
		args = append(args, "-pix_fmt", "yuv420p")
	}
	return args
}

// audioOptions copy the audio where the container can hold it, and encode it otherwise.
func (t Task) audioOptions() (args []string) {
	for i, a := range t.Measured.Metadata.ByType("audio") {
		n := strconv.Itoa(i)
		if i < len(t.gains) {
			args = append(args, "-filter:a:"+n, fmt.Sprintf("%s,volume=%.3fdB:precision=float", floats(a.Channels), t.gains[i]))
		}
		if a.Mixed {
			args = append(args, "-ac:a:"+n, strconv.Itoa(a.Channels))
		}
		switch {
		case (a.Mixed || len(t.gains) > 0) && t.Container != film.WebM:
			args = append(args, "-c:a:"+n, "aac", "-b:a:"+n, strconv.Itoa(max(160_000, 80_000*a.Channels)))
		case remux.CopyableTo(a.Codec, string(t.Container)):
			args = append(args, "-c:a:"+n, "copy", "-strict", "experimental")
		case t.Container == film.WebM:
			args = append(args, "-c:a:"+n, "libopus", "-b:a:"+n, "160k")
		default:
			args = append(args, "-c:a:"+n, "aac", "-b:a:"+n, strconv.Itoa(max(160_000, 80_000*a.Channels)))
		}
	}
	return slices.Clip(args)
}
