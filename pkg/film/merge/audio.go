package merge

import (
	"context"
	"slices"
	"strings"

	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/audio"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/work"
)

// audioTrack is an audio track of an output, joined from the parts of its rendition.
type audioTrack struct {
	film.AudioFacts        // of the whole track; StoredObject only where it is a single part
	rendition       int    // index into Job.AudioRenditions
	parts           []part // in order; none where ffmpeg remuxes the track
}

// packet is how long a packet of a codec is at most, in samples, and whether its decoder needs another one before it.
type packet struct {
	samples media.Ticks
	lead    bool
}

// packets holds the packets that encoders make, by ffmpeg's name of the codec. Those of FLAC are longer above 48 kHz.
var packets = map[string]packet{
	"aac": {1024, true}, "mp2": {1152, true}, "mp3": {1152, true}, "ac3": {1536, true}, "eac3": {1536, true}, "vorbis": {1024, true}, "opus": {960, true},
	"alac": {4096, false}, "flac": {4608, false},
}

// packetOf returns the packets of a track; zero where they are not known.
func packetOf(track film.AudioTrack) packet {
	const pcm = 1024 // of which ffmpeg makes a packet
	p := packets[track.Codec]
	switch {
	case strings.HasPrefix(track.Codec, "pcm_"):
		p.samples = pcm
	case track.Codec == "flac" && track.SampleRate > 48_000:
		p.samples = 16384
	}
	return p
}

// firstPacket returns the time, in microseconds of the output, from which Matroska needs the
// packets of a copied track; nil: all. Matroska has no edit list, so everything that the source's
// edit list cuts off would be heard before the video.
func firstPacket(src film.Source, track film.AudioTrack, codec film.AudioCodec) *int64 {
	p := packetOf(track)
	if codec != film.AudioCopy || p.samples == 0 || src.Demuxer != "mov" {
		return nil
	}
	needed := p.samples
	if p.lead {
		needed *= 2
	}
	const slack = 1000 // Matroska's rounding may put a packet that begins there earlier
	before := media.Rescale(needed, media.Rational{Num: 1, Den: int64(track.SampleRate)}, media.Microseconds)
	return new(int64(media.Rescale(track.Start, track.Timebase, media.Microseconds)-src.Origin.In(media.Microseconds)-before) + slack)
}

// made returns the rendition of a track as its worker made it.
func (m *attempt) made(t audioTrack) film.AudioRendition {
	r := m.job.AudioRenditions[t.rendition]
	if t.Encoded {
		r = r.Encoded()
	}
	return r
}

// joinAudio reads the facts of a rendition's parts, and joins the parts into a track. A track of which
// the source holds nothing has no key and no parts.
func (m *attempt) joinAudio(ctx context.Context, rendition int) (audioTrack, error) {
	t := audioTrack{rendition: rendition}
	var parts []film.AudioPart
	var units []string
	for i, p := range m.job.AudioParts() {
		if p.Rendition == rendition {
			parts, units = append(parts, p), append(units, film.AudioUnit(i))
		}
	}
	all := make([]film.AudioFacts, len(parts))
	for i := range parts {
		if err := work.Facts(ctx, m.Results, units[i], &all[i]); err != nil {
			return t, err
		}
	}
	if !slices.ContainsFunc(all, func(f film.AudioFacts) bool { return f.Key != "" }) {
		return t, nil
	}
	codec := m.job.AudioRenditions[rendition].Codec
	uses, err := audio.Join(codec, parts, all)
	if err != nil {
		return t, err
	}
	t.AudioFacts = all[0]
	if !parts[0].Whole {
		t.AudioFacts = audio.Combine(codec, all, len(uses))
	} else if m.made(t).Mux != film.MP4 {
		return t, nil
	}
	for i, use := range uses {
		t.parts = append(t.parts, part{name: units[i], facts: all[i].StoredObject, use: use})
	}
	return t, nil
}
