package job

import (
	"context"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/tool"
	"github.com/mapreel/mapreel/pkg/tool/join"
	"github.com/mapreel/mapreel/pkg/work"
)

// Joins joins and publishes what a tool made of all pieces. Kinds are those that make films.
type Joins struct {
	Tools ffmpeg.Tools
	Kinds []work.Kind
}

var _ work.Kind = Joins{}

// Name implements work.Kind.
func (Joins) Name() string { return JoinKind }

// Run implements work.Kind. It publishes an output of a tool.
func (k Joins) Run(ctx context.Context, env *work.Env, u work.Unit) (work.Result, error) {
	var doc document
	var spec joined
	if err := env.Decode(&doc); err != nil {
		return work.Result{}, err
	}
	if err := decode(u.Spec, &spec, u.Name); err != nil {
		return work.Result{}, err
	}
	if spec.Tool < 0 || spec.Tool >= len(doc.Request.Tools) || spec.Output < 0 || spec.Output >= len(doc.Request.Tools[spec.Tool].Outputs) {
		return work.Result{}, fault.New(fault.Corrupt, "%s is of no output of its job", u.Name)
	}
	p := &publisher{Env: env, doc: doc, tool: doc.Request.Tools[spec.Tool], number: spec.Output, others: map[string]bool{}}
	p.output = p.tool.Outputs[spec.Output]
	if p.output.Join == tool.JoinVideo {
		return k.mergeFilm(ctx, env, spec)
	}
	if err := p.collect(ctx); err != nil {
		return work.Result{}, err
	}
	var err error
	switch p.output.Join {
	case tool.JoinNone:
		err = p.publishAll(ctx)
	case tool.JoinAudio:
		err = p.joinSound(ctx, k.Tools)
	default:
		err = p.publishJoined(ctx)
	}
	if err != nil {
		return work.Result{Artifacts: p.result.Artifacts}, err
	}
	facts := published{URL: doc.Request.FolderOf(p.output) + "/", Files: len(p.result.Artifacts)}
	for _, a := range p.result.Artifacts {
		facts.Size += a.Size
	}
	if facts.Files == 1 {
		facts.URL = p.result.Artifacts[0].URL
	}
	if facts.Files == 0 {
		p.result.Warnings = append(p.result.Warnings, fmt.Sprintf("%s: no file of any piece was for its output %d", p.tool.Name, p.number+1))
	}
	p.result.URL = facts.URL
	p.result.Done = work.Amount{Count: int64(facts.Files), Bytes: facts.Size}
	return p.result, p.result.SetFacts(facts)
}

// mergeFilm publishes an output that is a film.
func (k Joins) mergeFilm(ctx context.Context, env *work.Env, spec joined) (work.Result, error) {
	f, err := openFilm(ctx, env, spec.Tool, spec.Output)
	if err != nil {
		return work.Result{}, err
	}
	for i := range f.job.Segments {
		p, _, err := f.pictures(ctx, i)
		if err != nil {
			return work.Result{}, err
		}
		if p.Size() != f.size {
			return work.Result{}, f.differs(i, p.Size())
		}
	}
	if spec.Film < 0 || spec.Film >= len(f.job.Outputs) {
		return work.Result{}, fault.New(fault.Corrupt, "%s is of no film of its job", env.Unit)
	}
	warnings, err := f.captionsFor(ctx, env, spec, k.Kinds)
	if err != nil {
		return work.Result{}, err
	}
	result, err := run(ctx, k.Kinds, f.env, work.Unit{Name: f.job.OutputUnit(spec.Film)})
	result.Warnings = slices.Concat(f.notices(spec.Film), warnings, result.Warnings)
	return result, err
}

// notices returns what a user should know of a film whose pictures have the size that the tool gave them.
func (f openedFilm) notices(n int) (list []string) {
	for _, w := range f.job.Warnings {
		if film.IsNotice(w) && strings.HasPrefix(w, f.job.Outputs[n].File+": ") {
			list = append(list, w)
		}
	}
	return list
}

// publisher publishes one output.
type publisher struct {
	*work.Env
	doc    document
	tool   tool.Tool
	output tool.Output
	number int // of the output

	others map[string]bool // extensions that another joined output of the same folder takes
	units  []result
	result work.Result
}

// result is what came of a piece, with the files that the output takes.
type result struct {
	unit  string
	facts facts
	files []taken
}

type taken struct {
	name     string
	artifact work.Artifact
}

