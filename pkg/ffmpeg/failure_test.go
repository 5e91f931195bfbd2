package ffmpeg

import (
	"errors"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/media"
)

// Every kind of failure that can be provoked, by the ffmpeg of this machine failing.
func TestFailuresCarryTheirKindAndOneTellingLine(t *testing.T) {
	tools := found(t)
	film := clip(t, "film.mp4", 1, "-c:v", "libx264", "-preset", "ultrafast")
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
	secure.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError) // it complains of each handshake that ffmpeg breaks off
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

	from := func(location, demuxer string) Video {
		return Video{
			Input: Input{Location: location, Demuxer: demuxer}, Timebase: media.Rational{Num: 1, Den: 12800},
			Renditions: []Rendition{{Codec: "h264", CRF: 30, Preset: "ultrafast", PixelFormat: "yuv420p", Path: filepath.Join(dir, "out.mp4")}},
		}
	}
	to := func(change func(*Video)) Video {
		v := from(film, "mov")
		change(&v)
		return v
	}
	for _, test := range []struct {
		name  string
		v     Video
		kind  fault.Kind
		says  string
		never string
	}{
		{name: "disk full", v: to(func(v *Video) { v.Renditions[0].Path = "/dev/full" }), kind: fault.OutOfSpace, says: "No space left on device"},
		{name: "no source", v: from(filepath.Join(dir, "no such.mp4"), "mov"), kind: fault.NotFound, says: "no such.mp4"},
		{name: "no folder", v: to(func(v *Video) { v.Renditions[0].Path = filepath.Join(dir, "no/out.mp4") }), kind: fault.NotFound, says: "out.mp4"},
		{name: "a folder as output", v: to(func(v *Video) { v.Renditions[0].Path = dir }), kind: fault.Invalid, says: "Is a directory"},
		{name: "cut short", v: from(cut, "mov"), kind: fault.Corrupt, says: "moov atom not found"},
		{name: "nothing but a header", v: from(random, "matroska"), kind: fault.Corrupt, says: "random.mkv"},
		{name: "no such stream", v: to(func(v *Video) { v.Stream = 7 }), kind: fault.NotFound, says: "matches no streams"},
		{name: "no such encoder", v: to(func(v *Video) { v.Renditions[0].Codec = "libnothing" }), kind: fault.Unsupported, says: "libnothing"},
		{name: "no such demuxer", v: from(film, "nothing"), kind: fault.Unsupported, says: "nothing"},
		{name: "no GPU", v: to(func(v *Video) { v.Renditions[0].GPU, v.Renditions[0].Preset = true, "p4" }), kind: fault.Unsupported, says: ""},
		{name: "no such preset of x264", v: to(func(v *Video) { v.Renditions[0].Preset = "quick" }), kind: fault.Invalid, says: "quick"},
		{name: "no such preset of x265", v: to(func(v *Video) { v.Renditions[0].Codec, v.Renditions[0].Preset = "h265", "quick" }), kind: fault.Invalid, says: "quick"},
		{name: "no such preset of VP9", v: to(func(v *Video) { v.Renditions[0].Codec, v.Renditions[0].Preset = "vp9", "quick" }), kind: fault.Invalid, says: "quick"},
		{name: "an odd size", v: to(func(v *Video) { v.Renditions[0].Width, v.Renditions[0].Height = 31, 31 }), kind: fault.Unsupported, says: "not divisible by 2"},
		{name: "a playlist of other files", v: from(playlist, "hls"), kind: fault.Invalid, says: "not on whitelist"},
		{name: "403", v: from(server.URL+"/403?X-Amz-Signature=secret", "mov"), kind: fault.Transient, says: "403", never: "secret"},
		{name: "404", v: from(server.URL+"/404?X-Amz-Signature=secret", "mov"), kind: fault.NotFound, says: "404", never: "secret"},
		{name: "connection refused", v: from(closed, "mov"), kind: fault.Transient, says: "Connection refused"},
		{name: "untrusted certificate", v: from(secure.URL+"/film.mp4", "mov"), kind: fault.Invalid, says: ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := Run(t.Context(), tools.FFmpeg, VideoArgs(test.v), RunOptions{})
			if fault.KindOf(err) != test.kind {
				var exit *ExitError
				errors.As(err, &exit)
				t.Fatalf("error %v of kind %q, want %q; all of it:\n%v", err, fault.KindOf(err), test.kind, exit)
			}
			if !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "@ 0x") {
				t.Errorf("error %q, want one clear line with %q", err, test.says)
			}
			var exit *ExitError
			if !errors.As(err, &exit) || exit.Code == 0 || exit.Tail == "" {
				t.Errorf("%#v, want the exit code and the tail", exit)
			}
			if test.never != "" && strings.Contains(err.Error()+exit.Tail, test.never) {
				t.Errorf("the error holds the signature: %q, %q", err, exit.Tail)
			}
		})
	}
}

