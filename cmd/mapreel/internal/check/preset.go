package check

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/mapreel/mapreel/cmd/mapreel/internal/presets"
	"github.com/mapreel/mapreel/pkg/console"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/preset"
)

// origins are the names of the presets that were put into outputs, by the pointers of those.
type origins map[string]string

// withPresets returns a tree with the user's presets in the place of their names, which others do not know. Those of the program stay
// names. The tree that it is given stays as it is.
func withPresets(tree map[string]any, folder string) (map[string]any, origins, film.Problems) {
	var full map[string]any
	data, err := json.Marshal(tree)
	if err == nil {
		err = json.Unmarshal(data, &full)
	}
	if err != nil {
		return nil, nil, film.Problems{{Message: err.Error()}}
	}
	from := origins{}
	var ps film.Problems
	outputs, _ := full["outputs"].([]any)
	for i, o := range outputs {
		output, _ := o.(map[string]any)
		name, _ := output["preset"].(string)
		if name == "" {
			continue
		}
		at := fmt.Sprintf("/outputs/%d", i)
		p, own, err := presets.Own(name, folder)
		_, shipped := preset.Named(name)
		switch {
		case err != nil:
			ps = append(ps, film.Problem{Pointer: at + "/preset", Message: err.Error()})
		case own:
			delete(output, "preset")
			p.Apply(output)
			from[at] = name
		case !shipped:
			ps = append(ps, film.Problem{Pointer: at + "/preset", Message: fmt.Sprintf("%.50q is not a preset; there are: %s", name, names(folder))})
		}
	}
	return full, from, ps
}

// Presets returns a function that returns the presets of the program and those of a folder, as they are then.
func Presets(folder string) func() ([]console.Preset, error) {
	return func() ([]console.Preset, error) {
		list, _, err := presets.All(folder) // a file that is none is named by the command that lists them
		shown := make([]console.Preset, len(list))
		for i, p := range list {
			shown[i] = console.Preset{Name: p.Name, Description: p.Description, Own: p.File != ""}
		}
		return shown, err
	}
}

// names returns the names of all presets with commas between them.
func names(folder string) string {
	list, _, err := presets.All(folder)
	if err != nil {
		return preset.Names()
	}
	words := make([]string, len(list))
	for i, p := range list {
		words[i] = p.Name
	}
	return strings.Join(words, ", ")
}

// blame returns a problem with a value that the request does not have at the preset that it is from.
func (from origins) blame(p film.Problem) film.Problem {
	for at, name := range from {
		if field, ok := strings.CutPrefix(p.Pointer, at+"/"); ok {
			return film.Problem{Pointer: at + "/preset", Message: fmt.Sprintf("preset %s: /%s: %s", name, field, p.Message)}
		}
	}
	return p
}
