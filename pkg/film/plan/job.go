package plan

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/media"
)

// Job plans what a request, which film.Parse accepted, makes of a source. copyable reports whether
// a container can hold a codec (ffmpeg's name) unchanged. The job has no segments yet, and its
// audio is not divided. An error is of kind fault.Invalid and holds film.Problems: every setting
// that the source does not allow.
func Job(req film.Request, src film.Source, encoder string, copyable func(codec string, in film.Container) bool) (film.Job, error) {
	if src.Video == nil && len(src.Audio) == 0 {
		return film.Job{}, film.Problems{{Pointer: "/source", Message: "has neither video nor audio"}}.Err()
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
		if out.Container.Preview() {
			if problem := addPreview(&j, out); problem != "" {
				problems = append(problems, film.Problem{Pointer: fmt.Sprintf("/outputs/%d/preview/rows", i), Message: problem})
			}
			continue
		}
		planned := film.OutputPlan{Name: out.Name, File: out.File(), Container: out.Container}
		if out.Container == film.Frames {
			j.Outputs = append(j.Outputs, planned)
			continue
		}
		chosen, unmatched := out.Choices().Choose(src.Audio, src.Subtitles)
		for _, p := range unmatched {
			problems = append(problems, film.Problem{Pointer: fmt.Sprintf("/outputs/%d%s", i, p.Pointer), Message: p.Message})
		}
		planned.Chosen = chosen
		if out.Container.Packaged() {
			planned.Folder, planned.SingleFile = film.MediaFolder(out.Name, id), out.Package.SingleFile
			planned.Manifest = out.Manifest()
		}
		for _, v := range rungs(out, src) {
			region, track, err := crop(v, src)
			if err != nil {
				problems = append(problems, film.Problem{Pointer: fmt.Sprintf("/outputs/%d/video/0/crop", i), Message: err.Error()})
				continue
			}
			r, warnings := rendition(v, track, src.Sequence != nil, req.Compute.GPU)
			r.Region = region
			if out.TargetSize > 0 {
				r.FileSize, r.SizedFile = out.TargetSize, planned.File
			}
			if err := fitFilter(r); err != nil {
				problems = append(problems, film.Problem{Pointer: fmt.Sprintf("/outputs/%d/video/0/filter", i), Message: err.Error()})
				continue
			}
			if err := lay(v, src, &r); err != nil {
				problems = append(problems, film.Problem{Pointer: fmt.Sprintf("/outputs/%d/video/0/overlay", i), Message: err.Error()})
				continue
			}
			if pointer, err := burn(v, &j, &r); err != nil {
				problems = append(problems, film.Problem{Pointer: fmt.Sprintf("/outputs/%d/video/0%s", i, pointer), Message: err.Error()})
				continue
			}
			if err := fitLevel(&r, track, req.Compute.GPU); err != nil {
				problems = append(problems, film.Problem{Pointer: fmt.Sprintf("/outputs/%d/video/0/level", i), Message: err.Error()})
				continue
			}
			if out.Container.Packaged() {
				r.SegmentDuration = micros(out.Package.Seconds)
				r.Keyframes = int((out.Package.Seconds + out.Package.Keyframes - 1) / out.Package.Keyframes)
			}
			if n := indexOrAppend(&j.Renditions, r); !slices.Contains(planned.Renditions, n) {
				planned.Renditions = append(planned.Renditions, n)
			}
			for _, w := range warnings {
				if w = planned.File + ": " + w; !slices.Contains(j.Warnings, w) {
					j.Warnings = append(j.Warnings, w)
				}
			}
		}
		if out.TargetSize > 0 && len(planned.Renditions) == 0 && src.Video == nil {
			problems = append(problems, film.Problem{Pointer: fmt.Sprintf("/outputs/%d/targetSize", i), Message: "the source has no video, whose bit rate could give the file a size"})
		}
		if out.Container.Packaged() && len(planned.Renditions) > 0 && out.Package.Thumbnails != film.ThumbnailsNone {
			planTrickPlay(&j, out, &planned)
		}
		var messages []string
		if out.Audio.Codec != film.AudioNone {
			for _, t := range chosen.AudioTracks(len(src.Audio)) {
				for _, form := range chosen.Forms(src.Audio[t].Channels) {
					rendition, warning, problem := audioRendition(*out.Audio, form, t, src.Audio[t], out.Container, copyable)
					if problem != "" {
						messages = append(messages, problem)
						continue
					}
					if warning != "" {
						j.Warnings = append(j.Warnings, planned.File+": "+warning)
					}
					planned.Audio = append(planned.Audio, indexOrAppend(&j.AudioRenditions, rendition))
				}
			}
		} else if len(planned.Renditions) == 0 {
			messages = append(messages, "without audio, nothing is left of a source without video")
		}
		slices.Sort(messages)
		for _, message := range slices.Compact(messages) {
			problems = append(problems, film.Problem{Pointer: fmt.Sprintf("/outputs/%d/audio/codec", i), Message: message})
		}
		if chosen.RatesOfMixes && !slices.ContainsFunc(planned.Audio, func(n int) bool { return j.AudioRenditions[n].Second }) {
			const message = "no track has so many channels that it gets a second rendition, and what is copied keeps its bit rate; choose another codec"
			problems = append(problems, film.Problem{Pointer: fmt.Sprintf("/outputs/%d/audio/bitrates", i), Message: message})
		}
		planSidecar(&j, out, &planned, copyable)
		j.Outputs = append(j.Outputs, planned)
	}
	if len(problems) > 0 {
		return film.Job{}, problems.Err()
	}
	nameRenditions(&j)
	j.Keyframes = keyframesSuffice(req, src)
	return j, nil
}

