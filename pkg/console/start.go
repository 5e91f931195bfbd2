package console

import (
	"crypto/rand"
	"encoding/hex"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"time"
)

// settings are what the form for a new job needs.
type settings struct {
	Roots   []string `json:"roots"`
	Uploads string   `json:"uploads"`
	Presets []Preset `json:"presets"`
}

func (s *Server) settings(w http.ResponseWriter, r *http.Request) error {
	presets := []Preset{}
	if s.opts.Presets != nil {
		list, err := s.opts.Presets()
		if err != nil { // the form does without
			s.opts.Log.WarnContext(r.Context(), "presets not read", "error", err)
		}
		presets = append(presets, list...)
	}
	reply(w, http.StatusOK, settings{s.opts.Roots, s.opts.Uploads, presets})
	return nil
}

// text is a request as the page sends it.
type text struct {
	Text string `json:"text"`
}

// verdict is what the page is told of a request.
type verdict struct {
	Tree     map[string]any `json:"tree,omitempty"`
	Problems []Problem      `json:"problems"`
}

func (s *Server) check(w http.ResponseWriter, r *http.Request) error {
	var in text
	if err := body(w, r, &in); err != nil {
		return err
	}
	checked := s.opts.Check([]byte(in.Text))
	reply(w, http.StatusOK, verdict{checked.Tree, append([]Problem{}, checked.Problems...)})
	return nil
}

// start starts a job, or answers with the problems of its request.
func (s *Server) start(w http.ResponseWriter, r *http.Request) error {
	var in text
	if err := body(w, r, &in); err != nil {
		return err
	}
	checked := s.opts.Check([]byte(in.Text))
	if len(checked.Problems) > 0 || checked.Request == nil {
		reply(w, http.StatusUnprocessableEntity, verdict{checked.Tree, append([]Problem{}, checked.Problems...)})
		return nil
	}
	source, _ := checked.Tree["source"].(string)
	x, err := s.opts.Executions.Start(r.Context(), newName(source, time.Now()), checked.Request)
	if err != nil {
		return err
	}
	reply(w, http.StatusOK, map[string]string{"name": x.Name})
	return nil
}

// unnameable matches what the name of a job here does not have.
var unnameable = regexp.MustCompile(`[^A-Za-z0-9_-]+`)

// newName returns a name for the job of a source: that of its file as far as it can be one, the time, and some characters that
// tell jobs of one second apart.
func newName(source string, now time.Time) string {
	const longest = 40 // bytes of the file's name: the name of an execution has 80
	base := strings.TrimSuffix(filepath.Base(source), filepath.Ext(source))
	base = strings.Trim(unnameable.ReplaceAllString(base, "-"), "-")
	var random [2]byte
	_, _ = rand.Read(random[:]) // never fails
	return strings.TrimPrefix(base[:min(len(base), longest)]+now.UTC().Format("-20060102-150405-"), "-") + hex.EncodeToString(random[:])
}

// name is a job as the page names it.
type name struct {
	Name string `json:"name"`
}

func (s *Server) stop(w http.ResponseWriter, r *http.Request) error {
	var in name
	if err := body(w, r, &in); err != nil {
		return err
	}
	x, err := s.named(r.Context(), in.Name)
	if err != nil {
		return err
	}
	if !x.Ended() && x.Owner != "" {
		return &refusal{http.StatusConflict, "another process runs this job: interrupt it there"}
	}
	if _, err := s.opts.Executions.Stop(r.Context(), x.ARN, "", "stopped on the page"); err != nil {
		return err
	}
	reply(w, http.StatusOK, in)
	return nil
}

func (s *Server) redrive(w http.ResponseWriter, r *http.Request) error {
	var in name
	if err := body(w, r, &in); err != nil {
		return err
	}
	x, err := s.named(r.Context(), in.Name)
	if err != nil {
		return err
	}
	if reason := s.notRedrivable(x, time.Now()); reason != "" {
		return &refusal{http.StatusConflict, reason}
	}
	if _, err := s.opts.Executions.Redrive(r.Context(), x.ARN); err != nil {
		return err
	}
	reply(w, http.StatusOK, in)
	return nil
}

// remove removes the record of a job that has ended. Its outputs stay.
func (s *Server) remove(w http.ResponseWriter, r *http.Request) error {
	var in name
	if err := body(w, r, &in); err != nil {
		return err
	}
	x, err := s.named(r.Context(), in.Name)
	if err == nil {
		err = s.opts.Store.Remove(r.Context(), x.ARN)
	}
	if err != nil {
		return err
	}
	reply(w, http.StatusOK, in)
	return nil
}
