package merge

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"runtime/metrics"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/blob/s3blob"
	"github.com/mapreel/mapreel/pkg/blob/s3blob/s3test"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/work"
)

// What a merge takes at any size. Small outputs are merged on a real S3 server. For large ones a
// stand-in for S3 counts the requests and checks S3's limits.

var all = flag.Bool("all", false, "merge outputs of all sizes, up to 200 GB, and print the table")

func TestMain(m *testing.M) {
	s3test.ServeInChild()
	flag.Parse()
	os.Exit(m.Run())
}

// memoryLimit is how much memory the whole process may take while it merges, whatever the output's
// size. The garbage collector runs as often as in the Lambda function.
const memoryLimit = 64 << 20

// figures are the measurements of a merge.
type figures struct {
	size   int64
	memory uint64 // of the process, at its peak
	took   time.Duration
	paced  time.Duration // with the stand-in's latency and rates; 0: the store was real
	count  counts
}

const tableHead = `| output | chunks | merged by | through the function | requests: read, copy, upload, other | memory | seconds |
| --- | --- | --- | --- | --- | --- | --- |`

// row returns a line of the table.
func (f figures) row(chunks, by string) string {
	through, requests := "–", "–"
	if n := f.count.reads + f.count.copies + f.count.uploads + f.count.others; n > 0 {
		through = fmt.Sprintf("%.1f MB (%.2f %%)", float64(f.count.uploaded)/1e6, 100*f.share())
		requests = fmt.Sprintf("%d: %d, %d, %d, %d", n, f.count.reads, f.count.copies, f.count.uploads, f.count.others)
	}
	seconds := fmt.Sprintf("%.1f", f.took.Seconds())
	if f.paced > 0 {
		seconds = fmt.Sprintf("%.1f of its own, %.0f at S3's pace", f.took.Seconds(), f.paced.Seconds())
	}
	return fmt.Sprintf("| %.3g GB | %s | %s | %s | %s | %d MB | %s |", float64(f.size)/1e9, chunks, by, through, requests, f.memory>>20, seconds)
}

// share returns which share of the output's bytes passed through the merge itself.
func (f figures) share() float64 { return float64(f.count.uploaded) / float64(f.size) }

