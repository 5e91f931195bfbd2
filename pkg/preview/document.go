package preview

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/work"
)

// Documents is the kind that lists the previews of a name in a document. Until that is written, they do not exist.
type Documents struct{}

var _ work.Kind = Documents{}

// Name implements work.Kind.
func (Documents) Name() string { return film.PreviewKind }

// Run implements work.Kind. Every attempt publishes the same bytes.
func (Documents) Run(ctx context.Context, env *work.Env, u work.Unit) (work.Result, error) {
	d := &document{Env: env}
	if err := env.Decode(&d.job); err != nil {
		return work.Result{}, err
	}
	for i, out := range d.job.Outputs {
		if d.job.OutputUnit(i) != u.Name {
			continue
		}
		d.out, d.index = out, i
		facts, artifacts, err := d.publish(ctx)
		if err != nil {
			return work.Result{}, fmt.Errorf("output %s: %w", out.File, err)
		}
		r := work.Result{URL: facts.URL, Artifacts: artifacts, Done: work.Amount{Bytes: facts.Bytes()}}
		return r, r.SetFacts(facts)
	}
	return work.Result{}, fault.New(fault.Internal, "job %s has no previews for the unit %q", env.Job, u.Name)
}

// document is one attempt at a document.
type document struct {
	*work.Env
	job   film.Job
	out   film.OutputPlan
	index int // in job.Outputs
}

// Document is what FILM.preview.json holds. Times are seconds from the film's first frame.
type Document struct {
	Version  int          `json:"version"` // of this format: 1
	Duration film.Seconds `json:"duration"`
	Previews []Series     `json:"previews"`
}

// Series is a preview: files of one form in the order of the film.
type Series struct {
	Form     film.Container     `json:"form"`
	Format   film.PictureFormat `json:"format,omitempty"`
	Width    int                `json:"width"`
	Height   int                `json:"height"`
	Interval film.Seconds       `json:"interval,omitempty"` // from a picture to the next, to the nanosecond
	Archive  bool               `json:"archive,omitempty"`  // each picture is a range of its file
	// Of sheets: their layout, and the files, relative to the document, that list the tiles: WebVTT cues and JSON.
	Columns    int    `json:"columns,omitempty"`
	Rows       int    `json:"rows,omitempty"`
	Cues       string `json:"cues,omitempty"`
	Storyboard string `json:"storyboard,omitempty"`
	Files      []File `json:"files"`
}

// File is a file of a preview, or a picture in an archive.
type File struct {
	Path   string       `json:"path"` // relative to the document
	Offset int64        `json:"offset,omitempty"`
	Size   int64        `json:"size"`
	Start  film.Seconds `json:"start"`
	End    film.Seconds `json:"end"`
	Digest string       `json:"digest"` // "sha256:" and 64 hexadecimal digits
}

// version is that of Document's format.
const version = 1

func seconds(t media.Ticks) film.Seconds { return film.Seconds(media.Microseconds.Duration(t)) }

// publish checks that every file is there, and writes the document.
func (d *document) publish(ctx context.Context) (film.OutputFacts, []work.Artifact, error) {
	facts := film.OutputFacts{URL: d.job.Request.URL(d.out.File), Folder: d.job.Request.URL(d.out.Folder)}
	sizes, err := work.FolderSizes(ctx, d.Resolve, facts.Folder)
	if err != nil {
		return facts, nil, err
	}
	for n := range d.out.Previews {
		f, err := d.check(ctx, n, sizes)
		if err != nil {
			return facts, nil, err
		}
		if d.out.Previews[n].Form == film.Sprites {
			size, err := d.writeTiles(ctx, n)
			if err != nil {
				return facts, nil, err
			}
			f.Size, f.Files = f.Size+size, f.Files+2
		}
		facts.Previews = append(facts.Previews, f)
		facts.Media += f.Size
	}
	store, key, err := d.Resolve(ctx, facts.URL)
	if err != nil {
		return facts, nil, err
	}
	info, err := blob.Write(ctx, blob.Cached(store, film.CacheBriefly), key, func(w io.Writer) error { return d.write(ctx, w) })
	if err != nil {
		return facts, nil, err
	}
	facts.Size, facts.Version = info.Size, info.Version
	if facts.Digest, err = blob.Digest(ctx, store, key, info.Size); err != nil {
		return facts, nil, err
	}
	return facts, []work.Artifact{
		{Folder: facts.Folder, Size: facts.Media},
		{URL: facts.URL, Size: facts.Size, Version: facts.Version, Digest: facts.Digest},
	}, nil
}

// each calls yield with the facts of the slices of preview n, in the order of the film.
func (d *document) each(ctx context.Context, n int, yield func(film.SliceFacts) error) error {
	return EachSlice(ctx, d.Results, d.index, n, yield)
}

