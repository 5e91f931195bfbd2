package film

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mapreel/mapreel/pkg/film/overlay"
	"github.com/mapreel/mapreel/pkg/film/preset"
)

// Limits of a request. The tags of the types have the same numbers for the schema.
const (
	minDeadline = time.Second
	maxDeadline = 7 * 24 * time.Hour
	minSegment  = time.Second      // below it, starting ffmpeg costs more than the encode
	maxSegment  = 10 * time.Minute // a longer segment would exceed the time limit of a Lambda function
	maxOutputs  = 20               // each is an iteration of an inline Map, and a merge
	maxThreads  = 64               // x264 refuses 128
	maxParallel = 10_000           // Step Functions' limit for a Distributed Map
	maxProgram  = 1<<16 - 1        // program_number has 16 bits, and 0 is the network's own (ISO/IEC 13818-1, 2.4.4.4)
	maxHours    = 30 * 24          // older scratch files are a waste of money
	maxName     = 200              // bytes: leaves room for an extension and a temporary suffix in a file name
	minHeight   = 16               // the smallest picture that all encoders accept
	maxHeight   = 8640             // 16K
	maxAddress  = 4096             // bytes of source and destination: PATH_MAX of Linux; S3 keys have at most 1024
	minMedia    = time.Second      // of a media segment: below it, requests cost more than the media
	maxMedia    = 30 * time.Second // players load a whole media segment before they start
	maxRungs    = 12               // renditions of a package: more differ too little, and all share one decode
	minVideo    = 50_000           // bits per second: below it no useful picture is left
	minAudio    = 6_000            // bits per second: the minimum that libopus documents
	maxAudio    = 1_536_000        // bits per second, for eight channels; higher rates are inaudible
)

// fileName matches the names that an output can have: one element of a path, not hidden, without control characters.
var fileName = regexp.MustCompile(`^[^./\\\x00-\x1f\x7f][^/\\\x00-\x1f\x7f]*$`)

// Check returns the problems of the request that can be found without its source. Zero values stand for defaults, except
// in required fields.
func (r Request) Check() Problems {
	var ps Problems
	add := func(pointer, format string, args ...any) {
		ps = append(ps, Problem{pointer, fmt.Sprintf(format, args...)})
	}
	inRange := func(pointer string, v, low, high int) {
		if v != 0 && (v < low || v > high) {
			add(pointer, "%d is outside %d to %d", v, low, high)
		}
	}
	for _, a := range []struct{ pointer, text string }{{"/source", r.Source}, {"/destination", r.Destination}} {
		switch {
		case a.text == "":
			add(a.pointer, "is required")
		case len(a.text) > maxAddress:
			add(a.pointer, "is %d bytes long; at most %d", len(a.text), maxAddress)
		case strings.ContainsRune(a.text, 0) || !utf8.ValidString(a.text):
			add(a.pointer, "%q has bytes that are not text", a.text)
		}
	}
	inRange("/program", r.Program, 1, maxProgram)
	ps = append(ps, r.checkSequence()...)
	ps = append(ps, r.checkRender()...)
	ps = append(ps, r.checkJoin()...)
	ps = append(ps, r.Part.Check()...)
	ps = append(ps, r.checkSubtitleFiles()...)
	if len(r.Outputs) == 0 {
		add("/outputs", "at least one is required")
	}
	if len(r.Outputs) > maxOutputs {
		add("/outputs", "%d outputs; at most %d", len(r.Outputs), maxOutputs)
	}
	ps = append(ps, r.checkEncryption()...)
	seen, sets := map[string]bool{}, map[string]bool{}
	var mediaSegment Seconds // of the packages so far
	for i, out := range r.Outputs[:min(len(r.Outputs), maxOutputs)] {
		at := fmt.Sprintf("/outputs/%d", i)
		switch {
		case out.Name == "":
			add(at+"/name", "is required")
		case len(out.Name) > maxName:
			add(at+"/name", "is %d bytes long; at most %d", len(out.Name), maxName)
		case !fileName.MatchString(out.Name) || !utf8.ValidString(out.Name):
			add(at+"/name", "%q is not a valid file name", out.Name)
		default:
			if c := out.Container; c.Preview() {
				series := strings.ToLower(out.series())
				if seen[series] {
					add(at+"/name", "an earlier output has pictures of that name and format; choose another name")
				}
				seen[series] = true
				if sets[strings.ToLower(out.Name)] { // previews of one name are listed in one file
					break
				}
				sets[strings.ToLower(out.Name)] = true
			}
			if folder := "folder of " + strings.ToLower(out.Name); out.Container.Packaged() {
				if seen[folder] {
					add(at+"/name", "an earlier package has that name; choose another name, or cmaf for a package with both manifests")
					break
				}
				seen[folder] = true
			}
			for _, name := range out.Names() {
				key := strings.ToLower(name) // on a case-insensitive file system, one would replace the other
				if seen[key] {
					add(at+"/name", "%q is the name of an earlier output", name)
					break
				}
				seen[key] = true
			}
		}
		if cmp.Or(out.Container, MP4).Packaged() {
			seconds := out.MediaSegment()
			if mediaSegment != 0 && mediaSegment != seconds {
				add(at+"/package/seconds", "%v is different from the %v of an earlier package; all packages of a request have the same",
					time.Duration(seconds), time.Duration(mediaSegment))
			}
			mediaSegment = seconds
		}
		ps = append(ps, out.check(at, r.Compute.GPU)...)
	}
	if s := time.Duration(r.Segment.Seconds); s != 0 && (s < minSegment || s > maxSegment) {
		add("/segment/seconds", "%v is outside %v to %v", s, minSegment, maxSegment)
	}
	switch r.Segment.Goal {
	case "", GoalTime, GoalCost, GoalBalanced:
	default:
		add("/segment/goal", "%q is not one of time, cost, balanced", r.Segment.Goal)
	}
	if d := time.Duration(r.Compute.Deadline); d != 0 && (d < minDeadline || d > maxDeadline) {
		add("/compute/deadline", "%v is outside %v to %v", d, minDeadline, maxDeadline)
	}
	switch r.Compute.Mode {
	case "", Lambda, Batch, LambdaBatch:
	default:
		add("/compute/mode", "%q is not one of lambda, batch, lambda-batch", r.Compute.Mode)
	}
	if r.Compute.GPU && r.Compute.Mode == Lambda {
		add("/compute/gpu", "Lambda has no GPU; choose mode batch")
	}
	inRange("/compute/concurrency", r.Compute.Concurrency, 1, maxParallel)
	inRange("/compute/threads", r.Compute.Threads, 1, maxThreads)
	inRange("/retention/hours", r.Retention.Hours, 1, maxHours)
	return ps
}

