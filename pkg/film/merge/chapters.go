package merge

import (
	"context"

	"github.com/mapreel/mapreel/pkg/manifest"
	"github.com/mapreel/mapreel/pkg/media"
)

// chapters writes the source's chapters into the folder of the package's media, as WebVTT and as JSON. It returns the path of the JSON, for
// the playlist to refer to, or "" if the source has no chapters.
func (m *attempt) chapters(ctx context.Context) (string, error) {
	if len(m.job.Source.Chapters) == 0 {
		return "", nil
	}
	var list []manifest.Chapter
	for _, c := range m.job.Source.Chapters {
		list = append(list, manifest.Chapter{
			Start: media.Microseconds.Duration(c.Start).Nanoseconds(), End: media.Microseconds.Duration(c.End).Nanoseconds(), Title: c.Title,
		})
	}
	text, err := manifest.ChaptersJSON(list)
	if err != nil {
		return "", err
	}
	path := m.out.Folder + "/chapters.json"
	if _, err := m.put(ctx, path, text); err != nil {
		return "", err
	}
	_, err = m.put(ctx, m.out.Folder+"/chapters.vtt", []byte(manifest.ChaptersVTT(list)))
	return path, err
}
