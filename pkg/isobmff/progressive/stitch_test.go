package progressive

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/mapreel/mapreel/internal/mediatest"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/isobmff"
	"github.com/mapreel/mapreel/pkg/isobmff/internal/box"
	"github.com/mapreel/mapreel/pkg/isobmff/internal/chunktest"
	"github.com/mapreel/mapreel/pkg/isobmff/movieindex"
)

// segments encodes the video of a source in segments that start at the given frames, and stores the
// chunks.
func segments(t *testing.T, source, codec string, starts []int, end int) (chunks []isobmff.Chunk, paths []string) {
	t.Helper()
	const step = 512 // duration of a frame in ticks of 1/12800 s
	for i, start := range starts {
		until := end
		if i+1 < len(starts) {
			until = starts[i+1]
		}
		path := filepath.Join(t.TempDir(), fmt.Sprint(i, ".mp4"))
		mediatest.FFmpeg(t, fmt.Sprintf("-i %s -an -vf trim=start_pts=%d:end_pts=%d -copyts -fps_mode passthrough -enc_time_base 1:12800 -video_track_timescale 12800 %s %s",
			source, start*step, until*step, codec, chunktest.Fragmented), path)
		chunk, stored := chunktest.Store(t, path)
		if got, want := len(chunk.Samples), until-start; got != want {
			t.Fatalf("segment %d has %d frames, want %d", i, got, want)
		}
		chunks, paths = append(chunks, chunk), append(paths, stored)
	}
	return chunks, paths
}

// stream is a stream as ffprobe describes it.
type stream struct {
	Codec       string            `json:"codec_name"`
	Tag         string            `json:"codec_tag_string"`
	StartPTS    int64             `json:"start_pts"`
	Duration    int64             `json:"duration_ts"`
	Tags        map[string]string `json:"tags"`
	Disposition map[string]int    `json:"disposition"`
	Primaries   string            `json:"color_primaries"`
	Aspect      string            `json:"sample_aspect_ratio"`
}

// streams returns the streams and the tags of a file.
func streams(t *testing.T, path string) (all []stream, format map[string]string) {
	t.Helper()
	var out struct {
		Streams []stream `json:"streams"`
		Format  struct {
			Tags map[string]string `json:"tags"`
		} `json:"format"`
	}
	raw := mediatest.Run(t, "ffprobe", "-v", "error", "-show_streams", "-show_format", "-of", "json", path)
	if err := json.Unmarshal(raw, &out); err != nil {
		t.Fatal(err)
	}
	return out.Streams, out.Format.Tags
}

// decodedAudio returns the decoded first audio stream, 2 bytes a sample.
func decodedAudio(t *testing.T, path string) []byte {
	t.Helper()
	return mediatest.FFmpeg(t, "-i", path, "-map", "0:a:0", "-f", "s16le", "-ac", "1", "-")
}

