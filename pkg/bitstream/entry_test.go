package bitstream

import "testing"

func TestEntryPointsOfH264AndH265(t *testing.T) {
	t.Parallel()
	avc := func(nal ...byte) Packet {
		return Packet{Data: append([]byte{0, 0, 0, byte(len(nal))}, nal...), Extra: []byte{1, 100, 0, 10, 0xff}}
	}
	annexB := func(nal ...byte) Packet { return Packet{Data: append([]byte{0, 0, 0, 1, 9, 0xf0, 0, 0, 1}, nal...)} }
	for _, c := range []struct {
		name, codec string
		packet      Packet
		want        Entry
		frames      int
	}{
		{"IDR", "h264", avc(5, 0x88, 0x80), Whole, 0},
		{"recovery after 7 frames", "h264", avc(6, 6, 2, 0x11, 0x10, 0x80), Gradual, 7},
		{"recovery after 7 frames, start codes", "h264", annexB(6, 6, 2, 0x11, 0x10, 0x80), Gradual, 7},
		{"recovery at once", "h264", avc(6, 6, 1, 0xc4, 0x80), Whole, 0},
		{"recovery after another message", "h264", avc(6, 5, 1, 0xff, 6, 2, 0x11, 0x10, 0x80), Gradual, 7},
		{"P slice", "h264", avc(0x41, 0x9a, 0x80), None, 0},
		{"I slice", "h264", avc(0x41, 0x88, 0x80), Whole, 0},
		{"a message longer than its packet", "h264", avc(6, 6, 200, 0x11), Whole, 0},
		{"a length beyond the packet", "h264", Packet{Data: []byte{0xff, 0xff, 0xff, 0xff, 5, 1, 1}, Extra: []byte{1, 100, 0, 10, 0xff}}, Whole, 0},
		{"nothing", "h264", Packet{}, Whole, 0},
		{"CRA", "hevc", annexB(21<<1, 1, 0x80), Whole, 0},
		{"TRAIL", "hevc", annexB(1<<1, 1, 0x80), None, 0},
		{"recovery after 3 frames", "hevc", annexB(39<<1, 1, 6, 1, 0x34, 0x80), Gradual, 3},
		{"another codec", "vp9", Packet{Data: []byte{0, 0, 1, 0x41, 0x9a}}, Whole, 0},
	} {
		if got, frames := EntryOf(c.codec, c.packet); got != c.want || frames != c.frames {
			t.Errorf("%s: %v after %d frames, want %v after %d", c.name, got, frames, c.want, c.frames)
		}
	}
}

func FuzzEntryOf(f *testing.F) {
	f.Add([]byte{0, 0, 0, 4, 6, 6, 200, 0x11}, []byte{1, 100, 0, 10, 0xff})
	f.Add([]byte{0, 0, 1, 6, 255, 255}, []byte{})
	f.Add([]byte{0, 0, 1, 39 << 1, 1, 6, 1, 0x34}, []byte{})
	f.Fuzz(func(t *testing.T, data, extra []byte) {
		for _, codec := range []string{"h264", "hevc"} {
			if kind, frames := EntryOf(codec, Packet{Data: data, Extra: extra}); (kind == Gradual) != (frames > 0) || frames > maxRecovery {
				t.Errorf("%s: %v after %d frames", codec, kind, frames)
			}
		}
	})
}

func TestX264BuildIsThatOfTheFirstPacket(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int{"x264 - core 142 r1": 142, "x264 - core 30": 30, "x265 (build 199)": 0, "": 0} {
		for _, p := range []Packet{{Data: []byte("\x06\x05\xff" + text)}, {Extra: []byte(text)}} {
			if got := X264Build(p); got != want {
				t.Errorf("%q: build %d, want %d", text, got, want)
			}
		}
	}
}
