package planner

import (
	"context"
	"errors"
	"fmt"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/plan"
	"github.com/mapreel/mapreel/pkg/film/source"
	"github.com/mapreel/mapreel/pkg/work"
)

// join examines the sources that follow the first one, and makes found the film that they are joined to. It returns what was found of each
// source; nil where there is only one.
func (p Planner) join(ctx context.Context, env *work.PlanEnv, req film.Request, found *source.Found) ([]source.Found, error) {
	if len(req.Join) == 0 {
		return nil, nil
	}
	all := []source.Found{*found}
	for i, url := range req.Join {
		next, err := p.examineNext(ctx, env, req, url)
		if err != nil {
			return nil, joinError(i, url, err)
		}
		all = append(all, next)
	}
	var sources []film.Source
	var problems film.Problems
	for i, one := range all {
		sources = append(sources, one.Source)
		if one.Source.Video != nil && one.Source.Sequence == nil && one.Index == nil {
			problems = append(problems, film.Problem{Pointer: film.JoinPointer(i), Message: fmt.Sprintf(
				"%s has no index, and cannot be joined; copy it into a file with one first: ffmpeg -i SOURCE -map 0 -c copy NEW.mkv", one.Source.URL)})
		}
	}
	if err := problems.Err(); err != nil {
		return nil, err
	}
	joined, err := plan.JoinSources(sources)
	if err != nil {
		return nil, err
	}
	found.Source, found.Index = joined, nil
	return all, nil
}

// examineNext examines a source that follows the first one.
func (p Planner) examineNext(ctx context.Context, env *work.PlanEnv, req film.Request, url string) (source.Found, error) {
	store, key, err := env.Resolve(ctx, url)
	if err != nil {
		return source.Found{}, err
	}
	if is, err := source.IsSequence(ctx, store, key); is || err != nil {
		return source.Found{Source: film.Source{URL: url, Sequence: &film.FrameSequence{}}}, err // JoinSources refuses it
	}
	return source.Examine(ctx, p.Tools, store, key, url, source.Options{Rate: requestedRate(req)})
}

// joinError names the source that an error is about.
func joinError(i int, url string, err error) error {
	switch fault.KindOf(err) {
	case fault.NotFound:
		return film.Problems{{Pointer: film.JoinPointer(i + 1), Message: fmt.Sprintf("cannot read %s: no such file", url)}}.Err()
	case fault.Transient:
		return err
	}
	if errors.As(err, new(film.Problems)) {
		return err
	}
	return fmt.Errorf("%s: %w", url, err)
}

// divideJoined returns the segments of a film that is joined from several sources: each is divided as if it were alone.
func divideJoined(j film.Job, all []source.Found) ([]film.Segment, error) {
	var each [][]film.Segment
	for i, one := range all {
		own := j
		own.Source, own.Renditions = one.Source, j.Source.Joined[i].Renditions
		each = append(each, divide(own, *one.Index))
	}
	return plan.JoinSegments(j.Source, each)
}
