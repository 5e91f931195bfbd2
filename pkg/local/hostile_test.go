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

// mp4Box is a box of that content.
func mp4Box(kind string, content ...[]byte) []byte {
	body := bytes.Join(content, nil)
	return append(append(binary.BigEndian.AppendUint32(nil, uint32(8+len(body))), kind...), body...)
}

// be are 32-bit numbers, the largest first byte first.
func be(list ...uint32) (out []byte) {
	for _, n := range list {
		out = binary.BigEndian.AppendUint32(out, n)
	}
	return out
}

// referring is an MP4 whose data references (dref) are replaced by entry. Its moov must stand last, so that no offset moves.
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

// alias is QuickTime's record of a file's place, as far as ffmpeg reads it: a volume, a name, and a path (2).
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

// ebml is an element with a size of 8 bytes.
func ebml(id string, body ...[]byte) []byte {
	content := bytes.Join(body, nil)
	return append(binary.BigEndian.AppendUint64([]byte(id), uint64(len(content))|1<<56), content...)
}

// inPlace replaces an element by others and fills the rest with a Void.
func inPlace(t *testing.T, data []byte, old, by []byte) []byte {
	t.Helper()
	room := len(old) - len(by) - 9
	if bytes.Count(data, old) != 1 || room < 0 {
		t.Fatalf("%d times %q, room %d", bytes.Count(data, old), old, room)
	}
	return bytes.Replace(data, old, append(by, ebml("\xec", make([]byte, room))...), 1)
}

// linkedTo is a Matroska file of the linked kind (RFC 9559, 17): it says that another file comes after it, and its
// ordered chapter is a part of that one.
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

// jpegSize is the head of a frame in a JPEG (SOF0: ITU-T T.81, B.2.2).
func jpegSize(width, height uint16) []byte {
	return append([]byte{0xff, 0xc0, 0, 17, 8}, byte(height>>8), byte(height), byte(width>>8), byte(width))
}

// zeroed is an MP4 with four bytes of each box of a kind set to 0, that far behind the box's own header.
func zeroed(t *testing.T, data []byte, kind string, at int) []byte {
	t.Helper()
	return boxed(t, data, kind, func(body []byte) { clear(body[at : at+4]) })
}

// slow is an MP4 whose samples last months.
func slow(t *testing.T, data []byte) []byte {
	t.Helper()
	data = bytes.ReplaceAll(data, []byte("edts"), []byte("free"))
	return boxed(t, data, "stts", func(body []byte) {
		for row := body[8:]; len(row) >= 8; row = row[8:] {
			binary.BigEndian.PutUint32(row[4:], 1<<31-1)
		}
	})
}

// boxed changes a copy of each box of a kind, whose name must not occur in the media.
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

// wav is a WAV file that claims what it likes before a second of silence.
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

