package local

import (
	"bytes"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/work"
)

// Messages arrive complete however the pipe divides them, and a failure keeps all that callers use of it.
func TestMessagesArriveComplete(t *testing.T) {
	exit := &ffmpeg.ExitError{Program: "ffmpeg", Code: -1, Signal: syscall.SIGSEGV, Line: "it hurts", Tail: "some\nlines \x01 ü"}
	failed := fault.WithHint(fault.Wrap(fault.Unsupported, exit, "segment 3 (2s to 4s)"), "try another")
	sent := []message{
		{Event: &engine.Event{
			Type: engine.Progress, Job: "j", Unit: "video/00003", Attempt: 2, Amount: work.Amount{Count: 7, Media: 8, Bytes: 9},
		}},
		{Output: json.RawMessage(`{}`)},
		{Failure: failureOf(failed)},
		{Failure: failureOf(errors.New("plain"))},
	}
	var text bytes.Buffer
	w := &messageWriter{out: &text}
	for _, m := range sent {
		w.write(m)
	}
	text.WriteString(`{"event":{"type":"prog`) // the writer was killed
	for _, size := range []int{1, 7, 50, 1 << 20} {
		var got []message
		r := &messageReader{handle: func(m message) error { got = append(got, m); return nil }}
		for rest := text.Bytes(); len(rest) > 0; {
			n, err := r.Write(rest[:min(size, len(rest))])
			if err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if diff := cmp.Diff(sent, got); diff != "" {
			t.Fatalf("in writes of %d bytes (-sent +got):\n%s", size, diff)
		}
		err := got[2].Failure.err()
		var received *ffmpeg.ExitError
		if fault.KindOf(err) != fault.Unsupported || err.Error() != failed.Error() || fault.HintOf(err) != "try another" || !errors.As(err, &received) {
			t.Errorf("%v arrives as %v (%s, hint %q)", failed, err, fault.KindOf(err), fault.HintOf(err))
		}
		if diff := cmp.Diff(exit, received); diff != "" {
			t.Errorf("the program's exit (-sent +got):\n%s", diff)
		}
		if err := got[3].Failure.err(); fault.KindOf(err) != fault.Internal || err.Error() != "plain" || errors.As(err, &received) {
			t.Errorf("an error without a program arrives as %v", err)
		}
	}
}

func TestTextThatIsNoMessageIsAnError(t *testing.T) {
	for _, text := range []string{"hello\n", `{"evnt":{}}` + "\n", strings.Repeat("x", maxLine+1)} {
		r := &messageReader{handle: func(message) error { return nil }}
		if _, err := r.Write([]byte(text)); fault.KindOf(err) != fault.Internal {
			t.Errorf("%.20q gives %v", text, err)
		}
	}
}

func TestLogRecordsArrive(t *testing.T) {
	var text bytes.Buffer
	log := slog.New(slog.NewTextHandler(&text, &slog.HandlerOptions{Level: slog.LevelInfo, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}))
	sender := slog.New(slog.NewJSONHandler(recordWriter{func(m message) {
		if err := replay(t.Context(), log, m.Log); err != nil {
			t.Error(err)
		}
	}}, &slog.HandlerOptions{Level: slog.LevelDebug}))
	sender.With("stage", "encode").Warn("frames differ", "segment", 3, "error", errors.New("lost"))
	sender.Debug("below the level of the log")
	if got, want := text.String(), "level=WARN msg=\"frames differ\" error=lost segment=3 stage=encode\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
