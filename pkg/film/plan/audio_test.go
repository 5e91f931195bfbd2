package plan_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/plan"
	"github.com/mapreel/mapreel/pkg/media"
)

// long is a job with sounds of any kind and length, up to a hundred hours and more.
func long(t *rapid.T) film.Job {
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

func TestPiecesCoverTheSoundInWholeFramesAndAreFew(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		j := long(t)
		length := time.Duration(rapid.Int64Range(int64(time.Second), int64(10*time.Minute)).Draw(t, "piece"))
		j.AudioRenditions = plan.Cut(j, length)
		pieces := j.AudioParts()
		if len(pieces) > plan.MaxAudioParts {
			t.Fatalf("%d pieces", len(pieces))
		}
		next, sound := media.Ticks(0), -1
		for _, p := range pieces {
			s := j.AudioRenditions[p.Rendition]
			if p.Rendition != sound {
				if p.Rendition != sound+1 || p.Start != 0 || sound >= 0 && next != 0 {
					t.Fatalf("sound %d begins with %+v after sound %d", p.Rendition, p, sound)
				}
				sound, next = p.Rendition, 0
			}
			track := j.Source.Audio[s.Track]
			if p.Whole {
				if !p.Last || s.Rate != 0 || s.Step != 0 {
					t.Fatalf("%+v of %+v", p, s)
				}
				continue
			}
			if s.Codec == film.AudioCopy || track.Clock == film.ClockUnknown {
				t.Fatalf("%+v is cut", s)
			}
			if frame := s.Codec.Frame(); p.Start != next || p.Start%frame != 0 || !p.Last && (p.End%frame != 0 || p.End-p.Start < 2*plan.JoinReach*frame) {
				t.Fatalf("%+v, want it at %d", p, next)
			}
			if next = p.End; p.Last != (p.End == 0) {
				t.Fatalf("the end of %+v", p)
			}
			if known := media.Rescale(track.Duration, track.Timebase, media.Rational{Num: 1, Den: int64(s.Rate)}); p.Last && known > 0 && p.Start >= known+s.Codec.Frame() {
				t.Fatalf("%+v begins after the sound's end at %d", p, known)
			}
		}
		if next != 0 {
			t.Fatal("the last piece has an end")
		}
	})
}

func TestAReadingStartsInThePhaseOfOnePassAndEarlyEnough(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		j := long(t)
		j.AudioRenditions = plan.Cut(j, time.Minute)
		for _, p := range j.AudioParts() {
			if p.Whole {
				continue
			}
			s := j.AudioRenditions[p.Rendition]
			track := j.Source.Audio[s.Track]
			r := plan.ReadAudio(s, track, p)
			frame := s.Codec.Frame()
			if (r.Start == nil) != (p.Start <= (plan.JoinReach+512)*frame) || r.Start != nil && (*r.Start-r.Zero)%frame != 0 {
				t.Fatalf("%+v starts at %v, zero is %d", p, r.Start, r.Zero)
			}
			if r.Start != nil && *r.Start-r.Zero > p.Start-(plan.JoinReach+plan.EqualPackets)*frame || p.Last != (r.End == nil) || r.End != nil && *r.End-r.Zero < p.End+plan.JoinReach*frame {
				t.Fatalf("%+v is read as %+v: the overlaps are not in it", p, r)
			}
			if r.First == nil {
				continue
			}
			in := media.Rational{Num: 1, Den: int64(track.SampleRate)}
			begin := media.Rescale(track.Start, track.Timebase, in)
			if int64(*r.First-begin)*int64(s.Rate)%int64(track.SampleRate) != 0 {
				t.Fatalf("resampling begins %d samples of %d Hz after the first, between two of %d Hz", *r.First-begin, track.SampleRate, s.Rate)
			}
			early := (*r.Start-r.Zero)*media.Ticks(track.SampleRate) - (*r.First-begin)*media.Ticks(s.Rate) // of both rates
			if second := media.Ticks(track.SampleRate) * media.Ticks(s.Rate); early < second/10 || early > second {
				t.Fatalf("resampling begins %d of %d before the first sample wanted", early, second)
			}
			for _, seek := range r.Seeks {
				if seek > media.Rescale(*r.First, in, media.Microseconds)-1_000_000 {
					t.Fatalf("a seek to %d µs for sample %d", seek, *r.First)
				}
			}
		}
	})
}

func TestAFilmsSoundRunsAtOnceAndAnEndlessOneStaysBounded(t *testing.T) {
	for _, c := range []struct {
		hours  float64
		tracks int
		want   int // of each
	}{{0.1, 1, 0}, {0.14, 1, 2}, {3, 1, 36}, {3, 3, 36}, {100, 1, 500}, {100, 10, 50}} {
		var j film.Job
		for i := range c.tracks {
			j.Source.Audio = append(j.Source.Audio, film.AudioTrack{
				SampleRate: 48000, Timebase: media.Rational{Num: 1, Den: 48000}, Duration: media.Ticks(c.hours * 3600 * 48000), Clock: film.ClockExact,
			})
			j.AudioRenditions = append(j.AudioRenditions, film.AudioRendition{Track: i, Codec: film.AAC})
		}
		for _, s := range plan.Cut(j, plan.AudioPartLength) {
			if s.Parts != c.want {
				t.Errorf("%v h, %d tracks: %d pieces, want %d", c.hours, c.tracks, s.Parts, c.want)
			}
		}
	}
}

func TestTheJoinIsWhereItIsHeardLeast(t *testing.T) {
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
		{"at the quietest", func(_, _ *film.Overlap) {}, 105, true},
		{"but not where the shapes differ", func(_, r *film.Overlap) { r.Shapes[105-92] = 1 }, 103, true},
		{"nor after such", func(_, r *film.Overlap) { r.Shapes[104-92] = 1 }, 103, true},
		{"better after a packet that is the same", func(l, r *film.Overlap) { r.Sums[100-92] = l.Sums[100-92] }, 101, true},
		{"best after several", func(l, r *film.Overlap) {
			r.Sums[100-92] = l.Sums[100-92]
			copy(r.Sums[104-92:], l.Sums[104-92:107-92])
		}, 107, true},
		{"as late as they are the same", func(l, r *film.Overlap) { copy(r.Sums, l.Sums[:106-92]) }, 106, true},
		{"with the last where all are", func(l, r *film.Overlap) { copy(r.Sums, l.Sums) }, 107, true},
		{"where the right one begins", func(_, r *film.Overlap) { *r = film.Overlap{First: 106, Sums: sums(2, 0)} }, 107, true},
		{"nowhere, if it does not", func(_, r *film.Overlap) { *r = film.Overlap{First: 100} }, 0, false},
	} {
		l, r := left(), right()
		c.change(&l, &r)
		if at, ok := plan.Join(l, r, 100, 108); at != c.at || ok != c.ok {
			t.Errorf("%s: got %d, %v, want %d", c.name, at, ok, c.at)
		}
	}
}
