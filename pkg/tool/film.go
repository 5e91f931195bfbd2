package tool

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/subtitle"
)

// FolderOf returns the URL of the folder of an output.
func (r Request) FolderOf(o Output) string {
	return strings.TrimSuffix(strings.TrimSuffix(r.Destination, "/")+"/"+o.Path, "/")
}

// Film returns the request for the files and packages that an output with join: video makes of a tool's pictures.
func (r Request) Film(t Tool, o Output) (film.Request, error) {
	var outputs []any
	for i, text := range o.Films {
		one, err := o.film(text, t.Name)
		if err != nil {
			return film.Request{}, fmt.Errorf("films: %d: %w", i, err)
		}
		outputs = append(outputs, one)
	}
	if len(o.Films) == 0 {
		one := map[string]any{"name": t.Name, "subtitles": o.subtitles()}
		if len(o.Video) > 0 {
			one["video"] = []json.RawMessage{o.Video}
		}
		outputs = append(outputs, one)
	}
	data, err := json.Marshal(map[string]any{
		"source": r.Source, "destination": r.FolderOf(o), "outputs": outputs, "segment": map[string]any{"seconds": cmp.Or(r.Segment.Seconds, videoSeconds*1e9)},
	})
	if err != nil {
		return film.Request{}, fmt.Errorf("video: %w", err)
	}
	return film.Parse(data)
}

// film completes an entry of Films: its name is that of the tool, and its subtitles are the captions, unless it says otherwise.
func (o Output) film(text json.RawMessage, name string) (map[string]json.RawMessage, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(text, &fields); err != nil {
		return nil, err
	}
	if _, ok := fields["name"]; !ok {
		quoted, err := json.Marshal(name)
		if err != nil {
			return nil, err
		}
		fields["name"] = quoted
	}
	var container film.Container
	if json.Unmarshal(fields["container"], &container) == nil && container.Preview() {
		return fields, nil // previews have no subtitles
	}
	if _, ok := fields["subtitles"]; !ok {
		fields["subtitles"] = json.RawMessage(`"` + o.subtitles() + `"`)
	}
	return fields, nil
}

// subtitles says whether films have subtitle tracks. Those of the source are left out.
func (o Output) subtitles() film.Subtitles {
	if len(o.Subtitles) > 0 {
		return film.SubtitlesAuto
	}
	return film.SubtitlesNone
}

// FilmPointer translates a pointer into the request that Film returns for the output at a pointer. It is at itself for what the output
// does not say.
func (o Output) FilmPointer(at, pointer string) string {
	rest, found := strings.CutPrefix(pointer, "/outputs/")
	switch {
	case found && len(o.Films) > 0:
		return at + "/films/" + rest
	case found && strings.HasPrefix(rest, "0/video/0/"):
		return at + "/video/" + strings.TrimPrefix(rest, "0/video/0/")
	case len(o.Video) > 0:
		return at + "/video"
	}
	return at
}

// checkJoin checks that an output can be joined as it asks.
func (r Request) checkJoin(t Tool, n int, at string, add func(string, string, ...any)) {
	o := t.Outputs[n]
	if len(o.Video) > 0 && o.Join != JoinVideo {
		add(at+"/video", "has a meaning with join: video only")
	}
	if len(o.Films) > 0 && o.Join != JoinVideo {
		add(at+"/films", "has a meaning with join: video only")
	}
	r.checkSubtitles(o, at+"/subtitles", add)
	switch o.Join {
	case JoinAudio:
		if t.Each.Part != Sound {
			add(at+"/join", "audio needs each: sound")
		}
	case JoinVideo:
		if t.Each.Part != Segment && t.Each.Part != Frames {
			add(at+"/join", "video needs each: frames or each: segment")
		}
		if t.As.Every > 0 {
			add(at+"/join", "video needs all frames: leave out every")
		}
		checkFilms(t, o, at, add)
		return
	default:
		return
	}
	if slices.ContainsFunc(t.Outputs[:n], func(other Output) bool { return other.Join == o.Join && path.Clean(other.Path) == path.Clean(o.Path) }) {
		add(at+"/path", "another output of this tool would be the same file")
	}
}

// checkSubtitles checks the subtitle tracks that an output takes from tools.
func (r Request) checkSubtitles(o Output, at string, add func(string, string, ...any)) {
	if len(o.Subtitles) > 0 && o.Join != JoinVideo {
		add(at, "has a meaning with join: video only")
	}
	var tracks []subtitle.File
	for i, c := range o.Subtitles {
		tracks = append(tracks, c.Track())
		pointer := fmt.Sprintf("%s/%d", at, i)
		c.Track().Check(func(field, message string) { add(pointer+field, "%s", message) })
		n := slices.IndexFunc(r.Tools, func(t Tool) bool { return t.Name == c.Tool })
		switch {
		case n < 0:
			add(pointer+"/tool", "there is no tool %q", c.Tool)
		case !slices.ContainsFunc(r.Tools[n].Outputs, func(o Output) bool { return o.Join == JoinCues }):
			add(pointer+"/tool", "%s has no output with join: cues", c.Tool)
		case slices.ContainsFunc(o.Subtitles[:i], func(other Captions) bool { return other.Tool == c.Tool }):
			add(pointer+"/tool", "the cues of %s are another track already", c.Tool)
		}
	}
	subtitle.CheckDefaults(tracks, func(i int, field, message string) { add(fmt.Sprintf("%s/%d%s", at, i, field), "%s", message) })
}

