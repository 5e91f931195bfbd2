package main

import (
	"context"
	"io"

	"github.com/alecthomas/kong"

	"github.com/mapreel/mapreel/cmd/mapreel/internal/grammar"
	"github.com/mapreel/mapreel/pkg/fault"
)

// completionCmd prints the script that completes command lines in a shell.
type completionCmd struct {
	Shell string `arg:"" name:"SHELL" enum:"bash,zsh,fish" help:"bash, zsh or fish."`
}

// Help is shown by mapreel completion --help.
func (completionCmd) Help() string {
	return `Commands, flags and their values are completed, as this version of mapreel knows them:

    mapreel completion bash > ~/.local/share/bash-completion/completions/mapreel
    mapreel completion zsh > ~/.zfunc/_mapreel      # a folder of $fpath
    mapreel completion fish > ~/.config/fish/completions/mapreel.fish`
}

func (c completionCmd) run(_ context.Context, env environment) error {
	text, err := grammar.Script(c.Shell)
	if err != nil {
		return err
	}
	_, err = io.WriteString(env.Stdout, text)
	return fault.Wrap(fault.Internal, err, "print")
}

// completeCmd answers the scripts of completionCmd.
type completeCmd struct {
	Words []string `arg:"" optional:"" passthrough:""`

	app *kong.Application
}

func (c completeCmd) run(_ context.Context, env environment) error {
	words := c.Words
	if len(words) > 0 && words[0] == "--" {
		words = words[1:]
	}
	_, err := io.WriteString(env.Stdout, grammar.Lines(grammar.Complete(c.app, words)))
	return fault.Wrap(fault.Internal, err, "print")
}

// manCmd prints the manual page.
type manCmd struct{ app *kong.Application }

// Help is shown by mapreel man --help.
func (manCmd) Help() string {
	return `In the format of man(7):

    mapreel man > ~/.local/share/man/man1/mapreel.1
    mapreel man | man -l -`
}

func (c manCmd) run(_ context.Context, env environment) error {
	_, err := io.WriteString(env.Stdout, grammar.Manual(c.app, versionString()))
	return fault.Wrap(fault.Internal, err, "print")
}
