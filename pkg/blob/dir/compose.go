package dir

import (
	"container/list"
	"context"
	"io"
	"os"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/fault"
)

// maxOpen is how many source files Compose keeps open: far below the 256 descriptors that the most frugal systems
// allow a process, and more than the tracks of a film, whose pieces alternate.
const maxOpen = 64

// Compose publishes an object made of parts. From other folders the kernel copies, or shares, the bytes; from any other
// store they are streamed.
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

// continues reports that q begins where p ends in the same object.
func continues(p, q blob.Part) bool {
	return p.From != nil && p.From == q.From && p.Key == q.Key && p.Offset+p.Length == q.Offset
}

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
		return w.exactly(ctx, source{r}, p)
	}
	f, err := files.open(from, p.Key)
	if err != nil {
		return sourceError{from.fail("read", p.Key, err)}
	}
	if _, err := f.Seek(p.Offset, io.SeekStart); err != nil {
		return sourceError{from.fail("read", p.Key, err)}
	}
	return w.exactly(ctx, f, p)
}

// exactly writes the part's bytes from r and fails when there are fewer.
func (w *writer) exactly(ctx context.Context, r io.Reader, p blob.Part) error {
	n, err := w.copyUpTo(ctx, r, p.Length)
	if err == nil && n < p.Length {
		err = fault.New(fault.Corrupt, "%q ends after %d of the %d bytes from %d", p.Key, n, p.Length, p.Offset)
	}
	return err
}

type fileName struct {
	store *Store
	key   string
}

// openFiles keeps the maxOpen files that were used last.
type openFiles struct {
	byName map[fileName]*list.Element
	recent list.List // of openFile, the newest in front
}

type openFile struct {
	name fileName
	file *os.File
}

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
	_ = f.file.Close()
}

func (o *openFiles) close() {
	for o.recent.Len() > 0 {
		o.drop(o.recent.Back())
	}
}
