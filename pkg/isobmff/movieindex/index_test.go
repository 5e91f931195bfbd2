package movieindex

import (
	"bytes"
	"context"
	"crypto/md5" //nolint:gosec // as ffprobe's
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/mapreel/mapreel/internal/mediatest"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/isobmff/internal/chunktest"
)

// compareToProbe compares the first video track of the file at path with ffprobe, and returns it.
func compareToProbe(t *testing.T, path string) Track {
	t.Helper()
	f, size := mediatest.Open(t, path)
	index, err := Read(t.Context(), f, size)
	if err != nil {
		t.Fatalf("read index of %s: %v", path, err)
	}
	track := index.Tracks[slices.IndexFunc(index.Tracks, func(k Track) bool { return k.Handler == "vide" })]
	all := mediatest.Packets(t, path, "v:0")
	times, sync := mediatest.ShownTimes(all)
	if !slices.Equal(track.Presentation, times) {
		t.Errorf("%s: presentation\n got %s\nwant %s", filepath.Base(path), chunktest.Abridge(track.Presentation), chunktest.Abridge(times))
	}
	if !slices.Equal(track.Sync, sync) {
		t.Errorf("%s: sync\n got %s\nwant %s", filepath.Base(path), chunktest.Abridge(track.Sync), chunktest.Abridge(sync))
	}
	if n := len(times); n > 0 && track.End <= times[n-1] {
		t.Errorf("%s: ends at %d, not after its last frame at %d", filepath.Base(path), track.End, times[n-1])
	}
	comparePackets(t, track, f, size, all)
	return track
}

// comparePackets compares what is read of a track's packets, where the index suffices for that, with
// the packets that ffprobe lists.
func comparePackets(t *testing.T, track Track, f *os.File, size int64, all []mediatest.Packet) {
	t.Helper()
	times := track.Sync
	if len(times) > 0 {
		times = times[1:] // the first is the first packet
	}
	got, ok, err := track.ReadPackets(t.Context(), f, size, times, 1<<30)
	if err != nil {
		t.Fatalf("%s: %v", f.Name(), err)
	}
	if !ok {
		return
	}
	want := []string{all[0].MD5}
	for _, at := range times {
		i := slices.IndexFunc(all, func(p mediatest.Packet) bool { return p.PTS == at && p.Sync && !p.Discarded })
		want = append(want, all[i].MD5)
	}
	var sums []string
	for _, data := range got.Data {
		sums = append(sums, fmt.Sprintf("%x", md5.Sum(data))) //nolint:gosec // as ffprobe's
	}
	if !slices.Equal(sums, want) {
		t.Errorf("%s: packets\n got %v\nwant %v", filepath.Base(f.Name()), sums, want)
	}
	t.Logf("%s: %d packets are the same", filepath.Base(f.Name()), len(sums))
}

func TestIndexHasTheTimesThatFfprobeReports(t *testing.T) {
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	plain := at("plain.mp4")
	mediatest.FFmpeg(t, mediatest.Picture("3")+" "+mediatest.Tone("3")+" -c:v libx264 -g 20 -pix_fmt yuv420p -c:a aac", plain)
	for name, args := range map[string]string{
		"no B-frames.mp4":       mediatest.Picture("2") + " -c:v libx264 -bf 0 -g 20",
		"moov first.mp4":        mediatest.Picture("2") + " -c:v libx264 -g 20 -movflags faststart",
		"no edit list.mp4":      mediatest.Picture("2") + " -c:v libx264 -g 20 -use_editlist 0",
		"negative offsets.mp4":  mediatest.Picture("2") + " -c:v libx264 -g 20 -movflags negative_cts_offsets",
		"quicktime.mov":         mediatest.Picture("2") + " -c:v libx264 -g 20",
		"open GOP of H.264.mov": mediatest.Picture("3") + " -c:v libx264 -x264-params open-gop=1:keyint=20:min-keyint=20:bframes=3",
		"open GOP of HEVC.mp4": mediatest.Picture("3") + " -c:v libx265 -preset ultrafast -bf 3 -x265-params " +
			"log-level=none:open-gop=1:keyint=24:min-keyint=24:scenecut=0:bframes=3:b-adapt=0",
		"variable rate.mp4":                 mediatest.Picture("3") + " -vf select='not(mod(n\\,3))+lt(n\\,20)',setpts=PTS+mod(N*7\\,5)/500/TB -fps_mode passthrough -c:v libx264 -g 20",
		"all sync.mp4":                      mediatest.Picture("1") + " -c:v mjpeg",
		"all sync, B tag.mov":               mediatest.Picture("1") + " -c:v prores_ks",
		"empty edit.mp4":                    "-itsoffset 1.234 -i " + plain + " -i " + plain + " -map 0:v -map 1:a -c copy",
		"cut.mp4":                           "-ss 1.3 -i " + plain + " -c copy",
		"cut at its end.mp4":                "-ss 0.5 -i " + plain + " -t 1.01 -c copy",
		"cut without moving timestamps.mp4": "-ss 1.3 -i " + plain + " -c copy -copyts",
		"other timescales.mp4":              "-itsoffset 0.7 -i " + plain + " -i " + plain + " -map 0:v -map 1:a -c copy -movie_timescale 90000 -video_track_timescale 600",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mediatest.FFmpeg(t, args, at(name))
			track := compareToProbe(t, at(name))
			if track.Irregular {
				t.Errorf("%s is reported as irregular", name)
			}
		})
	}
}

