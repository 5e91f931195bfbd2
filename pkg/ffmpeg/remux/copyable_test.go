package remux

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/encode"
	"github.com/mapreel/mapreel/pkg/ffmpeg/internal/ffmpegtest"
	"github.com/mapreel/mapreel/pkg/process"
)

// CopyableTo must not allow what the muxers refuse. Codecs that ffmpeg 5.1 cannot encode are not
// tested.
func TestCopyableAudioIsAcceptedByTheMuxers(t *testing.T) {
	tools := ffmpegtest.Find(t)
	for _, audio := range []struct{ codec, encoder string }{
		{"aac", "aac"},
		{"ac3", "ac3"},
		{"eac3", "eac3"},
		{"mp3", "libmp3lame"},
		{"mp2", "mp2"},
		{"opus", "libopus"},
		{"vorbis", "libvorbis"},
		{"flac", "flac"},
		{"alac", "alac"},
		{"dts", "dca"},
		{"truehd", "truehd"},
		{"tta", "tta"},
		{"wavpack", "wavpack"},
		{"pcm_s16le", "pcm_s16le"},
		{"pcm_s24le", "pcm_s24le"},
		{"pcm_f32le", "pcm_f32le"},
	} {
		path := ffmpegtest.Tone(t, "a.mka", "2", "-ac", "2", "-c:a", audio.encoder, "-strict", "experimental", "-f", "matroska")
		in, stream := ffmpegtest.Stream(t, tools, path, "matroska", "audio")
		if stream.Codec != audio.codec {
			t.Fatalf("%s wrote %q, want %q", audio.encoder, stream.Codec, audio.codec)
		}
		want := len(ffmpegtest.Packets(t, path, "a:0"))
		for container, muxer := range map[string]string{"mp4": "mp4", "mkv": "matroska"} {
			if !CopyableTo(audio.codec, container) {
				continue
			}
			a := encode.Audio{Input: in, Stream: stream.Index, Codec: "copy", Muxer: muxer, Path: filepath.Join(t.TempDir(), "a."+container)}
			if _, err := ffmpeg.Run(t.Context(), tools.FFmpeg, encode.AudioArgs(a), ffmpeg.RunOptions{Limits: process.Unlimited()}); err != nil {
				t.Errorf("%s to %s: %v", audio.codec, container, err)
				continue
			}
			if got := len(ffmpegtest.Packets(t, a.Path, "a:0")); got != want {
				t.Errorf("%s to %s: %d packets of %d", audio.codec, container, got, want)
			}
		}
		out := filepath.Join(t.TempDir(), "a.webm")
		err := exec.CommandContext(t.Context(), "ffmpeg", "-v", "quiet", "-nostdin", "-i", path, "-c", "copy", "-f", "webm", out).Run()
		if CopyableTo(audio.codec, "webm") != (err == nil) {
			t.Errorf("%s to webm: CopyableTo is %v, the muxer's result is %v", audio.codec, CopyableTo(audio.codec, "webm"), err)
		}
	}
	if CopyableTo("aac", "avi") || CopyableTo("", "mp4") {
		t.Error("CopyableTo is true for an unknown container or codec")
	}
}
