package sequence

import (
	"bytes"
	"context"
	"encoding/binary"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/media"
)

func names(frames []File) (list []string) {
	for _, f := range frames {
		list = append(list, f.Name)
	}
	return list
}

func files(names ...string) (list []File) {
	for _, n := range names {
		list = append(list, File{Name: n, Size: 1, Version: "v"})
	}
	return list
}

func TestFramesAreInTheOrderOfTheirNumbers(t *testing.T) {
	p, _ := media.ParsePattern("*.png")
	got := names(Frames(p, files("a10.png", "a9.png", "b1.png", "a009.png", "note.txt", "a11.png")))
	if diff := cmp.Diff([]string{"a009.png", "a9.png", "a10.png", "a11.png", "b1.png"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestGapsAreNamed(t *testing.T) {
	for _, c := range []struct {
		name  string
		files []string
		want  []string
		n     int64
	}{
		{"whole", []string{"a1.png", "a2.png", "a3.png"}, nil, 0},
		{"a missing frame", []string{"a08.png", "a09.png", "a11.png"}, []string{"a10.png"}, 1},
		{"two frames", []string{"f_0001.png", "f_0004.png"}, []string{"f_0002.png", "f_0003.png"}, 2},
		{"every second frame", []string{"a1.png", "a3.png", "a5.png"}, nil, 0},
		{"every second, and a gap", []string{"a1.png", "a3.png", "a7.png", "a9.png"}, []string{"a5.png"}, 1},
		{"a gap of a thousand million", []string{"a1.png", "a2.png", "a1000000002.png"}, []string{"a3.png", "a4.png", "a5.png"}, 999_999_999},
		{"a digit in the extension", []string{"a1.jp2", "a3.jp2"}, []string{"a2.jp2"}, 1},
		{"no numbers", []string{"a.png", "b.png"}, nil, 0},
		{"two numbers", []string{"a1_1.png", "a2_7.png"}, nil, 0},
		{"one frame", []string{"a1.png"}, nil, 0},
	} {
		got, n := gaps(files(c.files...), 3)
		if diff := cmp.Diff(c.want, got); diff != "" || n != c.n {
			t.Errorf("%s: %d missing, want %d\n%s", c.name, n, c.n, diff)
		}
	}
}

func TestTheVersionChangesWithAnyFrame(t *testing.T) {
	a, size := Version(files("a", "b"))
	if again, _ := Version(files("a", "b")); again != a || size != 2 {
		t.Errorf("%s and %s of the same files, %d bytes", a, again, size)
	}
	changed := files("a", "b")
	changed[1].Version = "w"
	for _, f := range [][]File{changed, files("a"), files("a", "c"), files("b", "a")} {
		if b, _ := Version(f); a == b {
			t.Errorf("the same version for %v", f)
		}
	}
}

func encodePNG(t *testing.T, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestHeadersOfPNGAndJPEG(t *testing.T) {
	at := image.Rect(0, 0, 30, 20)
	translucent := image.NewNRGBA64(at)
	palette := image.NewPaletted(at, color.Palette{color.Black, color.NRGBA{1, 2, 3, 4}})
	var jpg bytes.Buffer
	if err := jpeg.Encode(&jpg, image.NewRGBA(at), nil); err != nil {
		t.Fatal(err)
	}
	late := append([]byte("\xff\xd8"), bytes.Repeat(append([]byte("\xff\xe2\xff\xff"), make([]byte, 0xfffd)...), 3)...) // a large profile
	for _, c := range []struct {
		name string
		data []byte
		want Picture
	}{
		{"grey", encodePNG(t, image.NewGray(at)), Picture{Format: "png", Form: "0:i"}},
		{"16 bits with alpha", encodePNG(t, translucent), Picture{Format: "png", Alpha: true, Deep: true, Form: "6:q"}},
		{"palette with alpha", encodePNG(t, palette), Picture{Format: "png", Alpha: true, Form: "3:bt"}},
		{"JPEG", jpg.Bytes(), Picture{Format: "jpeg", Form: "3:i221111"}},
		{"JPEG with a profile", append(late, jpg.Bytes()[2:]...), Picture{Format: "jpeg", Form: "3:i221111"}},
	} {
		c.want.Width, c.want.Height = 30, 20
		got, err := Read(bytes.NewReader(c.data), int64(len(c.data)))
		if diff := cmp.Diff(c.want, got); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", c.name, err, diff)
		}
		if _, err := Read(bytes.NewReader(c.data), int64(len(c.data))*2/3); err == nil {
			t.Errorf("%s: a part of the file is whole", c.name)
		}
	}
}

// tiffFile returns a TIFF of 30 x 20 with one strip.
func tiffFile(order binary.AppendByteOrder, samples int) []byte {
	head := map[binary.AppendByteOrder]string{binary.LittleEndian: "II*\x00", binary.BigEndian: "MM\x00*"}[order]
	data := order.AppendUint32([]byte(head), 8)
	entries := [][4]uint32{{256, 4, 1, 30}, {257, 4, 1, 20}, {262, 4, 1, 2}, {273, 4, 1, 100}, {279, 4, 1, 50}}
	if samples == 4 {
		entries = append(entries, [4]uint32{338, 4, 1, 2})
	}
	data = order.AppendUint16(data, uint16(len(entries)))
	for _, e := range entries {
		data = order.AppendUint32(order.AppendUint32(order.AppendUint16(order.AppendUint16(data, uint16(e[0])), uint16(e[1])), e[2]), e[3])
	}
	return append(data, make([]byte, 150-len(data))...)
}

func exrFile() []byte {
	attribute := func(name, kind string, value []byte) []byte {
		return append(binary.LittleEndian.AppendUint32([]byte(name+"\x00"+kind+"\x00"), uint32(len(value))), value...)
	}
	var channels []byte
	for _, c := range []string{"A", "B", "G", "R"} {
		channels = append(append(channels, c...), append([]byte{0, 1}, make([]byte, 15)...)...)
	}
	window := binary.LittleEndian.AppendUint32(binary.LittleEndian.AppendUint32(make([]byte, 8), 29), 19)
	data := append([]byte("\x76\x2f\x31\x01\x02\x00\x00\x00"), attribute("channels", "chlist", append(channels, 0))...)
	return append(append(data, attribute("displayWindow", "box2i", window)...), 0)
}

func TestHeadersOfOtherFormats(t *testing.T) {
	dpx := make([]byte, 2048)
	copy(dpx, "SDPX")
	binary.BigEndian.PutUint32(dpx[16:], 2048)
	dpx[775], dpx[779], dpx[800], dpx[803] = 30, 20, 51, 10
	webp := []byte("RIFF\x18\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00\x10\x00\x00\x00\x1d\x00\x00\x13\x00\x00 and more")
	animated := bytes.Replace(webp, []byte{0x10}, []byte{0x12}, 1)
	for _, c := range []struct {
		name string
		data []byte
		want Picture
	}{
		{"TIFF", tiffFile(binary.LittleEndian, 3), Picture{Format: "tiff", Form: "[] 2 []"}},
		{"TIFF with alpha", tiffFile(binary.BigEndian, 4), Picture{Format: "tiff", Alpha: true, Form: "[] 2 [2]"}},
		{"EXR", exrFile(), Picture{Format: "exr", Alpha: true, Deep: true, Form: "A1,B1,G1,R1"}},
		{"DPX", dpx, Picture{Format: "dpx", Alpha: true, Deep: true, Form: "3:\n"}},
		{"WebP", webp, Picture{Format: "webp", Alpha: true, Form: "VP8X"}},
	} {
		c.want.Width, c.want.Height = 30, 20
		got, err := Read(bytes.NewReader(c.data), int64(len(c.data)))
		if diff := cmp.Diff(c.want, got); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", c.name, err, diff)
		}
		if _, err := Read(bytes.NewReader(c.data), int64(len(c.data))*3/5); err == nil {
			t.Errorf("%s: a part of the file is whole", c.name)
		}
	}
	if _, err := Read(bytes.NewReader(animated), int64(len(animated))); err == nil {
		t.Error("an animation is a frame")
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte("\x89PNG\r\n\x1a\n"))
	f.Add([]byte("\xff\xd8\xff\xd9"))
	f.Add(exrFile())
	f.Add(tiffFile(binary.LittleEndian, 4))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := Read(bytes.NewReader(data), int64(len(data)))
		if err == nil && (p.Width <= 0 || p.Height <= 0) {
			t.Errorf("a picture of %d x %d", p.Width, p.Height)
		}
	})
}

