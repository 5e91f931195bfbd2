package local

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/mapreel/mapreel/pkg/blob/dir"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ledger/sqlite"
	"github.com/mapreel/mapreel/pkg/private"
)

// scratch is a scratch folder. It holds what users transcode, so only its owner may use it: on a machine with several users,
// another could read a film there, or place links that lead elsewhere.
type scratch struct {
	*private.Folder
	locks, slots *private.Folder
	pieces       string // folder of artifacts
	logs         string // folder of the logs of units
}

// ledgerFile is the name of the ledger in a scratch folder. The names of SQLite's own files, such as its journal, begin with it.
const ledgerFile = "ledger.db"

// makeScratch makes or opens the scratch folder at path.
func makeScratch(path string) (s scratch, err error) {
	if path, err = filepath.Abs(path); err == nil {
		s.Folder, err = private.Make(path)
	}
	return s.open(err)
}

// findScratch opens the scratch folder at path. It reports false where no job was ever run in it.
func findScratch(path string) (s scratch, found bool, err error) {
	if path, err = filepath.Abs(path); err != nil {
		return s, false, fault.Wrap(fault.Invalid, err, "scratch folder")
	}
	if _, err := os.Stat(filepath.Join(path, ledgerFile)); errors.Is(err, fs.ErrNotExist) {
		return s, false, nil
	}
	s.Folder, err = private.Open(path)
	s, err = s.open(err)
	return s, err == nil, err
}

// open opens what is in a scratch folder, unless the folder itself gave an error.
func (s scratch) open(err error) (scratch, error) {
	if err == nil {
		s.locks, err = s.Sub("locks")
	}
	if err == nil {
		s.slots, err = s.Sub("slots")
	}
	var pieces, logs *private.Folder
	if err == nil {
		pieces, err = s.Sub("pieces")
	}
	if err == nil {
		logs, err = s.Sub(logFolder)
	}
	if err != nil {
		if fault.HintOf(err) == "" {
			err = fault.WithHint(err, "choose another with --scratch")
		}
		return s, fault.Wrap(fault.KindOf(err), err, "scratch folder")
	}
	s.pieces, s.logs = pieces.Path(), logs.Path()
	return s, nil
}

// store returns the store of artifacts.
func (s scratch) store() (*dir.Store, error) { return dir.New(s.pieces) }

// Artifacts returns the store of the artifacts in a scratch folder.
func Artifacts(scratch string) (*dir.Store, error) {
	home, err := makeScratch(scratch)
	if err != nil {
		return nil, err
	}
	return home.store()
}

// ledger opens the ledger.
func (s scratch) ledger(ctx context.Context) (*sqlite.Ledger, error) {
	if err := s.ReserveDatabase(ledgerFile); err != nil {
		return nil, fault.Wrap(fault.KindOf(err), err, "ledger")
	}
	return sqlite.Open(ctx, filepath.Join(s.Path(), ledgerFile))
}
