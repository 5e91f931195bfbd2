package job

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/subtitle"
	"github.com/mapreel/mapreel/pkg/tool"
	"github.com/mapreel/mapreel/pkg/tool/join"
	"github.com/mapreel/mapreel/pkg/work"
)

// captions are the joined cues of a tool, which a film has as a subtitle track.
type captions struct {
	track subtitle.File
	file  film.File
	key   string // in scratch
}

// cueFormats are those of cues, by extension. The first that a tool leaves becomes a track.
var cueFormats = []struct {
	extension string
	format    subtitle.Format
}{{".srt", subtitle.SubRip}, {".vtt", subtitle.WebVTT}}

// captionsFor gives a film that is published the cues of tools, unless it has no subtitles.
func (f *openedFilm) captionsFor(ctx context.Context, own *work.Env, spec joined, kinds []work.Kind) (warnings []string, err error) {
	if f.withoutSubtitles(f.job.Outputs[spec.Film]) {
		return nil, nil
	}
	// What is said of captions holds for all films of the output, so the first of them says it.
	first := slices.IndexFunc(f.job.Outputs, func(out film.OutputPlan) bool { return !f.withoutSubtitles(out) })
	warnings, err = f.addCaptions(ctx, own, spec.Tool, kinds)
	if spec.Film != first {
		warnings = nil
	}
	return warnings, err
}

// addCaptions makes the cues of tools subtitle tracks of the film. They are known as soon as all tools have run, so the units do this that
// need them: the one that shares out the bytes of a file, and those that publish.
func (f *openedFilm) addCaptions(ctx context.Context, own *work.Env, i int, kinds []work.Kind) (warnings []string, err error) {
	var doc document
	if err := own.Decode(&doc); err != nil {
		return nil, err
	}
	// Units of several films do this at the same time: the keys are those of the attempt, and lie where those of other subtitles do.
	env := *f.env
	env.Unit = own.Unit + "/" + film.SidecarUnit
	var tracks []captions
	for n, of := range f.tool.Outputs[f.output].Subtitles {
		data, format, err := doc.cues(ctx, own, of.Tool)
		if err != nil {
			return nil, err
		}
		if len(data) == 0 {
			warnings = append(warnings, fmt.Sprintf("%s left no cues, so the film of %s has no subtitles of it", of.Tool, f.tool.Name))
			continue
		}
		sum := sha256.Sum256(data)
		c := captions{track: of.Track(), key: env.Key(n, "cues")}
		c.file = film.File{URL: c.track.File, Digest: hex.EncodeToString(sum[:]), Size: int64(len(data)), Format: format}
		if _, err := env.Scratch.Put(ctx, c.key, bytes.NewReader(data)); err != nil {
			return nil, err
		}
		tracks = append(tracks, c)
	}
	if len(tracks) == 0 {
		return warnings, nil
	}
	j, err := doc.filmJob(i, f.output, f.size, tracks...)
	if err == nil {
		err = f.set(j)
	}
	if err != nil {
		return nil, err
	}
	env.Doc = f.env.Doc
	result, err := f.extractCaptions(ctx, env, tracks, kinds)
	f.env.Results = withCaptions{f.env.Results, result}
	return append(warnings, result.Warnings...), err
}

// withoutSubtitles reports whether an output of the film has no subtitles, whatever tools leave.
func (f *openedFilm) withoutSubtitles(out film.OutputPlan) bool {
	return out.Container == film.PreviewSet || slices.ContainsFunc(f.job.Request.Outputs, func(o film.Output) bool {
		return o.File() == out.File && !o.Container.Preview() && o.Subtitles == film.SubtitlesNone
	})
}

// cues returns the cues of a tool, joined, and their format; nothing if it left none.
func (d document) cues(ctx context.Context, env *work.Env, name string) ([]byte, subtitle.Format, error) {
	for _, t := range d.Request.Tools {
		if t.Name != name {
			continue
		}
		for n, o := range t.Outputs {
			if o.Join != tool.JoinCues {
				continue
			}
			p := &publisher{Env: env, doc: d, tool: t, output: o, number: n, others: map[string]bool{}}
			if err := p.collect(ctx); err != nil {
				return nil, "", err
			}
			for _, c := range cueFormats {
				if !p.has(c.extension) {
					continue
				}
				text := cueText{tool: name}
				err := join.Cues(&text, c.extension, p.pieces(ctx, c.extension))
				return text.data, c.format, err
			}
		}
	}
	return nil, "", nil
}

// maxCues bounds the cues of a track, in bytes: a hundred times those of a film.
const maxCues = 64 << 20

// cueText holds joined cues.
type cueText struct {
	tool string
	data []byte
}

// Write implements io.Writer.
func (c *cueText) Write(p []byte) (int, error) {
	if len(c.data)+len(p) > maxCues {
		return 0, fault.New(fault.Unsupported, "the cues of %s have more than %d MB, too many for a subtitle track", c.tool, maxCues>>20)
	}
	c.data = append(c.data, p...)
	return len(p), nil
}

// extractCaptions runs the unit that brings subtitles into the form that the film holds.
func (f *openedFilm) extractCaptions(ctx context.Context, env work.Env, tracks []captions, kinds []work.Kind) (work.Result, error) {
	env.Dir = filepath.Join(f.env.Dir, "captions")
	if err := os.Mkdir(env.Dir, 0o700); err != nil {
		return work.Result{}, fault.Wrap(fault.KindOf(err), err, "folder of captions")
	}
	env.Resolve = func(ctx context.Context, url string) (blob.Store, string, error) {
		for _, c := range tracks {
			if c.file.URL == url {
				return env.Scratch, c.key, nil
			}
		}
		return f.env.Resolve(ctx, url)
	}
	return run(ctx, kinds, &env, work.Unit{Name: film.SidecarUnit})
}

// withCaptions are the results of a film's units and of the one that made its subtitles.
type withCaptions struct {
	work.Results
	captions work.Result
}

// Result implements work.Results.
func (r withCaptions) Result(ctx context.Context, unit string) (work.Result, bool, error) {
	if unit == film.SidecarUnit {
		return r.captions, true, nil
	}
	return r.Results.Result(ctx, unit)
}
