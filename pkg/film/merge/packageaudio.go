package merge

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/packaging"
	"github.com/mapreel/mapreel/pkg/film/plan"
	"github.com/mapreel/mapreel/pkg/isobmff"
	"github.com/mapreel/mapreel/pkg/manifest"
	"github.com/mapreel/mapreel/pkg/media"
)

// addAudio makes the audio renditions of the package.
func (m *attempt) addAudio(ctx context.Context, p *manifest.Package) error {
	var tracks []film.AudioRendition
	for i, a := range m.audio {
		r, err := m.audioRendition(ctx, i, a)
		if err != nil {
			return fmt.Errorf("%s: %w", r.Name, err)
		}
		p.Audio, tracks = append(p.Audio, r), append(tracks, m.job.AudioRenditions[a.rendition])
	}
	p.AudioRates = groupAudio(p.Audio, tracks)
	return checkRates(p.Audio, tracks)
}

// audioRendition makes the i-th audio rendition of the package: it cuts a track into media segments
// that begin where the video's do, and has the store compose them from the audio parts.
func (m *attempt) audioRendition(ctx context.Context, i int, a audioTrack) (manifest.Audio, error) {
	number := m.job.AudioRenditions[a.rendition].Track
	source := m.job.Source.Audio[number]
	out := manifest.Audio{
		Track:    number + 1,
		Language: source.Language, Title: source.Title, Default: m.enabled(a.rendition),
		Channels: cmp.Or(m.made(a).Channels, source.Channels), SampleRate: source.SampleRate,
		Commentary: slices.Contains(source.Flags, "comment"), Described: slices.Contains(source.Flags, "visual_impaired"),
	}
	out.Name = fmt.Sprintf("audio-%d", i+1)
	name := m.out.Folder + "/" + out.Name
	ends := a.parts[:1]
	if n := len(a.parts); n > 1 {
		ends = []part{a.parts[0], a.parts[n-1]}
	}
	chunks, err := m.headers(ctx, ends)
	if err != nil {
		return out, err
	}
	first, last := ends[0].use.Samples(chunks[0]), ends[len(ends)-1].use.Samples(chunks[len(ends)-1])
	scale := media.Rational{Num: 1, Den: int64(first.Track.Timescale)}
	if scale.Den > 0 {
		out.SampleRate = int(scale.Den)
	}
	shift := film.MediaTimeOffset*scale.Den + int64(a.Delay-a.Skip)
	start, end := first.Start+shift, last.End()+shift
	if start < 0 {
		return out, fault.New(fault.Unsupported, "the audio starts %v before the video", scale.Duration(media.Ticks(-start)))
	}
	cuts := m.audioCuts(start, end, scale, a.Samples)

	w := audioWriter{attempt: m, name: out.Name, path: func(s film.MediaSegment) string { return m.out.Folder + "/" + film.MediaPath(out.Name, s.Start) }}
	if m.out.SingleFile {
		if w.headers, err = os.Create(filepath.Join(m.Dir, headerFile)); err != nil {
			return out, err
		}
		defer w.headers.Close() //nolint:errcheck // a working file of the attempt
	}
	g, writing := errgroup.WithContext(ctx)
	g.SetLimit(maxWrites)
	// A long track has millions of packets. Memory holds only those that are in no media segment
	// yet.
	rest := isobmff.Chunk{Track: first.Track, Start: start}
	err = m.eachChunk(ctx, a.parts, func(p part, chunk isobmff.Chunk) error {
		chunk = p.use.Samples(chunk).Shift(shift)
		switch {
		case !bytes.Equal(chunk.Track.Entry, rest.Track.Entry):
			return fault.New(fault.Corrupt, "%s has a different decoder configuration than the part before it", p.name)
		case chunk.Start != rest.End():
			return fault.New(fault.Corrupt, "%s starts at %d, and the one before it ends at %d", p.name, chunk.Start, rest.End())
		case len(chunk.Samples) == 0:
			return nil
		}
		rest.Samples = append(rest.Samples, chunk.Samples...)
		rest.Bytes += chunk.Bytes
		w.ranges = append(w.ranges, blob.Part{From: m.Scratch, Key: p.facts.Key, Offset: chunk.Header, Length: chunk.Bytes})
		final := rest.End()
		ready, _ := slices.BinarySearch(cuts, final-int64(rest.Samples[len(rest.Samples)-1].Duration)+1)
		runs, err := rest.Cut(cuts[:ready], final)
		if err != nil {
			return err
		}
		cuts = cuts[ready:]
		rest = runs[len(runs)-1].Chunk
		return w.write(writing, g, runs[:len(runs)-1])
	})
	if err == nil { // Cut refuses a track without packets
		var runs []isobmff.SampleRun
		if runs, err = rest.Cut(cuts, rest.End()); err == nil {
			err = w.write(writing, g, runs)
		}
	}
	if err := errors.Join(g.Wait(), err); err != nil {
		return out, err
	}
	if err := checkContiguous(w.media); err != nil {
		return out, err
	}
	track := first.Track
	dolby := track.Dolby()
	out.DolbyChannels, out.Objects = dolby.Channels, dolby.Objects
	track.Language = media.Terminology(source.Language)
	base, err := m.writeRendition(ctx, name, track, 0, w.media, w.payload, w.path)
	base.Name, base.Playlist = out.Name, name+".m3u8"
	out.Rendition = base
	return out, err
}

