package engine

import (
	"context"
	"encoding/json"
	"errors"
	"iter"
	"slices"
	"strings"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ledger"
	"github.com/mapreel/mapreel/pkg/work"
)

// openUnit is a unit that is not done.
type openUnit struct {
	name  string
	needs work.Needs
}

// doneUnit is a unit that the ledger holds as done. Whether its artifacts are still there is another question.
type doneUnit struct {
	openUnit
	attempt   int
	artifacts []work.Artifact
}

// stock is what a job has and lacks, by the name of the phase.
type stock struct {
	open map[string][]openUnit
	done map[string][]doneUnit
	used tallies // of a job with a budget
}

// groups returns the plan's groups with the number of units that are done.
func (s stock) groups(p work.Plan) []GroupProgress {
	list := make([]GroupProgress, len(p.Groups))
	for i, g := range p.Groups {
		list[i].Group = g
		for _, units := range s.done {
			for _, u := range units {
				if g.Contains(u.name) {
					list[i].Done++
				}
			}
		}
	}
	return list
}

// takeStock sorts the job's units into open and done. A finished unit whose artifacts are gone, and still needed, is open
// again. Nothing but the outputs matters once all of those are published and in their places.
func (e *Engine) takeStock(ctx context.Context, p work.Plan, execution string) (stock, error) {
	s := stock{map[string][]openUnit{}, map[string][]doneUnit{}, tallies{}}
	for u, err := range e.Ledger.Units(ctx, p.ID, "") {
		if err != nil {
			return s, err
		}
		var record unitRecord
		if err := json.Unmarshal(u.Spec, &record); err != nil {
			return s, fault.Wrap(fault.Corrupt, err, "record of "+u.ID)
		}
		if p.Budget > 0 {
			if err := s.used.add(u); err != nil {
				return s, err
			}
		}
		open := openUnit{u.ID, record.Needs}
		if u.State != ledger.Done {
			s.open[record.Phase] = append(s.open[record.Phase], open)
			continue
		}
		result, err := decodeResult(u)
		if err != nil {
			return s, err
		}
		s.done[record.Phase] = append(s.done[record.Phase], doneUnit{open, u.Attempt, result.Artifacts})
	}
	look := &inventory{engine: e, job: p.ID}
	if err := e.reopenLost(ctx, p, execution, &s, look, p.OutputPhase.Name); err != nil {
		return s, err
	}
	if len(s.open[p.OutputPhase.Name]) == 0 {
		return s, nil
	}
	later := p.Open // whether a phase after this one has something to do
	for i := len(p.Phases) - 1; i >= 0; i-- {
		phase := p.Phases[i]
		if !phase.Intermediate || later {
			if err := e.reopenLost(ctx, p, execution, &s, look, phase.Name); err != nil {
				return s, err
			}
		} else {
			s.open[phase.Name] = nil // nothing that is left to do needs it
		}
		later = later || len(s.open[phase.Name]) > 0
	}
	return s, nil
}

// needed yields the artifacts that the outputs, or units that are not done, may read. The phases after that of the artifacts
// must have been looked at.
func (s stock) needed(artifacts []work.Artifact) iter.Seq[work.Artifact] {
	return func(yield func(work.Artifact) bool) {
		for _, a := range artifacts {
			if (a.For == "" || len(s.open[a.For]) > 0) && !yield(a) {
				return
			}
		}
	}
}

// reopenLost makes the units of a phase open again whose artifacts are gone, unless the job has meanwhile come to its end,
// which clears them.
func (e *Engine) reopenLost(ctx context.Context, p work.Plan, execution string, s *stock, look *inventory, phase string) error {
	var kept, lost []doneUnit
	for _, u := range s.done[phase] {
		gone, err := look.lacksAny(ctx, s.needed(u.artifacts))
		if err != nil {
			return err
		}
		if gone {
			lost = append(lost, u)
		} else {
			kept = append(kept, u)
		}
	}
	if len(lost) == 0 {
		return nil
	}
	record, err := e.Ledger.Job(ctx, p.ID)
	if err != nil {
		return err
	}
	if record.State == ledger.JobDone || record.Execution != execution {
		return notOwner(p.ID)
	}
	for _, u := range lost {
		if err := e.Ledger.Reopen(ctx, p.ID, u.name, u.attempt); err != nil && !errors.Is(err, ledger.ErrConflict) {
			return err
		}
		s.open[phase] = append(s.open[phase], u.openUnit)
	}
	s.done[phase] = kept
	slices.SortFunc(s.open[phase], func(a, b openUnit) int { return strings.Compare(a.name, b.name) })
	return nil
}

