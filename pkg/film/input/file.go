package input

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"path"
	"path/filepath"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/work"
)

// ReadFile reads a file that a request names besides its source, with its digest. One that has more than limit bytes is an error of kind
// Invalid.
func ReadFile(ctx context.Context, resolve work.Resolver, url string, limit int64) (data []byte, digest string, err error) {
	if filepath.IsAbs(url) { // a store of one machine follows no links
		if real, err := filepath.EvalSymlinks(url); err == nil {
			url = real
		}
	}
	store, key, err := resolve(ctx, url)
	if err != nil {
		return nil, "", err
	}
	info, err := store.Stat(ctx, key)
	if err != nil {
		return nil, "", err
	}
	if info.Size > limit {
		return nil, "", fault.New(fault.Invalid, "it has %d bytes; at most %d", info.Size, limit)
	}
	from, err := store.Open(ctx, key, 0, limit)
	if err != nil {
		return nil, "", err
	}
	defer from.Close() //nolint:errcheck // it was only read
	if data, err = io.ReadAll(from); err != nil {
		return nil, "", err
	}
	sum := sha256.Sum256(data)
	return data, hex.EncodeToString(sum[:]), nil
}

// SameFile reads a file that the job's request names. One that has changed since the job began is an error of kind Invalid.
func SameFile(ctx context.Context, resolve work.Resolver, file film.File) ([]byte, error) {
	data, digest, err := ReadFile(ctx, resolve, file.URL, file.Size)
	if fault.KindOf(err) == fault.Invalid || err == nil && digest != file.Digest {
		return nil, fault.WithHint(fault.New(fault.Invalid, "%s has changed since the job began", path.Base(file.URL)),
			"run the same command again: it begins a new job")
	}
	return data, err
}
