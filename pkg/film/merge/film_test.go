package merge

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/blob/dir"
	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/audio"
	"github.com/mapreel/mapreel/pkg/film/interleave"
	"github.com/mapreel/mapreel/pkg/film/plan"
	"github.com/mapreel/mapreel/pkg/isobmff"
	"github.com/mapreel/mapreel/pkg/ledger"
	"github.com/mapreel/mapreel/pkg/ledger/sqlite"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/work"
)

// The films of these tests are generated: their chunks have the sample tables of real ones, and
// bytes that are a pattern.

const (
	frameRate     = 25
	videoScale    = 12_800
	partPackets   = 14_000 // packets in an audio part: five minutes of AAC at 48 kHz
	packetBytes   = 427    // mean size: 160 kbit/s
	segmentFrames = 10 * frameRate
)

// fakeFilm is a film of segments of 10 s, and the engine that merges it.
type fakeFilm struct {
	*engine.Engine
	job          film.Job
	segmentBytes int // mean size of a segment's video
	video        []film.SegmentFacts
	audio        []film.AudioFacts
	audioHeaders [][]byte // of the audio parts
	// Where no chunk is stored, their headers lie in a file, so that the memory that is measured
	// does not hold them.
	headers *os.File
	at      map[string]section
	apart   bool // no audio is done when its video is
}

// section is a section of a file.
type section struct{ offset, length int64 }

func newFilm(t *testing.T, segments, segmentBytes int) *fakeFilm {
	t.Helper()
	l, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "ledger"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	packets := (segments*10*48_000 + 1023) / 1024
	rendition := film.AudioRendition{
		Codec: film.AAC, Bitrate: 160_000, Mux: film.MP4, Rate: 48_000, Step: partPackets * 1024,
		Parts: (packets + partPackets - 1) / partPackets,
	}
	if rendition.Parts < 2 {
		rendition.Rate, rendition.Step, rendition.Parts = 0, 0, 0
	}
	return &fakeFilm{
		Engine:       &engine.Engine{Registry: work.Registry{Kinds: []work.Kind{Kind{}}}, Ledger: l, Temp: t.TempDir()},
		segmentBytes: segmentBytes,
		job: film.Job{
			ID: "film", Segments: segments, Renditions: []film.Rendition{{}}, AudioRenditions: []film.AudioRendition{rendition},
			Source: film.Source{
				Origin: media.Instant{Timebase: media.Rational{Num: 1, Den: videoScale}},
				Video:  &film.VideoTrack{Timebase: media.Rational{Num: 1, Den: videoScale}},
				Audio:  []film.AudioTrack{{Timebase: media.Rational{Num: 1, Den: 48_000}, Channels: 2}},
			},
			Outputs: []film.OutputPlan{{Name: "out", File: "out.mp4", Container: film.MP4, Renditions: []int{0}, Audio: []int{0}}},
		},
	}
}

// pattern is a file whose bytes follow from their offset, so that bytes at a wrong place are
// noticed.
type pattern byte

func (p pattern) ReadAt(to []byte, at int64) (int, error) {
	for i := range to {
		n := at + int64(i)
		to[i] = byte(n>>9) ^ byte(n) ^ byte(p)
	}
	return len(to), nil
}

// videoChunk returns the chunk of a segment.
func (f *fakeFilm) videoChunk(segment int) isobmff.Chunk {
	c := isobmff.Chunk{
		Track: isobmff.Track{Handler: "vide", Timescale: videoScale, Entry: []byte("\x00\x00\x00\x10avc1\x00\x00\x00\x00\x00\x00\x00\x00"), Width: 1920 << 16, Height: 1080 << 16},
		Start: int64(segment) * 10 * videoScale,
	}
	const frame = videoScale / frameRate
	mean := f.segmentBytes / segmentFrames
	for n := range segmentFrames {
		s := isobmff.Sample{Size: uint32(mean/2 + (n*7919+segment*104729)%mean), Duration: frame, Sync: n == 0}
		if n > 0 && n < segmentFrames-1 { // each second frame is shown after the next one
			s.Offset = int32(frame * (1 - 2*((n+1)%2)))
		}
		c.Samples = append(c.Samples, s)
		c.Bytes += int64(s.Size)
	}
	return c
}

