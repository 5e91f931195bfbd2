package renderflags_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/cmd/mapreel/internal/flagvalue"
	"github.com/mapreel/mapreel/cmd/mapreel/internal/renderflags"
	"github.com/mapreel/mapreel/cmd/mapreel/internal/requestfile"
)

func TestFlagsBecomeFieldsOfTheRequest(t *testing.T) {
	t.Parallel()
	four := flagvalue.WholeNumber(4)
	for name, c := range map[string]struct {
		flags renderflags.Flags
		want  string
	}{
		"none":                          {renderflags.Flags{}, `{}`},
		"size":                          {renderflags.Flags{Size: "1920x1080", Depth: "16"}, `{"render":{"format":"png16","height":1080,"width":1920}}`},
		"linear light":                  {renderflags.Flags{Kept: "exr"}, `{"render":{"format":"exr"}}`},
		"linear light with 32 bits":     {renderflags.Flags{Kept: "exr", Depth: "32"}, `{"render":{"format":"exr32"}}`},
		"linear light with fewest bits": {renderflags.Flags{Kept: "exr", Depth: "16"}, `{"render":{"format":"exr"}}`},
		"all others": {
			renderflags.Flags{
				Frames: "1-9", Step: &four, Engine: "cycles", Samples: &four, Size: "50%", SceneName: "a", Camera: "b", ViewLayer: "c",
				Files: []string{"d"}, Depth: "8", Device: "gpu", FirstLook: true, Redo: "7", Tiles: "2x3", Sound: "e.wav", Unit: &four,
			},
			`{"render":{"camera":"b","device":"gpu","engine":"cycles","files":["d"],"firstLook":true,"format":"png","frames":"1-9","percentage":50,"redo":"7","samples":4,"scene":"a","sound":"e.wav","step":4,"tiles":"2x3","unit":4,"viewLayer":"c"}}`,
		},
	} {
		d := requestfile.NewDraft()
		if err := c.flags.Apply(d); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		got, err := json.Marshal(d.Tree)
		if diff := cmp.Diff(c.want, string(got)); diff != "" || err != nil {
			t.Errorf("%s: %v\n%s", name, err, diff)
		}
	}
	for _, f := range []renderflags.Flags{{Kept: "exr", Depth: "8"}, {Depth: "32"}, {Kept: "png", Depth: "32"}} {
		if err := f.Apply(requestfile.NewDraft()); err == nil {
			t.Errorf("%+v is accepted", f)
		}
	}
	for _, size := range []string{"big", "10", "10x", "%", "1920x1080%"} {
		if err := (renderflags.Flags{Size: size}).Apply(requestfile.NewDraft()); err == nil {
			t.Errorf("--size %s is accepted", size)
		}
	}
}
