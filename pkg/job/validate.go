package job

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

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

// Parse reads a request from JSON and checks all that can be known without its source. The error is of kind
// fault.Invalid and holds Problems.
func Parse(data []byte) (Request, error) {
	var req Request
	if len(data) > MaxRequest {
		return req, fault.New(fault.Invalid, "the request is larger than %d bytes", MaxRequest)
	}
	var tree any
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.UseNumber()
	if err := dec.Decode(&tree); err != nil {
		return req, fault.Wrap(fault.Invalid, err, "the request is not JSON")
	}
	if dec.More() {
		return req, fault.New(fault.Invalid, "the request is not JSON: text follows its end")
	}
	if problems := shape(nil, "", tree, reflect.TypeFor[Request]()); len(problems) > 0 {
		return req, invalid(problems)
	}
	if err := json.Unmarshal(data, &req); err != nil {
		return req, fault.Wrap(fault.Invalid, err, "the request")
	}
	if problems := req.Check(); len(problems) > 0 {
		return req, invalid(problems)
	}
	return req, nil
}

func invalid(ps Problems) error { return fault.Wrap(fault.Invalid, ps, "invalid request") }

// shape compares decoded JSON with a Go type: unknown fields and wrong types, each with its pointer. encoding/json
// would stop at the first and name no pointer.
func shape(ps Problems, at string, v any, t reflect.Type) Problems {
	if t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	bad := func(want string) Problems { return append(ps, Problem{at, "must be " + want}) }
	if u, ok := reflect.New(t).Interface().(json.Unmarshaler); ok {
		raw, err := json.Marshal(v)
		if err == nil {
			err = u.UnmarshalJSON(raw)
		}
		if err != nil {
			return append(ps, Problem{at, err.Error()})
		}
		return ps
	}
	switch t.Kind() {
	case reflect.Struct:
		object, ok := v.(map[string]any)
		if !ok {
			return bad("an object")
		}
		fields := map[string]reflect.Type{}
		for f := range t.Fields() {
			name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
			fields[name] = f.Type
		}
		for _, name := range slices.Sorted(maps.Keys(object)) {
			p := at + "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
			ft, known := fields[name]
			if !known {
				ps = append(ps, Problem{p, "is not a field; these are: " + strings.Join(slices.Sorted(maps.Keys(fields)), ", ")})
				continue
			}
			ps = shape(ps, p, object[name], ft)
		}
	case reflect.Slice:
		list, ok := v.([]any)
		if !ok {
			return bad("a list")
		}
		for i, e := range list {
			ps = shape(ps, at+"/"+strconv.Itoa(i), e, t.Elem())
		}
	case reflect.String:
		if _, ok := v.(string); !ok {
			return bad("a string")
		}
	case reflect.Bool:
		if _, ok := v.(bool); !ok {
			return bad("true or false")
		}
	case reflect.Int:
		n, ok := v.(json.Number)
		if _, err := strconv.Atoi(n.String()); !ok || err != nil {
			return bad("a whole number")
		}
	}
	return ps
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
	H264: {51, 21, "medium", oneOf(x264Presets), strings.Join(x264Presets, ", "), []Container{MP4, Matroska}},
	H265: {51, 24, "medium", oneOf(x264Presets), strings.Join(x264Presets, ", "), []Container{MP4, Matroska}},
	VP9:  {63, 31, "4", upTo(8), "0 (slow) to 8 (fast)", []Container{Matroska, WebM}},
	AV1:  {63, 32, "8", upTo(13), "0 (slow) to 13 (fast)", []Container{MP4, Matroska, WebM}},
}

var name = regexp.MustCompile(`^[^/\\\x00-\x1f\x7f]+$`)

// Check lists what is wrong with the request, as far as it can be known without its source.
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
	if r.Source == "" {
		add("/source", "is required")
	}
	if r.Destination == "" {
		add("/destination", "is required")
	}
	if len(r.Outputs) == 0 {
		add("/outputs", "at least one is required")
	}
	if len(r.Outputs) > maxOutputs {
		add("/outputs", "%d outputs; at most %d", len(r.Outputs), maxOutputs)
	}
	seen := map[string]bool{}
	for i, out := range r.Outputs {
		at := fmt.Sprintf("/outputs/%d", i)
		switch {
		case out.Name == "":
			add(at+"/name", "is required")
		case !name.MatchString(out.Name) || strings.HasPrefix(out.Name, ".") || len(out.Name) > maxName:
			add(at+"/name", "%q cannot be a file's name", out.Name)
		case seen[out.File()]:
			add(at+"/name", "%q is the name of an earlier output", out.File())
		}
		seen[out.File()] = true
		ps = append(ps, out.check(at)...)
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

func (o Output) check(at string) (ps Problems) {
	add := func(pointer, format string, args ...any) {
		ps = append(ps, Problem{at + pointer, fmt.Sprintf(format, args...)})
	}
	c := cmp.Or(o.Container, MP4)
	switch c {
	case MP4, Matroska, WebM:
	default:
		add("/container", "%q is none of mp4, mkv, webm", c)
		return ps
	}
	if len(o.Video) > 1 {
		add("/video", "a file holds one picture; %d were asked for", len(o.Video))
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
		if v.CRF != nil && (*v.CRF < 0 || *v.CRF > e.maxCRF) {
			add(p+"/crf", "%d is outside 0 to %d for %s", *v.CRF, e.maxCRF, codec)
		}
		if v.Preset != "" && !e.presetsOf(v.Preset) {
			add(p+"/preset", "%q is not a preset of %s; these are: %s", v.Preset, codec, e.presetsAre)
		}
		if v.Height != 0 && (v.Height < minHeight || v.Height > maxHeight) {
			add(p+"/height", "%d is outside %d to %d", v.Height, minHeight, maxHeight)
		}
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
		if a.Bitrate != 0 && (a.Bitrate < 6_000 || a.Bitrate > 1_536_000) {
			add("/audio/bitrate", "%v is outside 6k to 1536k", a.Bitrate)
		}
	}
	return ps
}

// File is the name of the output's file in the destination.
func (o Output) File() string { return o.Name + "." + string(cmp.Or(o.Container, MP4)) }

func defaultCodec(c Container) VideoCodec {
	if c == WebM {
		return VP9
	}
	return H264
}
