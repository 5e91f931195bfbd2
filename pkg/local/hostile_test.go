package local_test

import (
	"bytes"
	"encoding/binary"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/mapreel/mapreel/pkg/fault"
)

// mp4Box returns a box with the given content.
func mp4Box(kind string, content ...[]byte) []byte {
	body := bytes.Join(content, nil)
	return append(append(binary.BigEndian.AppendUint32(nil, uint32(8+len(body))), kind...), body...)
}

// be returns 32-bit numbers in big-endian order.
func be(list ...uint32) (out []byte) {
	for _, n := range list {
		out = binary.BigEndian.AppendUint32(out, n)
	}
	return out
}

// referring returns an MP4 with entry in place of its data references (dref). Its moov must be last, so that no offset moves.
func referring(t *testing.T, data, entry []byte) []byte {
	t.Helper()
	found := 0
	var rewrite func(data []byte) []byte
	rewrite = func(data []byte) (out []byte) {
		for len(data) > 0 {
			size := int(binary.BigEndian.Uint32(data))
			if size < 8 || size > len(data) {
				t.Fatalf("a box of %d bytes where %d are left", size, len(data))
			}
			kind, body := string(data[4:8]), data[8:size]
			switch kind {
			case "moov", "trak", "mdia", "minf", "dinf":
				out = append(out, mp4Box(kind, rewrite(body))...)
			case "dref":
				found++
				out = append(out, mp4Box(kind, be(0, 1), entry)...)
			default:
				out = append(out, data[:size]...)
			}
			data = data[size:]
		}
		return out
	}
	out := rewrite(data)
	if found == 0 {
		t.Fatal("no dref")
	}
	return out
}

// alias returns QuickTime's record of a file's location, as far as ffmpeg reads it: a volume, a name, and a path (type 2).
func alias(path string) []byte {
	record := make([]byte, 10)
	record = append(append(record, 4), append([]byte("disk"), make([]byte, 23+12)...)...)
	name := filepath.Base(path)
	record = append(append(record, byte(len(name))), append([]byte(name), make([]byte, 63-len(name)+16)...)...)
	record = append(record, 0, 1, 0, 1)
	record = append(record, make([]byte, 16)...)
	if len(path)%2 == 1 {
		path = "/" + path
	}
	record = append(record, 0, 2, 0, byte(len(path)))
	record = append(append(record, path...), 0xff, 0xff, 0, 0)
	return mp4Box("alis", be(0), record)
}

// ebml returns an element whose size takes 8 bytes.
func ebml(id string, body ...[]byte) []byte {
	content := bytes.Join(body, nil)
	return append(binary.BigEndian.AppendUint64([]byte(id), uint64(len(content))|1<<56), content...)
}

// inPlace replaces an element with others and fills the rest with a Void element.
func inPlace(t *testing.T, data []byte, old, by []byte) []byte {
	t.Helper()
	room := len(old) - len(by) - 9
	if bytes.Count(data, old) != 1 || room < 0 {
		t.Fatalf("%d times %q, room %d", bytes.Count(data, old), old, room)
	}
	return bytes.Replace(data, old, append(by, ebml("\xec", make([]byte, room))...), 1)
}

