package audio

import (
	"math"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/plan"
	"github.com/mapreel/mapreel/pkg/media"
)

const (
	frame = media.Ticks(1024)
	step  = 1000 // packets in a part
)

// threeParts returns the parts of an AAC track of 2,500 packets, whose packets are the same in every
// part that holds them, and what their workers report.
func threeParts() ([]film.AudioPart, []film.AudioFacts) {
	j := film.Job{AudioRenditions: []film.AudioRendition{{Codec: film.AAC, Mux: film.MP4, Rate: 48_000, Step: step * frame, Parts: 3}}}
	parts := j.AudioParts()
	facts := make([]film.AudioFacts, len(parts))
	const reach = plan.JoinReach + plan.EqualPackets
	for i := range parts {
		from, to := max(i*step-reach, 0), min((i+1)*step+reach, 2500)
		facts[i] = film.AudioFacts{
			Samples: to - from, Begin: media.Ticks(from) * frame, Last: media.Ticks(to-1) * frame,
			Length: media.Ticks(to-1) * frame, Skip: frame,
		}
		overlap := func(edge media.Ticks) *film.Overlap {
			first, end := plan.JoinRange(film.AAC, edge)
			o := &film.Overlap{First: first - plan.EqualPackets}
			for n := o.First; n < end; n++ {
				o.Sums, o.Shapes, o.RMS = append(o.Sums, uint32(n)), append(o.Shapes, 0), append(o.RMS, 0)
			}
			return o
		}
		if i > 0 {
			facts[i].Head = overlap(parts[i].Start)
		}
		if !parts[i].Last {
			facts[i].Tail = overlap(parts[i].End)
		}
	}
	return parts, facts
}

func TestPartsContributeEachPacketOnce(t *testing.T) {
	parts, facts := threeParts()
	uses, err := Join(film.AAC, parts, facts)
	if err != nil {
		t.Fatal(err)
	}
	if len(uses) != 3 || uses[0].From != 0 || uses[2].Until != math.MaxInt64 {
		t.Fatalf("got %v", uses)
	}
	for i, u := range uses {
		if i > 0 && u.From != uses[i-1].Until {
			t.Errorf("part %d contributes from %d, the part before it until %d", i, u.From, uses[i-1].Until)
		}
		if u.From < facts[i].Begin || i < 2 && u.Until > facts[i].Last+frame {
			t.Errorf("part %d holds %d to %d and contributes %v", i, facts[i].Begin, facts[i].Last, u)
		}
	}
	whole := Combine(film.AAC, facts, len(uses))
	want := film.AudioFacts{Samples: 2500, Last: 2499 * frame, Length: 2499 * frame, Skip: frame}
	if diff := cmp.Diff(want, whole); diff != "" {
		t.Errorf("whole track (-want +got):\n%s", diff)
	}
}

func TestPartsAfterTheEndOfTheAudioContributeNothing(t *testing.T) {
	parts, facts := threeParts()
	facts[1].Samples, facts[1].Last, facts[1].Tail = facts[1].Samples-500, facts[1].Last-500*frame, nil
	facts[2] = film.AudioFacts{}
	uses, err := Join(film.AAC, parts, facts)
	if err != nil || len(uses) != 2 || uses[1].Until != math.MaxInt64 {
		t.Errorf("got %v, %v", uses, err)
	}
	if whole := Combine(film.AAC, facts, len(uses)); whole.Last != facts[1].Last {
		t.Errorf("the track ends at %d, want %d", whole.Last, facts[1].Last)
	}
}

func TestAGapBetweenPartsIsCorrupt(t *testing.T) {
	for name, corrupt := range map[string]func([]film.AudioFacts){
		"the first part is empty":         func(f []film.AudioFacts) { f[0] = film.AudioFacts{} },
		"a part in the middle ends early": func(f []film.AudioFacts) { f[1].Last, f[1].Tail = 1500*frame, nil },
		"a part in the middle is empty":   func(f []film.AudioFacts) { f[1] = film.AudioFacts{} },
	} {
		parts, facts := threeParts()
		corrupt(facts)
		if uses, err := Join(film.AAC, parts, facts); fault.KindOf(err) != fault.Corrupt {
			t.Errorf("%s: %v, %v, want an error of kind Corrupt", name, uses, err)
		}
	}
}

func TestAWholeTrackIsUsedUnchanged(t *testing.T) {
	uses, err := Join(film.AudioCopy, []film.AudioPart{{Whole: true, Last: true}}, []film.AudioFacts{{}})
	if err != nil || len(uses) != 1 || uses[0] != (Use{}) {
		t.Errorf("got %v, %v", uses, err)
	}
}
