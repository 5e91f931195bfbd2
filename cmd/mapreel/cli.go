package main

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/alecthomas/kong"

	"github.com/mapreel/mapreel/cmd/mapreel/internal/flagvalue"
	"github.com/mapreel/mapreel/cmd/mapreel/internal/remote"
	"github.com/mapreel/mapreel/cmd/mapreel/internal/requestflags"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film/overlay"
	"github.com/mapreel/mapreel/pkg/price"
)

// command is a command of the program with its arguments.
type command interface {
	run(context.Context, environment) error
}

// cli is the grammar of the command line. A flag that the user does not give stays empty, so that the request does not
// contain it.
type cli struct {
	Transcode transcodeCmd `cmd:"" help:"Transcode a video on this machine."`
	Preview   previewCmd   `cmd:"" help:"Make animations, stills, thumbnails and a poster of a video."`
	Render    renderCmd    `cmd:"" help:"Render a Blender scene to a film."`
	Run       runCmd       `cmd:"" help:"Run your own commands on the segments, the sound or the frames of a video."`
	FDL       fdlCmd       `cmd:"" name:"fdl" help:"Translate functions of SCAR or OSCAR into tools for run."`
	Estimate  estimateCmd  `cmd:"" help:"Say what a job will take: units, bytes, time and cost, here and on AWS."`
	Verify    verifyCmd    `cmd:"" help:"Compare an output with its source, every frame and the audio."`
	Play      playCmd      `cmd:"" help:"Play an output in the browser."`
	Serve     serveCmd     `cmd:"" help:"Run jobs for others: the Step Functions API on this machine."`
	remote.Commands
	Jobs       jobsCmd          `cmd:"" help:"List the jobs of this machine and their progress."`
	GC         gcCmd            `cmd:"" name:"gc" help:"Remove the files of old and abandoned jobs from the scratch folder."`
	Doctor     doctorCmd        `cmd:"" help:"Examine whether mapreel can work on this machine or in an AWS account, and say what is missing."`
	Prices     pricesCmd        `cmd:"" help:"Print the list prices that costs are computed from, or renew them."`
	Preset     presetCmd        `cmd:"" help:"List, show or export named settings."`
	Version    versionCmd       `cmd:"" help:"Print the version of mapreel and of ffmpeg."`
	Completion completionCmd    `cmd:"" help:"Print what completes command lines in bash, zsh or fish."`
	Man        manCmd           `cmd:"" help:"Print the manual page."`
	Complete   completeCmd      `cmd:"" hidden:"" help:"Print what may stand in the place of the last word."`
	Batch      batchCmd         `cmd:"" hidden:"" help:"Encode a segment for the mapreel process that starts this one."`
	About      kong.VersionFlag `name:"version" short:"V" help:"Print the version of mapreel."`
}

type transcodeCmd struct {
	Sources   []string `arg:"" optional:"" name:"SOURCE" help:"The video: a path, a file://, https:// or s3:// URL, or - for what comes through a pipe. Several, or folders, or patterns such as 'films/*.mkv', are transcoded with the same settings; with --join, several become one film."`
	Output    string   `short:"o" placeholder:"FILE" help:"The file to make. Its extension selects the container: .mp4, .mkv or .webm; or .m3u8 (HLS) or .mpd (DASH), with the media in a folder of the same name beside it. A path, or an s3:// URL. An existing file of that name is replaced when the new one is complete. For several sources, {name} is the name of each without its extension, {ext} its extension, {folder} where it is below the folder that was named."`
	Recursive bool     `help:"Also take the videos in the folders of a SOURCE that is a folder."`

	requestflags.Flags

	NoOverwrite bool         `short:"n" help:"Never replace an existing file: fail instead, or with several sources pass over those whose outputs exist."`
	DryRun      bool         `help:"Do nothing, and say what the job would take, as mapreel estimate does. With --progress json, as JSON."`
	Plan        bool         `help:"Do nothing, and show everything that the job would do: segments and why each begins where it does, renditions, command lines of ffmpeg, what will be lost, bytes and time. With --progress json, as JSON."`
	Jobs        *wholeNumber `group:"Work" placeholder:"N" help:"Number of segments encoded at once. Default: one per core."`
	Scratch     string       `group:"Work" env:"MAPREEL_SCRATCH" placeholder:"DIR" default:"${scratch}" help:"Folder for intermediate files and the record of jobs. Default: ${scratch}."`
	KeepScratch bool         `group:"Work" help:"Keep the intermediate files after the job is done."`
	IgnoreSpace bool         `group:"Work" help:"Start even if the disk probably has too little space."`
	EndpointURL string       `group:"Work" name:"endpoint-url" placeholder:"URL" help:"Server of s3:// URLs, such as http://localhost:9000. Default: as AWS_ENDPOINT_URL and the other settings of the AWS command line say."`
	Strict      bool         `group:"Work" help:"Exit with 1 if anything of the source was damaged, lost or changed, although the output is made."`
	Progress    progressMode `group:"Work" enum:"auto,bar,json,none" default:"auto" placeholder:"HOW" help:"auto: bars on a terminal, else only warnings and errors. bar: bars, or a line every few seconds without a terminal. json: one event per line on standard output, then the report. none: only errors, and one line at the end if anything was damaged or lost."`

	calibrate bool // of render: measure the scene before a dry run says what it takes
}

