package isobmff

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestSegmentsDecodeNoFrameAfterItIsShown(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		// Draw frames at uneven times, reordered within mini-GOPs as encoders do: the last frame is
		// decoded first.
		step := rapid.Int64Range(20, 4000)
		var shown []int64
		now := rapid.Int64Range(0, 1<<40).Draw(t, "start")
		start := now
		shown = append(shown, now)
		now += step.Draw(t, "step")
		for range rapid.IntRange(0, 8).Draw(t, "groups") {
			var group []int64
			for range rapid.IntRange(1, 17).Draw(t, "frames") {
				group = append(group, now)
				now += step.Draw(t, "step")
			}
			last := len(group) - 1
			shown = append(shown, group[last])
			shown = append(shown, rapid.Permutation(group[:last]).Draw(t, "order")...)
		}
		chunk := Chunk{Track: Track{Handler: "vide", Timescale: 90000, Entry: []byte("\x00\x00\x00\x08avc1")}, Start: start}
		times := slices.Sorted(slices.Values(shown))
		for i, at := range shown {
			duration := now - times[i]
			if i+1 < len(times) {
				duration = times[i+1] - times[i]
			}
			chunk.Samples = append(chunk.Samples, Sample{1, uint32(duration), int32(at - times[i]), i == 0})
			chunk.Bytes++
		}
		delay := rapid.Int64Range(0, 20_000).Draw(t, "delay")
		runs, err := chunk.Cut(nil, now)
		if err != nil {
			t.Fatal(err)
		}
		p, err := runs[0].delayed(delay)
		if err != nil {
			t.Fatal(err)
		}
		decode := p.Start
		if decode != times[0] {
			t.Fatalf("decoding starts at %d, want the first frame's time %d", decode, times[0])
		}
		for i, s := range p.Samples {
			if s.Offset < 0 || s.Duration == 0 || decode+int64(s.Offset) != shown[i]+delay {
				t.Fatalf("sample %d of %v: decoded at %d for %d, shown %d later", i, shown, decode, s.Duration, s.Offset)
			}
			decode += int64(s.Duration)
		}
		if decode != now {
			t.Fatalf("decoding ends at %d, want %d", decode, now)
		}
	})
}
