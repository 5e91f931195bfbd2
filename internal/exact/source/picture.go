package source

import (
	"errors"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"

	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/overlay"
	"github.com/mapreel/mapreel/pkg/film/subtitle"
	"github.com/mapreel/mapreel/pkg/film/target"
)

// bars draws black bars over the upper and the lower edge of a picture of 160x96.
const bars = "drawbox=y=0:h=14:color=black:t=fill,drawbox=y=82:h=14:color=black:t=fill"

// logo is the picture that lies over some of them, of 48x24, and overlaid the beginning of ffmpeg's filters that lay it there.
const (
	logo     = folder + "/logo.png"
	overlaid = "null[below];movie=" + logo + "[layer];[below][layer]overlay="
)

// preset returns the settings of a preset.
func preset(name string) Tracks { return Tracks{Request: film.Output{Preset: name}} }

// withLogo writes the logo beside what another function makes.
func withLogo(of func(*builder) error) func(*builder) error {
	return func(b *builder) error {
		img := image.NewNRGBA(image.Rect(0, 0, 48, 24))
		for y := range 24 {
			for x := range 48 {
				img.Set(x, y, color.NRGBA{R: 255 * uint8(x/24), G: 255 * uint8(y/12), B: 64, A: 255 - 90*uint8(x/36)}) //nolint:gosec // small numbers
			}
		}
		f, err := os.Create(filepath.Join(b.dir, "logo.png"))
		if err != nil {
			return err
		}
		return errors.Join(png.Encode(f, img), f.Close(), of(b))
	}
}

// withScript writes subtitles beside what another function makes: across both seams, placed and moving ones at the same time as others.
func withScript(of func(*builder) error) func(*builder) error {
	const script = `[Script Info]
ScriptType: v4.00+
PlayResX: 160
PlayResY: 96
[V4+ Styles]
Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, Underline, StrikeOut, ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding
Style: Default,DejaVu Sans,20,&H00FFFFFF,&H00FFFFFF,&H00000000,&H00000000,0,0,0,0,100,100,0,0,1,2,0,2,4,4,4,1
[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
Dialogue: 0,0:00:01.50,0:00:02.60,Default,,0,0,0,,Across
Dialogue: 0,0:00:01.00,0:00:05.00,Default,,0,0,0,,{\move(20,20,140,60)\t(\frz90)}o
Dialogue: 0,0:00:03.20,0:00:04.80,Default,,0,0,0,,{\fad(700,700)}fading
`
	return func(b *builder) error {
		return errors.Join(os.WriteFile(filepath.Join(b.dir, "burn.ass"), []byte(script), 0o600), of(b))
	}
}

