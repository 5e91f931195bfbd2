package verify

import (
	"context"
	"math"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/verify/sound"

	"github.com/mapreel/mapreel/pkg/ffmpeg/decode"
	"github.com/mapreel/mapreel/pkg/ffmpeg/probe"
)

const (
	// windowLength is how much audio is compared at each place: enough for speech not to resemble
	// itself elsewhere.
	windowLength = time.Second
	// searchRange is how far to either side the output is searched. The usual mistakes are below
	// 400 ms.
	searchRange = 500 * time.Millisecond
	// placeInterval is the approximate distance between places; minPlaces and maxPlaces bound their
	// number.
	placeInterval        = 5 * time.Second
	minPlaces, maxPlaces = 6, 120
	// silenceLevel is the RMS below which a place is skipped as silent: -60 dB of full scale.
	silenceLevel = 32768.0 / 1000
	// matchThreshold is the correlation above which two windows hold the same audio. It is a
	// choice: equal audio has 1, two unrelated noises have nearly 0.
	matchThreshold = 0.5
	// weakMatchThreshold is the correlation that is enough where the best match is at the expected
	// place. Opus replaces what its bit rate cannot hold by noise of its own: at 24 kbit/s, birds
	// and wind in a real film had 0.41 to 0.8; at 16 kbit/s, 0.18 to 0.68, all at the right place.
	// Unrelated audio matches within 5 ms of it with a probability of one in a hundred.
	weakMatchThreshold = 0.15
	// onsetLength is how much is compared around the first sample of periodic audio. Half of it is
	// silence, so that a shift of one millisecond costs 0.002 of the correlation.
	onsetLength = 500 * time.Millisecond
)

// decodeTracks decodes one track of both files.
func (v *verification) decodeTracks(ctx context.Context, track int, into *[2]*sound.Track) error {
	group, ctx := errgroup.WithContext(ctx)
	for i, f := range []*file{v.source, v.output} {
		group.Go(func() error {
			reported := int64(0)
			decoded, err := sound.Decode(ctx, v.tools, f.input(f.audio[track].Index), f.declared, f.audio[track], f.part, &f.decoderErrors, func(samples int64) {
				if more := samples - reported; more >= 10*decode.AudioRate {
					reported = samples
					v.reportProgress(func(p *Progress) { p.Audio += time.Duration(more) * time.Second / decode.AudioRate })
				}
			})
			into[i] = decoded
			return err
		})
	}
	return group.Wait()
}

// compareAudio compares a decoded track of both files. Without video, times count from the first
// sample of the first track.
func (v *verification) compareAudio(ctx context.Context, track int, pair, first [2]*sound.Track, facts videoFacts) (Audio, error) {
	source, output := pair[0], pair[1]
	from, to := facts.sourceOrigin, facts.outputOrigin
	if facts.video == nil {
		from, to = first[0].Start(), first[1].Start()
	}
	places, silent, err := compareTracks(ctx, source, output, from, to)
	if err != nil {
		return Audio{}, err
	}
	frame := codecFrame(v.source.audio[track], v.output.audio[track])
	if facts.video == nil && isPlaylist(v.output.media.Format) {
		if primed := priming(places, frame); primed > 0 {
			to += primed
			if places, silent, err = compareTracks(ctx, source, output, from, to); err != nil {
				return Audio{}, err
			}
		}
	}
	a := Audio{
		Track: track + 1, SourceSamples: source.Log.Total, OutputSamples: output.Log.Total,
		SourceRate: source.Rate, OutputRate: output.Rate, Silent: silent, Places: []Place{},
		Start:  ((output.Start() - to) - (source.Start() - from)).Seconds(),
		End:    ((output.End() - to) - (source.End() - from)).Seconds(),
		Longer: (output.Length() - source.Length()).Seconds(),
		Lost:   (source.AudibleLength() - output.AudibleLength()).Seconds(),
		Frame:  frame.Seconds(), edges: v.edges(v.source.audio[track], v.output.audio[track], frame).Seconds(),
	}
	if a.Edits, err = soundEdits(source, output, from, to, places); err != nil {
		return Audio{}, err
	}
	for _, p := range places {
		a.Places = append(a.Places, Place{p.at.Seconds(), p.offset.Seconds(), p.match, p.silent, p.ambiguity.Seconds(), p.onset})
	}
	return a, nil
}

