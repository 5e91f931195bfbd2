// Package presets finds named settings: those of a folder of the user's, and those of the program.
package presets

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mapreel/mapreel/cmd/mapreel/internal/requestfile"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/preset"
	"github.com/mapreel/mapreel/pkg/printable"
)

// extensions are those of the files of presets.
var extensions = []string{".yaml", ".yml", ".json"}

// Folder returns the folder of the user's presets: dir, or else the usual one, which need not exist.
func Folder(dir string) string {
	if dir != "" {
		return dir
	}
	config, err := os.UserConfigDir()
	if err != nil {
		return ""
	}
	return filepath.Join(config, "mapreel", "presets")
}

// Find returns the preset of a name: the user's, or else the program's. Errors are of kind fault.Invalid.
func Find(name, folder string) (preset.Preset, error) {
	if p, ok, err := Own(name, folder); ok || err != nil {
		return p, err
	}
	if p, ok := preset.Named(name); ok {
		return p, nil
	}
	return preset.Preset{}, fault.WithHint(fault.New(fault.Invalid, "%.50q is neither a preset of an encoder, such as medium or 8, nor named settings", name),
		"mapreel preset list shows those that there are")
}

// Own returns the preset of a name in the user's folder. ok is false where there is none.
func Own(name, folder string) (p preset.Preset, ok bool, err error) {
	if folder == "" || !preset.IsName(name) {
		return p, false, nil
	}
	for _, ext := range extensions {
		p, err := read(filepath.Join(folder, name+ext))
		if !errors.Is(err, fs.ErrNotExist) {
			return p, err == nil, err
		}
	}
	return p, false, nil
}

// read reads the file of a preset.
func read(path string) (preset.Preset, error) {
	f, err := requestfile.Read(path, strings.NewReader(""))
	if err != nil {
		return preset.Preset{}, err
	}
	data, err := json.Marshal(f.Tree)
	if err != nil {
		return preset.Preset{}, fault.Wrap(fault.Invalid, err, path)
	}
	name := strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))
	p, err := preset.Parse(name, data)
	if err == nil && film.IsEncoderPreset(name) {
		err = errors.New("an encoder has a preset of that name; give the file another")
	}
	return p, fault.Wrap(fault.Invalid, err, path)
}

// Listed is a preset with the file that it is from; "" for one of the program.
type Listed struct {
	preset.Preset
	File string
}

// All returns the program's presets and those of a folder, in the order of their names, and what is wrong with files that are none.
func All(folder string) (list []Listed, bad []error, err error) {
	known := map[string]Listed{}
	for _, p := range preset.Shipped() {
		known[p.Name] = Listed{Preset: p}
	}
	entries, err := os.ReadDir(folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, nil, fault.Wrap(fault.Invalid, err, "--presets")
	}
	for _, e := range entries {
		if !slices.Contains(extensions, filepath.Ext(e.Name())) {
			continue
		}
		file := filepath.Join(folder, e.Name())
		p, err := read(file)
		if err != nil {
			bad = append(bad, err)
			continue
		}
		known[p.Name] = Listed{p, file}
	}
	for _, name := range slices.Sorted(maps.Keys(known)) {
		list = append(list, known[name])
	}
	return list, bad, nil
}

// List writes the names of all presets with their descriptions. A file that is none is named on errs.
func List(out, errs io.Writer, folder string) error {
	list, bad, err := All(folder)
	if err != nil {
		return err
	}
	for _, err := range bad {
		fmt.Fprintf(errs, "mapreel: warning: %s\n", printable.Text(err.Error()))
	}
	for _, p := range list {
		text := p.Description
		if p.File != "" {
			text += " (" + p.File + ")"
		}
		fmt.Fprintf(out, "%-16s %s\n", p.Name, printable.Text(text))
	}
	return nil
}

// Show writes a preset for people: its settings, and the reasons for them.
func Show(out io.Writer, p preset.Preset) error {
	fmt.Fprintf(out, "%s: %s\n", p.Name, printable.Text(p.Description))
	for _, r := range p.Reasons {
		fmt.Fprintf(out, "  - %s\n", printable.Text(r))
	}
	data, err := json.MarshalIndent(p.Output, "", "  ")
	fmt.Fprintf(out, "\n%s\n", data)
	return err
}

// Export writes a preset as a file, to start another one from.
func Export(out io.Writer, p preset.Preset) error {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(p); err != nil {
		return err
	}
	_, err := out.Write(b.Bytes())
	return err
}