// Failures that this machine cannot provoke, in ffmpeg's own words.
func TestFailuresAreExplainedFromTheTail(t *testing.T) {
	for _, test := range []struct {
		tail, line string
		kind       fault.Kind
	}{
		{
			"[https @ 0x55d] HTTP error 503 Slow Down\nhttps://b/k?X-Amz-Signature=s: Server returned 5XX Server Error reply\n",
			"https://b/k?X-Amz-Signature=s: Server returned 5XX Server Error reply", fault.Transient,
		},
		{"[tcp @ 0x1] Connection to tcp://1.2.3.4:443 failed: Connection timed out\nhttps://b/k: Connection timed out\n", "https://b/k: Connection timed out", fault.Transient},
		{"file:/a/film.mkv: End of file\n", "file:/a/film.mkv: End of file", fault.Corrupt},
		{"https://b/k: End of file\n", "https://b/k: End of file", fault.Transient},
		{"https://b/k: Connection reset by peer\n", "https://b/k: Connection reset by peer", fault.Transient},
		{"[tls @ 0x1] The certificate's issuer is unknown\nhttps://b/k: Input/output error", "The certificate's issuer is unknown", fault.Invalid},
		{"[h264_nvenc @ 0x2] Cannot load libcuda.so.1\nConversion failed!\n", "Cannot load libcuda.so.1", fault.Unsupported},
		{"x264 [error]: malloc of size 4096 failed\nConversion failed!\n", "x264 [error]: malloc of size 4096 failed", fault.OutOfSpace},
		{"something new\nError while filtering: x\nConversion failed!\n", "something new", fault.Internal},
		{"Conversion failed!\n\n", "", fault.Internal},
		{"", "", fault.Internal},
	} {
		line, kind, _ := explain(test.tail)
		if line != test.line || kind != test.kind {
			t.Errorf("%q: %q of kind %q, want %q of kind %q", test.tail, line, kind, test.line, test.kind)
		}
	}
}

func TestAKillFromOutsideIsWantOfMemory(t *testing.T) {
	_, err := Run(t.Context(), "/bin/sh", []string{"-c", "kill -KILL $$"}, RunOptions{})
	var exit *ExitError
	if fault.KindOf(err) != fault.OutOfSpace || !errors.As(err, &exit) || exit.Signal != syscall.SIGKILL || fault.HintOf(err) == "" {
		t.Errorf("error %v of kind %q with hint %q, want OutOfSpace", err, fault.KindOf(err), fault.HintOf(err))
	}
	_, err = Run(t.Context(), "/bin/sh", []string{"-c", "kill -SEGV $$"}, RunOptions{})
	if fault.KindOf(err) != fault.Transient || !strings.Contains(err.Error(), "segmentation") {
		t.Errorf("error %v of kind %q, want Transient and the signal", err, fault.KindOf(err))
	}
	_, err = Run(t.Context(), "/no/such/program", nil, RunOptions{})
	if fault.KindOf(err) != fault.Unsupported {
		t.Errorf("error %v of kind %q, want Unsupported", err, fault.KindOf(err))
	}
}
