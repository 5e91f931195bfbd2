package sidecar

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/remux"
	"github.com/mapreel/mapreel/pkg/film/input"
	"github.com/mapreel/mapreel/pkg/media"
)

// fileOf returns the URL of the file that subtitle rendition i is of; "" if it is of the source.
func (a *attempt) fileOf(i int) string {
	return a.job.Source.Subtitles[a.job.SubtitleRenditions[i].Track].File
}

// beside returns the files beside the source that subtitles come from.
func (a *attempt) beside() (list []string) {
	for i := range a.job.SubtitleRenditions {
		if name := a.fileOf(i); name != "" && !slices.Contains(list, name) {
			list = append(list, name)
		}
	}
	return list
}

// fromFile returns the places of the subtitles that come from a file beside the source.
func (a *attempt) fromFile(name string) (items []int) {
	for i := range a.job.SubtitleRenditions {
		if a.fileOf(i) == name {
			items = append(items, i)
		}
	}
	return items
}

// fromSource returns the places of what comes from the source itself.
func (a *attempt) fromSource(files remux.Sidecar) []int {
	items := a.fromFile("")
	for i := range files.Attachments {
		items = append(items, len(files.Subtitles)+i)
	}
	if files.Cover != nil {
		items = append(items, len(files.Subtitles)+len(files.Attachments))
	}
	return items
}

// openBeside returns files as they are read from a file beside the source.
func (a *attempt) openBeside(ctx context.Context, name string, files remux.Sidecar) (remux.Sidecar, error) {
	src := a.job.Source
	known := src.File(name)
	data, err := input.SameFile(ctx, a.Resolve, known)
	if err != nil {
		return files, err
	}
	path := filepath.Join(a.Dir, fmt.Sprintf("beside-%.16s", known.Digest))
	if err := os.WriteFile(path, data, 0o600); err != nil {
		return files, fault.Wrap(fault.KindOf(err), err, "write the subtitles")
	}
	// The file's time 0 is the beginning of the whole source, that of the outputs the beginning of the part.
	files.Input = ffmpeg.Input{
		Location: path, Demuxer: known.Format.Demuxer(),
		Origin: int64(src.Origin.In(media.Microseconds) - src.WholeOrigin().In(media.Microseconds)),
	}
	files.Seek, files.Part = nil, besidePart(files.Part)
	return files, nil
}

// partOf returns the part that limits subtitle rendition i.
func (a *attempt) partOf(i int, files remux.Sidecar) *remux.SidecarPart {
	if a.fileOf(i) == "" {
		return files.Part
	}
	return besidePart(files.Part)
}

// besidePart returns a part of the source for a file beside it, which is moved as it is read.
func besidePart(p *remux.SidecarPart) *remux.SidecarPart {
	if p == nil {
		return nil
	}
	return &remux.SidecarPart{Length: p.Length}
}
