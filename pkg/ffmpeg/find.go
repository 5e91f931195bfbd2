package ffmpeg

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/mapreel/mapreel/pkg/fault"
)

// minMajor and minMinor are the oldest release with everything that encode and remux need:
// -fps_mode, frag_discont and cues_to_front (5.1, July 2022).
const minMajor, minMinor = 5, 1

// toolTimeout bounds a query that needs no input file (version, encoders). It usually takes 0.1 s,
// but 20 s were too few when fifty jobs started at once on two busy cores, because loading ffmpeg's
// libraries takes CPU time.
var toolTimeout = 2 * time.Minute

// Tools holds the two programs as Find found them.
type Tools struct {
	FFmpeg  string // absolute path
	FFprobe string // absolute path
	Version string // "5.1.9-0+deb12u1", or "N-12345-gabcdef" for a build from git
	Build   string // the whole text of `ffmpeg -version`; two machines with the same text encode the same bytes
}

// FindOptions selects the programs. The zero value searches PATH.
type FindOptions struct {
	FFmpeg  string // name or path; "" = "ffmpeg"
	FFprobe string // name or path; "" = "ffprobe", in FFmpeg's folder if FFmpeg is a path
}

// Find locates ffmpeg and ffprobe and reads ffmpeg's version; probe.Inspect checks that of ffprobe. It
// returns an error of kind Unsupported, with the command that installs ffmpeg as its hint, if a program
// is missing, or if ffmpeg fails to run or is older than 5.1. If ffmpeg does not answer in time, the
// error is of kind Transient.
func Find(ctx context.Context, options FindOptions) (Tools, error) {
	ffmpegName, ffprobeName := options.FFmpeg, options.FFprobe
	if ffmpegName == "" {
		ffmpegName = "ffmpeg"
	}
	if ffprobeName == "" {
		ffprobeName = "ffprobe"
		if strings.ContainsRune(ffmpegName, filepath.Separator) {
			ffprobeName = filepath.Join(filepath.Dir(ffmpegName), "ffprobe")
		}
	}
	var tools Tools
	var err error
	if tools.FFmpeg, err = locate(ffmpegName); err != nil {
		return Tools{}, err
	}
	if tools.FFprobe, err = locate(ffprobeName); err != nil {
		return Tools{}, err
	}
	encoders, err := tools.readBuild(ctx)
	if err != nil {
		return Tools{}, err
	}
	tools.Version, _ = parseVersion("ffmpeg", tools.Build)
	if err := CheckVersion("ffmpeg", tools.Version); err != nil {
		return Tools{}, err
	}
	if encoders != nil {
		tools.keep(encodersOption, encoders)
	}
	return tools, nil
}

// CheckVersion returns an error of kind Unsupported, with the command that installs ffmpeg as its
// hint, if a program ("ffprobe") has no version or is older than 5.1.
func CheckVersion(program, version string) error {
	if version == "" {
		return fault.WithHint(fault.New(fault.Unsupported, "%s does not report its version", program), installHint())
	}
	if !recentEnough(version) {
		return fault.WithHint(fault.New(fault.Unsupported, "%s %s is too old: mapreel needs %d.%d or newer",
			program, version, minMajor, minMinor), installHint())
	}
	return nil
}

// readBuild sets Build. The banner that precedes the list of encoders has the same text as the answer
// to -version, indented. One start gives both: each takes 0.2 s of CPU time to load the libraries.
// encoders is nil where the program prints no banner, as a script that wraps ffmpeg may not.
func (t *Tools) readBuild(ctx context.Context) (encoders []byte, err error) {
	encoders, banner, err := query(ctx, t.FFmpeg, encodersOption)
	if err == nil && bytes.HasPrefix(banner, []byte("ffmpeg version ")) {
		t.Build = strings.ReplaceAll(string(banner), "\n  ", "\n")
		return encoders, nil
	}
	if err == nil {
		var out []byte
		out, _, err = query(ctx, t.FFmpeg, "-version")
		t.Build = string(out)
	}
	if err != nil && !errors.Is(err, errNoAnswer) {
		err = fault.WithHint(fault.Wrap(fault.Unsupported, err, "run "+t.FFmpeg), installHint())
	}
	return nil, err
}

// RequireFFprobe checks that ffprobe runs and is recent enough, for who asks before there is a source.
func (t Tools) RequireFFprobe(ctx context.Context) error {
	out, _, err := query(ctx, t.FFprobe, "-version")
	if err != nil {
		if errors.Is(err, errNoAnswer) {
			return err
		}
		return fault.WithHint(fault.Wrap(fault.Unsupported, err, "run "+t.FFprobe), installHint())
	}
	version, _ := parseVersion("ffprobe", string(out))
	return CheckVersion("ffprobe", version)
}

// Require checks that this build of ffmpeg has all of the encoders ("libx264"). If not, it returns
// an error of kind Unsupported that names the missing ones.
func (t Tools) Require(ctx context.Context, encoders []string) error {
	out, err := t.list(ctx, encodersOption)
	if err != nil {
		if errors.Is(err, errNoAnswer) {
			return err
		}
		return fault.Wrap(fault.Unsupported, err, "list the encoders of "+t.FFmpeg)
	}
	have := parseEncoders(out)
	var missing []string
	for _, encoder := range encoders {
		if !have[encoder] {
			missing = append(missing, encoder)
		}
	}
	if len(missing) > 0 {
		return fault.WithHint(fault.New(fault.Unsupported, "ffmpeg %s was built without %s",
			t.Version, strings.Join(missing, ", ")), "choose another codec, or install a full build of ffmpeg: "+installHint())
	}
	return nil
}

