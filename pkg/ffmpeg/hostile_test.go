package ffmpeg

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/mapreel/mapreel/pkg/media"
)

// hostile are texts that would mean something in a filter graph, an option or a shell. Each holds the mark.
const mark = "evil"

var hostile = []string{
	"evil,[x]", "tv,movie=evil", "evil;[0:v]null", "evil'", "evil\nnull", "bt709=evil", "bt709:file=evil", `evil\,`, "-evil", "$(evil)",
	"EVIL,evil", " evil", "evil ", "é-evil", "evil|evil", "evil\x00", "[evil]", "evil%d", "evil/../x",
}

// texts calls visit with each string below v, through structs, pointers and slices, so that a new field is met too.
func texts(v reflect.Value, path string, visit func(path string, field reflect.Value)) {
	switch v.Kind() {
	case reflect.Struct:
		for i := range v.NumField() {
			texts(v.Field(i), path+"."+v.Type().Field(i).Name, visit)
		}
	case reflect.Pointer:
		if !v.IsNil() {
			texts(v.Elem(), path, visit)
		}
	case reflect.Slice:
		for i := range v.Len() {
			texts(v.Index(i), path, visit)
		}
	case reflect.String:
		visit(path, v)
	}
}

// graphs are the arguments that ffmpeg reads as a language of its own, where a text could do more than be a value.
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

// Whatever a source or a request says, it is a whole argument of its own or nothing: never part of a filter graph or of an
// encoder's parameters, never an option, never a name without the protocol before it.
func TestHostileTextIsNeverPartOfAGraph(t *testing.T) {
	tb := media.Rational{Num: 1, Den: 25}
	in := func() Input { return Input{Location: "/in", Demuxer: "mov"} }
	video := func() *Video {
		v := &Video{Input: in(), Timebase: tb, Threads: 2, Start: new(int64(50)), End: new(int64(100)), Seek: new(int64(50)), ContextFrames: true, Rotation: 90}
		for _, codec := range []string{"h264", "h265", "vp9", "av1"} {
			v.Renditions = append(v.Renditions, Rendition{
				Codec: codec, Preset: "medium", Width: 64, PixelFormat: "yuv420p", Interlaced: "tff", FrameRate: media.Rational{Num: 25, Den: 1},
				Color:   media.Color{Range: "tv", Space: "bt709", Transfer: "bt709", Primaries: "bt709", ChromaLocation: "left"},
				ToneMap: &ToneMap{From: media.Color{Range: "tv", Space: "bt2020nc", Transfer: "smpte2084", Primaries: "bt2020"}, Peak: 1000},
				Path:    "/out",
			})
		}
		return v
	}
	for name, c := range map[string]struct {
		of   func() any
		args func(any) []string
		// free are the fields that are a whole argument, or its end: a path, a title.
		free []string
	}{
		"video": {
			func() any { return video() }, func(v any) []string { return VideoArgs(*v.(*Video)) },
			[]string{".Input.Location", ".Input.Demuxer", ".Renditions.Preset", ".Renditions.Path"},
		},
		"audio": {
			func() any {
				return &Audio{Input: in(), Codec: "aac", SourceCodec: "aac", Muxer: "mp4", Path: "/out", PCM: &PCMRange{Channels: 2}, Grid: new(int64(0)), First: new(int64(0)), Start: new(int64(0))}
			},
			func(v any) []string { return AudioArgs(*v.(*Audio)) },
			[]string{".Input.Location", ".Input.Demuxer", ".Path"},
		},
		"pictures": {
			func() any { return &Pictures{Input: in(), Timebase: tb, Width: 16, Height: 16, PixelFormat: "yuv420p"} },
			func(v any) []string { return PicturesArgs(*v.(*Pictures)) },
			[]string{".Input.Location", ".Input.Demuxer"},
		},
		"split": {
			func() any { return &Split{Input: in(), Timebase: tb, Seconds: 2} },
			func(v any) []string { return SplitArgs(*v.(*Split)) },
			[]string{".Input.Location", ".Input.Demuxer"},
		},
		"text": {
			func() any {
				return &Sidecar{Input: in(), Subtitles: []SubtitleOutput{{Codec: "subrip", Muxer: "matroska", Path: "/out"}}, Cover: &CopiedStream{Path: "/c"}, Attachments: []CopiedStream{{Path: "/a"}}}
			},
			func(v any) []string { return SidecarArgs(*v.(*Sidecar)) },
			[]string{".Input.Location", ".Input.Demuxer", ".Tracks.Path", ".Cover.Path", ".Attached.Path"},
		},
		"remux": {
			func() any {
				return &Remux{
					Inputs: []RemuxInput{{Input: in(), Streams: []RemuxStream{{Codec: "subrip", Language: "deu", Title: "t", Flags: []string{"dub"}}}}},
					Tags:   []media.Tag{{Name: "title", Value: "t"}}, Chapters: "/c", Attachments: []Attachment{{"/a", "a", "font/ttf"}}, Muxer: "matroska", Path: "/out",
				}
			},
			func(v any) []string { return RemuxArgs(*v.(*Remux)) },
			[]string{
				".Inputs.Input.Location", ".Inputs.Input.Demuxer", ".Inputs.Streams.Language", ".Inputs.Streams.Title",
				".Tags.Value", ".Chapters", ".Attached.Path", ".Attached.Name", ".Attached.MIME", ".Path",
			},
		},
	} {
		var fields []string
		texts(reflect.ValueOf(c.of()), "", func(path string, _ reflect.Value) { fields = append(fields, path) })
		slices.Sort(fields)
		for _, field := range slices.Compact(fields) {
			if strings.HasSuffix(field, ".Next") || strings.HasSuffix(field, ".Previous") {
				continue // names of our own (Split), joined with "|"
			}
			if field == ".Tags.Name" {
				continue // a constant
			}
			clean := c.args(c.of())
			for _, text := range hostile {
				v := c.of()
				texts(reflect.ValueOf(v), "", func(path string, f reflect.Value) {
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
						t.Errorf("%s%s = %q does not stand at the end of the argument %q", name, field, text, arg)
					}
				}
				if slices.Contains(c.free, field) && len(args) != len(clean) {
					t.Errorf("%s%s = %q makes %d arguments of %d", name, field, text, len(args), len(clean))
				}
			}
		}
	}
}

