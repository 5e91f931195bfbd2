// Package preset has named settings of an output, and puts them where a request does not say.
//
//	p, ok := preset.Named("web")
//	p.Apply(output) // an output of a request as JSON decodes it
package preset

import (
	"bytes"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// Preset is a named group of settings, with the reasons for them.
type Preset struct {
	Name        string         `json:"-"`
	Description string         `json:"description"`
	Reasons     []string       `json:"reasons,omitempty"`
	Output      map[string]any `json:"output"` // fields of an output: video with one rendition, audio, subtitles, package
}

//go:embed shipped
var files embed.FS

// Shipped returns the presets of the program, in the order of their names.
var Shipped = sync.OnceValue(func() (list []Preset) {
	entries, err := files.ReadDir("shipped")
	for _, e := range entries {
		var data []byte
		if data, err = files.ReadFile("shipped/" + e.Name()); err != nil {
			break
		}
		var p Preset
		if p, err = Parse(strings.TrimSuffix(e.Name(), path.Ext(e.Name())), data); err != nil {
			break
		}
		list = append(list, p)
	}
	if err != nil {
		panic("preset: an embedded file: " + err.Error())
	}
	return list
})

// Named returns the shipped preset of a name.
func Named(name string) (Preset, bool) {
	i := slices.IndexFunc(Shipped(), func(p Preset) bool { return p.Name == name })
	if i < 0 {
		return Preset{}, false
	}
	return Shipped()[i], true
}

// Names returns the names of the shipped presets with commas between them.
func Names() string {
	var names []string
	for _, p := range Shipped() {
		names = append(names, p.Name)
	}
	return strings.Join(names, ", ")
}

// name matches the names of presets.
var name = regexp.MustCompile(`^[a-z][a-z0-9-]{0,40}$`)

// IsName reports whether a preset can have a name.
func IsName(s string) bool { return name.MatchString(s) }

// fields are what a preset may set of an output.
var fields = []string{"video", "audio", "subtitles", "package"}

// Parse reads the JSON of a preset. What its settings mean is checked with the request that uses it.
func Parse(name string, data []byte) (Preset, error) {
	p := Preset{Name: name}
	if !IsName(name) {
		return p, fmt.Errorf("%.50q is not a name for a preset: small letters, digits and hyphens", name)
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	d.UseNumber()
	if err := d.Decode(&p); err != nil {
		return p, err
	}
	if len(p.Output) == 0 {
		return p, errors.New("it has no output, the settings that it gives")
	}
	for field := range p.Output {
		if !slices.Contains(fields, field) {
			return p, fmt.Errorf("/output/%s: a preset sets %s", field, strings.Join(fields, ", "))
		}
	}
	if video, ok := p.Output["video"]; ok {
		list, _ := video.([]any)
		if len(list) != 1 {
			return p, errors.New("/output/video: a preset has one rendition")
		}
		if _, ok := list[0].(map[string]any); !ok {
			return p, errors.New("/output/video/0: must be an object")
		}
	}
	return p, nil
}

// Apply sets the fields of an output that it does not set itself. Fields of a rendition or of the audio are left alone where those
// have another codec than the preset. Size and bit rate are left to a ladder.
func (p Preset) Apply(output map[string]any) {
	for field, value := range p.Output {
		switch {
		case field == "video":
			p.applyVideo(output)
		case output[field] == nil:
			output[field] = clone(value)
		default:
			own := clone(value)
			settings, _ := own.(map[string]any)
			fields, _ := output[field].(map[string]any)
			exclude(settings, fields)
			fill(output[field], own)
		}
	}
}

func (p Preset) applyVideo(output map[string]any) {
	list, _ := p.Output["video"].([]any)
	settings, _ := clone(list[0]).(map[string]any)
	if output["targetSize"] != nil {
		exclude(settings, map[string]any{"bitrate": output["targetSize"]})
		delete(settings, "bitrate")
	}
	rungs, isList := output["video"].([]any)
	container, _ := output["container"].(string)
	packaged := slices.Contains([]string{"hls", "dash", "cmaf"}, container)
	if packaged && (output["ladder"] != nil || len(rungs) == 0) {
		delete(settings, "height")
		delete(settings, "maxBitrate")
		output["ladder"] = or(output["ladder"], "web")
	}
	if output["video"] == nil || isList && len(rungs) == 0 {
		output["video"] = []any{settings}
		return
	}
	for _, rung := range rungs {
		own, _ := clone(settings).(map[string]any)
		if fields, ok := rung.(map[string]any); ok {
			exclude(own, fields)
		}
		fill(rung, own)
	}
}

// exclude removes the settings that cannot stand beside fields.
func exclude(settings, fields map[string]any) {
	for field, excluded := range exclusive {
		if fields[field] != nil {
			for _, one := range excluded {
				delete(settings, one)
			}
		}
	}
}

// exclusive are fields of a rendition and of the audio with those that a preset leaves out because of them: a request
// with both is refused.
var exclusive = map[string][]string{
	"pad": {"height"}, "quality": {"crf", "bitrate"}, "crf": {"quality", "bitrate"}, "bitDepth": {"profile"}, "bitrates": {"bitrate"},
	"bitrate": {"bitrates", "crf", "quality", "maxBitrate"}, // of the audio, and of a rendition
}

// fill sets the fields of an object that it does not set itself, unless it has another codec.
func fill(object, settings any) {
	to, ok := object.(map[string]any)
	from, ok2 := settings.(map[string]any)
	if !ok || !ok2 || to["codec"] != nil && to["codec"] != from["codec"] {
		return
	}
	for field, value := range from {
		if to[field] == nil {
			to[field] = clone(value)
		}
	}
}

func or(value any, fallback string) any {
	if value == nil {
		return fallback
	}
	return value
}

// clone returns a copy of a JSON value that shares nothing with it.
func clone(value any) any {
	switch value := value.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, v := range value {
			out[k] = clone(v)
		}
		return out
	case []any:
		var out []any
		for _, v := range value {
			out = append(out, clone(v))
		}
		return out
	}
	return value
}
