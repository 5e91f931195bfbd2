package preview

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/assemble"
	"github.com/mapreel/mapreel/pkg/ffmpeg/budget"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/work"
)

// assemble publishes an animation, or a sheet of thumbnails.
func (a *attempt) assemble(ctx context.Context, list []picture) ([]film.PreviewEntry, error) {
	if a.plan.Form == film.GIF {
		return a.animatedGIF(ctx, list)
	}
	if a.joinsSheet() {
		return a.sheet(ctx, list)
	}
	f := assemble.File{Format: a.plan.Extension(), Rate: a.pictures.Rate, Path: filepath.Join(a.Dir, "assembled")}
	name := a.name(a.slice.Start, f.Format)
	if a.plan.Form == film.Sprites {
		f.Format, f.Picture, f.Columns, f.Rows = "sheet", string(a.plan.Format), a.plan.Columns, a.plan.Rows
		name = SheetName(a.out.Name, a.slice.From/a.plan.Unit, a.plan.Format)
	}
	if err := a.unpack(ctx, list); err != nil {
		return nil, err
	}
	limits := budget.Assembly(len(list), a.pictures.Size.Width, a.pictures.Size.Height)
	worker := budget.Worker{Memory: a.Memory, Dir: a.Dir}
	if _, err := ffmpeg.Run(ctx, a.tools.FFmpeg, assemble.Args(f), ffmpeg.RunOptions{Dir: a.Dir, Limits: worker.Limit(ctx, limits)}); err != nil {
		return nil, err
	}
	e, err := a.publish(ctx, name, f.Path)
	return []film.PreviewEntry{e}, err
}

// SheetName returns the name of sheet n of a preview.
func SheetName(output string, n int64, format film.PictureFormat) string {
	return fmt.Sprintf("%s-sprites-%04d.%s", output, n, format)
}

// unpack writes each picture to a file in the working folder, as package assemble reads them.
func (a *attempt) unpack(ctx context.Context, list []picture) error {
	return a.read(ctx, list, func(p picture, data []byte) error {
		return os.WriteFile(filepath.Join(a.Dir, assemble.Source(int(p.number-list[0].number))), data, 0o600)
	})
}

// publish publishes a file of the working folder that is the whole slice.
func (a *attempt) publish(ctx context.Context, name, path string) (film.PreviewEntry, error) {
	e := film.PreviewEntry{Path: name, Start: a.slice.Start, End: a.slice.End}
	f, err := os.Open(path)
	if err != nil {
		return e, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	sum := sha256.New()
	if e.Size, err = io.Copy(sum, f); err != nil {
		return e, err
	}
	if e.Size == 0 {
		return e, fault.New(fault.Corrupt, "%s is empty", name)
	}
	e.Digest = hex.EncodeToString(sum.Sum(nil))
	if _, err = f.Seek(0, io.SeekStart); err != nil {
		return e, err
	}
	store, key, err := a.store(ctx, name)
	if err == nil {
		_, err = store.Put(ctx, key, f)
	}
	if err == nil {
		a.artifacts = append(a.artifacts, work.Artifact{Folder: a.folder(), Key: name, Size: e.Size})
	}
	return e, err
}
