package ffmpeg_test

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/decode"
	"github.com/mapreel/mapreel/pkg/ffmpeg/encode"
	"github.com/mapreel/mapreel/pkg/ffmpeg/internal/ffmpegtest"
	"github.com/mapreel/mapreel/pkg/ffmpeg/remux"
	"github.com/mapreel/mapreel/pkg/media"
)

// mark is part of each hostile text.
const mark = "evil"

// hostile are texts that would have a meaning in a filter graph, an option or a shell.
var hostile = []string{
	"evil,[x]", "tv,movie=evil", "evil;[0:v]null", "evil'", "evil\nnull", "bt709=evil", "bt709:file=evil", `evil\,`, "-evil", "$(evil)",
	"EVIL,evil", " evil", "evil ", "é-evil", "evil|evil", "evil\x00", "[evil]", "evil%d", "evil/../x",
}

// visitStrings calls visit with each string in v, through structs, pointers and slices, so that new
// fields are included.
func visitStrings(v reflect.Value, path string, visit func(path string, field reflect.Value)) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			visitStrings(v.Field(i), path+"."+v.Type().Field(i).Name, visit)
		}
	case reflect.Pointer:
		if !v.IsNil() {
			visitStrings(v.Elem(), path, visit)
		}
	case reflect.Slice:
		for i := range v.Len() {
			visitStrings(v.Index(i), path, visit)
		}
	case reflect.String:
		visit(path, v)
	}
}

// graphs returns the arguments that ffmpeg parses further, where a text could be more than a value.
func graphs(args []string) []string {
	var list []string
	for i, arg := range args[:len(args)-1] {
		switch arg {
		case "-filter_complex", "-af", "-vf", "-x264-params", "-x265-params", "-svtav1-params", "-force_key_frames", "-flags:v",
			"-movflags", "-bsf:v", "-bsf:a", "-bsf:s", "-enc_time_base", "-map", "-segment_format_options", "-protocol_whitelist":
			list = append(list, args[i+1])
		}
	}
	return list
}