// Whole jobs of sources that lead elsewhere or claim what would take all memory or all time: each ends soon, as a job or in
// one line that says why not, and leaves nothing behind.
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
	// Whoever opens this waits for ever: so it shows that nobody does.
	fifo := filepath.Join(dir, "other.mkv")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	linked := linkedTo(t, "other.mkv", short)
	jpeg := read(clip(t, "small.avi", "-f", "lavfi", "-i", "testsrc2=size=16x16:rate=25:duration=0.4", "-c:v", "mjpeg", "-pix_fmt", "yuvj420p"))
	front := mp4Box("ftyp", []byte("isom"), be(0))
	vast := func(kind string, size uint64) []byte { // a box's head with a size of 64 bits
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
		size    int64 // of the file; 0 = as long as data, else zeros follow
		kinds   []fault.Kind
		says    string
		seconds float64 // of the output, where there is one
	}{
		{name: "url.mov", data: referring(t, film, mp4Box("url ", be(0), []byte("file:///etc/passwd\x00"))), kinds: unsupported, says: "another file"},
		{name: "alias.mov", data: referring(t, film, alias(fifo)), kinds: unsupported, says: "another file"},
		{name: "urn.mov", data: referring(t, film, mp4Box("urn ", be(0), []byte("urn:x\x00file:///etc/passwd\x00"))), kinds: unsupported, says: "another file"},
		{name: "odd.mov", data: referring(t, film, mp4Box("url ", be(0))), kinds: whole, seconds: 2}, // names nothing: the file itself
		{name: "cut.mov", data: referring(t, film, be(1<<30)), kinds: corrupt, says: "data reference"},
		{name: "linked.mkv", data: linked, kinds: whole, seconds: 2}, // what it links to is not asked for
		{name: "endless.wav", data: wav(1<<32-1, 48000, 1, 2, 16, 1<<32-1), kinds: whole, seconds: 1},
		{name: "channels.wav", data: wav(1<<32-1, 48000, 65535, 65535, 16, 1<<32-1), kinds: corrupt, says: "channels"},
		{name: "rate.wav", data: wav(second, 1<<32-1, 1, 2, 16, second), kinds: corrupt, says: "Invalid data"},
		{name: "standstill.wav", data: wav(second, 0, 1, 2, 16, second), kinds: corrupt, says: "Invalid data"},
		{name: "nothing.wav", data: wav(second, 48000, 0, 0, 0, second), kinds: invalid, says: "neither picture nor sound"},
		{name: "huge.avi", data: bytes.ReplaceAll(jpeg, jpegSize(16, 16), jpegSize(30000, 30000)), kinds: unsupported, says: "30000x30000"},
		{name: "tracks.mp4", data: slices.Concat(front, mp4Box("moov", mp4Box("mvhd", be(0, 0, 0, 1000, 0), make([]byte, 80)), bytes.Repeat(mp4Box("trak"), 1_000_000))), kinds: unsupported, says: "tracks"},
		{name: "moov.mp4", data: slices.Concat(front, vast("moov", 4<<30)), size: 8 << 30, kinds: corrupt},
		{name: "mvhd.mp4", data: slices.Concat(front, vast("moov", 5<<30), vast("mvhd", 4<<30)), size: 8 << 30, kinds: unsupported},
		{name: "beyond.mp4", data: slices.Concat(front, vast("moov", 1<<62)), size: 8 << 30, kinds: corrupt},
		{name: "cues.mkv", data: cues, size: 8 << 30, kinds: unsupported},
		{name: "beyond.mkv", data: cues, size: 64 << 20, kinds: corrupt},
		{name: "movie.mp4", data: zeroed(t, film, "mvhd", 12), kinds: corrupt, says: "timescale"},
		{name: "track.mp4", data: zeroed(t, film, "mdhd", 12), kinds: corrupt, says: "timescale"},
		{name: "months.mp4", data: slow(t, film), kinds: corrupt, says: "should be shown"},
		{name: "hls.mp4", data: []byte("#EXTM3U\n#EXTINF:1,\nfile:///etc/passwd\n"), kinds: invalid, says: "HLS playlist"},
		{name: "dash.mp4", data: []byte("<MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\"><BaseURL>file:///etc/passwd</BaseURL></MPD>"), kinds: invalid, says: "DASH manifest"},
		{name: "concat.mp4", data: []byte("ffconcat version 1.0\nfile '/etc/passwd'\n"), kinds: invalid, says: "concat script"},
		{name: "list.mp4", data: []byte("file 'a.mp4'\nfile 'b.mp4'\n"), kinds: invalid, says: "text"},
		{name: "picture.mp4", data: []byte("<svg xmlns=\"http://www.w3.org/2000/svg\"><image href=\"file:///etc/passwd\"/></svg>"), kinds: invalid, says: "SVG"},
		{name: "session.mp4", data: []byte("v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\nm=video 5000 RTP/AVP 96\r\n"), kinds: invalid, says: "SDP"},
		{name: "metadata.mp4", data: []byte(";FFMETADATA1\ntitle=x\n"), kinds: invalid, says: "metadata"},
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
			if !slices.Contains(c.kinds, fault.KindOf(err)) || err != nil && !strings.Contains(err.Error(), c.says) {
				t.Errorf("kind %q, want one of %q: %v", fault.KindOf(err), c.kinds, err)
			}
			if err != nil {
				if strings.Contains(err.Error(), "\n") || strings.Contains(err.Error(), "root:") {
					t.Errorf("not one line of ours: %q", err)
				}
				assertEmpty(t, out)
				return
			}
			if got := lasts(t, filepath.Join(out, "out.mp4")); math.Abs(got-c.seconds) > 0.1 {
				t.Errorf("the output lasts %g s, want %g", got, c.seconds)
			}
			assertEmpty(t, filepath.Join(scratch, "pieces"))
		})
	}
}

// lasts asks ffprobe how long a file is, in seconds.
func lasts(t *testing.T, path string) float64 {
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
