package isobmff

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/mapreel/mapreel/pkg/fault"
)

// segments encodes the pictures of a source in segments that start at the given frames, and stores them. step is a
// frame's duration in ticks of 1/12800 s.
func segments(t *testing.T, source, codec string, starts []int, end int) (pieces []Chunk, paths []string) {
	t.Helper()
	const step = 512
	for i, start := range starts {
		until := end
		if i+1 < len(starts) {
			until = starts[i+1]
		}
		path := filepath.Join(t.TempDir(), fmt.Sprint(i, ".mp4"))
		ffmpeg(t, fmt.Sprintf("-i %s -an -vf trim=start_pts=%d:end_pts=%d -copyts -fps_mode passthrough -enc_time_base 1:12800 -video_track_timescale 12800 %s %s",
			source, start*step, until*step, codec, fragmented), path)
		piece, stored := store(t, path)
		if got, want := len(piece.Samples), until-start; got != want {
			t.Fatalf("segment %d has %d frames, want %d", i, got, want)
		}
		pieces, paths = append(pieces, piece), append(paths, stored)
	}
	return pieces, paths
}

// finished is a movie with its header in memory.
type finished struct {
	File
	Header []byte
}

func stitch(t testing.TB, movie Movie, pieces ...[]Chunk) finished {
	t.Helper()
	return finish(t, movie, pieces)
}

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

func streams(t *testing.T, path string) (all []stream, format map[string]string) {
	t.Helper()
	var out struct {
		Streams []stream `json:"streams"`
		Format  struct {
			Tags map[string]string `json:"tags"`
		} `json:"format"`
	}
	raw := run(t, "ffprobe", "-v", "error", "-show_streams", "-show_format", "-of", "json", path)
	if err := json.Unmarshal(raw, &out); err != nil {
		t.Fatal(err)
	}
	return out.Streams, out.Format.Tags
}

// samplesOf returns the samples, 2 bytes each, that a decoder gives for the first audio stream.
func samplesOf(t *testing.T, path string) []byte {
	t.Helper()
	return ffmpeg(t, "-i", path, "-map", "0:a:0", "-f", "s16le", "-ac", "1", "-")
}

