package requestflags

import (
	"fmt"

	"github.com/mapreel/mapreel/cmd/mapreel/internal/presets"
	"github.com/mapreel/mapreel/cmd/mapreel/internal/requestfile"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
)

// named reports whether --preset is named settings, not a preset of an encoder.
func (t Flags) named() bool { return t.Preset != "" && !film.IsEncoderPreset(t.Preset) }

// applyNamed puts the settings of a named preset into all outputs that are no previews, where nothing else is said.
func (t Flags) applyNamed(d *requestfile.Draft) error {
	if !t.named() {
		return nil
	}
	p, err := presets.Find(t.Preset, presets.Folder(t.Presets))
	if err != nil {
		return fault.Wrap(fault.Invalid, err, "--preset")
	}
	outputs, _ := d.Tree["outputs"].([]any)
	for i, o := range outputs {
		output, ok := o.(map[string]any)
		container, _ := output["container"].(string)
		if !ok || film.Container(container).Preview() {
			continue
		}
		p.Apply(output)
		at := fmt.Sprintf("/outputs/%d/", i)
		for _, pointer := range []string{at + "video/0/", at + "audio/"} {
			for _, field := range []string{"codec", "crf", "preset", "tune", "profile", "level", "height", "bitDepth", "filter", "encoderOptions", "maxBitrate", "bitrate"} {
				if d.Flags[pointer+field] == "" {
					d.Flags[pointer+field] = "--preset " + t.Preset
				}
			}
		}
	}
	return nil
}
