package asl

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/mapreel/mapreel/pkg/asl/definition"
	"github.com/mapreel/mapreel/pkg/asl/jsonata"
)

// maxItemBytes bounds the bytes that are read for one item of a stream, including white space, so
// that a broken source cannot fill the memory. It is far above the payload limit, whose error names
// the item.
const maxItemBytes = 8 << 20

// ItemReader opens the JSON array that a Map's ItemReader names. The items are read one by one
// while children run.
type ItemReader func(ctx context.Context, source ItemSource) (io.ReadCloser, error)

// ItemSource identifies the array.
type ItemSource struct {
	Resource string // arn:aws:states:::s3:getObject, of any partition
	Bucket   string
	Key      string
}

// itemSource returns the items of a Map one by one.
type itemSource struct {
	total int // -1: unknown
	next  func() (item json.RawMessage, more bool, err error)
	close func()
}

// arraySource returns the items of a Map without an ItemReader: its Items, or its input.
func arraySource(ctx context.Context, m *definition.Map, d *data) (*itemSource, error) {
	text := d.input.text
	if m.Items != nil {
		var err error
		if text, err = m.Items.Eval(ctx, d); err != nil {
			return nil, err
		}
	}
	var list []json.RawMessage
	if err := json.Unmarshal(text, &list); err != nil || len(text) == 0 || text[0] != '[' {
		if m.Items != nil {
			return nil, m.Items.Mistyped("an array", text)
		}
		return nil, &Error{
			Name: StatesQueryEvaluationError, Err: err, evaluation: true, internal: true,
			Cause: "The Map has no Items, and its input is not an array.",
		}
	}
	if err := checkPayload("the items have", text); err != nil {
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

// itemReader is an ItemReader with its fields evaluated.
type itemReader struct {
	source ItemSource
	most   float64 // MaxItems; 0 is no limit
}

func newItemReader(ctx context.Context, r *definition.ItemReader, d *data) (*itemReader, error) {
	text, err := r.Arguments.Eval(ctx, d)
	if err != nil {
		return nil, err
	}
	most, err := r.MaxItems.Eval(ctx, d, 0)
	if err != nil {
		return nil, err
	}
	var arguments struct{ Bucket, Key *string }
	strict := json.NewDecoder(bytes.NewReader(text))
	strict.DisallowUnknownFields()
	if err := strict.Decode(&arguments); err != nil || arguments.Bucket == nil || arguments.Key == nil {
		return nil, r.Arguments.Mistyped("an object of two strings, Bucket and Key,", text)
	}
	return &itemReader{ItemSource{Resource: r.Resource, Bucket: *arguments.Bucket, Key: *arguments.Key}, most}, nil
}

// open opens the array. Its errors, and those of the items, are States.ItemReaderFailed.
func (r *itemReader) open(ctx context.Context, read ItemReader) (*itemSource, error) {
	failed := func(err error) error {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return &Error{
			Name: StatesItemReaderFailed, Err: err,
			Cause: truncate(fmt.Sprintf("read the items of s3://%s/%s: %v", r.source.Bucket, r.source.Key, err), maxCause),
		}
	}
	body, err := read(ctx, r.source)
	if err != nil {
		return nil, failed(err)
	}
	limited := &itemLimitReader{from: body, left: maxItemBytes}
	array := json.NewDecoder(limited)
	if t, err := array.Token(); err != nil || t != json.Delim('[') {
		_ = body.Close() // only read
		if err == nil {
			err = fmt.Errorf("not a JSON array: it begins with %v", t)
		}
		return nil, failed(err)
	}
	count := 0.0
	next := func() (json.RawMessage, error) {
		if r.most > 0 && count >= r.most {
			return nil, nil
		}
		if !array.More() {
			if _, err := array.Token(); err != nil { // the closing bracket
				return nil, unexpectedEnd(err)
			}
			if _, err := array.Token(); !errors.Is(err, io.EOF) {
				return nil, errors.New("there is text after the JSON array")
			}
			return nil, nil
		}
		limited.left = maxItemBytes
		var item json.RawMessage
		if err := array.Decode(&item); err != nil {
			return nil, unexpectedEnd(err)
		}
		count++
		return jsonata.Compact(item)
	}
	return &itemSource{
		total: -1,
		next: func() (json.RawMessage, bool, error) {
			item, err := next()
			if err != nil {
				return nil, false, failed(err)
			}
			return item, item != nil, nil
		},
		close: func() { _ = body.Close() }, // only read
	}, nil
}

func unexpectedEnd(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// itemLimitReader fails if more bytes are read than are left.
type itemLimitReader struct {
	from io.Reader
	left int
}

func (r *itemLimitReader) Read(p []byte) (int, error) {
	if r.left <= 0 {
		return 0, fmt.Errorf("an item is longer than %d bytes", maxItemBytes)
	}
	n, err := r.from.Read(p[:min(len(p), r.left)])
	r.left -= n
	return n, err // io.EOF must not be wrapped
}