// check compares what the slices of preview n reported with what lies in the folder, and with the film: there is no gap.
func (d *document) check(ctx context.Context, n int, sizes map[string]int64) (film.PreviewFacts, error) {
	p := d.out.Previews[n]
	pictures := d.job.Pictures[p.Pictures]
	facts := film.PreviewFacts{Form: p.Form, Format: p.Format, Width: pictures.Size.Width, Height: pictures.Size.Height}
	last, counted := "", int64(0)
	err := d.each(ctx, n, func(s film.SliceFacts) error {
		for _, f := range s.Files {
			if size, ok := sizes[f.Path]; !ok || size < f.Offset+f.Size {
				return fault.New(fault.Corrupt, "%s has %d bytes instead of %d", f.Path, size, f.Offset+f.Size)
			}
			if f.Path != last {
				facts.Files, facts.Size, last = facts.Files+1, facts.Size+sizes[f.Path], f.Path
			}
			counted++
		}
		return nil
	})
	if want := pictures.Count(*d.job.Source.Video); err == nil && p.Form == film.Stills && counted != want {
		err = fault.New(fault.Corrupt, "%d stills instead of %d", counted, want)
	}
	return facts, err
}

// tileFiles returns the paths, in the folder, of the files that list the tiles of preview n.
func (d *document) tileFiles() (cues, storyboard string) {
	return d.out.Name + "-sprites.vtt", d.out.Name + "-sprites.json"
}

// writeTiles writes the files that list the tiles of preview n, and returns their size.
func (d *document) writeTiles(ctx context.Context, n int) (size int64, err error) {
	s := SheetsOf(d.job, d.out, d.out.Previews[n])
	cues, storyboard := d.tileFiles()
	for _, f := range []struct {
		name  string
		write func(io.Writer) error
	}{{cues, s.WriteVTT}, {storyboard, s.WriteStoryboard}} {
		store, key, err := d.Resolve(ctx, d.job.Request.URL(d.out.Folder)+"/"+f.name)
		if err != nil {
			return size, err
		}
		info, err := blob.Write(ctx, blob.Cached(store, film.CacheForever), key, f.write)
		if err != nil {
			return size, err
		}
		size += info.Size
	}
	return size, nil
}

// write writes the document. It holds the facts of one slice.
func (d *document) write(ctx context.Context, w io.Writer) error {
	duration, err := json.Marshal(seconds(d.job.Source.Video.Length()))
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintf(w, "{\n\"version\": %d,\n\"duration\": %s,\n\"previews\": [", version, duration); err != nil {
		return err
	}
	for n := range d.out.Previews {
		if err := d.writeSeries(ctx, w, n); err != nil {
			return err
		}
	}
	_, err = io.WriteString(w, "\n]\n}\n")
	return err
}

// writeSeries writes a preview, a file a line.
func (d *document) writeSeries(ctx context.Context, w io.Writer, n int) error {
	p := d.out.Previews[n]
	pictures := d.job.Pictures[p.Pictures]
	series := Series{
		Form: p.Form, Format: p.Format, Width: pictures.Size.Width, Height: pictures.Size.Height,
		Interval: film.Seconds(pictures.Interval().Duration(1)), Archive: p.Archive, Files: []File{},
	}
	switch p.Form {
	case film.Sprites:
		series.Columns, series.Rows = p.Columns, p.Rows
		cues, storyboard := d.tileFiles()
		series.Cues, series.Storyboard = d.out.Folder+"/"+cues, d.out.Folder+"/"+storyboard
	case film.Clip, film.AnimatedAVIF: // their encoders have pairs of rows and columns
		series.Width, series.Height = series.Width&^1, series.Height&^1
	case film.Poster:
		series.Interval = 0
	}
	if len(pictures.Times) > 0 {
		series.Interval = 0
	}
	head, err := json.Marshal(series)
	if err != nil {
		return err
	}
	separator := "\n"
	if n > 0 {
		separator = ",\n"
	}
	if _, err := io.WriteString(w, separator+strings.TrimSuffix(string(head), "]}")); err != nil {
		return err
	}
	separator = "\n"
	err = d.each(ctx, n, func(s film.SliceFacts) error {
		for _, f := range s.Files {
			line, err := json.Marshal(File{
				Path: d.out.Folder + "/" + f.Path, Offset: f.Offset, Size: f.Size, Start: seconds(f.Start), End: seconds(f.End), Digest: "sha256:" + f.Digest,
			})
			if err != nil {
				return err
			}
			if _, err := io.WriteString(w, separator+string(line)); err != nil {
				return err
			}
			separator = ",\n"
		}
		return nil
	})
	if err == nil {
		_, err = io.WriteString(w, "\n]}")
	}
	return err
}
