package merge

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"golang.org/x/sync/errgroup"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/audio"
	"github.com/mapreel/mapreel/pkg/film/interleave"
	"github.com/mapreel/mapreel/pkg/isobmff"
	"github.com/mapreel/mapreel/pkg/isobmff/progressive"
)

// part is a stored chunk of a track: a chunk of video, an audio part or a subtitle track.
type part struct {
	track int    // of the movie
	name  string // for errors
	facts film.StoredObject
	use   audio.Use // of an audio part: the packets that it contributes
}

// Bounds of the chunk headers that are read side by side: enough of them to hide a store's latency,
// and few bytes, because a header takes some ten times its size once it is parsed. A single header
// may be larger.
const (
	maxHeaders     = 32
	maxHeaderBytes = 256 << 10
)

// writeMovie computes the MP4 of the video track and these audio tracks, checks it, and has the
// store compose it at key.
func (m *attempt) writeMovie(ctx context.Context, store blob.Store, key string, tracks []audioTrack) (blob.Info, error) {
	var none blob.Info
	var parts []part
	movie := progressive.Movie{Tool: "mapreel", Interleave: film.InterleavePeriod}
	if m.hasVideo() {
		movie.Tracks = append(movie.Tracks, progressive.Track{Track: isobmff.Track{Enabled: true}, Delay: m.expectedVideo().First})
		for i, v := range m.video {
			if len(v.Chunks) > 0 && v.Chunks[m.out.Renditions[0]].Frames > 0 {
				parts = append(parts, part{name: film.VideoUnit(i), facts: v.Chunks[m.out.Renditions[0]].StoredObject})
			}
		}
	}
	for _, a := range tracks {
		for _, p := range a.parts {
			p.track = len(movie.Tracks)
			parts = append(parts, p)
		}
		movie.Tracks = append(movie.Tracks, m.movieTrack(a))
	}
	if m.out.Container == film.MP4 {
		var err error
		if parts, err = m.addSidecar(ctx, &movie, parts); err != nil {
			return none, err
		}
	}
	tables, err := os.Create(filepath.Join(m.Dir, tablesFile))
	if err != nil {
		return none, fmt.Errorf("working folder: %w", err)
	}
	defer tables.Close() //nolint:errcheck // a working file of the attempt
	head, err := os.Create(filepath.Join(m.Dir, headerFile))
	if err != nil {
		return none, fmt.Errorf("working folder: %w", err)
	}
	defer head.Close() //nolint:errcheck // a working file of the attempt
	interleaved := interleave.Ranges{}
	stitcher, err := m.addChunks(ctx, movie, tables, parts, interleaved)
	if err != nil {
		return none, err
	}
	buffer := bufio.NewWriter(head)
	file, err := stitcher.Finish(buffer)
	if err == nil {
		err = buffer.Flush()
	}
	if err != nil {
		return none, err
	}
	if err := m.check(head, file.Size, tracks); err != nil {
		return none, err
	}
	composed := []blob.Part{{From: blob.NewFile(head), Key: headerFile, Length: file.Header}}
	byTrack := make([][]part, len(movie.Tracks))
	for _, p := range parts {
		byTrack[p.track] = append(byTrack[p.track], p)
	}
	for _, r := range file.Ranges {
		for _, p := range interleaved.Parts(m.Scratch, byTrack[r.Track][r.Chunk].facts.Key, r.Offset, r.Length) {
			// Join adjacent ranges of one object: a chunk with its audio interleaved becomes a
			// single range.
			if last := &composed[len(composed)-1]; last.Key == p.Key && last.From == p.From && last.Offset+last.Length == p.Offset {
				last.Length += p.Length
				continue
			}
			composed = append(composed, p)
		}
	}
	info, err := store.Compose(ctx, key, composed)
	if err == nil && info.Size != file.Size {
		return info, fault.New(fault.Corrupt, "the store composed %d bytes instead of %d", info.Size, file.Size)
	}
	return info, err
}