func topLevel(t *testing.T, path string) (kinds []string) {
	t.Helper()
	f, size := open(t, path)
	w := &window{r: f, size: size}
	if err := w.children(0, size, func(b box) error {
		kinds = append(kinds, b.kind)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return kinds
}

func TestStitchedSegmentsAreFrameForFrameTheSource(t *testing.T) {
	source := filepath.Join(t.TempDir(), "source.mp4")
	ffmpeg(t, picture("4")+" "+sound("4")+" -c:v libx264 -preset ultrafast -bf 3 -g 50 -c:a aac -shortest", source)
	sourceTimes, _ := shownTimes(packets(t, source, "v:0"))
	for name, c := range map[string]struct{ video, audio, tag string }{
		"H.264 and AAC": {"-c:v libx264 -preset veryfast -bf 3 -b:v 500k", "-c:a aac", "avc1"},
		"HEVC and Opus": {"-c:v libx265 -preset ultrafast -bf 4 -tag:v hvc1 -x265-params log-level=none", "-c:a libopus", "hvc1"},
		"VP9 and FLAC":  {"-c:v libvpx-vp9 -deadline realtime -cpu-used 8", "-c:a flac -strict -2", "vp09"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pieces, paths := segments(t, source, c.video+" -color_primaries bt709 -color_trc bt709 -colorspace bt709", []int{0, 40, 41, 70}, 100)
			sounds := filepath.Join(t.TempDir(), "sound.mp4")
			ffmpeg(t, "-i "+source+" -vn "+c.audio+" "+fragmented, sounds)
			raw, rawSize := open(t, sounds)
			encoded, _, err := ReadFragments(raw, rawSize)
			if err != nil {
				t.Fatal(err)
			}
			priming := 10*int64(encoded.Track.Timescale) - encoded.Start
			soundPiece, soundPath := store(t, sounds)
			movie := Movie{Title: "Größe & co", Tool: "mapreel test", Tracks: []MovieTrack{
				{Track: pieces[0].Track}, {Track: soundPiece.Track, Skip: priming, Length: 4 * 48000},
			}}
			movie.Tracks[0].Name = "Picture"
			file := stitch(t, movie, pieces, []Chunk{soundPiece})
			path := assemble(t, file, [][]string{paths, {soundPath}})

			if got, want := topLevel(t, path), []string{"ftyp", "moov", "mdat"}; !slices.Equal(got, want) {
				t.Errorf("boxes %v, want %v", got, want)
			}
			if got, _ := shownTimes(packets(t, path, "v:0")); !slices.Equal(got, sourceTimes) {
				t.Errorf("presentation\n got %s\nwant %s", describe(got), describe(sourceTimes))
			}
			var want []string
			for _, p := range paths {
				want = append(want, pictures(t, p, "v:0")...)
			}
			if diff := cmp.Diff(want, pictures(t, path, "v:0")); diff != "" {
				t.Errorf("pictures: -segments +movie\n%s", diff)
			}
			// ffmpeg does not cut the last frame, so it may give some samples more, as it does for its own files.
			direct := filepath.Join(t.TempDir(), "direct.mp4")
			ffmpeg(t, "-i "+source+" -vn "+c.audio, direct)
			got, own := samplesOf(t, path), samplesOf(t, direct)
			if n := 2 * 4 * 48000; len(got) < n || len(got) >= n+2*5000 || len(own) < n || !bytes.Equal(got[:n], own[:n]) {
				t.Errorf("%d bytes of sound are not those of ffmpeg's own file, which has %d", len(got), len(own))
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
				{"soun", len(soundPiece.Samples), -priming, soundPiece.Presentation()[len(soundPiece.Samples)-1] - priming, nil},
			}
			f, size := open(t, path)
			if err := Check(f, size, expected); err != nil {
				t.Error(err)
			}
			if err := Check(bytes.NewReader(file.Header), file.Size, expected); err != nil {
				t.Errorf("of the header alone: %v", err)
			}
			if again := stitch(t, movie, pieces, []Chunk{soundPiece}); !cmp.Equal(file, again) {
				t.Error("stitching again gives another file")
			}
		})
	}
}

func TestStitchedTracksKeepLanguageTitleDefaultAndDelay(t *testing.T) {
	dir := t.TempDir()
	video, english, german := filepath.Join(dir, "v.mp4"), filepath.Join(dir, "e.mp4"), filepath.Join(dir, "g.mp4")
	ffmpeg(t, picture("2")+" -c:v libx264 -bf 2 "+fragmented, video)
	ffmpeg(t, sound("2")+" -c:a aac "+fragmented, english)
	ffmpeg(t, sound("1")+" -c:a aac "+fragmented, german)
	v, vp := store(t, video)
	e, ep := store(t, english)
	g, gp := store(t, german)
	movie := Movie{Tracks: []MovieTrack{
		{Track: v.Track, Delay: 1234},
		{Track: Track{Handler: "soun", Language: "eng", Name: "Stereo", Enabled: true}, Skip: 1024, Group: 1},
		{Track: Track{Handler: "soun", Language: "deu", Name: "Kommentar"}, Skip: 1024, Delay: 24000, Group: 1},
	}}
	path := assemble(t, stitch(t, movie, []Chunk{v}, []Chunk{e}, []Chunk{g}), [][]string{{vp}, {ep}, {gp}})
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
	first := packets(t, path, "a:1")
	if first[0].pts >= 24000 || first[1].pts != 24000 {
		t.Errorf("the delayed sound starts with packets at %d and %d, want its priming before 24000", first[0].pts, first[1].pts)
	}
}

func TestStitchedPiecesOfSeveralEncodersKeepEachItsDescription(t *testing.T) {
	source := filepath.Join(t.TempDir(), "source.mp4")
	ffmpeg(t, picture("2")+" -c:v libx264 -preset ultrafast", source)
	a, ap := segments(t, source, "-c:v libx264 -preset ultrafast -profile:v baseline", []int{0, 10}, 20)
	b, bp := segments(t, source, "-c:v libx264 -preset medium -profile:v high -bf 2", []int{20}, 30)
	c, cp := segments(t, source, "-c:v libx264 -preset ultrafast -profile:v baseline", []int{30}, 50)
	pieces, paths := slices.Concat(a, b, c), slices.Concat(ap, bp, cp)
	file := stitch(t, Movie{Tracks: []MovieTrack{{Track: a[0].Track}}}, pieces)
	path := assemble(t, file, [][]string{paths})
	var want []string
	for _, p := range paths {
		want = append(want, pictures(t, p, "v:0")...)
	}
	if diff := cmp.Diff(want, pictures(t, path, "v:0")); diff != "" {
		t.Errorf("pictures: -segments +movie\n%s", diff)
	}
	if n := bytes.Count(file.Header, []byte("avcC")); n != 2 {
		t.Errorf("%d sample descriptions, want 2", n)
	}
	times, _ := shownTimes(packets(t, source, "v:0"))
	if err := Check(bytes.NewReader(file.Header), file.Size, []Expected{{"vide", 50, 0, 49 * 512, times}}); err != nil {
		t.Error(err)
	}
}

func TestStitcherRefusesPiecesOutOfOrder(t *testing.T) {
	track := Track{Handler: "vide", Timescale: 25, Entry: entry("avc1")}
	at := func(start int64, n int) Chunk {
		p := Chunk{Track: track, Start: start, Header: 100}
		for range n {
			p.Samples = append(p.Samples, Sample{Size: 1, Duration: 1, Sync: true})
		}
		return p
	}
	s := NewStitcher(Movie{Tracks: []MovieTrack{{}}}, nil)
	for _, p := range []Chunk{at(0, 5), at(5, 5), at(12, 1)} { // a gap is no fault
		if err := s.Add(0, p); err != nil {
			t.Fatal(err)
		}
	}
	err := s.Add(0, at(12, 1))
	if fault.KindOf(err) != fault.Corrupt || !strings.Contains(err.Error(), "piece 3 of track 0") {
		t.Errorf("got %v", err)
	}
	slow := at(20, 1)
	slow.Track.Timescale = 50
	if err := s.Add(0, slow); fault.KindOf(err) != fault.Corrupt {
		t.Errorf("another timescale: got %v", err)
	}
	if _, err := NewStitcher(Movie{Tracks: []MovieTrack{{}}}, nil).Finish(io.Discard); fault.KindOf(err) != fault.Corrupt {
		t.Errorf("a track without samples: got %v", err)
	}
}

// withHeader gives a piece the header size that it would have when stored.
func withHeader(t *rapid.T, p Chunk) Chunk {
	stored, err := p.Stored()
	if err != nil {
		t.Fatal(err)
	}
	return stored
}

func TestStitchedPiecesEqualTheWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var movie Movie
		one, many := [][]Chunk{}, [][]Chunk{}
		for range rapid.IntRange(1, 3).Draw(t, "tracks") {
			p, err := drawPiece(t, rapid.Int64Range(0, 1<<33).Draw(t, "start"), rapid.IntRange(1, 50).Draw(t, "samples")).Normalise()
			if err != nil {
				t.Fatal(err)
			}
			p.Track.Timescale = rapid.SampledFrom([]uint32{1, 600, 12800, 48000, 90000}).Draw(t, "scale")
			movie.Tracks = append(movie.Tracks, MovieTrack{
				Track: p.Track, Delay: rapid.Int64Range(0, 100000).Draw(t, "delay"), Group: rapid.IntRange(0, 2).Draw(t, "alternates"),
			})
			one = append(one, []Chunk{withHeader(t, p)})
			var cut []Chunk
			for rest := p; len(rest.Samples) > 0; {
				n := rapid.IntRange(1, len(rest.Samples)).Draw(t, "cut")
				front := rest
				front.Samples, front.Bytes = rest.Samples[:n:n], 0
				for _, s := range front.Samples {
					front.Bytes += int64(s.Size)
				}
				rest.Start, rest.Samples, rest.Bytes = front.End(), rest.Samples[n:], rest.Bytes-front.Bytes
				// What the last sample of a piece says of its duration does not matter.
				if len(rest.Samples) > 0 {
					front.Samples = slices.Clone(front.Samples)
					front.Samples[n-1].Duration = rapid.Uint32Range(1, 600).Draw(t, "last duration")
				}
				cut = append(cut, withHeader(t, front))
			}
			many = append(many, cut)
		}
		a, b := finish(t, movie, one), finish(t, movie, many)
		if !bytes.Equal(a.Header, b.Header) || a.Size != b.Size {
			t.Fatal("the pieces' movie has other tables than the whole's")
		}
		// The ranges name the same bytes of each track in the same order.
		flat := func(f finished, pieces [][]Chunk) (out []Range) {
			for _, r := range f.Ranges {
				at := r.Offset - pieces[r.Track][r.Chunk].Header
				for _, p := range pieces[r.Track][:r.Chunk] {
					at += p.Bytes
				}
				out = appendRange(out, Range{Track: r.Track, Offset: at, Length: r.Length})
			}
			return out
		}
		if diff := cmp.Diff(flat(a, one), flat(b, many)); diff != "" {
			t.Fatalf("-whole +pieces\n%s", diff)
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
				t.Fatal("a drawn piece starts with no sync sample")
			}
		}
		if err := Check(bytes.NewReader(b.Header), b.Size, want); err != nil {
			t.Fatal(err)
		}
		// And the index of the finished file, which is another reading of the same tables, agrees.
		index, err := ReadIndex(context.Background(), &padded{b.Header, b.Size}, b.Size)
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

