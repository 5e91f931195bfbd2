package tool

import (
	"cmp"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/film"
)

// schemaJSON is generated from the Go types by TestSchemasMatchTheGoTypes.
//
//go:embed tools.schema.json
var schemaJSON []byte

// schema is the schema of a Request.
var schema = film.NewSchema("tools", schemaJSON, map[string]func(any) error{
	"each": func(v any) error {
		data, err := json.Marshal(v)
		if err != nil {
			return err
		}
		return new(Each).UnmarshalJSON(data)
	},
	"secrets": func(v any) error {
		data, err := json.Marshal(v)
		if err != nil {
			return err
		}
		return new(Secrets).UnmarshalJSON(data)
	},
})

// Schema returns the JSON Schema of a Request.
func Schema() []byte { return slices.Clone(schemaJSON) }

// Parse reads a request from JSON, checks everything that can be checked without its source, and fills in the defaults. The error
// is of kind fault.Invalid and holds film.Problems.
func Parse(data []byte) (Request, error) {
	if len(data) > film.MaxRequest {
		return Request{}, film.Problems{{Message: fmt.Sprintf("too long: %d bytes of at most %d", len(data), film.MaxRequest)}}.Err()
	}
	var req Request
	if err := schema.Decode(data, &req); err != nil {
		return Request{}, err
	}
	if ps := req.check(); len(ps) > 0 {
		return Request{}, ps.Err()
	}
	for i := range req.Tools {
		req.Tools[i].setDefaults()
	}
	req.Segment.Seconds = cmp.Or(req.Segment.Seconds, defaultSegment(req.Tools))
	return req, nil
}

// Lengths of pieces. A recogniser of speech loses words at each cut, and starts slowly.
const (
	videoSeconds = 10
	soundSeconds = 60
)

// defaultSegment returns the length of pieces: that of sound only where no tool looks at the video.
func defaultSegment(tools []Tool) film.Seconds {
	for _, t := range tools {
		if t.Each.Part == Segment || t.Each.Part == Frames {
			return videoSeconds * 1e9
		}
	}
	return soundSeconds * 1e9
}

func (t *Tool) setDefaults() {
	if t.Each.IsZero() {
		t.Each.Part = File
	}
	t.Memory = cmp.Or(t.Memory, 2048)
	t.Disk = cmp.Or(t.Disk, 4096)
	t.Processes = cmp.Or(t.Processes, 64)
	t.Timeout = cmp.Or(t.Timeout, shortTimeout)
	switch t.Each.Part {
	case Segment:
		t.As.Format = cmp.Or(t.As.Format, "mp4")
	case Frames:
		t.As.Format = cmp.Or(t.As.Format, "jpg")
	case Sound:
		t.As.Format = cmp.Or(t.As.Format, "wav")
		t.As.Cut = cmp.Or(t.As.Cut, Exactly)
		t.As.Rate, t.As.Channels, t.As.Track = cmp.Or(t.As.Rate, 16000), cmp.Or(t.As.Channels, 1), cmp.Or(t.As.Track, 1)
	}
	if len(t.Outputs) == 0 {
		t.Outputs = []Output{{}}
	}
	for i := range t.Outputs {
		o := &t.Outputs[i]
		o.Join = cmp.Or(o.Join, JoinNone)
		o.Path = strings.TrimSuffix(o.Path, "/")
		if o.Join == JoinLines && len(o.Times) == 0 {
			o.Times = DefaultTimes
		}
	}
}

// check returns what the schema cannot say.
func (r Request) check() (ps film.Problems) {
	add := func(pointer, format string, args ...any) {
		ps = append(ps, film.Problem{Pointer: pointer, Message: fmt.Sprintf(format, args...)})
	}
	names := map[string]bool{}
	numbered := map[string]string{} // tools by the folders of their numbered files
	for i, t := range r.Tools {
		at := fmt.Sprintf("/tools/%d", i)
		if names[t.Name] {
			add(at+"/name", "is the name of another tool, too")
		}
		names[t.Name] = true
		switch {
		case len(t.Command) == 0 && t.Script == "":
			add(at, "needs a command or a script")
		case len(t.Command) > 0 && t.Script != "":
			add(at+"/script", "command and script exclude each other")
		case len(t.Command) > 0 && t.Command[0] == "":
			add(at+"/command/0", "is empty")
		}
		for n, word := range t.Command {
			if strings.ContainsRune(word, 0) {
				add(fmt.Sprintf("%s/command/%d", at, n), "contains a zero byte")
			}
		}
		if t.Each.Tool != "" && !slices.ContainsFunc(r.Tools, func(o Tool) bool { return o.Name == t.Each.Tool }) {
			add(at+"/each", "there is no tool %q", t.Each.Tool)
		}
		t.checkAs(at+"/as", add)
		t.checkEnvironment(at, add)
		outputs := t.Outputs
		if len(outputs) == 0 {
			outputs = []Output{{}}
		}
		for n, o := range outputs {
			pointer := fmt.Sprintf("%s/outputs/%d", at, n)
			o.check(pointer, add)
			if len(t.Outputs) > 0 {
				r.checkJoin(t, n, pointer, add)
			}
			folder := path.Clean(o.Path)
			if o.Join != JoinNone && o.Join != "" {
				continue
			}
			if other := numbered[folder]; other != "" && other != t.Name {
				add(pointer, "its numbered files would lie between those of the tool %s: give one of them another path", other)
			}
			numbered[folder] = t.Name
		}
	}
	r.checkFilmNames(add)
	r.checkPackages(add)
	if len(ps) == 0 {
		if _, err := Levels(r.Tools); err != nil {
			add("/tools", "%s", err.Error())
		}
	}
	return ps
}