// inventory looks up artifacts. It lists each folder once, and looks again for what was put there after it was listed.
type inventory struct {
	engine  *Engine
	job     string
	scratch map[string]int64            // sizes by key
	folders map[string]map[string]int64 // sizes by path, by folder
}

// lacksAny reports whether any of the artifacts is gone.
func (v *inventory) lacksAny(ctx context.Context, artifacts iter.Seq[work.Artifact]) (bool, error) {
	for a := range artifacts {
		if gone, err := v.lacks(ctx, a); gone || err != nil {
			return gone, err
		}
	}
	return false, nil
}

func (v *inventory) lacks(ctx context.Context, a work.Artifact) (bool, error) {
	switch {
	case a.URL != "":
		return v.engine.replaced(ctx, a)
	case a.Folder != "":
		sizes, err := v.folder(ctx, a.Folder)
		if err != nil {
			return false, err
		}
		if a.Key == "" {
			var sum int64
			for _, size := range sizes {
				sum += size
			}
			return sum < a.Size, nil
		}
		if sizes[a.Key] == a.Size {
			return false, nil
		}
		store, key, err := v.engine.Resolve(ctx, a.Folder+"/"+a.Key)
		if err != nil {
			return false, err
		}
		return missing(ctx, store, key, a.Size)
	}
	if v.scratch == nil {
		sizes, err := work.Sizes(ctx, v.engine.Scratch, work.Prefix(v.job))
		if err != nil {
			return false, err
		}
		v.scratch = sizes
	}
	if size, ok := v.scratch[a.Prefix]; ok && size >= a.Size {
		return false, nil // it is a single object
	}
	if a.Prefix != "" {
		var sum int64
		for key, size := range v.scratch {
			if strings.HasPrefix(key, a.Prefix) {
				sum += size
			}
		}
		return sum < a.Size, nil
	}
	if size, ok := v.scratch[a.Key]; ok && size == a.Size {
		return false, nil
	}
	return missing(ctx, v.engine.Scratch, a.Key, a.Size)
}

func (v *inventory) folder(ctx context.Context, url string) (map[string]int64, error) {
	if sizes, ok := v.folders[url]; ok {
		return sizes, nil
	}
	sizes, err := work.FolderSizes(ctx, v.engine.Resolve, url)
	if err != nil {
		return nil, err
	}
	if v.folders == nil {
		v.folders = map[string]map[string]int64{}
	}
	v.folders[url] = sizes
	return sizes, nil
}

// missing reports whether there is no object of this size at key.
func missing(ctx context.Context, store blob.Store, key string, size int64) (bool, error) {
	info, err := store.Stat(ctx, key)
	if fault.KindOf(err) == fault.NotFound {
		return true, nil
	}
	return info.Size != size, err
}

// replaced reports whether a published file is gone, or another than the one that was published.
func (e *Engine) replaced(ctx context.Context, a work.Artifact) (bool, error) {
	store, key, err := e.Resolve(ctx, a.URL)
	if err != nil {
		return false, err
	}
	info, err := store.Stat(ctx, key)
	switch {
	case fault.KindOf(err) == fault.NotFound:
		return true, nil
	case err != nil || info.Size != a.Size:
		return true, err
	case info.Version == a.Version:
		return false, nil
	}
	// A second worker at the same output may have published the same bytes later, and a copy has a time of its own.
	now, err := blob.Digest(ctx, store, key, info.Size)
	return now != a.Digest, err
}
