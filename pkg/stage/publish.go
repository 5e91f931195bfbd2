package stage

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/plan"
	"github.com/mapreel/mapreel/pkg/isobmff"
	"github.com/mapreel/mapreel/pkg/manifest"
	"github.com/mapreel/mapreel/pkg/media"
)

// puts is how many small files of a package are written at once: enough to hide a store's latency.
const puts = 16

// publish makes a package of what the workers wrote: the initialisation segments, the sound, whose pieces only now are
// joined, and last the playlists. Until the one that players open is there, the package is not.
func (m *merge) publish(ctx context.Context) (info blob.Info, media int64, err error) {
	p := manifest.Package{Lead: film.MediaTimeOffset}
	for _, r := range m.out.Renditions {
		v, err := m.rung(ctx, r)
		if err != nil {
			return info, 0, fmt.Errorf("rendition %s: %w", m.job.Renditions[r].Name, err)
		}
		p.Video = append(p.Video, v)
	}
	if err := aligned(p.Video); err != nil {
		return info, 0, err
	}
	for i, a := range m.audio {
		sound, err := m.voice(ctx, i, a)
		if err != nil {
			return info, 0, fmt.Errorf("%s: %w", sound.Name, err)
		}
		p.Audio = append(p.Audio, sound)
	}
	for i, t := range m.texts() {
		s, err := m.subtitle(ctx, i, t)
		if err != nil {
			return info, 0, fmt.Errorf("%s: %w", s.Name, err)
		}
		p.Subtitles = append(p.Subtitles, s)
	}
	p.Title = m.job.Source.Title
	if media, err = m.weigh(ctx, p); err != nil {
		return info, 0, err
	}
	var files []manifest.File
	if m.out.Container != film.HLS {
		path := m.out.Name + ".mpd"
		text, err := manifest.DASH(p, path)
		if err != nil {
			return info, 0, err
		}
		files = append(files, manifest.File{Path: path, Text: text})
	}
	if m.out.Container != film.DASH {
		playlists, err := manifest.HLS(p, m.out.Name+".m3u8")
		if err != nil {
			return info, 0, err
		}
		files = append(files, playlists...)
	}
	for _, f := range files { // in this order: the last names all others
		if info, err = m.put(ctx, f.Path, []byte(f.Text)); err != nil {
			return info, 0, err
		}
	}
	return info, media, nil
}

// put writes a small file of the package, whose path starts at the destination.
func (m *merge) put(ctx context.Context, path string, data []byte) (blob.Info, error) {
	store, key, err := m.served(ctx, path)
	if err != nil {
		return blob.Info{}, err
	}
	return store.Put(ctx, key, bytes.NewReader(data))
}

// compose writes a file of the package from ranges of pieces.
func (m *merge) compose(ctx context.Context, path string, parts []blob.Part) error {
	store, key, err := m.served(ctx, path)
	if err != nil {
		return err
	}
	_, err = store.Compose(ctx, key, parts)
	return err
}

// served is where a file of the package goes, with what caches will be told of it.
func (m *merge) served(ctx context.Context, path string) (blob.Store, string, error) {
	control := film.CacheBriefly
	if strings.HasPrefix(path, m.out.Folder+"/") {
		control = film.CacheForever
	}
	store, key, err := m.Resolve(ctx, destined(m.job.Request, path))
	if err != nil {
		return nil, "", err
	}
	return blob.Cached(store, control), key, nil
}

