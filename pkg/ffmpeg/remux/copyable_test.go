package remux

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
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
	audios := []struct{ codec, encoder string }{
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
	}
	// One start of ffmpeg makes all sources, because a start takes longer than the work.
	dir := t.TempDir()
	source := func(codec string) string { return filepath.Join(dir, codec+".mka") }
	makeAll := []string{"-v", "error", "-nostdin", "-f", "lavfi", "-i", "sine=f=330:d=2:r=48000"}
	for _, audio := range audios {
		makeAll = append(makeAll, "-ac", "2", "-c:a", audio.encoder, "-strict", "experimental", "-f", "matroska", source(audio.codec))
	}
	ffmpegtest.Exec(t, "ffmpeg", makeAll...)
	var originals, copies []string
	for _, audio := range audios {
		path := source(audio.codec)
		in, stream := ffmpegtest.Stream(t, tools, path, "matroska", "audio")
		if stream.Codec != audio.codec {
			t.Fatalf("%s wrote %q, want %q", audio.encoder, stream.Codec, audio.codec)
		}
		for container, muxer := range map[string]string{"mp4": "mp4", "mkv": "matroska"} {
			if !CopyableTo(audio.codec, container) {
				continue
			}
			a := encode.Audio{Input: in, Stream: stream.Index, Codec: "copy", Muxer: muxer, Path: filepath.Join(dir, audio.codec+"."+container)}
			if _, err := ffmpeg.Run(t.Context(), tools.FFmpeg, encode.AudioArgs(a), ffmpeg.RunOptions{Limits: process.Unlimited()}); err != nil {
				t.Errorf("%s to %s: %v", audio.codec, container, err)
				continue
			}
			originals, copies = append(originals, path), append(copies, a.Path)
		}
		out := filepath.Join(t.TempDir(), "a.webm")
		err := exec.CommandContext(t.Context(), "ffmpeg", "-v", "quiet", "-nostdin", "-i", path, "-c", "copy", "-f", "webm", out).Run()
		if CopyableTo(audio.codec, "webm") != (err == nil) {
			t.Errorf("%s to webm: CopyableTo is %v, the muxer's result is %v", audio.codec, CopyableTo(audio.codec, "webm"), err)
		}
	}
	counts := countPackets(t, slices.Concat(slices.Compact(slices.Clone(originals)), copies))
	for i, copied := range copies {
		if got, want := counts[copied], counts[originals[i]]; got != want || want == 0 {
			t.Errorf("%s: %d packets of %d", filepath.Base(copied), got, want)
		}
	}
	if CopyableTo("aac", "avi") || CopyableTo("", "mp4") {
		t.Error("CopyableTo is true for an unknown container or codec")
	}
}

// countPackets returns the number of packets of audio files, by one start of ffmpeg.
func countPackets(t *testing.T, paths []string) map[string]int {
	t.Helper()
	var args, outputs []string
	dir := t.TempDir()
	list := func(i int) string { return filepath.Join(dir, strconv.Itoa(i)) }
	for i, path := range paths {
		args = append(args, "-i", "file:"+path)
		outputs = append(outputs, "-map", strconv.Itoa(i)+":a:0", "-c", "copy", "-copypriorss", "1", "-f", "framecrc", list(i))
	}
	ffmpegtest.Exec(t, "ffmpeg", slices.Concat([]string{"-v", "error", "-nostdin", "-copyts"}, args, outputs)...)
	counts := map[string]int{}
	for i, path := range paths {
		data, err := os.ReadFile(list(i))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(data)) {
			if !strings.HasPrefix(line, "#") {
				counts[path]++
			}
		}
	}
	return counts
}
