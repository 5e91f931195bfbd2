package isobmff

import (
	"bytes"
	"encoding/binary"
	"io"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/mapreel/mapreel/pkg/fault"
)

func TestPieceOfAnEncodersFragmentsHasTheSourcesTimesAndPictures(t *testing.T) {
	for name, codec := range map[string]string{
		"H.264 with B-frames":  "-c:v libx264 -bf 3 -g 12",
		"H.264 in order":       "-c:v libx264 -bf 0",
		"HEVC":                 "-c:v libx265 -preset ultrafast -bf 4 -tag:v hvc1 -x265-params log-level=none",
		"VP9":                  "-c:v libvpx-vp9 -deadline realtime -cpu-used 8",
		"one fragment a frame": "-c:v libx264 -bf 2 -frag_duration 1",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "worker.mp4")
			ffmpeg(t, picture("2")+" -vf trim=start_pts=10:end_pts=45,select='not(eq(mod(n\\,7)\\,3))' -copyts -fps_mode passthrough -enc_time_base 1/25 "+
				"-video_track_timescale 12800 "+codec+" "+fragmented, path)
			piece, stored := store(t, path)
			var want []int64
			for n := range int64(35) {
				if n%7 != 3 {
					want = append(want, (10+n)*512)
				}
			}
			if got := piece.Presentation(); !slices.Equal(got, want) {
				t.Errorf("presentation\n got %v\nwant %v", got, want)
			}
			decode := piece.Start
			for i, s := range piece.Samples {
				if decode != want[i] {
					t.Fatalf("sample %d is decoded at %d, want the presentation time %d", i+1, decode, want[i])
				}
				decode += int64(s.Duration)
			}
			// In fragments libavformat adds the largest negative offset to every time, so what it says is moved by that.
			var moved int64
			for _, s := range piece.Samples {
				moved = max(moved, -int64(s.Offset))
			}
			if got, _ := shownTimes(packets(t, stored, "v:0")); !slices.Equal(got, movedBy(want, moved)) {
				t.Errorf("ffprobe of the stored piece gives\n     %v\nwant %v", got, movedBy(want, moved))
			}
			if diff := cmp.Diff(pictures(t, path, "v:0"), pictures(t, stored, "v:0")); diff != "" {
				t.Errorf("pictures differ: -worker's +stored\n%s", diff)
			}
			head, err := os.ReadFile(stored)
			if err != nil {
				t.Fatal(err)
			}
			again, err := ReadChunk(head[:piece.Header])
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(piece, again); diff != "" {
				t.Errorf("read from its first bytes alone: -file +head\n%s", diff)
			}
		})
	}
}

func TestPieceOfSoundKeepsItsTimes(t *testing.T) {
	for name, codec := range map[string]string{"AAC": "-c:a aac", "Opus": "-c:a libopus", "FLAC": "-c:a flac -strict -2", "AC-3": "-c:a ac3"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "worker.mp4")
			ffmpeg(t, sound("2")+" "+codec+" -frag_duration 500000 "+fragmented, path)
			piece, stored := store(t, path)
			var want []int64
			for _, p := range packets(t, path, "a:0") {
				want = append(want, p.pts-10*int64(piece.Track.Timescale))
			}
			// Priming lies before 0, where a piece cannot be stored.
			if want = movedBy(want, -min(want[0], 0)); name == "AAC" && len(want) < 90 {
				t.Fatalf("%d packets", len(want))
			}
			if got := piece.Presentation(); !slices.Equal(got, want) {
				t.Errorf("got %s, want %s", describe(got), describe(want))
			}
			got := packets(t, stored, "a:0")
			if len(got) != len(want) || got[0].pts != want[0] {
				t.Errorf("ffprobe of the stored piece gives %d packets from %d, want %d from %d", len(got), got[0].pts, len(want), want[0])
			}
		})
	}
}

func TestPieceHasNoBitRateInItsSampleEntry(t *testing.T) {
	path := filepath.Join(t.TempDir(), "worker.mp4")
	ffmpeg(t, picture("1")+" -c:v libx264 -b:v 300k -color_primaries bt709 -color_trc bt709 -colorspace bt709 "+fragmented, path)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(data, []byte("btrt")) {
		t.Fatal("this ffmpeg writes no btrt; the test shows nothing")
	}
	piece, _ := store(t, path)
	if bytes.Contains(piece.Track.Entry, []byte("btrt")) {
		t.Error("btrt is in the entry")
	}
	for _, kind := range []string{"avcC", "colr", "pasp"} {
		if !bytes.Contains(piece.Track.Entry, []byte(kind)) {
			t.Errorf("%s is not in the entry", kind)
		}
	}
}

