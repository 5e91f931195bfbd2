package film

import (
	"cmp"
	"fmt"
	"slices"
	"time"
)

// DefaultThreads is the number of threads per encoder in a request that sets none. It is part of the job, not of the
// machine, because different numbers give different bytes, and the same request must give the same file everywhere. A
// Lambda function of 3.5 GB has two.
const DefaultThreads = 2

// defaultMedia is the default duration of media segments, as recommended by Apple's "HLS Authoring Specification".
const defaultMedia = 6 * time.Second

// defaultKeyframes is the default of the longest distance of keyframes in packages, as the same specification recommends.
// A player that scrubs shows keyframes only.
const defaultKeyframes = 2 * time.Second

// Normalise returns a copy of r, which must pass Check, with all defaults filled in. hasVideo reports whether the source
// has a video track; without one, settings for video are Problems.
func (r Request) Normalise(hasVideo bool) (Request, error) {
	var ps Problems
	r.Outputs = slices.Clone(r.Outputs)
	for i := range r.Outputs {
		o := &r.Outputs[i]
		o.Container = cmp.Or(o.Container, MP4)
		if o.Container.Preview() {
			if !hasVideo {
				ps = append(ps, Problem{fmt.Sprintf("/outputs/%d/container", i), "the source has no video to show pictures of"})
			}
			p := Preview{}
			if o.Preview != nil {
				p = *o.Preview
			}
			p = p.normalise(o.Container)
			o.Preview = &p
			continue
		}
		if o.Container == Frames {
			continue
		}
		switch {
		case !hasVideo && len(o.Video) > 0:
			ps = append(ps, Problem{fmt.Sprintf("/outputs/%d/video", i), "the source has no video; leave this out to keep its audio"})
		case hasVideo && len(o.Video) == 0:
			if o.Container.Packaged() {
				o.Ladder = cmp.Or(o.Ladder, Web)
			}
			o.Video = []Video{{}}
			if codec := defaultCodec(o.Container); r.Compute.GPU && !encoders[codec].nvenc {
				ps = append(ps, Problem{
					fmt.Sprintf("/outputs/%d/video", i),
					fmt.Sprintf("%s, the default in %s, cannot be encoded on a GPU; choose a codec", codec, o.Container),
				})
			}
		}
		o.Video = slices.Clone(o.Video)
		for j := range o.Video {
			v := &o.Video[j]
			v.Codec = cmp.Or(v.Codec, defaultCodec(o.Container))
			e := encoders[v.Codec]
			if v.CRF == nil {
				v.CRF = &e.crf
			}
			if v.Quality != nil {
				v.Quality = new(v.Quality.Normalise(v.Codec.QualityRange()))
			}
			if v.Burn != nil {
				v.Burn = new(v.Burn.Normalise())
			}
			if v.Overlay != nil {
				v.Overlay = new(v.Overlay.Normalise())
			}
			v.Preset = cmp.Or(v.Preset, e.preset)
			v.Interlaced = cmp.Or(v.Interlaced, Deinterlace)
		}
		if o.Container.Packaged() {
			p := Package{}
			if o.Package != nil {
				p = *o.Package
			}
			p.Seconds = cmp.Or(p.Seconds, Seconds(defaultMedia))
			p.Keyframes = min(cmp.Or(p.Keyframes, Seconds(defaultKeyframes)), p.Seconds)
			p.Thumbnails = cmp.Or(p.Thumbnails, ThumbnailsAuto)
			if p.Encryption != nil {
				p.Encryption = new(p.Encryption.Normalise())
			}
			o.Package = &p
		}
		if o.Audio == nil {
			o.Audio = &Audio{}
		}
		o.Subtitles = cmp.Or(o.Subtitles, SubtitlesAuto)
		audio := *o.Audio
		audio.Codec = cmp.Or(audio.Codec, AudioAuto)
		o.Audio = &audio
		*o = o.normaliseTracks()
	}
	r.Part = r.Part.normalise()
	r.Segment.Seconds = cmp.Or(r.Segment.Seconds, Seconds(r.segmentLength()))
	r.Compute.Mode = cmp.Or(r.Compute.Mode, LambdaBatch)
	if r.Compute.GPU {
		r.Compute.Mode = Batch
	}
	r.Compute.Concurrency = cmp.Or(r.Compute.Concurrency, 1000)
	r.Compute.Threads = cmp.Or(r.Compute.Threads, DefaultThreads)
	r.Retention.Hours = cmp.Or(r.Retention.Hours, 2)
	return r, ps.Err()
}

// Lengths of segments for the goals of a request: see the plots of docs/speed.md. Below four seconds the starts of workers take longer than
// shorter segments save, and above thirty little is left to save. FastSegment is the shortest for GoalTime, and BalancedSegment for
// GoalBalanced.
const (
	FastSegment     = 4 * time.Second
	BalancedSegment = 10 * time.Second
	CheapSegment    = 30 * time.Second
)

// Lengths of segments of pictures in requests that set none. Pictures are taken many times faster than video is encoded, and those of keyframes
// faster still, so longer segments take about as long, and ffmpeg is started less often.
const (
	previewSegment  = 30 * time.Second
	keyframeSegment = maxSegment
)

// segmentLength returns the length of segments in a request that sets none; 0 where it follows from the source.
func (r Request) segmentLength() time.Duration {
	length := keyframeSegment
	for _, o := range r.Outputs {
		switch {
		case !o.Container.Preview():
			if r.Compute.Deadline == 0 && r.Segment.Goal == GoalCost {
				return CheapSegment
			}
			return 0
		case o.Preview == nil || !o.Preview.Keyframes:
			length = previewSegment
		}
	}
	return length
}

// defaultCodec returns the codec of an output in c that sets none.
func defaultCodec(c Container) VideoCodec {
	if c == WebM {
		return VP9
	}
	return H264
}
