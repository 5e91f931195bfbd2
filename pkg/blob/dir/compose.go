package dir

import (
	"container/list"
	"context"
	"io"
	"os"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/fault"
)

// maxOpen is the number of source files that Compose keeps open. It is far below 256, the smallest
// usual limit on a process's descriptors, and above the number of tracks of a film, whose chunks
// alternate.
const maxOpen = 64

// Compose publishes an object that consists of parts. The kernel copies, or shares, the bytes of
// parts that come from a folder. Bytes of any other store are streamed.
func (s *Store) Compose(ctx context.Context, key string, parts []blob.Part) (blob.Info, error) {
	if err := s.begin(ctx, key); err != nil {
		return blob.Info{}, err
	}
	if _, err := blob.CheckParts(parts); err != nil {
		return blob.Info{}, err
	}
	return s.publish(ctx, "compose", key, func(w *writer) error {
		files := openFiles{byName: map[fileName]*list.Element{}}
		defer files.close()
		for i := 0; i < len(parts); {
			p := parts[i]
			for i++; i < len(parts) && continues(p, parts[i]); i++ {
				p.Length += parts[i].Length
			}
			if err := w.append(ctx, &files, p); err != nil {
				return err
			}
		}
		return nil
	})
}

// continues reports whether q begins where p ends in the same object.
func continues(p, q blob.Part) bool {
	return p.From != nil && p.From == q.From && p.Key == q.Key && p.Offset+p.Length == q.Offset
}

// append writes the bytes of a part.
func (w *writer) append(ctx context.Context, files *openFiles, p blob.Part) error {
	if p.From == nil {
		return w.write(p.Bytes)
	}
	from, ok := p.From.(*Store)
	if !ok {
		r, err := p.From.Open(ctx, p.Key, p.Offset, p.Length)
		if err != nil {
			return sourceError{err}
		}
		defer r.Close()
		return w.copyPart(ctx, source{r}, p)
	}
	f, err := files.open(from, p.Key)
	if err != nil {
		return sourceError{from.fail("read", p.Key, err)}
	}
	if _, err := f.Seek(p.Offset, io.SeekStart); err != nil {
		return sourceError{from.fail("read", p.Key, err)}
	}
	return w.copyPart(ctx, f, p)
}

// copyPart writes the bytes of a part from r and fails if r has fewer.
func (w *writer) copyPart(ctx context.Context, r io.Reader, p blob.Part) error {
	n, err := w.copyUpTo(ctx, r, p.Length)
	if err == nil && n < p.Length {
		err = fault.New(fault.Corrupt, "%q ends after %d of the %d bytes at %d", p.Key, n, p.Length, p.Offset)
	}
	return err
}

type fileName struct {
	store *Store
	key   string
}

// openFiles holds the maxOpen files that were used most recently.
type openFiles struct {
	byName map[fileName]*list.Element
	recent list.List // of openFile, the most recent first
}

type openFile struct {
	name fileName
	file *os.File
}

// open returns the open file at key of s. A later open or close may close it.
func (o *openFiles) open(s *Store, key string) (*os.File, error) {
	name := fileName{s, key}
	if e, ok := o.byName[name]; ok {
		o.recent.MoveToFront(e)
		return e.Value.(openFile).file, nil
	}
	f, _, err := s.openRegular(key)
	if err != nil {
		return nil, err
	}
	if o.recent.Len() >= maxOpen {
		o.drop(o.recent.Back())
	}
	o.byName[name] = o.recent.PushFront(openFile{name, f})
	return f, nil
}

func (o *openFiles) drop(e *list.Element) {
	f := o.recent.Remove(e).(openFile)
	delete(o.byName, f.name)
	_ = f.file.Close() // only read
}

func (o *openFiles) close() {
	for o.recent.Len() > 0 {
		o.drop(o.recent.Back())
	}
}
