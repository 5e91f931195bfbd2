package isobmff_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/internal/mediatest"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/isobmff"
	"github.com/mapreel/mapreel/pkg/isobmff/internal/box"
	"github.com/mapreel/mapreel/pkg/isobmff/internal/chunktest"
)

// syncTimes returns when the sync samples of a chunk are shown.
func syncTimes(chunk isobmff.Chunk) (times []int64) {
	now := chunk.Start
	for _, s := range chunk.Samples {
		if s.Sync {
			times = append(times, now+int64(s.Offset))
		}
		now += int64(s.Duration)
	}
	return times
}

// pack cuts a worker's file into segments at the given times, and into fragments of video at all sync
// samples. It writes them into one file after their initialisation segment.
func pack(t testing.TB, path string, at []int64, end int64) (out string, segments []isobmff.Segment) {
	t.Helper()
	f, size := mediatest.Open(t, path)
	chunk, extents, err := isobmff.ReadFragments(f, size)
	if err != nil {
		t.Fatal(err)
	}
	var payload []io.Reader
	for _, e := range extents {
		payload = append(payload, io.NewSectionReader(f, e.Offset, e.Length))
	}
	samples := io.MultiReader(payload...)
	cuts, delay := at, int64(0)
	if chunk.Track.Handler == "vide" {
		cuts = syncTimes(chunk)[1:]
		delay = 2 * 512 // of a clip with 25 frames a second: as many as are reordered
	}
	runs, err := chunk.Cut(cuts, end)
	if err != nil {
		t.Fatalf("cut %s: %v", path, err)
	}
	var groups [][]isobmff.SampleRun
	for i, run := range runs {
		if i == 0 || delay == 0 || slices.Contains(at, run.Start) {
			groups = append(groups, nil)
		}
		run.Sequence = uint32(i + 1)
		groups[len(groups)-1] = append(groups[len(groups)-1], run)
	}
	init, err := chunk.Track.DelayedInit(delay)
	if err != nil {
		t.Fatal(err)
	}
	file := bytes.NewBuffer(init)
	for _, group := range groups {
		segment, err := isobmff.NewSegment(group, delay)
		if err != nil {
			t.Fatal(err)
		}
		before := file.Len()
		if err := segment.Write(file, samples); err != nil {
			t.Fatal(err)
		}
		if got := int64(file.Len() - before); got != segment.Bytes {
			t.Errorf("a segment has %d bytes and declares %d", got, segment.Bytes)
		}
		segments = append(segments, segment)
	}
	if n, _ := io.Copy(io.Discard, samples); n > 0 {
		t.Errorf("%d bytes of samples belong to no segment", n)
	}
	out = strings.TrimSuffix(path, ".mp4") + ".cmaf.mp4"
	if err := os.WriteFile(out, file.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
	return out, segments
}

func TestSegmentsHaveTheChunksTimesAndFrames(t *testing.T) {
	for name, codec := range map[string]string{
		"H.264 with B-frames":         "-c:v libx264 -bf 3 -g 10 -keyint_min 10 -sc_threshold 0",
		"H.264 with many B-frames":    "-c:v libx264 -bf 12 -b_strategy 0 -x264-params b-pyramid=strict -g 20 -keyint_min 20 -sc_threshold 0",
		"H.264 in order":              "-c:v libx264 -bf 0 -g 10",
		"HEVC":                        "-c:v libx265 -preset ultrafast -bf 4 -g 10 -tag:v hvc1 -x265-params log-level=none:open-gop=0:keyint=10:min-keyint=10:scenecut=0",
		"VP9":                         "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -g 10",
		"H.264 of varying frame rate": "-vf select='not(eq(mod(n\\,20)\\,3))*not(eq(mod(n\\,20)\\,6))',setpts='PTS+gt(mod(N\\,5)\\,2)*0.3/25/TB' -fps_mode passthrough -c:v libx264 -bf 3 -force_key_frames expr:gte(n,n_forced*9) -g 100",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "worker.mp4")
			mediatest.FFmpeg(t, mediatest.Picture("4")+" "+codec+" -video_track_timescale 12800 "+chunktest.Fragmented, path)
			f, size := mediatest.Open(t, path)
			chunk, _, err := isobmff.ReadFragments(f, size)
			if err != nil {
				t.Fatal(err)
			}
			want := chunk.Presentation()
			sync := syncTimes(chunk)
			var at []int64
			for i := 2; i < len(sync); i += 2 {
				at = append(at, sync[i])
			}
			end := want[len(want)-1] + 512
			out, segments := pack(t, path, at, end)
			got, gotSync := mediatest.ShownTimes(mediatest.Packets(t, out, "v:0"))
			if !slices.Equal(got, want) {
				t.Errorf("ffprobe gives\n     %v\nwant %v", got, want)
			}
			if !slices.Equal(gotSync, sync) {
				t.Errorf("sync samples at %v, want %v", gotSync, sync)
			}
			if diff := cmp.Diff(mediatest.FrameHashes(t, path, "v:0"), mediatest.FrameHashes(t, out, "v:0")); diff != "" {
				t.Errorf("frames differ: -worker's +segments\n%s", diff)
			}
			var keyframes []int64
			start := want[0]
			for _, s := range segments {
				if s.Start != start {
					t.Errorf("a segment starts at %d, want %d", s.Start, start)
				}
				start += s.Duration
				for _, f := range s.Fragments {
					keyframes = append(keyframes, f.Start)
				}
			}
			if start != end {
				t.Errorf("the last segment ends at %d, want %d", start, end)
			}
			if !slices.Equal(keyframes, sync) {
				t.Errorf("keyframes at %v, want %v", keyframes, sync)
			}
			if testing.Verbose() {
				fmt.Printf("%s: %s\n", name, mediatest.Run(t, "ffprobe", "-v", "error", "-show_entries", "stream=start_time,duration,r_frame_rate,avg_frame_rate", "-of", "csv", out))
			}
		})
	}
}

