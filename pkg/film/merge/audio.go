package merge

import (
	"context"
	"slices"

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

// packetSamples holds the samples per packet of the codecs whose decoders need one packet before
// the first that is heard.
var packetSamples = map[string]media.Ticks{"aac": 1024, "mp3": 1152, "ac3": 1536, "eac3": 1536}

// firstPacket returns the time, in microseconds of the output, from which Matroska needs the
// packets of a copied track; nil: all. Matroska has no edit list, so everything that the source's
// edit list cuts off would be heard before the video.
func firstPacket(src film.Source, track film.AudioTrack, codec film.AudioCodec) *int64 {
	length := packetSamples[track.Codec]
	if codec != film.AudioCopy || length == 0 || src.Demuxer != "mov" {
		return nil
	}
	const slack = 1000 // Matroska's rounding may put a packet that begins there earlier
	before := media.Rescale(2*length, media.Rational{Num: 1, Den: int64(track.SampleRate)}, media.Microseconds)
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