// topLevel returns the types of a file's top-level boxes.
func topLevel(t *testing.T, path string) (types []string) {
	t.Helper()
	f, size := mediatest.Open(t, path)
	r := &box.Reader{File: f, Size: size}
	if err := r.Children(box.Box{End: size}, func(b box.Box) error {
		types = append(types, b.Type)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return types
}

func TestStitchedSegmentsEqualTheSourceFrameByFrame(t *testing.T) {
	source := filepath.Join(t.TempDir(), "source.mp4")
	mediatest.FFmpeg(t, mediatest.Picture("4")+" "+mediatest.Tone("4")+" -c:v libx264 -preset ultrafast -bf 3 -g 50 -c:a aac -shortest", source)
	sourceTimes, _ := mediatest.ShownTimes(mediatest.Packets(t, source, "v:0"))
	for name, c := range map[string]struct{ video, audio, tag string }{
		"H.264 and AAC": {"-c:v libx264 -preset veryfast -bf 3 -b:v 500k", "-c:a aac", "avc1"},
		"HEVC and Opus": {"-c:v libx265 -preset ultrafast -bf 4 -tag:v hvc1 -x265-params log-level=none", "-c:a libopus", "hvc1"},
		"VP9 and FLAC":  {"-c:v libvpx-vp9 -deadline realtime -cpu-used 8", "-c:a flac -strict -2", "vp09"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			chunks, paths := segments(t, source, c.video+" -color_primaries bt709 -color_trc bt709 -colorspace bt709", []int{0, 40, 41, 70}, 100)
			encodedAudio := filepath.Join(t.TempDir(), "audio.mp4")
			mediatest.FFmpeg(t, "-i "+source+" -vn "+c.audio+" "+chunktest.Fragmented, encodedAudio)
			raw, rawSize := mediatest.Open(t, encodedAudio)
			encoded, _, err := isobmff.ReadFragments(raw, rawSize)
			if err != nil {
				t.Fatal(err)
			}
			priming := 10*int64(encoded.Track.Timescale) - encoded.Start
			audioChunk, audioPath := chunktest.Store(t, encodedAudio)
			movie := Movie{Title: "Größe & co", Tool: "mapreel test", Tracks: []Track{
				{Track: chunks[0].Track}, {Track: audioChunk.Track, Skip: priming, Length: 4 * 48000},
			}}
			movie.Tracks[0].Name = "Picture"
			file := stitch(t, movie, chunks, []isobmff.Chunk{audioChunk})
			path := assemble(t, file, [][]string{paths, {audioPath}})

			if got, want := topLevel(t, path), []string{"ftyp", "moov", "mdat"}; !slices.Equal(got, want) {
				t.Errorf("boxes %v, want %v", got, want)
			}
			if got, _ := mediatest.ShownTimes(mediatest.Packets(t, path, "v:0")); !slices.Equal(got, sourceTimes) {
				t.Errorf("presentation\n got %s\nwant %s", chunktest.Abridge(got), chunktest.Abridge(sourceTimes))
			}
			var want []string
			for _, p := range paths {
				want = append(want, mediatest.FrameHashes(t, p, "v:0")...)
			}
			if diff := cmp.Diff(want, mediatest.FrameHashes(t, path, "v:0")); diff != "" {
				t.Errorf("frames differ: -segments +movie\n%s", diff)
			}
			// ffmpeg does not cut the last packet, so the movie may have some samples more, as may
			// ffmpeg's own files.
			direct := filepath.Join(t.TempDir(), "direct.mp4")
			mediatest.FFmpeg(t, "-i "+source+" -vn "+c.audio, direct)
			got, own := decodedAudio(t, path), decodedAudio(t, direct)
			if n := 2 * 4 * 48000; len(got) < n || len(got) >= n+2*5000 || len(own) < n || !bytes.Equal(got[:n], own[:n]) {
				t.Errorf("%d bytes of decoded audio differ from those of ffmpeg's own file, which has %d", len(got), len(own))
			}
			all, format := streams(t, path)
			if all[0].Tag != c.tag || all[0].StartPTS != 0 || all[1].StartPTS != 0 || all[0].Primaries != "bt709" {
				t.Errorf("streams %+v", all)
			}
			if all[0].Duration != 100*512 {
				t.Errorf("the video lasts %d ticks, want %d", all[0].Duration, 100*512)
			}
			if format["title"] != movie.Title || format["encoder"] != movie.Tool {
				t.Errorf("tags %v", format)
			}
			expected := []Expected{
				{"vide", 100, 0, 99 * 512, sourceTimes},
				{"soun", len(audioChunk.Samples), -priming, audioChunk.Presentation()[len(audioChunk.Samples)-1] - priming, nil},
			}
			f, size := mediatest.Open(t, path)
			if err := Check(f, size, expected); err != nil {
				t.Error(err)
			}
			if err := Check(bytes.NewReader(file.Header), file.Size, expected); err != nil {
				t.Errorf("check of the header alone: %v", err)
			}
			if again := stitch(t, movie, chunks, []isobmff.Chunk{audioChunk}); !cmp.Equal(file, again) {
				t.Error("stitching again gives a different file")
			}
		})
	}
}

func TestStitchedTracksKeepLanguageTitleDefaultAndDelay(t *testing.T) {
	dir := t.TempDir()
	video, english, german := filepath.Join(dir, "v.mp4"), filepath.Join(dir, "e.mp4"), filepath.Join(dir, "g.mp4")
	mediatest.FFmpeg(t, mediatest.Picture("2")+" -c:v libx264 -bf 2 "+chunktest.Fragmented, video)
	mediatest.FFmpeg(t, mediatest.Tone("2")+" -c:a aac "+chunktest.Fragmented, english)
	mediatest.FFmpeg(t, mediatest.Tone("1")+" -c:a aac "+chunktest.Fragmented, german)
	v, vp := chunktest.Store(t, video)
	e, ep := chunktest.Store(t, english)
	g, gp := chunktest.Store(t, german)
	movie := Movie{Tracks: []Track{
		{Track: v.Track, Delay: 1234},
		{Track: isobmff.Track{Handler: "soun", Language: "eng", Name: "Stereo", Enabled: true}, Skip: 1024, Group: 1},
		{Track: isobmff.Track{Handler: "soun", Language: "deu", Name: "Kommentar"}, Skip: 1024, Delay: 24000, Group: 1},
	}}
	path := assemble(t, stitch(t, movie, []isobmff.Chunk{v}, []isobmff.Chunk{e}, []isobmff.Chunk{g}), [][]string{{vp}, {ep}, {gp}})
	all, _ := streams(t, path)
	if all[0].StartPTS != 1234 || all[1].StartPTS != 0 || all[2].StartPTS != 24000 {
		t.Errorf("tracks start at %d, %d, %d; want 1234, 0, 24000", all[0].StartPTS, all[1].StartPTS, all[2].StartPTS)
	}
	for i, want := range []struct {
		language, title string
		standard        int
	}{1: {"eng", "Stereo", 1}, 2: {"deu", "Kommentar", 0}} {
		if i == 0 {
			continue
		}
		if got := all[i]; got.Tags["language"] != want.language || got.Disposition["default"] != want.standard ||
			got.Tags["handler_name"] != want.title {
			t.Errorf("track %d: %+v, want %+v", i+1, got, want)
		}
	}
	first := mediatest.Packets(t, path, "a:1")
	if first[0].PTS >= 24000 || first[1].PTS != 24000 {
		t.Errorf("the delayed audio starts with packets at %d and %d, want its priming before 24000", first[0].PTS, first[1].PTS)
	}
}

func TestStitchedChunksOfSeveralEncodersKeepTheirSampleDescriptions(t *testing.T) {
	source := filepath.Join(t.TempDir(), "source.mp4")
	mediatest.FFmpeg(t, mediatest.Picture("2")+" -c:v libx264 -preset ultrafast", source)
	a, ap := segments(t, source, "-c:v libx264 -preset ultrafast -profile:v baseline", []int{0, 10}, 20)
	b, bp := segments(t, source, "-c:v libx264 -preset medium -profile:v high -bf 2", []int{20}, 30)
	c, cp := segments(t, source, "-c:v libx264 -preset ultrafast -profile:v baseline", []int{30}, 50)
	chunks, paths := slices.Concat(a, b, c), slices.Concat(ap, bp, cp)
	file := stitch(t, Movie{Tracks: []Track{{Track: a[0].Track}}}, chunks)
	path := assemble(t, file, [][]string{paths})
	var want []string
	for _, p := range paths {
		want = append(want, mediatest.FrameHashes(t, p, "v:0")...)
	}
	if diff := cmp.Diff(want, mediatest.FrameHashes(t, path, "v:0")); diff != "" {
		t.Errorf("frames differ: -segments +movie\n%s", diff)
	}
	if n := bytes.Count(file.Header, []byte("avcC")); n != 2 {
		t.Errorf("%d sample descriptions, want 2", n)
	}
	times, _ := mediatest.ShownTimes(mediatest.Packets(t, source, "v:0"))
	if err := Check(bytes.NewReader(file.Header), file.Size, []Expected{{"vide", 50, 0, 49 * 512, times}}); err != nil {
		t.Error(err)
	}
}

func TestStitcherRefusesChunksOutOfOrder(t *testing.T) {
	track := isobmff.Track{Handler: "vide", Timescale: 25, Entry: chunktest.Entry("avc1")}
	at := func(start int64, n int) isobmff.Chunk {
		p := isobmff.Chunk{Track: track, Start: start, Header: 100}
		for range n {
			p.Samples = append(p.Samples, isobmff.Sample{Size: 1, Duration: 1, Sync: true})
		}
		return p
	}
	s := NewStitcher(Movie{Tracks: []Track{{}}}, nil)
	for _, p := range []isobmff.Chunk{at(0, 5), at(5, 5), at(12, 1)} { // a gap is allowed
		if err := s.Add(0, p); err != nil {
			t.Fatal(err)
		}
	}
	err := s.Add(0, at(12, 1))
	if fault.KindOf(err) != fault.Corrupt || !strings.Contains(err.Error(), "chunk 3 of track 0") {
		t.Errorf("got %v", err)
	}
	slow := at(20, 1)
	slow.Track.Timescale = 50
	if err := s.Add(0, slow); fault.KindOf(err) != fault.Corrupt {
		t.Errorf("another timescale: got %v", err)
	}
	if _, err := NewStitcher(Movie{Tracks: []Track{{}}}, nil).Finish(io.Discard); fault.KindOf(err) != fault.Corrupt {
		t.Errorf("a track without samples: got %v", err)
	}
}

// stored returns the chunk as it is after storing it: Header is set.
func stored(t *rapid.T, c isobmff.Chunk) isobmff.Chunk {
	var file bytes.Buffer
	if err := c.Write(&file, bytes.NewReader(make([]byte, c.Bytes))); err != nil {
		t.Fatal(err)
	}
	out, err := isobmff.ReadChunk(file.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestStitchedChunksEqualTheWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var movie Movie
		one, many := [][]isobmff.Chunk{}, [][]isobmff.Chunk{}
		for range rapid.IntRange(1, 3).Draw(t, "tracks") {
			p, err := chunktest.Draw(t, rapid.Int64Range(0, 1<<33).Draw(t, "start"), rapid.IntRange(1, 50).Draw(t, "samples")).Normalise()
			if err != nil {
				t.Fatal(err)
			}
			p.Track.Timescale = rapid.SampledFrom([]uint32{1, 600, 12800, 48000, 90000}).Draw(t, "scale")
			movie.Tracks = append(movie.Tracks, Track{
				Track: p.Track, Delay: rapid.Int64Range(0, 100000).Draw(t, "delay"), Group: rapid.IntRange(0, 2).Draw(t, "alternates"),
			})
			one = append(one, []isobmff.Chunk{stored(t, p)})
			var cut []isobmff.Chunk
			for rest := p; len(rest.Samples) > 0; {
				n := rapid.IntRange(1, len(rest.Samples)).Draw(t, "cut")
				front := rest
				front.Samples, front.Bytes = rest.Samples[:n:n], 0
				for _, s := range front.Samples {
					front.Bytes += int64(s.Size)
				}
				rest.Start, rest.Samples, rest.Bytes = front.End(), rest.Samples[n:], rest.Bytes-front.Bytes
				// The duration of a chunk's last sample must not matter.
				if len(rest.Samples) > 0 {
					front.Samples = slices.Clone(front.Samples)
					front.Samples[n-1].Duration = rapid.Uint32Range(1, 600).Draw(t, "last duration")
				}
				cut = append(cut, stored(t, front))
			}
			many = append(many, cut)
		}
		a, b := finish(t, movie, one), finish(t, movie, many)
		if !bytes.Equal(a.Header, b.Header) || a.Size != b.Size {
			t.Fatal("stitching several chunks gives other tables than stitching one")
		}
		// The ranges cover the same bytes of each track in the same order.
		flat := func(f finished, chunks [][]isobmff.Chunk) (out []Range) {
			for _, r := range f.Ranges {
				at := r.Offset - chunks[r.Track][r.Chunk].Header
				for _, p := range chunks[r.Track][:r.Chunk] {
					at += p.Bytes
				}
				out = appendRange(out, Range{Track: r.Track, Offset: at, Length: r.Length})
			}
			return out
		}
		if diff := cmp.Diff(flat(a, one), flat(b, many)); diff != "" {
			t.Fatalf("ranges: -one chunk +several\n%s", diff)
		}
		var want []Expected
		for i, p := range one {
			times := p[0].Presentation()
			for j := range times {
				times[j] += movie.Tracks[i].Delay - p[0].Start
			}
			want = append(want, Expected{"vide", len(times), times[0], times[len(times)-1], times})
		}
		for i := range want {
			if !one[i][0].Samples[0].Sync {
				t.Fatal("a drawn chunk does not start with a sync sample")
			}
		}
		if err := Check(bytes.NewReader(b.Header), b.Size, want); err != nil {
			t.Fatal(err)
		}
		// Package movieindex reads the same tables with other code, and must agree.
		index, err := movieindex.Read(context.Background(), mediatest.SparseFile{Head: b.Header}, b.Size)
		if err != nil {
			t.Fatal(err)
		}
		for i, track := range index.Tracks {
			if !slices.Equal(track.Presentation, want[i].Times) {
				t.Fatalf("index of track %d\n got %v\nwant %v", i, track.Presentation, want[i].Times)
			}
		}
	})
}

