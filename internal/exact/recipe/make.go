package recipe

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Make writes the source into dir, and returns its path. An error may mean that ffmpeg does not mux
// what was drawn.
func (r Recipe) Make(ctx context.Context, dir string) (string, error) {
	for _, s := range r.Steps() {
		if err := s.run(ctx, dir); err != nil {
			return "", err
		}
	}
	path := filepath.Join(dir, r.File())
	info, err := os.Stat(path)
	if err == nil && info.Size() == 0 {
		err = fmt.Errorf("%s is empty", path)
	}
	return path, err
}

func (s Step) run(ctx context.Context, dir string) error {
	switch {
	case s.Args != nil:
		cmd := exec.CommandContext(ctx, "ffmpeg", slices.Concat(quiet, s.Args)...)
		cmd.Dir = dir
		var errs bytes.Buffer
		cmd.Stderr = &errs
		if err := cmd.Run(); err != nil {
			return fmt.Errorf("%s: %w: %s", s, err, strings.TrimSpace(errs.String()))
		}
		return nil
	case s.Change != nil:
		var all []byte
		for _, name := range s.From {
			data, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				return err
			}
			all = append(all, data...)
		}
		return os.WriteFile(filepath.Join(dir, s.To), s.Change(all), 0o600)
	}
	return os.WriteFile(filepath.Join(dir, s.To), []byte(s.Text), 0o600)
}
