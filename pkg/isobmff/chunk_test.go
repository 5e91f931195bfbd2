package isobmff_test

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

	"github.com/mapreel/mapreel/internal/mediatest"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/isobmff"
	"github.com/mapreel/mapreel/pkg/isobmff/internal/chunktest"
)

func TestChunkOfAnEncodersFragmentsHasTheSourcesTimesAndFrames(t *testing.T) {
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
			mediatest.FFmpeg(t, mediatest.Picture("2")+" -vf trim=start_pts=10:end_pts=45,select='not(eq(mod(n\\,7)\\,3))' -copyts -fps_mode passthrough -enc_time_base 1/25 "+
				"-video_track_timescale 12800 "+codec+" "+chunktest.Fragmented, path)
			chunk, stored := chunktest.Store(t, path)
			var want []int64
			for n := range int64(35) {
				if n%7 != 3 {
					want = append(want, (10+n)*512)
				}
			}
			if got := chunk.Presentation(); !slices.Equal(got, want) {
				t.Errorf("presentation\n got %v\nwant %v", got, want)
			}
			decode := chunk.Start
			for i, s := range chunk.Samples {
				if decode != want[i] {
					t.Fatalf("sample %d is decoded at %d, want the presentation time %d", i+1, decode, want[i])
				}
				decode += int64(s.Duration)
			}
			// For fragments libavformat adds the largest negative offset to every time.
			var moved int64
			for _, s := range chunk.Samples {
				moved = max(moved, -int64(s.Offset))
			}
			if got, _ := mediatest.ShownTimes(mediatest.Packets(t, stored, "v:0")); !slices.Equal(got, chunktest.Moved(want, moved)) {
				t.Errorf("ffprobe of the stored chunk gives\n     %v\nwant %v", got, chunktest.Moved(want, moved))
			}
			if diff := cmp.Diff(mediatest.FrameHashes(t, path, "v:0"), mediatest.FrameHashes(t, stored, "v:0")); diff != "" {
				t.Errorf("frames differ: -worker's +stored\n%s", diff)
			}
			head, err := os.ReadFile(stored)
			if err != nil {
				t.Fatal(err)
			}
			again, err := isobmff.ReadChunk(head[:chunk.Header])
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(chunk, again); diff != "" {
				t.Errorf("read from the header alone: -file +header\n%s", diff)
			}
		})
	}
}

// Where frames lie seconds apart, an encoder with B-frames begins to decode before time 0, and ffmpeg writes that time in two's
// complement.
func TestChunkOfAnEncoderMayBeginToDecodeBeforeZero(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "slides.mp4")
	mediatest.FFmpeg(t, "-f lavfi -i testsrc2=size=64x36:rate=1/6:duration=48 -output_ts_offset 10 -c:v libx264 -bf 3 -g 12 "+chunktest.Fragmented, path)
	chunk, _ := chunktest.Store(t, path)
	var want []int64
	for n := range int64(8) {
		want = append(want, 6*n*int64(chunk.Track.Timescale))
	}
	if got := chunk.Presentation(); !slices.Equal(got, want) {
		t.Errorf("presentation\n got %v\nwant %v", got, want)
	}
}

func TestChunkOfAudioKeepsItsTimes(t *testing.T) {
	for name, codec := range map[string]string{"AAC": "-c:a aac", "Opus": "-c:a libopus", "FLAC": "-c:a flac -strict -2", "AC-3": "-c:a ac3"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "worker.mp4")
			mediatest.FFmpeg(t, mediatest.Tone("2")+" "+codec+" -frag_duration 500000 "+chunktest.Fragmented, path)
			chunk, stored := chunktest.Store(t, path)
			var want []int64
			for _, p := range mediatest.Packets(t, path, "a:0") {
				want = append(want, p.PTS-10*int64(chunk.Track.Timescale))
			}
			// Priming lies before 0, and a chunk that starts there cannot be stored.
			if want = chunktest.Moved(want, -min(want[0], 0)); name == "AAC" && len(want) < 90 {
				t.Fatalf("%d packets", len(want))
			}
			if got := chunk.Presentation(); !slices.Equal(got, want) {
				t.Errorf("got %s, want %s", chunktest.Abridge(got), chunktest.Abridge(want))
			}
			got := mediatest.Packets(t, stored, "a:0")
			if len(got) != len(want) || got[0].PTS != want[0] {
				t.Errorf("ffprobe of the stored chunk gives %d packets from %d, want %d from %d", len(got), got[0].PTS, len(want), want[0])
			}
		})
	}
}