// rung describes a rendition of the picture from what its workers reported, and writes what goes before its segments.
func (m *merge) rung(ctx context.Context, r int) (manifest.Video, error) {
	rendition, picture := m.job.Renditions[r], m.job.Source.Video
	var v manifest.Video
	var track isobmff.Track
	var segments []film.MediaSegment
	var payload []blob.Part // of a single file
	frames := 0
	for i, facts := range m.video {
		if len(facts.Chunks) == 0 || facts.Chunks[r].Frames == 0 {
			continue
		}
		piece := facts.Chunks[r]
		frames += piece.Frames
		t := piece.Media
		if t == nil || len(t.Segments) == 0 || len(t.Entry) < 36 {
			return v, fault.New(fault.Corrupt, "%s tells of no media segments", film.VideoUnit(i))
		}
		if len(segments) == 0 {
			track = isobmff.Track{Handler: "vide", Timescale: t.Timescale, Entry: t.Entry, Width: t.Width, Height: t.Height, Enabled: true}
		}
		if !bytes.Equal(t.Entry, track.Entry) || t.Timescale != track.Timescale {
			return v, fault.WithHint(fault.New(fault.Unsupported, "segment %d was encoded with another decoder configuration than the ones before it", i),
				"a package has one for each rendition; run the job again where all workers have the same encoder")
		}
		if n := len(segments); n > 0 && t.Segments[0].Start <= segments[n-1].Start {
			return v, fault.New(fault.Corrupt, "%s starts at %d, not after %d", film.VideoUnit(i), t.Segments[0].Start, segments[n-1].Start)
		}
		segments = append(segments, t.Segments...)
		if m.out.SingleFile {
			payload = append(payload, blob.Part{From: m.Scratch, Key: piece.Key, Length: piece.Size})
		}
	}
	if want := m.picture().Samples; frames != want {
		return v, fault.New(fault.Corrupt, "%d frames, and the first rendition has %d", frames, want)
	}
	contiguous(segments)
	name := m.out.Folder + "/" + rendition.Name
	base, err := m.store(ctx, name, track, segments, payload, func(s film.MediaSegment) string {
		return m.out.Folder + "/" + film.MediaPath(rendition.Name, s.Start)
	})
	if err != nil {
		return v, err
	}
	v.Rendition = base
	v.Name, v.Playlist, v.IFrames = rendition.Name, name+".m3u8", name+"-iframes.m3u8"
	// VisualSampleEntry (ISO/IEC 14496-12, 12.1.3) has the coded size after 24 bytes.
	v.Width, v.Height = int(binary.BigEndian.Uint16(track.Entry[32:])), int(binary.BigEndian.Uint16(track.Entry[34:]))
	v.FrameRate = manifest.Ratio(picture.FrameRate)
	if rendition.Rate.Num > 0 {
		v.FrameRate = manifest.Ratio(rendition.Rate)
	}
	v.PixelAspect = manifest.Ratio(rendition.SampleAspect)
	v.Range = track.VideoRange()
	v.Colour[0], v.Colour[1], v.Colour[2] = track.Colour()
	for i, s := range segments {
		at := base.Segments[i].Resource
		for _, k := range s.Keyframes {
			v.Keyframes = append(v.Keyframes, manifest.Keyframe{
				Start: k.Start, Resource: manifest.Resource{Path: at.Path, Offset: at.Offset + k.Offset, Size: k.Size, Part: true},
			})
		}
	}
	return v, nil
}

// packaging is how long the package's media segments are.
func (m *merge) packaging() time.Duration {
	for _, o := range m.job.Request.Outputs {
		if o.Name == m.out.Name && o.Package != nil {
			return time.Duration(o.Package.Seconds)
		}
	}
	return 0
}

// contiguous lets each media segment last until the next one starts.
func contiguous(segments []film.MediaSegment) {
	for i := range segments[:max(len(segments)-1, 0)] {
		segments[i].End = segments[i+1].Start
	}
}