// Files in the working folder, because they would take too much memory: the movie's header, some
// megabytes per hour, and the sample tables from which it is written.
const (
	headerFile = "header"
	tablesFile = "tables"
)

// addChunks returns a stitcher with all chunks added, whose tracks are described by their first
// chunks. It notes in interleaved which audio lies in the chunks.
func (m *attempt) addChunks(
	ctx context.Context, movie progressive.Movie, tables progressive.Tables, parts []part, interleaved interleave.Ranges,
) (*progressive.Stitcher, error) {
	seen := map[int]bool{}
	var first []part // of each track
	for _, p := range parts {
		if !seen[p.track] {
			seen[p.track] = true
			first = append(first, p)
		}
	}
	chunks, err := m.headers(ctx, first)
	if err != nil {
		return nil, err
	}
	for i, p := range first {
		t, known := chunks[i].Track, &movie.Tracks[p.track].Track
		t.Language, t.Name, t.Enabled = known.Language, known.Name, known.Enabled
		if video := movie.Tracks[0]; t.Handler == textHandler && video.Handler == "vide" {
			t.Width, t.Height = video.Width, video.Height // text is drawn over the whole picture
		}
		*known = t
	}
	stitcher := progressive.NewStitcher(movie, tables)
	err = m.eachChunk(ctx, parts, func(p part, chunk isobmff.Chunk) error {
		interleaved.Add(p.facts.Key, chunk)
		if err := stitcher.Add(p.track, p.use.Samples(chunk)); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	interleaved.Sort()
	return stitcher, nil
}

// eachChunk calls yield with the chunk of each part, in order. It reads some headers ahead, and
// holds no more than those.
func (m *attempt) eachChunk(ctx context.Context, parts []part, yield func(p part, chunk isobmff.Chunk) error) error {
	for len(parts) > 0 {
		n, size := 1, parts[0].facts.Header
		for n < min(maxHeaders, len(parts)) && size+parts[n].facts.Header <= maxHeaderBytes {
			size += parts[n].facts.Header
			n++
		}
		chunks, err := m.headers(ctx, parts[:n])
		if err != nil {
			return err
		}
		for i, chunk := range chunks {
			if err := yield(parts[i], chunk); err != nil {
				return err
			}
		}
		parts = parts[n:]
	}
	return nil
}

// headers reads the chunks' headers, all at once.
func (m *attempt) headers(ctx context.Context, parts []part) ([]isobmff.Chunk, error) {
	chunks := make([]isobmff.Chunk, len(parts))
	g, ctx := errgroup.WithContext(ctx)
	for i, p := range parts {
		g.Go(func() error {
			data, err := blob.ReadRange(ctx, m.Scratch, p.facts.Key, 0, p.facts.Header)
			if err != nil {
				return err
			}
			chunks[i], err = isobmff.ReadChunk(data)
			if err == nil && chunks[i].Header+chunks[i].Payload() != p.facts.Size {
				err = fault.New(fault.Corrupt, "the header declares %d bytes, the object has %d", chunks[i].Header+chunks[i].Payload(), p.facts.Size)
			}
			if err != nil {
				return fmt.Errorf("%s: %w", p.name, err)
			}
			return nil
		})
	}
	return chunks, g.Wait()
}

// check reads the header back, with different code than wrote it, and compares it with what the
// workers reported.
func (m *attempt) check(header io.ReaderAt, size int64, tracks []audioTrack) error {
	var want []progressive.Expected
	if m.hasVideo() {
		want = append(want, m.expectedVideo())
	}
	for _, a := range tracks {
		first := int64(a.Delay - a.Skip)
		want = append(want, progressive.Expected{Handler: "soun", Samples: a.Samples, First: first, Last: first + int64(a.Last)})
	}
	if m.out.Container == film.MP4 {
		want = append(want, m.expectedSidecar()...)
	}
	return progressive.Check(header, size, want)
}
