package plan

import (
	"slices"
	"time"

	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/media"
)

// AudioPartLength is about how long the pieces of a long sound are. ffmpeg encodes AAC some thirty times as fast as it is
// heard on a Lambda function's core, so a piece takes ten seconds, less than a segment of the picture; what it reads and
// encodes beside its own part is 5 % of it; and a film of three hours has less than the 40 pieces that an inline Map
// runs at once.
const AudioPartLength = 5 * time.Minute

// MaxAudioParts bounds the pieces of all sounds together. The Map is inline: its items lie in a payload of 256 KiB, of which
// they then take a tenth, and each adds some eight events to the execution's history of 25,000.
const MaxAudioParts = 500

// Of each edge between two pieces, in frames of the codec:
const (
	// JoinReach is how far on either side of the edge the join may lie. Both pieces hold these frames.
	JoinReach = 32
	// preRoll is what is encoded before them, and dropped, until the encoder's rate control and psychoacoustic model
	// are where one pass would have them: 11 s of AAC at 48 kHz. After 128 frames the error on speech was
	// still 2.4 times one pass's (docs/decisions/012-audio-parts.md).
	preRoll = 512
	// postRoll is what is encoded after them, and dropped: encoders look ahead, and finish what ends.
	postRoll = 16
)

// A worker reads a little more than it encodes.
const (
	resampling = 100 * time.Millisecond // for the resampler's filter to fill, many times its length
	decoding   = 2 * time.Second        // for the source's decoder: bit reservoirs, overlaps, Opus's 80 ms
	searching  = 30 * time.Second       // where sound is stored so far from its picture that this was too little
)

// aacRates are the sample rates of AAC (ISO/IEC 14496-3, table 1.18) that ffmpeg encodes. Others it resamples by its own
// choice.
var aacRates = []int{96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350}

// Cut decides for each of j's sounds whether it is encoded in pieces of about the given length, and where. Copied sound
// is one pass, and so is one whose length is not known or whose track cannot be read from the middle.
func Cut(j film.Job, length time.Duration) []film.AudioRendition {
	sounds := slices.Clone(j.AudioRenditions)
	for i := range sounds {
		s := &sounds[i]
		t := j.Source.Audio[s.Track]
		rate := pieceRate(s.Codec, t)
		duration := media.Rescale(t.Duration, t.Timebase, media.Microseconds)
		if duration <= 0 {
			duration = j.Source.Duration
		}
		if rate == 0 || duration <= 0 {
			continue
		}
		clock := media.Rational{Num: 1, Den: int64(rate)}
		s.Rate, s.Step, s.Parts = rate, 0, 0
		frames := max(int64(media.Rescale(duration, media.Microseconds, clock)/s.Codec.Frame()), 1)
		each := max(int64(clock.Ticks(length)/s.Codec.Frame()), 1)
		// The nearest number of pieces, so that none is shorter than two thirds of the length, or than its overlaps.
		n := min((frames+each/2)/each, frames/(2*JoinReach), int64(max(MaxAudioParts/len(sounds), 1)))
		if n < 2 {
			s.Rate = 0
			continue
		}
		// Steps are rounded up to frames, so of many short ones fewer are needed: none begins after the end.
		each = (frames + n - 1) / n
		s.Step, s.Parts = media.Ticks(each)*s.Codec.Frame(), int((frames+each-1)/each)
	}
	return sounds
}

// pieceRate is the sample rate of a sound that may be cut; 0 of one that may not.
func pieceRate(codec film.AudioCodec, t film.AudioTrack) int {
	switch {
	case t.Clock == film.ClockUnknown || t.SampleRate <= 0:
		return 0
	case codec == film.Opus:
		return 48_000
	case codec == film.AAC && slices.Contains(aacRates, t.SampleRate):
		return t.SampleRate
	}
	return 0
}