// store writes what goes before a rendition's segments, or the whole of a single file, and tells where all lies.
func (m *merge) store(ctx context.Context, name string, track isobmff.Track, segments []film.MediaSegment, payload []blob.Part,
	path func(film.MediaSegment) string,
) (manifest.Rendition, error) {
	r := manifest.Rendition{Timescale: track.Timescale}
	if len(segments) == 0 {
		return r, fault.New(fault.Corrupt, "no media segments")
	}
	r.Start = segments[0].Start
	var err error
	if r.Codecs, err = track.Codecs(); err != nil {
		return r, err
	}
	init, err := track.Init()
	if err != nil {
		return r, err
	}
	if !m.out.SingleFile {
		r.Init = manifest.Resource{Path: name + "/init.mp4", Size: int64(len(init))}
		for _, s := range segments {
			r.Segments = append(r.Segments, manifest.Segment{
				Resource: manifest.Resource{Path: path(s), Size: s.Size}, Duration: s.End - s.Start, Frames: s.Frames,
			})
		}
		_, err := m.put(ctx, r.Init.Path, init)
		return r, err
	}
	var listed []isobmff.Segment
	for _, s := range segments {
		listed = append(listed, isobmff.Segment{Start: s.Start, Duration: s.End - s.Start, Bytes: s.Size})
	}
	sidx, err := track.Sidx(listed)
	if err != nil {
		return r, err
	}
	file := name + ".mp4"
	r.Init = manifest.Resource{Path: file, Size: int64(len(init)), Part: true}
	r.Index = manifest.Resource{Path: file, Offset: r.Init.Size, Size: int64(len(sidx)), Part: true}
	at := r.Index.Offset + r.Index.Size
	for _, s := range segments {
		r.Segments = append(r.Segments, manifest.Segment{
			Resource: manifest.Resource{Path: file, Offset: at, Size: s.Size, Part: true}, Duration: s.End - s.Start, Frames: s.Frames,
		})
		at += s.Size
	}
	return r, m.compose(ctx, file, append([]blob.Part{{Bytes: append(init, sidx...)}}, payload...))
}

// aligned makes sure that a player may change from any rendition to any other at every segment.
func aligned(rungs []manifest.Video) error {
	for _, v := range rungs[min(1, len(rungs)):] {
		a, b := rungs[0], v
		if a.Start != b.Start || a.Timescale != b.Timescale || len(a.Segments) != len(b.Segments) {
			return fault.New(fault.Corrupt, "renditions %s and %s have other segments", a.Name, b.Name)
		}
		for i := range a.Segments {
			if a.Segments[i].Duration != b.Segments[i].Duration {
				return fault.New(fault.Corrupt, "segment %d of renditions %s and %s lasts %d and %d ticks", i, a.Name, b.Name, a.Segments[i].Duration, b.Segments[i].Duration)
			}
		}
	}
	return nil
}

