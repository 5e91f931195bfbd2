package intake

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/origin"
	"github.com/mapreel/mapreel/pkg/tool"
)

// Submit checks a request and starts an execution of the name for it. If one of the name was started for the same request
// already, Submit returns that. The error is of kind Invalid and holds film.Problems, all that were found, where the request
// is wrong; it is ErrTaken where the name belongs to another request.
func (s *Service) Submit(ctx context.Context, name string, request []byte) (Status, error) {
	input, err := s.check(ctx, request)
	if err != nil {
		return Status{}, err
	}
	x, err := s.Executions.Start(ctx, name, input)
	if errors.Is(err, ErrTaken) {
		earlier, derr := s.Executions.Describe(ctx, name)
		if derr != nil {
			return Status{}, derr
		}
		if !sameJSON([]byte(earlier.Input), input) {
			return Status{}, err
		}
		return s.describe(ctx, earlier)
	}
	if err != nil {
		return Status{}, err
	}
	return Status{ID: x.Name, Status: x.Status, Execution: x.ARN, Started: x.Started}, nil
}

// check returns the request in the one form in which it is started, so that Step Functions recognises a repeated call.
func (s *Service) check(ctx context.Context, request []byte) (json.RawMessage, error) {
	var problems film.Problems
	var req film.Request
	var err error
	if tool.IsRequest(request) {
		_, err = s.Tools.ParseOrder(request)
	} else {
		req, err = film.Parse(request)
	}
	if err != nil && !errors.As(err, &problems) {
		return nil, err
	}
	tree, err := film.DecodeJSON(request)
	if err != nil { // a problem of its own, found by Parse
		return nil, problems.Err()
	}
	object, _ := tree.(map[string]any)
	if source, ok := object["source"].(string); ok && source != "" {
		found, err := s.checkSource(ctx, "/source", source)
		if err != nil {
			return nil, err
		}
		problems = append(problems, found...)
	}
	for _, f := range req.NamedFiles() {
		found, err := s.checkSource(ctx, f.Pointer, *f.URL)
		if err != nil {
			return nil, err
		}
		problems = append(problems, found...)
	}
	if destination, ok := object["destination"].(string); ok && destination != "" {
		if problem := placed("/destination", destination, s.Destinations); problem != nil {
			problems = append(problems, *problem)
		}
	}
	if err := problems.Err(); err != nil {
		return nil, err
	}
	input, err := json.Marshal(tree)
	return input, fault.Wrap(fault.Internal, err, "request")
}

// placed returns the problem of a URL that lies in none of the places. It names them, and others.
func placed(pointer, url string, places []Place, others ...string) *film.Problem {
	var list []string
	for _, p := range places {
		// A prefix of "" is the whole bucket. No element may be .., which S3 takes literally and other readers do not.
		if strings.HasPrefix(url, p.String()) && !strings.Contains(url+"/", "/../") {
			return nil
		}
		list = append(list, p.String())
	}
	list = append(list, others...)
	return &film.Problem{Pointer: pointer, Message: fmt.Sprintf("%q is in no place of this deployment; the places are: %s", url, strings.Join(list, ", "))}
}

// checkSource returns the problem of a source, or of another file that a request reads, that may not be read or is not there. pointer is
// that of its field.
func (s *Service) checkSource(ctx context.Context, pointer, url string) (film.Problems, error) {
	if !origin.Below(url, s.Web) {
		if problem := placed(pointer, url, s.Sources, s.Web...); problem != nil {
			return film.Problems{*problem}, nil
		}
	}
	store, key, err := s.Resolve(ctx, url)
	if err == nil {
		_, err = store.Stat(ctx, key)
	}
	if pattern, ok := media.ParsePattern(key); ok && fault.KindOf(err) == fault.NotFound {
		err = findFrame(ctx, store, key, pattern)
	}
	switch fault.KindOf(err) {
	case fault.NotFound:
		return film.Problems{{Pointer: pointer, Message: fmt.Sprintf("%q does not exist", url)}}, nil
	case fault.Invalid:
		return film.Problems{{Pointer: pointer, Message: err.Error()}}, nil
	}
	return nil, err
}

// findFrame returns an error of kind NotFound if there is no frame of the image sequence whose pattern is the last element of key.
func findFrame(ctx context.Context, store blob.Store, key string, pattern media.Pattern) error {
	for info, err := range blob.ListFolder(ctx, store, strings.TrimSuffix(key, path.Base(key))+pattern.Prefix()) {
		if err != nil || pattern.Match(path.Base(info.Key)) {
			return err
		}
	}
	return fault.New(fault.NotFound, "no object matches %s", path.Base(key))
}

// sameJSON reports whether two documents have the same value.
func sameJSON(a, b []byte) bool {
	one, err := film.DecodeJSON(a)
	if err != nil {
		return false
	}
	two, err := film.DecodeJSON(b)
	if err != nil {
		return false
	}
	x, errx := json.Marshal(one)
	y, erry := json.Marshal(two)
	return errx == nil && erry == nil && string(x) == string(y)
}
