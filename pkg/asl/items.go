package asl

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// maxItemBytes bounds what is read for one item of a stream, space included, so that a broken source cannot fill the
// memory. It is far above the payload limit, which then names the item.
const maxItemBytes = 8 << 20

// itemSource gives the items of a Map one by one.
type itemSource struct {
	total int // -1: not known
	next  func() (item json.RawMessage, more bool, err error)
	close func()
}

func (f *frame) items(ctx context.Context, m *mapping, d *data) (*itemSource, error) {
	if m.reader != nil {
		return f.stream(ctx, m.reader, d)
	}
	text := d.input.text
	if m.items != nil {
		var err error
		if text, err = m.items.eval(ctx, d); err != nil {
			return nil, err
		}
	}
	var list []json.RawMessage
	if err := json.Unmarshal(text, &list); err != nil || len(text) == 0 || text[0] != '[' {
		if m.items != nil {
			return nil, m.items.mistyped("an array", text)
		}
		return nil, &Error{
			Name: StatesQueryEvaluationError, Err: err,
			Cause: "the Map has no Items, and its input is no array",
		}
	}
	if err := payload("the items have", text); err != nil {
		return nil, err
	}
	return &itemSource{
		total: len(list),
		next: func() (json.RawMessage, bool, error) {
			if len(list) == 0 {
				return nil, false, nil
			}
			item := list[0]
			list = list[1:]
			return item, true, nil
		},
		close: func() {},
	}, nil
}

// stream opens the array that an ItemReader names.
func (f *frame) stream(ctx context.Context, r *itemReader, d *data) (*itemSource, error) {
	text, err := r.arguments.eval(ctx, d)
	if err != nil {
		return nil, err
	}
	most, err := r.maxItems.eval(ctx, d, 0)
	if err != nil {
		return nil, err
	}
	source := ItemSource{Resource: r.resource}
	var arguments struct{ Bucket, Key *string }
	strict := json.NewDecoder(bytes.NewReader(text))
	strict.DisallowUnknownFields()
	if err := strict.Decode(&arguments); err != nil || arguments.Bucket == nil || arguments.Key == nil {
		return nil, r.arguments.mistyped("an object of two strings, Bucket and Key,", text)
	}
	source.Bucket, source.Key = *arguments.Bucket, *arguments.Key
	failed := func(err error) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return &Error{
			Name: StatesItemReaderFailed, Err: err,
			Cause: cut(fmt.Sprintf("read the items of s3://%s/%s: %v", source.Bucket, source.Key, err), maxCause),
		}
	}
	body, err := f.Items(ctx, source)
	if err != nil {
		return nil, failed(err)
	}
	guard := &guardedReader{from: body, left: maxItemBytes}
	array := json.NewDecoder(guard)
	if t, err := array.Token(); err != nil || t != json.Delim('[') {
		_ = body.Close() // only read
		if err == nil {
			err = fmt.Errorf("not a JSON array: it begins with %v", t)
		}
		return nil, failed(err)
	}
	given := 0.0
	return &itemSource{
		total: -1,
		next: func() (json.RawMessage, bool, error) {
			if most > 0 && given >= most {
				return nil, false, nil
			}
			if !array.More() {
				if _, err := array.Token(); err != nil { // the closing bracket
					return nil, false, failed(truncated(err))
				}
				if _, err := array.Token(); !errors.Is(err, io.EOF) {
					return nil, false, failed(errors.New("something follows the JSON array"))
				}
				return nil, false, nil
			}
			guard.left = maxItemBytes
			var item json.RawMessage
			if err := array.Decode(&item); err != nil {
				return nil, false, failed(truncated(err))
			}
			given++
			item, err := compact(item)
			if err != nil {
				return nil, false, failed(err)
			}
			return item, true, nil
		},
		close: func() { _ = body.Close() }, // only read
	}, nil
}

func truncated(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// guardedReader fails when more is read than it was allowed.
type guardedReader struct {
	from io.Reader
	left int
}

func (g *guardedReader) Read(p []byte) (int, error) {
	if g.left <= 0 {
		return 0, fmt.Errorf("an item is longer than %d bytes", maxItemBytes)
	}
	n, err := g.from.Read(p[:min(len(p), g.left)])
	g.left -= n
	return n, err // io.EOF must stay what it is
}
