package plan_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/plan"
	"github.com/mapreel/mapreel/pkg/media"
)

// anyAudio draws a job with audio of any codec and duration, up to some hundred hours.
func anyAudio(t *rapid.T) film.Job {
	var j film.Job
	j.Source.Duration = media.Ticks(rapid.Int64Range(0, 400*3600*1e6).Draw(t, "duration"))
	for range rapid.IntRange(1, 12).Draw(t, "tracks") {
		rate := rapid.SampledFrom([]int{8000, 22050, 44100, 48000, 88200, 96000, 192000}).Draw(t, "rate")
		tb := rapid.SampledFrom([]media.Rational{{Num: 1, Den: int64(rate)}, {Num: 1, Den: 1000}}).Draw(t, "timebase")
		j.Source.Audio = append(j.Source.Audio, film.AudioTrack{
			SampleRate: rate, Timebase: tb, Channels: 2,
			Start:    tb.Ticks(time.Duration(rapid.Int64Range(-5e9, 1e13).Draw(t, "start"))),
			Duration: max(0, tb.Ticks(time.Duration(rapid.Int64Range(-1e14, 1e15).Draw(t, "length")))),
			Clock:    rapid.SampledFrom([]film.SampleClock{film.ClockUnknown, film.ClockExact, film.ClockFramed}).Draw(t, "clock"),
		})
		j.AudioRenditions = append(j.AudioRenditions, film.AudioRendition{
			Track: len(j.AudioRenditions), Codec: rapid.SampledFrom([]film.AudioCodec{film.AudioCopy, film.AAC, film.Opus}).Draw(t, "codec"),
		})
	}
	return j
}

func TestAudioPartsCoverTheTrackInWholeFrames(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		j := anyAudio(t)
		length := time.Duration(rapid.Int64Range(int64(time.Second), int64(10*time.Minute)).Draw(t, "part length"))
		j.AudioRenditions = plan.DivideAudio(j, length)
		next, rendition := media.Ticks(0), -1
		for _, p := range j.AudioParts() {
			r := j.AudioRenditions[p.Rendition]
			if p.Rendition != rendition {
				if p.Rendition != rendition+1 || p.Start != 0 || rendition >= 0 && next != 0 {
					t.Fatalf("rendition %d begins with %+v after rendition %d", p.Rendition, p, rendition)
				}
				rendition, next = p.Rendition, 0
			}
			track := j.Source.Audio[r.Track]
			if p.Whole {
				if !p.Last || r.Rate != 0 || r.Step != 0 {
					t.Fatalf("%+v of %+v", p, r)
				}
				continue
			}
			if r.Codec == film.AudioCopy || track.Clock == film.ClockUnknown {
				t.Fatalf("%+v is divided", r)
			}
			if frame := r.Codec.Frame(); p.Start != next || p.Start%frame != 0 || !p.Last && (p.End%frame != 0 || p.End-p.Start < 2*plan.JoinReach*frame) {
				t.Fatalf("got %+v, want a start at %d", p, next)
			}
			if next = p.End; p.Last != (p.End == 0) {
				t.Fatalf("%+v: only the last part has no end", p)
			}
			if known := media.Rescale(track.Duration, track.Timebase, media.Rational{Num: 1, Den: int64(r.Rate)}); p.Last && known > 0 && p.Start >= known+r.Codec.Frame() {
				t.Fatalf("%+v begins after the end of the track at %d", p, known)
			}
		}
		if next != 0 {
			t.Fatal("the last part has an end")
		}
	})
}

func TestAnAudioPartIsReadEarlyEnoughAndInTheResamplerPhaseOfASinglePass(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		j := anyAudio(t)
		j.AudioRenditions = plan.DivideAudio(j, time.Minute)
		for _, p := range j.AudioParts() {
			if p.Whole {
				continue
			}
			rendition := j.AudioRenditions[p.Rendition]
			track := j.Source.Audio[rendition.Track]
			r := plan.ReadAudio(rendition, film.Source{}, track, p)
			frame := rendition.Codec.Frame()
			if (r.Start == nil) != (p.Start <= (plan.JoinReach+512)*frame) || r.Start != nil && (*r.Start-r.Zero)%frame != 0 {
				t.Fatalf("%+v is encoded from %v, with the track's first sample at %d", p, r.Start, r.Zero)
			}
			if r.Start != nil && *r.Start-r.Zero > p.Start-(plan.JoinReach+plan.EqualPackets)*frame || p.Last != (r.End == nil) || r.End != nil && *r.End-r.Zero < p.End+plan.JoinReach*frame {
				t.Fatalf("%+v is read as %+v, without its overlaps", p, r)
			}
			if r.First == nil {
				continue
			}
			in := media.Rational{Num: 1, Den: int64(track.SampleRate)}
			begin := media.Rescale(track.Start, track.Timebase, in)
			if int64(*r.First-begin)*int64(rendition.Rate)%int64(track.SampleRate) != 0 {
				t.Fatalf("resampling begins %d samples of %d Hz after the first, where no sample of %d Hz lies", *r.First-begin, track.SampleRate, rendition.Rate)
			}
			early := (*r.Start-r.Zero)*media.Ticks(track.SampleRate) - (*r.First-begin)*media.Ticks(rendition.Rate) // in units of 1/(both rates)
			if second := media.Ticks(track.SampleRate) * media.Ticks(rendition.Rate); early < second/10 || early > second {
				t.Fatalf("resampling begins %d/%d s before the first sample, want 0.1 to 1 s", early, second)
			}
			for _, seek := range r.Seeks {
				if seek > media.Rescale(*r.First, in, media.Microseconds)-1_000_000 {
					t.Fatalf("a seek to %d µs for sample %d is less than a second before it", seek, *r.First)
				}
			}
		}
	})
}