// pictureSources are encoded with settings of the picture.
func pictureSources() []Source {
	plain := encode(videoInput("160x96", "24", "6"), usualAudio(), x264(""), aac())
	// PCM has no priming. AAC has negative times in a Matroska file of ffmpeg 7.1: one pass then moves the picture, but not the subtitles that its filter reads.
	titled := encode(videoInput("160x96", "24", "6"), usualAudio(), split("-i burn.ass -map 0 -map 1 -map 2"), x264(""), split("-c:a pcm_s16le -c:s ass -metadata:s:s:0 language=eng"))
	return []Source{
		{Name: "cropped", File: "in.mp4", make: plain, Video: film.Video{Crop: "120:64:26:14"}, Filter: "crop=120:64:26:14", Crop: film.Region{Width: 120, Height: 64, X: 26, Y: 14}},
		{
			Name: "cropped to what is not black", File: "in.mkv", make: encode(videoInput("160x96", "24", "6"), usualAudio(), []string{"-vf", bars}, x264(""), aac()),
			Video: film.Video{Crop: film.AutoCrop}, Filter: "crop=160:68:0:14", Crop: film.Region{Width: 160, Height: 68, Y: 14},
		},
		{Name: "tuned for animation", File: "in.mp4", make: plain, Video: film.Video{Tune: "animation"}, Options: "-tune animation"},
		{
			Name: "options of x264, a profile and a level", File: "in.mp4", make: plain, Options: "-x264-params aq-mode=3:qcomp=0.7:rc-lookahead=20:bframes=4 -profile:v main -level 3.1",
			Video: film.Video{EncoderOptions: "aq-mode=3:qcomp=0.7:rc-lookahead=20:bframes=4", Profile: "main", Level: "3.1"},
		},
		{Name: "10 bits of H.264", File: "in.mp4", make: plain, Video: film.Video{BitDepth: 10}, Options: "-pix_fmt yuv420p10le"},
		{Name: "options of x265 in 10 bits", File: "in.mp4", make: plain, Codec: film.H265, Video: film.Video{Profile: "main10", EncoderOptions: "sao=0:psy-rd=1"}, Options: "-pix_fmt yuv420p10le"},
		{Name: "film grain of AV1", File: "in.mp4", make: plain, Codec: film.AV1, Video: film.Video{Grain: 8, EncoderOptions: "film-grain-denoise=0"}, Options: "-svtav1-params film-grain=8:film-grain-denoise=0"},
		{Name: "options of VP9", File: "in.mp4", make: plain, Codec: film.VP9, Output: film.Matroska, Video: film.Video{EncoderOptions: "tune-content=1:aq-mode=0"}, Options: "-tune-content 1 -aq-mode 0"},
		{Name: "an average bit rate", File: "in.mp4", make: plain, Video: film.Video{Bitrate: 600_000}},
		{Name: "a target quality", File: "in.mp4", make: plain, Video: film.Video{Quality: &target.Quality{Target: 40}}},
		{
			Name: "filtered", File: "in.mp4", make: plain, Video: film.Video{Filter: "vaguedenoiser=threshold=3,eq=contrast=1.1:saturation=0.8,hflip"},
			Filter: "vaguedenoiser=threshold=3,eq=contrast=1.1:saturation=0.8,hflip",
		},
		{Name: "filtered in RGB", File: "in.mp4", make: plain, Video: film.Video{Filter: "colorbalance=rs=0.3:bh=-0.2,curves=all=0/0 0.5/0.6 1/1"}, Filter: "scale=in_color_matrix=bt601:in_range=tv,format=gbrp,colorbalance=rs=0.3:bh=-0.2,curves=all='0/0 0.5/0.6 1/1',scale=out_color_matrix=bt601:out_range=tv,format=yuv420p"},
		{
			Name: "overlaid", File: "in.mp4", make: withLogo(plain), Video: film.Video{Overlay: &overlay.Overlay{Image: logo, At: overlay.BottomLeft, Height: 25, Margin: new(0)}},
			Filter: overlaid + "0:72:format=yuv420",
		},
		{
			Name: "overlaid on a clock of 10 MHz", File: "in.mp4", Video: film.Video{Pad: "192:160", Overlay: &overlay.Overlay{Image: logo, At: overlay.Center, Height: 25}},
			make:   withLogo(encode(videoInput("160x96", "24", "6"), usualAudio(), x264(""), aac(), []string{"-video_track_timescale", "10000000"})),
			Filter: overlaid + "56:36:format=yuv420,pad=192:160:16:32", Picture: film.Region{Width: 160, Height: 96, X: 16, Y: 32},
		},
		{
			Name: "subtitles in the picture", File: "in.mp4", make: withScript(plain), Video: film.Video{Burn: &subtitle.Burn{File: folder + "/burn.ass"}},
			Filter: "ass=filename=" + folder + "/burn.ass",
		},
		{
			Name: "a subtitle track in the picture", File: "in.mkv", make: withScript(titled), Video: film.Video{Burn: &subtitle.Burn{Track: "eng"}},
			Filter: "subtitles=filename=" + folder + "/in.mkv",
		},
		{Name: "the preset web", File: "in.mp4", make: plain, Tracks: preset("web"), Options: "-crf 21 -preset medium -profile:v high -maxrate 8M -bufsize 16M"},
		{Name: "the preset archive", File: "in.mp4", make: plain, Codec: film.H265, Output: film.Matroska, Tracks: preset("archive"), Options: "-crf 18 -preset slow -pix_fmt yuv420p10le -x265-params log-level=none"},
		{Name: "the preset phone", File: "in.mp4", make: plain, Tracks: preset("phone"), Options: "-crf 23 -preset medium -profile:v high -maxrate 4M -bufsize 8M"},
		{Name: "the preset editing-proxy", File: "in.mp4", make: plain, Tracks: preset("editing-proxy"), Options: "-crf 23 -preset veryfast -tune fastdecode -bf 0"},
		{Name: "padded", File: "in.mp4", make: plain, Video: film.Video{Pad: "192:160"}, Filter: "pad=192:160:16:32", Picture: film.Region{Width: 160, Height: 96, X: 16, Y: 32}},
	}
}
