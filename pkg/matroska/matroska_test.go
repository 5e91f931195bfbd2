package matroska

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/mapreel/mapreel/internal/mediatest"
	"github.com/mapreel/mapreel/pkg/fault"
)

var picture, tone = mediatest.Picture("3"), mediatest.Tone("3")

// keyframes returns the times that ffprobe gives for the keyframes of the first video stream,
// sorted.
func keyframes(t *testing.T, path string) []int64 {
	t.Helper()
	var times []int64
	for _, p := range mediatest.Packets(t, path, "v:0") {
		if p.Sync {
			times = append(times, p.PTS)
		}
	}
	slices.Sort(times)
	return times
}

func indexOf(t testing.TB, data []byte) *Index {
	t.Helper()
	index, err := ReadIndex(t.Context(), bytes.NewReader(data), int64(len(data)))
	if err != nil {
		t.Fatal(err)
	}
	return index
}

func TestCuesAreTheKeyframesThatFfprobeFinds(t *testing.T) {
	dir := t.TempDir()
	for name, args := range map[string]string{
		"H.264 and AAC.mkv":   picture + " " + tone + " -c:v libx264 -g 20 -bf 3 -c:a aac",
		"sound first.mkv":     tone + " " + picture + " -map 0 -map 1 -c:v libx264 -g 20 -c:a libopus",
		"VP9 and Opus.webm":   picture + " " + tone + " -c:v libvpx-vp9 -deadline realtime -cpu-used 8 -g 15 -c:a libopus",
		"open GOP.mkv":        picture + " -c:v libx265 -preset ultrafast -x265-params log-level=none:open-gop=1:keyint=24:min-keyint=24:scenecut=0:bframes=3",
		"Cues in front.mkv":   picture + " -c:v libx264 -g 20 -cues_to_front 1",
		"room for Cues.mkv":   picture + " -c:v libx264 -g 20 -reserve_index_space 50000",
		"late start.mkv":      "-itsoffset 4.321 " + picture + " -c:v libx264 -g 20",
		"all keyframes.mkv":   picture + " -c:v mjpeg",
		"small clusters.webm": picture + " -c:v libvpx -deadline realtime -g 9 -cluster_time_limit 100",
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(dir, name)
			mediatest.FFmpeg(t, args, path)
			index := indexOf(t, mediatest.ReadFile(t, path))
			i := slices.IndexFunc(index.Tracks, func(k Track) bool { return k.Type == Video })
			if got, want := index.Cues[index.Tracks[i].Number], keyframes(t, path); !slices.Equal(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
			if !index.Indexed || index.TimestampScale != 1_000_000 {
				t.Errorf("got %+v", index)
			}
			if want := strings.TrimPrefix(filepath.Ext(name), "."); index.docType != map[string]string{"mkv": "matroska", "webm": "webm"}[want] {
				t.Errorf("type %q", index.docType)
			}
		})
	}
}

func TestTracksKeepTheFilesOrder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "two.mkv")
	mediatest.FFmpeg(t, tone+" "+picture+" -map 0 -map 1 -c:v libx264 -c:a libopus -disposition:a comment+hearing_impaired+original", path)
	want := []Track{
		{Number: 1, Type: Audio, codecID: "A_OPUS", codecDelay: 6500000},
		{Number: 2, Type: Video, codecID: "V_MPEG4/ISO/AVC"},
	}
	if diff := cmp.Diff(want, indexOf(t, mediatest.ReadFile(t, path)).Tracks, cmp.AllowUnexported(Track{})); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestALiveRecordingIsNotIndexed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "live.mkv")
	mediatest.FFmpeg(t, picture+" -c:v libx264 -g 20 -live 1", path)
	index := indexOf(t, mediatest.ReadFile(t, path))
	if index.Indexed || len(index.Cues) != 0 || len(index.Tracks) != 1 {
		t.Errorf("got %+v", index)
	}
}

