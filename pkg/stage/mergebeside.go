package stage

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/isobmff"
	"github.com/mapreel/mapreel/pkg/media"
)

// What Merge does with what is neither picture nor sound.

const (
	textGroup   = 2      // the alternate group of the subtitle tracks: a player shows one of them
	textHandler = "sbtl" // of timed text, as ffmpeg and Apple write it
)

// texts are the output's subtitles that show anything, as indexes into Job.SubtitleRenditions.
func (m *merge) texts() (shown []int) {
	for _, t := range m.out.Subtitles {
		if m.text.Subtitles[t].Events > 0 {
			shown = append(shown, t)
		}
	}
	return shown
}

// beside adds the subtitle tracks to a movie and its parts, and what it tells of the whole.
func (m *merge) beside(ctx context.Context, movie *isobmff.Movie, parts []part) ([]part, error) {
	for _, t := range m.texts() {
		source := m.job.Source.Subtitles[m.job.SubtitleRenditions[t].Track]
		parts = append(parts, part{
			track: len(movie.Tracks), name: fmt.Sprintf("%s, track %d", film.SidecarUnit, t), facts: m.text.Subtitles[t].StoredObject,
		})
		movie.Tracks = append(movie.Tracks, isobmff.MovieTrack{
			Track: isobmff.Track{Language: source.Language, Name: source.Title, Enabled: source.Default},
			Group: textGroup, Flags: source.Flags,
		})
	}
	movie.Title, movie.Created, movie.Chapters = m.job.Source.Title, m.job.Source.Created, m.job.Source.Chapters
	movie.Tags = m.job.Source.Tags
	if m.out.Cover && m.text.Cover != nil {
		var err error
		if movie.Cover, err = readRange(ctx, m.Scratch, m.text.Cover.Key, 0, m.text.Cover.Size); err != nil {
			return nil, err
		}
	}
	return parts, nil
}

// expectedBeside is what beside's tracks must hold, in their order.
func (m *merge) expectedBeside() (want []isobmff.Expected) {
	for _, t := range m.texts() {
		piece := m.text.Subtitles[t]
		want = append(want, isobmff.Expected{Handler: textHandler, Samples: piece.Samples, Last: int64(piece.Last)})
	}
	if chapters := m.job.Source.Chapters; len(chapters) > 0 {
		want = append(want, isobmff.ChapterTrack(chapters))
	}
	return want
}

// remuxBeside adds subtitles, chapters, tags and attachments to what ffmpeg will write.
func (m *merge) remuxBeside(ctx context.Context, r *ffmpeg.Remux) error {
	source := m.job.Source
	for _, t := range m.texts() {
		location, err := m.Scratch.Locate(ctx, m.text.Subtitles[t].Key)
		if err != nil {
			return err
		}
		track := source.Subtitles[m.job.SubtitleRenditions[t].Track]
		r.Inputs = append(r.Inputs, ffmpeg.RemuxInput{
			Input: ffmpeg.Input{Location: location, Demuxer: "matroska"}, Sparse: true,
			Streams: []ffmpeg.RemuxStream{{Language: track.Language, Title: track.Title, Default: track.Default, Flags: track.Flags}},
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
		r.Chapters = filepath.Join(m.dir, "chapters")
		if err := os.WriteFile(r.Chapters, []byte(ffmpeg.ChapterText(source.Chapters)), 0o600); err != nil {
			return err
		}
	}
	if m.out.Cover && m.text.Cover != nil {
		if err := m.attach(ctx, r, *m.text.Cover, *source.Cover); err != nil {
			return err
		}
	}
	if m.out.Attachments {
		for i, piece := range m.text.Attachments {
			if err := m.attach(ctx, r, piece, source.Attachments[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// attach takes an attachment from scratch to the working folder and has it written.
func (m *merge) attach(ctx context.Context, r *ffmpeg.Remux, piece film.StoredObject, a film.Attachment) error {
	body, err := m.Scratch.Open(ctx, piece.Key, 0, piece.Size)
	if err != nil {
		return err
	}
	defer body.Close()
	path := filepath.Join(m.dir, fmt.Sprintf("attached%d", len(r.Attachments)))
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	if _, err = io.Copy(f, body); err == nil {
		err = f.Close()
	} else {
		_ = f.Close() // the first error counts
	}
	names := func(b ffmpeg.Attachment) bool { return b.Name == a.Name }
	if slices.ContainsFunc(r.Attachments, names) {
		a.Name = fmt.Sprintf("%d %s", len(r.Attachments)+1, a.Name)
	}
	r.Attachments = append(r.Attachments, ffmpeg.Attachment{Path: path, Name: a.Name, MIME: a.MIME})
	return err
}
