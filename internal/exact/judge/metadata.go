package judge

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/text/language"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/media"
)

// Metadata is what ffprobe reports about a file.
type Metadata struct {
	Streams  []Stream  `json:"streams"`
	Programs []program `json:"programs"`
	Chapters []chapter `json:"chapters"`
	Format   struct {
		Tags map[string]string `json:"tags"`
	} `json:"format"`
}

// Stream is a stream of a file, as ffprobe describes it.
type Stream struct {
	Index       int               `json:"index"`
	Type        string            `json:"codec_type"`
	Codec       string            `json:"codec_name"`
	Width       int               `json:"width"`
	Height      int               `json:"height"`
	PixelFormat string            `json:"pix_fmt"`
	SAR         string            `json:"sample_aspect_ratio"`
	Transfer    string            `json:"color_transfer"`
	Primaries   string            `json:"color_primaries"`
	Space       string            `json:"color_space"`
	Range       string            `json:"color_range"`
	Rate        string            `json:"sample_rate"`
	FrameRate   string            `json:"r_frame_rate"`
	Channels    int               `json:"channels"`
	Layout      string            `json:"channel_layout"`
	Mixed       bool              `json:"-"` // the output is to have fewer channels than the source: Channels
	Packets     string            `json:"nb_read_packets"`
	Disposition map[string]int    `json:"disposition"`
	Tags        map[string]string `json:"tags"`
	SideData    []sideData        `json:"side_data_list"`
}

func (s Stream) isRGB() bool {
	return strings.Contains(s.PixelFormat, "rgb") || strings.Contains(s.PixelFormat, "bgr") || strings.HasPrefix(s.PixelFormat, "gbr") || s.PixelFormat == "pal8"
}

// clockArgs returns the options with which ffmpeg takes no step of a file's clock for a jump that is
// none: the delay of frames that are reordered, where there is less than one frame a second, and any
// step of a playlist.
func (s *Stream) clockArgs(path string) []string {
	if ext := filepath.Ext(path); ext == ".m3u8" || ext == ".mpd" {
		return []string{"-copyts", "-start_at_zero"}
	}
	if s == nil {
		return nil
	}
	var rate media.Rational
	if _, err := fmt.Sscanf(s.FrameRate, "%d/%d", &rate.Num, &rate.Den); err != nil {
		return nil
	}
	return []string{"-dts_delta_threshold", strconv.Itoa(ffmpeg.JumpStep(rate))}
}

// specifier names the stream to ffmpeg, as one of the first input.
func (s Stream) specifier() string { return fmt.Sprintf("0:%d", s.Index) }

// program is one of the programs of a transport stream.
type program struct {
	Streams []Stream `json:"streams"`
}

type sideData struct {
	Type     string      `json:"side_data_type"`
	Rotation json.Number `json:"rotation"`
	RedX     string      `json:"red_x"`
	MaxLight string      `json:"max_luminance"`
	Content  int         `json:"max_content"`
}

type chapter struct {
	Start string            `json:"start_time"`
	Tags  map[string]string `json:"tags"`
}

// Video returns the video stream that is not cover art, or nil.
func (s Metadata) Video() *Stream {
	for i, v := range s.Streams {
		if v.Type == "video" && v.Disposition["attached_pic"] == 0 {
			return &s.Streams[i]
		}
	}
	return nil
}

// ByType returns the streams of a type that have a codec.
func (s Metadata) ByType(kind string) (list []Stream) {
	for _, v := range s.Streams {
		if v.Type == kind && v.Codec != "" {
			list = append(list, v)
		}
	}
	return list
}

// maps returns the options that select the video and the audio of a source.
func (s Metadata) maps() (args []string) {
	if v := s.Video(); v != nil {
		args = append(args, "-map", v.specifier())
	}
	for _, a := range s.ByType("audio") {
		args = append(args, "-map", a.specifier())
	}
	return args
}