func (o Output) check(at string, gpu bool) (ps Problems) {
	add := func(pointer, format string, args ...any) {
		ps = append(ps, Problem{at + pointer, fmt.Sprintf(format, args...)})
	}
	c := cmp.Or(o.Container, MP4)
	if _, known := preset.Named(o.Preset); o.Preset != "" && !known {
		add("/preset", "%.50q is not a preset; there are: %s", o.Preset, preset.Names())
	} else if known && c.Preview() {
		add("/preset", "%s is a preview, which no preset is for", c)
	}
	ps = append(ps, o.checkTargetSize(at)...)
	switch c {
	case MP4, Matroska, WebM:
		if len(o.Video) > 1 {
			add("/video", "a file holds one video track, not %d", len(o.Video))
		}
		if o.Ladder != "" {
			add("/ladder", "%s is one file; choose hls, dash or cmaf for a ladder", c)
		}
		if o.Package != nil {
			add("/package", "%s is one file; choose hls, dash or cmaf for a package", c)
		}
	case HLS, DASH, CMAF:
		ps = append(ps, o.checkPackage(at)...)
	case Stills, Poster, Sprites, GIF, AnimatedWebP, AnimatedAVIF, Clip:
		return append(ps, o.checkPreview(at)...)
	case Frames:
		if o.Preview != nil || len(o.Video) > 0 || o.Audio != nil || o.Ladder != "" || o.Package != nil || o.Subtitles != "" {
			add("", "frames are kept as they are rendered; leave out everything but the name")
		}
		return ps
	default:
		add("/container", "%q is not one of mp4, mkv, webm, hls, dash, cmaf, or of the previews stills, poster, sprites, gif, webp, avif, clip, or frames", c)
		return ps // the other fields depend on the container
	}
	if o.Preview != nil {
		add("/preview", "%s is no preview; choose stills, poster, sprites, gif, webp, avif or clip", c)
	}
	for i, v := range o.Video[:min(len(o.Video), maxRungs)] {
		p := fmt.Sprintf("/video/%d", i)
		codec := cmp.Or(v.Codec, defaultCodec(c))
		e, known := encoders[codec]
		if !known {
			if named := CodecNamed(string(codec)); named != codec {
				add(p+"/codec", "%q is called %s here", codec, named)
			} else {
				add(p+"/codec", "%q is not one of h264, h265, vp9, av1", codec)
			}
			continue
		}
		if !slices.Contains(e.containers, c) {
			add(p+"/codec", "%s cannot hold %s", c, codec)
		}
		if gpu && !e.nvenc {
			add(p+"/codec", "%s cannot be encoded on a GPU; leave out gpu, or choose h264, h265 or av1", codec)
		}
		if v.CRF != nil && (*v.CRF < 0 || *v.CRF > e.maxCRF) {
			add(p+"/crf", "%d is outside 0 to %d for %s", *v.CRF, e.maxCRF, codec)
		}
		if gpu && v.CRF != nil && *v.CRF == 0 {
			add(p+"/crf", "0 is lossless, which a GPU cannot encode; choose 1 to %d", e.maxCRF)
		}
		if v.Preset != "" && !e.isPreset(v.Preset) {
			add(p+"/preset", "%q is not a preset of %s; the presets are: %s", v.Preset, codec, e.presets)
		}
		switch v.Interlaced {
		case "", Deinterlace, KeepInterlaced:
		default:
			add(p+"/interlaced", "%q is not one of deinterlace, keep", v.Interlaced)
		}
		if v.Upscale && v.Height == 0 && v.Pad == "" {
			add(p+"/upscale", "has no effect without height or pad")
		}
		ps = append(ps, v.checkPicture(at+p)...)
		ps = append(ps, v.checkQuality(at+p, codec, gpu)...)
		ps = append(ps, v.checkBitrate(at+p, o.TargetSize, gpu)...)
		if problem := checkTune(v.Tune, codec, gpu); problem != "" {
			add(p+"/tune", "%s", problem)
		}
		ps = append(ps, v.checkEncoding(at+p, codec, gpu)...)
		if v.MaxBitrate != 0 && v.MaxBitrate < minVideo {
			add(p+"/maxBitrate", "%v is less than %v", v.MaxBitrate, Bitrate(minVideo))
		}
		if v.Height != 0 && (v.Height < minHeight || v.Height > maxHeight) {
			add(p+"/height", "%d is outside %d to %d", v.Height, minHeight, maxHeight)
		}
	}
	switch o.Subtitles {
	case "", SubtitlesAuto, SubtitlesNone:
	default:
		add("/subtitles", "%q is not one of auto, none", o.Subtitles)
	}
	ps = append(ps, o.checkTracks(at)...)
	ps = append(ps, o.checkMix(at)...)
	ps = append(ps, o.checkLoudness(at)...)
	ps = append(ps, o.checkRates(at)...)
	if a := o.Audio; a != nil {
		switch a.Codec {
		case "", AudioAuto, AudioCopy, Opus, AudioNone:
		case AAC:
			if c == WebM {
				add("/audio/codec", "webm cannot hold aac; choose opus")
			}
		default:
			add("/audio/codec", "%q is not one of auto, copy, aac, opus, none", a.Codec)
		}
		if a.Bitrate != 0 && (a.Bitrate < minAudio || a.Bitrate > maxAudio) {
			add("/audio/bitrate", "%v is outside %v to %v", a.Bitrate, Bitrate(minAudio), Bitrate(maxAudio))
		}
	}
	return ps
}