// failer is what testing and rapid share.
type failer interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

func finish(t failer, movie Movie, pieces [][]Chunk) finished {
	t.Helper()
	s := NewStitcher(movie, nil)
	for track := range pieces {
		for _, p := range pieces[track] {
			if err := s.Add(track, p); err != nil {
				t.Fatal(err)
			}
		}
	}
	var header bytes.Buffer
	file, err := s.Finish(&header)
	if err != nil {
		t.Fatal(err)
	}
	if file.Header != int64(header.Len()) {
		t.Fatalf("a header of %d bytes has %d", file.Header, header.Len())
	}
	return finished{file, header.Bytes()}
}

// padded is a file of zeros behind its head.
type padded struct {
	head []byte
	size int64
}

func (p *padded) ReadAt(to []byte, at int64) (int, error) {
	clear(to)
	if at < int64(len(p.head)) {
		copy(to, p.head[at:])
	}
	return len(to), nil
}

func TestStitcherWritesOffsetsOf64BitsOnlyWhereTheyAreNeeded(t *testing.T) {
	p := Chunk{Track: Track{Handler: "vide", Timescale: 25, Entry: entry("avc1")}, Header: 100}
	for range 100 {
		p.Samples = append(p.Samples, Sample{Size: 42_949_000, Duration: 25, Sync: true})
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
		file := stitch(t, Movie{Tracks: []MovieTrack{{Track: p.Track}}}, []Chunk{cut})
		if !bytes.Contains(file.Header, []byte(kind)) {
			t.Errorf("%d bytes: no %s", file.Size, kind)
		}
		if err := Check(bytes.NewReader(file.Header), file.Size, []Expected{{"vide", n, 0, times[n-1], times[:n]}}); err != nil {
			t.Errorf("%d bytes: %v", file.Size, err)
		}
	}
}

