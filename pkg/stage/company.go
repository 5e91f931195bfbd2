package stage

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
	"time"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/isobmff"
	"github.com/mapreel/mapreel/pkg/ledger"
	"github.com/mapreel/mapreel/pkg/media"
)

// A piece of picture takes in the sound that the finished movie has beside it, where that is ready when the piece is: then
// Merge has S3 copy the piece as one stretch. Else a second of picture, too little for a copy, would be followed by a second of
// sound, and all would pass through Merge.

// listeners are the sounds that lie beside a rendition in the first of its outputs, in the order of the output's tracks.
// Where other outputs have other sounds, those are gathered by Merge.
func listeners(j film.Job, rendition int) (sounds []int) {
	for _, out := range j.Outputs {
		if out.Container.Packaged() || !slices.Contains(out.Renditions, rendition) {
			continue
		}
		for _, s := range out.Audio {
			if j.AudioRenditions[s].Mux == film.MP4 {
				sounds = append(sounds, s)
			}
		}
		return sounds
	}
	return nil
}

// margin is how far from a segment a piece of sound may begin or end and still be looked at: pre-roll and overlap are less.
const margin = media.Ticks(5_000_000) // microseconds

// accompany gives the piece its guests. It has none where any of the sound is not ready: what is missing would cut the
// stretches as finely as if all were.
func (e *encode) accompany(ctx context.Context, rendition int, piece isobmff.Chunk) (isobmff.Chunk, error) {
	var tracks [][]isobmff.InterleaveSource
	for _, s := range listeners(e.job, rendition) {
		track, err := e.sound(ctx, s)
		if err != nil || track == nil {
			return piece, err
		}
		tracks = append(tracks, track)
	}
	if len(tracks) == 0 {
		return piece, nil
	}
	clock := e.job.Renditions[rendition].OutputTimebase(*e.job.Source.Video)
	at := func(t media.Ticks) *int64 {
		return new(int64(media.Rescale(t, e.job.Source.Video.Timebase, clock) - e.job.Source.Origin.In(clock)))
	}
	var from, until *int64
	if e.seg.Index > 0 {
		from = at(e.seg.Start)
	}
	if !e.seg.Last {
		until = at(e.seg.End)
	}
	return piece.Interleave(interleave, from, until, tracks), nil
}

// interleave is how much of a track lies in one stretch of a movie.
const interleave = time.Second

// sound returns the pieces of a sound around the segment as Merge will use them, nil where they are not all there yet.
func (e *encode) sound(ctx context.Context, sound int) ([]isobmff.InterleaveSource, error) {
	s := e.job.AudioRenditions[sound]
	track := e.job.Source.Audio[s.Track]
	begins := media.Rescale(track.Start, track.Timebase, media.Microseconds)
	from, to := e.micros(e.seg.Start)-margin, e.micros(e.seg.End)+margin
	var pieces []film.AudioPart
	var all []film.AudioFacts
	for i, p := range e.job.AudioParts() {
		if p.Rendition != sound {
			continue
		}
		if !p.Whole {
			clock := media.Rational{Num: 1, Den: int64(s.Rate)}
			if begins+media.Rescale(p.Start, clock, media.Microseconds) >= to && !e.seg.Last ||
				!p.Last && begins+media.Rescale(p.End, clock, media.Microseconds) <= from && e.seg.Index > 0 {
				continue
			}
		}
		u, err := e.Ledger.Unit(ctx, e.job.ID, film.AudioUnit(i))
		if err != nil || u.State != ledger.Done {
			return nil, err
		}
		var facts film.AudioFacts
		if err := json.Unmarshal(u.Facts, &facts); err != nil {
			return nil, err
		}
		pieces, all = append(pieces, p), append(all, facts)
	}
	if len(pieces) == 0 {
		return nil, nil
	}
	starts := []media.Ticks{0}
	if !pieces[0].Whole {
		var err error
		if starts, err = joints(s.Codec, pieces, all); err != nil {
			return nil, err
		}
	}
	var company []isobmff.InterleaveSource
	for i, start := range starts {
		data, err := readRange(ctx, e.Scratch, all[i].Key, 0, all[i].Header)
		if err != nil {
			return nil, err
		}
		piece, err := isobmff.ReadChunk(data)
		if err != nil {
			return nil, err
		}
		if !pieces[0].Whole {
			until := media.Ticks(math.MaxInt64)
			if i+1 < len(starts) {
				until = starts[i+1]
			}
			piece = piece.Slice(int64(start), int64(until))
		}
		company = append(company, isobmff.InterleaveSource{Name: all[i].Key, Chunk: piece, Zero: int64(all[i].Delay - all[i].Skip)})
	}
	return company, nil
}