// Help is shown by mapreel transcode --help.
func (transcodeCmd) Help() string {
	return `The video is divided into segments that are encoded in parallel and merged without a seam. If the work is interrupted,
the same command again does only what is missing.

Examples:

    mapreel transcode film.mov -o film.mp4
    mapreel transcode film.mkv -o small.mp4 --codec h265 --height 720 --crf 26
    mapreel transcode film.mp4 -o film.webm --codec av1 --audio-bitrate 96k
    mapreel transcode film.mp4 -o site/film.m3u8 --ladder web --dash
    mapreel transcode film.mp4 -o site/film.m3u8 --dash --keys film.keys --key-url https://keys.example.com/{kid}
    mapreel transcode film.mkv -o film.mp4 --crop auto --height 720
    mapreel transcode cartoon.mkv -o cartoon.mp4 --tune animation
    mapreel transcode film.mkv -o film.mp4 --target-size 700M
    mapreel transcode film.mkv -o film.mkv --codec h265 --bit-depth 10 --encoder-options aq-mode=3:psy-rd=1.5
    mapreel transcode film.mkv -o film.mkv --codec av1 --grain 8
    mapreel transcode film.mkv -o film.mp4 --profile high --level 4.1 --pad 1920:1080
    mapreel transcode film.mkv -o film.mp4 --codec h265 --gpu
    mapreel transcode film.mkv -o film.mp4 --filter nlmeans=s=3,unsharp=la=0.6
    mapreel transcode film.mkv -o film.mkv --preset archive
    mapreel transcode film.mkv -o film.mp4 --overlay logo.png@bottom-right,height=8,opacity=70
    mapreel transcode film.mkv -o film.mp4 --subtitle-file de:film.de.srt --subtitle-file en:film.en.vtt --default-subtitles de
    mapreel transcode film.mkv -o film.mp4 --burn-subtitles eng --subtitles none
    mapreel transcode a.mp4 b.mov c.mkv --join -o film.mp4
    mapreel transcode film.mkv -o scene.mp4 --start 1:23.4 --duration 30s --audio aac
    mapreel transcode film.mkv -o film.mp4 --chapters 3-5 --downmix stereo
    mapreel transcode film.mkv -o film.mp4 --audio-tracks deu,eng --default-audio deu --subtitle-tracks eng --forced-subtitles eng
    mapreel transcode film.mkv -o film.mp4 --second-audio stereo
    mapreel transcode film.mkv -o site/film.m3u8 --dash --audio-bitrates 64k,128k,192k
    mapreel transcode film.mkv -o film.mp4 --loudness -23
    mapreel transcode --request film.yaml --progress json
    mapreel transcode films --recursive -o 'out/{folder}/{name}.mp4'
    mapreel transcode film.mkv -o film.mp4 --plan
    mapreel transcode https://example.com/film.mkv -o film.mp4
    mapreel transcode s3://bucket/film.mkv -o s3://bucket/site/film.m3u8
    cat film.ts | mapreel transcode - -o film.mp4

Several sources are done side by side, with as many segments at once as for one. A source that fails does not stop the others;
a summary ends the run. Names that collide are refused before any work.

Exit codes: 0 done; 1 failed, if only for one of several sources, or with --strict something was damaged or lost; 2 the request or the usage is wrong; 130
interrupted.`
}