// audioPart returns the chunk of an audio part, and the facts that its worker would report.
func (f *fakeFilm) audioPart(i int) (isobmff.Chunk, film.AudioFacts) {
	parts := f.job.AudioParts()
	packets := (f.job.Segments*10*48_000 + 1023) / 1024
	const reach = plan.JoinReach + plan.EqualPackets
	from, to := max(i*partPackets-reach, 0), min((i+1)*partPackets+reach, packets)
	if parts[i].Last {
		to = packets
	}
	c := isobmff.Chunk{
		Track: isobmff.Track{Handler: "soun", Timescale: 48_000, Entry: []byte("\x00\x00\x00\x10Opus\x00\x00\x00\x00\x00\x00\x00\x00")},
		Start: int64(from) * 1024,
	}
	for n := from; n < to; n++ {
		s := isobmff.Sample{Size: uint32(packetBytes - 20 + n%40), Duration: 1024, Sync: true}
		c.Samples = append(c.Samples, s)
		c.Bytes += int64(s.Size)
	}
	facts := film.AudioFacts{
		Samples: to - from, Begin: media.Ticks(c.Start), Scale: media.Rational{Num: 1, Den: 48_000}, Skip: 1024,
		Last: media.Ticks(to-1) * 1024, Length: media.Ticks(to-1) * 1024,
	}
	around := func(edge media.Ticks) *film.Overlap {
		first, end := plan.JoinRange(film.AAC, edge)
		o := &film.Overlap{First: max(first-plan.EqualPackets, from)}
		for n := o.First; n < end; n++ {
			o.Sums, o.Shapes, o.RMS = append(o.Sums, uint32(n)), append(o.Shapes, 0), append(o.RMS, 0)
		}
		return o
	}
	if !parts[i].Whole && i > 0 {
		facts.Head = around(parts[i].Start)
	}
	if !parts[i].Last {
		facts.Tail = around(parts[i].End)
	}
	facts.Key = work.ArtifactKey("film", film.AudioUnit(i), 1, 0, "mp4")
	facts.Header = int64(len(headerOf(c)))
	facts.Size = facts.Header + c.Payload()
	return c, facts
}

func headerOf(c isobmff.Chunk) []byte {
	var out bytes.Buffer
	_ = c.Write(&out, strings.NewReader("")) // it fails for want of samples, after the header
	return out.Bytes()
}

// unitSpec is the ledger's record of a unit whose kind needs no Spec.
const unitSpec = `{}`

// complete records a unit and its facts as done.
func (f *fakeFilm) complete(t *testing.T, unit string, facts any) {
	t.Helper()
	var r work.Result
	err := r.SetFacts(facts)
	data, merr := json.Marshal(r)
	err = errors.Join(err, merr,
		f.Ledger.Plan(t.Context(), "film", slices.Values([]ledger.Unit{{Job: "film", ID: unit, Spec: json.RawMessage(unitSpec)}}), time.Time{}),
		f.Ledger.Complete(t.Context(), "film", unit, 1, data))
	if err != nil {
		t.Fatal(err)
	}
}

// results reads results from the ledger.
type results struct{ ledger.Ledger }

func (r results) Result(ctx context.Context, unit string) (result work.Result, done bool, err error) {
	u, err := r.Unit(ctx, "film", unit)
	if err != nil || u.State != ledger.Done {
		return result, false, err
	}
	return result, true, json.Unmarshal(u.Facts, &result)
}

func (results) All(context.Context, string) iter.Seq2[work.Finished, error] {
	panic("interleaving reads units by name")
}

// completeAudio records the audio parts as done.
func (f *fakeFilm) completeAudio(t *testing.T) {
	t.Helper()
	for i := range f.job.AudioParts() {
		c, facts := f.audioPart(i)
		f.complete(t, film.AudioUnit(i), facts)
		f.audio = append(f.audio, facts)
		f.audioHeaders = append(f.audioHeaders, headerOf(c))
	}
}

// addVideo notes what a worker reports of a segment.
func (f *fakeFilm) addVideo(segment int, key string, header, size int64) {
	first := media.Ticks(segment) * 10 * videoScale
	last := first + 10*videoScale - videoScale/frameRate
	f.video = append(f.video, film.SegmentFacts{Frames: segmentFrames, First: first, Last: last, Chunks: []film.Chunk{{
		StoredObject: film.StoredObject{Key: key, Header: header, Size: size}, Frames: segmentFrames, First: first, Last: last,
	}}})
}

// writer returns what stores the chunks of a segment.
func (f *fakeFilm) writer(segment int, scratch blob.Store) interleave.Writer {
	return interleave.Writer{
		Scratch: scratch, Results: results{f.Ledger}, Log: slog.New(slog.DiscardHandler), Job: f.job,
		Segment: film.Segment{
			Index: segment, Last: segment == f.job.Segments-1,
			Start: media.Ticks(segment) * 10 * videoScale, End: media.Ticks(segment+1) * 10 * videoScale,
		},
	}
}