// collect reads the results of all pieces.
func (p *publisher) collect(ctx context.Context) error {
	for f, err := range p.Results.All(ctx, ToolKind+"/"+p.tool.Name+"/") {
		if err != nil {
			return err
		}
		r := result{unit: f.Unit}
		if err := decode(f.Result.Facts, &r.facts, f.Unit); err != nil {
			return err
		}
		if len(r.facts.Files) != len(f.Result.Artifacts) {
			return fault.New(fault.Corrupt, "%s has %d files and %d artifacts", f.Unit, len(r.facts.Files), len(f.Result.Artifacts))
		}
		for i, file := range r.facts.Files {
			if slices.Contains(file.Outputs, p.number) {
				r.files = append(r.files, taken{file.Name, f.Result.Artifacts[i]})
			}
			for n, o := range p.tool.Outputs {
				if n != p.number && o.Join != tool.JoinNone && path.Clean(o.Path) == path.Clean(p.output.Path) && slices.Contains(file.Outputs, n) {
					p.others[extension(file.Name)] = true
				}
			}
		}
		p.units = append(p.units, r)
	}
	if want := p.doc.Counts[p.tool.Name]; len(p.units) != want {
		return fault.New(fault.Corrupt, "the ledger holds %d pieces of %s, the plan has %d", len(p.units), p.tool.Name, want)
	}
	return nil
}

// has reports whether any piece has a file of an extension.
func (p *publisher) has(ext string) bool {
	return slices.ContainsFunc(p.units, func(r result) bool {
		return slices.ContainsFunc(r.files, func(f taken) bool { return extension(f.name) == ext })
	})
}

// extension returns the extension of a file's name, by which joined files are told apart.
func extension(name string) string { return strings.ToLower(path.Ext(name)) }

// publishAll publishes every file. Where there are several pieces, its name begins with the number of its own.
func (p *publisher) publishAll(ctx context.Context) error {
	for i, r := range p.units {
		for _, f := range r.files {
			name := f.name
			if len(p.units) > 1 {
				name = path.Join(path.Dir(name), fmt.Sprintf("%05d-%s", i, path.Base(name)))
			}
			part := blob.Part{From: p.Scratch, Key: f.artifact.Key, Length: f.artifact.Size}
			err := p.publish(ctx, name, func(store blob.Store, key string) (blob.Info, error) {
				return store.Compose(ctx, key, []blob.Part{part})
			})
			if err != nil {
				return err
			}
		}
	}
	return nil
}

// publishJoined publishes one file for each extension: all that the tool made of that kind.
func (p *publisher) publishJoined(ctx context.Context) error {
	var extensions []string
	for _, r := range p.units {
		for _, f := range r.files {
			ext := extension(f.name)
			if p.output.Join == tool.JoinCues && ext != ".srt" && ext != ".vtt" {
				return fault.WithHint(fault.New(fault.Unsupported, "%s left %q, which is neither .srt nor .vtt", p.tool.Name, f.name),
					"an output with join: cues selects these: suffix: [.srt, .vtt]")
			}
			extensions = append(extensions, ext)
		}
	}
	slices.Sort(extensions)
	for _, ext := range slices.Compact(extensions) {
		write := func(w io.Writer) error { return join.Lines(w, ext, p.output.Times, p.pieces(ctx, ext)) }
		if p.output.Join == tool.JoinCues {
			write = func(w io.Writer) error { return join.Cues(w, ext, p.pieces(ctx, ext)) }
		}
		if p.others[ext] {
			return fault.WithHint(fault.New(fault.Unsupported, "two outputs of %s would both be %s%s", p.tool.Name, p.tool.Name, ext), "give one of them another path")
		}
		err := p.publish(ctx, p.tool.Name+ext, func(store blob.Store, key string) (blob.Info, error) {
			return blob.Write(ctx, store, key, write)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// pieces yields the files of an extension.
func (p *publisher) pieces(ctx context.Context, ext string) join.Pieces {
	return func(yield func(join.Piece, error) bool) {
		for _, r := range p.units {
			for _, f := range r.files {
				if extension(f.name) != ext {
					continue
				}
				piece := join.Piece{
					Name: r.unit + ": " + f.name, Start: r.facts.Start, End: r.facts.End,
					Open: func() (io.ReadCloser, error) { return p.Scratch.Open(ctx, f.artifact.Key, 0, -1) },
				}
				if !yield(piece, nil) {
					return
				}
			}
		}
	}
}

// publish writes a file of the destination.
func (p *publisher) publish(ctx context.Context, name string, write func(blob.Store, string) (blob.Info, error)) error {
	url := p.doc.Request.FolderOf(p.output) + "/" + name
	if path.Clean(url) == path.Clean(p.doc.Source.URL) {
		return fault.New(fault.Invalid, "the output %s would replace the source", url)
	}
	store, key, err := p.Resolve(ctx, url)
	if err != nil {
		return err
	}
	info, err := write(store, key)
	if err != nil {
		return err
	}
	digest, err := blob.Digest(ctx, store, key, info.Size)
	if err != nil {
		return err
	}
	p.result.Artifacts = append(p.result.Artifacts, work.Artifact{URL: url, Size: info.Size, Version: info.Version, Digest: digest})
	return nil
}
