package stage

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"runtime/debug"
	"runtime/metrics"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/blob/dir"
	"github.com/mapreel/mapreel/pkg/blob/s3blob"
	"github.com/mapreel/mapreel/pkg/blob/s3blob/s3test"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/plan"
	"github.com/mapreel/mapreel/pkg/isobmff"
	"github.com/mapreel/mapreel/pkg/ledger"
	"github.com/mapreel/mapreel/pkg/ledger/sqlite"
	"github.com/mapreel/mapreel/pkg/manifest"
	"github.com/mapreel/mapreel/pkg/media"
)

// What a Merge costs at any size. The films here are made up: sample tables of pieces as workers store them, and bytes that
// are a pattern. Small ones are merged on a real S3 server; of large ones the requests are counted by a client that
// answers as S3 would, and holds S3's limits.

var all = flag.Bool("all", false, "merge outputs of all sizes, up to 200 GB, and print the table")

func TestMain(m *testing.M) {
	s3test.ServeInChild()
	flag.Parse()
	os.Exit(m.Run())
}

const (
	filmRate   = 25
	filmScale  = 12_800
	filmStep   = 14_000 // packets of sound in a piece: five minutes of AAC at 48 kHz
	soundBytes = 427    // of a packet: 160 kbit/s
)

// fakeFilm is a film of segments of 10 s.
type fakeFilm struct {
	*encode
	segments int
	mean     int // bytes of a segment's picture
	video    []film.SegmentFacts
	audio    []film.AudioFacts
	sounds   [][]byte // headers of the pieces of sound
	headers  *os.File // of the pieces that nothing else is stored of, so that they are not in the memory that is measured
	at       map[string]stored
	plain    bool // no sound is ready when its picture is
}

