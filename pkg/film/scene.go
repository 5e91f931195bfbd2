package film

import (
	"fmt"
	"slices"
	"strings"
)

// FramesFile is the name of the file that lists the frames in their folder. It is written last.
const FramesFile = "frames.json"

// SoundPointer is the field that names the sound of a scene's film.
const SoundPointer = "/render/sound"

// KeptKind is the kind of the units that publish frames.
const KeptKind = "kept"

// IsScene reports whether a source is a Blender scene, by its name.
func IsScene(source string) bool { return strings.HasSuffix(strings.ToLower(source), ".blend") }

// MakesFilm reports whether any output is a film, and not only frames or previews.
func (r Request) MakesFilm() bool {
	return slices.ContainsFunc(r.Outputs, func(o Output) bool { return o.Container != Frames && !o.Container.Preview() })
}

// checkRender returns the problems of what the request says of rendering.
func (r Request) checkRender() (ps Problems) {
	if !IsScene(r.Source) {
		const other = "the source is not a Blender scene, whose name ends in .blend"
		if !r.Render.IsZero() {
			ps = Problems{{"/render", other}}
		}
		for i, o := range r.Outputs {
			if o.Container == Frames {
				ps = append(ps, Problem{fmt.Sprintf("/outputs/%d/container", i), other})
			}
		}
		return ps
	}
	for _, p := range r.Render.Check() {
		ps = append(ps, Problem(p))
	}
	for i, o := range r.Outputs {
		if r.Render.Redo != "" && o.Container != Frames {
			ps = append(ps, Problem{fmt.Sprintf("/outputs/%d/container", i), "render.redo replaces frames that are kept; make the film of all of them afterwards"})
		}
	}
	if r.Render.Format.Linear() {
		for i, o := range r.Outputs {
			if o.Container != Frames {
				ps = append(ps, Problem{fmt.Sprintf("/outputs/%d/container", i), fmt.Sprintf(
					"frames of the format %s are in linear light, which only a folder of frames keeps; render this output as png or png16", r.Render.Format)})
			}
		}
	}
	if r.Render.Sound != "" && !r.MakesFilm() {
		ps = append(ps, Problem{SoundPointer, "no output is a film, which could have the sound"})
	}
	if r.Part != (Part{}) {
		ps = append(ps, Problem{"/part", "of a scene, name the frames instead: render.frames"})
	}
	if r.WantsAutoCrop() {
		for i := range r.Outputs {
			for k, v := range r.Outputs[i].Video {
				if v.Crop == AutoCrop {
					ps = append(ps, Problem{fmt.Sprintf("/outputs/%d/video/%d/crop", i, k), "the frames of a scene are not there yet to look at; name the part of the picture"})
				}
			}
		}
	}
	return ps
}