func TestKeyframeRangesDecodeOnTheirOwn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "worker.mp4")
	mediatest.FFmpeg(t, mediatest.Picture("2")+" -c:v libx264 -bf 2 -g 10 -keyint_min 10 -sc_threshold 0 -video_track_timescale 12800 "+chunktest.Fragmented, path)
	start := int64(chunktest.MediaTimeOffset * 12800)
	out, segments := pack(t, path, []int64{start + 20*512}, start+50*512)
	whole, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	head := int64(len(whole))
	for _, s := range segments {
		head -= s.Bytes
	}
	all := mediatest.FrameHashes(t, out, "v:0")
	at := head
	n := 0
	for _, s := range segments {
		for _, f := range s.Fragments {
			alone := filepath.Join(t.TempDir(), "alone.mp4")
			bytes := append(slices.Clone(whole[:head]), whole[at+f.Keyframe.Offset:][:f.Keyframe.Length]...)
			if err := os.WriteFile(alone, bytes, 0o666); err != nil {
				t.Fatal(err)
			}
			got := mediatest.Run(t, "ffmpeg", "-v", "fatal", "-i", alone, "-frames:v", "1", "-f", "framemd5", "-")
			lines := strings.Fields(string(got))
			if hash := lines[len(lines)-1]; hash != all[n] {
				t.Errorf("keyframe %d on its own decodes to %s, want %s", n, hash, all[n])
			}
			n += 10
		}
		at += s.Bytes
	}
	if n != 50 {
		t.Errorf("%d frames between keyframes, want 50", n)
	}
}

func TestAudioIsCutBetweenPackets(t *testing.T) {
	path := filepath.Join(t.TempDir(), "worker.mp4")
	mediatest.FFmpeg(t, mediatest.Tone("3")+" -c:a aac "+chunktest.Fragmented, path)
	start := int64(chunktest.MediaTimeOffset * 48000)
	f, size := mediatest.Open(t, path)
	chunk, _, err := isobmff.ReadFragments(f, size)
	if err != nil {
		t.Fatal(err)
	}
	out, segments := pack(t, path, []int64{start + 48000, start + 96000, start + 480000}, chunk.End())
	if len(segments) != 3 {
		t.Fatalf("%d segments, want 3: the last cut is after the end", len(segments))
	}
	if segments[0].Start != start-1024 {
		t.Errorf("the first segment starts at %d, want %d with the priming", segments[0].Start, start-1024)
	}
	for i, s := range segments[1:] {
		if want := start + int64(i+1)*48000; s.Start < want || s.Start >= want+1024 {
			t.Errorf("segment %d starts at %d, want the first packet at or after %d", i+1, s.Start, want)
		}
		if len(s.Fragments) != 1 {
			t.Errorf("%d fragments in an audio segment, want 1", len(s.Fragments))
		}
	}
	if got, _ := mediatest.ShownTimes(mediatest.Packets(t, out, "a:0")); !slices.Equal(got, chunk.Presentation()) {
		t.Errorf("ffprobe gives %s, want %s", chunktest.Abridge(got), chunktest.Abridge(chunk.Presentation()))
	}
}

func TestCutRefusesTimesAcrossWhichFramesAreReordered(t *testing.T) {
	track := isobmff.Track{Handler: "vide", Timescale: 1000, Entry: chunktest.Entry("avc1")}
	// In decode order frames are shown at 0, 40, 20, 80, 60 and 100. The sync frame at 80 is
	// decoded before the one at 60.
	chunk := isobmff.Chunk{Track: track, Samples: []isobmff.Sample{
		{1, 20, 0, true}, {1, 20, 20, false}, {1, 20, -20, false}, {1, 20, 20, true}, {1, 20, -20, false}, {1, 20, 0, true},
	}, Bytes: 6}
	for at, ok := range map[int64]bool{20: false, 30: false, 80: false, 100: true, 0: false, 200: false} {
		runs, err := chunk.Cut([]int64{at}, 120)
		switch {
		case ok && (err != nil || len(runs) != 2):
			t.Errorf("cut at %d: %d runs, %v; want 2", at, len(runs), err)
		case !ok && fault.KindOf(err) != fault.Corrupt:
			t.Errorf("cut at %d: %v, want an error of kind %v", at, err, fault.Corrupt)
		}
	}
	if _, err := chunk.Cut(nil, 100); fault.KindOf(err) != fault.Corrupt {
		t.Errorf("an end at the last frame's start: %v, want an error of kind %v", err, fault.Corrupt)
	}
}

func TestSegmentRefusesAPayloadThatEndsEarly(t *testing.T) {
	chunk := isobmff.Chunk{Track: isobmff.Track{Handler: "soun", Timescale: 1000, Entry: box.Append(nil, "mp4a", make([]byte, 28))}, Samples: []isobmff.Sample{{10, 20, 0, true}}, Bytes: 10}
	runs, err := chunk.Cut(nil, 20)
	if err != nil {
		t.Fatal(err)
	}
	segment, err := isobmff.NewSegment(runs[:1], 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := segment.Write(io.Discard, strings.NewReader("short")); fault.KindOf(err) != fault.Corrupt {
		t.Errorf("got %v, want %v", err, fault.Corrupt)
	}
	full := errors.New("disk full")
	if err := segment.Write(brokenWriter{full}, strings.NewReader("1234567890")); !errors.Is(err, full) {
		t.Errorf("got %v, want the writer's error", err)
	}
}

// brokenWriter fails every write.
type brokenWriter struct{ err error }

func (b brokenWriter) Write([]byte) (int, error) { return 0, b.err }
