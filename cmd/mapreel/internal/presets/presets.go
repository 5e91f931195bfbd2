// Package presets finds named settings: those of a folder of the user's, and those of the program.
package presets

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
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
	if folder != "" && preset.IsName(name) {
		for _, ext := range extensions {
			p, err := read(filepath.Join(folder, name+ext))
			if !errors.Is(err, fs.ErrNotExist) {
				return p, err
			}
		}
	}
	if p, ok := preset.Named(name); ok {
		return p, nil
	}
	return preset.Preset{}, fault.WithHint(fault.New(fault.Invalid, "%.50q is neither a preset of an encoder, such as medium or 8, nor named settings", name),
		"mapreel preset list shows those that there are")
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

// List writes the names of all presets with their descriptions. A file that is none is named on errs.
func List(out, errs io.Writer, folder string) error {
	list := map[string]string{}
	for _, p := range preset.Shipped() {
		list[p.Name] = p.Description
	}
	entries, err := os.ReadDir(folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fault.Wrap(fault.Invalid, err, "--presets")
	}
	for _, e := range entries {
		if !slices.Contains(extensions, filepath.Ext(e.Name())) {
			continue
		}
		p, err := read(filepath.Join(folder, e.Name()))
		if err != nil {
			fmt.Fprintf(errs, "mapreel: warning: %s\n", printable.Text(err.Error()))
			continue
		}
		list[p.Name] = p.Description + " (" + filepath.Join(folder, e.Name()) + ")"
	}
	names := make([]string, 0, len(list))
	for name := range list {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Fprintf(out, "%-16s %s\n", name, printable.Text(list[name]))
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
