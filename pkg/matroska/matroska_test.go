package matroska

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/mapreel/mapreel/pkg/fault"
)

// ffmpeg runs ffmpeg with args, which are split at spaces.
func ffmpeg(t testing.TB, args string, out string) {
	t.Helper()
	run(t, "ffmpeg", append(append([]string{"-v", "error", "-nostdin", "-y"}, strings.Fields(args)...), out)...)
}

func run(t testing.TB, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.Command(name, args...)
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, complaint.Bytes())
	}
	return out.Bytes()
}

const (
	picture = "-f lavfi -i testsrc2=size=128x72:rate=25:duration=3"
	sound   = "-f lavfi -i sine=frequency=440:sample_rate=48000:duration=3"
)

// keyframes asks ffprobe for the times of a video stream's keyframes.
func keyframes(t *testing.T, path string) (times []int64) {
	t.Helper()
	out := run(t, "ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries", "packet=pts,flags", "-of", "csv=p=0", path)
	for line := range strings.Lines(string(out)) {
		pts, flags, _ := strings.Cut(strings.TrimSpace(line), ",")
		if !strings.Contains(flags, "K") {
			continue
		}
		v, err := strconv.ParseInt(pts, 10, 64)
		if err != nil {
			t.Fatalf("ffprobe of %s: %q: %v", path, line, err)
		}
		times = append(times, v)
	}
	slices.Sort(times)
	return times
}

func read(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
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
		"H.264 and AAC.mkv":   picture + " " + sound + " -c:v libx264 -g 20 -bf 3 -c:a aac",
		"sound first.mkv":     sound + " " + picture + " -map 0 -map 1 -c:v libx264 -g 20 -c:a libopus",
		"VP9 and Opus.webm":   picture + " " + sound + " -c:v libvpx-vp9 -deadline realtime -cpu-used 8 -g 15 -c:a libopus",
		"open GOP.mkv":        picture + " -c:v libx265 -preset ultrafast -x265-params log-level=none:open-gop=1:keyint=24:min-keyint=24:scenecut=0:bframes=3",
		"Cues in front.mkv":   picture + " -c:v libx264 -g 20 -cues_to_front 1",
		"room for Cues.mkv":   picture + " -c:v libx264 -g 20 -reserve_index_space 50000",
		"late start.mkv":      "-itsoffset 4.321 " + picture + " -c:v libx264 -g 20",
		"all keyframes.mkv":   picture + " -c:v mjpeg",
		"small clusters.webm": picture + " -c:v libvpx -deadline realtime -g 9 -cluster_time_limit 100",
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(dir, name)
			ffmpeg(t, args, path)
			index := indexOf(t, read(t, path))
			i := slices.IndexFunc(index.Tracks, func(k Track) bool { return k.Type == Video })
			if got, want := index.Cues[index.Tracks[i].Number], keyframes(t, path); !slices.Equal(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
			if !index.Indexed || index.Live || index.TimestampScale != 1_000_000 || index.Duration < 3000 || index.Duration > 7500 {
				t.Errorf("got %+v", index)
			}
			if want := strings.TrimPrefix(filepath.Ext(name), "."); index.DocType != map[string]string{"mkv": "matroska", "webm": "webm"}[want] {
				t.Errorf("type %q", index.DocType)
			}
		})
	}
}

func TestTracksStandInTheFilesOrder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "two.mkv")
	ffmpeg(t, sound+" "+picture+" -map 0 -map 1 -c:v libx264 -c:a libopus -disposition:a comment+hearing_impaired+original", path)
	want := []Track{
		{Number: 1, Type: Audio, CodecID: "A_OPUS", codecDelay: 6500000},
		{Number: 2, Type: Video, CodecID: "V_MPEG4/ISO/AVC", DefaultDuration: 40000000},
	}
	if diff := cmp.Diff(want, indexOf(t, read(t, path)).Tracks, cmp.AllowUnexported(Track{})); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestALiveRecordingIsNotIndexed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "live.mkv")
	ffmpeg(t, picture+" -c:v libx264 -g 20 -live 1", path)
	index := indexOf(t, read(t, path))
	if index.Indexed || !index.Live || len(index.Cues) != 0 || len(index.Tracks) != 1 {
		t.Errorf("got %+v", index)
	}
}

func TestAFileWithoutCuesIsNotIndexed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "clip.mkv")
	ffmpeg(t, picture+" -c:v libx264 -g 20", path)
	data := read(t, path)
	// The Cues become a Void; the SeekHead still promises them.
	cues := bytes.LastIndex(data, []byte{0x1c, 0x53, 0xbb, 0x6b})
	if data[cues+4] < 0x80 {
		t.Fatal("Cues of a clip are shorter than 128 bytes")
	}
	copy(data[cues:], []byte{0xec, 0x10, 0, 0, data[cues+4] & 0x7f}) // as long, with a size of four bytes
	if index := indexOf(t, data); index.Indexed || index.Live || len(index.Tracks) != 1 {
		t.Errorf("got %+v", index)
	}
}

func TestTracksWhoseCuesAreNoPresentationTimesAreNotIndexed(t *testing.T) {
	path := filepath.Join(t.TempDir(), "clip.mkv")
	ffmpeg(t, picture+" -c:v libx264 -g 20", path)
	data := bytes.Replace(read(t, path), []byte("V_MPEG4/ISO/AVC"), []byte("V_MS/VFW/FOURCC"), 1)
	if index := indexOf(t, data); index.Indexed || len(index.Cues) != 0 {
		t.Errorf("got %+v", index)
	}
}