// ffmpeg's demuxer handles edit lists that its muxer never writes, so the test overwrites the
// edits.
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
			mediatest.FFmpeg(t, mediatest.Picture("3")+" "+kind.args, clip)
			mediatest.FFmpeg(t, "-itsoffset 1 -i "+clip+" "+mediatest.Tone("1")+" -map 0:v -map 1:a -c:v copy -movie_timescale 1000 -movflags "+
				map[bool]string{true: "negative_cts_offsets", false: "+faststart"}[kind.name == "negative offsets"], gap)
			original, err := os.ReadFile(gap)
			if err != nil {
				t.Fatal(err)
			}
			// Two edits of version 0 follow the name of the first elst: duration, media time, rate
			// each.
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

func TestIndexReportsMoreComplicatedEditListsAsIrregular(t *testing.T) {
	dir := t.TempDir()
	clip, gap := filepath.Join(dir, "clip.mp4"), filepath.Join(dir, "gap.mp4")
	mediatest.FFmpeg(t, mediatest.Picture("2")+" -c:v libx264 -g 20 -bf 0", clip)
	mediatest.FFmpeg(t, "-itsoffset 1 -i "+clip+" "+mediatest.Tone("1")+" -map 0:v -map 1:a -c:v copy", gap)
	data, err := os.ReadFile(gap)
	if err != nil {
		t.Fatal(err)
	}
	elst := bytes.Index(data, []byte("elst")) + 12
	binary.BigEndian.PutUint32(data[elst+4:], 0) // turn the gap into a first edit of a second of media
	if err := os.WriteFile(gap, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if track := compareToProbe(t, gap); !track.Irregular {
		t.Error("two edits of media are reported as regular")
	}
}

func TestIndexReportsAFragmentedFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fragmented.mp4")
	mediatest.FFmpeg(t, mediatest.Picture("2")+" -c:v libx264 -g 10 -movflags frag_keyframe+empty_moov", path)
	f, size := mediatest.Open(t, path)
	index, err := Read(t.Context(), f, size)
	if err != nil {
		t.Fatal(err)
	}
	if !index.Fragmented || len(index.Tracks) != 1 || index.Tracks[0].Handler != "vide" || index.Tracks[0].Presentation != nil {
		t.Errorf("got %+v", index)
	}
}