// merge writes the output, through a client that counts.
func (f *fakeFilm) merge(t *testing.T, scratch, out blob.Store, count *counter, key string) figures {
	t.Helper()
	f.Scratch = scratch
	m, track := f.attempt(t)
	count.reset()
	var info blob.Info
	var err error
	var got figures
	run := func(t *testing.T) {
		began := time.Now()
		info, err = m.writeMovie(t.Context(), out, key, []audioTrack{track})
		got.took = time.Since(began)
	}
	got.memory = peakMemory(func() {
		if !count.paced {
			run(t)
			return
		}
		// By the bubble's clock only the stand-in takes time.
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

// peakMemory returns how much memory Go holds of the system at most while do runs.
func peakMemory(do func()) uint64 {
	defer debug.SetGCPercent(debug.SetGCPercent(GCPercent))
	debug.FreeOSMemory() // of what ran before
	memory := []metrics.Sample{{Name: "/memory/classes/total:bytes"}, {Name: "/memory/classes/heap/released:bytes"}}
	stop, done := make(chan struct{}), make(chan uint64)
	go func() {
		var most uint64
		for {
			metrics.Read(memory)
			most = max(most, memory[0].Value.Uint64()-memory[1].Value.Uint64())
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

// mergeCounting merges a film that is not stored: it counts requests. With apart, no chunk has
// audio interleaved.
func mergeCounting(t *testing.T, segments, mean int, apart bool) figures {
	t.Helper()
	f := newFilm(t, segments, mean)
	f.completeAudio(t)
	f.apart = apart
	var err error
	if f.headers, err = os.Create(filepath.Join(t.TempDir(), "headers")); err != nil {
		t.Fatal(err)
	}
	defer f.headers.Close()
	f.at = map[string]section{}
	var at int64
	storeHeader := func(key string, header []byte) {
		if _, err := f.headers.Write(header); err != nil {
			t.Fatal(err)
		}
		f.at[key] = section{at, int64(len(header))}
		at += int64(len(header))
	}
	for i := range segments {
		c, key := f.interleaved(t, i), work.ArtifactKey("film", film.VideoUnit(i), 1, 0, "mp4")
		header := headerOf(c)
		storeHeader(key, header)
		f.addVideo(i, key, int64(len(header)), int64(len(header))+c.Payload())
	}
	for i, facts := range f.audio {
		storeHeader(facts.Key, f.audioHeaders[i])
	}
	f.audioHeaders = nil
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
		t.Errorf("the parts have %d bytes, the object has %d", s.size, got.size)
	}
	return got
}

// mergeStored stores a film, merges it, and returns the hash of the output. With interleave, its
// chunks have audio interleaved.
func mergeStored(t *testing.T, scratch, out blob.Store, count *counter, segments, mean int, interleave bool) (figures, [32]byte) {
	t.Helper()
	f := newFilm(t, segments, mean)
	f.store(t, scratch, interleave)
	got := f.merge(t, scratch, out, count, "out.mp4")
	return got, sumOf(t, out, "out.mp4", got.size)
}

// check checks the merge of chunks with interleaved audio: few bytes pass through the merge itself,
// memory does not depend on the size, and many requests run at once.
func (f figures) check(t *testing.T) {
	t.Helper()
	f.checkMemory(t)
	if f.share() > 0.03 && f.count.uploaded > 6<<20 { // S3's smallest part has 5 MiB
		t.Errorf("%.4f of %d bytes were uploaded", f.share(), f.size)
	}
	if f.paced == 0 {
		return
	}
	// 16 copies at once, and batches of 32 headers of which some wait for the slowest.
	each := float64(f.size) / float64(f.count.copies) / copyRate
	bound := time.Duration(float64(f.count.copies)/16*(1.5*each+latency.Seconds())*float64(time.Second)) +
		time.Duration(f.count.reads/8+20)*latency
	if f.count.copies > 10_000 || f.count.mostCopies > 16 || f.paced > bound {
		t.Errorf("%d copies, %d at once, took %v, want at most %v", f.count.copies, f.count.mostCopies, f.paced, bound)
	}
}

func (f figures) checkMemory(t *testing.T) {
	t.Helper()
	if f.memory > memoryLimit {
		t.Errorf("%d MB of memory for an output of %d MB", f.memory>>20, f.size>>20)
	}
}

// S3 copies all but a few per cent, whatever the size: 40 chunks of 20 MB, 60 of 6 MB, and 100 GB.
func TestMergeMovesFewBytesItself(t *testing.T) {
	for _, c := range []struct{ segments, mean int }{{40, 20e6}, {60, 6e6}, {200, 500e6}} {
		got := mergeCounting(t, c.segments, c.mean, false)
		t.Log(got.row(fmt.Sprintf("%d MB", c.mean/1e6), "counting"), got.count.mostCopies, "copies at once")
		got.check(t)
	}
}

func TestOutputIsTheSameWithAndWithoutInterleavedAudio(t *testing.T) {
	server := s3test.Start(t)
	store, count := bucket(t, server)
	interleaved, a := mergeStored(t, store, store, count, 4, 12e6, true)
	apart, b := mergeStored(t, store, store, count, 4, 12e6, false)
	local := folder(t, t.TempDir())
	uploaded, c := mergeStored(t, local, store, count, 4, 12e6, true)
	copied, d := mergeStored(t, local, local, &counter{}, 4, 12e6, true)
	for by, f := range map[string]figures{"interleaved": interleaved, "apart": apart, "from a folder": uploaded, "in a folder": copied} {
		t.Log(f.row(by, ""))
		f.checkMemory(t)
	}
	if a != b || b != c || c != d {
		t.Error("the outputs differ")
	}
	interleaved.check(t)
	if apart.count.uploaded < apart.size*9/10 {
		t.Errorf("%d bytes were uploaded", apart.count.uploaded)
	}
}

// TestMergeAtAllSizes prints a table of all sizes, row by row. "make merge-sizes" runs it.
func TestMergeAtAllSizes(t *testing.T) {
	if !*all {
		t.Skip("only with -args -all")
	}
	fmt.Println(tableHead)
	const interleaved, apart = "20 MB, audio interleaved", "20 MB, audio apart"
	server := s3test.Start(t)
	for _, n := range []int{1, 10, 100} {
		store, count := bucket(t, server)
		got, a := mergeStored(t, store, store, count, n, 20e6, true)
		fmt.Println(got.row(interleaved, "S3 server"))
		got.check(t)
		got, b := mergeStored(t, store, store, count, n, 20e6, false)
		fmt.Println(got.row(apart, "S3 server"))
		got.checkMemory(t)
		local := folder(t, t.TempDir())
		got, c := mergeStored(t, local, store, count, n, 20e6, true)
		fmt.Println(got.row(interleaved+", in a folder", "S3 server"))
		got.checkMemory(t)
		got, d := mergeStored(t, local, local, &counter{}, n, 20e6, true)
		fmt.Println(got.row(interleaved+", in a folder", "copy_file_range"))
		got.checkMemory(t)
		if a != b || b != c || c != d {
			t.Error("the outputs differ")
		}
	}
	for _, n := range []int{1000, 5000, 10_000} {
		got := mergeCounting(t, n, 20e6, false)
		fmt.Println(got.row(interleaved, "counting store"))
		got.check(t)
	}
	got := mergeCounting(t, 1000, 20e6, true)
	fmt.Println(got.row(apart, "counting store"))
	got.checkMemory(t)
}