func newFilm(t *testing.T, segments, mean int) *fakeFilm {
	t.Helper()
	l, err := sqlite.Open(t.Context(), filepath.Join(t.TempDir(), "ledger"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	packets := (segments*10*48_000 + 1023) / 1024
	sound := film.AudioRendition{Codec: film.AAC, Bitrate: 160_000, Mux: film.MP4, Rate: 48_000, Step: filmStep * 1024, Parts: (packets + filmStep - 1) / filmStep}
	if sound.Parts < 2 {
		sound.Rate, sound.Step, sound.Parts = 0, 0, 0
	}
	return &fakeFilm{
		segments: segments, mean: mean,
		encode: &encode{
			Worker: &Worker{Ledger: l, Temp: t.TempDir()},
			job: film.Job{
				ID: "film", Segments: segments, Renditions: []film.Rendition{{}}, AudioRenditions: []film.AudioRendition{sound},
				Source: film.Source{
					Origin: media.Instant{Timebase: media.Rational{Num: 1, Den: filmScale}},
					Video:  &film.VideoTrack{Timebase: media.Rational{Num: 1, Den: filmScale}},
					Audio:  []film.AudioTrack{{Timebase: media.Rational{Num: 1, Den: 48_000}, Channels: 2}},
				},
				Outputs: []film.OutputPlan{{Name: "out", File: "out.mp4", Container: film.MP4, Renditions: []int{0}, Audio: []int{0}}},
			},
		},
	}
}

// pattern is a file of a byte that changes every so often, so that what lies at a wrong place shows.
type pattern byte

func (p pattern) ReadAt(to []byte, at int64) (int, error) {
	for i := range to {
		n := at + int64(i)
		to[i] = byte(n>>9) ^ byte(n) ^ byte(p)
	}
	return len(to), nil
}

// picture is the piece of a segment.
func (f *fakeFilm) picture(i int) isobmff.Chunk {
	p := isobmff.Chunk{
		Track: isobmff.Track{Handler: "vide", Timescale: filmScale, Entry: []byte("\x00\x00\x00\x10avc1\x00\x00\x00\x00\x00\x00\x00\x00"), Width: 1920 << 16, Height: 1080 << 16},
		Start: int64(i) * 10 * filmScale,
	}
	const step = filmScale / filmRate
	frame := f.mean / (10 * filmRate)
	for n := range 10 * filmRate {
		s := isobmff.Sample{Size: uint32(frame/2 + (n*7919+i*104729)%frame), Duration: step, Sync: n == 0}
		if n > 0 && n < 10*filmRate-1 { // each second frame is shown after the next one
			s.Offset = int32(step * (1 - 2*((n+1)%2)))
		}
		p.Samples = append(p.Samples, s)
		p.Bytes += int64(s.Size)
	}
	return p
}

// sounding is a piece of sound and its facts.
func (f *fakeFilm) sounding(i int) (isobmff.Chunk, film.AudioFacts) {
	pieces := f.job.AudioParts()
	packets := (f.segments*10*48_000 + 1023) / 1024
	const reach = plan.JoinReach + plan.EqualPackets
	from, to := max(i*filmStep-reach, 0), min((i+1)*filmStep+reach, packets)
	if pieces[i].Last {
		to = packets
	}
	p := isobmff.Chunk{
		Track: isobmff.Track{Handler: "soun", Timescale: 48_000, Entry: []byte("\x00\x00\x00\x10Opus\x00\x00\x00\x00\x00\x00\x00\x00")},
		Start: int64(from) * 1024,
	}
	for n := from; n < to; n++ {
		s := isobmff.Sample{Size: uint32(soundBytes - 20 + n%40), Duration: 1024, Sync: true}
		p.Samples = append(p.Samples, s)
		p.Bytes += int64(s.Size)
	}
	facts := film.AudioFacts{
		Samples: to - from, Begin: media.Ticks(p.Start), Scale: media.Rational{Num: 1, Den: 48_000}, Skip: 1024,
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
	if !pieces[i].Whole && i > 0 {
		facts.Head = around(pieces[i].Start)
	}
	if !pieces[i].Last {
		facts.Tail = around(pieces[i].End)
	}
	facts.Key = film.ArtifactKey("film", film.AudioUnit(i), 1, 0, "mp4")
	facts.Header = int64(len(headerOf(p)))
	facts.Size = facts.Header + p.Payload()
	return p, facts
}

// stored is where the header of a piece lies.
type stored struct{ offset, length int64 }

func headerOf(p isobmff.Chunk) []byte {
	var out bytes.Buffer
	_ = p.Write(&out, strings.NewReader("")) // it misses the samples
	return out.Bytes()
}

// hear records the sound as done.
func (f *fakeFilm) hear(t *testing.T) {
	t.Helper()
	for i := range f.job.AudioParts() {
		p, facts := f.sounding(i)
		data, err := json.Marshal(facts)
		if err != nil {
			t.Fatal(err)
		}
		id := film.AudioUnit(i)
		err = f.Ledger.Plan(t.Context(), "film", slices.Values([]ledger.Unit{{Job: "film", ID: id}}), time.Time{})
		if err == nil {
			err = f.Ledger.Complete(t.Context(), "film", id, 1, data)
		}
		if err != nil {
			t.Fatal(err)
		}
		f.audio = append(f.audio, facts)
		f.sounds = append(f.sounds, headerOf(p))
	}
}

func (f *fakeFilm) worker(i int) *encode {
	e := *f.encode
	e.seg = film.Segment{Index: i, Last: i == f.segments-1, Start: media.Ticks(i) * 10 * filmScale, End: media.Ticks(i+1) * 10 * filmScale}
	return &e
}

// remember notes what a worker reports of a segment.
func (f *fakeFilm) remember(i int, key string, header, size int64) {
	first := media.Ticks(i) * 10 * filmScale
	final := first + 10*filmScale - filmScale/filmRate
	f.video = append(f.video, film.SegmentFacts{Frames: 10 * filmRate, First: first, Last: final, Chunks: []film.Chunk{{
		StoredObject: film.StoredObject{Key: key, Header: header, Size: size}, Frames: 10 * filmRate, First: first, Last: final,
	}}})
}

// memoryLimit is what a Merge may take, whatever its size: of the whole process, with what the collector has yet to see. It
// collects as often as the function.
const memoryLimit = 64 << 20

// figures are what a merge took.
type figures struct {
	size   int64
	memory uint64 // the most that the process held
	took   time.Duration
	paced  time.Duration // what it would have taken at the stand-in's pace; 0: it was a real store
	count  counts
}

const tableHead = `| output | pieces | merged by | through the function | requests: read, copy, send, other | memory | seconds |
| --- | --- | --- | --- | --- | --- | --- |`

// row is a line of the table.
func (f figures) row(pieces, by string) string {
	through, requests := "–", "–"
	if n := f.count.reads + f.count.copies + f.count.sends + f.count.others; n > 0 {
		through = fmt.Sprintf("%.1f MB (%.2f %%)", float64(f.count.sent)/1e6, 100*f.share())
		requests = fmt.Sprintf("%d: %d, %d, %d, %d", n, f.count.reads, f.count.copies, f.count.sends, f.count.others)
	}
	seconds := fmt.Sprintf("%.1f", f.took.Seconds())
	if f.paced > 0 {
		seconds = fmt.Sprintf("%.1f of its own, %.0f at S3's pace", f.took.Seconds(), f.paced.Seconds())
	}
	return fmt.Sprintf("| %.3g GB | %s | %s | %s | %s | %d MB | %s |", float64(f.size)/1e9, pieces, by, through, requests, f.memory>>20, seconds)
}

func (f figures) share() float64 { return float64(f.count.sent) / float64(f.size) }

// merger is an attempt at the output, and its sound.
func (f *fakeFilm) merger(t *testing.T) (*merge, heard) {
	t.Helper()
	m := &merge{Worker: f.Worker, job: f.job, out: f.job.Outputs[0], dir: t.TempDir(), video: f.video}
	starts := []media.Ticks{0}
	pieces := f.job.AudioParts()
	h := heard{AudioFacts: f.audio[0]}
	if len(pieces) > 1 {
		var err error
		if starts, err = joints(film.AAC, pieces, f.audio); err != nil {
			t.Fatal(err)
		}
		h.AudioFacts = together(film.AAC, f.audio, starts)
	}
	for i, start := range starts {
		p := part{name: film.AudioUnit(i), facts: f.audio[i].StoredObject, from: start, until: 1 << 62}
		if i+1 < len(starts) {
			p.until = starts[i+1]
		}
		h.parts = append(h.parts, p)
	}
	return m, h
}

// merge makes the output, through a client that counts.
func (f *fakeFilm) merge(t *testing.T, scratch, out blob.Store, count *counter, key string) figures {
	t.Helper()
	f.Scratch = scratch
	m, h := f.merger(t)
	count.reset()
	var info blob.Info
	var err error
	var got figures
	run := func(t *testing.T) {
		began := time.Now()
		info, err = m.stitch(t.Context(), out, key, []heard{h})
		got.took = time.Since(began)
	}
	got.memory = mostHeld(func() {
		if !count.paced {
			run(t)
			return
		}
		// Nothing but the stand-in's pace takes time in there.
		began := time.Now()
		synctest.Test(t, run)
		got.paced, got.took = got.took, time.Since(began)
	})
	if err != nil {
		t.Fatal(err)
	}
	got.size, got.count = info.Size, count.counts
	return got
}

// mostHeld is how much memory the process holds at most while it does something: what Go has of the system.
func mostHeld(do func()) uint64 {
	defer debug.SetGCPercent(debug.SetGCPercent(MergeGC))
	debug.FreeOSMemory() // what was made before
	held := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	stop, done := make(chan struct{}), make(chan uint64)
	go func() {
		var most uint64
		for {
			metrics.Read(held)
			most = max(most, held[0].Value.Uint64()-held[1].Value.Uint64())
			select {
			case <-stop:
				done <- most
				return
			case <-time.After(5 * time.Millisecond):
			}
		}
	}()
	do()
	close(stop)
	return <-done
}

// counts are what passed between a merge and S3.
type counts struct {
	reads, copies, sends, others int // requests
	sent                         int64
	most                         int // copies at once
}

// counter is an HTTP client that counts what passes.
type counter struct {
	mu sync.Mutex
	counts
	now    int // copies
	answer func(*http.Request) (*http.Response, error)
	paced  bool // answer takes its time by the clock of a bubble
}

func (c *counter) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.counts = counts{}
}

func (c *counter) Do(request *http.Request) (*http.Response, error) {
	copied := request.Header.Get("X-Amz-Copy-Source") != ""
	c.mu.Lock()
	switch {
	case copied:
		c.copies++
		c.now++
		c.most = max(c.most, c.now)
	case request.Method == http.MethodPut:
		c.sends++
		n := request.ContentLength
		if v, err := strconv.ParseInt(request.Header.Get("X-Amz-Decoded-Content-Length"), 10, 64); err == nil {
			n = v
		}
		c.sent += n
	case request.Method == http.MethodGet:
		c.reads++
	default:
		c.others++
	}
	c.mu.Unlock()
	if copied {
		defer func() {
			c.mu.Lock()
			c.now--
			c.mu.Unlock()
		}()
	}
	return c.answer(request)
}

// The pace of the stand-in: that of an S3 that is in no hurry.
const (
	paceAnswer  = 50 * time.Millisecond
	paceCopy    = 100e6 // bytes a second, of each copy
	paceReceive = 50e6  // bytes a second, of each part
)

func wait(bytes int64, rate float64) {
	time.Sleep(paceAnswer + time.Duration(float64(bytes)/rate*float64(time.Second)))
}

// standIn answers as S3 would of a film that is nowhere stored, and refuses what S3 would refuse.
type standIn struct {
	t     *testing.T
	film  *fakeFilm
	mu    sync.Mutex
	parts map[int]int64
	size  int64
}

func (s *standIn) answer(r *http.Request) (*http.Response, error) {
	say := func(body string, header ...string) (*http.Response, error) {
		h := http.Header{"Etag": {`"x"`}, "Content-Length": {strconv.Itoa(len(body))}}
		for i := 0; i+1 < len(header); i += 2 {
			h.Set(header[i], header[i+1])
		}
		return &http.Response{
			StatusCode: http.StatusOK, Header: h, Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)), Request: r,
		}, nil
	}
	var sent int64
	if r.Body != nil {
		sent, _ = io.Copy(io.Discard, r.Body)
		_ = r.Body.Close()
		if v, err := strconv.ParseInt(r.Header.Get("X-Amz-Decoded-Content-Length"), 10, 64); err == nil {
			sent = v
		}
	}
	query := r.URL.Query()
	switch {
	case r.Method == http.MethodPost && query.Has("uploads"):
		s.parts = map[int]int64{}
		return say(`<InitiateMultipartUploadResult><UploadId>1</UploadId></InitiateMultipartUploadResult>`)
	case r.Method == http.MethodPut && query.Has("partNumber"):
		var from, to int64
		if _, err := fmt.Sscanf(r.Header.Get("X-Amz-Copy-Source-Range"), "bytes=%d-%d", &from, &to); err == nil {
			sent = to - from + 1
			wait(sent, paceCopy)
		} else {
			wait(sent, paceReceive)
		}
		n, _ := strconv.Atoi(query.Get("partNumber"))
		s.mu.Lock()
		s.parts[n] = sent
		s.mu.Unlock()
		return say(`<CopyPartResult><ETag>"x"</ETag></CopyPartResult>`)
	case r.Method == http.MethodPost:
		for n := 1; n <= len(s.parts); n++ {
			if size := s.parts[n]; n > 10_000 || size > 5<<30 || size < 5<<20 && n < len(s.parts) {
				s.t.Errorf("part %d of %d has %d bytes", n, len(s.parts), size)
			}
			s.size += s.parts[n]
		}
		return say(`<CompleteMultipartUploadResult><ETag>"x"</ETag></CompleteMultipartUploadResult>`)
	case r.Method == http.MethodGet:
		var from, to int64
		if _, err := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &from, &to); err != nil {
			return nil, errors.New("a whole object was asked for")
		}
		length := to - from + 1
		wait(length, paceReceive)
		var head io.Reader = strings.NewReader("")
		rest := length
		if at, ok := s.film.at[strings.TrimPrefix(r.URL.Path, "/bucket/")]; ok && from == 0 {
			n := min(at.length, length)
			head, rest = io.NewSectionReader(s.film.headers, at.offset, n), length-n
		}
		answer, err := say("", "Content-Length", strconv.FormatInt(length, 10))
		if err == nil {
			answer.Body = io.NopCloser(io.MultiReader(head, io.NewSectionReader(pattern(0), 0, rest)))
			answer.ContentLength = length
		}
		return answer, err
	}
	return nil, fmt.Errorf("%s %s", r.Method, r.URL)
}

