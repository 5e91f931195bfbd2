package progressive

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/mapreel/mapreel/pkg/isobmff"
	"github.com/mapreel/mapreel/pkg/isobmff/internal/chunktest"
	"pgregory.net/rapid"
)

// Chunks with interleaved ranges give the same movie as chunks without. The ranges hold the bytes
// that they declare, and with them the movie is one contiguous range of each chunk.
func TestMoviesOfInterleavedChunksAreTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		grid := time.Duration(rapid.Int64Range(1, 5000).Draw(t, "grid")) * time.Millisecond
		movie := Movie{Interleave: grid, Tracks: make([]Track, 1+rapid.IntRange(1, 2).Draw(t, "audio tracks"))}
		chunks := make([][]isobmff.Chunk, len(movie.Tracks))
		var bounds []int64 // where the video chunks end
		stored := map[string][]byte{}
		fill := byte(0)
		store := func(p isobmff.Chunk, track int) isobmff.Chunk {
			payload := make([]byte, p.Bytes)
			for i := range payload {
				payload[i] = fill
				fill += 7
			}
			var file bytes.Buffer
			if err := p.Write(&file, bytes.NewReader(payload)); err != nil {
				t.Fatal(err)
			}
			stored[fmt.Sprint(track, "/", len(chunks[track]))] = file.Bytes()
			p, err := isobmff.ReadChunk(file.Bytes())
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
		for track := range movie.Tracks {
			at := int64(0)
			scale := rapid.SampledFrom([]uint32{600, 12800, 48000}).Draw(t, "scale")
			for range rapid.IntRange(1, 3).Draw(t, "chunks") {
				p, err := chunktest.Draw(t, at+1<<31, rapid.IntRange(1, 30).Draw(t, "samples")).Normalise()
				if err != nil {
					t.Fatal(err)
				}
				p.Track.Timescale = scale
				p = p.Shift(at - p.Start)
				at = p.End() + rapid.SampledFrom([]int64{0, 0, 5, 70000}).Draw(t, "gap")
				chunks[track] = append(chunks[track], store(p, track))
				if track == 0 {
					bounds = append(bounds, at)
				}
			}
			movie.Tracks[track].Handler = "vide"
			movie.Tracks[track].Delay = rapid.SampledFrom([]int64{0, 0, 700, 90000}).Draw(t, "delay")
			movie.Tracks[track].Skip = rapid.SampledFrom([]int64{0, 1024}).Draw(t, "skip")
		}
		movie.Tracks[0].Delay, movie.Tracks[0].Skip = 0, 0
		plain := finish(t, movie, chunks)

		var sources [][]isobmff.InterleaveSource
		for track := 1; track < len(chunks); track++ {
			var all []isobmff.InterleaveSource
			for i, c := range chunks[track] {
				zero := movie.Tracks[track].Delay - movie.Tracks[track].Skip
				all = append(all, isobmff.InterleaveSource{Name: fmt.Sprint(track, "/", i), Chunk: c, Zero: zero})
			}
			sources = append(sources, all)
		}
		interleaved := slices.Clone(chunks)
		interleaved[0] = nil
		for i, c := range chunks[0] {
			var from, until *int64
			if i > 0 {
				from = &bounds[i-1]
			}
			if i+1 < len(chunks[0]) {
				until = &bounds[i]
			}
			withRanges := c.Interleave(grid, from, until, sources)
			// The stored chunk has its own samples and the interleaved ranges between them.
			own := stored[fmt.Sprint("0/", i)][c.Header:]
			var payload []byte
			sample := 0
			takeSamples := func(n int) {
				for ; sample < n; sample++ {
					payload, own = append(payload, own[:c.Samples[sample].Size]...), own[c.Samples[sample].Size:]
				}
			}
			for _, r := range withRanges.Interleaved {
				takeSamples(r.Before)
				payload = append(payload, stored[r.Name][r.Offset:r.Offset+r.Length]...)
			}
			takeSamples(len(c.Samples))
			var file bytes.Buffer
			if err := withRanges.Write(&file, bytes.NewReader(payload)); err != nil {
				t.Fatal(err)
			}
			read, err := isobmff.ReadChunk(file.Bytes())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(withRanges.Interleaved, read.Interleaved); diff != "" || read.Header+read.Payload() != int64(file.Len()) {
				t.Fatalf("interleaved ranges -given +read:\n%s", diff)
			}
			for i, offset := range read.InterleavedOffsets() {
				r := read.Interleaved[i]
				if !bytes.Equal(file.Bytes()[offset:offset+r.Length], stored[r.Name][r.Offset:r.Offset+r.Length]) {
					t.Fatalf("interleaved range %d does not hold the bytes that it declares", i)
				}
			}
			stored[fmt.Sprint("interleaved/", i)] = file.Bytes()
			interleaved[0] = append(interleaved[0], read)
		}
		again := finish(t, movie, interleaved)
		if !bytes.Equal(plain.Header, again.Header) || plain.Size != again.Size {
			t.Fatal("interleaved chunks give another header")
		}
		read := func(f finished, prefix string) (out []byte) {
			for _, r := range f.Ranges {
				name := fmt.Sprint(r.Track, "/", r.Chunk)
				if r.Track == 0 {
					name = prefix + fmt.Sprint(r.Chunk)
				}
				out = append(out, stored[name][r.Offset:r.Offset+r.Length]...)
			}
			return out
		}
		if !bytes.Equal(read(plain, "0/"), read(again, "interleaved/")) {
			t.Fatal("interleaved chunks give other bytes")
		}
		// copies maps each byte of another track's chunk to its copy in a video chunk.
		type place struct {
			name   string
			offset int64
		}
		copies := map[place]place{}
		for i, c := range interleaved[0] {
			for n, offset := range c.InterleavedOffsets() {
				for k := range c.Interleaved[n].Length {
					from := place{c.Interleaved[n].Name, c.Interleaved[n].Offset + k}
					if _, twice := copies[from]; twice {
						t.Fatalf("byte %d of %s was copied twice", from.offset, from.name)
					}
					copies[from] = place{fmt.Sprint("interleaved/", i), offset + k}
				}
			}
		}
		// With the copies, the movie is one contiguous range of each video chunk, except for
		// samples that are shown more than a minute after the last frame.
		var at place
		breaks, after := 0, false
		for _, r := range again.Ranges {
			for k := range r.Length {
				now := place{fmt.Sprint(r.Track, "/", r.Chunk), r.Offset + k}
				if r.Track == 0 {
					now.name = fmt.Sprint("interleaved/", r.Chunk)
				} else if at, ok := copies[now]; ok {
					now = at
				} else {
					after = true
					continue
				}
				if after {
					t.Fatalf("byte %d of %s was not copied", r.Offset, now.name)
				}
				if at.name != now.name || at.offset+1 != now.offset {
					breaks++
				}
				at = now
			}
		}
		if breaks > len(interleaved[0]) {
			t.Fatalf("the movie consists of %d ranges of %d chunks", breaks, len(interleaved[0]))
		}
	})
}
