package planner

import (
	"context"
	"fmt"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/input"
	"github.com/mapreel/mapreel/pkg/film/overlay"
	"github.com/mapreel/mapreel/pkg/film/subtitle"
	"github.com/mapreel/mapreel/pkg/work"
)

// readFiles examines the files that a request names besides its source. What is wrong with them is one error.
func readFiles(ctx context.Context, resolve work.Resolver, req film.Request) (list []film.File, err error) {
	var problems film.Problems
	known := film.Source{}
	for _, named := range req.NamedFiles() {
		if named.Video || named.Sound || known.File(*named.URL).URL != "" {
			continue
		}
		file, problem, err := readFile(ctx, resolve, *named.URL, named.Text)
		if err != nil {
			return nil, err
		}
		if problem != "" {
			problems = append(problems, film.Problem{Pointer: named.Pointer, Message: problem})
			continue
		}
		list = append(list, file)
		known.Files = list
	}
	return list, problems.Err()
}

// readFile examines a file of subtitles, or else an image, or returns what is wrong with it.
func readFile(ctx context.Context, resolve work.Resolver, url string, text bool) (_ film.File, problem string, err error) {
	f := film.File{URL: url}
	data, digest, err := input.ReadFile(ctx, resolve, url, max(overlay.MaxFile, subtitle.MaxFile))
	switch fault.KindOf(err) {
	case fault.NotFound:
		return f, fmt.Sprintf("cannot read %s: no such file", url), nil
	case fault.Invalid:
		return f, fmt.Sprintf("cannot use %s: %v", url, err), nil
	}
	if err != nil {
		return f, "", err
	}
	f.Digest, f.Size = digest, int64(len(data))
	if text {
		f.Format, err = subtitle.FormatOf(data)
	} else if f.Pixels, err = overlay.Size(data); err == nil {
		_, err = overlay.Pixels(data, 100) // before hundreds of workers find out
	}
	if err != nil {
		return f, fmt.Sprintf("cannot use %s: %v", url, err), nil
	}
	return f, "", nil
}
