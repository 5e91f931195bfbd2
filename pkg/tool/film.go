package tool

import (
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/subtitle"
)

// FolderOf returns the URL of the folder of an output.
func (r Request) FolderOf(o Output) string {
	return strings.TrimSuffix(strings.TrimSuffix(r.Destination, "/")+"/"+o.Path, "/")
}

// Film returns the request for the film that an output with join: video makes of a tool's pictures.
func (r Request) Film(t Tool, o Output) (film.Request, error) {
	output := map[string]any{"name": t.Name, "subtitles": film.SubtitlesNone}
	if len(o.Video) > 0 {
		output["video"] = []json.RawMessage{o.Video}
	}
	data, err := json.Marshal(map[string]any{"source": r.Source, "destination": r.FolderOf(o), "outputs": []any{output}})
	if err != nil {
		return film.Request{}, fmt.Errorf("video: %w", err)
	}
	return film.Parse(data)
}

// checkJoin checks that an output can be joined as it asks.
func (r Request) checkJoin(t Tool, n int, at string, add func(string, string, ...any)) {
	o := t.Outputs[n]
	if len(o.Video) > 0 && o.Join != JoinVideo {
		add(at+"/video", "has a meaning with join: video only")
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
		checkVideo(t, o, at+"/video", add)
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

// checkVideo checks the settings of a film. Those that need units of their own before the video is encoded cannot be used.
func checkVideo(t Tool, o Output, at string, add func(string, string, ...any)) {
	o.Path = ""
	request, err := Request{Source: "/source", Destination: "/destination"}.Film(t, o) // the true ones are checked elsewhere
	var problems film.Problems
	if err != nil && !errors.As(err, &problems) {
		add(at, "%v", err)
	}
	for _, p := range problems {
		rest, _ := strings.CutPrefix(p.Pointer, "/outputs/0/video/0")
		if rest == p.Pointer { // of what is not the user's
			rest = ""
		}
		add(at+rest, "%s", p.Message)
	}
	if len(request.Outputs) == 0 || len(request.Outputs[0].Video) == 0 {
		return
	}
	v := request.Outputs[0].Video[0]
	for _, field := range []struct {
		name  string
		given bool
	}{{"burn", v.Burn != nil}, {"overlay", v.Overlay != nil}, {"crop", v.Crop == "auto"}, {"bitrate", v.Bitrate > 0}} {
		if field.given {
			add(at+"/"+field.name, "cannot be used with join: video: make the film first, and transcode it with this setting")
		}
	}
}