// voice cuts a sound into media segments that begin with the picture's, and writes them from where its pieces lie.
func (m *merge) voice(ctx context.Context, i int, a heard) (manifest.Audio, error) {
	source := m.job.Source.Audio[m.job.AudioRenditions[a.sound].Track]
	out := manifest.Audio{
		Group: "sound", Language: source.Language, Title: source.Title, Default: m.enabled(a.sound),
		Channels: source.Channels, SampleRate: source.SampleRate,
		Commentary: slices.Contains(source.Flags, "comment"), Described: slices.Contains(source.Flags, "visual_impaired"),
	}
	out.Name = fmt.Sprintf("audio-%d", i+1)
	name := m.out.Folder + "/" + out.Name
	ends := a.parts[:1]
	if n := len(a.parts); n > 1 {
		ends = []part{a.parts[0], a.parts[n-1]}
	}
	pieces, err := m.headers(ctx, ends)
	if err != nil {
		return out, err
	}
	first, last := ends[0].taken(pieces[0]), ends[len(ends)-1].taken(pieces[len(ends)-1])
	scale := media.Rational{Num: 1, Den: int64(first.Track.Timescale)}
	if scale.Den > 0 {
		out.SampleRate = int(scale.Den)
	}
	shift := film.MediaTimeOffset*scale.Den + int64(a.Delay-a.Skip)
	start, end := first.Start+shift, last.End()+shift
	if start < 0 {
		return out, fault.New(fault.Unsupported, "the sound starts %v before the picture", scale.Duration(media.Ticks(-start)))
	}
	cuts := m.soundCuts(start, end, scale, a.Samples)

	l := laying{merge: m, path: func(s film.MediaSegment) string { return m.out.Folder + "/" + film.MediaPath(out.Name, s.Start) }}
	if m.out.SingleFile {
		if l.headers, err = os.Create(filepath.Join(m.dir, headerFile)); err != nil {
			return out, err
		}
		defer l.headers.Close()
	}
	g, writing := errgroup.WithContext(ctx)
	g.SetLimit(puts)
	// The packets of a long sound are some millions, so only those are held that are in no media segment yet.
	rest := isobmff.Chunk{Track: first.Track, Start: start}
	err = m.read(ctx, a.parts, func(p part, piece isobmff.Chunk) error {
		piece = p.taken(piece).Shift(shift)
		switch {
		case !bytes.Equal(piece.Track.Entry, rest.Track.Entry):
			return fault.New(fault.Corrupt, "%s has another decoder configuration than the one before it", p.name)
		case piece.Start != rest.End():
			return fault.New(fault.Corrupt, "%s starts at %d, and the one before it ends at %d", p.name, piece.Start, rest.End())
		case len(piece.Samples) == 0:
			return nil
		}
		rest.Samples = append(rest.Samples, piece.Samples...)
		rest.Bytes += piece.Bytes
		l.ranges = append(l.ranges, blob.Part{From: m.Scratch, Key: p.facts.Key, Offset: piece.Header, Length: piece.Bytes})
		final := rest.End()
		due, _ := slices.BinarySearch(cuts, final-int64(rest.Samples[len(rest.Samples)-1].Duration)+1)
		stretches, err := rest.Cut(cuts[:due], final)
		if err != nil {
			return err
		}
		cuts = cuts[due:]
		rest = stretches[len(stretches)-1].Chunk
		return l.lay(writing, g, stretches[:len(stretches)-1])
	})
	if err == nil { // of a sound without packets nothing is left, and Cut says so
		var stretches []isobmff.SampleRun
		if stretches, err = rest.Cut(cuts, rest.End()); err == nil {
			err = l.lay(writing, g, stretches)
		}
	}
	if err := errors.Join(g.Wait(), err); err != nil {
		return out, err
	}
	contiguous(l.media)
	base, err := m.store(ctx, name, first.Track, l.media, l.payload, l.path)
	base.Name, base.Playlist = out.Name, name+".m3u8"
	out.Rendition = base
	return out, err
}

// laying lays a sound out as media segments, piece by piece.
type laying struct {
	*merge
	path   func(film.MediaSegment) string
	media  []film.MediaSegment
	ranges []blob.Part // where the packets' bytes lie, in order
	at     int64       // of these, how many are in media segments

	// Of a single file: what it is made of, and the file that holds the segments' headers until it is.
	payload []blob.Part
	headers *os.File
	length  int64
}

// lay makes media segments of stretches, and has g write them where each is a file.
func (l *laying) lay(ctx context.Context, g *errgroup.Group, stretches []isobmff.SampleRun) error {
	if len(stretches) == 0 {
		return nil
	}
	facts, segments, err := mediaOf(stretches)
	if err != nil {
		return err
	}
	l.media = append(l.media, facts.Segments...)
	for n, s := range segments {
		var parts []blob.Part
		for _, f := range s.Fragments {
			header := blob.Part{Bytes: f.Header}
			if l.headers != nil {
				header = blob.Part{From: workingFile{f: l.headers}, Key: headerFile, Offset: l.length, Length: int64(len(f.Header))}
				if _, err := l.headers.Write(f.Header); err != nil {
					return err
				}
				l.length += header.Length
			}
			parts = append(append(parts, header), cut(l.ranges, l.at, f.Bytes)...)
			l.at += f.Bytes
		}
		if l.headers != nil {
			l.payload = append(l.payload, parts...)
			continue
		}
		g.Go(func() error { return l.compose(ctx, l.path(facts.Segments[n]), parts) })
	}
	return nil
}

