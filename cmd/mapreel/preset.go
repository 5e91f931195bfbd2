package main

import (
	"context"
	"os"

	"github.com/mapreel/mapreel/cmd/mapreel/internal/presets"
	"github.com/mapreel/mapreel/pkg/fault"
)

type presetCmd struct {
	Action  string `arg:"" name:"ACTION" enum:"list,show,export" help:"list: all names. show: the settings of one, and the reasons for them. export: its file, to start another one from."`
	Name    string `arg:"" optional:"" name:"NAME" help:"The preset."`
	Presets string `env:"MAPREEL_PRESETS" placeholder:"DIR" help:"Folder of your presets, a .yaml or .json file each. Default: mapreel/presets in the configuration folder."`
	Output  string `short:"o" placeholder:"FILE" help:"With export: the file to write, which must not exist. Default: standard output."`
}

// Help is shown by mapreel preset --help.
func (presetCmd) Help() string {
	return `A preset is named settings of an output. Whatever a command or a request says itself comes before it.

Examples:

    mapreel preset list
    mapreel preset show archive
    mapreel preset export web -o ~/.config/mapreel/presets/ours.json
    mapreel transcode film.mkv -o film.mp4 --preset ours

Exit codes: 0 done; 1 failed; 2 the usage or a file is wrong.`
}

// run lists, shows or exports presets.
func (c presetCmd) run(_ context.Context, env environment) error {
	folder := presets.Folder(c.Presets)
	switch {
	case c.Output != "" && c.Action != "export":
		return fault.New(fault.Invalid, "--output belongs to export")
	case c.Action == "list" && c.Name != "":
		return fault.New(fault.Invalid, "list takes no NAME; mapreel preset show %s shows one", c.Name)
	case c.Action == "list":
		return presets.List(env.Stdout, env.Stderr, folder)
	case c.Name == "":
		return fault.WithHint(fault.New(fault.Invalid, "missing NAME, the preset to %s", c.Action), "mapreel preset list shows those that there are")
	}
	p, err := presets.Find(c.Name, folder)
	if err != nil {
		return err
	}
	if c.Action == "show" {
		return presets.Show(env.Stdout, p)
	}
	if c.Output == "" {
		return presets.Export(env.Stdout, p)
	}
	f, err := os.OpenFile(c.Output, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o666)
	if err != nil {
		return fault.Wrap(fault.Invalid, err, "--output")
	}
	err = presets.Export(f, p)
	if closing := f.Close(); err == nil {
		err = closing
	}
	return err
}
