package merge

import (
	"bytes"
	"context"
	"io"

	"golang.org/x/sync/errgroup"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/isobmff"
)

// writeProtected does what write does, for media segments that are encrypted: their packets pass through this worker, those of one
// segment at a time.
func (w *audioWriter) writeProtected(ctx context.Context, g *errgroup.Group, facts *film.MediaFacts, segments []isobmff.Segment) error {
	const handler = "soun"
	track := isobmff.Track{Handler: handler, Timescale: facts.Timescale, Entry: facts.Entry, Enabled: true}
	init, err := track.Init()
	if err != nil {
		return err
	}
	payload := make([][]byte, len(segments))
	for n, s := range segments {
		size := int64(0)
		for _, f := range s.Fragments {
			size += f.Bytes
		}
		if payload[n], err = readParts(ctx, subrange(w.ranges, w.at, size), size); err != nil {
			return err
		}
		w.at += size
		if !w.protection.Samples() {
			continue
		}
		e, err := w.protection.Encryptor(init, handler, w.name)
		if err != nil {
			return err
		}
		if segments[n], err = e.Segment(s, payload[n]); err != nil {
			return err
		}
	}
	w.protection.Resize(facts, segments)
	w.media = append(w.media, facts.Segments...)
	for n, s := range segments {
		var file bytes.Buffer
		err := w.protection.Write(&file, handler, w.name, s.Start, func(out io.Writer) error { return s.Write(out, bytes.NewReader(payload[n])) })
		if err != nil {
			return err
		}
		if w.headers != nil {
			w.payload = append(w.payload, blob.Part{From: blob.NewFile(w.headers), Key: headerFile, Offset: w.length, Length: int64(file.Len())})
			w.length += int64(file.Len())
			if _, err := w.headers.Write(file.Bytes()); err != nil {
				return err
			}
			continue
		}
		g.Go(func() error {
			_, err := w.put(ctx, w.path(facts.Segments[n]), file.Bytes())
			return err
		})
	}
	return nil
}

// readParts returns the bytes of parts, of which there are size.
func readParts(ctx context.Context, parts []blob.Part, size int64) ([]byte, error) {
	data := make([]byte, 0, size)
	for _, p := range parts {
		more, err := blob.ReadRange(ctx, p.From, p.Key, p.Offset, p.Length)
		if err != nil {
			return nil, err
		}
		data = append(data, more...)
	}
	if int64(len(data)) != size {
		return nil, fault.New(fault.Corrupt, "an audio part has %d bytes instead of %d", len(data), size)
	}
	return data, nil
}
