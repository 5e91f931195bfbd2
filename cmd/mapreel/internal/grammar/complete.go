// Package grammar says of the command line's grammar what shells and manuals want to know: which words may come next, and what
// all commands and flags mean.
package grammar

import (
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/mapreel/mapreel/pkg/fault"
)

// Candidate is a word that may stand in a command line.
type Candidate struct{ Word, Help string }

// Complete returns what the last of some words may become; the words before it are complete, and the program's name is not among
// them. It returns nothing where a file or a free text is expected: shells then offer files.
func Complete(app *kong.Application, words []string) []Candidate {
	if len(words) == 0 {
		words = []string{""}
	}
	node, last := app.Node, words[len(words)-1]
	var pending *kong.Flag // the flag whose value comes next
	literal := false       // after "--"
	for _, word := range words[:len(words)-1] {
		switch {
		case literal:
		case pending != nil:
			pending = nil
		case word == "--":
			literal = true
		case strings.HasPrefix(word, "-"):
			if f := flagOf(node, word); f != nil && !strings.Contains(word, "=") && takesValue(f) {
				pending = f
			}
		default:
			if i := slices.IndexFunc(node.Children, func(c *kong.Node) bool { return c.Name == word }); i >= 0 {
				node = node.Children[i]
			}
		}
	}
	if name, value, ok := strings.Cut(last, "="); ok && strings.HasPrefix(name, "--") && !literal {
		list := values(flagOf(node, name), value)
		for i := range list {
			list[i].Word = name + "=" + list[i].Word
		}
		return list
	}
	switch {
	case literal:
		return nil
	case pending != nil:
		return values(pending, last)
	case strings.HasPrefix(last, "-"):
		return flags(node, last)
	}
	var list []Candidate
	for _, c := range node.Children {
		if !c.Hidden && strings.HasPrefix(c.Name, last) {
			list = append(list, Candidate{c.Name, c.Help})
		}
	}
	for _, p := range node.Positional {
		if p.Enum != "" && p.Position == 0 {
			list = append(list, enum(p, last)...)
		}
	}
	return list
}

// flagOf returns the flag that a word names; nil if there is none.
func flagOf(node *kong.Node, word string) *kong.Flag {
	name, _, _ := strings.Cut(strings.TrimLeft(word, "-"), "=")
	for _, f := range allFlags(node) {
		if strings.HasPrefix(word, "--") && f.Name == name || !strings.HasPrefix(word, "--") && f.Short != 0 && string(f.Short) == name {
			return f
		}
	}
	return nil
}

// allFlags returns the flags of a command and of those that it is a part of.
func allFlags(node *kong.Node) (list []*kong.Flag) {
	for _, group := range node.AllFlags(true) {
		list = append(list, group...)
	}
	return list
}

func takesValue(f *kong.Flag) bool { return !f.IsBool() && !f.IsCounter() }

func flags(node *kong.Node, begin string) (list []Candidate) {
	for _, f := range allFlags(node) {
		if word := "--" + f.Name; strings.HasPrefix(word, begin) {
			list = append(list, Candidate{word, f.Help})
		}
	}
	return list
}

func values(f *kong.Flag, begin string) []Candidate {
	if f == nil {
		return nil
	}
	return append(enum(f.Value, begin), beginning(strings.Split(f.Tag.Get(completions), ","), begin)...)
}

// completions is the tag of a flag that also takes other values than these: complete:"auto,none".
const completions = "complete"

func enum(v *kong.Value, begin string) (list []Candidate) { return beginning(v.EnumSlice(), begin) }

func beginning(words []string, begin string) (list []Candidate) {
	for _, word := range words {
		if word != "" && strings.HasPrefix(word, begin) {
			list = append(list, Candidate{word, ""})
		}
	}
	return list
}

// Lines returns candidates as the scripts read them: a word, a tab and a few words of help on each line.
func Lines(list []Candidate) string {
	var b strings.Builder
	for _, c := range list {
		help, _, _ := strings.Cut(c.Help, ". ")
		fmt.Fprintf(&b, "%s\t%s\n", c.Word, strings.TrimSuffix(strings.ReplaceAll(help, "\n", " "), "."))
	}
	return b.String()
}

// scripts ask the program itself for candidates, so that they never lag behind it.
var scripts = map[string]string{
	"bash": `# mapreel completion bash > ~/.local/share/bash-completion/completions/mapreel
_mapreel() {
	local IFS=$'\n' line=${COMP_LINE:0:COMP_POINT} i words=("${COMP_WORDS[@]:1:COMP_CWORD}") prefix=
	# bash takes "--flag=value" for three words.
	if [[ ${COMP_WORDS[COMP_CWORD]} == = ]]; then
		words=("${COMP_WORDS[@]:1:COMP_CWORD-2}" "${COMP_WORDS[COMP_CWORD-1]}=") prefix="${COMP_WORDS[COMP_CWORD-1]}="
	elif [[ $COMP_CWORD -gt 1 && ${COMP_WORDS[COMP_CWORD-1]} == = ]]; then
		words=("${COMP_WORDS[@]:1:COMP_CWORD-3}" "${COMP_WORDS[COMP_CWORD-2]}=${COMP_WORDS[COMP_CWORD]}") prefix="${COMP_WORDS[COMP_CWORD-2]}="
	fi
	COMPREPLY=($(mapreel complete -- "${words[@]}" 2>/dev/null | cut -f 1))
	COMPREPLY=("${COMPREPLY[@]#"$prefix"}")
}
complete -o bashdefault -o default -F _mapreel mapreel
`,
	"zsh": `#compdef mapreel
# mapreel completion zsh > a folder of $fpath/_mapreel
_mapreel() {
	local -a candidates
	local word help
	mapreel complete -- "${(@)words[2,CURRENT]}" 2>/dev/null | while IFS=$'\t' read -r word help; do
		candidates+=("${word//:/\\:}:$help")
	done
	if (( ${#candidates} )); then
		_describe mapreel candidates
	else
		_files
	fi
}
if [ "$funcstack[1]" = _mapreel ]; then
	_mapreel "$@"
else
	compdef _mapreel mapreel
fi
`,
	"fish": `# mapreel completion fish > ~/.config/fish/completions/mapreel.fish
function __mapreel_complete
	set -l words (commandline -opc) (commandline -ct)
	mapreel complete -- $words[2..-1] 2>/dev/null
end
complete -c mapreel -a '(__mapreel_complete)'
`,
}

// Script returns what a shell reads so that it completes command lines of mapreel.
func Script(shell string) (string, error) {
	text, ok := scripts[shell]
	if !ok {
		return "", fault.New(fault.Invalid, "there is no completion for %s", shell)
	}
	return text, nil
}
