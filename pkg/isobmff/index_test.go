package isobmff

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/fault"
)

// compareToProbe checks the first video track of the file at path against ffprobe and returns it.
func compareToProbe(t *testing.T, path string) TrackIndex {
	t.Helper()
	f, size := open(t, path)
	index, err := ReadIndex(t.Context(), f, size)
	if err != nil {
		t.Fatalf("read index of %s: %v", path, err)
	}
	track := index.Tracks[slices.IndexFunc(index.Tracks, func(k TrackIndex) bool { return k.Handler == "vide" })]
	all := packets(t, path, "v:0")
	times, sync := shownTimes(all)
	if !slices.Equal(track.Presentation, times) {
		t.Errorf("%s: presentation\n got %s\nwant %s", filepath.Base(path), describe(track.Presentation), describe(times))
	}
	if !slices.Equal(track.Sync, sync) {
		t.Errorf("%s: sync\n got %s\nwant %s", filepath.Base(path), describe(track.Sync), describe(sync))
	}
	if n := len(times); n > 0 && track.End <= times[n-1] {
		t.Errorf("%s: ends at %d, not after its last frame at %d", filepath.Base(path), track.End, times[n-1])
	}
	return track
}

func TestIndexGivesTheTimesThatFfprobeGives(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	plain := at("plain.mp4")
	ffmpeg(t, picture("3")+" "+sound("3")+" -c:v libx264 -g 20 -pix_fmt yuv420p -c:a aac", plain)
	for name, args := range map[string]string{
		"no B-frames.mp4":       picture("2") + " -c:v libx264 -bf 0 -g 20",
		"moov first.mp4":        picture("2") + " -c:v libx264 -g 20 -movflags faststart",
		"no edit list.mp4":      picture("2") + " -c:v libx264 -g 20 -use_editlist 0",
		"negative offsets.mp4":  picture("2") + " -c:v libx264 -g 20 -movflags negative_cts_offsets",
		"quicktime.mov":         picture("2") + " -c:v libx264 -g 20",
		"open GOP of H.264.mov": picture("3") + " -c:v libx264 -x264-params open-gop=1:keyint=20:min-keyint=20:bframes=3",
		"open GOP of HEVC.mp4": picture("3") + " -c:v libx265 -preset ultrafast -bf 3 -x265-params " +
			"log-level=none:open-gop=1:keyint=24:min-keyint=24:scenecut=0:bframes=3:b-adapt=0",
		"variable rate.mp4":                 picture("3") + " -vf select='not(mod(n\\,3))+lt(n\\,20)',setpts=PTS+mod(N*7\\,5)/500/TB -fps_mode passthrough -c:v libx264 -g 20",
		"all sync.mp4":                      picture("1") + " -c:v mjpeg",
		"all sync, B tag.mov":               picture("1") + " -c:v prores_ks",
		"empty edit.mp4":                    "-itsoffset 1.234 -i " + plain + " -i " + plain + " -map 0:v -map 1:a -c copy",
		"cut.mp4":                           "-ss 1.3 -i " + plain + " -c copy",
		"cut at its end.mp4":                "-ss 0.5 -i " + plain + " -t 1.01 -c copy",
		"cut without moving timestamps.mp4": "-ss 1.3 -i " + plain + " -c copy -copyts",
		"other timescales.mp4":              "-itsoffset 0.7 -i " + plain + " -i " + plain + " -map 0:v -map 1:a -c copy -movie_timescale 90000 -video_track_timescale 600",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ffmpeg(t, args, at(name))
			track := compareToProbe(t, at(name))
			if track.Irregular {
				t.Errorf("%s is called irregular", name)
			}
		})
	}
}

// The demuxer's reading of edit lists has corners that no muxer of ours writes, so the edits are written over.
func TestIndexReadsAnyEditListAsFfprobeDoes(t *testing.T) {
	for _, kind := range []struct{ name, args string }{
		{"reordered", "-c:v libx264 -g 20 -bf 3"},
		{"in order", "-c:v libx264 -g 20 -bf 0"},
		{"negative offsets", "-c:v libx264 -g 20 -bf 3 -movflags negative_cts_offsets"},
	} {
		t.Run(kind.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			clip, gap := filepath.Join(dir, "clip.mp4"), filepath.Join(dir, "gap.mp4")
			ffmpeg(t, picture("3")+" "+kind.args, clip)
			ffmpeg(t, "-itsoffset 1 -i "+clip+" "+sound("1")+" -map 0:v -map 1:a -c:v copy -movie_timescale 1000 -movflags "+
				map[bool]string{true: "negative_cts_offsets", false: "+faststart"}[kind.name == "negative offsets"], gap)
			original, err := os.ReadFile(gap)
			if err != nil {
				t.Fatal(err)
			}
			// Two edits of version 0 follow the name of the first elst: duration, media time, rate each.
			elst := bytes.Index(original, []byte("elst")) + 12
			random := rand.New(rand.NewPCG(1, 2))
			for n := range 10 {
				edits := [4]int32{int32(random.IntN(3000)), -1, int32(random.IntN(3500)), int32(random.IntN(40000))}
				switch {
				case n == 0:
					edits = [4]int32{0, -1, 3000, 0}
				case n < 6: // media time on a frame
					edits[3] = int32(random.IntN(60)) * 512
				}
				data := slices.Clone(original)
				for i, v := range edits {
					binary.BigEndian.PutUint32(data[elst+12*(i/2)+4*(i%2):], uint32(v))
				}
				path := filepath.Join(dir, fmt.Sprintf("edits %v.mp4", edits))
				if err := os.WriteFile(path, data, 0o600); err != nil {
					t.Fatal(err)
				}
				compareToProbe(t, path)
			}
		})
	}
}