// audioOf returns a job that encodes some AAC tracks of the same duration.
func audioOf(hours float64, tracks int) film.Job {
	var j film.Job
	for i := range tracks {
		j.Source.Audio = append(j.Source.Audio, film.AudioTrack{
			SampleRate: 48000, Timebase: media.Rational{Num: 1, Den: 48000}, Duration: media.Ticks(hours * 3600 * 48000), Clock: film.ClockExact,
		})
		j.AudioRenditions = append(j.AudioRenditions, film.AudioRendition{Track: i, Codec: film.AAC})
	}
	return j
}

func TestTheNumberOfAudioPartsFollowsFromTheirLength(t *testing.T) {
	for _, c := range []struct {
		hours  float64
		tracks int
		want   int // parts per track
	}{{0.1, 1, 0}, {0.14, 1, 2}, {3, 1, 36}, {3, 3, 36}, {100, 1, 1200}, {100, 8, 1200}} {
		for _, r := range plan.DivideAudio(audioOf(c.hours, c.tracks), plan.AudioPartLength) {
			if r.Parts != c.want {
				t.Errorf("%v h, %d tracks: %d parts, want %d", c.hours, c.tracks, r.Parts, c.want)
			}
		}
	}
}

// A file of some kilobytes may declare any duration and a thousand tracks. Its parts are units that
// have to be recorded.
func TestTheNumberOfAudioPartsIsBoundedForHostileHeaders(t *testing.T) {
	const year = 366 * 24
	for _, c := range []struct {
		hours  float64
		tracks int
	}{{1000, 1}, {1000, 64}, {1000 * year, 1}, {1000 * year, 1024}} {
		j := audioOf(c.hours, c.tracks)
		j.AudioRenditions = plan.DivideAudio(j, plan.AudioPartLength)
		if n := len(j.AudioParts()); n > plan.MaxSegments || n < plan.MaxSegments*8/10 {
			t.Errorf("%v h, %d tracks: %d parts, want nearly %d", c.hours, c.tracks, n, plan.MaxSegments)
		}
	}
}

func TestTheJoinIsWhereItIsLeastAudible(t *testing.T) {
	sums := func(n int, from uint32) []uint32 {
		out := make([]uint32, n)
		for i := range out {
			out[i] = from + uint32(i)
		}
		return out
	}
	left := func() film.Overlap {
		return film.Overlap{First: 92, Sums: sums(16, 0), Shapes: make([]byte, 16), RMS: []int32{9, 9, 9, 5, 9, 2, 9, 9}}
	}
	right := func() film.Overlap { return film.Overlap{First: 92, Sums: sums(16, 1000), Shapes: make([]byte, 16)} }
	for _, c := range []struct {
		name   string
		change func(l, r *film.Overlap)
		at     int
		ok     bool
	}{
		{"the quietest packet", func(_, _ *film.Overlap) {}, 105, true},
		{"not where the shapes differ", func(_, r *film.Overlap) { r.Shapes[105-92] = 1 }, 103, true},
		{"not after a packet whose shapes differ", func(_, r *film.Overlap) { r.Shapes[104-92] = 1 }, 103, true},
		{"preferably after an equal packet", func(l, r *film.Overlap) { r.Sums[100-92] = l.Sums[100-92] }, 101, true},
		{"preferably after the longest run of equal packets", func(l, r *film.Overlap) {
			r.Sums[100-92] = l.Sums[100-92]
			copy(r.Sums[104-92:], l.Sums[104-92:107-92])
		}, 107, true},
		{"as late in a long run of equal packets as possible", func(l, r *film.Overlap) { copy(r.Sums, l.Sums[:106-92]) }, 106, true},
		{"at the last packet if all are equal", func(l, r *film.Overlap) { copy(r.Sums, l.Sums) }, 107, true},
		{"where the right part begins", func(_, r *film.Overlap) { *r = film.Overlap{First: 106, Sums: sums(2, 0)} }, 107, true},
		{"nowhere if the right part is empty", func(_, r *film.Overlap) { *r = film.Overlap{First: 100} }, 0, false},
	} {
		l, r := left(), right()
		c.change(&l, &r)
		if at, ok := plan.Join(l, r, 100, 108); at != c.at || ok != c.ok {
			t.Errorf("%s: got %d, %v, want %d", c.name, at, ok, c.at)
		}
	}
}
