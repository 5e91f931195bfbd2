package local

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ledger"
	"github.com/mapreel/mapreel/pkg/process"
)

// The log of an attempt at a unit has the command lines of its programs and the ends of what they wrote. It lies in a file of its own
// in the scratch folder, logs/JOB/UNIT.ATTEMPT.log, and is removed with the record of its job, not with the artifacts: those of a job
// that is done go at once.
const (
	logFolder    = "logs"
	logExtension = ".log"
	// maxLogs is how many logs of a unit are returned, those of the newest attempts.
	maxLogs = 5
)

// AttemptLog is the log of an attempt at a unit.
type AttemptLog struct {
	Attempt int    `json:"attempt"`
	Text    string `json:"text"`
}

// jobLogs returns the folder of the logs of a job.
func (s scratch) jobLogs(job string) (string, error) {
	if job == "" || url.PathEscape(job) != job || !filepath.IsLocal(job) {
		return "", fault.New(fault.Invalid, "%q is not the ID of a job", job)
	}
	return filepath.Join(s.logs, job), nil
}

// record returns a function that starts the log of an attempt. A log that cannot be written is left out.
func (s scratch) record(ctx context.Context, job, unit string, attempt int) (context.Context, func(error)) {
	var r process.Record
	return process.WithRecord(ctx, &r), func(err error) {
		if err != nil {
			r.Add(process.Redact("the attempt failed: "+err.Error()) + "\n")
		}
		folder, ferr := s.jobLogs(job)
		text := r.String()
		if text == "" || ferr != nil || os.MkdirAll(folder, 0o700) != nil {
			return
		}
		name := filepath.Join(folder, url.PathEscape(unit)+"."+strconv.Itoa(attempt)+logExtension)
		_ = os.WriteFile(name, []byte(text), 0o600) // one that is cut is still of use
	}
}

// LogsIn returns a function that reads logs in a scratch folder.
func LogsIn(scratch string) func(job, unit string) ([]AttemptLog, error) {
	return func(job, unit string) ([]AttemptLog, error) {
		home, found, err := findScratch(scratch)
		if err != nil || !found {
			return nil, err
		}
		return home.unitLogs(job, unit)
	}
}

// unitLogs returns the logs of the last attempts at a unit, in their order.
func (s scratch) unitLogs(job, unit string) (list []AttemptLog, err error) {
	folder, err := s.jobLogs(job)
	if err != nil {
		return nil, err
	}
	files, err := os.ReadDir(folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fault.Wrap(fault.KindOf(err), err, "logs of "+unit)
	}
	for _, f := range files {
		rest, mine := strings.CutPrefix(f.Name(), url.PathEscape(unit)+".")
		attempt, err := strconv.Atoi(strings.TrimSuffix(rest, logExtension))
		if mine && err == nil && f.Type().IsRegular() {
			list = append(list, AttemptLog{Attempt: attempt})
		}
	}
	slices.SortFunc(list, func(a, b AttemptLog) int { return cmp.Compare(a.Attempt, b.Attempt) })
	list = list[max(0, len(list)-maxLogs):]
	for i, l := range list {
		text, err := os.ReadFile(filepath.Join(folder, url.PathEscape(unit)+"."+strconv.Itoa(l.Attempt)+logExtension))
		if err != nil {
			return nil, fault.Wrap(fault.KindOf(err), err, "logs of "+unit)
		}
		list[i].Text = string(text)
	}
	return list, nil
}

// removeLogs removes the logs of a job.
func (g garbage) removeLogs(job string) error {
	folder, err := g.home.jobLogs(job)
	if err != nil {
		return nil //nolint:nilerr // it has none
	}
	return fault.Wrap(fault.Internal, os.RemoveAll(folder), "remove the logs of a job")
}

// removeLostLogs removes logs of jobs that have no record: an attempt wrote them after its job's record had expired.
func (g garbage) removeLostLogs(ctx context.Context) error {
	folders, err := os.ReadDir(g.home.logs)
	if err != nil {
		return fault.Wrap(fault.KindOf(err), err, "list logs")
	}
	for _, f := range folders {
		if info, err := f.Info(); err != nil || g.now.Sub(info.ModTime()) < minimumAge {
			continue
		}
		if _, err := g.ledger.Job(ctx, f.Name()); errors.Is(err, ledger.ErrNotFound) {
			if err := g.removeLogs(f.Name()); err != nil {
				return err
			}
		}
	}
	return nil
}
