package film

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/mapreel/mapreel/pkg/fault"
)

// MaxRequest is the size in bytes of the largest request: the payload limit of Step Functions.
const MaxRequest = 256 << 10

// Problem is one thing that is wrong with a request.
type Problem struct {
	Pointer string // RFC 6901; "" is the whole document
	Message string
}

func (p Problem) String() string {
	if p.Pointer == "" {
		return p.Message
	}
	return p.Pointer + ": " + p.Message
}

// Problems are all the things that are wrong with a request. As an error its text has a line for each.
type Problems []Problem

func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// Err is an error of kind fault.Invalid that holds ps, for errors.As to find; nil where there are none.
func (ps Problems) Err() error {
	if len(ps) == 0 {
		return nil
	}
	return fault.Wrap(fault.Invalid, ps, "invalid request")
}

// Parse reads a request from JSON and checks all that can be known without its source. The error is of kind
// fault.Invalid and holds Problems: all of them, but for those that only hold if another is mended in one way.
//
// It is stricter than encoding/json: field names count with their case, an unknown one is a problem, null and an
// explicit zero or empty text never stand for a default. Where a name occurs twice, the last counts.
func Parse(data []byte) (Request, error) {
	var req Request
	whole := func(message string) (Request, error) { return Request{}, Problems{{"", message}}.Err() }
	if len(data) > MaxRequest {
		return whole(fmt.Sprintf("too long: %d bytes of at most %d", len(data), MaxRequest))
	}
	if !utf8.Valid(data) {
		return whole("not JSON: it holds bytes that are not UTF-8")
	}
	var tree any
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	if err := dec.Decode(&tree); err != nil {
		return whole("not JSON: " + syntax(err, data))
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return whole("not JSON: text follows its end")
	}
	problems, sound := shape("", tree, reflect.TypeFor[Request]())
	// From the tree, not from data: of a name that occurs twice, encoding/json would mix both values.
	seen, err := json.Marshal(sound)
	if err == nil {
		err = json.Unmarshal(seen, &req)
	}
	if err != nil {
		return whole(err.Error())
	}
	certain := len(problems)
	for _, p := range req.Check() {
		if !slices.ContainsFunc(problems[:certain], func(q Problem) bool { return q.mayCause(p) }) {
			problems = append(problems, p)
		}
	}
	if len(problems) > 0 {
		return Request{}, problems.Err()
	}
	return req, nil
}

// mayCause says whether p, a problem of shape, leaves q open: q is about the same value or something within it, or
// about a neighbour, for what fits beside a value is not known while that is not. The fields of the whole request and
// the elements of a list stand for themselves.
func (p Problem) mayCause(q Problem) bool {
	if p.Pointer == q.Pointer || p.Pointer == "" {
		return true
	}
	slash := strings.LastIndexByte(p.Pointer, '/')
	parent, field := p.Pointer[:slash], p.Pointer[slash+1:]
	_, notElement := strconv.Atoi(field)
	return strings.HasPrefix(q.Pointer, p.Pointer+"/") ||
		parent != "" && notElement != nil && strings.HasPrefix(q.Pointer, parent+"/")
}

// syntax says what is wrong with JSON, and where.
func syntax(err error, data []byte) string {
	var at *json.SyntaxError
	switch {
	case errors.Is(err, io.EOF):
		return "it is empty"
	case errors.Is(err, io.ErrUnexpectedEOF):
		return "it ends too early"
	case errors.As(err, &at):
		before := data[:min(max(at.Offset-1, 0), int64(len(data)))]
		line, column := 1+bytes.Count(before, []byte("\n")), len(before)-bytes.LastIndexByte(before, '\n')
		return fmt.Sprintf("line %d, column %d: %v", line, column, err)
	}
	return err.Error()
}