// Whoever opens a source bounds what it may claim, before it is opened.
func TestEveryInputIsBounded(t *testing.T) {
	in := Input{Location: "/in", Demuxer: "mov"}
	for name, args := range map[string][]string{
		"video":    VideoArgs(Video{Input: in, Timebase: media.Rational{Num: 1, Den: 25}}),
		"audio":    AudioArgs(Audio{Input: in, Codec: "copy", Muxer: "mp4", Path: "/out"}),
		"pictures": PicturesArgs(Pictures{Input: in, Timebase: media.Rational{Num: 1, Den: 25}, Width: 16, Height: 16, PixelFormat: "yuv420p"}),
		"split":    SplitArgs(Split{Input: in, Timebase: media.Rational{Num: 1, Den: 25}, Seconds: 2}),
		"text":     SidecarArgs(Sidecar{Input: in, Cover: &CopiedStream{Path: "/c"}}),
		"remux":    RemuxArgs(Remux{Inputs: []RemuxInput{{Input: in}, {Input: in}}, Chapters: "/c", Muxer: "webm", Path: "/out"}),
	} {
		inputs := 0
		for len(args) > 0 {
			n := slices.Index(args, "-i")
			if n < 0 {
				break
			}
			before := strings.Join(args[:n], " ")
			if args[n-1] != "ffmetadata" { // a text of our own
				inputs++
				if !strings.Contains(before, limited) {
					t.Errorf("%s opens an input after %q", name, before)
				}
			}
			args = args[n+1:]
		}
		if want := map[bool]int{false: 1, true: 2}[name == "remux"]; inputs != want {
			t.Errorf("%s opens %d inputs, want %d", name, inputs, want)
		}
	}
}

// Every word that this ffmpeg has for a pixel format may stand in a graph.
func TestEveryPixelFormatIsDeclared(t *testing.T) {
	n := 0
	for line := range strings.Lines(sh(t, found(t).FFmpeg, "-v", "error", "-pix_fmts")) {
		fields := strings.Fields(line)
		if len(fields) < 4 || strings.Trim(fields[0], "IOHPB.") != "" || fields[1] == "=" {
			continue
		}
		if n++; !declared(fields[1]) {
			t.Errorf("%s is not taken for a pixel format", fields[1])
		}
	}
	if n < 100 {
		t.Errorf("%d pixel formats were seen", n)
	}
}
