package isobmff

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/fault"
)

func TestTrimKeepsTheSamplesShownBetweenTwoKeyframes(t *testing.T) {
	whole := Chunk{Start: 100, Bytes: 28, Samples: []Sample{
		{Size: 1, Duration: 10, Sync: true},
		{Size: 2, Duration: 10},
		{Size: 3, Duration: 10, Sync: true},
		{Size: 4, Duration: 10, Offset: 10}, // shown after the next sample
		{Size: 5, Duration: 10, Offset: -10},
		{Size: 6, Duration: 10, Sync: true},
		{Size: 7, Duration: 10},
	}}
	extents := []Extent{{1000, 7}, {2000, 21}}
	from, to := int64(120), int64(150)
	got, where, err := whole.Trim(extents, &from, &to)
	if err != nil {
		t.Fatal(err)
	}
	want := Chunk{Start: 120, Bytes: 12, Samples: whole.Samples[2:5]}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("chunk (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([]Extent{{1003, 4}, {2000, 8}}, where); diff != "" {
		t.Errorf("extents (-want +got):\n%s", diff)
	}
	if got, where, err = whole.Trim(extents, nil, nil); err != nil || cmp.Diff(whole, got) != "" || cmp.Diff(extents, where) != "" {
		t.Errorf("open on both sides: %+v at %v, error %v; want all samples", got, where, err)
	}
	for name, at := range map[string][2]int64{"start": {110, 150}, "end": {120, 140}} {
		if _, _, err := whole.Trim(extents, &at[0], &at[1]); fault.KindOf(err) != fault.Corrupt {
			t.Errorf("%s without a keyframe: error %v, want Corrupt", name, err)
		}
	}
	none := int64(500)
	if got, where, err = whole.Trim(extents, &none, nil); err != nil || len(got.Samples) != 0 || got.Bytes != 0 || len(where) != 0 {
		t.Errorf("no sample in the range: %+v at %v, error %v; want none", got, where, err)
	}
}