// hosting is the piece of a segment with the sound beside it.
func (f *fakeFilm) hosting(t *testing.T, i int) isobmff.Chunk {
	if f.plain {
		return f.picture(i)
	}
	e := f.worker(i)
	worker := *e.Worker
	worker.Scratch = soundsOnly{f: f}
	e.Worker = &worker
	p, err := e.accompany(context.WithoutCancel(t.Context()), 0, f.picture(i))
	if err != nil {
		t.Error(err)
	}
	return p
}

// soundsOnly is a scratch of nothing but the headers of pieces of sound.
type soundsOnly struct {
	blob.Store
	f *fakeFilm
}

func (s soundsOnly) Open(_ context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	var i int
	if _, err := fmt.Sscanf(key, "film/audio/%05d", &i); err != nil {
		return nil, err
	}
	return io.NopCloser(io.NewSectionReader(bytes.NewReader(s.f.sounds[i]), offset, length)), nil
}

// counted is a film's merge where only requests are counted. plain: no piece holds any sound.
func counted(t *testing.T, segments, mean int, plain bool) figures {
	t.Helper()
	f := newFilm(t, segments, mean)
	f.hear(t)
	f.plain = plain
	var err error
	if f.headers, err = os.Create(filepath.Join(t.TempDir(), "headers")); err != nil {
		t.Fatal(err)
	}
	defer f.headers.Close()
	f.at = map[string]stored{}
	var at int64
	keep := func(key string, header []byte) {
		if _, err := f.headers.Write(header); err != nil {
			t.Fatal(err)
		}
		f.at[key] = stored{at, int64(len(header))}
		at += int64(len(header))
	}
	for i := range segments {
		p, key := f.hosting(t, i), film.ArtifactKey("film", film.VideoUnit(i), 1, 0, "mp4")
		header := headerOf(p)
		keep(key, header)
		f.remember(i, key, int64(len(header)), int64(len(header))+p.Payload())
	}
	for i, facts := range f.audio {
		keep(facts.Key, f.sounds[i])
	}
	f.sounds = nil
	s := &standIn{t: t, film: f}
	count := &counter{answer: s.answer, paced: true}
	client := s3.New(s3.Options{
		BaseEndpoint: aws.String("https://s3.invalid"), Region: s3test.Region, UsePathStyle: true, HTTPClient: count,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: s3test.AccessKey, SecretAccessKey: s3test.SecretKey}, nil
		}),
	})
	store, err := s3blob.New(client, "bucket", "", s3blob.Options{})
	if err != nil {
		t.Fatal(err)
	}
	got := f.merge(t, store, store, count, "out.mp4")
	if s.size != got.size {
		t.Errorf("parts of %d bytes make an object of %d", s.size, got.size)
	}
	return got
}