// subtitleMaps returns the options that select the subtitles of a source.
func (s Metadata) subtitleMaps() (args []string) {
	for _, t := range s.ByType("subtitle") {
		args = append(args, "-map", t.specifier())
	}
	return args
}

// choose returns s with the tracks that an output is to have, and the flags that they are to get.
func (s Metadata) choose(c film.Chosen) Metadata {
	audio, subtitles := s.ByType("audio"), s.ByType("subtitle")
	s.Streams = slices.DeleteFunc(slices.Clone(s.Streams), func(v Stream) bool { return v.Codec != "" && (v.Type == "audio" || v.Type == "subtitle") })
	flags := func(v Stream, first bool) Stream {
		v.Disposition = maps.Clone(v.Disposition)
		v.Disposition["default"] = 0
		if first {
			v.Disposition["default"] = 1
		}
		return v
	}
	for _, i := range c.AudioTracks(len(audio)) {
		for _, form := range c.Forms(audio[i].Channels) {
			v := flags(audio[i], !form.Second && c.AudioDefault(i, audio[i].Disposition["default"] != 0))
			v.Mixed = form.Channels != v.Channels
			v.Channels = form.Channels
			s.Streams = append(s.Streams, v)
		}
	}
	for _, i := range c.SubtitleTracks(len(subtitles)) {
		s.Streams = append(s.Streams, flags(subtitles[i], c.SubtitleDefault(i, subtitles[i].Disposition["default"] != 0)))
	}
	return s
}

// probe describes a file, without audio that has no packets. Of a transport stream with several
// programs it describes the one with the largest picture.
func probe(ctx context.Context, path string) (Metadata, error) {
	s, err := probeInput(ctx, input{path: path})
	if v := s.Video(); err == nil && v != nil && v.PixelFormat == "" { // video that begins 5 s after the audio
		return probeInput(ctx, input{path: path, deep: true})
	}
	return s, err
}

func probeInput(ctx context.Context, in input) (s Metadata, err error) {
	args := append([]string{"-v", "error", "-count_packets", "-show_streams", "-show_programs", "-show_chapters", "-show_format", "-of", "json"}, in.args()...)
	out, err := output(ctx, "ffprobe", args...)
	if err == nil {
		err = json.Unmarshal(out, &s)
	}
	s.Streams = slices.DeleteFunc(s.Streams, func(v Stream) bool { return v.Type == "audio" && (v.Packets == "" || v.Packets == "0") })
	if len(s.Programs) > 1 {
		largest := slices.MaxFunc(s.Programs, func(a, b program) int { return cmp.Compare(a.pixels(), b.pixels()) })
		s.Streams = slices.DeleteFunc(s.Streams, func(v Stream) bool {
			return !slices.ContainsFunc(largest.Streams, func(in Stream) bool { return in.Index == v.Index })
		})
	}
	return s, err
}

// pixels returns the size of the program's largest picture.
func (p program) pixels() (n int) {
	for _, s := range p.Streams {
		n = max(n, s.Width*s.Height)
	}
	return n
}

// firstFrameSideData returns the side data of the first frame: the place of the HDR10 metadata in
// files whose container does not repeat them.
func firstFrameSideData(ctx context.Context, path string) (list []sideData, err error) {
	out, err := output(ctx, "ffprobe", "-v", "error", "-select_streams", "v:0", "-read_intervals", "%+#1", "-show_frames",
		"-show_entries", "frame=side_data_list", "-of", "json", "-i", "file:"+path)
	var answer struct {
		Frames []struct {
			SideData []sideData `json:"side_data_list"`
		}
	}
	if err == nil {
		err = json.Unmarshal(out, &answer)
	}
	for _, f := range answer.Frames {
		list = append(list, f.SideData...)
	}
	return list, err
}

// decodedSize returns the size of a Stream as ffmpeg decodes it, after rotation.
func (s Stream) decodedSize() (width, height int) {
	for _, d := range s.SideData {
		if v, err := d.Rotation.Int64(); err == nil && v%180 != 0 {
			return s.Height, s.Width
		}
	}
	return s.Width, s.Height
}