// shape compares decoded JSON with a Go type: unknown fields and wrong types, each with its pointer. encoding/json
// would stop at the first and name no pointer. It also returns what is sound of v, which encoding/json will take.
func shape(at string, v any, t reflect.Type) (Problems, any) {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	bad := func(message string) (Problems, any) { return Problems{{at, message}}, nil }
	if u, ok := reflect.New(t).Interface().(json.Unmarshaler); ok {
		raw, err := json.Marshal(v)
		if err == nil {
			err = u.UnmarshalJSON(raw)
		}
		if err != nil {
			return bad(err.Error())
		}
		return nil, v
	}
	switch t.Kind() {
	case reflect.Struct:
		object, ok := v.(map[string]any)
		if !ok {
			return bad("must be an object")
		}
		return shapeOfObject(at, object, t)
	case reflect.Slice:
		list, ok := v.([]any)
		if !ok {
			return bad("must be a list")
		}
		var ps Problems
		sound := make([]any, len(list)) // with null for what is not: the others keep their place
		for i, e := range list {
			var more Problems
			more, sound[i] = shape(at+"/"+strconv.Itoa(i), e, t.Elem())
			ps = append(ps, more...)
		}
		return ps, sound
	case reflect.String:
		if _, ok := v.(string); !ok {
			return bad("must be a string")
		}
	case reflect.Bool:
		if _, ok := v.(bool); !ok {
			return bad("must be true or false")
		}
	case reflect.Int:
		n, ok := v.(json.Number)
		if _, err := strconv.Atoi(n.String()); !ok || err != nil {
			return bad("must be a whole number, without point or exponent")
		}
	default:
		panic("film: no shape of " + t.String()) // a new field's type; every test that names the field meets it
	}
	return nil, v
}

func shapeOfObject(at string, object map[string]any, t reflect.Type) (ps Problems, _ any) {
	fields := map[string]reflect.StructField{}
	for f := range t.Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		fields[name] = f
	}
	sound := map[string]any{}
	for _, name := range slices.Sorted(maps.Keys(object)) {
		p := at + "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
		f, known := fields[name]
		if !known {
			ps = append(ps, Problem{p, "is not a field; these are: " + strings.Join(slices.Sorted(maps.Keys(fields)), ", ")})
			continue
		}
		more, v := shape(p, object[name], f.Type)
		if message := unset(v, f); message != "" {
			more = append(more, Problem{p, message})
		}
		ps = append(ps, more...)
		if v != nil {
			sound[name] = v
		}
	}
	return ps, sound
}

// unset says what is wrong with an explicit value that a Request cannot tell from an absent one; "" where it can.
func unset(v any, f reflect.StructField) string {
	if _, options, _ := strings.Cut(f.Tag.Get("json"), ","); options != "omitempty" || f.Type.Kind() == reflect.Pointer {
		return ""
	}
	switch v := v.(type) {
	case json.Number:
		if n, err := v.Float64(); err == nil && n == 0 {
			return "0 is too small; leave it out for the default"
		}
	case string:
		if v == "" {
			return "is empty; leave it out for the default"
		}
	}
	return ""
}

// Limits of a request, each with its reason.
const (
	minSegment  = time.Second      // below it, starting ffmpeg costs more than the encode
	maxSegment  = 10 * time.Minute // above it, a segment outlasts a Lambda function
	maxOutputs  = 20               // each is an iteration of an inline Map, and a merge
	maxThreads  = 64               // x264 refuses 128
	maxParallel = 10_000           // Step Functions' limit for a Distributed Map
	maxHours    = 30 * 24          // scratch older than that is waste
	maxName     = 200              // bytes: leaves room for an extension and a temporary suffix in a file name
	minHeight   = 16               // the smallest picture that every encoder here takes
	maxHeight   = 8640             // 16K
	maxAddress  = 4096             // bytes of source and destination: PATH_MAX of Linux; S3's keys end at 1024
	minMedia    = time.Second      // of a package's media segment: below it, requests cost more than media
	maxMedia    = 30 * time.Second // a player waits for a whole one before it starts
	maxRungs    = 12               // renditions of a package: more are not told apart, and share one decode
	minVideo    = 50_000           // bits a second: below it no picture is left
	minAudio    = 6_000            // bits a second: the least that libopus documents
	maxAudio    = 1_536_000        // of eight channels, far above what any ear asks for
)

// x264Presets are those of x264 and x265, fastest first.
var x264Presets = []string{"ultrafast", "superfast", "veryfast", "faster", "fast", "medium", "slow", "slower", "veryslow", "placebo"}

