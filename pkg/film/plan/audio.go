package plan

import (
	"slices"
	"time"

	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/media"
)

// AudioPartLength is about how long the parts of a long audio track are. On a Lambda function's
// core ffmpeg encodes AAC some thirty times as fast as real time, so a part takes ten seconds, less
// than a segment of video. What a worker reads and encodes beyond its part is 5 % of it. A film of
// three hours has 36 parts per track.
const AudioPartLength = 5 * time.Minute

// maxAudioParts bounds the audio parts of a job, of all tracks together, as MaxSegments bounds its
// segments. For films the length of a part and the number of tracks decide: parts are items of a
// Distributed Map, which needs no limit, and ten tracks of 80 hours have fewer than 10,000 parts.
// The bound is for damaged or hostile files, whose header may declare a thousand tracks of a
// thousand years. Their parts get longer.
const maxAudioParts = MaxSegments

// Lengths around the edge between two parts, in frames of the codec.
const (
	// JoinReach is how far before or after the edge the join may lie. Both parts hold these frames.
	JoinReach = 32
	// preRoll is what is encoded before those and dropped, until the encoder's rate control and
	// psychoacoustic model are where a single pass would have them: 11 s of AAC at 48 kHz. After
	// 128 frames the error on speech was still 2.4 times that of a single pass
	// (docs/decisions/012-audio-parts.md).
	preRoll = 512
	// postRoll is what is encoded after those and dropped: encoders look ahead, and treat the end
	// of their input differently.
	postRoll = 16
)

// Margins: how much more than it encodes a worker reads.
const (
	resamplerMargin  = 100 * time.Millisecond // fills the resampler's filter, whose length is a small part of this
	decoderMargin    = 2 * time.Second        // for the source's decoder: bit reservoirs, overlaps, Opus's 80 ms
	interleaveMargin = 30 * time.Second       // for a source whose audio is stored so far from its video that a seek lands too late
)

// aacRates are the sample rates of AAC (ISO/IEC 14496-3, table 1.18) that ffmpeg encodes. It
// resamples audio at other rates to a rate of its own choice.
var aacRates = []int{96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350}

// DivideAudio returns j's audio renditions with the number and length of their parts, which are
// about as long as length. A rendition is made in one pass if it is a copy, if its duration is not
// known, or if its track cannot be read from the middle.
func DivideAudio(j film.Job, length time.Duration) []film.AudioRendition {
	renditions := slices.Clone(j.AudioRenditions)
	for i := range renditions {
		r := &renditions[i]
		t := j.Source.Audio[r.Track]
		rate := partRate(r.Codec, t)
		duration := j.Source.AudioLength(t, media.Microseconds)
		if duration <= 0 {
			duration = j.Source.Duration
		}
		if rate == 0 || duration <= 0 {
			continue
		}
		sampleClock := media.Rational{Num: 1, Den: int64(rate)}
		r.Rate, r.Step, r.Parts = rate, 0, 0
		frames := max(int64(media.Rescale(duration, media.Microseconds, sampleClock)/r.Codec.Frame()), 1)
		perPart := max(int64(sampleClock.Ticks(length)/r.Codec.Frame()), 1)
		// Rounding to the nearest number of parts makes none shorter than two thirds of the length.
		// None is shorter than its overlaps either.
		n := min((frames+perPart/2)/perPart, frames/(2*JoinReach), int64(max(maxAudioParts/len(renditions), 1)))
		switch {
		case n < 2 && j.Source.Cut == nil:
			r.Rate = 0
			continue
		case n < 2: // one part, which is read from where it begins
			n = 1
		}
		// A part's length is rounded up to whole frames, so many short parts may be one too many:
		// the last would begin after the end. Hence their number is computed again.
		perPart = (frames + n - 1) / n
		r.Step, r.Parts = media.Ticks(perPart)*r.Codec.Frame(), int((frames+perPart-1)/perPart)
	}
	return renditions
}

