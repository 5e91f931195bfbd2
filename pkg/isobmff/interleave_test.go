package isobmff

import (
	"bytes"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// Pieces that host the other tracks' stretches give the same movie, read from fewer stretches of bytes, and what they
// host is what they say.
func TestMoviesOfPiecesWithGuestsAreTheSame(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		grid := time.Duration(rapid.Int64Range(1, 5000).Draw(t, "grid")) * time.Millisecond
		movie := Movie{Interleave: grid, Tracks: make([]MovieTrack, 1+rapid.IntRange(1, 2).Draw(t, "sounds"))}
		pieces := make([][]Chunk, len(movie.Tracks))
		var bounds []int64 // between the pieces of the picture
		stored := map[string][]byte{}
		fill := byte(0)
		keep := func(p Chunk, track int) Chunk {
			payload := make([]byte, p.Bytes)
			for i := range payload {
				payload[i] = fill
				fill += 7
			}
			var file bytes.Buffer
			if err := p.Write(&file, bytes.NewReader(payload)); err != nil {
				t.Fatal(err)
			}
			stored[fmt.Sprint(track, "/", len(pieces[track]))] = file.Bytes()
			p, err := ReadChunk(file.Bytes())
			if err != nil {
				t.Fatal(err)
			}
			return p
		}
		for track := range movie.Tracks {
			at := int64(0)
			scale := rapid.SampledFrom([]uint32{600, 12800, 48000}).Draw(t, "scale")
			for range rapid.IntRange(1, 3).Draw(t, "pieces") {
				p, err := drawPiece(t, at+1<<31, rapid.IntRange(1, 30).Draw(t, "samples")).Normalise()
				if err != nil {
					t.Fatal(err)
				}
				p.Track.Timescale = scale
				p = p.Shift(at - p.Start)
				at = p.End() + rapid.SampledFrom([]int64{0, 0, 5, 70000}).Draw(t, "gap")
				pieces[track] = append(pieces[track], keep(p, track))
				if track == 0 {
					bounds = append(bounds, at)
				}
			}
			movie.Tracks[track].Handler = "vide"
			movie.Tracks[track].Delay = rapid.SampledFrom([]int64{0, 0, 700, 90000}).Draw(t, "delay")
			movie.Tracks[track].Skip = rapid.SampledFrom([]int64{0, 1024}).Draw(t, "skip")
		}
		movie.Tracks[0].Delay, movie.Tracks[0].Skip = 0, 0
		plain := finish(t, movie, pieces)

		var company [][]InterleaveSource
		for track := 1; track < len(pieces); track++ {
			var all []InterleaveSource
			for i, p := range pieces[track] {
				zero := movie.Tracks[track].Delay - movie.Tracks[track].Skip
				all = append(all, InterleaveSource{fmt.Sprint(track, "/", i), p, zero})
			}
			company = append(company, all)
		}
		hosts := slices.Clone(pieces)
		hosts[0] = nil
		for i, p := range pieces[0] {
			var from, until *int64
			if i > 0 {
				from = &bounds[i-1]
			}
			if i+1 < len(pieces[0]) {
				until = &bounds[i]
			}
			h := p.Interleave(grid, from, until, company)
			// What is stored: the piece's own samples with the guests between.
			own := stored[fmt.Sprint("0/", i)][p.Header:]
			var payload []byte
			sample := 0
			take := func(n int) {
				for ; sample < n; sample++ {
					payload, own = append(payload, own[:p.Samples[sample].Size]...), own[p.Samples[sample].Size:]
				}
			}
			for _, g := range h.Interleaved {
				take(g.Before)
				payload = append(payload, stored[g.Name][g.Offset:g.Offset+g.Length]...)
			}
			take(len(p.Samples))
			var file bytes.Buffer
			if err := h.Write(&file, bytes.NewReader(payload)); err != nil {
				t.Fatal(err)
			}
			read, err := ReadChunk(file.Bytes())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(h.Interleaved, read.Interleaved); diff != "" || read.Header+read.Payload() != int64(file.Len()) {
				t.Fatalf("guests -given +read:\n%s", diff)
			}
			for i, seat := range read.InterleavedOffsets() {
				g := read.Interleaved[i]
				if !bytes.Equal(file.Bytes()[seat:seat+g.Length], stored[g.Name][g.Offset:g.Offset+g.Length]) {
					t.Fatalf("guest %d is not where it sits", i)
				}
			}
			stored[fmt.Sprint("host/", i)] = file.Bytes()
			hosts[0] = append(hosts[0], read)
		}
		hosted := finish(t, movie, hosts)
		if !bytes.Equal(plain.Header, hosted.Header) || plain.Size != hosted.Size {
			t.Fatal("pieces with guests give another header")
		}
		read := func(f finished, host string) (out []byte) {
			for _, r := range f.Ranges {
				name := fmt.Sprint(r.Track, "/", r.Chunk)
				if r.Track == 0 {
					name = host + fmt.Sprint(r.Chunk)
				}
				out = append(out, stored[name][r.Offset:r.Offset+r.Length]...)
			}
			return out
		}
		if !bytes.Equal(read(plain, "0/"), read(hosted, "host/")) {
			t.Fatal("pieces with guests give other bytes")
		}
		// Every stretch of another track within the picture's time has a seat, where the movie wants it: with the seats the
		// movie is one stretch of each host.
		type place struct {
			name   string
			offset int64
		}
		seats := map[place]place{}
		for i, h := range hosts[0] {
			for n, seat := range h.InterleavedOffsets() {
				for k := range h.Interleaved[n].Length {
					from := place{h.Interleaved[n].Name, h.Interleaved[n].Offset + k}
					if _, twice := seats[from]; twice {
						t.Fatalf("byte %d of %s is hosted twice", from.offset, from.name)
					}
					seats[from] = place{fmt.Sprint("host/", i), seat + k}
				}
			}
		}
		// With the seats, the movie is one stretch of each host, but for what plays more than a minute after the picture.
		var at place
		breaks, after := 0, false
		for _, r := range hosted.Ranges {
			for k := range r.Length {
				now := place{fmt.Sprint(r.Track, "/", r.Chunk), r.Offset + k}
				if r.Track == 0 {
					now.name = fmt.Sprint("host/", r.Chunk)
				} else if seat, ok := seats[now]; ok {
					now = seat
				} else {
					after = true
					continue
				}
				if after {
					t.Fatalf("byte %d of %s has no seat", r.Offset, now.name)
				}
				if at.name != now.name || at.offset+1 != now.offset {
					breaks++
				}
				at = now
			}
		}
		if breaks > len(hosts[0]) {
			t.Fatalf("%d stretches of %d hosts", breaks, len(hosts[0]))
		}
	})
}
