package render

import (
	"bytes"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/png"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

func TestFrameLists(t *testing.T) {
	for _, c := range []struct {
		text string
		step int
		want []int
		err  string
	}{
		{"3", 1, []int{3}, ""},
		{"3,5-8", 1, []int{3, 5, 6, 7, 8}, ""},
		{" 5-8 , 3, 6 ", 1, []int{3, 5, 6, 7, 8}, ""},
		{"1-10", 4, []int{1, 5, 9}, ""},
		{"-2-1", 1, []int{-2, -1, 0, 1}, ""},
		{"-5--3", 1, []int{-5, -4, -3}, ""},
		{"", 1, nil, `"" is neither`},
		{"1-", 1, nil, `"1-" is neither`},
		{"1;2", 1, nil, `"1;2" is neither`},
		{"9-3", 1, nil, "9-3: the range ends before it begins"},
		{"1-2000000", 1, nil, "numbered -1048574 to 1048574"},
		{"1-100000,200001", 1, nil, "more than 100000 frames"},
	} {
		got, err := ParseFrames(c.text, c.step)
		switch {
		case c.err == "" && (err != nil || !slices.Equal(got, c.want)):
			t.Errorf("%q by %d: %v, %v, want %v", c.text, c.step, got, err, c.want)
		case c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)):
			t.Errorf("%q: %v, want %q", c.text, err, c.err)
		}
	}
}

func TestFramesAreReadAsTheyAreWritten(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := rapid.SliceOfNDistinct(rapid.IntRange(-20, 60), 1, 40, rapid.ID[int]).Draw(t, "frames")
		slices.Sort(want)
		got, err := ParseFrames(FormatFrames(want), 1)
		if err != nil || !slices.Equal(got, want) {
			t.Fatalf("%v, %v from %q, want %v", got, err, FormatFrames(want), want)
		}
	})
}

func TestUnitsCoverTheFramesOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		from := rapid.IntRange(0, 5).Draw(t, "from")
		to := from + rapid.IntRange(0, 500).Draw(t, "frames")
		pace := Pace{rapid.Float64Range(0, 60).Draw(t, "start"), rapid.Float64Range(0, 900).Draw(t, "frame")}
		next := from
		for _, u := range Divide(from, to, pace, rapid.IntRange(1, 1000).Draw(t, "workers")) {
			if u.From != next || u.To <= u.From {
				t.Fatalf("unit %v follows %d", u, next)
			}
			next = u.To
		}
		if next != to {
			t.Fatalf("the units end at %d, not %d", next, to)
		}
	})
}

func TestFramesAreDealtOutOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 200).Draw(t, "frames")
		count := rapid.IntRange(1, 20).Draw(t, "units")
		var all []int
		names := map[string]bool{}
		fewest, most := n, 0
		for _, u := range Deal(n, count) {
			all, names[u.Name()] = append(all, u.Places()...), true
			fewest, most = min(fewest, len(u.Places())), max(most, len(u.Places()))
		}
		slices.Sort(all)
		for i, place := range all {
			if i != place {
				t.Fatalf("frame %d is missing, or there twice: %v", i, all)
			}
		}
		if len(all) != n || len(names) != min(n, count) || most-fewest > 1 {
			t.Fatalf("%d of %d frames in %d units of %d to %d", len(all), n, len(names), fewest, most)
		}
	})
}

func TestUnitsAreSizedByTheirPace(t *testing.T) {
	for _, c := range []struct {
		name    string
		frames  int
		pace    Pace
		workers int
		want    int // units
	}{
		{"light frames: starting takes a tenth of 20 frames", 1000, Pace{Start: 1.1, Frame: 0.5}, 1000, 50},
		{"heavy frames: each by itself", 100, Pace{Start: 2, Frame: 60}, 1000, 100},
		{"frames of a minute on two cores: no unit longer than five minutes", 100, Pace{Start: 2, Frame: 60}, 2, 100},
		{"few units are as many as the workers", 46, Pace{Start: 1, Frame: 0.5}, 2, 2},
		{"fewer frames than pay for a second start", 10, Pace{Start: 10, Frame: 0.1}, 2, 1},
		{"nothing was measured", 10, Pace{}, 4, 8},
	} {
		if got := len(Divide(0, c.frames, c.pace, c.workers)); got != c.want {
			t.Errorf("%s: %d units, want %d", c.name, got, c.want)
		}
	}
}

// withText adds chunks that differ from run to run to a PNG, before its end.
func withText(data []byte, text string) []byte {
	end := len(data) - 12
	out := slices.Clone(data[:end])
	for kind, body := range map[string]string{"tEXt": "Date\x00" + text, "tIME": "\x07\xe9\x01\x01\x01\x01\x01"} {
		chunk := append([]byte(kind), body...)
		out = binary.BigEndian.AppendUint32(out, uint32(len(body)))
		out = append(out, chunk...)
		out = binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(chunk))
	}
	return append(out, data[end:]...)
}

func TestFramesAreCheckedAndHaveNoDate(t *testing.T) {
	picture := image.NewNRGBA(image.Rect(0, 0, 8, 4))
	picture.Set(1, 1, color.NRGBA{1, 2, 3, 4})
	var b bytes.Buffer
	if err := png.Encode(&b, picture); err != nil {
		t.Fatal(err)
	}
	plain, want := b.Bytes(), Picture{Width: 8, Height: 4, Alpha: true}
	for _, date := range []string{"2026/01/01 00:00:01", "2026/01/01 00:00:02"} {
		got, err := Clean(withText(plain, date), want)
		if err != nil || !bytes.Equal(got, plain) {
			t.Errorf("%s: %v, %d bytes, want the %d without the date", date, err, len(got), len(plain))
		}
	}
	damaged := slices.Clone(plain)
	damaged[len(damaged)-20] ^= 0xff
	for name, c := range map[string]struct {
		data []byte
		want Picture
	}{
		"another size":  {plain, Picture{Width: 8, Height: 5, Alpha: true}},
		"no alpha":      {plain, Picture{Width: 8, Height: 4}},
		"other depth":   {plain, Picture{Width: 8, Height: 4, Alpha: true, Format: PNG16}},
		"cut short":     {plain[:len(plain)-5], want},
		"damaged":       {damaged, want},
		"empty":         {nil, want},
		"another thing": {bytes.Repeat([]byte("text "), 20), want},
	} {
		if _, err := Clean(c.data, c.want); err == nil {
			t.Errorf("%s: it is accepted", name)
		}
	}
}

func TestSettingsAreChecked(t *testing.T) {
	if ps := (Settings{Frames: "1-9", Files: []string{"textures/", "/assets/x"}, Width: 4}).Check(); len(ps) > 0 {
		t.Errorf("good settings: %v", ps)
	}
	var got []string
	for _, p := range (Settings{
		Frames: "x", Samples: -1, Engine: "povray", Device: "tpu", Format: "gif", Camera: strings.Repeat("x", 64),
		Files: []string{"../secrets", "//a", "", ".", "/"},
	}).Check() {
		got = append(got, p.Pointer)
	}
	want := []string{
		"/render/camera", "/render/device", "/render/engine", "/render/files/0", "/render/files/1", "/render/files/2", "/render/files/3",
		"/render/files/4", "/render/format", "/render/frames", "/render/samples",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if (Settings{Files: []string{"a"}}).IsZero() || (Settings{Step: 2}).IsZero() || !(Settings{}).IsZero() {
		t.Error("IsZero is wrong")
	}
}
