package probe_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/internal/ffmpegtest"
	"github.com/mapreel/mapreel/pkg/ffmpeg/probe"
)

// ffmpegSources are arguments for one second of video and one of audio.
var ffmpegSources = []string{
	"-v", "error", "-nostdin", "-y", "-f", "lavfi", "-i", "testsrc2=size=64x64:rate=25:duration=1",
	"-f", "lavfi", "-i", "sine=sample_rate=48000:duration=1",
}

func TestSniffRecognisesRealFilesAndTheirDemuxerOpensThem(t *testing.T) {
	tools, dir := ffmpegtest.Find(t), t.TempDir()
	files := []struct {
		file string
		args string
		want probe.Container
	}{
		{"a.mp4", "", probe.Container{"MP4", "mov", true}},
		{"a.m4a", "-vn", probe.Container{"MP4", "mov", true}},
		{"fragmented.mp4", "-movflags frag_keyframe+empty_moov", probe.Container{"MP4", "mov", true}},
		{"a.mov", "", probe.Container{"QuickTime", "mov", true}},
		{"a.mkv", "", probe.Container{"Matroska", "matroska", true}},
		{"a.webm", "-c:v libvpx -deadline realtime -c:a libopus", probe.Container{"WebM", "matroska", true}},
		{"a.ts", "", probe.Container{"MPEG-TS", "mpegts", false}},
		{"a.m2ts", "-mpegts_m2ts_mode 1", probe.Container{"MPEG-TS", "mpegts", false}},
		{"a.mpg", "", probe.Container{"MPEG-PS", "mpeg", false}},
		{"a.vob", "", probe.Container{"MPEG-PS", "mpeg", false}},
		{"a.avi", "", probe.Container{"AVI", "avi", false}},
		{"a.flv", "-ar 44100", probe.Container{"FLV", "flv", false}},
		{"a.ogv", "", probe.Container{"Ogg", "ogg", false}},
		{"a.wmv", "", probe.Container{"ASF", "asf", false}},
		{"a.mxf", "-c:v mpeg2video -ar 48000", probe.Container{"MXF", "mxf", false}},
		{"a.wtv", "-c:v mpeg2video -c:a mp2", probe.Container{"WTV", "wtv", false}},
		{"a.apng", "-an", probe.Container{"APNG", "apng", false}},
		{"animated.png", "-an -f apng", probe.Container{"APNG", "apng", false}},
		{"a.nut", "", probe.Container{"NUT", "nut", false}},
		{"a.ivf", "-an -c:v libvpx -deadline realtime", probe.Container{"IVF", "ivf", false}},
		{"a.y4m", "-an", probe.Container{"YUV4MPEG2", "yuv4mpegpipe", false}},
		{"a.gif", "-an", probe.Container{"GIF", "gif", false}},
		{"a.dv", "-an -s 720x576 -pix_fmt yuv420p", probe.Container{"DV", "dv", false}},
		{"a.wav", "-vn", probe.Container{"WAV", "wav", false}},
		{"a.rf64.wav", "-vn -rf64 always", probe.Container{"WAV", "wav", false}},
		{"a.aiff", "-vn", probe.Container{"AIFF", "aiff", false}},
		{"a.mp3", "-vn", probe.Container{"MP3", "mp3", false}},
		{"bare.mp3", "-vn -write_xing 0 -id3v2_version 0", probe.Container{"MP3", "mp3", false}},
		{"a.mp2", "-vn -f mp2", probe.Container{"MP3", "mp3", false}},
		{"a.aac", "-vn", probe.Container{"AAC", "aac", false}},
		{"a.flac", "-vn", probe.Container{"FLAC", "flac", false}},
		{"a.ac3", "-vn", probe.Container{"AC-3", "ac3", false}},
		{"a.eac3", "-vn", probe.Container{"E-AC-3", "eac3", false}},
		{"a.caf", "-vn", probe.Container{"CAF", "caf", false}},
	}
	args := slices.Clone(ffmpegSources) // of one run that makes all of them: starting ffmpeg takes longer than a file
	for _, test := range files {
		args = append(append(args, strings.Fields(test.args)...), filepath.Join(dir, test.file))
	}
	ffmpegtest.Exec(t, "ffmpeg", args...)
	for _, test := range files {
		path := filepath.Join(dir, test.file)
		got, err := probe.Sniff(head(t, path), path)
		if err != nil || got != test.want {
			t.Errorf("%s: %+v, %v; want %+v", test.file, got, err, test.want)
			continue
		}
		if media, err := probe.Inspect(t.Context(), tools, ffmpeg.Input{Location: path, Demuxer: got.Demuxer}); err != nil || len(media.Streams) == 0 {
			t.Errorf("%s: the demuxer %s finds %d streams: %v", test.file, got.Demuxer, len(media.Streams), err)
		}
	}
}