// store stores every byte of a film's pieces. ready: the pieces of picture take in the sound.
func (f *fakeFilm) store(t *testing.T, scratch blob.Store, ready bool) {
	t.Helper()
	f.Scratch = scratch
	f.hear(t)
	for i, facts := range f.audio {
		p, _ := f.sounding(i)
		// Packets have the bytes that their place in all the sound says, in whichever piece they are.
		if _, err := putPiece(t.Context(), scratch, facts.Key, p, pattern(1), []isobmff.Extent{{Offset: packetsBefore(int(p.Start / 1024)), Length: p.Bytes}}); err != nil {
			t.Fatal(err)
		}
	}
	for i := range f.segments {
		e := f.worker(i)
		if !ready {
			e.job.Outputs = nil
		}
		p := f.picture(i)
		name := film.ArtifactKey("film", film.VideoUnit(i), 1, 0, "mp4")
		info, p, err := e.putAccompanied(t.Context(), 0, name, p, func() io.Reader {
			return io.NewSectionReader(pattern(2), int64(i)<<32, p.Bytes)
		})
		if err != nil {
			t.Fatal(err)
		}
		if ready && len(p.Interleaved) < 10 {
			t.Fatalf("segment %d has %d guests", i, len(p.Interleaved))
		}
		f.remember(i, name, info.Size-p.Payload(), info.Size)
	}
}

