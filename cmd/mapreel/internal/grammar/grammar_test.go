package grammar

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/alecthomas/kong"
)

type toyCLI struct {
	Make struct {
		Source string `arg:"" name:"SOURCE"`
		Codec  string `short:"c" enum:"h264,h265,av1" default:"h264" help:"The codec: fast or small. More words."`
		Force  bool   `short:"f" help:"Replace."`
		Crop   string `complete:"auto,none"`
		Secret string `hidden:""`
	} `cmd:"" help:"Make a film."`
	Shell struct {
		Name string `arg:"" enum:"bash,zsh"`
	} `cmd:"" help:"Print a script."`
	Hidden struct{} `cmd:"" hidden:""`
}

func toyApp(t *testing.T) *kong.Application {
	t.Helper()
	parser, err := kong.New(&toyCLI{}, kong.Name("mapreel"), kong.Description("Makes .films and 'more'."))
	if err != nil {
		t.Fatal(err)
	}
	return parser.Model
}

func TestWordsAreCompleted(t *testing.T) {
	t.Parallel()
	app := toyApp(t)
	for line, want := range map[string]string{
		"":                       "make shell",
		"m":                      "make",
		"make --":                "--help --codec --force --crop",
		"make --c":               "--codec --crop",
		"make --crop ":           "auto none",
		"make --crop=a":          "--crop=auto",
		"make --crop 1":          "",
		"make --codec ":          "h264 h265 av1",
		"make -c h":              "h264 h265",
		"make --codec=h26":       "--codec=h264 --codec=h265",
		"make --force ":          "", // a flag without a value
		"make --codec h264 ":     "",
		"make film.mp4 --f":      "--force",
		"make -- --":             "",
		"shell ":                 "bash zsh",
		"make --secret ":         "",
		"make --nonsense --fo":   "--force",
		"make --codec=h264 --fo": "--force",
	} {
		var got []string
		for _, c := range Complete(app, strings.Split(line, " ")) {
			got = append(got, c.Word)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("%q: %q, want %q", line, got, want)
		}
	}
	if got := Lines(Complete(app, []string{"make", "--co"})); got != "--codec\tThe codec: fast or small\n" {
		t.Errorf("lines are %q", got)
	}
}

// complete runs what a shell does at the key Tab, with a program that answers as mapreel does for the words that it is asked for.
func complete(t *testing.T, shell, script string) string {
	t.Helper()
	if _, err := exec.LookPath(shell); err != nil {
		t.Skipf("NOT TESTED: %s is not installed", shell)
	}
	dir := t.TempDir()
	text, err := Script(shell)
	if err != nil {
		t.Fatal(err)
	}
	fake := "#!/bin/sh\nshift 2\nprintf '%s' \"$#\" >&2\nfor w; do last=$w; done\ncase $last in --codec=*) printf -- '--codec=h264\\tx\\n';; *) printf 'make\\tMake: a film\\nshell\\tx\\n';; esac\n"
	for name, content := range map[string]string{"mapreel": fake, "completion": text} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), shell, "-c", strings.ReplaceAll(script, "COMPLETION", filepath.Join(dir, "completion")))
	cmd.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"))
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return string(out)
}

func TestBashCompletes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ words, want string }{
		{`mapreel ""`, "make shell"}, {`mapreel make --codec =`, "h264"}, {`mapreel make --codec = h2`, "h264"},
	} {
		got := complete(t, "bash", `source COMPLETION; COMP_WORDS=(`+c.words+`); COMP_CWORD=$((${#COMP_WORDS[@]}-1)); COMP_LINE="${COMP_WORDS[*]}"; COMP_POINT=${#COMP_LINE}; _mapreel; echo "${COMPREPLY[*]}"`)
		if strings.TrimSpace(got) != c.want {
			t.Errorf("%s: %q, want %q", c.words, got, c.want)
		}
	}
}

func TestZshCompletes(t *testing.T) {
	t.Parallel()
	got := complete(t, "zsh", `_describe() { print -l "${(@)${(P)2}}"; }; _files() { print files; }; compdef() { :; }; source COMPLETION; words=(mapreel ""); CURRENT=2; _mapreel`)
	if got != "make:Make: a film\nshell:x\n" {
		t.Errorf("got %q", got)
	}
}

func TestFishCompletes(t *testing.T) {
	t.Parallel()
	got := complete(t, "fish", `source COMPLETION; complete -C "mapreel " | grep -P '^(make|shell)\t'`)
	if got != "make\tMake: a film\nshell\tx\n" {
		t.Errorf("got %q", got)
	}
}

func TestTheManualIsReadByMan(t *testing.T) {
	t.Parallel()
	text := Manual(toyApp(t), "mapreel v1")
	for _, want := range []string{".TH MAPREEL 1", ".SS make <SOURCE> [flags]\n", "\\fB\\-c, \\-\\-codec=\"h264\"\\fR\n", "makes .films and 'more'"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is missing in\n%s", want, text)
		}
	}
	if strings.Contains(text, "secret") || strings.Contains(text, "hidden") {
		t.Errorf("hidden ones are shown\n%s", text)
	}
	if got := roff(".x\n'y \\-z"); got != "\\&.x\n\\&'y \\e\\-z" {
		t.Errorf("escaped: %q", got)
	}
	path, err := exec.LookPath("groff")
	if err != nil {
		t.Skip("NOT TESTED: groff is not installed")
	}
	cmd := exec.CommandContext(t.Context(), path, "-man", "-ww", "-Tutf8", "-z")
	cmd.Stdin = strings.NewReader(text)
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("groff: %v\n%s", err, out)
	}
}