func TestChunkHasNoBitRateInItsSampleEntry(t *testing.T) {
	path := filepath.Join(t.TempDir(), "worker.mp4")
	mediatest.FFmpeg(t, mediatest.Picture("1")+" -c:v libx264 -b:v 300k -color_primaries bt709 -color_trc bt709 -colorspace bt709 "+chunktest.Fragmented, path)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Contains(data, []byte("btrt")) {
		t.Fatal("this ffmpeg writes no btrt, so the test proves nothing")
	}
	chunk, _ := chunktest.Store(t, path)
	if bytes.Contains(chunk.Track.Entry, []byte("btrt")) {
		t.Error("the entry has a btrt")
	}
	for _, kind := range []string{"avcC", "colr", "pasp"} {
		if !bytes.Contains(chunk.Track.Entry, []byte(kind)) {
			t.Errorf("the entry has no %s", kind)
		}
	}
}

func TestReadFragmentsRefusesOtherFiles(t *testing.T) {
	dir := t.TempDir()
	read := func(name, args string) []byte {
		path := filepath.Join(dir, name)
		mediatest.FFmpeg(t, args, path)
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	good := read("good.mp4", mediatest.Picture("1")+" -c:v libx264 -g 10 "+chunktest.Fragmented)
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
		"two tracks":         {read("two.mp4", mediatest.Picture("1")+" "+mediatest.Tone("1")+" -c:v libx264 "+chunktest.Fragmented), fault.Unsupported},
		"progressive":        {read("progressive.mp4", mediatest.Picture("1")+" -c:v libx264"), fault.Unsupported},
		"truncated":          {good[:len(good)/2], fault.Corrupt},
		"data outside file":  {with("trun", 12, 1<<30), fault.Corrupt},
		"decode time falls":  {with("tfdt", 12, 0), fault.Corrupt},
		"too many samples":   {with("trun", 8, 1<<30), fault.Corrupt},
		"moof of 4 GiB":      {with("moof", -4, 1<<32-1), fault.Corrupt},
		"another track":      {with("tfhd", 8, 7), fault.Corrupt},
		"descriptions of 4G": {with("stsd", 8, 1<<32-1), fault.Unsupported},
	} {
		t.Run(name, func(t *testing.T) {
			_, _, err := isobmff.ReadFragments(bytes.NewReader(c.data), int64(len(c.data)))
			if err == nil || fault.KindOf(err) != c.kind {
				t.Errorf("got error %v of kind %q, want kind %q", err, fault.KindOf(err), c.kind)
			}
		})
	}
}

func TestNormaliseRefusesTwoSamplesShownAtTheSameTime(t *testing.T) {
	p := isobmff.Chunk{Samples: []isobmff.Sample{{Duration: 1}, {Duration: 1, Offset: -1}}}
	if _, err := p.Normalise(); fault.KindOf(err) != fault.Corrupt {
		t.Errorf("got %v", err)
	}
}

func TestChunkIsTheSameAfterWritingAndReading(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := chunktest.Draw(t, rapid.Int64Range(0, 1<<40).Draw(t, "start")&^(1<<33-1)+1<<20, rapid.IntRange(0, 40).Draw(t, "samples"))
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
		got, err := isobmff.ReadChunk(once.Bytes())
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
			t.Fatal("writing it again gives different bytes")
		}
		fragment, extents, err := isobmff.ReadFragments(bytes.NewReader(once.Bytes()), int64(once.Len()))
		if err != nil {
			t.Fatal(err)
		}
		want.Header = 0
		if diff := cmp.Diff(want, fragment); diff != "" {
			t.Fatalf("as fragments: -written +read\n%s", diff)
		}
		if p.Bytes > 0 && !cmp.Equal(extents, []isobmff.Extent{{int64(once.Len()) - p.Bytes, p.Bytes}}) {
			t.Fatalf("extents %v", extents)
		}
	})
}

func TestNormaliseMakesPresentationTimesTheDecodeTimes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := chunktest.Draw(t, rapid.Int64Range(0, 1<<33).Draw(t, "start"), rapid.IntRange(1, 60).Draw(t, "samples"))
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
				t.Fatalf("sample %d has another size or sync flag", i+1)
			}
			at += int64(s.Duration)
		}
		again, err := n.Normalise()
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(n, again); diff != "" {
			t.Fatalf("normalising twice differs from normalising once\n%s", diff)
		}
		if moved, back := p.Shift(17), p.Shift(17).Shift(-17); moved.Start != p.Start+17 || back.Start != p.Start {
			t.Fatal("Shift does not move the chunk, or not back")
		}
	})
}

func TestWriteRefusesAPayloadThatIsTooShort(t *testing.T) {
	p := isobmff.Chunk{Track: isobmff.Track{Handler: "soun", Timescale: 48000, Entry: chunktest.Entry("mp4a")}, Samples: []isobmff.Sample{{Size: 10, Duration: 1024, Sync: true}}, Bytes: 10}
	if err := p.Write(io.Discard, bytes.NewReader(make([]byte, 9))); fault.KindOf(err) != fault.Corrupt {
		t.Errorf("got %v", err)
	}
}