func TestIndexNamesMoreComplicatedEditListsIrregular(t *testing.T) {
	dir := t.TempDir()
	clip, gap := filepath.Join(dir, "clip.mp4"), filepath.Join(dir, "gap.mp4")
	ffmpeg(t, picture("2")+" -c:v libx264 -g 20 -bf 0", clip)
	ffmpeg(t, "-itsoffset 1 -i "+clip+" "+sound("1")+" -map 0:v -map 1:a -c:v copy", gap)
	data, err := os.ReadFile(gap)
	if err != nil {
		t.Fatal(err)
	}
	elst := bytes.Index(data, []byte("elst")) + 12
	binary.BigEndian.PutUint32(data[elst+4:], 0) // the gap becomes a first edit of a second
	if err := os.WriteFile(gap, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if track := compareToProbe(t, gap); !track.Irregular {
		t.Error("two edits of media are called regular")
	}
}

func TestIndexOfAFragmentedFileSaysSo(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fragmented.mp4")
	ffmpeg(t, picture("2")+" -c:v libx264 -g 10 -movflags frag_keyframe+empty_moov", path)
	f, size := open(t, path)
	index, err := ReadIndex(t.Context(), f, size)
	if err != nil {
		t.Fatal(err)
	}
	if !index.Fragmented || len(index.Tracks) != 1 || index.Tracks[0].Handler != "vide" || index.Tracks[0].Presentation != nil {
		t.Errorf("got %+v", index)
	}
}

func TestIndexRefusesWhatIsNoWholeMP4(t *testing.T) {
	dir := t.TempDir()
	first, last := filepath.Join(dir, "first.mp4"), filepath.Join(dir, "last.mp4")
	ffmpeg(t, picture("1")+" -c:v libx264 -movflags faststart", first)
	ffmpeg(t, picture("1")+" -c:v libx264", last)
	read := func(path string) []byte {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	moovFirst, moovLast := read(first), read(last)
	with := func(data []byte, name string, offset int, v uint32) []byte {
		data = slices.Clone(data)
		binary.BigEndian.PutUint32(data[bytes.Index(data, []byte(name))+offset:], v)
		return data
	}
	random := make([]byte, 5000)
	for i := range random {
		random[i] = byte(i*i*31 + i)
	}
	for name, c := range map[string]struct {
		data []byte
		kind fault.Kind
	}{
		"empty":                    {nil, fault.Corrupt},
		"text":                     {bytes.Repeat([]byte("this is no film\n"), 100), fault.Corrupt},
		"random":                   {random, fault.Corrupt},
		"cut in mdat, moov first":  {moovFirst[:len(moovFirst)-10], fault.Corrupt},
		"cut in mdat, moov last":   {moovLast[:len(moovLast)/2], fault.Corrupt},
		"cut in moov":              {moovLast[:len(moovLast)-10], fault.Corrupt},
		"cut behind ftyp":          {moovFirst[:32], fault.Corrupt},
		"moov of 4 GiB":            {with(moovFirst, "moov", -4, 1<<32-1), fault.Corrupt},
		"stts of 4 GiB of rows":    {with(moovFirst, "stts", 8, 1<<32-1), fault.Corrupt},
		"ctts of 4 GiB of rows":    {with(moovFirst, "ctts", 8, 1<<32-1), fault.Corrupt},
		"stss of 4 GiB of rows":    {with(moovFirst, "stss", 8, 1<<32-1), fault.Corrupt},
		"stsz of 4 GiB of rows":    {with(moovFirst, "stsz", 12, 1<<32-1), fault.Unsupported},
		"stsz of a million rows":   {with(moovFirst, "stsz", 12, 1000000), fault.Corrupt},
		"equal sizes of 4 billion": {with(with(moovFirst, "stsz", 12, 1<<32-1), "stsz", 8, 1), fault.Unsupported},
		"edit list of 4 GiB":       {with(moovFirst, "elst", 8, 1<<32-1), fault.Corrupt},
		"no movie timescale":       {with(moovFirst, "mvhd", 16, 0), fault.Corrupt},
		"no track timescale":       {with(moovFirst, "mdhd", 16, 0), fault.Corrupt},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ReadIndex(t.Context(), bytes.NewReader(c.data), int64(len(c.data)))
			if err == nil || fault.KindOf(err) != c.kind {
				t.Errorf("got error %v of kind %q, want kind %q", err, fault.KindOf(err), c.kind)
			}
		})
	}
}