// A text from a source or a request is a whole argument or absent: never part of a filter graph or
// of an encoder's parameters, never an option, never a file name without its protocol.
func TestHostileTextIsNeverPartOfAGraph(t *testing.T) {
	tb := media.Rational{Num: 1, Den: 25}
	in := func() ffmpeg.Input { return ffmpeg.Input{Location: "/in", Demuxer: "mov"} }
	video := func() *encode.Video {
		v := &encode.Video{Packets: "/packets", Input: in(), Timebase: tb, Threads: 2, Start: new(int64(50)), End: new(int64(100)), Seek: new(int64(50)), ContextFrames: true, Rotation: 90}
		for _, codec := range []string{"h264", "h265", "vp9", "av1"} {
			v.Renditions = append(v.Renditions, encode.Rendition{
				Codec: codec, Preset: "medium", Tune: "grain", Filter: "hflip", Options: "aq-mode=1", Profile: "high", Level: "4.1", Width: 64, PixelFormat: "yuv420p", Interlaced: "tff", FrameRate: media.Rational{Num: 25, Den: 1},
				Color:   media.Color{Range: "tv", Space: "bt709", Transfer: "bt709", Primaries: "bt709", ChromaLocation: "left"},
				ToneMap: &encode.ToneMap{From: media.Color{Range: "tv", Space: "bt2020nc", Transfer: "smpte2084", Primaries: "bt2020"}, Peak: 1000},
				Path:    "/out", Burn: ffmpeg.Burn{Script: "burn1", Fonts: "fonts"}, Overlay: ffmpeg.Overlay{Path: "/pixels", Size: media.Size{Width: 4, Height: 4}, Width: 4, Height: 4},
				Originals: encode.Originals{Path: "/frames", Preset: "medium", MaxFrames: 9}, Decoded: "decoded",
			})
		}
		return v
	}
	for name, c := range map[string]struct {
		of   func() any
		args func(any) []string
		// free are the fields that are a whole argument, or the end of one: a path, a title.
		free []string
	}{
		"video": {
			func() any { return video() }, func(v any) []string { return encode.VideoArgs(*v.(*encode.Video)) },
			[]string{".Input.Location", ".Input.Demuxer", ".Packets", ".Renditions.Preset", ".Renditions.Tune", ".Renditions.Profile", ".Renditions.Level", ".Renditions.Path", ".Renditions.Overlay.Path", ".Renditions.Originals.Path"},
		},
		"kept frames": {
			func() any { v := video(); v.FromOriginals = true; return v }, func(v any) []string { return encode.VideoArgs(*v.(*encode.Video)) },
			[]string{".Packets", ".Renditions.Preset", ".Renditions.Tune", ".Renditions.Profile", ".Renditions.Level", ".Renditions.Path", ".Renditions.Originals.Path"},
		},
		"comparison": {
			func() any { v := video(); v.Renditions = v.Renditions[:1]; return v },
			func(v any) []string {
				return encode.CompareArgs(*v.(*encode.Video), encode.Comparison{From: new(int64(50)), To: new(int64(100)), Timebase: tb})
			},
			[]string{".Input.Location", ".Input.Demuxer", ".Renditions.Path", ".Renditions.Overlay.Path"},
		},
		"audio": {
			func() any {
				return &encode.Audio{Input: in(), Codec: "aac", SourceCodec: "aac", Muxer: "mp4", Path: "/out", PCM: &encode.PCMRange{Channels: 2}, Grid: new(int64(0)), First: new(int64(0)), Start: new(int64(0))}
			},
			func(v any) []string { return encode.AudioArgs(*v.(*encode.Audio)) },
			[]string{".Input.Location", ".Input.Demuxer", ".Path"},
		},
		"decode": {
			func() any {
				return &decode.Video{Input: in(), Timebase: tb, Width: 16, Height: 16, PixelFormat: "yuv420p", Overlay: ffmpeg.Overlay{Path: "/pixels"}, OverlayMatrix: "bt709", Burn: ffmpeg.Burn{Script: "burn1", Fonts: "fonts"}}
			},
			func(v any) []string { return decode.VideoArgs(*v.(*decode.Video)) },
			[]string{".Input.Location", ".Input.Demuxer", ".Overlay.Path"},
		},
		"split": {
			func() any { return &remux.Split{Input: in(), Timebase: tb, Seconds: 2, Steps: "/steps"} },
			func(v any) []string { return remux.SplitArgs(*v.(*remux.Split)) },
			[]string{".Input.Location", ".Input.Demuxer", ".Steps"},
		},
		"text": {
			func() any {
				return &remux.Sidecar{Input: in(), Subtitles: []remux.SubtitleOutput{{Codec: "subrip", Muxer: "matroska", Path: "/out"}}, Cover: &remux.CopiedStream{Path: "/c"}, Attachments: []remux.CopiedStream{{Path: "/a"}}}
			},
			func(v any) []string { return remux.SidecarArgs(*v.(*remux.Sidecar)) },
			[]string{".Input.Location", ".Input.Demuxer", ".Subtitles.Path", ".Cover.Path", ".Attachments.Path"},
		},
		"remux": {
			func() any {
				return &remux.Output{
					Inputs: []remux.Input{{Input: in(), Streams: []remux.Stream{{Codec: "subrip", Language: "deu", Title: "t", Flags: []string{"dub"}}}}},
					Tags:   []media.Tag{{Name: "title", Value: "t"}}, Chapters: "/c", Attachments: []remux.Attachment{{Path: "/a", Name: "a", MIME: "font/ttf"}}, Muxer: "matroska", Path: "/out",
				}
			},
			func(v any) []string { return remux.Args(*v.(*remux.Output)) },
			[]string{
				".Inputs.Input.Location", ".Inputs.Input.Demuxer", ".Inputs.Streams.Language", ".Inputs.Streams.Title",
				".Tags.Value", ".Chapters", ".Attachments.Path", ".Attachments.Name", ".Attachments.MIME", ".Path",
			},
		},
	} {
		var fields []string
		visitStrings(reflect.ValueOf(c.of()), "", func(path string, _ reflect.Value) { fields = append(fields, path) })
		slices.Sort(fields)
		for _, field := range slices.Compact(fields) {
			if strings.HasSuffix(field, ".Next") || strings.HasSuffix(field, ".Previous") {
				continue // names that mapreel chooses (remux.Split), joined with "|"
			}
			if field == ".Tags.Name" {
				continue // a constant
			}
			clean := c.args(c.of())
			for _, text := range hostile {
				v := c.of()
				visitStrings(reflect.ValueOf(v), "", func(path string, f reflect.Value) {
					if path == field {
						f.SetString(text)
					}
				})
				args := c.args(v)
				for _, graph := range graphs(args) {
					if strings.Contains(strings.ToLower(graph), mark) {
						t.Errorf("%s%s = %q is in a graph: %q", name, field, text, graph)
					}
				}
				for _, arg := range args {
					if !strings.Contains(arg, mark) {
						continue
					}
					if !slices.Contains(c.free, field) {
						t.Errorf("%s%s = %q is in the argument %q", name, field, text, arg)
					} else if !strings.HasSuffix(strings.TrimSuffix(strings.TrimSuffix(arg, ".log"), ".data"), text) {
						t.Errorf("%s%s = %q is not at the end of the argument %q", name, field, text, arg)
					}
				}
				if slices.Contains(c.free, field) && len(args) != len(clean) {
					t.Errorf("%s%s = %q gives %d arguments, want %d", name, field, text, len(args), len(clean))
				}
			}
		}
	}
}