// opened is a file in memory.
type opened struct{ *bytes.Reader }

func (opened) Close() error { return nil }

func TestOneErrorNamesAllThatIsWrong(t *testing.T) {
	small, large := encodePNG(t, image.NewRGBA(image.Rect(0, 0, 4, 4))), encodePNG(t, image.NewRGBA(image.Rect(0, 0, 8, 4)))
	content := map[string][]byte{
		"1.png": small, "2.png": small, "4.png": large, "5.png": small[:20], "6.png": {}, "7.png": []byte("text"), "8.png": small,
	}
	var all []File
	for name, data := range content {
		all = append(all, File{Name: name, Size: int64(len(data))})
	}
	p, _ := media.ParsePattern("%d.png")
	open := func(_ context.Context, f File) (Reader, error) {
		return opened{bytes.NewReader(content[f.Name])}, nil
	}
	_, err := Examine(t.Context(), "%d.png", Frames(p, all), open)
	want := "the sequence %d.png is not whole: missing: 3.png; unreadable: 5.png (its header is damaged), 6.png (empty), " +
		"7.png (not a PNG, JPEG, TIFF, DPX, EXR or WebP file); unlike 1.png (png, 4 x 4): 4.png (png, 8 x 4)"
	if err == nil || err.Error() != want || fault.KindOf(err) != fault.Invalid {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	var many []File
	for _, n := range []string{"1.png", "100.png", "20000.png"} {
		many = append(many, File{Name: n})
	}
	if _, err = Examine(t.Context(), "%d.png", many, open); err == nil || !strings.Contains(err.Error(), "missing: ") || len(err.Error()) > 400 {
		t.Errorf("got %v, want a short list", err)
	}
	if _, err := Examine(t.Context(), "%d.png", nil, open); fault.KindOf(err) != fault.Invalid {
		t.Errorf("nothing matches: %v", err)
	}
}
