package preview

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/crc32"
	"io"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/work"
)

// maxWrites is how many stills are written at once: enough to hide a store's latency. As many are in memory.
const maxWrites = 8

// name returns the name of the file that begins at a time in microseconds. Names sort in the film's order: they have the time in
// seconds, or in milliseconds where files are not whole seconds apart.
func (a *attempt) name(at media.Ticks, extension string) string {
	if a.plan.Milliseconds {
		return fmt.Sprintf("%s-%09d.%s", a.out.Name, (at+500)/1000, extension)
	}
	return fmt.Sprintf("%s-%06d.%s", a.out.Name, at/1_000_000, extension)
}

// stills publishes each picture as a file.
func (a *attempt) stills(ctx context.Context, list []picture) ([]film.PreviewEntry, error) {
	entries := make([]film.PreviewEntry, len(list))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(maxWrites)
	var mu sync.Mutex
	err := a.read(ctx, list, func(p picture, data []byte) error {
		data = bytes.Clone(data)
		g.Go(func() error {
			name := a.name(a.pictures.Time(p.number), string(a.plan.Format))
			store, key, err := a.store(ctx, name)
			if err == nil {
				_, err = store.Put(ctx, key, bytes.NewReader(data))
			}
			if err != nil {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			entries[p.number-a.slice.From] = a.entry(name, p.number, p.number+1, data)
			a.artifacts = append(a.artifacts, work.Artifact{Folder: a.folder(), Key: name, Size: int64(len(data))})
			return nil
		})
		return ctx.Err()
	})
	if werr := g.Wait(); werr != nil {
		err = werr
	}
	return entries, err
}

// archive publishes the pictures in one zip file, without compression: each is a range of it.
func (a *attempt) archive(ctx context.Context, list []picture) ([]film.PreviewEntry, error) {
	name := a.name(a.slice.Start, "zip")
	store, key, err := a.store(ctx, name)
	if err != nil {
		return nil, err
	}
	var entries []film.PreviewEntry
	info, err := blob.Write(ctx, store, key, func(w io.Writer) error {
		entries = nil
		counted := &countingWriter{w: w}
		z := zip.NewWriter(counted)
		err := a.read(ctx, list, func(p picture, data []byte) error {
			file := a.name(a.pictures.Time(p.number), string(a.plan.Format))
			header := &zip.FileHeader{
				Name: file, Method: zip.Store, CRC32: crc32.ChecksumIEEE(data), CompressedSize64: uint64(len(data)), UncompressedSize64: uint64(len(data)),
				ModifiedDate: 1<<5 | 1, //nolint:staticcheck // 1 January 1980, always; CreateRaw writes this field, and not Modified
			}
			to, err := z.CreateRaw(header)
			if err == nil {
				err = z.Flush()
			}
			if err != nil {
				return err
			}
			e := a.entry(name, p.number, p.number+1, data)
			e.Offset = counted.n
			entries = append(entries, e)
			_, err = to.Write(data)
			return err
		})
		if err != nil {
			return err
		}
		return z.Close()
	})
	if err != nil {
		return nil, err
	}
	a.artifacts = append(a.artifacts, work.Artifact{Folder: a.folder(), Key: name, Size: info.Size})
	return entries, nil
}

// countingWriter counts the bytes that it passes on.
type countingWriter struct {
	w io.Writer
	n int64
}

func (c *countingWriter) Write(p []byte) (int, error) {
	n, err := c.w.Write(p)
	c.n += int64(n)
	return n, err
}

// digest returns the SHA-256 of data as it is listed.
func digest(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}
