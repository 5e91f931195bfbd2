package blob_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/fault"
)

// failingStore is a store whose Put reads limit bytes and then fails with err.
type failingStore struct {
	blob.Store
	limit int64
	err   error
}

func (s failingStore) Put(_ context.Context, _ string, r io.Reader) (blob.Info, error) {
	_, _ = io.CopyN(io.Discard, r, s.limit)
	return blob.Info{}, s.err
}

func TestWriteStoresWhatIsWritten(t *testing.T) {
	s := newStore(t)
	want := bytes.Repeat([]byte("0123456789"), 100_000)
	info, err := blob.Write(t.Context(), s, "a", func(w io.Writer) error {
		for chunk := want; len(chunk) > 0; chunk = chunk[1000:] {
			if _, err := w.Write(chunk[:1000]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil || info.Key != "a" || info.Size != int64(len(want)) {
		t.Fatalf("got %+v, %v", info, err)
	}
	if got, err := blob.ReadRange(t.Context(), s, "a", 0, -1); err != nil || !bytes.Equal(got, want) {
		t.Errorf("the object has %d bytes, %v, want %d", len(got), err, len(want))
	}
	if info, err := blob.Write(t.Context(), s, "empty", func(io.Writer) error { return nil }); err != nil || info.Size != 0 {
		t.Errorf("nothing written: got %+v, %v", info, err)
	}
}

func TestWritePublishesNothingAfterAnErrorOfTheWriter(t *testing.T) {
	s := newStore(t)
	put(t, s, "a", "old")
	broken := fault.New(fault.Corrupt, "the source is broken")
	_, err := blob.Write(t.Context(), s, "a", func(w io.Writer) error {
		if _, err := io.WriteString(w, "half"); err != nil {
			return err
		}
		return broken
	})
	if !errors.Is(err, broken) || fault.KindOf(err) != fault.Corrupt {
		t.Errorf("got %v of kind %s, want the writer's error", err, fault.KindOf(err))
	}
	if got, err := blob.ReadRange(t.Context(), s, "a", 0, -1); err != nil || string(got) != "old" {
		t.Errorf("the object is %q, %v, want the old one", got, err)
	}
}

func TestWriteEndsWhenTheStoreFails(t *testing.T) {
	full := fault.New(fault.OutOfSpace, "the disk is full")
	var seen error
	_, err := blob.Write(t.Context(), failingStore{limit: 10, err: full}, "a", func(w io.Writer) error {
		for seen == nil {
			_, seen = w.Write(make([]byte, 100))
		}
		return seen
	})
	if !errors.Is(err, full) || fault.KindOf(err) != fault.OutOfSpace || !errors.Is(seen, full) {
		t.Errorf("got %v of kind %s, and the writer %v, want the store's error", err, fault.KindOf(err), seen)
	}
}

func TestWriteReportsAWriterThatTheStoreCutOff(t *testing.T) {
	_, err := blob.Write(t.Context(), failingStore{limit: 1}, "a", func(w io.Writer) error {
		_, err := w.Write(make([]byte, 100))
		return err
	})
	if !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("a store that stops reading and reports success: got %v, want io.ErrClosedPipe", err)
	}
}
