package ffmpeg_test

import (
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/encode"
	"github.com/mapreel/mapreel/pkg/ffmpeg/internal/ffmpegtest"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/process"
)

// Every kind of failure that can be provoked with the ffmpeg of this machine.
func TestFailuresHaveTheirKindAndOneLine(t *testing.T) {
	tools := ffmpegtest.Find(t)
	film := ffmpegtest.Clip(t, "film.mp4", 1, "-c:v", "libx264", "-preset", "ultrafast")
	data, err := os.ReadFile(film)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	cut := write("cut.mp4", data[:len(data)/2])
	random := write("random.mkv", []byte("\x1a\x45\xdf\xa3 but nothing that follows"))
	playlist := write("list.m3u8", []byte("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nhttp://127.0.0.1/a.ts\n#EXT-X-ENDLIST\n"))

	answers := map[string]int{"/403": 403, "/404": 404, "/500": 500, "/503": 503}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if status, ok := answers[r.URL.Path]; ok {
			w.WriteHeader(status)
			return
		}
		http.ServeFile(w, r, film)
	}))
	defer server.Close()
	secure := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, film) }))
	secure.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) // it logs each handshake that ffmpeg aborts
	secure.StartTLS()
	defer secure.Close()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := "http://" + listener.Addr().String() + "/film.mp4"
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}

	from := func(location, demuxer string) encode.Video {
		return encode.Video{
			Input: ffmpeg.Input{Location: location, Demuxer: demuxer}, Timebase: media.Rational{Num: 1, Den: 12800},
			Renditions: []encode.Rendition{{Codec: "h264", CRF: 30, Preset: "ultrafast", PixelFormat: "yuv420p", Path: filepath.Join(dir, "out.mp4")}},
		}
	}
	to := func(change func(*encode.Video)) encode.Video {
		v := from(film, "mov")
		change(&v)
		return v
	}
	for _, test := range []struct {
		name string
		v    encode.Video
		kind fault.Kind
		text string
		not  string
	}{
		{name: "disk full", v: to(func(v *encode.Video) { v.Renditions[0].Path = "/dev/full" }), kind: fault.OutOfSpace, text: "No space left on device"},
		{name: "no source", v: from(filepath.Join(dir, "no such.mp4"), "mov"), kind: fault.NotFound, text: "no such.mp4"},
		{name: "no folder", v: to(func(v *encode.Video) { v.Renditions[0].Path = filepath.Join(dir, "no/out.mp4") }), kind: fault.NotFound, text: "out.mp4"},
		{name: "a folder as output", v: to(func(v *encode.Video) { v.Renditions[0].Path = dir }), kind: fault.Invalid, text: "Is a directory"},
		{name: "cut short", v: from(cut, "mov"), kind: fault.Corrupt, text: "moov atom not found"},
		{name: "only a header", v: from(random, "matroska"), kind: fault.Corrupt, text: "random.mkv"},
		{name: "no such stream", v: to(func(v *encode.Video) { v.Stream = 7 }), kind: fault.NotFound, text: "matches no streams"},
		{name: "no such encoder", v: to(func(v *encode.Video) { v.Renditions[0].Codec = "libnothing" }), kind: fault.Unsupported, text: "libnothing"},
		{name: "no such demuxer", v: from(film, "nothing"), kind: fault.Unsupported, text: "nothing"},
		{name: "no GPU", v: to(func(v *encode.Video) { v.Renditions[0].GPU, v.Renditions[0].Preset = true, "p4" }), kind: fault.Unsupported, text: ""},
		{name: "no such preset of x264", v: to(func(v *encode.Video) { v.Renditions[0].Preset = "quick" }), kind: fault.Invalid, text: "quick"},
		{name: "no such preset of x265", v: to(func(v *encode.Video) { v.Renditions[0].Codec, v.Renditions[0].Preset = "h265", "quick" }), kind: fault.Invalid, text: "quick"},
		{name: "no such preset of VP9", v: to(func(v *encode.Video) { v.Renditions[0].Codec, v.Renditions[0].Preset = "vp9", "quick" }), kind: fault.Invalid, text: "quick"},
		{name: "an odd size", v: to(func(v *encode.Video) { v.Renditions[0].Width, v.Renditions[0].Height = 31, 31 }), kind: fault.Unsupported, text: "not divisible by 2"},
		{name: "a playlist of other files", v: from(playlist, "hls"), kind: fault.Invalid, text: "not on whitelist"},
		{name: "403", v: from(server.URL+"/403?X-Amz-Signature=secret", "mov"), kind: fault.Transient, text: "403", not: "secret"},
		{name: "404", v: from(server.URL+"/404?X-Amz-Signature=secret", "mov"), kind: fault.NotFound, text: "404", not: "secret"},
		{name: "connection refused", v: from(closed, "mov"), kind: fault.Transient, text: "Connection refused"},
		{name: "untrusted certificate", v: from(secure.URL+"/film.mp4", "mov"), kind: fault.Invalid, text: ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := ffmpeg.Run(t.Context(), tools.FFmpeg, encode.VideoArgs(test.v), ffmpeg.RunOptions{Limits: process.Unlimited()})
			if fault.KindOf(err) != test.kind {
				var exit *ffmpeg.ExitError
				errors.As(err, &exit)
				t.Fatalf("error %v of kind %q, want %q; all of it:\n%v", err, fault.KindOf(err), test.kind, exit)
			}
			if !strings.Contains(err.Error(), test.text) || strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "@ 0x") {
				t.Errorf("error %q, want one clear line with %q", err, test.text)
			}
			var exit *ffmpeg.ExitError
			if !errors.As(err, &exit) || exit.Code == 0 || exit.Tail == "" {
				t.Errorf("%#v, want the exit code and the tail", exit)
			}
			if test.not != "" && strings.Contains(err.Error()+exit.Tail, test.not) {
				t.Errorf("the error contains the signature: %q, %q", err, exit.Tail)
			}
		})
	}
}

func TestRequireNamesMissingEncoders(t *testing.T) {
	tools := ffmpegtest.Find(t)
	var need []string
	for _, codec := range []string{"h264", "h265", "vp9", "av1"} {
		encoder, ok := encode.Encoder(codec, false)
		if !ok {
			t.Fatalf("no encoder for %s", codec)
		}
		need = append(need, encoder)
	}
	for _, codec := range []string{"aac", "opus"} {
		encoder, _ := encode.AudioEncoder(codec)
		need = append(need, encoder)
	}
	if err := tools.Require(t.Context(), need); err != nil {
		t.Errorf("Require(%v): %v", need, err)
	}
	err := tools.Require(t.Context(), []string{"libx264", "libnothing"})
	if fault.KindOf(err) != fault.Unsupported || !strings.Contains(err.Error(), "libnothing") || strings.Contains(err.Error(), "libx264") {
		t.Errorf("error %v of kind %q, want Unsupported with libnothing only", err, fault.KindOf(err))
	}
	if _, ok := encode.Encoder("vp9", true); ok {
		t.Error("Encoder returns an NVENC encoder for VP9")
	}
}