func TestStitcherKeepsTimesBeyond32Bits(t *testing.T) {
	track := Track{Handler: "vide", Timescale: 1_000_000_000, Entry: entry("avc1")}
	p := Chunk{Track: track, Header: 100}
	for range 10 {
		p.Samples = append(p.Samples, Sample{Size: 1, Duration: 3_000_000_000, Sync: true})
		p.Bytes++
	}
	delay := int64(7_200_000_000_001)
	file := stitch(t, Movie{Tracks: []MovieTrack{{Track: track, Delay: delay}}, Created: time.Date(2050, 1, 1, 0, 0, 0, 0, time.UTC)}, []Chunk{p})
	if err := Check(bytes.NewReader(file.Header), file.Size, []Expected{{"vide", 10, delay, delay + 27_000_000_000, nil}}); err != nil {
		t.Error(err)
	}
}

// What is put aside comes back as it was, and where that fails no movie is made.
func TestStitcherPutsTablesAside(t *testing.T) {
	p := Chunk{Track: Track{Handler: "vide", Timescale: 12800, Entry: entry("avc1")}, Header: 100, Samples: make([]Sample, 20_000)}
	for i := range p.Samples {
		p.Samples[i] = Sample{Size: uint32(3000 + i*7919%9000), Duration: uint32(511 + i%3), Offset: int32(i%5) * 256, Sync: i%7 == 0}
		p.Bytes += int64(p.Samples[i].Size)
	}
	movie := func(tables Tables) ([]byte, error) {
		s := NewStitcher(Movie{Tracks: []MovieTrack{{Track: p.Track}}}, tables)
		for n := range 3 {
			at := p
			at.Start = int64(n) * (p.End() - p.Start)
			if err := s.Add(0, at); err != nil {
				return nil, err
			}
		}
		var header bytes.Buffer
		_, err := s.Finish(&header)
		return header.Bytes(), err
	}
	want, err := movie(nil)
	if err != nil {
		t.Fatal(err)
	}
	var aside ram
	if got, err := movie(&aside); err != nil || !bytes.Equal(got, want) {
		t.Errorf("another header, %v", err)
	}
	if len(aside.data) < 3*len(p.Samples) {
		t.Errorf("only %d bytes were put aside", len(aside.data))
	}
	if _, err := movie(&ram{limit: 100_000}); fault.KindOf(err) != fault.OutOfSpace {
		t.Errorf("no room: got %v", err)
	}
	if _, err := movie(&ram{lost: 100_000}); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("no way back: got %v", err)
	}
}