// interleaved returns the chunk of a segment with its audio interleaved, as a worker stores it.
func (f *fakeFilm) interleaved(t *testing.T, segment int) isobmff.Chunk {
	if f.apart {
		return f.videoChunk(segment)
	}
	c, err := f.writer(segment, audioHeaders{f: f}).Interleave(context.WithoutCancel(t.Context()), 0, f.videoChunk(segment))
	if err != nil {
		t.Error(err)
	}
	return c
}

// audioHeaders is a scratch of nothing but the headers of audio parts.
type audioHeaders struct {
	blob.Store
	f *fakeFilm
}

func (s audioHeaders) Open(_ context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	var i int
	if _, err := fmt.Sscanf(key, "film/audio/%05d", &i); err != nil {
		return nil, err
	}
	return io.NopCloser(io.NewSectionReader(bytes.NewReader(s.f.audioHeaders[i]), offset, length)), nil
}

// putChunk stores a chunk whose samples are read from payload, and returns what a worker reports of
// it.
func putChunk(t *testing.T, scratch blob.Store, key string, c isobmff.Chunk, payload io.ReaderAt, offset int64) film.StoredObject {
	t.Helper()
	info, err := blob.Write(t.Context(), scratch, key, func(w io.Writer) error {
		return c.Write(w, isobmff.Payload(payload, []isobmff.Extent{{Offset: offset, Length: c.Bytes}}))
	})
	if err != nil {
		t.Fatal(err)
	}
	return film.StoredObject{Key: key, Size: info.Size, Header: info.Size - c.Bytes}
}

// store stores every byte of a film's chunks and audio parts. With interleave, the audio is done
// before its video.
func (f *fakeFilm) store(t *testing.T, scratch blob.Store, interleave bool) {
	t.Helper()
	f.Scratch = scratch
	f.completeAudio(t)
	for i, facts := range f.audio {
		// A packet has the same bytes in every part that holds it: they follow from its offset in
		// the whole track.
		c, _ := f.audioPart(i)
		putChunk(t, scratch, facts.Key, c, pattern(1), bytesBefore(int(c.Start/1024)))
	}
	for i := range f.job.Segments {
		w := f.writer(i, scratch)
		if !interleave {
			w.Job.Outputs = nil
		}
		c := f.videoChunk(i)
		key := work.ArtifactKey("film", film.VideoUnit(i), 1, 0, "mp4")
		info, c, err := w.Put(t.Context(), 0, key, c, func() io.Reader {
			return io.NewSectionReader(pattern(2), int64(i)<<32, c.Bytes)
		})
		if err != nil {
			t.Fatal(err)
		}
		if interleave && len(c.Interleaved) < 10 {
			t.Fatalf("segment %d has %d interleaved ranges", i, len(c.Interleaved))
		}
		f.addVideo(i, key, info.Size-c.Payload(), info.Size)
	}
}

// bytesBefore returns the size of all packets before packet n.
func bytesBefore(n int) int64 {
	rest := n % 40
	return int64(n)*(packetBytes-20) + int64(n/40)*780 + int64(rest*(rest-1)/2)
}

// attempt returns an attempt at the output, and its audio track.
func (f *fakeFilm) attempt(t *testing.T) (*attempt, audioTrack) {
	t.Helper()
	m := &attempt{
		Env: &work.Env{Job: "film", Dir: t.TempDir(), Scratch: f.Scratch, Resolve: f.Resolve, Log: slog.New(slog.DiscardHandler)},
		job: f.job, out: f.job.Outputs[0], video: f.video,
	}
	uses, err := audio.Join(film.AAC, f.job.AudioParts(), f.audio)
	if err != nil {
		t.Fatal(err)
	}
	a := audioTrack{AudioFacts: f.audio[0]}
	if len(f.audio) > 1 {
		a.AudioFacts = audio.Combine(film.AAC, f.audio, len(uses))
	}
	for i, use := range uses {
		a.parts = append(a.parts, part{name: film.AudioUnit(i), facts: f.audio[i].StoredObject, use: use})
	}
	m.audio = []audioTrack{a}
	return m, a
}

func sumOf(t *testing.T, store blob.Store, key string, size int64) [32]byte {
	t.Helper()
	r, err := store.Open(t.Context(), key, 0, -1)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	sum := sha256.New()
	if n, err := io.Copy(sum, r); err != nil || n != size {
		t.Fatalf("%d bytes of %d, %v", n, size, err)
	}
	return [32]byte(sum.Sum(nil))
}

func folder(t *testing.T, path string) *dir.Store {
	t.Helper()
	store, err := dir.New(path)
	if err != nil {
		t.Fatal(err)
	}
	return store
}
