package toolrun

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/goccy/go-yaml"

	"github.com/mapreel/mapreel/cmd/mapreel/internal/requestfile"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/printable"
	"github.com/mapreel/mapreel/pkg/tool"
	"github.com/mapreel/mapreel/pkg/tool/fdl"
)

// FDL is the command line of mapreel fdl.
type FDL struct {
	File         string `arg:"" name:"FILE" help:"The file of SCAR or OSCAR, in YAML."`
	Output       string `short:"o" placeholder:"FILE" help:"Tools file to write. It must lie where the paths of scripts lead into its folder. Default: standard output, for a file beside FILE."`
	WithoutImage bool   `help:"Leave the images out: the tools then run programs of this machine."`
}

// Help is shown by mapreel fdl --help.
func (FDL) Help() string {
	return `Translates the functions of SCAR and OSCAR (Functions Definition Language) into a tools file for mapreel run. A function whose
input is the output of another becomes a tool that gets what the other leaves. Standard error names each field that is ignored or
means something else. A field that cannot be translated is refused, and then nothing is written. See docs/tools.md for all fields.

Example:

    mapreel fdl scar-video.yaml -o tools.yaml
    mapreel run tools.yaml film.mp4 -o out

Exit codes: 0 done; 1 the file could not be written; 2 the file cannot be translated.`
}

// Translate writes the tools file to Output or stdout, and the notes to stderr.
func (f FDL) Translate(stdin io.Reader, stdout, stderr io.Writer) error {
	file, err := requestfile.Read(f.File, stdin)
	if errors.Is(err, requestfile.ErrNotObject) {
		return fault.New(fault.Invalid, "%s: a file of functions must be an object", f.File)
	}
	if err != nil {
		return err
	}
	d := requestfile.NewDraft()
	d.Tree, d.File = file.Tree, &file
	result, err := fdl.Translate(file.Tree)
	var ps film.Problems
	if errors.As(err, &ps) {
		return d.Invalid(ps)
	}
	if err != nil {
		return err
	}
	for i := range result.Tools {
		t := &result.Tools[i]
		if f.WithoutImage {
			t.Image = ""
		}
		if t.Script, err = f.script(t.Script); err != nil {
			return err
		}
	}
	text, err := tools(result.Tools, filepath.Base(f.File))
	if err != nil {
		return err
	}
	for _, n := range result.Notes {
		printable.Fprintf(stderr, "mapreel: note: %s\n", d.Describe(n))
	}
	for _, t := range result.Tools {
		if t.Image != "" {
			printable.Fprintf(stderr, "mapreel: note: %s: mapreel run needs podman or docker for its image, and does not fetch it; with --without-image its tools run programs of this machine\n", t.Name)
			break
		}
	}
	if f.Output == "" || f.Output == "-" {
		_, err = io.WriteString(stdout, text)
		return fault.Wrap(fault.KindOf(err), err, "write the tools file")
	}
	const mode = 0o666                               // the user's umask decides
	err = os.WriteFile(f.Output, []byte(text), mode) //nolint:gosec // a file for its user to read and edit
	return fault.Wrap(fault.KindOf(err), err, "write the tools file")
}

// script returns the path of a script from the folder of the tools file. In FDL it is one from the folder of its file.
func (f FDL) script(name string) (string, error) {
	if f.File == "-" || f.Output == "" || f.Output == "-" {
		if !filepath.IsLocal(name) {
			return "", fault.New(fault.Invalid, "the script %s does not lie beside the file: move it there", name)
		}
		return filepath.ToSlash(filepath.Clean(name)), nil
	}
	at := name
	if !filepath.IsAbs(at) {
		at = filepath.Join(filepath.Dir(f.File), name)
	}
	from, err := filepath.Abs(filepath.Dir(f.Output))
	if err == nil {
		at, err = filepath.Abs(at)
	}
	if err == nil {
		at, err = filepath.Rel(from, at)
	}
	if err != nil || !filepath.IsLocal(at) {
		return "", fault.New(fault.Invalid, "the script %s does not lie below the folder of %s: write the tools file to the folder of the scripts", name, f.Output)
	}
	return filepath.ToSlash(at), nil
}

// tools returns the text of a tools file.
func tools(list []tool.Tool, from string) (string, error) {
	data, err := json.Marshal(map[string]any{"tools": list})
	if err == nil {
		data, err = yaml.JSONToYAML(data)
	}
	if err != nil {
		return "", fault.Wrap(fault.Internal, err, "tools file")
	}
	return fmt.Sprintf("# Translated from %s by mapreel fdl.\n%s", strings.TrimSpace(printable.Line(from)), data), nil
}