// Every command sets the allocation limits of a source before it opens it.
func TestEveryInputHasAllocationLimits(t *testing.T) {
	in := ffmpeg.Input{Location: "/in", Demuxer: "mov"}
	for name, args := range map[string][]string{
		"video":  encode.VideoArgs(encode.Video{Input: in, Timebase: media.Rational{Num: 1, Den: 25}}),
		"audio":  encode.AudioArgs(encode.Audio{Input: in, Codec: "copy", Muxer: "mp4", Path: "/out"}),
		"decode": decode.VideoArgs(decode.Video{Input: in, Timebase: media.Rational{Num: 1, Den: 25}, Width: 16, Height: 16, PixelFormat: "yuv420p"}),
		"split":  remux.SplitArgs(remux.Split{Input: in, Timebase: media.Rational{Num: 1, Den: 25}, Seconds: 2}),
		"text":   remux.SidecarArgs(remux.Sidecar{Input: in, Cover: &remux.CopiedStream{Path: "/c"}}),
		"remux":  remux.Args(remux.Output{Inputs: []remux.Input{{Input: in}, {Input: in}}, Chapters: "/c", Muxer: "webm", Path: "/out"}),
	} {
		inputs := 0
		for len(args) > 0 {
			n := slices.Index(args, "-i")
			if n < 0 {
				break
			}
			before := strings.Join(args[:n], " ")
			if args[n-1] != "ffmetadata" { // a file that mapreel writes
				inputs++
				if !strings.Contains(before, ffmpegtest.AllocationLimits) {
					t.Errorf("%s opens an input after %q, without the limits", name, before)
				}
			}
			args = args[n+1:]
		}
		if want := map[bool]int{false: 1, true: 2}[name == "remux"]; inputs != want {
			t.Errorf("%s opens %d inputs, want %d", name, inputs, want)
		}
	}
}

func TestAFrameMayBecomeLargerWithinLimits(t *testing.T) {
	for _, c := range []struct {
		first media.Size
		want  string
	}{
		{media.Size{}, "142606336"},
		{media.Size{Width: 128, Height: 512}, "9437184"},
		{media.Size{Width: 3840, Height: 2160}, "16588800"},
		{media.Size{Width: 16384, Height: 8704}, "142606336"},
	} {
		if args := ffmpeg.DecodingLimits(c.first); !slices.Contains(args, c.want) {
			t.Errorf("%v: %q, want %s", c.first, args, c.want)
		}
	}
	v := encode.Video{Input: ffmpeg.Input{Location: "/in", Demuxer: "h264"}, Timebase: media.Rational{Num: 1, Den: 25}, Size: media.Size{Width: 128, Height: 512}}
	if args := encode.VideoArgs(v); !slices.Contains(args, "9437184") {
		t.Errorf("an encode of 128 x 512 runs with %q", args)
	}
}
