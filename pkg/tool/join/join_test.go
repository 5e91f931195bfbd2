package join_test

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/tool/join"
)

// tenSeconds returns pieces of ten seconds with these contents.
func tenSeconds(contents ...string) join.Pieces {
	return func(yield func(join.Piece, error) bool) {
		for i, text := range contents {
			p := join.Piece{
				Name: "piece", Start: media.Ticks(i * 10_000_000), End: media.Ticks((i + 1) * 10_000_000),
				Open: func() (io.ReadCloser, error) { return io.NopCloser(strings.NewReader(text)), nil },
			}
			if !yield(p, nil) {
				return
			}
		}
	}
}

func TestCuesAreShiftedAndRepairedAtSeams(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		format string
		pieces []string
		want   string
	}{
		"SRT": {".srt", []string{
			"1\n00:00:01,000 --> 00:00:02,500\nOne\nmore line\n\n2\r\n00:00:09,000 --> 00:00:10,000\r\nacross\r\n",
			"1\n00:00:00,000 --> 00:00:01,200\nacross\n\n2\n00:00:03,000 --> 00:00:04,000\nThree\n",
			"",
		}, "1\n00:00:01,000 --> 00:00:02,500\nOne\nmore line\n\n2\n00:00:09,000 --> 00:00:11,200\nacross\n\n3\n00:00:13,000 --> 00:00:14,000\nThree\n\n"},
		"the same text later in the next piece is another cue": {".srt", []string{
			"1\n00:00:09,000 --> 00:00:10,000\nno\n", "1\n00:00:02,000 --> 00:00:03,000\nno\n",
		}, "1\n00:00:09,000 --> 00:00:10,000\nno\n\n2\n00:00:12,000 --> 00:00:13,000\nno\n\n"},
		"a cue beyond its piece ends at the next": {".srt", []string{
			"1\n00:00:09,000 --> 00:00:12,000\na\n", "1\n00:00:01,000 --> 00:00:02,000\nb\n",
		}, "1\n00:00:09,000 --> 00:00:11,000\na\n\n2\n00:00:11,000 --> 00:00:12,000\nb\n\n"},
		"cues that a seam cut at one time": {".vtt", []string{
			"WEBVTT\n\n00:01.000 --> 00:10.000\na\n\n00:02.000 --> 00:03.000\nb\n\n00:09.000 --> 00:10.000\nb\n",
			"WEBVTT\n\n00:00.000 --> 00:10.000\na\n\n00:00.000 --> 00:04.000\nb\n\n00:05.000 --> 00:06.000\nc\n",
			"WEBVTT\n\n00:00.000 --> 00:01.000\na\n\n00:02.000 --> 00:03.000\nb\n",
		}, "WEBVTT\n\n00:00:01.000 --> 00:00:21.000\na\n\n00:00:02.000 --> 00:00:03.000\nb\n\n00:00:09.000 --> 00:00:14.000\nb\n\n" +
			"00:00:15.000 --> 00:00:16.000\nc\n\n00:00:22.000 --> 00:00:23.000\nb\n\n"},
		"WebVTT": {".vtt", []string{
			"WEBVTT - x\n\nSTYLE\n::cue {}\n\nNOTE no\n\nid\n00:01.000 --> 00:02.000 line:0\n<b>x</b>\n",
			"WEBVTT\n\nSTYLE\n::cue {}\n\n00:00:01.000 --> 00:00:02.000\ny\n",
		}, "WEBVTT\n\nSTYLE\n::cue {}\n\n00:00:01.000 --> 00:00:02.000 line:0\n<b>x</b>\n\n00:00:11.000 --> 00:00:12.000\ny\n\n"},
		"none": {".vtt", nil, "WEBVTT\n\n"},
	} {
		var b bytes.Buffer
		if err := join.Cues(&b, c.format, tenSeconds(c.pieces...)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(c.want, b.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	for _, bad := range []string{"hello", "1\n00:00:01 --> x\na\n", "1\n00:00:02,000 --> 00:00:01,000\na\n", "\xff"} {
		if err := join.Cues(io.Discard, ".srt", tenSeconds(bad)); fault.KindOf(err) != fault.Unsupported {
			t.Errorf("%q: got %v", bad, err)
		}
	}
}

func TestTimesOfLinesAreShifted(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		format string
		pieces []string
		want   string
	}{
		"JSON": {".jsonl", []string{
			`{"time": 0.5, "label": "a", "in": {"time": 1}}` + "\n", "\n" + `{ "label":"b", "time":1.25,"end" : 2e0,"start":null}`,
		}, `{"time": 0.5, "label": "a", "in": {"time": 1}}` + "\n" + `{ "label":"b", "time":11.25,"end" : 12,"start":null}` + "\n"},
		"CSV": {".csv", []string{"time,what\n0.5,\"a,b\"\n", "time,what\n0.1,c\n,d\n", ""}, "time,what\n0.5,\"a,b\"\n10.1,c\n,d\n"},
	} {
		var b bytes.Buffer
		if err := join.Lines(&b, c.format, []string{"time", "start", "end"}, tenSeconds(c.pieces...)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(c.want, b.String()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
	for name, c := range map[string]struct{ format, text string }{
		"no object": {".jsonl", "[1]"}, "cut": {".jsonl", `{"time": 1`}, "two": {".jsonl", "{} {}"}, "no time": {".csv", "time\nx\n"}, "ragged": {".csv", "a,b\n1\n"},
	} {
		if err := join.Lines(io.Discard, c.format, []string{"time"}, tenSeconds("", c.text)); fault.KindOf(err) != fault.Unsupported {
			t.Errorf("%s: got %v", name, err)
		}
	}
	if err := join.Lines(io.Discard, ".csv", nil, tenSeconds("a,b\n1,2\n", "b,a\n1,2\n")); fault.KindOf(err) != fault.Unsupported {
		t.Errorf("other columns: got %v", err)
	}
}