func TestIndexFollowsLargeSizesAndSizeZero(t *testing.T) {
	path := filepath.Join(t.TempDir(), "clip.mp4")
	ffmpeg(t, picture("1")+" -c:v libx264", path) // moov last
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := compareToProbe(t, path)
	moov := bytes.Index(data, []byte("moov")) - 4
	toTheEnd := slices.Clone(data)
	binary.BigEndian.PutUint32(toTheEnd[moov:], 0)
	wide := slices.Clone(data[:moov])
	wide = append(wide, 0, 0, 0, 1)
	wide = append(wide, "moov"...)
	wide = binary.BigEndian.AppendUint64(wide, uint64(len(data)-moov+8))
	wide = append(wide, data[moov+8:]...)
	for name, data := range map[string][]byte{"size 0": toTheEnd, "64-bit size": wide, "zeros behind": append(slices.Clone(data), 0, 0, 0, 0, 0)} {
		index, err := ReadIndex(t.Context(), bytes.NewReader(data), int64(len(data)))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(want, index.Tracks[0]); diff != "" {
			t.Errorf("%s: -want +got\n%s", name, diff)
		}
	}
}

// counting counts the bytes that are read.
type counting struct {
	r     io.ReaderAt
	bytes atomic.Int64
	calls atomic.Int64
}

func (c *counting) ReadAt(p []byte, at int64) (int, error) {
	c.bytes.Add(int64(len(p)))
	c.calls.Add(1)
	return c.r.ReadAt(p, at)
}

func TestIndexReadsUnderOnePercentOfALongFile(t *testing.T) {
	dir := t.TempDir()
	clip, long := filepath.Join(dir, "clip.mp4"), filepath.Join(dir, "long.mp4")
	// 5 s at some 900 kbit/s, as films have, looped to 10 minutes.
	ffmpeg(t, "-f lavfi -i nullsrc=size=320x180:rate=25:duration=5,geq=random(1)*255:128:128 "+sound("5")+
		" -c:v libx264 -preset ultrafast -tune zerolatency -b:v 900k -c:a aac -b:a 128k", clip)
	ffmpeg(t, "-stream_loop 119 -i "+clip+" -c copy", long)
	f, size := open(t, long)
	c := &counting{r: f}
	start := time.Now()
	index, err := ReadIndex(t.Context(), c, size)
	took := time.Since(start)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(index.Tracks[0].Presentation); n != 120*125 {
		t.Errorf("%d frames, want %d", n, 120*125)
	}
	if c.bytes.Load() > size/100 {
		t.Errorf("read %d bytes of %d, more than 1 %%", c.bytes.Load(), size)
	}
	if c.calls.Load() > 64 {
		t.Errorf("%d ranged reads, each of which costs a round trip", c.calls.Load())
	}
	t.Logf("%d of %d bytes in %d reads, %v", c.bytes.Load(), size, c.calls.Load(), took)
}

func TestIndexStopsWhenTheContextEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := ReadIndex(ctx, bytes.NewReader(make([]byte, 100)), 100); err != context.Canceled { //nolint:errorlint // bare
		t.Errorf("got %v", err)
	}
}

func TestIndexPassesTheReadersErrorOn(t *testing.T) {
	broken := fault.New(fault.Transient, "connection reset")
	_, err := ReadIndex(t.Context(), failing{broken}, 1<<20)
	if fault.KindOf(err) != fault.Transient {
		t.Errorf("got %v of kind %q", err, fault.KindOf(err))
	}
}

type failing struct{ err error }

func (f failing) ReadAt([]byte, int64) (int, error) { return 0, f.err }

// fewSamples lowers the limit of samples for the time of a fuzz target.
func fewSamples(f *testing.F) {
	before := maxSamples
	maxSamples = 1 << 10
	f.Cleanup(func() { maxSamples = before })
}

// The seeds, in testdata/fuzz, are small: a process of the fuzzer reads each of them anew, and changes of a byte in a large
// file seldom meet its tables.
func FuzzReadIndex(f *testing.F) {
	fewSamples(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		index, err := ReadIndex(t.Context(), bytes.NewReader(data), int64(len(data)))
		if err != nil {
			if k := fault.KindOf(err); k != fault.Corrupt && k != fault.Unsupported {
				t.Fatalf("%v has kind %q", err, k)
			}
			return
		}
		for _, track := range index.Tracks {
			if !slices.IsSorted(track.Presentation) || !slices.IsSorted(track.Sync) || len(track.Sync) > len(track.Presentation) {
				t.Fatalf("times out of order: %+v", track)
			}
		}
	})
}