func TestStitcherWrites64BitOffsetsOnlyIfNeeded(t *testing.T) {
	p := isobmff.Chunk{Track: isobmff.Track{Handler: "vide", Timescale: 25, Entry: chunktest.Entry("avc1")}, Header: 100}
	for range 100 {
		p.Samples = append(p.Samples, isobmff.Sample{Size: 42_949_000, Duration: 25, Sync: true})
		p.Bytes += 42_949_000
	}
	times := p.Presentation()
	for n, kind := range map[int]string{99: "stco", 100: "co64"} {
		cut := p
		cut.Samples, cut.Bytes = p.Samples[:n], int64(n)*42_949_000
		if n == 100 {
			cut.Samples[99].Size += 1 << 20
			cut.Bytes += 1 << 20
		}
		file := stitch(t, Movie{Tracks: []Track{{Track: p.Track}}}, []isobmff.Chunk{cut})
		if !bytes.Contains(file.Header, []byte(kind)) {
			t.Errorf("%d bytes: no %s", file.Size, kind)
		}
		if err := Check(bytes.NewReader(file.Header), file.Size, []Expected{{"vide", n, 0, times[n-1], times[:n]}}); err != nil {
			t.Errorf("%d bytes: %v", file.Size, err)
		}
	}
}

func TestStitcherKeepsTimesBeyond32Bits(t *testing.T) {
	track := isobmff.Track{Handler: "vide", Timescale: 1_000_000_000, Entry: chunktest.Entry("avc1")}
	p := isobmff.Chunk{Track: track, Header: 100}
	for range 10 {
		p.Samples = append(p.Samples, isobmff.Sample{Size: 1, Duration: 3_000_000_000, Sync: true})
		p.Bytes++
	}
	delay := int64(7_200_000_000_001)
	file := stitch(t, Movie{Tracks: []Track{{Track: track, Delay: delay}}, Created: time.Date(2050, 1, 1, 0, 0, 0, 0, time.UTC)}, []isobmff.Chunk{p})
	if err := Check(bytes.NewReader(file.Header), file.Size, []Expected{{"vide", 10, delay, delay + 27_000_000_000, nil}}); err != nil {
		t.Error(err)
	}
}