type verifyCmd struct {
	Source string `arg:"" name:"SOURCE" help:"The video that the output was made from: a path or a file:// URL."`
	Output string `arg:"" name:"OUTPUT" help:"The output to check: a file, or an HLS playlist or DASH manifest with its files beside it."`

	requestflags.PartFlags
	requestflags.SequenceFlags
	requestflags.SubtitleFileFlags
	requestflags.TrackFlags

	JSON     bool          `name:"json" help:"Print the report as JSON instead of a table."`
	Plot     string        `placeholder:"FILE.svg" help:"Plot PSNR over time, with the keyframes and seams of the output. An existing file of that name is replaced."`
	Crop     string        `placeholder:"W:H:X:Y" help:"The part of the source's picture that the output shows. Default: what --report says, else all."`
	Filter   string        `placeholder:"FILTERS" help:"The filters that the output's frames went through. Default: what --report says, else none."`
	Burn     string        `name:"burn-subtitles" placeholder:"TRACK|FILE" help:"The subtitles that are drawn into the output's picture, as transcode takes them. Default: what --report says, else none."`
	Overlay  *overlay.Wish `placeholder:"PNG[@PLACE]" help:"The picture that lies over the output's frames, as transcode takes it. Default: what --report says, else none."`
	Report   string        `placeholder:"FILE" help:"The report of the job that made the output, the last line of transcode --progress json: seams are then known, and what the job warned about is no fault."`
	Against  string        `placeholder:"ONEPASS.mp4" help:"Another encode of the same source, such as one of a single pass, to compare the output's PSNR with."`
	Program  int           `placeholder:"N" help:"The program of a transport stream with several that the output was made of. Default: the one with the largest picture."`
	FPS      string        `name:"fps" placeholder:"RATE" help:"The frame rate that the job was given for a raw H.264 or H.265 source, which has no timestamps: 25 or 30000/1001."`
	Progress progressMode  `enum:"auto,none" default:"auto" placeholder:"HOW" help:"auto: bars on a terminal. none: nothing."`
}

// Help is shown by mapreel verify --help.
func (verifyCmd) Help() string {
	return `Both files are decoded completely and compared: frames, timestamps, video, audio, streams. No record of a job is
needed, so the output can come from any program. With --start, --end, --duration or --chapters, or a --report that says so, the
output is compared with that part of the source; with flags such as --audio-tracks, with those tracks of it:

    mapreel verify film.mkv scene.mp4 --start 1:23.4 --duration 30s
    mapreel verify film.mkv film.mp4 --audio-tracks deu,eng --default-audio deu --subtitle-tracks eng

Exit codes: 0 good; 1 something differs; 2 the usage is wrong, or a file is not a video; 3 the comparison could not be
made; 130 interrupted.`
}

type jobsCmd struct {
	Job     string `arg:"" optional:"" name:"JOB" help:"Show one job, by its ID or the beginning of it, with its groups of units and its whole error."`
	Failed  bool   `help:"Only jobs that failed or were interrupted."`
	Watch   bool   `help:"Show changes: of one job until it ends, of all until Ctrl-C."`
	Scratch string `env:"MAPREEL_SCRATCH" placeholder:"DIR" default:"${scratch}" help:"Folder that the jobs were started with. Default: ${scratch}."`
	JSON    bool   `name:"json" help:"Print JSON instead: an array, or one object for JOB; with --watch a line for each change."`
}

// Help is shown by mapreel jobs --help.
func (jobsCmd) Help() string {
	return `It also shows jobs that another process is running.

Exit codes: 0 done; 1 there is no such job, or with JOB and --watch it failed or was interrupted; 2 the usage is wrong.`
}

type versionCmd struct{}

// progressMode selects how transcode and verify show their progress.
type progressMode string

const (
	progressAuto progressMode = "auto"
	progressBar  progressMode = "bar"
	progressJSON progressMode = "json"
	progressNone progressMode = "none"
)

// Values of flags.
type (
	wholeNumber = flagvalue.WholeNumber
	duration    = flagvalue.Duration
)