func TestIndexRefusesDamagedAndOtherFiles(t *testing.T) {
	dir := t.TempDir()
	first, last := filepath.Join(dir, "first.mp4"), filepath.Join(dir, "last.mp4")
	mediatest.FFmpeg(t, mediatest.Picture("1")+" -c:v libx264 -movflags faststart", first)
	mediatest.FFmpeg(t, mediatest.Picture("1")+" -c:v libx264", last)
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
		"empty":                        {nil, fault.Corrupt},
		"text":                         {bytes.Repeat([]byte("this is no film\n"), 100), fault.Corrupt},
		"random":                       {random, fault.Corrupt},
		"truncated in mdat, moov last": {moovLast[:len(moovLast)/2], fault.Corrupt},
		"truncated in moov":            {moovLast[:len(moovLast)-10], fault.Corrupt},
		"truncated after ftyp":         {moovFirst[:32], fault.Corrupt},
		"moov of 4 GiB":                {with(moovFirst, "moov", -4, 1<<32-1), fault.Corrupt},
		"stts of 4 GiB of rows":        {with(moovFirst, "stts", 8, 1<<32-1), fault.Corrupt},
		"ctts of 4 GiB of rows":        {with(moovFirst, "ctts", 8, 1<<32-1), fault.Corrupt},
		"stss of 4 GiB of rows":        {with(moovFirst, "stss", 8, 1<<32-1), fault.Corrupt},
		"stsz of 4 GiB of rows":        {with(moovFirst, "stsz", 12, 1<<32-1), fault.Unsupported},
		"stsz of a million rows":       {with(moovFirst, "stsz", 12, 1000000), fault.Corrupt},
		"equal sizes of 4 billion":     {with(with(moovFirst, "stsz", 12, 1<<32-1), "stsz", 8, 1), fault.Unsupported},
		"edit list of 4 GiB":           {with(moovFirst, "elst", 8, 1<<32-1), fault.Corrupt},
		"no track timescale":           {with(moovFirst, "mdhd", 16, 0), fault.Corrupt},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Read(t.Context(), bytes.NewReader(c.data), int64(len(c.data)))
			if err == nil || fault.KindOf(err) != c.kind {
				t.Errorf("got error %v of kind %q, want kind %q", err, fault.KindOf(err), c.kind)
			}
		})
	}
}

func TestAFileThatEndsWithinItsMediaKeepsTheSamplesThatAreThere(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "whole.mp4")
	mediatest.FFmpeg(t, mediatest.Picture("2")+" "+mediatest.Tone("2")+" -c:v libx264 -g 10 -c:a aac -movflags faststart", path)
	data := mediatest.ReadFile(t, path)
	whole := compareToProbe(t, path)
	packets := mediatest.Packets(t, path, "v:0")
	mdat := bytes.Index(data, []byte("mdat")) - 4
	patch := func(change func(data []byte)) []byte {
		data := slices.Clone(data)
		change(data)
		return data
	}
	read := func(name string, data []byte) *Index {
		index, err := Read(t.Context(), bytes.NewReader(data), int64(len(data)))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return index
	}
	cut := data[:len(data)*7/10]
	for name, data := range map[string][]byte{
		"cut":               cut,
		"cut, no mdat size": patch(func(data []byte) { binary.BigEndian.PutUint32(data[mdat:], 0) })[:len(cut)],
	} {
		index := read(name, data)
		video, audio := index.Tracks[0], index.Tracks[1]
		n := len(video.Presentation)
		if fault.KindOf(index.Damage) != fault.Corrupt || n == 0 || n+video.Missing != len(whole.Presentation) || audio.Missing == 0 {
			t.Errorf("%s: damage %v, %d frames and %d missing, %d of %d packets of audio missing", name, index.Damage, n, video.Missing, audio.Missing, audio.Samples)
		}
		want, sync := mediatest.ShownTimes(packets[:n])
		if diff := cmp.Diff(want, video.Presentation) + cmp.Diff(sync, video.Sync); diff != "" {
			t.Errorf("%s: -want +got\n%s", name, diff)
		}
	}
	for name, data := range map[string][]byte{
		"an mdat that claims too much": patch(func(data []byte) { binary.BigEndian.PutUint32(data[mdat:], 1<<31) }),
		"no movie timescale":           patch(func(data []byte) { binary.BigEndian.PutUint32(data[bytes.Index(data, []byte("mvhd"))+16:], 0) }),
	} {
		index := read(name, data)
		if diff := cmp.Diff(whole, index.Tracks[0], cmpopts.IgnoreUnexported(Track{})); diff != "" || index.Damage != nil {
			t.Errorf("%s: damage %v; -want +got\n%s", name, index.Damage, diff)
		}
	}
}

// ffmpeg's demuxer ends such a box with its parent.
func TestABoxThatDeclaresTooMuchEndsWithItsParent(t *testing.T) {
	path := filepath.Join(t.TempDir(), "clip.mp4")
	mediatest.FFmpeg(t, mediatest.Picture("1")+" -c:v libx264", path)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"mdia", "minf", "stbl"} { // each is the last box of its parent
		damaged := filepath.Join(t.TempDir(), name+".mp4")
		changed := slices.Clone(data)
		binary.BigEndian.PutUint32(changed[bytes.Index(changed, []byte(name))-4:], 3_607_102_269)
		if err := os.WriteFile(damaged, changed, 0o600); err != nil {
			t.Fatal(err)
		}
		compareToProbe(t, damaged)
	}
}

