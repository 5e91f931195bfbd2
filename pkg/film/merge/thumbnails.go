package merge

import (
	"bytes"
	"context"
	"io"
	"slices"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/manifest"
	"github.com/mapreel/mapreel/pkg/preview"
)

// thumbnails describes the sheets of thumbnails that units before this one have written into the package,
// and writes the WebVTT cues and the storyboard that list them.
func (m *attempt) thumbnails(ctx context.Context) ([]manifest.Thumbnails, error) {
	if len(m.out.Previews) == 0 {
		return nil, nil
	}
	p, v := m.out.Previews[0], *m.job.Source.Video
	pictures := m.job.Pictures[p.Pictures]
	t := manifest.Thumbnails{
		Name: "thumbnails", Playlist: m.out.Folder + "/thumbnails.m3u8", Width: pictures.Size.Width, Height: pictures.Size.Height,
		Columns: p.Columns, Rows: p.Rows, Interval: int64(pictures.Time(1)), Length: int64(v.Length()),
	}
	sheets := preview.SheetsOf(m.job, m.out, p)
	output := slices.IndexFunc(m.job.Outputs, func(o film.OutputPlan) bool { return o.Folder == m.out.Folder })
	err := preview.EachSlice(ctx, m.Results, output, 0, func(facts film.SliceFacts) error {
		for _, e := range facts.Files {
			if want := sheets.Name(int64(len(t.Sheets))); e.Path != want {
				return fault.New(fault.Corrupt, "the thumbnails have %s instead of %s", e.Path, want)
			}
			t.Sheets = append(t.Sheets, manifest.Resource{Path: m.out.Folder + "/" + e.Path, Size: e.Size})
		}
		if facts.Frames != nil {
			at := int64(0)
			for _, size := range facts.Frames.Sizes {
				t.Frames = append(t.Frames, manifest.Resource{Path: m.out.Folder + "/" + facts.Frames.Path, Offset: at, Size: size, Part: true})
				at += size
			}
		}
		return nil
	})
	if err == nil && p.Frames {
		t.IFrames = m.out.Folder + "/thumbnails-iframes.m3u8"
		t.Init, err = m.thumbnailsInit(ctx, pictures)
	}
	if err != nil {
		return nil, err
	}
	for name, write := range map[string]func(io.Writer) error{"thumbnails.vtt": sheets.WriteVTT, "thumbnails.json": sheets.WriteStoryboard} {
		var text bytes.Buffer // some 100 bytes a thumbnail
		if err := write(&text); err != nil {
			return nil, err
		}
		if _, err := m.put(ctx, m.out.Folder+"/"+name, text.Bytes()); err != nil {
			return nil, err
		}
	}
	return []manifest.Thumbnails{t}, nil
}

// thumbnailsInit writes the initialisation segment of the thumbnails as frames of a video.
func (m *attempt) thumbnailsInit(ctx context.Context, p film.Pictures) (manifest.Resource, error) {
	data, err := preview.FramesTrack(p).Init()
	if err != nil {
		return manifest.Resource{}, err
	}
	r := manifest.Resource{Path: m.out.Folder + "/" + preview.FramesInit, Size: int64(len(data))}
	_, err = m.put(ctx, r.Path, data)
	return r, err
}