// parse parses the command line. After --help or --version, which it answers itself, it returns neither a command nor an
// error. An error is of kind fault.Invalid.
func parse(args []string, stdout, stderr io.Writer) (command, error) {
	var g cli
	printed := false // by --help or --version
	parser, err := kong.New(&g,
		kong.Name("mapreel"),
		kong.Description("Transcode a large video in parallel segments into one file without a seam."),
		kong.Vars{"scratch": defaultScratchDir(), "version": versionString(), "offers": price.Source},
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		kong.ExplicitGroups([]kong.Group{
			{Key: "Scene", Title: "Scene:"},
			{Key: "Part", Title: "Part of the source:"},
			{Key: "Video", Title: "Video:"},
			{Key: "Package", Title: "Package for players:"},
			{Key: "Audio", Title: "Audio:"},
			{Key: "Subtitles", Title: "Subtitles:"},
			{Key: "Previews", Title: "Previews:"},
			{Key: "Tools", Title: "Tools:"},
			{Key: "Work", Title: "Work:"},
			{Key: "AWS", Title: "AWS:"},
			{Key: "Where", Title: "Where jobs run:"},
		}),
		kong.WithHyphenPrefixedParameters(true), // so that --crf -1 gets a useful error, and a file name may begin with -
		kong.ValueFormatter(formatHelp),
		kong.Writers(stdout, stderr),
		kong.Exit(func(int) { printed = true }),
	)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "build the command line")
	}
	switch {
	case len(args) == 0:
		args = []string{"--help"}
	case args[0] == "help": // as of git and go: mapreel help transcode
		args = append(slices.Clone(args[1:]), "--help")
	}
	selected, err := parser.Parse(args)
	if printed {
		return nil, nil
	}
	if err != nil {
		help := "mapreel --help"
		var parseErr *kong.ParseError
		if errors.As(err, &parseErr) && parseErr.Context.Selected() != nil {
			help = "mapreel " + parseErr.Context.Selected().Name + " --help"
		}
		return nil, &fault.Error{Kind: fault.Invalid, Hint: "see " + help, Err: flagvalue.Plain(err)}
	}
	if c, ok := selected.Selected().Target.Addr().Interface().(remote.Command); ok {
		return remoteCmd{c}, nil
	}
	switch name, _, _ := strings.Cut(selected.Command(), " "); name {
	case "completion":
		return g.Completion, nil
	case "complete":
		g.Complete.app = parser.Model
		return g.Complete, nil
	case "man":
		g.Man.app = parser.Model
		return g.Man, nil
	case "transcode":
		return g.Transcode, nil
	case "preview":
		return g.Preview, nil
	case "render":
		return g.Render, nil
	case "run":
		return g.Run, nil
	case "fdl":
		return g.FDL, nil
	case "estimate":
		return g.Estimate, nil
	case "verify":
		return g.Verify, nil
	case "play":
		return g.Play, nil
	case "serve":
		return g.Serve, nil
	case "gc":
		return g.GC, nil
	case "doctor":
		return g.Doctor, nil
	case "preset":
		return g.Preset, nil
	case "prices":
		return g.Prices, nil
	case "jobs":
		return g.Jobs, nil
	case "batch":
		return g.Batch, nil
	default:
		return g.Version, nil
	}
}

// formatHelp returns the help of a flag with the environment variable that it can be set by.
func formatHelp(v *kong.Value) string {
	if len(v.Tag.Envs) == 0 {
		return v.Help
	}
	return v.Help + " Also $" + strings.Join(v.Tag.Envs, ", $") + "."
}

// defaultScratchDir returns a folder in the user's cache, or "" if the system names none.
func defaultScratchDir() string {
	cache, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(cache, "mapreel")
}

// resolveScratch returns the absolute path of the folder that --scratch names.
func resolveScratch(flag string) (string, error) {
	if flag == "" {
		return "", fault.WithHint(fault.New(fault.Invalid, "this system has no cache folder to use for scratch"),
			"set one with --scratch or MAPREEL_SCRATCH")
	}
	dir, err := filepath.Abs(flag)
	if err != nil {
		return "", fault.Wrap(fault.Invalid, err, "--scratch")
	}
	return dir, nil
}