// encoder is what a request may say of a codec.
type encoder struct {
	maxCRF     int
	crf        int
	preset     string
	presetsOf  func(string) bool
	presetsAre string
	containers []Container
	nvenc      bool // NVENC can make it
}

func oneOf(list []string) func(string) bool {
	return func(s string) bool { return slices.Contains(list, s) }
}

func upTo(limit int) func(string) bool {
	return func(s string) bool {
		n, err := strconv.Atoi(s)
		return err == nil && n >= 0 && n <= limit && s == strconv.Itoa(n)
	}
}

// encoders holds each codec's ranges, from the encoders' own documentation, and its defaults: x264's CRF 21 and what
// looks about the same with the others.
var encoders = map[VideoCodec]encoder{
	H264: {51, 21, "medium", oneOf(x264Presets), strings.Join(x264Presets, ", "), []Container{MP4, Matroska, HLS, DASH, CMAF}, true},
	H265: {51, 24, "medium", oneOf(x264Presets), strings.Join(x264Presets, ", "), []Container{MP4, Matroska, HLS, DASH, CMAF}, true},
	VP9:  {63, 31, "4", upTo(8), "0 (slow) to 8 (fast)", []Container{Matroska, WebM, DASH}, false},
	AV1:  {63, 32, "8", upTo(13), "0 (slow) to 13 (fast)", []Container{MP4, Matroska, WebM, HLS, DASH, CMAF}, true},
}

// DefaultCRF is the quality that c gets where a request does not say.
func (c VideoCodec) DefaultCRF() int { return encoders[c].crf }

// name is what an output may be called: one name of a path, not hidden, without what terminals or shells choke on.
var name = regexp.MustCompile(`^[^./\\\x00-\x1f\x7f][^/\\\x00-\x1f\x7f]*$`)

