package timedtext

import (
	"encoding/binary"
	"slices"
	"strings"
	"testing"

	"github.com/mapreel/mapreel/pkg/isobmff"
	"pgregory.net/rapid"
)

// textSample returns a sample with modifier boxes.
func textSample(text string, boxes ...byte) []byte {
	return append(append(binary.BigEndian.AppendUint16(nil, uint16(len(text))), text...), boxes...)
}

// textOf returns the text of each sample, and when it is shown.
func textOf(c isobmff.Chunk, payload []byte) (shown []string, from, to []int64) {
	now := c.Start
	for _, s := range c.Samples {
		text, _ := splitText(payload[:s.Size])
		payload = payload[s.Size:]
		shown, from, to = append(shown, string(text)), append(from, now), append(to, now+int64(s.Duration))
		now += int64(s.Duration)
	}
	return shown, from, to
}

func TestOverlappingTextsAreShownTogether(t *testing.T) {
	bold := func(from, to byte) []byte {
		return []byte{0, 0, 0, 22, 's', 't', 'y', 'l', 0, 1, 0, from, 0, to, 0, 1, 1, 16, 255, 255, 255, 255}
	}
	c, payload, err := Encode(isobmff.Track{Timescale: 1000}, []Event{
		{-500, 1000, textSample("früh")},
		{1000, 2000, textSample("über")},
		{2000, 500, textSample("zwei", bold(1, 3)...)},
		{5000, 0, textSample("open")},
		{6000, 100, textSample("")},
	})
	if err != nil {
		t.Fatal(err)
	}
	shown, from, to := textOf(c, payload)
	if want := []string{"früh", "", "über", "über\nzwei", "über", "", "open"}; !slices.Equal(shown, want) {
		t.Errorf("%q", shown)
	}
	if want := []int64{0, 500, 1000, 2000, 2500, 3000, 5000}; !slices.Equal(from, want) || to[6] != 6000 {
		t.Errorf("from %v to %v", from, to)
	}
	if want := string(bold(6, 8)); !strings.Contains(string(payload), want) { // after "über" and a line break
		t.Errorf("the style was lost or not moved: %q", payload)
	}
}

func TestALongPauseIsSeveralSamples(t *testing.T) {
	c, _, err := Encode(isobmff.Track{Timescale: 1_000_000}, []Event{{9_000_000_000, 1_000_000, textSample("late")}})
	if err != nil || c.End() != 9_001_000_000 || len(c.Samples) != 4 {
		t.Errorf("%d samples end at %d, %v", len(c.Samples), c.End(), err)
	}
}

// It compares the texts that are shown at each tick.
func TestEachEventIsShownAtItsTime(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var events []Event
		for i := range rapid.IntRange(0, maxOverlap).Draw(t, "events") {
			events = append(events, Event{
				rapid.Int64Range(-20, 60).Draw(t, "start"), rapid.Int64Range(1, 30).Draw(t, "duration"), textSample(string(rune('a' + i))),
			})
		}
		c, payload, err := Encode(isobmff.Track{Timescale: 10}, events)
		if err != nil {
			t.Fatal(err)
		}
		shown, from, to := textOf(c, payload)
		for tick := int64(0); tick < 100; tick++ {
			var want []string
			for _, e := range events {
				if e.Start <= tick && tick < e.Start+e.Duration {
					want = append(want, string(e.Data[2:]))
				}
			}
			var got []string
			for i := range shown {
				if from[i] <= tick && tick < to[i] && shown[i] != "" {
					got = strings.Split(shown[i], "\n")
				}
			}
			slices.Sort(want)
			slices.Sort(got)
			if !slices.Equal(got, want) {
				t.Fatalf("at %d: %q, want %q", tick, got, want)
			}
		}
	})
}

func FuzzEncode(f *testing.F) {
	f.Add(textSample("über", 0, 0, 0, 22, 's', 't', 'y', 'l', 0, 1, 0, 1, 0, 3, 0, 1, 1, 16, 255, 255, 255, 255), int64(0), int64(5))
	f.Add([]byte{0xff, 0xff}, int64(-1), int64(0))
	f.Fuzz(func(t *testing.T, data []byte, start, duration int64) {
		if len(data) > 1<<16 {
			return
		}
		if start > 1<<40 || duration > 1<<40 || start < -1<<40 {
			return // years of empty samples take too long
		}
		c, payload, err := Encode(isobmff.Track{Timescale: 1000}, []Event{{start, duration, data}, {0, 10, textSample("b")}})
		if err == nil && (c.Bytes != int64(len(payload)) || len(payload) > 2*len(data)+64+2*len(c.Samples)) {
			t.Fatalf("%d bytes of payload from %d", len(payload), len(data))
		}
	})
}