// putAccompanied puts a piece in scratch with the sound beside it, or, where that fails for whatever reason, without.
func (e *encode) putAccompanied(
	ctx context.Context, rendition int, key string, piece isobmff.Chunk, samples func() io.Reader,
) (blob.Info, isobmff.Chunk, error) {
	hosting, err := e.accompany(ctx, rendition, piece)
	if err == nil && len(hosting.Interleaved) > 0 {
		var info blob.Info
		mixed := &guestReader{ctx: ctx, store: e.Scratch, piece: hosting, own: samples()}
		info, err = putWritten(ctx, e.Scratch, key, func(w io.Writer) error { return hosting.Write(w, mixed) })
		mixed.close()
		if err == nil {
			return info, hosting, nil
		}
	}
	if err != nil {
		if ctx.Err() != nil {
			return blob.Info{}, piece, err
		}
		e.logger().WarnContext(ctx, "sound not laid beside the picture, Merge will", "job", e.job.ID, "segment", e.seg.Index, "error", err)
	}
	info, err := putWritten(ctx, e.Scratch, key, func(w io.Writer) error { return piece.Write(w, samples()) })
	return info, piece, err
}

// guestReader reads a piece's samples with its guests in between. Of each piece that those are of it reads one stretch,
// as it goes.
type guestReader struct {
	ctx   context.Context //nolint:containedctx // io.Reader has no room for one; it lives within one call
	store blob.Store
	piece isobmff.Chunk
	own   io.Reader

	sample, guest int   // that come next
	left          int64 // of what is being read
	reading       io.Reader
	open          map[string]*opened
}

// opened is a piece of sound that is being read.
type opened struct {
	io.ReadCloser
	next int64
}

func (r *guestReader) Read(p []byte) (int, error) {
	for r.left == 0 {
		if err := r.turn(); err != nil {
			return 0, err
		}
	}
	n, err := r.reading.Read(p[:min(int64(len(p)), r.left)])
	r.left -= int64(n)
	if err == io.EOF { //nolint:errorlint // readers return it bare
		if err = nil; n == 0 {
			err = io.ErrUnexpectedEOF
		}
	}
	return n, err
}

// turn goes on to the next guest, or to the samples before it.
func (r *guestReader) turn() error {
	samples := len(r.piece.Samples)
	if r.guest < len(r.piece.Interleaved) {
		samples = r.piece.Interleaved[r.guest].Before
	}
	if r.sample < samples {
		for ; r.sample < samples; r.sample++ {
			r.left += int64(r.piece.Samples[r.sample].Size)
		}
		r.reading = r.own
		return nil
	}
	if r.guest == len(r.piece.Interleaved) {
		return io.EOF
	}
	g := r.piece.Interleaved[r.guest]
	r.guest++
	o := r.open[g.Name]
	if o == nil {
		end := g.Offset + g.Length
		for _, later := range r.piece.Interleaved[r.guest:] {
			if later.Name == g.Name {
				end = later.Offset + later.Length
			}
		}
		body, err := r.store.Open(r.ctx, g.Name, g.Offset, end-g.Offset)
		if err != nil {
			return err
		}
		if r.open == nil {
			r.open = map[string]*opened{}
		}
		o = &opened{body, g.Offset}
		r.open[g.Name] = o
	}
	if _, err := io.CopyN(io.Discard, o, g.Offset-o.next); err != nil {
		return fmt.Errorf("read %q: %w", g.Name, err)
	}
	o.next = g.Offset + g.Length
	r.left, r.reading = g.Length, o
	return nil
}

func (r *guestReader) close() {
	for _, o := range r.open {
		_ = o.Close() // what was wanted of it was read
	}
}

// seats knows where stretches of sound also lie: beside the picture.
type seats map[string][]seat // by the sound's key, in order of offset

type seat struct {
	offset, length int64 // in the piece of sound
	key            string
	at             int64 // in the piece of picture
}

// add notes the guests of a piece of picture.
func (s seats) add(key string, piece isobmff.Chunk) {
	at := piece.InterleavedOffsets()
	for i, g := range piece.Interleaved {
		s[g.Name] = append(s[g.Name], seat{g.Offset, g.Length, key, at[i]})
	}
}

// sort makes the seats ready for parts.
func (s seats) sort() {
	for _, all := range s {
		slices.SortStableFunc(all, func(a, b seat) int { return cmp.Compare(a.offset, b.offset) })
	}
}

// parts are a stretch of a piece of sound, taken from beside the picture where it lies there.
func (s seats) parts(store blob.Store, key string, offset, length int64) (parts []blob.Part) {
	all := s[key]
	i, found := slices.BinarySearchFunc(all, offset, func(a seat, offset int64) int { return cmp.Compare(a.offset, offset) })
	if !found && i > 0 {
		i--
	}
	for length > 0 {
		for i < len(all) && all[i].offset+all[i].length <= offset {
			i++
		}
		n := length
		part := blob.Part{From: store, Key: key, Offset: offset}
		switch {
		case i < len(all) && all[i].offset <= offset:
			n = min(n, all[i].offset+all[i].length-offset)
			part.Key, part.Offset = all[i].key, all[i].at+offset-all[i].offset
		case i < len(all):
			n = min(n, all[i].offset-offset)
		}
		part.Length = n
		parts = append(parts, part)
		offset, length = offset+n, length-n
	}
	return parts
}