// AudioRead is how a worker gets and encodes the samples of a piece. Samples are counted from the source's time 0: of the
// output at the sound's rate, of the source at the track's.
type AudioRead struct {
	Zero media.Ticks // of the output: the track's first sample as it is heard, from which pieces are counted
	// Start and End choose what is encoded: the piece, its overlaps, pre-roll and post-roll. Nil is open.
	Start, End *media.Ticks
	// First is the sample of the source with which resampling begins: it lies as one pass has it to the resampler's
	// phase. Nil where the whole track up to End is read.
	First *media.Ticks
	Grid  *media.Ticks // of the source: the track's first sample, where its clock is framed
	// Seeks are where to start reading, in microseconds, to be tried in turn until sample Start is there. After them only
	// reading from the beginning, without First, is left. None where First is nil.
	Seeks []media.Ticks
}

// ReadAudio works out the reading of a piece of a sound that is cut.
func ReadAudio(s film.AudioRendition, t film.AudioTrack, p film.AudioPart) AudioRead {
	from, to := media.Rational{Num: 1, Den: int64(t.SampleRate)}, media.Rational{Num: 1, Den: int64(s.Rate)}
	frame := s.Codec.Frame()
	begin := media.Rescale(t.Start, t.Timebase, from)
	r := AudioRead{Zero: media.Rescale(begin, from, to)}
	if !p.Last {
		r.End = new(r.Zero + p.End + (JoinReach+postRoll)*frame)
	}
	start := p.Start - (JoinReach+preRoll)*frame
	if start <= 0 {
		return r
	}
	r.Start = new(r.Zero + start)
	// Every so many samples of the source a sample of the output falls on one of them, and the resampler is in the same
	// phase again.
	common := gcd(int64(t.SampleRate), int64(s.Rate))
	in, out := media.Ticks(int64(t.SampleRate)/common), media.Ticks(int64(s.Rate)/common)
	periods := (start - to.Ticks(resampling)) / out
	if periods <= 0 {
		return r
	}
	first := begin + periods*in
	r.First = &first
	if t.Clock == film.ClockFramed {
		r.Grid = &begin
	}
	at := media.Rescale(first, from, media.Microseconds)
	r.Seeks = []media.Ticks{at - media.Microseconds.Ticks(decoding), at - media.Microseconds.Ticks(searching)}
	return r
}

// JoinRange is the range of packets around the edge at a piece's start or end among which the join is chosen.
func JoinRange(codec film.AudioCodec, edge media.Ticks) (from, to int) {
	at := int(edge / codec.Frame())
	return at - JoinReach, at + JoinReach
}

// EqualPackets is after how many equal packets two decoders that began elsewhere are alike: 160 ms of Opus, whose
// specification (RFC 7845, 4.6) asks for 80.
const EqualPackets = 8

// Join chooses the packet with which right takes over from left: packets before it are taken from left, it and those
// after it from right. Where both hold the same packets, nobody can hear the join, and it comes as late as it can: left,
// which has encoded for longer, is the nearer to one pass. Else it lies where the transforms of both fit together, and there
// where the sound is quietest. ok is false where the overlaps share no packet: right
// begins after the sound's end.
func Join(left, right film.Overlap, from, to int) (at int, ok bool) {
	type rank struct {
		same  int // packets before the join that are the same in both
		fits  int
		quiet int32
	}
	better := func(a, b rank) bool {
		if a.same != b.same {
			return a.same > b.same
		}
		if a.same == EqualPackets { // they come in order
			return true
		}
		if a.fits != b.fits {
			return a.fits > b.fits
		}
		return a.quiet > b.quiet
	}
	var best rank
	for i := from; i < to; i++ {
		l, r := i-left.First, i-right.First
		if l < 1 || r < 1 || l >= len(left.Sums) || r >= len(right.Sums) {
			continue
		}
		var now rank
		for n := 1; n <= EqualPackets && n <= l && n <= r && left.Sums[l-n] == right.Sums[r-n]; n++ {
			now.same = n
		}
		shape := func(shapes []byte, i int) byte {
			if i < len(shapes) {
				return shapes[i]
			}
			return 0
		}
		for n := range 2 {
			if shape(left.Shapes, l-n) == shape(right.Shapes, r-n) {
				now.fits++
			}
		}
		if i-from < len(left.RMS) {
			now.quiet = -left.RMS[i-from]
		}
		if !ok || better(now, best) {
			at, best, ok = i, now, true
		}
	}
	return at, ok
}

func gcd(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