func TestReadFragmentsRefusesWhatIsNoPiece(t *testing.T) {
	dir := t.TempDir()
	read := func(name, args string) []byte {
		path := filepath.Join(dir, name)
		ffmpeg(t, args, path)
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	good := read("good.mp4", picture("1")+" -c:v libx264 -g 10 "+fragmented)
	with := func(name string, offset int, v uint32) []byte {
		data := slices.Clone(good)
		binary.BigEndian.PutUint32(data[bytes.LastIndex(data, []byte(name))+offset:], v)
		return data
	}
	for name, c := range map[string]struct {
		data []byte
		kind fault.Kind
	}{
		"empty":              {nil, fault.Corrupt},
		"text":               {bytes.Repeat([]byte("no film "), 50), fault.Corrupt},
		"two tracks":         {read("two.mp4", picture("1")+" "+sound("1")+" -c:v libx264 "+fragmented), fault.Unsupported},
		"progressive":        {read("progressive.mp4", picture("1")+" -c:v libx264"), fault.Unsupported},
		"cut":                {good[:len(good)/2], fault.Corrupt},
		"data outside":       {with("trun", 12, 1<<30), fault.Corrupt},
		"decode time back":   {with("tfdt", 12, 0), fault.Corrupt},
		"too many samples":   {with("trun", 8, 1<<30), fault.Corrupt},
		"moof of 4 GiB":      {with("moof", -4, 1<<32-1), fault.Corrupt},
		"another track":      {with("tfhd", 8, 7), fault.Corrupt},
		"descriptions of 4G": {with("stsd", 8, 1<<32-1), fault.Unsupported},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := ReadFragments(bytes.NewReader(c.data), int64(len(c.data)))
			if err == nil || fault.KindOf(err) != c.kind {
				t.Errorf("got error %v of kind %q, want kind %q", err, fault.KindOf(err), c.kind)
			}
		})
	}
}

func TestNormaliseRefusesTwoSamplesShownAtOnce(t *testing.T) {
	p := Chunk{Samples: []Sample{{Duration: 1}, {Duration: 1, Offset: -1}}}
	if _, err := p.Normalise(); fault.KindOf(err) != fault.Corrupt {
		t.Errorf("got %v", err)
	}
}

// drawPiece draws a piece as an encoder could write it: frames in any order of presentation, none twice.
func drawPiece(t *rapid.T, start int64, n int) Chunk {
	p := Chunk{Track: Track{
		Handler: "vide", Timescale: uint32(rapid.IntRange(1, 1<<31).Draw(t, "timescale")), Entry: entry("avc1"),
		Width: 128 << 16, Height: 72 << 16, Language: rapid.SampledFrom([]string{"und", "eng", "deu", "jpn"}).Draw(t, "language"),
		Name: rapid.SampledFrom([]string{"", "Director’s cut", "x"}).Draw(t, "name"), Enabled: rapid.Bool().Draw(t, "enabled"),
	}}
	times := make([]int64, n)
	at := start
	for i := range times {
		times[i] = at
		at += rapid.SampledFrom([]int64{512, 512, 512, 1, 513, 100000}).Draw(t, "gap")
	}
	// Reorder within groups of at most four.
	shown := slices.Clone(times)
	mayBeSync := make([]bool, n)
	for i := 0; i < n; {
		group := min(rapid.IntRange(1, 4).Draw(t, "group"), n-i)
		copy(shown[i:], rapid.Permutation(times[i:i+group]).Draw(t, "order"))
		mayBeSync[i] = shown[i] == times[i] // nothing behind it is shown before it
		i += group
	}
	delay := rapid.Int64Range(0, min(start, 1<<30)).Draw(t, "delay") // offsets have 32 bits, with their sign
	p.Start = start - delay
	for i := range times {
		next := at
		if i+1 < n {
			next = times[i+1]
		}
		s := Sample{
			Size: uint32(rapid.IntRange(0, 300).Draw(t, "size")), Duration: uint32(next - times[i]),
			Offset: int32(shown[i] - times[i] + delay), Sync: i == 0 || mayBeSync[i] && rapid.Bool().Draw(t, "sync"),
		}
		p.Bytes += int64(s.Size)
		p.Samples = append(p.Samples, s)
	}
	return p
}