func (o Output) checkPackage(at string) (ps Problems) {
	add := func(pointer, format string, args ...any) {
		ps = append(ps, Problem{at + pointer, fmt.Sprintf(format, args...)})
	}
	if o.Ladder != "" && o.Ladder != Web {
		add("/ladder", "%q is not a ladder; use web, or list renditions in video", o.Ladder)
	}
	if o.Ladder != "" && len(o.Video) > 1 {
		add("/ladder", "the ladder selects the renditions, but video lists %d; leave out one of the two", len(o.Video))
	}
	if o.Ladder != "" && len(o.Video) == 1 && (o.Video[0].Height != 0 || o.Video[0].MaxBitrate != 0 || o.Video[0].Bitrate != 0 || o.Video[0].Pad != "") {
		add("/video/0", "the ladder sets sizes and bit rates; leave them out")
	}
	for i, v := range o.Video[:min(len(o.Video), maxRungs)] {
		if v.FrameRate != o.Video[0].FrameRate {
			add(fmt.Sprintf("/video/%d/frameRate", i), "all renditions of a package must have the same frame rate, so that players can switch between them")
		}
		if v.Crop != o.Video[0].Crop {
			add(fmt.Sprintf("/video/%d/crop", i), "all renditions of a package must show the same part of the picture, so that players can switch between them")
		}
		if v.Filter != o.Video[0].Filter {
			add(fmt.Sprintf("/video/%d/filter", i), "all renditions of a package must have the same filters, so that players can switch between them")
		}
		if one, other := v.Burn, o.Video[0].Burn; (one == nil) != (other == nil) || one != nil && *one != *other {
			add(fmt.Sprintf("/video/%d/burn", i), "all renditions of a package must show the same subtitles, so that players can switch between them")
		}
		if !overlay.Same(v.Overlay, o.Video[0].Overlay) {
			add(fmt.Sprintf("/video/%d/overlay", i), "all renditions of a package must have the same overlay, so that players can switch between them")
		}
	}
	if len(o.Video) > maxRungs {
		add("/video", "%d renditions; at most %d", len(o.Video), maxRungs)
	}
	if o.Package != nil {
		if s := time.Duration(o.Package.Seconds); s != 0 && (s < minMedia || s > maxMedia) {
			add("/package/seconds", "%v is outside %v to %v", s, minMedia, maxMedia)
		}
		if s := time.Duration(o.Package.Keyframes); s != 0 && (s < minMedia || s > maxMedia) {
			add("/package/keyframes", "%v is outside %v to %v", s, minMedia, maxMedia)
		}
		switch o.Package.Thumbnails {
		case "", ThumbnailsAuto, ThumbnailsNone:
		default:
			add("/package/thumbnails", "%q is not one of auto, none", o.Package.Thumbnails)
		}
	}
	return ps
}