// Its packs have 2048 bytes at the bit rate of the first file. The second one has a pack for each 0.1 s, or 90 kB, of its packets.
func TestSniffRecognisesAProgramStreamThatBeginsWithinAPack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.mpg")
	ffmpegtest.Exec(t, "ffmpeg", append(slices.Clone(ffmpegSources), path)...)
	whole := head(t, path)
	large := filepath.Join(t.TempDir(), "large.mpg")
	ffmpegtest.Exec(t, "ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=size=160x96:rate=50:duration=1", "-vf", "noise=alls=30:allf=t:all_seed=7",
		"-c:v", "mpeg1video", "-q:v", "3", "-bf", "0", large)
	if got, err := probe.Sniff(head(t, large)[20_000:], "large.mpg"); err != nil || got.Demuxer != "mpeg" {
		t.Errorf("large packs: %+v, %v", got, err)
	}
	for _, from := range []int{1, 100, 2047} {
		if got, err := probe.Sniff(whole[from:], "a.mpg"); err != nil || got.Demuxer != "mpeg" {
			t.Errorf("from byte %d on: %+v, %v", from, got, err)
		}
	}
	if got, err := probe.Sniff(append([]byte("PK\x03\x04"), whole...), "a.zip"); err == nil {
		t.Errorf("an archive that holds one: %+v", got)
	}
}

func head(t *testing.T, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data[:min(len(data), probe.SniffLength)]
}

func TestSniffNamesWhatIsNotAVideo(t *testing.T) {
	for _, test := range []struct {
		head, text string
		kind       fault.Kind
	}{
		{"", "is empty", fault.Invalid},
		{"#EXTM3U\n#EXT-X-VERSION:3\n", "HLS playlist", fault.Invalid},
		{"\xef\xbb\xbf  #EXTM3U\n", "HLS playlist", fault.Invalid},
		{"ffconcat version 1.0\nfile '/etc/passwd'\n", "concat script", fault.Invalid},
		{"[playlist]\nFile1=x\n", "PLS playlist", fault.Invalid},
		{"<?xml version=\"1.0\"?><MPD>", "XML document", fault.Invalid},
		{"<MPD xmlns=", "DASH manifest", fault.Invalid},
		{"<svg xmlns=", "SVG picture", fault.Invalid},
		{"<!DOCTYPE html><html>", "HTML page", fault.Invalid},
		{"{\"a\": 1}", "JSON document", fault.Invalid},
		{"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\n", "SDP", fault.Invalid},
		{";FFMETADATA1\n", "metadata file", fault.Invalid},
		{"WEBVTT\n\n", "WebVTT", fault.Invalid},
		{"file 'a.mp4'\nfile 'b.mp4'\n", "looks like text", fault.Invalid},
		{"1\n00:00:01,000 --> 00:00:02,000\nÜber Größe\n", "looks like text", fault.Invalid},
		{"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", "PNG picture", fault.Invalid},
		{"\xff\xd8\xff\xe0\x00\x10JFIF", "JPEG picture", fault.Invalid},
		{"%PDF-1.7\n", "PDF document", fault.Invalid},
		{"PK\x03\x04\x14\x00", "ZIP archive", fault.Invalid},
		{"\x7fELF\x02\x01", "program", fault.Invalid},
		{"\x00\x00\x00\x1cftypavif\x00\x00\x00\x00", "none of the containers", fault.Invalid},
		{"\x00\x00\x00\x00\x00\x00\x00\x00\x00", "zeros", fault.Invalid},
		{"\x00\x00\x00\x02moov", "none of the containers", fault.Invalid},
		{"RIFF\x00\x00\x00\x00WEBPVP8 ", "none of the containers", fault.Invalid},
		{"\x1a\x45\xdf\xa3\x42\x82\x84test", "none of the containers", fault.Invalid},
		{"G", "looks like text", fault.Invalid},
		{"\x93\x01\xfe random", "none of the containers", fault.Invalid},
		{"\x00\x00\x00\x01\x67\x64\x00\x1f", "raw H.264", fault.Unsupported},
		{"\x00\x00\x00\x01\x40\x01\x0c\x01", "raw H.265", fault.Unsupported},
		{"\x00\x00\x01\xb3\x14\x00\xf0", "raw MPEG video", fault.Unsupported},
	} {
		got, err := probe.Sniff([]byte(test.head), "/some/folder/film.bin")
		if err == nil {
			t.Errorf("%q is recognised as %+v", test.head, got)
			continue
		}
		if fault.KindOf(err) != test.kind || !strings.Contains(err.Error(), test.text) ||
			!strings.Contains(err.Error(), "film.bin") || strings.Contains(err.Error(), "/some") {
			t.Errorf("%q: error %q of kind %q, want %q of kind %q", test.head, err, fault.KindOf(err), test.text, test.kind)
		}
	}
}