// HasFilter reports whether this build of ffmpeg has a filter ("zscale").
func (t Tools) HasFilter(ctx context.Context, name string) (bool, error) {
	out, err := t.list(ctx, "-filters")
	if err != nil {
		if errors.Is(err, errNoAnswer) {
			return false, err
		}
		return false, fault.Wrap(fault.Unsupported, err, "list the filters of "+t.FFmpeg)
	}
	for line := range bytes.Lines(out) { // " TSC zscale  V->V  Apply resizing, …", after a legend
		if fields := strings.Fields(string(line)); len(fields) >= 3 && fields[1] == name && strings.Contains(fields[2], "->") {
			return true, nil
		}
	}
	return false, nil
}

const encodersOption = "-encoders"

// lists holds what list returned, by the program, its build and the option. A server asks for each job.
var lists sync.Map

// list returns what this build of ffmpeg lists for an option. Loading its libraries takes 0.2 s of CPU
// time.
func (t Tools) list(ctx context.Context, option string) ([]byte, error) {
	if out, ok := lists.Load(t.listKey(option)); ok {
		return out.([]byte), nil
	}
	out, _, err := query(ctx, t.FFmpeg, "-hide_banner", option)
	if err == nil {
		t.keep(option, out)
	}
	return out, err
}

// keep has list return out for an option. Without the build, another program may have the same path.
func (t Tools) keep(option string, out []byte) {
	if t.Build != "" {
		lists.Store(t.listKey(option), out)
	}
}

func (t Tools) listKey(option string) [3]string { return [...]string{t.FFmpeg, t.Build, option} }

// locate finds one program and returns its absolute path.
func locate(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fault.WithHint(fault.Wrap(fault.Unsupported, err, "find "+filepath.Base(name)), installHint())
	}
	if path, err = filepath.Abs(path); err != nil {
		return "", fault.Wrap(fault.Internal, err, "find "+name)
	}
	return path, nil
}

// errNoAnswer is the cause with which query stops a program at toolTimeout. It reveals nothing
// about the program.
var errNoAnswer = errors.New("no answer in time")

// queryLimits bound a query that needs no input file. A script that wraps the program may start others
// and write a small file. The wall limit is beyond toolTimeout, which says more.
var queryLimits = Limits{
	Memory: 4 << 30, CPU: time.Minute, Wall: time.Hour, FileSize: 64 << 20, Written: 64 << 20, OpenFiles: 1024, Processes: 64,
}

// query runs a program that reads no input and returns its standard output and standard error, which
// may have 1 MiB each.
func query(ctx context.Context, path string, args ...string) (out, messages []byte, err error) {
	ctx, cancel := context.WithTimeoutCause(ctx, toolTimeout, errNoAnswer)
	defer cancel()
	stdout, stderr := &limitedBuffer{limit: 1 << 20}, &limitedBuffer{limit: 1 << 20}
	_, err = Run(ctx, path, args, RunOptions{Stdout: stdout, Stderr: stderr, Limits: queryLimits})
	if err != nil && context.Cause(ctx) == errNoAnswer { //nolint:errorlint // our own, or the caller's cause
		err = fault.WithHint(fault.Wrap(fault.Transient, errNoAnswer, path+" "+strings.Join(args, " ")), "the machine is very busy; try again")
	}
	return stdout.data, stderr.data, err
}

// parseVersion returns the version in the first line of -version: "ffmpeg version 5.1.9-0+deb12u1
// Copyright …".
func parseVersion(program, text string) (string, bool) {
	line, _, _ := strings.Cut(text, "\n")
	rest, ok := strings.CutPrefix(line, program+" version ")
	if !ok {
		return "", false
	}
	version, _, _ := strings.Cut(rest, " ")
	return version, version != ""
}

// recentEnough reports whether a version is 5.1 or newer. A version that does not begin with a
// number ("N-12345-gabcdef", "git-2024-01-01-abcdef") is a build of the development branch, taken
// to be from after July 2022.
func recentEnough(version string) bool {
	version = strings.TrimPrefix(version, "n") // Arch Linux and the release tags have "n7.1"
	if version == "" || version[0] < '0' || version[0] > '9' {
		return true
	}
	major, rest, _ := strings.Cut(version, ".")
	major, _, _ = strings.Cut(major, "-") // "8-full_build"
	minor := rest
	if end := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' }); end >= 0 {
		minor = rest[:end]
	}
	high, err := strconv.Atoi(major)
	if err != nil || high > 2000 { // a date: a nightly build
		return true
	}
	low, _ := strconv.Atoi(minor)
	return high > minMajor || high == minMajor && low >= minMinor
}

// parseEncoders returns the names in `ffmpeg -encoders`: a legend, a line of dashes, then " V....D
// libx264   description".
func parseEncoders(text []byte) map[string]bool {
	have := map[string]bool{}
	for line := range bytes.Lines(text) {
		if fields := strings.Fields(string(line)); len(fields) >= 2 && len(fields[0]) == 6 && fields[1] != "=" {
			have[fields[1]] = true
		}
	}
	return have
}

// installHint returns the command that installs ffmpeg on this machine.
func installHint() string {
	if runtime.GOOS == "darwin" {
		return "install it: brew install ffmpeg"
	}
	for _, manager := range []struct{ program, command string }{
		{"apt-get", "sudo apt-get install ffmpeg"},
		{"dnf", "sudo dnf install ffmpeg"},
		{"pacman", "sudo pacman -S ffmpeg"},
		{"apk", "sudo apk add ffmpeg"},
		{"zypper", "sudo zypper install ffmpeg"},
	} {
		if _, err := exec.LookPath(manager.program); err == nil {
			return "install it: " + manager.command
		}
	}
	return "install ffmpeg 5.1 or newer: https://ffmpeg.org/download.html"
}