// written counts what is written.
type written int64

func (w *written) Write(p []byte) (int, error) {
	*w += written(len(p))
	return len(p), nil
}

// A film of ten hours: 2.1 million frames, reordered, at a variable rate of 60 a second, and 1.7 million AAC frames.
func TestStitcherHoldsATenHourFilmFarBelow64MB(t *testing.T) {
	const perPiece = 600
	aside, err := os.Create(filepath.Join(t.TempDir(), "tables"))
	if err != nil {
		t.Fatal(err)
	}
	defer aside.Close()
	runtime.GC()
	var before, folded, done runtime.MemStats
	runtime.ReadMemStats(&before)
	start := time.Now()
	s := NewStitcher(Movie{Tracks: []MovieTrack{{Track: Track{Handler: "vide"}}, {Track: Track{Handler: "soun"}}}}, aside)
	video := Chunk{Track: Track{Handler: "vide", Timescale: 90000, Entry: entry("avc1")}, Header: 2000, Samples: make([]Sample, perPiece)}
	offsets := []int32{3000, 6000, -1500, -4500, -3000}
	at := int64(0)
	for piece := range 3600 {
		video.Start, video.Bytes = at, 0
		for i := range video.Samples {
			s := Sample{Size: uint32(3000 + (piece*7919+i*104729)%40000), Duration: uint32(1499 + (piece+i)%3), Offset: offsets[i%5], Sync: i == 0}
			video.Samples[i] = s
			video.Bytes += int64(s.Size)
			at += int64(s.Duration)
		}
		if err := s.Add(0, video); err != nil {
			t.Fatal(err)
		}
	}
	audio := Chunk{Track: Track{Handler: "soun", Timescale: 48000, Entry: entry("mp4a")}, Header: 900, Samples: make([]Sample, 469)}
	at = 0
	for piece := range 3600 {
		audio.Start, audio.Bytes = at, 0
		for i := range audio.Samples {
			audio.Samples[i] = Sample{Size: uint32(300 + (piece*31+i*17)%120), Duration: 1024, Sync: true}
			audio.Bytes += int64(audio.Samples[i].Size)
			at += 1024
		}
		if err := s.Add(1, audio); err != nil {
			t.Fatal(err)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&folded)
	added := time.Since(start)
	var header written
	file, err := s.Finish(&header)
	if err != nil {
		t.Fatal(err)
	}
	finished := time.Since(start) - added
	runtime.ReadMemStats(&done)
	held := int64(folded.HeapAlloc) - int64(before.HeapAlloc)
	peak := held + int64(done.TotalAlloc-folded.TotalAlloc)
	if int64(header) != file.Header {
		t.Errorf("a header of %d bytes has %d", file.Header, header)
	}
	if held > 2<<20 || peak > 24<<20 {
		t.Errorf("%d MB held, %d MB at most, nothing collected", held>>20, peak>>20)
	}
	t.Logf("%d bytes of header, %d ranges, %d byte film: %d MB held, %d MB allocated to finish; added in %v, finished in %v",
		header, len(file.Ranges), file.Size, held>>20, (done.TotalAlloc-folded.TotalAlloc)>>20, added, finished)
	runtime.KeepAlive(s)
}