// Check lists what is wrong with the request, as far as it can be known without its source. What is left open (zero) is
// not wrong, but for what is required.
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
			add(a.pointer, "%q holds bytes that are not text", a.text)
		}
	}
	if len(r.Outputs) == 0 {
		add("/outputs", "at least one is required")
	}
	if len(r.Outputs) > maxOutputs {
		add("/outputs", "%d outputs; at most %d", len(r.Outputs), maxOutputs)
	}
	seen := map[string]bool{}
	var cut Seconds // of the packages' media segments
	for i, out := range r.Outputs {
		at := fmt.Sprintf("/outputs/%d", i)
		switch {
		case out.Name == "":
			add(at+"/name", "is required")
		case len(out.Name) > maxName:
			add(at+"/name", "is %d bytes long; at most %d", len(out.Name), maxName)
		case !name.MatchString(out.Name) || !utf8.ValidString(out.Name):
			add(at+"/name", "%q cannot be a file's name", out.Name)
		default:
			for _, taken := range out.takes() {
				key := strings.ToLower(taken) // where case does not count, one would replace the other
				if seen[key] {
					add(at+"/name", "%q is the name of an earlier output", taken)
					break
				}
				seen[key] = true
			}
		}
		if cmp.Or(out.Container, MP4).Packaged() {
			seconds := Seconds(defaultMedia)
			if out.Package != nil {
				seconds = cmp.Or(out.Package.Seconds, seconds)
			}
			if cut != 0 && cut != seconds {
				add(at+"/package/seconds", "%v, and an earlier package has %v; all of a request are cut alike",
					time.Duration(seconds), time.Duration(cut))
			}
			cut = seconds
		}
		ps = append(ps, out.check(at, r.Compute.GPU)...)
	}
	if s := time.Duration(r.Segment.Seconds); s != 0 && (s < minSegment || s > maxSegment) {
		add("/segment/seconds", "%v is outside %v to %v", s, minSegment, maxSegment)
	}
	switch r.Compute.Mode {
	case "", Lambda, Batch, LambdaBatch:
	default:
		add("/compute/mode", "%q is none of lambda, batch, lambda-batch", r.Compute.Mode)
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
	switch c {
	case MP4, Matroska, WebM:
		if len(o.Video) > 1 {
			add("/video", "a file holds one picture; %d were asked for", len(o.Video))
		}
		if o.Ladder != "" {
			add("/ladder", "%s is one file; choose hls, dash or cmaf for a ladder", c)
		}
		if o.Package != nil {
			add("/package", "%s is one file; choose hls, dash or cmaf for a package", c)
		}
	case HLS, DASH, CMAF:
		ps = append(ps, o.checkPackage(at)...)
	default:
		add("/container", "%q is none of mp4, mkv, webm, hls, dash, cmaf", c)
		return ps // what it may hold is not known
	}
	for i, v := range o.Video {
		p := fmt.Sprintf("/video/%d", i)
		codec := cmp.Or(v.Codec, defaultCodec(c))
		e, known := encoders[codec]
		if !known {
			add(p+"/codec", "%q is none of h264, h265, vp9, av1", codec)
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
			add(p+"/crf", "0 is lossless, which a GPU does not offer; choose 1 to %d", e.maxCRF)
		}
		if v.Preset != "" && !e.presetsOf(v.Preset) {
			add(p+"/preset", "%q is not a preset of %s; these are: %s", v.Preset, codec, e.presetsAre)
		}
		switch v.Interlaced {
		case "", Deinterlace, KeepInterlaced:
		default:
			add(p+"/interlaced", "%q is none of deinterlace, keep", v.Interlaced)
		}
		if v.Upscale && v.Height == 0 {
			add(p+"/upscale", "means nothing without height")
		}
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
		add("/subtitles", "%q is none of auto, none", o.Subtitles)
	}
	if a := o.Audio; a != nil {
		switch a.Codec {
		case "", AudioAuto, AudioCopy, Opus, AudioNone:
		case AAC:
			if c == WebM {
				add("/audio/codec", "webm cannot hold aac; choose opus")
			}
		default:
			add("/audio/codec", "%q is none of auto, copy, aac, opus, none", a.Codec)
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
		add("/ladder", "%q is not a ladder; web is one, and video lists one of your own", o.Ladder)
	}
	if o.Ladder != "" && len(o.Video) > 1 {
		add("/ladder", "the ladder chooses the renditions, and video lists %d; leave one of the two out", len(o.Video))
	}
	if o.Ladder != "" && len(o.Video) == 1 && (o.Video[0].Height != 0 || o.Video[0].MaxBitrate != 0) {
		add("/video/0", "the ladder chooses heights and bit rates; leave them out")
	}
	for i, v := range o.Video {
		if v.FrameRate != o.Video[0].FrameRate {
			add(fmt.Sprintf("/video/%d/frameRate", i), "the renditions of a package have one frame rate, so that players may change between them")
		}
	}
	if len(o.Video) > maxRungs {
		add("/video", "%d renditions; at most %d", len(o.Video), maxRungs)
	}
	if o.Package != nil {
		if s := time.Duration(o.Package.Seconds); s != 0 && (s < minMedia || s > maxMedia) {
			add("/package/seconds", "%v is outside %v to %v", s, minMedia, maxMedia)
		}
	}
	return ps
}

// defaultMedia is how long a package's media segments are: what Apple's "HLS Authoring Specification" recommends.
const defaultMedia = 6 * time.Second

// File is the name of the output's file in the destination; of a package, of what players open.
func (o Output) File() string {
	switch c := cmp.Or(o.Container, MP4); c {
	case HLS, CMAF:
		return o.Name + ".m3u8"
	case DASH:
		return o.Name + ".mpd"
	default:
		return o.Name + "." + string(c)
	}
}

// Manifest is the name of the DASH manifest that a package has beside its File; "" where there is none.
func (o Output) Manifest() string {
	if o.Container != CMAF {
		return ""
	}
	return o.Name + ".mpd"
}

// takes are the names in the destination that the output needs for itself: its files', and of a package its folder's.
func (o Output) takes() []string {
	names := []string{o.File()}
	if o.Container.Packaged() {
		names = append(names, o.Name)
	}
	if m := o.Manifest(); m != "" {
		names = append(names, m)
	}
	return names
}

func defaultCodec(c Container) VideoCodec {
	if c == WebM {
		return VP9
	}
	return H264
}
