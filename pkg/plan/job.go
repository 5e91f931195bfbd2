package plan

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/job"
)

// Job works out what a request makes of a source. copyable says whether a container holds a codec (ffmpeg's name)
// unchanged. The result has no segments yet.
func Job(req job.Request, src job.Source, encoder string, copyable func(codec string, in job.Container) bool) (job.Job, error) {
	if src.Picture == nil && len(src.Tracks) == 0 {
		return job.Job{}, fault.New(fault.Invalid, "the source has neither picture nor sound")
	}
	req, err := req.Normalise(src.Picture != nil)
	if err != nil {
		return job.Job{}, err
	}
	id, err := job.ID(req, src, encoder)
	if err != nil {
		return job.Job{}, err
	}
	j := job.Job{ID: id, Request: req, Source: src, Encoder: encoder}
	for i, out := range req.Outputs {
		product := job.Product{Name: out.Name, File: out.File(), Container: out.Container, Rendition: -1}
		if len(out.Video) > 0 {
			product.Rendition = place(&j.Renditions, rendition(out.Video[0], *src.Picture))
		}
		for t, track := range src.Tracks {
			if out.Audio.Codec == job.AudioNone {
				break
			}
			sound, err := soundOf(*out.Audio, t, track, out.Container, copyable)
			if err != nil {
				return job.Job{}, fault.Wrap(fault.KindOf(err), err, fmt.Sprintf("/outputs/%d/audio/codec", i))
			}
			product.Sounds = append(product.Sounds, place(&j.Sounds, sound))
		}
		if product.Rendition < 0 && len(product.Sounds) == 0 {
			return job.Job{}, fault.New(fault.Invalid, "/outputs/%d: nothing is left of the source: no picture, and no sound was asked for", i)
		}
		j.Outputs = append(j.Outputs, product)
	}
	return j, nil
}

// place returns v's index in list, adding it where it is new: outputs that want the same share it.
func place[T comparable](list *[]T, v T) int {
	if i := slices.Index(*list, v); i >= 0 {
		return i
	}
	*list = append(*list, v)
	return len(*list) - 1
}

// rendition gives a picture its size. A height at or above the source's means the source's: upscaling costs bytes and
// adds nothing.
func rendition(v job.Video, p job.Picture) job.Rendition {
	r := job.Rendition{Codec: v.Codec, CRF: *v.CRF, Preset: v.Preset}
	width, height := p.Width, p.Height
	if p.Rotated {
		width, height = height, width
	}
	if v.Height == 0 || v.Height >= height || height == 0 {
		return r
	}
	r.Height = even(v.Height)
	r.Width = max(even((width*r.Height+height/2)/height), 2)
	return r
}

// even rounds down to an even number: every encoder here subsamples colour by two.
func even(n int) int { return n &^ 1 }

const (
	stereoBitrate  = 160_000 // AAC and Opus are transparent to most ears there
	channelBitrate = 80_000  // the same for each channel of more
)

func soundOf(a job.Audio, index int, track job.AudioTrack, in job.Container, copyable func(string, job.Container) bool) (job.Sound, error) {
	s := job.Sound{Track: index, Codec: a.Codec, Mux: job.MP4}
	if in != job.MP4 {
		s.Mux = job.Matroska
	}
	can := copyable(track.Codec, in)
	switch {
	case a.Codec == job.AudioCopy && !can:
		return s, fault.New(fault.Invalid, "%s cannot hold %s unchanged; leave the codec out to have it encoded", in, track.Codec)
	case a.Codec == job.AudioAuto && can:
		s.Codec = job.AudioCopy
	case a.Codec == job.AudioAuto && in == job.WebM:
		s.Codec = job.Opus
	case a.Codec == job.AudioAuto:
		s.Codec = job.AAC
	}
	if s.Codec != job.AudioCopy {
		s.Bitrate = cmp.Or(a.Bitrate, job.Bitrate(max(stereoBitrate, track.Channels*channelBitrate)))
	}
	return s, nil
}