// merged is a film's merge with every byte where it belongs, and the result's sum.
func merged(t *testing.T, scratch, out blob.Store, count *counter, segments, mean int, ready bool) (figures, [32]byte) {
	t.Helper()
	f := newFilm(t, segments, mean)
	f.store(t, scratch, ready)
	got := f.merge(t, scratch, out, count, "out.mp4")
	return got, sumOf(t, out, "out.mp4", got.size)
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

// bucket is a new bucket on a real server, with a client that counts. At the end of the test no upload may be left in it.
func bucket(t *testing.T, server *s3test.Server) (*s3blob.Store, *counter) {
	t.Helper()
	count := &counter{answer: http.DefaultTransport.RoundTrip}
	client := server.Client(func(o *s3.Options) { o.HTTPClient = count })
	name := server.NewBucket(t)
	store, err := s3blob.New(client, name, "", s3blob.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		uploads, err := client.ListMultipartUploads(context.Background(), &s3.ListMultipartUploadsInput{Bucket: &name})
		if err != nil || len(uploads.Uploads) > 0 {
			t.Errorf("uploads left: %v, %v", uploads, err)
		}
	})
	return store, count
}

func folder(t *testing.T, path string) *dir.Store {
	t.Helper()
	store, err := dir.New(path)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// packetsBefore is how many bytes the packets before one have.
func packetsBefore(n int) int64 {
	rest := n % 40
	return int64(n)*(soundBytes-20) + int64(n/40)*780 + int64(rest*(rest-1)/2)
}

// check holds a merge of pieces that took in their sound to its limits: little passes through the function itself, memory
// does not follow the size, and the time is that of the requests, many at once.
func (f figures) check(t *testing.T) {
	t.Helper()
	f.checkMemory(t)
	if f.share() > 0.03 && f.count.sent > 6<<20 { // S3's least part is 5 MiB
		t.Errorf("%.4f of %d bytes were sent", f.share(), f.size)
	}
	if f.paced == 0 {
		return
	}
	// Copies that are made one after the other, when 16 go at once and 16 of 32 requests for headers wait for the slowest.
	each := float64(f.size) / float64(f.count.copies) / paceCopy
	bound := time.Duration(float64(f.count.copies)/16*(1.5*each+paceAnswer.Seconds())*float64(time.Second)) +
		time.Duration(f.count.reads/8+20)*paceAnswer
	if f.count.copies > 10_000 || f.count.most > 16 || f.paced > bound {
		t.Errorf("%d copies, %d at once, took %v, want %v at most", f.count.copies, f.count.most, f.paced, bound)
	}
}

func (f figures) checkMemory(t *testing.T) {
	t.Helper()
	if f.memory > memoryLimit {
		t.Errorf("%d MB held for %d MB", f.memory>>20, f.size>>20)
	}
}

// Copied by S3: all but a few per cent, whatever the size, in memory that does not follow it, and side by side: 40 pieces of
// 20 MB, 60 of 6 MB, and 100 GB.
func TestMergeMovesFewBytesItself(t *testing.T) {
	for _, c := range []struct{ segments, mean int }{{40, 20e6}, {60, 6e6}, {200, 500e6}} {
		got := counted(t, c.segments, c.mean, false)
		t.Log(got.row(fmt.Sprintf("%d MB", c.mean/1e6), "counting"), got.count.most, "copies at once")
		got.check(t)
	}
}

func TestMergeOnS3IsTheSameWithAndWithoutSoundBeside(t *testing.T) {
	server := s3test.Start(t)
	store, count := bucket(t, server)
	hosting, a := merged(t, store, store, count, 4, 12e6, true)
	plain, b := merged(t, store, store, count, 4, 12e6, false)
	local := folder(t, t.TempDir())
	sent, c := merged(t, local, store, count, 4, 12e6, true)
	copied, d := merged(t, local, local, &counter{}, 4, 12e6, true)
	for by, f := range map[string]figures{"with sound beside": hosting, "without": plain, "from a folder": sent, "in a folder": copied} {
		t.Log(f.row(by, ""))
		f.checkMemory(t)
	}
	if a != b || b != c || c != d {
		t.Error("the outputs differ")
	}
	hosting.check(t)
	if plain.count.sent < plain.size*9/10 {
		t.Errorf("%d bytes were sent", plain.count.sent)
	}
}

// published takes what a merge publishes, and has its pieces of sound.
type published struct {
	blob.Store
	film  *fakeFilm
	mu    *sync.Mutex
	files map[string]int64
}

func (p published) Open(_ context.Context, key string, offset, length int64) (io.ReadCloser, error) {
	var i int
	if _, err := fmt.Sscanf(key, "film/audio/%05d", &i); err != nil {
		return nil, err
	}
	piece, _ := p.film.sounding(i) // made again, so that it is not in the memory that is measured
	return io.NopCloser(io.NewSectionReader(bytes.NewReader(headerOf(piece)), offset, length)), nil
}

func (p published) Put(_ context.Context, key string, r io.Reader) (blob.Info, error) {
	n, err := io.Copy(io.Discard, r)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.files[key] = n
	return blob.Info{Key: key, Size: n}, err
}

func (p published) Compose(_ context.Context, key string, parts []blob.Part) (blob.Info, error) {
	n, err := blob.CheckParts(parts)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.files[key] = n
	return blob.Info{Key: key, Size: n}, err
}

// The sound of a package is cut into media segments as its pieces are read: 28 hours of it stay within the limit, too.
func TestPackagedSoundTakesLittleMemory(t *testing.T) {
	for _, single := range []bool{false, true} {
		f := newFilm(t, 10_080, 1e6)
		f.hear(t)
		f.sounds = nil
		store := published{film: f, mu: new(sync.Mutex), files: map[string]int64{}}
		f.Scratch = store
		f.Resolve = func(_ context.Context, url string) (blob.Store, string, error) { return store, url, nil }
		f.job.Request = film.Request{
			Destination: "s3://bucket/", Outputs: []film.Output{{Name: "out", Package: &film.Package{Seconds: film.Seconds(6 * time.Second)}}},
		}
		out := &f.job.Outputs[0]
		out.Container, out.Folder, out.SingleFile = film.HLS, "out/1", single
		m, h := f.merger(t)
		var sound manifest.Audio
		var err error
		held := mostHeld(func() { sound, err = m.voice(t.Context(), 0, h) })
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("single file: %t, %d MB", single, held>>20)
		var bytes, ticks int64
		for _, s := range sound.Segments {
			bytes += s.Size
			ticks += s.Duration
			if longest := int64(7 * 48_000); s.Duration > longest || s.Duration <= 0 {
				t.Fatalf("a media segment of %d samples", s.Duration)
			}
			if got := store.files["s3://bucket/"+s.Path]; !single && got != s.Size {
				t.Fatalf("%s has %d bytes, and is said to have %d", s.Path, got, s.Size)
			}
		}
		if single {
			bytes += sound.Init.Size + sound.Index.Size
			if got := store.files["s3://bucket/"+sound.Init.Path]; got != bytes {
				t.Errorf("%s has %d bytes, want %d", sound.Init.Path, got, bytes)
			}
		}
		if packets := int64(h.Samples); ticks != packets*1024 {
			t.Errorf("the media segments last %d samples, want %d", ticks, packets*1024)
		}
		if held > memoryLimit {
			t.Errorf("%d MB held", held>>20)
		}
	}
}

// TestMergeAtAllSizes prints the table of all sizes, row by row; make merge-sizes runs it.
func TestMergeAtAllSizes(t *testing.T) {
	if !*all {
		t.Skip("only with -args -all")
	}
	fmt.Println(tableHead)
	const pieces, plain = "20 MB with sound", "20 MB, sound apart"
	server := s3test.Start(t)
	for _, n := range []int{1, 10, 100} {
		store, count := bucket(t, server)
		hosting, a := merged(t, store, store, count, n, 20e6, true)
		fmt.Println(hosting.row(pieces, "S3 server"))
		hosting.check(t)
		apart, b := merged(t, store, store, count, n, 20e6, false)
		fmt.Println(apart.row(plain, "S3 server"))
		apart.checkMemory(t)
		local := folder(t, t.TempDir())
		sent, c := merged(t, local, store, count, n, 20e6, true)
		fmt.Println(sent.row(pieces+", in a folder", "S3 server"))
		sent.checkMemory(t)
		copied, d := merged(t, local, local, &counter{}, n, 20e6, true)
		fmt.Println(copied.row(pieces+", in a folder", "copy_file_range"))
		copied.checkMemory(t)
		if a != b || b != c || c != d {
			t.Error("the outputs differ")
		}
	}
	for _, n := range []int{1000, 5000, 10_000} {
		got := counted(t, n, 20e6, false)
		fmt.Println(got.row(pieces, "counting store"))
		got.check(t)
	}
	got := counted(t, 1000, 20e6, true)
	fmt.Println(got.row(plain, "counting store"))
	got.checkMemory(t)
}