// audioWriter writes an audio track as media segments, in the order of its parts.
type audioWriter struct {
	*attempt
	name   string // of the rendition
	path   func(film.MediaSegment) string
	media  []film.MediaSegment // written so far
	ranges []blob.Part         // where the packets' bytes lie, in order
	at     int64               // how many of these bytes are in media segments

	// For a single file: what it is composed of, and the working file that holds the segments'
	// headers.
	payload []blob.Part
	headers *os.File
	length  int64 // of headers
}

// write makes media segments of runs of samples. Where each is a file, g writes them.
func (w *audioWriter) write(ctx context.Context, g *errgroup.Group, runs []isobmff.SampleRun) error {
	if len(runs) == 0 {
		return nil
	}
	groups := make([][]isobmff.SampleRun, len(runs))
	for i, run := range runs {
		run.Sequence = uint32(min(len(w.media)+i+1, math.MaxUint32))
		groups[i] = []isobmff.SampleRun{run}
	}
	facts, segments, err := packaging.Segments(groups, 0)
	if err != nil {
		return err
	}
	if w.protection != nil {
		return w.writeProtected(ctx, g, facts, segments)
	}
	w.media = append(w.media, facts.Segments...)
	for n, s := range segments {
		var parts []blob.Part
		for _, f := range s.Fragments {
			header := blob.Part{Bytes: f.Header}
			if w.headers != nil {
				header = blob.Part{From: blob.NewFile(w.headers), Key: headerFile, Offset: w.length, Length: int64(len(f.Header))}
				if _, err := w.headers.Write(f.Header); err != nil {
					return err
				}
				w.length += header.Length
			}
			parts = append(append(parts, header), subrange(w.ranges, w.at, f.Bytes)...)
			w.at += f.Bytes
		}
		if w.headers != nil {
			w.payload = append(w.payload, parts...)
			continue
		}
		g.Go(func() error { return w.compose(ctx, w.path(facts.Segments[n]), parts) })
	}
	return nil
}

// audioCuts returns the media times at which the media segments of an audio track begin, its start
// apart. They are those of the video, or multiples of the segment length where the package has
// none. The track lasts from start to end and has so many packets.
func (m *attempt) audioCuts(start, end int64, scale media.Rational, packets int) []int64 {
	seg := film.Segment{Start: media.Ticks(start), End: media.Ticks(end)}
	from := media.Ticks(film.MediaTimeOffset * scale.Den)
	if p := m.job.Source.Video; p != nil && m.hasVideo() {
		from += media.Rescale(p.Start, p.Timebase, scale) - m.job.Source.Origin.In(scale)
	}
	seg.Start = max(seg.Start, from) // priming belongs to the first media segment
	var cuts []int64
	// No encoder gets these, so MaxForcedKeyframes does not apply: five hours have 9,000 segments
	// of two seconds. The number of packets bounds them for a track whose declared duration is
	// wrong.
	for _, t := range plan.SegmentStarts(seg, from, scale, m.segmentLength(), packets) {
		cuts = append(cuts, int64(t))
	}
	return plan.WithoutShortTail(cuts, end, scale)
}

// segmentLength returns how long the package's media segments are.
func (m *attempt) segmentLength() time.Duration {
	for _, o := range m.job.Request.Outputs {
		if o.Name == m.out.Name && o.Package != nil {
			return time.Duration(o.Package.Seconds)
		}
	}
	return 0
}

// subrange returns the parts of the concatenated ranges that cover [at, at+length).
func subrange(ranges []blob.Part, at, length int64) []blob.Part {
	var out []blob.Part
	for _, r := range ranges {
		if length == 0 {
			break
		}
		if at >= r.Length {
			at -= r.Length
			continue
		}
		n := min(r.Length-at, length)
		out = append(out, blob.Part{From: r.From, Key: r.Key, Offset: r.Offset + at, Length: n})
		length -= n
		at = 0
	}
	return out
}