func (t Tool) checkAs(at string, add func(string, string, ...any)) {
	for _, field := range []struct {
		name  string
		given bool
		parts []Part
	}{
		{"width", t.As.Width > 0, []Part{Segment, Frames}},
		{"every", t.As.Every > 0, []Part{Frames}},
		{"context", t.As.Context > 0, []Part{Frames}},
		{"rate", t.As.Rate > 0, []Part{Sound}},
		{"channels", t.As.Channels > 0, []Part{Sound}},
		{"track", t.As.Track > 0, []Part{Sound}},
		{"cut", t.As.Cut != "", []Part{Sound}},
	} {
		if field.given && !slices.Contains(field.parts, t.Each.Part) {
			add(at+"/"+field.name, "has no meaning for this tool's input")
		}
	}
	if t.As.Every > 0 && t.As.Context > 0 {
		add(at+"/context", "every and context exclude each other")
	}
	formats := map[Part][]string{Segment: {"mp4", "mkv"}, Frames: {"jpg", "png"}, Sound: {"wav", "flac"}}[t.Each.Part]
	switch {
	case t.As.Format == "" || slices.Contains(formats, t.As.Format):
	case len(formats) == 0:
		add(at+"/format", "this tool gets files as they are")
	default:
		add(at+"/format", "must be %s for this tool's input", strings.Join(formats, " or "))
	}
}

// variableName matches the name of an environment variable.
var variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]{0,99}$`)

// checkEnvironment checks the names of variables. Those that mapreel sets cannot be set otherwise.
func (t Tool) checkEnvironment(at string, add func(string, string, ...any)) {
	check := func(pointer, name string) {
		switch {
		case !variableName.MatchString(name):
			add(pointer, "%.40q is no name of an environment variable", name)
		case strings.HasPrefix(name, "MAPREEL_"), slices.Contains([]string{
			"INPUT_FILE_PATH", "TMP_INPUT_DIR", "TMP_OUTPUT_DIR", "STORAGE_OBJECT_KEY", "HOME", "TMPDIR",
		}, name):
			add(pointer, "mapreel sets %s itself", name)
		}
	}
	for name, value := range t.Environment {
		pointer := at + "/environment/" + film.PointerStep(name)
		check(pointer, name)
		if strings.ContainsRune(value, 0) {
			add(pointer, "contains a zero byte")
		}
		if t.Secrets.has(name) {
			add(pointer, "is one of the secrets, too")
		}
	}
	for i, secret := range t.Secrets {
		check(at+t.Secrets.Pointer(i), secret.Name)
		if _, ok := secret.Place(); secret.ARN != "" && !ok {
			add(at+t.Secrets.Pointer(i), noSecretARN)
		}
	}
}

func (o Output) check(at string, add func(string, string, ...any)) {
	if o.Path != "" {
		if err := blob.CheckKey(strings.TrimSuffix(o.Path, "/")); err != nil {
			add(at+"/path", "must be a folder below the destination, such as subtitles/")
		}
	}
	if len(o.Times) > 0 && o.Join != JoinLines {
		add(at+"/times", "has a meaning with join: lines only")
	}
	for name, list := range map[string][]string{"prefix": o.Prefix, "suffix": o.Suffix} {
		for i, text := range list {
			if text == "" || strings.ContainsRune(text, 0) || strings.Contains(text, "..") {
				add(fmt.Sprintf("%s/%s/%d", at, name, i), "must be the beginning or the end of file names")
			}
		}
	}
}

// Matches reports whether the output takes the file of that name: its path below TMP_OUTPUT_DIR.
func (o Output) Matches(name string) bool { return matches(name, o.Prefix, o.Suffix) }

// matches reports whether a name begins with one of prefixes and ends with one of suffixes. An empty list matches all.
func matches(name string, prefixes, suffixes []string) bool {
	begins := len(prefixes) == 0 || slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(name, p) })
	ends := len(suffixes) == 0 || slices.ContainsFunc(suffixes, func(s string) bool { return strings.HasSuffix(name, s) })
	return begins && ends
}

// Levels returns the indexes of tools in the order in which they can run: those of a level need results of earlier levels only.
func Levels(tools []Tool) ([][]int, error) {
	level := make([]int, len(tools)) // from 1
	var levels [][]int
	for placed := 0; placed < len(tools); {
		var next []int
		for i, t := range tools {
			if level[i] != 0 {
				continue
			}
			other := slices.IndexFunc(tools, func(o Tool) bool { return o.Name == t.Each.Tool })
			if other < 0 || level[other] != 0 && level[other] <= len(levels) {
				next = append(next, i)
			}
		}
		if len(next) == 0 {
			return nil, errors.New("tools wait for each other: " + cycle(tools, level))
		}
		for _, i := range next {
			level[i] = len(levels) + 1
		}
		levels = append(levels, next)
		placed += len(next)
	}
	return levels, nil
}

// cycle names the tools of a cycle among those without a level.
func cycle(tools []Tool, level []int) string {
	at := slices.Index(level, 0)
	var names []string
	for {
		name := tools[at].Name
		if i := slices.Index(names, name); i >= 0 {
			return strings.Join(append(names[i:], name), " needs ")
		}
		names = append(names, name)
		at = slices.IndexFunc(tools, func(o Tool) bool { return o.Name == tools[at].Each.Tool })
	}
}