// maxSubtitle bounds a subtitle file: a hundred times what a film has.
const maxSubtitle = 64 << 20

// subtitle ties a WebVTT file to the package's media time, and writes it.
func (m *merge) subtitle(ctx context.Context, i, text int) (manifest.Subtitle, error) {
	source, piece := m.job.Source.Subtitles[m.job.SubtitleRenditions[text].Track], m.text.Subtitles[text]
	name := fmt.Sprintf("subtitles-%d", i+1)
	s := manifest.Subtitle{
		Name: name, Playlist: m.out.Folder + "/" + name + ".m3u8", Language: source.Language, Title: source.Title, Default: source.Default,
		Forced: slices.Contains(source.Flags, "forced"), Captions: slices.Contains(source.Flags, "hearing_impaired"),
	}
	if piece.Size > maxSubtitle {
		return s, fault.New(fault.Unsupported, "%d bytes of text", piece.Size)
	}
	data, err := readRange(ctx, m.Scratch, piece.Key, 0, piece.Size)
	if err != nil {
		return s, err
	}
	head, rest, ok := bytes.Cut(data, []byte("\n"))
	if !ok || !bytes.HasPrefix(head, []byte("WEBVTT")) {
		return s, fault.New(fault.Corrupt, "it does not begin as WebVTT does")
	}
	file := slices.Concat(head, []byte("\n"+manifest.TimestampMap(film.MediaTimeOffset)+"\n"), rest)
	s.File = manifest.Resource{Path: m.out.Folder + "/" + name + ".vtt", Size: int64(len(file))}
	_, err = m.put(ctx, s.File.Path, file)
	return s, err
}

// soundCuts are the media times at which media segments begin of a sound that lasts from start to end: where the picture's
// do, or of a package without one at each length from its start.
func (m *merge) soundCuts(start, end int64, scale media.Rational, packets int) []int64 {
	seg := film.Segment{Start: media.Ticks(start), End: media.Ticks(end)}
	from := media.Ticks(film.MediaTimeOffset * scale.Den)
	if p := m.job.Source.Video; p != nil && m.pictured() {
		from += media.Rescale(p.Start, p.Timebase, scale) - m.job.Source.Origin.In(scale)
	}
	seg.Start = max(seg.Start, from) // priming goes with the first
	var at []int64
	// No list of an encoder bounds these: of a film of five hours there are 9,000 of two seconds. Sound that claims to last
	// for ever has no more of them than packets.
	for _, t := range plan.SegmentStarts(seg, from, scale, m.packaging(), packets) {
		at = append(at, int64(t))
	}
	return plan.WithoutShortTail(at, end, scale)
}

// cut is length bytes from at of what ranges are together.
func cut(ranges []blob.Part, at, length int64) []blob.Part {
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

// weigh makes sure that every file that the playlists will name lies there with its size, and returns the bytes of all.
func (m *merge) weigh(ctx context.Context, p manifest.Package) (int64, error) {
	have, err := m.media(ctx, mediaURL(m.job.Request, m.out))
	if err != nil {
		return 0, err
	}
	want := map[string]int64{}
	add := func(r manifest.Rendition) {
		for _, s := range append([]manifest.Segment{{Resource: r.Init}}, r.Segments...) {
			path := strings.TrimPrefix(s.Path, m.out.Folder+"/")
			want[path] = max(want[path], s.Offset+s.Size)
		}
	}
	for _, v := range p.Video {
		add(v.Rendition)
	}
	for _, a := range p.Audio {
		add(a.Rendition)
	}
	var sum int64
	for path, size := range want {
		if have[path] != size {
			return 0, fault.New(fault.Corrupt, "%s has %d bytes, and should have %d", path, have[path], size)
		}
		sum += size
	}
	return sum, nil
}