func TestPieceIsTheSameAfterWritingAndReading(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawPiece(t, rapid.Int64Range(0, 1<<40).Draw(t, "start")&^(1<<33-1)+1<<20, rapid.IntRange(0, 40).Draw(t, "samples"))
		if rapid.Bool().Draw(t, "normal") {
			var err error
			if p, err = p.Normalise(); err != nil {
				t.Fatal(err)
			}
		}
		payload := bytes.Repeat([]byte{7}, int(p.Bytes))
		var once, twice bytes.Buffer
		if err := p.Write(&once, bytes.NewReader(payload)); err != nil {
			t.Fatal(err)
		}
		got, err := ReadPieceAt(bytes.NewReader(once.Bytes()), int64(once.Len()))
		if err != nil {
			t.Fatal(err)
		}
		want := p
		want.Header = int64(once.Len()) - p.Bytes
		if len(want.Samples) == 0 {
			want.Samples = nil
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("-written +read\n%s", diff)
		}
		if err := got.Write(&twice, bytes.NewReader(payload)); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(once.Bytes(), twice.Bytes()) {
			t.Fatal("writing it again gives other bytes")
		}
		fragment, extents, err := ReadFragments(bytes.NewReader(once.Bytes()), int64(once.Len()))
		if err != nil {
			t.Fatal(err)
		}
		want.Header = 0
		if diff := cmp.Diff(want, fragment); diff != "" {
			t.Fatalf("as fragments: -written +read\n%s", diff)
		}
		if p.Bytes > 0 && !cmp.Equal(extents, []Extent{{int64(once.Len()) - p.Bytes, p.Bytes}}) {
			t.Fatalf("extents %v", extents)
		}
	})
}

func TestNormaliseKeepsPresentationAndGivesItToDecoding(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := drawPiece(t, rapid.Int64Range(0, 1<<33).Draw(t, "start"), rapid.IntRange(1, 60).Draw(t, "samples"))
		n, err := p.Normalise()
		if err != nil {
			t.Fatal(err)
		}
		times := p.Presentation()
		if got := n.Presentation(); !slices.Equal(got, times) {
			t.Fatalf("presentation\n got %v\nwant %v", got, times)
		}
		at := n.Start
		for i, s := range n.Samples {
			if at != times[i] {
				t.Fatalf("sample %d is decoded at %d, want %d", i+1, at, times[i])
			}
			if s.Size != p.Samples[i].Size || s.Sync != p.Samples[i].Sync {
				t.Fatalf("sample %d became another", i+1)
			}
			at += int64(s.Duration)
		}
		again, err := n.Normalise()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(n, again); diff != "" {
			t.Fatalf("normal twice is not normal once\n%s", diff)
		}
		if moved, back := p.Shift(17), p.Shift(17).Shift(-17); moved.Start != p.Start+17 || back.Start != p.Start {
			t.Fatal("a shift does not move, or not back")
		}
	})
}

func TestWriteRefusesTooShortAPayload(t *testing.T) {
	p := Chunk{Track: Track{Handler: "soun", Timescale: 48000, Entry: entry("mp4a")}, Samples: []Sample{{Size: 10, Duration: 1024, Sync: true}}, Bytes: 10}
	if err := p.Write(io.Discard, bytes.NewReader(make([]byte, 9))); fault.KindOf(err) != fault.Corrupt {
		t.Errorf("got %v", err)
	}
}

func FuzzReadFragments(f *testing.F) {
	fewSamples(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		piece, extents, err := ReadFragments(bytes.NewReader(data), int64(len(data)))
		if err != nil {
			if k := fault.KindOf(err); k != fault.Corrupt && k != fault.Unsupported {
				t.Fatalf("%v has kind %q", err, k)
			}
			return
		}
		var sum int64
		for _, e := range extents {
			if e.Offset < 0 || e.Length <= 0 || e.Offset+e.Length > int64(len(data)) {
				t.Fatalf("extent %v of a file of %d bytes", e, len(data))
			}
			sum += e.Length
		}
		if sum != piece.Bytes {
			t.Fatalf("extents of %d bytes, samples of %d", sum, piece.Bytes)
		}
		piece.Normalise() //nolint:errcheck // only that it ends
	})
}

// FuzzReadPiece reads what claims to be a stored piece, whole and from its header alone: both must say the same. Only a
// reader of the whole notices that samples are cut off, or that more follows them.
func FuzzReadPiece(f *testing.F) {
	fewSamples(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		piece, err := ReadChunk(data)
		at, errAt := ReadPieceAt(bytes.NewReader(data), int64(len(data)))
		if errAt == nil && err != nil {
			t.Fatalf("a whole piece is none from memory: %v", err)
		}
		if k := fault.KindOf(errAt); errAt != nil && k != fault.Corrupt && k != fault.Unsupported {
			t.Fatalf("%v has kind %q", errAt, k)
		}
		if err != nil {
			if k := fault.KindOf(err); k != fault.Corrupt && k != fault.Unsupported {
				t.Fatalf("%v has kind %q", err, k)
			}
			return
		}
		if diff := cmp.Diff(piece, at); errAt == nil && diff != "" {
			t.Fatalf("memory and file differ\n%s", diff)
		}
		if piece.Header < 0 || piece.Header > int64(len(data)) || piece.Bytes < 0 {
			t.Fatalf("a header of %d bytes and samples of %d in %d", piece.Header, piece.Bytes, len(data))
		}
		if again, err := ReadChunk(data[:piece.Header]); err != nil {
			t.Fatalf("not from its own header: %v", err)
		} else if diff := cmp.Diff(piece, again); diff != "" {
			t.Fatalf("the header alone says otherwise\n%s", diff)
		}
	})
}
