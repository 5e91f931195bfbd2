package merge

import (
	"bytes"
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/packaging"
	"github.com/mapreel/mapreel/pkg/isobmff"
	"github.com/mapreel/mapreel/pkg/manifest"
	"github.com/mapreel/mapreel/pkg/work"
)

// maxWrites is how many small files of a package are written at once: enough to hide a store's
// latency.
const maxWrites = 16

// publish completes a package whose video the workers have written. It writes the initialisation
// segments, then audio and subtitles, then the manifests, and last the one that players open: until
// then the package does not exist. It returns what the store reports of that file, and how many
// bytes of media the package has.
func (m *attempt) publish(ctx context.Context) (info blob.Info, media int64, err error) {
	if m.protection, err = packaging.NewProtection(ctx, m.Resolve, m.job); err != nil {
		return info, 0, err
	}
	p := manifest.Package{MediaTimeOffset: film.MediaTimeOffset}
	for _, r := range m.out.Renditions {
		v, err := m.videoRendition(ctx, r)
		if err != nil {
			return info, 0, fmt.Errorf("rendition %s: %w", m.job.Renditions[r].Name, err)
		}
		p.Video = append(p.Video, v)
	}
	if err := checkAligned(p.Video); err != nil {
		return info, 0, err
	}
	for _, r := range m.out.TrickPlay {
		v, err := m.videoRendition(ctx, r)
		if err != nil {
			return info, 0, fmt.Errorf("rendition %s: %w", m.job.Renditions[r].Name, err)
		}
		p.TrickPlay = append(p.TrickPlay, v)
	}
	if err := m.addAudio(ctx, &p); err != nil {
		return info, 0, err
	}
	for i, t := range m.subtitles() {
		s, err := m.subtitle(ctx, i, t)
		if err != nil {
			return info, 0, fmt.Errorf("%s: %w", s.Name, err)
		}
		p.Subtitles = append(p.Subtitles, s)
	}
	if p.Thumbnails, err = m.thumbnails(ctx); err != nil {
		return info, 0, fmt.Errorf("thumbnails: %w", err)
	}
	if p.Chapters, err = m.chapters(ctx); err != nil {
		return info, 0, fmt.Errorf("chapters: %w", err)
	}
	p.Title = m.job.Source.Title
	if media, err = m.checkFiles(ctx, p); err != nil {
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
	for _, f := range files { // in this order: the last one refers to all others
		if info, err = m.put(ctx, f.Path, []byte(f.Text)); err != nil {
			return info, 0, err
		}
		if f.Path == m.out.Manifest {
			if _, err := m.addPublished(ctx, m.job.Request.URL(f.Path), info); err != nil {
				return info, 0, err
			}
		}
	}
	return info, media, nil
}

// put writes a small file of the package. Its path is relative to the destination.
func (m *attempt) put(ctx context.Context, path string, data []byte) (blob.Info, error) {
	store, key, err := m.locate(ctx, path)
	if err != nil {
		return blob.Info{}, err
	}
	return store.Put(ctx, key, bytes.NewReader(data))
}

// compose writes a file of the package from ranges of chunks.
func (m *attempt) compose(ctx context.Context, path string, parts []blob.Part) error {
	store, key, err := m.locate(ctx, path)
	if err != nil {
		return err
	}
	_, err = store.Compose(ctx, key, parts)
	return err
}

// locate returns the store and the key of a file of the package. The store sets the file's
// Cache-Control.
func (m *attempt) locate(ctx context.Context, path string) (blob.Store, string, error) {
	control := film.CacheBriefly
	if strings.HasPrefix(path, m.out.Folder+"/") {
		control = film.CacheForever
	}
	store, key, err := m.Resolve(ctx, m.job.Request.URL(path))
	if err != nil {
		return nil, "", err
	}
	return blob.Cached(store, control), key, nil
}

// maxSubtitle bounds a subtitle file in bytes: a hundred times the size of a film's.
const maxSubtitle = 64 << 20

// subtitle makes the i-th subtitle rendition of the package: it maps a WebVTT file to the package's
// media time, and writes it.
func (m *attempt) subtitle(ctx context.Context, i, rendition int) (manifest.Subtitle, error) {
	source, stored := m.subtitleTrack(rendition), m.sidecar.Subtitles[rendition]
	name := fmt.Sprintf("subtitles-%d", i+1)
	s := manifest.Subtitle{
		Name: name, Playlist: m.out.Folder + "/" + name + ".m3u8", Language: source.Language, Title: source.Title, Default: source.Default,
		Forced: slices.Contains(source.Flags, "forced"), Captions: slices.Contains(source.Flags, "hearing_impaired"),
	}
	if stored.Size > maxSubtitle {
		return s, fault.New(fault.Unsupported, "%d bytes of text", stored.Size)
	}
	data, err := blob.ReadRange(ctx, m.Scratch, stored.Key, 0, stored.Size)
	if err != nil {
		return s, err
	}
	head, rest, ok := bytes.Cut(data, []byte("\n"))
	if !ok || !bytes.HasPrefix(head, []byte("WEBVTT")) {
		return s, fault.New(fault.Corrupt, "it does not begin with a WebVTT signature")
	}
	file := slices.Concat(head, []byte("\n"+manifest.TimestampMap(film.MediaTimeOffset)+"\n"), rest)
	s.File = manifest.Resource{Path: m.out.Folder + "/" + name + ".vtt", Size: int64(len(file))}
	_, err = m.put(ctx, s.File.Path, file)
	return s, err
}

// checkFiles checks that every file that the manifests will refer to exists with its size, and
// returns their total size.
func (m *attempt) checkFiles(ctx context.Context, p manifest.Package) (int64, error) {
	sizes, err := work.FolderSizes(ctx, m.Resolve, m.job.Request.URL(m.out.Folder))
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
	for _, v := range slices.Concat(p.Video, p.TrickPlay) {
		add(v.Rendition)
	}
	for _, a := range p.Audio {
		add(a.Rendition)
	}
	for _, t := range p.Thumbnails {
		for _, s := range t.Sheets {
			want[strings.TrimPrefix(s.Path, m.out.Folder+"/")] = s.Size
		}
		for _, f := range t.Frames {
			path := strings.TrimPrefix(f.Path, m.out.Folder+"/")
			want[path] = max(want[path], f.Offset+f.Size)
		}
	}
	var sum int64
	for path, size := range want {
		if sizes[path] != size {
			return 0, fault.New(fault.Corrupt, "%s has %d bytes instead of %d", path, sizes[path], size)
		}
		sum += size
	}
	return sum, nil
}

// writeRendition writes a rendition's initialisation segment, or all of its single file, and
// returns where everything lies. name is the path of the rendition without an extension, path
// returns that of a media segment, delay is that of the segments' composition, and payload holds the media segments of a single file.
func (m *attempt) writeRendition(
	ctx context.Context, name string, track isobmff.Track, delay int64, segments []film.MediaSegment, payload []blob.Part,
	file func(film.MediaSegment) string,
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
	init, err := track.DelayedInit(delay)
	if err == nil {
		init, err = m.protection.Init(init, track.Handler, path.Base(name))
	}
	if err != nil {
		return r, err
	}
	if !m.out.SingleFile {
		r.Init = manifest.Resource{Path: name + "/init.mp4", Size: int64(len(init))}
		for _, s := range segments {
			r.Segments = append(r.Segments, manifest.Segment{
				Resource: manifest.Resource{Path: file(s), Size: s.Size}, Duration: s.End - s.Start, Frames: s.Frames,
			})
		}
		if err := m.protection.Describe(&r, track.Handler, path.Base(name)); err != nil {
			return r, err
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
	single := name + ".mp4"
	r.Init = manifest.Resource{Path: single, Size: int64(len(init)), Part: true}
	r.Index = manifest.Resource{Path: single, Offset: r.Init.Size, Size: int64(len(sidx)), Part: true}
	at := r.Index.Offset + r.Index.Size
	for _, s := range segments {
		r.Segments = append(r.Segments, manifest.Segment{
			Resource: manifest.Resource{Path: single, Offset: at, Size: s.Size, Part: true}, Duration: s.End - s.Start, Frames: s.Frames,
		})
		at += s.Size
	}
	if err := m.protection.Describe(&r, track.Handler, path.Base(name)); err != nil {
		return r, err
	}
	return r, m.compose(ctx, single, append([]blob.Part{{Bytes: append(init, sidx...)}}, payload...))
}

// checkAligned checks that all renditions have the same segments, so that a player can switch
// between them at every segment.
func checkAligned(renditions []manifest.Video) error {
	for _, b := range renditions[min(1, len(renditions)):] {
		a := renditions[0]
		if a.Start != b.Start || a.Timescale != b.Timescale || len(a.Segments) != len(b.Segments) {
			return fault.New(fault.Corrupt, "renditions %s and %s have different segments", a.Name, b.Name)
		}
		for i := range a.Segments {
			if a.Segments[i].Duration != b.Segments[i].Duration {
				return fault.New(fault.Corrupt, "segment %d of renditions %s and %s lasts %d and %d ticks", i, a.Name, b.Name, a.Segments[i].Duration, b.Segments[i].Duration)
			}
		}
	}
	return nil
}