// linkedTo returns a Matroska file with linked segments (RFC 9559, section 17): it names another file as the next one, and its
// ordered chapter refers to that file.
func linkedTo(t *testing.T, other string, short []string) []byte {
	t.Helper()
	chapter, title := strings.Repeat("x", 200), strings.Repeat("y", 200)
	chapters := filepath.Join(t.TempDir(), "chapters")
	if err := os.WriteFile(chapters, []byte(";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=1000\ntitle="+chapter+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(clip(t, "linked.mkv", args(picture(2), tone(2), []string{
		"-i", chapters, "-map", "0", "-map", "1", "-map_chapters", "2", "-metadata", "title=" + title,
	}, short)...))
	if err != nil {
		t.Fatal(err)
	}
	uid := bytes.Repeat([]byte{7}, 16)
	data = inPlace(t, data, []byte("\x7b\xa9\x40\xc8"+title), slices.Concat(ebml("\x3e\xb9\x23", uid), ebml("\x3e\x83\xbb", []byte(other))))
	data = inPlace(t, data, []byte("\x80\x40\xd1\x85\x40\xc8"+chapter+"\x43\x7c\x83und"), ebml("\x6e\x67", uid))
	if ordered := []byte("\x45\xdb\x81\x01"); bytes.Count(data, ordered) != 1 {
		t.Fatal("no edition")
	}
	return bytes.Replace(data, []byte("\x45\xdb\x81\x01"), []byte("\x45\xdd\x81\x01"), 1)
}

// jpegSize returns the header of a JPEG frame (SOF0: ITU-T T.81, B.2.2).
func jpegSize(width, height uint16) []byte {
	return append([]byte{0xff, 0xc0, 0, 17, 8}, byte(height>>8), byte(height), byte(width>>8), byte(width))
}

// zeroed returns an MP4 with four bytes of each box of a kind set to 0, at an offset from the end of the box's header.
func zeroed(t *testing.T, data []byte, kind string, at int) []byte {
	t.Helper()
	return boxed(t, data, kind, func(body []byte) { clear(body[at : at+4]) })
}

// longSamples returns an MP4 whose samples last months.
func longSamples(t *testing.T, data []byte) []byte {
	t.Helper()
	data = bytes.ReplaceAll(data, []byte("edts"), []byte("free"))
	return boxed(t, data, "stts", func(body []byte) {
		for row := body[8:]; len(row) >= 8; row = row[8:] {
			binary.BigEndian.PutUint32(row[4:], 1<<31-1)
		}
	})
}

// boxed returns a copy with each box of a kind changed. The kind's name must not occur in the media data.
func boxed(t *testing.T, data []byte, kind string, change func(body []byte)) []byte {
	t.Helper()
	out := bytes.Clone(data)
	moov := bytes.LastIndex(out, []byte("moov"))
	n := 0
	for at := moov; ; n++ {
		i := bytes.Index(out[at:], []byte(kind))
		if moov < 0 || i < 0 {
			break
		}
		at += i + 4
		change(out[at : at-8+int(binary.BigEndian.Uint32(out[at-8:]))])
	}
	if n == 0 {
		t.Fatalf("no %s", kind)
	}
	return out
}

// wav returns a WAV file with the given header before a second of silence.
func wav(riff, rate uint32, channels, block, bits uint16, data uint32) []byte {
	le := binary.LittleEndian
	out := le.AppendUint32([]byte("RIFF"), riff)
	out = le.AppendUint32(append(out, "WAVEfmt "...), 16)
	out = le.AppendUint16(le.AppendUint16(out, 1), channels)
	out = le.AppendUint32(le.AppendUint32(out, rate), rate*uint32(block))
	out = le.AppendUint16(le.AppendUint16(out, block), bits)
	out = le.AppendUint32(append(out, "data"...), data)
	return append(out, make([]byte, 96_000)...)
}

// Sources that refer to other files, or that declare sizes which would take all memory or all time. Each job ends soon, with
// an output or with one line of error, and leaves nothing behind.
func TestHostileSourcesAreRefusedOrBounded(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	read := func(path string) []byte {
		t.Helper()
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	short := []string{"-t", "2", "-c:v", "libx264", "-preset", "ultrafast", "-g", "12", "-c:a", "aac"}
	film := read(clip(t, "in.mp4", args(picture(2), tone(2), short)...))
	// A process that opens this file waits for ever, so the test would show it.
	fifo := filepath.Join(dir, "other.mkv")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	linked := linkedTo(t, "other.mkv", short)
	jpeg := read(clip(t, "small.avi", "-f", "lavfi", "-i", "testsrc2=size=16x16:rate=25:duration=0.4", "-c:v", "mjpeg", "-pix_fmt", "yuvj420p"))
	front := mp4Box("ftyp", []byte("isom"), be(0))
	vast := func(kind string, size uint64) []byte { // a box header with a 64-bit size
		return binary.BigEndian.AppendUint64(append(be(1), kind...), size)
	}
	mkv := []byte("\x1a\x45\xdf\xa3\x8b\x42\x82\x88matroska" + "\x18\x53\x80\x67\x01\xff\xff\xff\xff\xff\xff\xff")
	tracks := ebml("\x16\x54\xae\x6b", ebml("\xae", ebml("\xd7", []byte{1}), ebml("\x83", []byte{1})))
	cues := append(slices.Concat(mkv, tracks), "\x1c\x53\xbb\x6b\x01\x00\x00\x00\x40\x00\x00\x00"...)

	const second = 48_000 * 2
	invalid, corrupt, unsupported := []fault.Kind{fault.Invalid}, []fault.Kind{fault.Corrupt}, []fault.Kind{fault.Unsupported}
	whole := []fault.Kind{""}
	for _, c := range []struct {
		name    string
		data    []byte
		size    int64 // of the file; 0: as long as data; else zeros follow
		kinds   []fault.Kind
		message string
		seconds float64 // of the output, where there is one
	}{
		{name: "url.mov", data: referring(t, film, mp4Box("url ", be(0), []byte("file:///etc/passwd\x00"))), kinds: unsupported, message: "another file"},
		{name: "alias.mov", data: referring(t, film, alias(fifo)), kinds: unsupported, message: "another file"},
		{name: "urn.mov", data: referring(t, film, mp4Box("urn ", be(0), []byte("urn:x\x00file:///etc/passwd\x00"))), kinds: unsupported, message: "another file"},
		{name: "odd.mov", data: referring(t, film, mp4Box("url ", be(0))), kinds: whole, seconds: 2}, // an empty reference: the file itself
		{name: "cut.mov", data: referring(t, film, be(1<<30)), kinds: corrupt, message: "data reference"},
		{name: "linked.mkv", data: linked, kinds: whole, seconds: 2}, // the linked file is not read
		{name: "endless.wav", data: wav(1<<32-1, 48000, 1, 2, 16, 1<<32-1), kinds: whole, seconds: 1},
		{name: "channels.wav", data: wav(1<<32-1, 48000, 65535, 65535, 16, 1<<32-1), kinds: corrupt, message: "channels"},
		{name: "rate.wav", data: wav(second, 1<<32-1, 1, 2, 16, second), kinds: corrupt, message: "Invalid data"},
		{name: "standstill.wav", data: wav(second, 0, 1, 2, 16, second), kinds: corrupt, message: "Invalid data"},
		{name: "nothing.wav", data: wav(second, 48000, 0, 0, 0, second), kinds: invalid, message: "neither video nor audio"},
		{name: "huge.avi", data: bytes.ReplaceAll(jpeg, jpegSize(16, 16), jpegSize(30000, 30000)), kinds: unsupported, message: "30000x30000"},
		{name: "tracks.mp4", data: slices.Concat(front, mp4Box("moov", mp4Box("mvhd", be(0, 0, 0, 1000, 0), make([]byte, 80)), bytes.Repeat(mp4Box("trak"), 1_000_000))), kinds: unsupported, message: "tracks"},
		{name: "moov.mp4", data: slices.Concat(front, vast("moov", 4<<30)), size: 8 << 30, kinds: corrupt},
		{name: "mvhd.mp4", data: slices.Concat(front, vast("moov", 5<<30), vast("mvhd", 4<<30)), size: 8 << 30, kinds: unsupported},
		{name: "beyond.mp4", data: slices.Concat(front, vast("moov", 1<<62)), size: 8 << 30, kinds: corrupt},
		{name: "cues.mkv", data: cues, size: 8 << 30, kinds: unsupported},
		{name: "beyond.mkv", data: cues, size: 64 << 20, kinds: corrupt},
		{name: "movie.mp4", data: zeroed(t, film, "mvhd", 12), kinds: whole, seconds: 2},
		{name: "track.mp4", data: zeroed(t, film, "mdhd", 12), kinds: corrupt, message: "timescale"},
		{name: "months.mp4", data: longSamples(t, film), kinds: corrupt, message: "is shown at"},
		{name: "hls.mp4", data: []byte("#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n"), kinds: invalid, message: "HLS playlist"},
		{name: "dash.mp4", data: []byte("<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\"><BaseURL>file:///etc/passwd</BaseURL></MPD>"), kinds: invalid, message: "DASH manifest"},
		{name: "concat.mp4", data: []byte("ffconcat version 1.0\nfile '/etc/passwd'\n"), kinds: invalid, message: "concat script"},
		{name: "list.mp4", data: []byte("file 'a.mp4'\nfile 'b.mp4'\n"), kinds: invalid, message: "text"},
		{name: "picture.mp4", data: []byte("<svg xmlns=\"http://www.w3.org/2000/svg\"><image href=\"file:///etc/passwd\"/></svg>"), kinds: invalid, message: "SVG"},
		{name: "session.mp4", data: []byte("v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\nm=video 5000 RTP/AVP 96\r\n"), kinds: invalid, message: "SDP"},
		{name: "metadata.mp4", data: []byte(";FFMETADATA1\ntitle=x\n"), kinds: invalid, message: "metadata"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(dir, c.name)
			if err := os.WriteFile(path, c.data, 0o600); err != nil {
				t.Fatal(err)
			}
			if c.size > 0 {
				if err := os.Truncate(path, c.size); err != nil {
					t.Fatal(err)
				}
			}
			out, scratch := t.TempDir(), t.TempDir()
			req := request(path, out, "mp4")
			if strings.HasSuffix(c.name, ".wav") {
				req.Outputs[0].Video = nil
			}
			began := time.Now()
			_, err := run(t.Context(), req, scratch, nil)
			t.Logf("%v: %v", time.Since(began).Round(time.Millisecond), err)
			if !slices.Contains(c.kinds, fault.KindOf(err)) || err != nil && !strings.Contains(err.Error(), c.message) {
				t.Errorf("kind %q, want one of %q: %v", fault.KindOf(err), c.kinds, err)
			}
			if err != nil {
				if strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "root:") {
					t.Errorf("not one line of our own: %q", err)
				}
				assertEmpty(t, out)
				return
			}
			if got := durationOf(t, filepath.Join(out, "out.mp4")); math.Abs(got-c.seconds) > 0.1 {
				t.Errorf("the output lasts %g s, want %g", got, c.seconds)
			}
			assertEmpty(t, filepath.Join(scratch, "pieces"))
		})
	}
}

// durationOf returns a file's duration in seconds, as ffprobe reports it.
func durationOf(t *testing.T, path string) float64 {
	t.Helper()
	out, err := exec.Command("ffprobe", "-v", "error", "-show_entries", "format=duration", "-of", "csv=p=0", "file:"+path).Output()
	if err != nil {
		t.Fatal(err)
	}
	seconds, err := strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
	if err != nil {
		t.Fatal(err)
	}
	return seconds
}