// emptyInteger is a file whose track has a TrackOffset, which is signed, of size 0.
const emptyInteger = "\x1aE\xdf\xa3\x8bB\x82\x88matroska\x18S\x80g\x8d\x16T\xaek\x88\xae\x86\x53\x7f\x80\xd7\x81\x01"

func TestDamageBehindTheTracksIsNoIndex(t *testing.T) {
	dir := t.TempDir()
	path, front := filepath.Join(dir, "clip.mkv"), filepath.Join(dir, "front.mkv")
	ffmpeg(t, picture+" -c:v libx264 -g 20", path)
	ffmpeg(t, picture+" -c:v libx264 -g 20 -cues_to_front 1", front)
	whole, inFront := read(t, path), read(t, front)
	if !indexOf(t, whole).Indexed || !indexOf(t, inFront).Indexed {
		t.Fatal("no index where nothing is damaged")
	}
	cues := bytes.LastIndex(whole, []byte{0x1c, 0x53, 0xbb, 0x6b})
	with := func(at int, p ...byte) []byte {
		data := slices.Clone(whole)
		copy(data[at:], p)
		return data
	}
	for name, data := range map[string][]byte{
		"cut in a cluster":       whole[:len(whole)/2],
		"cut in Cues":            whole[:len(whole)-5],
		"cut, Cues in front":     inFront[:len(inFront)-5],
		"Cues larger than file":  with(cues+4, 0x08, 0xff, 0xff, 0xff, 0xff),
		"a CuePoint beyond Cues": with(cues+5, 0xbb, 0xfe),
	} {
		t.Run(name, func(t *testing.T) {
			index := indexOf(t, data)
			if index.Indexed || len(index.Cues) != 0 || len(index.Tracks) != 1 || fault.KindOf(index.Damage) != fault.Corrupt {
				t.Errorf("got %+v", index)
			}
		})
	}
}

func TestDamageIsCorrupt(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "clip.mkv")
	ffmpeg(t, picture+" -c:v libx264 -g 20", path)
	whole := read(t, path)
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
		"cut in Tracks":                {whole[:tracks+20], fault.Corrupt},
		"cut behind the head":          {whole[:40], fault.Corrupt},
		"another document":             {bytes.Replace(whole, []byte("matroska"), []byte("mapreel!"), 1), fault.Unsupported},
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
	if _, err := ReadIndex(t.Context(), failing{}, 1<<20); fault.KindOf(err) != fault.Transient {
		t.Errorf("got %v", err)
	}
}

type failing struct{}

func (failing) ReadAt([]byte, int64) (int, error) {
	return 0, fault.New(fault.Transient, "connection reset")
}

// counting counts the bytes that are read.
type counting struct {
	r            io.ReaderAt
	bytes, calls atomic.Int64
}

func (c *counting) ReadAt(p []byte, at int64) (int, error) {
	c.bytes.Add(int64(len(p)))
	c.calls.Add(1)
	return c.r.ReadAt(p, at)
}

func TestIndexReadsUnderOnePercentOfALongFile(t *testing.T) {
	dir := t.TempDir()
	clip, long := filepath.Join(dir, "clip.mkv"), filepath.Join(dir, "long.mkv")
	ffmpeg(t, "-f lavfi -i nullsrc=size=320x180:rate=25:duration=5,geq=random(1)*255:128:128 -c:v libx264 -preset ultrafast -tune zerolatency -b:v 900k -g 50", clip)
	ffmpeg(t, "-stream_loop 119 -i "+clip+" -c copy", long)
	f, err := os.Open(long)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	c := &counting{r: f}
	start := time.Now()
	index, err := ReadIndex(t.Context(), c, info.Size())
	if err != nil {
		t.Fatal(err)
	}
	took := time.Since(start)
	if n := len(index.Cues[1]); n < 300 {
		t.Errorf("%d keyframes in 120 rounds of 3", n)
	}
	if c.bytes.Load() > info.Size()/100 {
		t.Errorf("read %d bytes of %d, more than 1 %%", c.bytes.Load(), info.Size())
	}
	if c.calls.Load() > 64 {
		t.Errorf("%d ranged reads, each of which costs a round trip", c.calls.Load())
	}
	t.Logf("%d of %d bytes in %d reads, %v", c.bytes.Load(), info.Size(), c.calls.Load(), took)
}

func TestVintReadsWhatTheSpecificationWrites(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 8).Draw(t, "length")
		v := rapid.Uint64Range(0, 1<<(7*n)-1).Draw(t, "value")
		raw := make([]byte, n, n+1)
		for i := range raw {
			raw[i] = byte(v >> (8 * (n - 1 - i)))
		}
		raw[0] |= 0x80 >> (n - 1)
		got, length, all := vint(append(raw, 0xff))
		if got != v || length != n || all != (v == 1<<(7*n)-1) {
			t.Fatalf("% x: got %d in %d bytes, all %v; want %d in %d", raw, got, length, all, v, n)
		}
		if _, length, _ := vint(raw[:n-1]); length != 0 {
			t.Fatalf("% x: a number where one is cut", raw[:n-1])
		}
	})
}

// The seeds, in testdata/fuzz, are small: a process of the fuzzer reads each of them anew.
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
			t.Fatalf("an index of nothing: %+v", index)
		}
	})
}