// nameRenditions gives the renditions of packages unique names.
func nameRenditions(j *film.Job) {
	used := map[string]bool{}
	for i := range j.Renditions {
		r := &j.Renditions[i]
		if r.SegmentDuration == 0 {
			continue
		}
		r.Name = fmt.Sprintf("%dp", min(r.Width, r.Height))
		if r.TrickPlay {
			r.Name = "trickplay"
		}
		if used[r.Name] {
			r.Name += "-" + string(r.Codec)
		}
		for n, base := 2, r.Name; used[r.Name]; n++ {
			r.Name = fmt.Sprintf("%s-%d", base, n)
		}
		used[r.Name] = true
	}
}

// displaySize returns the size of a video track after rotation, in pixels as stored.
func displaySize(v film.VideoTrack) media.Size {
	if v.Rotation%180 != 0 {
		return media.Size{Width: v.Height, Height: v.Width}
	}
	return media.Size{Width: v.Width, Height: v.Height}
}

// indexOrAppend returns v's index in list, after adding v if it is new. So outputs with equal
// settings share a rendition.
func indexOrAppend[T comparable](list *[]T, v T) int {
	if i := slices.Index(*list, v); i >= 0 {
		return i
	}
	*list = append(*list, v)
	return len(*list) - 1
}

// nvencPreset returns NVENC's preset, p1 (fast) to p7 (slow), that corresponds to a preset of the
// software encoder.
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

// Bit rates of encoded audio.
const (
	stereoBitrate  = 160_000 // also of mono: AAC and Opus are transparent to most listeners there
	channelBitrate = 80_000  // the same per channel, for more than two
	maxOpusBitrate = 256_000 // per channel: libopus refuses more
)

// audioRendition returns a form of an audio track in a container, a warning of what it loses, or the problem with it.
func audioRendition(a film.Audio, form film.Form, index int, track film.AudioTrack, in film.Container, copyable func(string, film.Container) bool,
) (r film.AudioRendition, warning, problem string) {
	r = film.AudioRendition{Track: index, Second: form.Second, Codec: a.Codec, Mux: film.MP4} // encoded audio is stitched from MP4, for every container
	can := copyable(track.Codec, in) && a.Loudness == 0 && form.Channels == track.Channels && form.Bitrate == 0
	if form.Second {
		if r.Codec == film.AudioCopy {
			r.Codec = film.AudioAuto
		}
		a = film.Audio{Codec: r.Codec, Loudness: a.Loudness}
	}
	switch {
	case a.Codec == film.AudioCopy && !can:
		return r, "", fmt.Sprintf("%s cannot hold %s unchanged; leave the codec out to have it encoded", in, track.Codec)
	case a.Codec == film.AudioAuto && can && (!in.Packaged() || track.Codec == "aac"): // some browsers play no other codec in packages
		r.Codec = film.AudioCopy
	case a.Codec == film.AudioAuto && in == film.WebM:
		r.Codec = film.Opus
	case a.Codec == film.AudioAuto:
		r.Codec = film.AAC
	}
	if r.Codec != film.AudioCopy {
		return encoded(r, a, form, track)
	}
	if in.Remuxed() {
		r.Mux = film.Matroska
	}
	if a.Codec == film.AudioCopy {
		return r, "", ""
	}
	instead := film.AudioRendition{Track: index, Codec: film.AAC}
	if in == film.WebM {
		instead.Codec = film.Opus
	}
	if instead, _, problem = encoded(instead, a, form, track); problem == "" {
		r.Fallback = film.AudioFallback{Codec: instead.Codec, Bitrate: instead.Bitrate, Layout: instead.Layout, Channels: instead.Channels}
	}
	return r, "", ""
}

// encoded completes r, the rendition of a track that is encoded to r.Codec.
func encoded(r film.AudioRendition, a film.Audio, form film.Form, track film.AudioTrack) (_ film.AudioRendition, warning, problem string) {
	r.Loudness = a.Loudness
	var mixed, ok bool
	if r.Layout, r.Channels, mixed, ok = r.Codec.Layout(track.Layout, track.Channels); !ok {
		return r, "", fmt.Sprintf("%s holds at most 8 channels, but a track has %d, and the source does not say where they are", r.Codec, track.Channels)
	}
	if form.Channels < track.Channels && form.Channels < r.Channels {
		mixed, r.Channels, r.Layout = false, form.Channels, film.LayoutOf(form.Channels) // on purpose
	}
	if mixed {
		warning = fmt.Sprintf("audio track %d has %d channels (%s); %s gets them mixed to %d (%s)",
			r.Track+1, track.Channels, track.Layout, r.Codec, r.Channels, r.Layout)
	}
	r.Bitrate = cmp.Or(form.Bitrate, a.Bitrate, film.Bitrate(max(stereoBitrate, r.Channels*channelBitrate)))
	if r.Codec == film.Opus {
		r.Bitrate = min(r.Bitrate, film.Bitrate(r.Channels*maxOpusBitrate))
	}
	return r, warning, ""
}