// partRate returns the sample rate of the parts of a track, or 0 if it must be encoded in one pass.
func partRate(codec film.AudioCodec, t film.AudioTrack) int {
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

// AudioRead describes how a worker reads and encodes the samples of an audio part. Samples are
// counted from the source's time 0: those of the output at the rendition's rate, those of the
// source at the track's.
type AudioRead struct {
	Zero media.Ticks // of the output: the first sample that is taken of the track; parts are counted from it
	// Start and End limit what is encoded: the part, its overlaps, pre-roll and post-roll. Nil is
	// open.
	Start, End *media.Ticks
	// First is the sample of the source with which resampling begins. The resampler has the same
	// phase there as in a single pass. Nil where the whole track up to End is read.
	First *media.Ticks
	Grid  *media.Ticks // of the source: the first sample of a track whose clock is framed
	// Seeks are the positions to start reading from, in microseconds. The worker tries one after
	// the other until it has sample Start. After that it can only read from the beginning, without
	// First. There are none where First is nil.
	Seeks []media.Ticks
}

// ReadAudio returns how a worker reads part p of rendition r, which is divided, from track t of src.
func ReadAudio(r film.AudioRendition, src film.Source, t film.AudioTrack, p film.AudioPart) AudioRead {
	from, to := media.Rational{Num: 1, Den: int64(t.SampleRate)}, media.Rational{Num: 1, Den: int64(r.Rate)}
	frame := r.Codec.Frame()
	begin := media.Rescale(t.Start, t.Timebase, from)
	whole := media.Rescale(begin, from, to) // the first sample of the whole track
	read := AudioRead{Zero: whole, End: src.AudioEnd(to)}
	if src.Cut != nil {
		read.Zero = max(read.Zero, src.AudioStart(t, to))
	}
	if end := read.Zero + p.End + (JoinReach+postRoll)*frame; !p.Last && (read.End == nil || end < *read.End) {
		read.End = &end
	}
	start := read.Zero + max(p.Start-(JoinReach+preRoll)*frame, 0)
	if start <= whole {
		return read
	}
	read.Start = new(start)
	start -= whole
	// After each period a sample of the output coincides with one of the source, and the resampler
	// has the same phase again.
	common := gcd(int64(t.SampleRate), int64(r.Rate))
	sourcePeriod, outputPeriod := media.Ticks(int64(t.SampleRate)/common), media.Ticks(int64(r.Rate)/common)
	periods := (start - to.Ticks(resamplerMargin)) / outputPeriod
	if periods <= 0 {
		return read
	}
	first := begin + periods*sourcePeriod
	read.First = &first
	if t.Clock == film.ClockFramed {
		read.Grid = &begin
	}
	at := media.Rescale(first, from, media.Microseconds)
	read.Seeks = []media.Ticks{at - media.Microseconds.Ticks(decoderMargin), at - media.Microseconds.Ticks(interleaveMargin)}
	return read
}

// JoinRange returns the range of packets, around the edge at the start or end of a part, among
// which the join is chosen.
func JoinRange(codec film.AudioCodec, edge media.Ticks) (from, to int) {
	at := int(edge / codec.Frame())
	return at - JoinReach, at + JoinReach
}

// EqualPackets is the number of equal packets after which two decoders that began at different
// places give the same samples: 160 ms of Opus, whose specification (RFC 7845, 4.6) asks for 80.
const EqualPackets = 8

// Join chooses the packet at which right takes over from left: the packets before it are left's, it
// and those after it are right's. After EqualPackets packets that are the same in both the join is
// inaudible, and it is put as late as possible there: left has encoded for longer, so it is nearer
// to a single pass. Otherwise the join follows the longest run of equal packets; then it is put
// where the transforms of both fit together, and among those places where the audio is quietest. ok
// is false if the overlaps share no packet: right begins after the end of the audio.
func Join(left, right film.Overlap, from, to int) (at int, ok bool) {
	var best joinCandidate
	for i := from; i < to; i++ {
		l, r := i-left.First, i-right.First
		if l < 1 || r < 1 || l >= len(left.Sums) || r >= len(right.Sums) {
			continue
		}
		var c joinCandidate
		for n := 1; n <= EqualPackets && n <= l && n <= r && left.Sums[l-n] == right.Sums[r-n]; n++ {
			c.equal = n
		}
		for n := range 2 {
			if shapeAt(left, l-n) == shapeAt(right, r-n) {
				c.fits++
			}
		}
		if i-from < len(left.RMS) {
			c.rms = left.RMS[i-from]
		}
		if !ok || c.betterThan(best) {
			at, best, ok = i, c, true
		}
	}
	return at, ok
}

// joinCandidate rates a packet as the place of a join.
type joinCandidate struct {
	equal int   // packets directly before the join that are the same in both parts, EqualPackets at most
	fits  int   // of the packets before and at the join: how many have the same transform shape in both parts
	rms   int32 // of left
}

// betterThan reports whether c is a better place than b, which comes before it.
func (c joinCandidate) betterThan(b joinCandidate) bool {
	switch {
	case c.equal != b.equal:
		return c.equal > b.equal
	case c.equal == EqualPackets:
		return true
	case c.fits != b.fits:
		return c.fits > b.fits
	}
	return c.rms < b.rms
}

// shapeAt returns the transform shape of packet i of an overlap; 0 if it is not known.
func shapeAt(o film.Overlap, i int) byte {
	if i < len(o.Shapes) {
		return o.Shapes[i]
	}
	return 0
}

func gcd(a, b int64) int64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
