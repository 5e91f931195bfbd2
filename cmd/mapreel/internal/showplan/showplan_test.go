package showplan

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/media"
)

func TestAPlanIsWrittenForPeople(t *testing.T) {
	const second = film.Seconds(1e9)
	p := Plan{
		Job: "j1", Source: "/in/a.mkv", Outputs: []string{"file:///out/a.mp4"},
		Video:      &film.VideoTrack{Codec: "mpeg2video", Width: 720, Height: 576, PixelFormat: "yuv422p", FrameRate: media.Rational{Num: 30000, Den: 1001}},
		Audio:      []film.AudioTrack{{Codec: "ac3", Channels: 6, SampleRate: 48000, Language: "eng"}, {Codec: "aac", Channels: 2, SampleRate: 44100}},
		Subtitles:  []film.SubtitleTrack{{Codec: "subrip", Title: "notes"}},
		Renditions: []film.Rendition{{Codec: film.H264, Width: 720, Height: 576, CRF: 21, Preset: "medium", PixelFormat: "yuv420p", Deinterlace: true, MaxBitrate: 4_000_000}},
		AudioRenditions: []film.AudioRendition{
			{Track: 0, Codec: film.AudioCopy}, {Track: 1, Codec: film.AAC, Bitrate: 160_000, Parts: 3},
		},
		SubtitleRenditions: []film.SubtitleRendition{{Codec: "mov_text"}},
		Files:              []film.OutputPlan{{Renditions: []int{0}, Audio: []int{0, 1}, Subtitles: []int{0}}},
		Losses:             []string{"more chroma\x1b than that"},
		Segments: []Piece{
			{Start: 0, End: 10 * second, Frames: 300, Boundary: atBeginning},
			{Start: 10 * second, End: 3700 * second, Boundary: film.AtLength, Decoded: 8 * second},
		},
		Commands: []Command{
			{"audio/00000", []string{"/usr/bin/ffmpeg", "-i", "file:/in/it's.mkv"}},
			{"video/00000", []string{"ffmpeg", "1"}},
			{"video/00001", []string{"ffmpeg", "2"}},
			{"video/00002", []string{"ffmpeg", "3"}},
		},
	}
	const want = `job         j1
source      /in/a.mkv
  video     mpeg2video 720x576, yuv422p, about 29.97 fps
  audio     1: ac3, 6 channels, 48000 Hz, eng
  audio     2: aac, 2 channels, 44100 Hz
  subtitles 1: subrip, notes
output      /out/a.mp4
  video     h264 720x576, CRF 21, preset medium, yuv420p, at most 4000k, deinterlaced
  audio     track 1: copied
  audio     track 2: aac, 160k, in 3 parts
  subtitles track 1: mov_text
loss        more chroma\u001b than that

SEGMENT   FROM           TO             FRAMES  BEGINS AT
1         0:00:00.000    0:00:10.000    300     beginning
2         0:00:10.000    1:01:40.000    ?       length (decoded from the keyframe at 0:00:08.000)

COMMANDS (in the folder of each unit)
audio/00000:
  /usr/bin/ffmpeg -i 'file:/in/it'\''s.mkv'
video/00000:
  ffmpeg 1
video/00001:
  ffmpeg 2
and 1 more of video, for other times
`
	var b strings.Builder
	Write(&b, p)
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Error(diff)
	}
}