func TestAFileWithoutCuesIsNotIndexed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "clip.mkv")
	mediatest.FFmpeg(t, picture+" -c:v libx264 -g 20", path)
	data := mediatest.ReadFile(t, path)
	// Overwrite the Cues with a Void. The SeekHead still points to them.
	cues := bytes.LastIndex(data, []byte{0x1c, 0x53, 0xbb, 0x6b})
	if data[cues+4] < 0x80 {
		t.Fatal("Cues of a clip are shorter than 128 bytes")
	}
	copy(data[cues:], []byte{0xec, 0x10, 0, 0, data[cues+4] & 0x7f}) // same length; the size is coded in four bytes
	if index := indexOf(t, data); index.Indexed || len(index.Tracks) != 1 {
		t.Errorf("got %+v", index)
	}
}

func TestTracksWhoseCuesAreDecodeTimesAreNotIndexed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "clip.mkv")
	mediatest.FFmpeg(t, picture+" -c:v libx264 -g 20", path)
	data := bytes.Replace(mediatest.ReadFile(t, path), []byte("V_MPEG4/ISO/AVC"), []byte("V_MS/VFW/FOURCC"), 1)
	if index := indexOf(t, data); index.Indexed || len(index.Cues) != 0 {
		t.Errorf("got %+v", index)
	}
}

// emptyInteger is a file whose track has a TrackOffset, a signed integer, of size 0.
const emptyInteger = "\x1aE\xdf\xa3\x8bB\x82\x88matroska\x18S\x80g\x8d\x16T\xaek\x88\xae\x86\x53\x7f\x80\xd7\x81\x01"

func TestDamageAfterTheTracksGivesNoIndex(t *testing.T) {
	dir := t.TempDir()
	path, front := filepath.Join(dir, "clip.mkv"), filepath.Join(dir, "front.mkv")
	mediatest.FFmpeg(t, picture+" -c:v libx264 -g 20", path)
	mediatest.FFmpeg(t, picture+" -c:v libx264 -g 20 -cues_to_front 1", front)
	whole, inFront := mediatest.ReadFile(t, path), mediatest.ReadFile(t, front)
	if !indexOf(t, whole).Indexed || !indexOf(t, inFront).Indexed {
		t.Fatal("an undamaged file has no index")
	}
	cues := bytes.LastIndex(whole, []byte{0x1c, 0x53, 0xbb, 0x6b})
	with := func(at int, p ...byte) []byte {
		data := slices.Clone(whole)
		copy(data[at:], p)
		return data
	}
	for name, data := range map[string][]byte{
		"truncated in a Cluster":   whole[:len(whole)/2],
		"truncated in Cues":        whole[:len(whole)-5],
		"truncated, Cues in front": inFront[:len(inFront)-5],
		"Cues larger than file":    with(cues+4, 0x08, 0xff, 0xff, 0xff, 0xff),
		"a CuePoint beyond Cues":   with(cues+5, 0xbb, 0xfe),
	} {
		t.Run(name, func(t *testing.T) {
			index := indexOf(t, data)
			if index.Indexed || len(index.Cues) != 0 || len(index.Tracks) != 1 || fault.KindOf(index.Damage) != fault.Corrupt {
				t.Errorf("got %+v", index)
			}
		})
	}
}

func TestDamageBeforeTheTracksIsAnError(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "clip.mkv")
	mediatest.FFmpeg(t, picture+" -c:v libx264 -g 20", path)
	whole := mediatest.ReadFile(t, path)
	with := func(at int, p ...byte) []byte {
		data := slices.Clone(whole)
		copy(data[at:], p)
		return data
	}
	tracks := bytes.Index(whole, []byte{0x16, 0x54, 0xae, 0x6b})
	random := make([]byte, 5000)
	for i := range random {
		random[i] = byte(i*i*31 + i + 1)
	}
	for name, c := range map[string]struct {
		data []byte
		kind fault.Kind
	}{
		"empty":                        {nil, fault.Corrupt},
		"text":                         {bytes.Repeat([]byte("this is no film\n"), 100), fault.Corrupt},
		"random":                       {random, fault.Corrupt},
		"truncated in Tracks":          {whole[:tracks+20], fault.Corrupt},
		"truncated after the header":   {whole[:40], fault.Corrupt},
		"another DocType":              {bytes.Replace(whole, []byte("matroska"), []byte("mapreel!"), 1), fault.Unsupported},
		"a signed integer of no bytes": {[]byte(emptyInteger), fault.Corrupt}, // the parser panics on it
		"Tracks of 2^56 bytes":         {with(tracks+4, 0x01, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xfe), fault.Corrupt},
	} {
		t.Run(name, func(t *testing.T) {
			index, err := ReadIndex(t.Context(), bytes.NewReader(c.data), int64(len(c.data)))
			if fault.KindOf(err) != c.kind {
				t.Errorf("got %+v and error %v of kind %q, want kind %q", index, err, fault.KindOf(err), c.kind)
			}
		})
	}
}