// priming returns how long before its first sample of programme audio a track begins. Media
// segments have no edit lists that would hide the priming samples of an encoder (1024 or 2112 for
// AAC), and without video nothing else reveals them.
func priming(places []placement, frame time.Duration) time.Duration {
	i := slices.IndexFunc(places, func(p placement) bool { return p.match >= matchThreshold && !p.silent })
	if i < 0 || places[i].offset < 0 || places[i].offset >= 3*frame {
		return 0
	}
	return places[i].offset
}

// defaultCodecFrame is the assumed frame length of a codec that declares none. Opus uses 20 ms;
// FLAC and Vorbis frames are at most about as long.
const defaultCodecFrame = 20 * time.Millisecond

// codecFrame returns the longest frame of the given codecs. Either encoder may have padded the
// audio to a multiple of its frame.
func codecFrame(streams ...probe.Stream) time.Duration {
	longest := time.Duration(0)
	for _, s := range streams {
		d := defaultCodecFrame
		if s.FrameSize > 0 && s.SampleRate > 0 {
			d = time.Duration(s.FrameSize) * time.Second / time.Duration(s.SampleRate)
		}
		longest = max(longest, d)
	}
	return longest
}

// placement is the result of comparing two tracks at one place of the film.
type placement struct {
	at     time.Duration // after the source's first frame, or its first sample where there is no video
	offset time.Duration // how much later the output's audio is, relative to its video; negative = earlier
	match  float64       // correlation, 1 = equal; below matchThreshold, offset is meaningless
	silent bool          // the output is silent where the source is not
	// ambiguity is the range of offsets that match equally well, as those of a tone do, one period
	// apart. offset is the smallest of them.
	ambiguity time.Duration
	onset     bool // the window covers the beginning of the track and the silence before it
}

// compareTracks compares two tracks at places spread over the whole film. Origins are the times
// that count as 0.
func compareTracks(ctx context.Context, source, output *sound.Track, sourceOrigin, outputOrigin time.Duration) (places []placement, silent int, err error) {
	if len(source.Log.Runs) == 0 || len(output.Log.Runs) == 0 {
		return nil, 0, nil
	}
	const rate = decode.AudioRate
	compare := func(at, length time.Duration) (p placement, audible bool, err error) {
		window, want, err := source.Window(sourceOrigin+at, int(length.Seconds()*rate))
		if err != nil || rms(window) < silenceLevel {
			return placement{}, false, err
		}
		field, have, err := output.Window(outputOrigin+at-searchRange, int((length+2*searchRange).Seconds()*rate))
		if err != nil {
			return placement{}, false, err
		}
		f := sound.Locate(window, field)
		shift := (have + f.At - outputOrigin.Seconds()*rate) - (want - sourceOrigin.Seconds()*rate)
		toTime := func(samples float64) time.Duration { return time.Duration(samples / rate * float64(time.Second)) }
		return placement{at: at, offset: toTime(shift), match: f.Match, silent: rms(field) < silenceLevel/2, ambiguity: toTime(f.Spread)}, true, nil
	}
	start, ambiguous := source.Start()-sourceOrigin, true
	for _, at := range placeTimes(start, source.Length()) {
		if err := context.Cause(ctx); err != nil {
			return nil, 0, fault.Wrap(fault.KindOf(err), err, "compare the audio")
		}
		p, audible, err := compare(at, windowLength)
		switch {
		case err != nil:
			return nil, 0, err
		case !audible:
			silent++
		default:
			places = append(places, p)
			ambiguous = ambiguous && p.ambiguity > maxAudioOffset
		}
	}
	if ambiguous && len(places) > 0 {
		p, audible, err := compare(start-onsetLength/2, onsetLength)
		if err != nil {
			return nil, 0, err
		}
		if p.onset = true; audible {
			places = append([]placement{p}, places...)
		}
	}
	return places, silent, nil
}

// placeTimes returns the times at which to compare audio that begins at start: the first and the
// last second, and evenly between.
func placeTimes(start, length time.Duration) []time.Duration {
	last := length - windowLength
	if last <= 0 {
		return []time.Duration{start}
	}
	n := min(max(int(length/placeInterval), minPlaces), maxPlaces)
	n = min(n, int(last/(windowLength/2))+1)
	if n < 2 {
		return []time.Duration{start, start + last}
	}
	list := make([]time.Duration, n)
	for i := range list {
		list[i] = start + last*time.Duration(i)/time.Duration(n-1)
	}
	return list
}

func rms(samples []float64) float64 {
	sum := 0.0
	for _, v := range samples {
		sum += v * v
	}
	return math.Sqrt(sum / float64(max(len(samples), 1)))
}
