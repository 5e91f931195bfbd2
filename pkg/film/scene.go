package film

import (
	"fmt"
	"strings"
)

// IsScene reports whether a source is a Blender scene, by its name.
func IsScene(source string) bool { return strings.HasSuffix(strings.ToLower(source), ".blend") }

// checkRender returns the problems of what the request says of rendering.
func (r Request) checkRender() (ps Problems) {
	if !IsScene(r.Source) {
		if !r.Render.IsZero() {
			ps = Problems{{"/render", "the source is not a Blender scene, whose name ends in .blend"}}
		}
		return ps
	}
	for _, p := range r.Render.Check() {
		ps = append(ps, Problem(p))
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