// decodedAspect returns the pixel aspect ratio of a stream as ffmpeg decodes it, after rotation.
func (s Stream) decodedAspect() string {
	x, y, found := strings.Cut(s.SAR, ":")
	if w, _ := s.decodedSize(); w == s.Width && s.Width != s.Height || !found {
		return s.SAR
	}
	return y + ":" + x
}

// language returns the shortest code of a stream's language after a space: files have "fre" or "fra", playlists "fr".
func (s Stream) language() string {
	code := s.Tags["language"]
	if code == "" || code == "und" {
		return ""
	}
	if base, err := language.ParseBase(media.Terminology(code)); err == nil {
		code = base.String()
	}
	return " " + code
}

// heldBy returns the metadata with the channels that the codecs of an output hold: Opus has no 2.1 and AAC no quad, and they become 5.1
// and 5.0.
func (s Metadata) heldBy(out Metadata) Metadata {
	s.Streams = slices.Clone(s.Streams)
	tracks, n := out.ByType("audio"), 0
	for i := range s.Streams {
		a := &s.Streams[i]
		if a.Type != "audio" {
			continue
		}
		if n < len(tracks) && tracks[n].Channels > a.Channels {
			if _, channels, mixed, ok := film.AudioCodec(tracks[n].Codec).Layout(a.Layout, a.Channels); ok && !mixed {
				a.Channels = channels
			}
		}
		n++
	}
	return s
}

// features lists what a file holds besides frames and samples, in a form that can be compared: an
// output should have every feature of its source. With the conversion toneMapped, colour and
// HDR metadata are left out.
func (s Metadata) features(conversion string) (list []string) {
	if p := s.Video(); p != nil {
		list = append(list, "video")
		if sar := p.decodedAspect(); sar != "" && sar != "1:1" && sar != "0:1" {
			list = append(list, "pixels "+sar)
		}
		if conversion != toneMapped {
			for _, c := range []struct{ name, value string }{{"primaries", p.Primaries}, {"transfer", p.Transfer}, {"matrix", p.Space}} {
				if c.value != "" && c.value != "unknown" && c.value != "reserved" && c.value != "gbr" {
					list = append(list, c.name+" "+c.value)
				}
			}
			for _, d := range p.SideData {
				switch d.Type {
				case "Mastering display metadata":
					list = append(list, "mastering "+formatFraction(d.RedX)+" "+formatFraction(d.MaxLight))
				case "Content light level metadata":
					list = append(list, fmt.Sprintf("light %d", d.Content))
				}
			}
		}
	}
	for i, a := range s.ByType("audio") {
		text := fmt.Sprintf("audio %d with %d channels", i+1, a.Channels) + a.language()
		list = append(list, text)
		if a.Disposition["default"] != 0 {
			list = append(list, fmt.Sprintf("audio %d is the default", i+1))
		}
		// For ffmpeg, MP4 has no track title; the handler name holds it.
		if title := cmp.Or(a.Tags["title"], a.Tags["handler_name"]); title != "" && title != "SoundHandler" {
			list = append(list, fmt.Sprintf("audio %d is titled %s", i+1, title))
		}
	}
	for i, t := range s.ByType("subtitle") {
		list = append(list, fmt.Sprintf("subtitles %d", i+1)+t.language())
	}
	for _, c := range s.Chapters {
		at, _, _ := strings.Cut(c.Start, ".")
		list = append(list, "chapter "+at+" "+c.Tags["title"])
	}
	if title := s.Format.Tags["title"]; title != "" {
		list = append(list, "title "+title)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// formatFraction formats a fraction such as "35400/50000" as a decimal.
func formatFraction(s string) string {
	a, b, _ := strings.Cut(s, "/")
	n, err := strconv.ParseFloat(a, 64)
	d, err2 := strconv.ParseFloat(b, 64)
	if err != nil || err2 != nil || d == 0 {
		return s
	}
	return fmt.Sprintf("%.4f", n/d)
}