// checkFilms checks the films of an output. Settings that need units of their own before the tools have run cannot be used.
func checkFilms(t Tool, o Output, at string, add func(string, string, ...any)) {
	if len(o.Films) > 0 && len(o.Video) > 0 {
		add(at+"/video", "video and films exclude each other: each of films has a video of its own")
		return
	}
	o.Path = ""
	request, err := Request{Source: "/source", Destination: "/destination"}.Film(t, o) // the true ones are checked elsewhere
	var problems film.Problems
	if err != nil && !errors.As(err, &problems) {
		add(at, "%v", err)
		return
	}
	for _, p := range problems {
		add(o.FilmPointer(at, p.Pointer), "%s", p.Message)
	}
	if len(problems) > 0 {
		return
	}
	for i, one := range request.Outputs {
		for _, field := range unusable(one) {
			add(o.FilmPointer(at, fmt.Sprintf("/outputs/%d/%s", i, field)),
				"cannot be used with join: video: make the film first, and transcode it with this setting")
		}
		if one.Subtitles == film.SubtitlesAuto && len(o.Subtitles) == 0 && !one.Container.Preview() {
			add(o.FilmPointer(at, fmt.Sprintf("/outputs/%d/subtitles", i)),
				"the subtitles of the source are left out: name tools whose cues become tracks in subtitles beside films")
		}
		if one.Container == film.Frames {
			add(o.FilmPointer(at, fmt.Sprintf("/outputs/%d/container", i)), "frames is for Blender scenes: publish the tool's pictures with join: none")
		}
	}
}

// unusable returns the fields of an output that cannot be used for a tool's pictures.
func unusable(o film.Output) (fields []string) {
	list := []struct {
		name  string
		given bool
	}{
		{"subtitleTracks", o.SubtitleTracks != ""},
		{"defaultSubtitles", o.DefaultSubtitles != ""},
		{"forcedSubtitles", o.ForcedSubtitles != ""},
		{"package/encryption", o.Package != nil && o.Package.Encryption != nil},
		{"preview/keyframes", o.Preview != nil && o.Preview.Keyframes},
	}
	for i, v := range o.Video {
		at := fmt.Sprintf("video/%d/", i)
		list = append(list, []struct {
			name  string
			given bool
		}{{at + "burn", v.Burn != nil}, {at + "overlay", v.Overlay != nil}, {at + "crop", v.Crop == "auto"}}...)
	}
	for _, field := range list {
		if field.given {
			fields = append(fields, field.name)
		}
	}
	return fields
}

// checkFilmNames refuses films of one name: one would replace the other.
func (r Request) checkFilmNames(add func(string, string, ...any)) {
	taken := map[string]bool{}
	for i, t := range r.Tools {
		for n, o := range t.Outputs {
			if o.Join != JoinVideo {
				continue
			}
			request, err := Request{Source: "/source", Destination: "/destination"}.Film(t, o)
			if err != nil {
				continue // checkFilms says why
			}
			var names []string
			for k, one := range request.Outputs {
				for _, name := range one.Names() {
					name = strings.ToLower(path.Join(path.Clean(o.Path), name))
					if taken[name] {
						at := fmt.Sprintf("/tools/%d/outputs/%d/path", i, n)
						if len(o.Films) > 0 {
							at = fmt.Sprintf("/tools/%d/outputs/%d/films/%d/name", i, n, k)
						}
						add(at, "%s is the name of an earlier film: give one of them another name or path", name)
						break
					}
					names = append(names, name) // films of one output are checked by their request
				}
			}
			for _, name := range names {
				taken[name] = true
			}
		}
	}
}

// checkPackages refuses packages of a tool whose media segments differ in length: the tool's pieces begin where media segments do.
func (r Request) checkPackages(add func(string, string, ...any)) {
	for i, t := range r.Tools {
		var first film.Seconds
		for n, o := range t.Outputs {
			if o.Join != JoinVideo {
				continue
			}
			request, err := Request{Source: "/source", Destination: "/destination"}.Film(t, o)
			if err != nil {
				continue // checkFilms says why
			}
			for k, one := range request.Outputs {
				if !one.Container.Packaged() {
					continue
				}
				length := one.MediaSegment()
				if first != 0 && length != first {
					add(o.FilmPointer(fmt.Sprintf("/tools/%d/outputs/%d", i, n), fmt.Sprintf("/outputs/%d/package/seconds", k)),
						"%v is different from the %v of an earlier package; all packages of a tool have the same",
						time.Duration(length), time.Duration(first))
				}
				first = length
			}
		}
	}
}