func TestSniffFindsATransportStreamThatBeginsWithinAPacket(t *testing.T) {
	packet := "\x47\x40\x00\x10" + strings.Repeat("x", 184)
	stream := strings.Repeat(packet, 8)
	for _, skipped := range []int{0, 1, 100, 187} {
		if got, err := probe.Sniff([]byte(stream[skipped:]), "a"); err != nil || got.Demuxer != "mpegts" {
			t.Errorf("from byte %d: %+v, %v", skipped, got, err)
		}
	}
	if got, err := probe.Sniff([]byte(strings.Repeat("\x47"+strings.Repeat("x", 99), 20)), "a"); err == nil {
		t.Errorf("packets of 100 bytes are recognised as %+v", got)
	}
}

// EBML codes a size in as many bytes as the writer likes (RFC 8794, 4.4).
func TestTheDocTypeMayHaveASizeOfAnyLength(t *testing.T) {
	for length := 1; length <= 8; length++ {
		size := make([]byte, length)
		size[0] = 0x80 >> (length - 1)
		size[length-1] |= byte(len("matroska"))
		head := "\x1a\x45\xdf\xa3\x94\x42\x82" + string(size) + "matroska\x42\x87\x81\x04"
		if c, err := probe.Sniff([]byte(head), "film.mkv"); err != nil || c.Name != "Matroska" {
			t.Errorf("a size in %d bytes: %+v, %v", length, c, err)
		}
	}
	for _, head := range []string{"\x1a\x45\xdf\xa3\x42\x82", "\x1a\x45\xdf\xa3\x42\x82\x00", "\x1a\x45\xdf\xa3\x42\x82\x01\xff\xff"} {
		if c, err := probe.Sniff([]byte(head), "film.mkv"); err == nil {
			t.Errorf("%q is %+v", head, c)
		}
	}
}

func FuzzSniff(f *testing.F) {
	for _, seed := range []string{
		"", "#EXTM3U\n", "\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82\x88matroska", "\x1a\x45\xdf\xa3\x42\x82\xff",
		"\x00\x00\x00\x20ftypisom", "\x00\x00\x00\x01mdat\x00\x00\x00\x00\x00\x00\x00\x10", "ID3\x04\x00\x00\x00\x00\x00\x00\xff\xfb\x90\x00",
		"\xff\xf1\x50\x80\x01\x1f\xfc", "RIFF\x00\x00\x00\x00AVI ", "\x47" + strings.Repeat("x", 187) + "\x47", "\x00\x00\x01\xba",
	} {
		f.Add([]byte(seed), "name")
	}
	f.Fuzz(func(t *testing.T, head []byte, name string) {
		got, err := probe.Sniff(head, name)
		if err != nil {
			if kind := fault.KindOf(err); kind != fault.Invalid && kind != fault.Unsupported {
				t.Errorf("error %v of kind %q", err, kind)
			}
			return
		}
		if got.Name == "" || got.Demuxer == "" {
			t.Errorf("a container without a name or demuxer: %+v", got)
		}
		switch got.Demuxer {
		case "hls", "concat", "dash", "sdp", "image2":
			t.Errorf("the demuxer %s opens other files", got.Demuxer)
		}
	})
}
