package plan

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/media"
)

// Job works out what a request that film.Parse accepted makes of a source. copyable says whether a container holds a
// codec (ffmpeg's name) unchanged. The result has no segments yet. The error is of kind fault.Invalid and holds
// film.Problems: all that the source does not allow.
func Job(req film.Request, src film.Source, encoder string, copyable func(codec string, in film.Container) bool) (film.Job, error) {
	if src.Video == nil && len(src.Audio) == 0 {
		return film.Job{}, film.Problems{{Pointer: "/source", Message: "has neither picture nor sound"}}.Err()
	}
	req, err := req.Normalise(src.Video != nil)
	if err != nil {
		return film.Job{}, err
	}
	id, err := film.ID(req, src, encoder)
	if err != nil {
		return film.Job{}, err
	}
	j := film.Job{ID: id, Request: req, Source: src, Encoder: encoder, Warnings: slices.Clone(src.Losses)}
	var problems film.Problems
	for i, out := range req.Outputs {
		product := film.OutputPlan{Name: out.Name, File: out.File(), Container: out.Container}
		if out.Container.Packaged() {
			product.Folder, product.SingleFile = film.MediaFolder(out.Name, id), out.Package.SingleFile
			product.Manifest = out.Manifest()
		}
		for _, v := range rungs(out, src.Video) {
			r, warnings := rendition(v, *src.Video, req.Compute.GPU)
			if out.Container.Packaged() {
				r.SegmentDuration = media.Ticks(time.Duration(out.Package.Seconds).Microseconds())
			}
			if n := place(&j.Renditions, r); !slices.Contains(product.Renditions, n) {
				product.Renditions = append(product.Renditions, n)
			}
			for _, w := range warnings {
				if w = product.File + ": " + w; !slices.Contains(j.Warnings, w) {
					j.Warnings = append(j.Warnings, w)
				}
			}
		}
		var wrong []string
		if out.Audio.Codec != film.AudioNone {
			for t, track := range src.Audio {
				sound, problem := soundOf(*out.Audio, t, track, out.Container, copyable)
				if problem != "" {
					wrong = append(wrong, problem)
					continue
				}
				product.Audio = append(product.Audio, place(&j.AudioRenditions, sound))
			}
		} else if len(product.Renditions) == 0 {
			wrong = append(wrong, "nothing is left of a source without picture")
		}
		slices.Sort(wrong)
		for _, message := range slices.Compact(wrong) {
			problems = append(problems, film.Problem{Pointer: fmt.Sprintf("/outputs/%d/audio/codec", i), Message: message})
		}
		beside(&j, out, &product, copyable)
		j.Outputs = append(j.Outputs, product)
	}
	if len(problems) > 0 {
		return film.Job{}, problems.Err()
	}
	nameRenditions(&j)
	return j, nil
}

// nameRenditions gives the renditions of packages names that tell them apart.
func nameRenditions(j *film.Job) {
	used := map[string]bool{}
	for i := range j.Renditions {
		r := &j.Renditions[i]
		if r.SegmentDuration == 0 {
			continue
		}
		r.Name = fmt.Sprintf("%dp", min(r.Width, r.Height))
		if used[r.Name] {
			r.Name += "-" + string(r.Codec)
		}
		for n, base := 2, r.Name; used[r.Name]; n++ {
			r.Name = fmt.Sprintf("%s-%d", base, n)
		}
		used[r.Name] = true
	}
}

// shown is the size of a picture as it is seen: turned where its source is, and in its own pixels.
func shown(p film.VideoTrack) media.Size {
	if p.Rotation%180 != 0 {
		return media.Size{Width: p.Height, Height: p.Width}
	}
	return media.Size{Width: p.Width, Height: p.Height}
}

// place returns v's index in list, adding it where it is new: outputs that want the same share it.
func place[T comparable](list *[]T, v T) int {
	if i := slices.Index(*list, v); i >= 0 {
		return i
	}
	*list = append(*list, v)
	return len(*list) - 1
}

// nvencPreset is NVENC's word, p1 (fast) to p7 (slow), for what a request calls the same place between fast and slow.
func nvencPreset(v film.Video) string {
	presets := map[string]string{
		"ultrafast": "p1", "superfast": "p1", "veryfast": "p2", "faster": "p3", "fast": "p3", "medium": "p4",
		"slow": "p5", "slower": "p6", "veryslow": "p7", "placebo": "p7",
	}
	if v.Codec == film.AV1 {
		presets = map[string]string{
			"13": "p1", "12": "p1", "11": "p2", "10": "p3", "9": "p3", "8": "p4", "7": "p4",
			"6": "p5", "5": "p6", "4": "p6", "3": "p7", "2": "p7", "1": "p7", "0": "p7",
		}
	}
	return cmp.Or(presets[v.Preset], "p4")
}

// Bit rates of sound, per second.
const (
	stereoBitrate   = 160_000 // AAC and Opus are transparent to most ears there
	channelBitrate  = 80_000  // the same for each channel of more
	maxOpusBitrate  = 256_000 // for each channel: libopus refuses more
	maxOpusChannels = 8       // of Opus's mapping family 1, the last with a meaning for each channel
)

// soundOf is what becomes of a track, or the problem with it.
func soundOf(a film.Audio, index int, track film.AudioTrack, in film.Container, copyable func(string, film.Container) bool,
) (s film.AudioRendition, problem string) {
	s = film.AudioRendition{Track: index, Codec: a.Codec, Mux: film.MP4} // what is encoded is stitched, for every container
	can := copyable(track.Codec, in)
	switch {
	case a.Codec == film.AudioCopy && !can:
		return s, fmt.Sprintf("%s cannot hold %s unchanged; leave the codec out to have it encoded", in, track.Codec)
	case a.Codec == film.AudioAuto && can && (!in.Packaged() || track.Codec == "aac"): // others not every browser plays
		s.Codec = film.AudioCopy
	case a.Codec == film.AudioAuto && in == film.WebM:
		s.Codec = film.Opus
	case a.Codec == film.AudioAuto:
		s.Codec = film.AAC
	}
	if s.Codec == film.AudioCopy {
		if in == film.Matroska || in == film.WebM {
			s.Mux = film.Matroska
		}
		return s, ""
	}
	s.Bitrate = cmp.Or(a.Bitrate, film.Bitrate(max(stereoBitrate, track.Channels*channelBitrate)))
	if s.Codec == film.Opus {
		if track.Channels > maxOpusChannels {
			return s, fmt.Sprintf("opus holds at most %d channels, and a track has %d", maxOpusChannels, track.Channels)
		}
		s.Bitrate = min(s.Bitrate, film.Bitrate(track.Channels*maxOpusBitrate))
	}
	return s, ""
}