func TestTheReadersErrorKeepsItsKind(t *testing.T) {
	if _, err := ReadIndex(t.Context(), mediatest.FailingReader{Err: fault.New(fault.Transient, "connection reset")}, 1<<20); fault.KindOf(err) != fault.Transient {
		t.Errorf("got %v", err)
	}
}

func TestIndexReadsUnderOnePercentOfALongFile(t *testing.T) {
	dir := t.TempDir()
	clip, long := filepath.Join(dir, "clip.mkv"), filepath.Join(dir, "long.mkv")
	mediatest.FFmpeg(t, "-f lavfi -i nullsrc=size=320x180:rate=25:duration=5,geq=random(1)*255:128:128 -c:v libx264 -preset ultrafast -tune zerolatency -b:v 900k -g 50", clip)
	mediatest.FFmpeg(t, "-stream_loop 119 -i "+clip+" -c copy", long)
	f, size := mediatest.Open(t, long)
	c := &mediatest.CountingReader{R: f}
	start := time.Now()
	index, err := ReadIndex(t.Context(), c, size)
	if err != nil {
		t.Fatal(err)
	}
	took := time.Since(start)
	if n := len(index.Cues[1]); n < 300 {
		t.Errorf("%d keyframes, want at least 300: the clip has 3 and is repeated 120 times", n)
	}
	if c.Bytes.Load() > size/100 {
		t.Errorf("read %d bytes of %d, more than 1 %%", c.Bytes.Load(), size)
	}
	if c.Calls.Load() > 64 {
		t.Errorf("%d ranged reads, each of which costs a round trip", c.Calls.Load())
	}
	t.Logf("%d of %d bytes in %d reads, %v", c.Bytes.Load(), size, c.Calls.Load(), took)
}

func TestVintReadsIntegersOfAnyLength(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 8).Draw(t, "length")
		v := rapid.Uint64Range(0, 1<<(7*n)-1).Draw(t, "value")
		raw := make([]byte, n, n+1)
		for i := range raw {
			raw[i] = byte(v >> (8 * (n - 1 - i)))
		}
		raw[0] |= 0x80 >> (n - 1)
		got, length, unknown := vint(append(raw, 0xff))
		if got != v || length != n || unknown != (v == 1<<(7*n)-1) {
			t.Fatalf("% x: got %d in %d bytes, unknown %v; want %d in %d", raw, got, length, unknown, v, n)
		}
		if _, length, _ := vint(raw[:n-1]); length != 0 {
			t.Fatalf("% x: a truncated integer was read", raw[:n-1])
		}
	})
}

// The seeds in testdata/fuzz are small because every fuzzing process reads all of them.
func FuzzReadIndex(f *testing.F) {
	f.Add([]byte(emptyInteger))
	f.Fuzz(func(t *testing.T, data []byte) {
		index, err := ReadIndex(t.Context(), bytes.NewReader(data), int64(len(data)))
		if err != nil {
			if k := fault.KindOf(err); k != fault.Corrupt && k != fault.Unsupported {
				t.Fatalf("%v has kind %q", err, k)
			}
			return
		}
		for number, times := range index.Cues {
			if !slices.IsSorted(times) {
				t.Fatalf("cues of track %d out of order: %v", number, times)
			}
		}
		if len(index.Tracks) == 0 || index.TimestampScale == 0 {
			t.Fatalf("an index without tracks or timestamp scale: %+v", index)
		}
	})
}
