// Package chunktest makes chunks for the tests of package isobmff and the packages below it.
package chunktest

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/mapreel/mapreel/internal/mediatest"
	"github.com/mapreel/mapreel/pkg/isobmff"
	"github.com/mapreel/mapreel/pkg/isobmff/internal/box"
)

// MediaTimeOffset is the number of seconds by which media timestamps of a worker's file are later
// than presentation times.
const MediaTimeOffset = 10

// Fragmented holds the ffmpeg arguments with which a worker writes a chunk.
const Fragmented = "-f mp4 -movflags empty_moov+default_base_moof+frag_discont+delay_moov+frag_keyframe " +
	"-use_editlist 0 -avoid_negative_ts disabled -output_ts_offset 10"

// Store reads a worker's file, stores its chunk in a second file in the same folder, and returns that path. It
// subtracts MediaTimeOffset from the chunk's times. Video is normalised; audio starts at 0 at the
// earliest.
func Store(t testing.TB, path string) (isobmff.Chunk, string) {
	t.Helper()
	f, size := mediatest.Open(t, path)
	chunk, extents, err := isobmff.ReadFragments(f, size)
	if err != nil {
		t.Fatalf("fragments of %s: %v", path, err)
	}
	back := -MediaTimeOffset * int64(chunk.Track.Timescale)
	if chunk.Track.Handler == "vide" {
		if chunk, err = chunk.Shift(back).Normalise(); err != nil {
			t.Fatalf("normalise %s: %v", path, err)
		}
	} else {
		// Priming lies before 0, and a chunk that starts there cannot be stored.
		chunk = chunk.Shift(max(back, -chunk.Start))
	}
	var payload []io.Reader
	for _, e := range extents {
		payload = append(payload, io.NewSectionReader(f, e.Offset, e.Length))
	}
	var file bytes.Buffer
	if err := chunk.Write(&file, io.MultiReader(payload...)); err != nil {
		t.Fatalf("write the chunk of %s: %v", path, err)
	}
	stored, err := isobmff.ReadChunk(file.Bytes())
	if err != nil {
		t.Fatalf("read the chunk of %s: %v", path, err)
	}
	if got, want := int64(file.Len()), stored.Header+stored.Payload(); got != want {
		t.Fatalf("the chunk of %s has %d bytes, want %d", path, got, want)
	}
	out := strings.TrimSuffix(path, ".mp4") + ".chunk"
	if err := os.WriteFile(out, file.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
	return stored, out
}

// Entry returns a sample entry without content, which serves everything but a decoder.
func Entry(kind string) []byte {
	return box.Append(nil, kind, make([]byte, 86-8)) // the fields of a visual sample entry
}

// Draw draws a chunk as an encoder could write it: n frames from start on, in any order of
// presentation, no two at the same time.
func Draw(t *rapid.T, start int64, n int) isobmff.Chunk {
	c := isobmff.Chunk{Track: isobmff.Track{
		Handler: "vide", Timescale: uint32(rapid.IntRange(1, 1<<31).Draw(t, "timescale")), Entry: Entry("avc1"),
		Width: 128 << 16, Height: 72 << 16, Language: rapid.SampledFrom([]string{"und", "eng", "deu", "jpn"}).Draw(t, "language"),
		Name: rapid.SampledFrom([]string{"", "Director’s cut", "x"}).Draw(t, "name"), Enabled: rapid.Bool().Draw(t, "enabled"),
	}}
	times := make([]int64, n)
	at := start
	for i := range times {
		times[i] = at
		at += rapid.SampledFrom([]int64{512, 512, 512, 1, 513, 100000}).Draw(t, "gap")
	}
	// Reorder frames within groups of at most four.
	shown := slices.Clone(times)
	mayBeSync := make([]bool, n)
	for i := 0; i < n; {
		group := min(rapid.IntRange(1, 4).Draw(t, "group"), n-i)
		copy(shown[i:], rapid.Permutation(times[i:i+group]).Draw(t, "order"))
		mayBeSync[i] = shown[i] == times[i] // no later frame is shown before it
		i += group
	}
	delay := rapid.Int64Range(0, min(start, 1<<30)).Draw(t, "delay") // offsets have 32 bits, including their sign
	c.Start = start - delay
	for i := range times {
		next := at
		if i+1 < n {
			next = times[i+1]
		}
		s := isobmff.Sample{
			Size: uint32(rapid.IntRange(0, 300).Draw(t, "size")), Duration: uint32(next - times[i]),
			Offset: int32(shown[i] - times[i] + delay), Sync: i == 0 || mayBeSync[i] && rapid.Bool().Draw(t, "sync"),
		}
		c.Bytes += int64(s.Size)
		c.Samples = append(c.Samples, s)
	}
	return c
}

// Abridge formats times, leaving out the middle of long lists.
func Abridge(times []int64) string {
	if len(times) > 12 {
		return fmt.Sprintf("%v … %v (%d)", times[:6], times[len(times)-6:], len(times))
	}
	return fmt.Sprint(times)
}

// Moved returns the times, each moved by ticks.
func Moved(times []int64, ticks int64) []int64 {
	out := slices.Clone(times)
	for i := range out {
		out[i] += ticks
	}
	return out
}
