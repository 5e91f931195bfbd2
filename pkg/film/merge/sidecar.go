package merge

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/remux"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/sidecar"
	"github.com/mapreel/mapreel/pkg/isobmff"
	"github.com/mapreel/mapreel/pkg/isobmff/progressive"
	"github.com/mapreel/mapreel/pkg/media"
)

const (
	textGroup   = 2      // alternate group of the subtitle tracks: a player shows one of them
	textHandler = "sbtl" // handler of timed text, as ffmpeg and Apple write it
)

// subtitles returns the output's subtitle tracks that are not empty, as indexes into
// Job.SubtitleRenditions.
func (m *attempt) subtitles() (shown []int) {
	for _, t := range m.out.Subtitles {
		if m.sidecar.Subtitles[t].Events > 0 {
			shown = append(shown, t)
		}
	}
	return shown
}

// subtitleTrack returns the source's track of a rendition, with the flags that it has in the output.
func (m *attempt) subtitleTrack(rendition int) film.SubtitleTrack {
	i := m.job.SubtitleRenditions[rendition].Track
	return m.out.Chosen.SubtitleTrack(i, m.job.Source.Subtitles[i])
}

// addSidecar adds subtitle tracks, metadata, chapters and the cover to a movie. It returns parts
// with those of the subtitle tracks.
func (m *attempt) addSidecar(ctx context.Context, movie *progressive.Movie, parts []part) ([]part, error) {
	for _, t := range m.subtitles() {
		source := m.subtitleTrack(t)
		parts = append(parts, part{
			track: len(movie.Tracks), name: fmt.Sprintf("%s, track %d", film.SidecarUnit, t), facts: m.sidecar.Subtitles[t].StoredObject,
		})
		movie.Tracks = append(movie.Tracks, progressive.Track{
			Track: isobmff.Track{Language: source.Language, Name: source.Title, Enabled: source.Default},
			Group: textGroup, Flags: source.Flags,
		})
	}
	movie.Title, movie.Created, movie.Chapters = m.job.Source.Title, m.job.Source.Created, m.job.Source.Chapters
	movie.Tags = m.job.Source.Tags
	if m.out.Cover && m.sidecar.Cover != nil {
		var err error
		if movie.Cover, err = blob.ReadRange(ctx, m.Scratch, m.sidecar.Cover.Key, 0, m.sidecar.Cover.Size); err != nil {
			return nil, err
		}
	}
	return parts, nil
}

// expectedSidecar returns what the tracks that addSidecar and the chapters add must hold, in the
// movie's order.
func (m *attempt) expectedSidecar() (want []progressive.Expected) {
	for _, t := range m.subtitles() {
		s := m.sidecar.Subtitles[t]
		want = append(want, progressive.Expected{Handler: textHandler, Samples: s.Samples, Last: int64(s.Last)})
	}
	if chapters := m.job.Source.Chapters; len(chapters) > 0 {
		want = append(want, progressive.ChapterTrack(chapters))
	}
	return want
}

// remuxSidecar adds subtitles, metadata, chapters, the cover and attachments to the container that
// ffmpeg will write.
func (m *attempt) remuxSidecar(ctx context.Context, r *remux.Output) error {
	source := m.job.Source
	for _, t := range m.subtitles() {
		location, err := m.Scratch.Locate(ctx, m.sidecar.Subtitles[t].Key)
		if err != nil {
			return err
		}
		rendition := m.job.SubtitleRenditions[t]
		track := m.subtitleTrack(t)
		r.Inputs = append(r.Inputs, remux.Input{
			Input: ffmpeg.Input{Location: location, Demuxer: sidecar.Demuxer(m.job, rendition)}, Sparse: true,
			Streams: []remux.Stream{{
				Language: track.Language, Title: track.Title, Default: track.Default,
				Forced: slices.Contains(track.Flags, "forced"), Flags: track.Flags,
			}},
		})
	}
	if source.Title != "" {
		r.Tags = append(r.Tags, media.Tag{Name: "title", Value: source.Title})
	}
	if !source.Created.IsZero() {
		r.Tags = append(r.Tags, media.Tag{Name: "creation_time", Value: source.Created.Format(time.RFC3339Nano)})
	}
	r.Tags = append(r.Tags, source.Tags...)
	if len(source.Chapters) > 0 {
		r.Chapters = filepath.Join(m.Dir, "chapters")
		if err := os.WriteFile(r.Chapters, []byte(remux.ChapterText(source.Chapters)), 0o600); err != nil {
			return err
		}
	}
	if m.out.Cover && m.sidecar.Cover != nil {
		if err := m.attach(ctx, r, *m.sidecar.Cover, *source.Cover); err != nil {
			return err
		}
	}
	if m.out.Attachments {
		for i, stored := range m.sidecar.Attachments {
			if stored.Key == "" { // it could not be extracted
				continue
			}
			if err := m.attach(ctx, r, stored, source.Attachments[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// attach copies an attachment from scratch to the working folder and adds it to r. A name that r
// has already gets a number.
func (m *attempt) attach(ctx context.Context, r *remux.Output, stored film.StoredObject, a film.Attachment) error {
	body, err := m.Scratch.Open(ctx, stored.Key, 0, stored.Size)
	if err != nil {
		return err
	}
	defer body.Close()
	path := filepath.Join(m.Dir, fmt.Sprintf("attached%d", len(r.Attachments)))
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if _, err = io.Copy(f, body); err == nil {
		err = f.Close()
	} else {
		_ = f.Close() // err is the first error
	}
	sameName := func(b remux.Attachment) bool { return b.Name == a.Name }
	if slices.ContainsFunc(r.Attachments, sameName) {
		a.Name = fmt.Sprintf("%d %s", len(r.Attachments)+1, a.Name)
	}
	r.Attachments = append(r.Attachments, remux.Attachment{Path: path, Name: a.Name, MIME: a.MIME})
	return err
}
