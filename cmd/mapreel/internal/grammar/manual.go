package grammar

import (
	"fmt"
	"strings"

	"github.com/alecthomas/kong"
)

// Manual returns the manual page of a program in the macros of man(7), with every command and flag of its grammar.
func Manual(app *kong.Application, version string) string {
	var b strings.Builder
	title := strings.ToUpper(app.Name)
	fmt.Fprintf(&b, ".TH %s 1 \"\" \"%s\" \"User Commands\"\n", title, roff(version))
	fmt.Fprintf(&b, ".SH NAME\n%s \\- %s\n", roff(app.Name), roff(strings.TrimSuffix(lowerFirst(app.Help), ".")))
	fmt.Fprintf(&b, ".SH SYNOPSIS\n.B %s\n.I command\n[\\fIarguments\\fR] [\\fIflags\\fR]\n", roff(app.Name))
	b.WriteString(".SH COMMANDS\n")
	for _, c := range app.Children {
		if c.Hidden {
			continue
		}
		fmt.Fprintf(&b, ".SS %s\n%s\n", roff(usage(c)), roff(c.Help))
		paragraphs(&b, c.Detail)
		for _, p := range c.Positional {
			item(&b, p.Summary(), p.Help)
		}
		for _, f := range c.Flags {
			if !f.Hidden {
				item(&b, f.String(), f.Help)
			}
		}
	}
	b.WriteString(".SH FLAGS OF ALL COMMANDS\n")
	for _, f := range app.Flags {
		if !f.Hidden {
			item(&b, f.String(), f.Help)
		}
	}
	return b.String()
}

// usage returns a command with its arguments.
func usage(c *kong.Node) string {
	words := []string{c.Name}
	for _, p := range c.Positional {
		words = append(words, p.Summary())
	}
	return strings.Join(append(words, "[flags]"), " ")
}

func item(b *strings.Builder, name, help string) {
	fmt.Fprintf(b, ".TP\n\\fB%s\\fR\n%s\n", roff(name), roff(help))
}

// paragraphs writes a text whose paragraphs are divided by empty lines. Indented ones stay as they are.
func paragraphs(b *strings.Builder, text string) {
	for paragraph := range strings.SplitSeq(strings.Trim(text, "\n"), "\n\n") {
		switch {
		case paragraph == "":
		case strings.HasPrefix(paragraph, "    "):
			fmt.Fprintf(b, ".PP\n.nf\n.RS\n%s\n.RE\n.fi\n", roff(strings.ReplaceAll(strings.TrimPrefix(paragraph, "    "), "\n    ", "\n")))
		default:
			fmt.Fprintf(b, ".PP\n%s\n", roff(paragraph))
		}
	}
}

// roff escapes a text: a backslash and a hyphen mean something everywhere, a dot and an apostrophe at the beginning of a line.
func roff(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`).Replace(strings.TrimSpace(text))
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		if strings.HasPrefix(line, ".") || strings.HasPrefix(line, "'") {
			lines[i] = `\&` + line
		}
	}
	return strings.Join(lines, "\n")
}

func lowerFirst(text string) string {
	if text == "" {
		return ""
	}
	return strings.ToLower(text[:1]) + text[1:]
}