func TestIndexFollowsLargeSizesAndSizeZero(t *testing.T) {
	path := filepath.Join(t.TempDir(), "clip.mp4")
	mediatest.FFmpeg(t, mediatest.Picture("1")+" -c:v libx264", path) // moov last
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
	for name, data := range map[string][]byte{"size 0": toTheEnd, "64-bit size": wide, "zeros at the end": append(slices.Clone(data), 0, 0, 0, 0, 0)} {
		index, err := Read(t.Context(), bytes.NewReader(data), int64(len(data)))
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if diff := cmp.Diff(want, index.Tracks[0], cmpopts.IgnoreUnexported(Track{})); diff != "" {
			t.Errorf("%s: -want +got\n%s", name, diff)
		}
	}
}

func TestIndexReadsUnderOnePercentOfALongFile(t *testing.T) {
	dir := t.TempDir()
	clip, long := filepath.Join(dir, "clip.mp4"), filepath.Join(dir, "long.mp4")
	// 5 s at about 900 kbit/s, as films have, repeated to 10 minutes.
	mediatest.FFmpeg(t, "-f lavfi -i nullsrc=size=320x180:rate=25:duration=5,geq=random(1)*255:128:128 "+mediatest.Tone("5")+
		" -c:v libx264 -preset ultrafast -tune zerolatency -b:v 900k -c:a aac -b:a 128k", clip)
	mediatest.FFmpeg(t, "-stream_loop 119 -i "+clip+" -c copy", long)
	f, size := mediatest.Open(t, long)
	c := &mediatest.CountingReader{R: f}
	start := time.Now()
	index, err := Read(t.Context(), c, size)
	took := time.Since(start)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(index.Tracks[0].Presentation); n != 120*125 {
		t.Errorf("%d frames, want %d", n, 120*125)
	}
	if c.Bytes.Load() > size/100 {
		t.Errorf("read %d bytes of %d, more than 1 %%", c.Bytes.Load(), size)
	}
	if c.Calls.Load() > 64 {
		t.Errorf("%d ranged reads, each of which costs a round trip", c.Calls.Load())
	}
	t.Logf("%d of %d bytes in %d reads, %v", c.Bytes.Load(), size, c.Calls.Load(), took)
}

func TestIndexStopsWhenTheContextEnds(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Read(ctx, bytes.NewReader(make([]byte, 100)), 100); err != context.Canceled { //nolint:errorlint // bare
		t.Errorf("got %v", err)
	}
}

func TestIndexKeepsTheReadersError(t *testing.T) {
	broken := fault.New(fault.Transient, "connection reset")
	_, err := Read(t.Context(), mediatest.FailingReader{Err: broken}, 1<<20)
	if fault.KindOf(err) != fault.Transient {
		t.Errorf("got %v of kind %q", err, fault.KindOf(err))
	}
}

// fewSamples lowers the limit of samples for the duration of a fuzz target.
func fewSamples(f *testing.F) {
	before := maxSamples
	maxSamples = 1 << 10
	f.Cleanup(func() { maxSamples = before })
}

// The seeds in testdata/fuzz are small because every fuzzing process reads all of them, and because
// a changed byte in a large file seldom falls into its tables.
func FuzzRead(f *testing.F) {
	fewSamples(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		index, err := Read(t.Context(), bytes.NewReader(data), int64(len(data)))
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

// Half of a package is no damaged file: the error says what it is.
func TestSegmentsOfAPackageAreNamed(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "in.mp4")
	mediatest.FFmpeg(t, mediatest.Picture("1")+" -c:v libx264 -preset ultrafast -movflags frag_keyframe+empty_moov+default_base_moof", path)
	data := mediatest.ReadFile(t, path)
	at := bytes.Index(data, []byte("moof")) - 4
	for want, half := range map[string][]byte{
		"the file is an initialisation segment: it describes tracks and holds no media": data[:at],
		"the file is a media segment, whose initialisation segment is missing":          data[at:],
	} {
		_, err := Read(t.Context(), bytes.NewReader(half), int64(len(half)))
		if err == nil || err.Error() != want || fault.KindOf(err) != fault.Unsupported || fault.HintOf(err) == "" {
			t.Errorf("got %v of kind %q with hint %q, want %q", err, fault.KindOf(err), fault.HintOf(err), want)
		}
	}
}
