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
	"github.com/mapreel/mapreel/pkg/fault"
)

// command is a command of the program with its arguments.
type command interface {
	run(context.Context, environment) error
}

// cli is the grammar of the command line. A flag that the user does not give stays empty, so that the request does not
// contain it.
type cli struct {
	Transcode transcodeCmd     `cmd:"" help:"Transcode a video on this machine."`
	Preview   previewCmd       `cmd:"" help:"Make animations, stills, thumbnails and a poster of a video."`
	Verify    verifyCmd        `cmd:"" help:"Compare an output with its source, every frame and the audio."`
	Play      playCmd          `cmd:"" help:"Play an output in the browser."`
	Serve     serveCmd         `cmd:"" help:"Run jobs for others: the Step Functions API on this machine."`
	Jobs      jobsCmd          `cmd:"" help:"List the jobs of this machine and their progress."`
	GC        gcCmd            `cmd:"" name:"gc" help:"Remove the files of old and abandoned jobs from the scratch folder."`
	Doctor    doctorCmd        `cmd:"" help:"Examine whether mapreel can work on this machine or in an AWS account, and say what is missing."`
	Version   versionCmd       `cmd:"" help:"Print the version of mapreel and of ffmpeg."`
	Batch     batchCmd         `cmd:"" hidden:"" help:"Encode a segment for the mapreel process that starts this one."`
	About     kong.VersionFlag `name:"version" short:"V" help:"Print the version of mapreel."`
}

type transcodeCmd struct {
	Source string `arg:"" optional:"" name:"SOURCE" help:"The video: a path or a file:// URL."`
	Output string `short:"o" placeholder:"FILE" help:"The file to make. Its extension selects the container: .mp4, .mkv or .webm; or .m3u8 (HLS) or .mpd (DASH), with the media in a folder of the same name beside it. An existing file of that name is replaced when the new one is complete."`

	NoOverwrite bool `short:"n" help:"Never replace an existing file: fail instead."`

	Program *wholeNumber `placeholder:"N" help:"Transcode this program of a transport stream with several. Default: the one with the largest picture."`

	Codec      string       `group:"Video" placeholder:"NAME" help:"h264, h265, vp9 or av1. Default: h264, in .webm vp9."`
	CRF        *wholeNumber `group:"Video" name:"crf" placeholder:"N" help:"Constant quality, lower is better. Default: 21 for h264 and 24 for h265 (of 0 to 51), 31 for vp9 and 32 for av1 (of 0 to 63)."`
	Preset     string       `group:"Video" placeholder:"NAME" help:"Speed against size. h264, h265: ultrafast to placebo, default medium. vp9: 0 (slow) to 8 (fast), default 4. av1: 0 (slow) to 13 (fast), default 8."`
	Height     *wholeNumber `group:"Video" placeholder:"LINES" help:"Scale to this many lines; the width follows. Does not enlarge without --upscale. Default: the source's size."`
	Upscale    bool         `group:"Video" help:"Allow --height to enlarge the video."`
	FPS        string       `group:"Video" name:"fps" placeholder:"RATE" help:"Make the frame rate constant: 25, 30000/1001. Default: every frame keeps its timestamp."`
	Interlaced string       `group:"Video" placeholder:"HOW" help:"deinterlace or keep. Default: deinterlace, one frame for each source frame. keep encodes fields, with h264 only."`

	MaxBitrate    string    `group:"Video" placeholder:"RATE" help:"Limit of the bit rate, averaged over two seconds, in bits per second: 6M, 800k. Default: no limit."`
	Ladder        string    `group:"Package" placeholder:"NAME|FILE" help:"Renditions of .m3u8 and .mpd: web, selected by the size of the source and never larger; or a .yaml or .json file that lists them, where flags such as --codec apply to those that do not say. Default: web."`
	DASH          bool      `group:"Package" name:"dash" help:"Also write a DASH manifest for the same media."`
	SegmentLength *duration `group:"Package" name:"media-segment" placeholder:"LENGTH" help:"Duration of the media segments that players load. Default: 6s."`
	Keyframes     *duration `group:"Package" name:"keyframes" placeholder:"LENGTH" help:"Longest distance of keyframes: what players show while scrubbing. Default: 2s."`
	Thumbnails    string    `group:"Package" placeholder:"WHICH" help:"auto or none. auto adds what players show while the viewer scrubs or plays fast: sheets of thumbnails and a small rendition of one keyframe a second. Default: auto."`
	SingleFile    bool      `group:"Package" help:"One file for each rendition, read by byte ranges, instead of one for each media segment."`

	Audio        string `group:"Audio" placeholder:"CODEC" help:"auto, aac, opus, copy or none. Default: auto, which copies what the container can hold unchanged and encodes the rest as aac, in .webm as opus. All tracks are kept."`
	AudioBitrate string `group:"Audio" placeholder:"RATE" help:"Bit rate of a track that is encoded, in bits per second: 160k, 96000. Default: 160k; 80k per channel above stereo."`

	Subtitles string `group:"Subtitles" placeholder:"WHICH" help:"auto or none. Default: auto, which keeps all tracks that the container can hold: text in every container, bitmaps in .mkv."`

	Segment     *duration    `group:"Work" placeholder:"LENGTH" help:"Target duration of a segment: 10s, 1m30s. Default: 10s. Shorter segments use the cores more evenly and lose less work when the process is killed; longer ones compress slightly better."`
	Jobs        *wholeNumber `group:"Work" placeholder:"N" help:"Number of segments encoded at once. Default: one per core."`
	Threads     *wholeNumber `group:"Work" placeholder:"N" help:"Threads per encoder. The number affects the result: different numbers give different bytes. Default: 2."`
	Scratch     string       `group:"Work" env:"MAPREEL_SCRATCH" placeholder:"DIR" default:"${scratch}" help:"Folder for intermediate files and the record of jobs. Default: ${scratch}."`
	KeepScratch bool         `group:"Work" help:"Keep the intermediate files after the job is done."`
	IgnoreSpace bool         `group:"Work" help:"Start even if the disk probably has too little space."`
	Strict      bool         `group:"Work" help:"Exit with 1 if anything of the source was damaged, lost or changed, although the output is made."`
	Request     string       `group:"Work" placeholder:"FILE" help:"Read a request from a .json or .yaml file, or from standard input with -. SOURCE, -o and flags override it. Relative paths in it are relative to the current folder."`
	Progress    progressMode `group:"Work" enum:"auto,bar,json,none" default:"auto" placeholder:"HOW" help:"auto: bars on a terminal, else only warnings and errors. bar: bars, or a line every few seconds without a terminal. json: one event per line on standard output, then the report. none: only errors, and one line at the end if anything was damaged or lost."`
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
    mapreel transcode --request film.yaml --progress json

Exit codes: 0 done; 1 failed, or with --strict something was damaged or lost; 2 the request or the usage is wrong; 130
interrupted.`
}

type verifyCmd struct {
	Source string `arg:"" name:"SOURCE" help:"The video that the output was made from: a path or a file:// URL."`
	Output string `arg:"" name:"OUTPUT" help:"The output to check: a file, or an HLS playlist or DASH manifest with its files beside it."`

	JSON     bool         `name:"json" help:"Print the report as JSON instead of a table."`
	Plot     string       `placeholder:"FILE.svg" help:"Plot PSNR over time, with the keyframes and seams of the output. An existing file of that name is replaced."`
	Report   string       `placeholder:"FILE" help:"The report of the job that made the output, the last line of transcode --progress json: seams are then known, and what the job warned about is no fault."`
	Against  string       `placeholder:"ONEPASS.mp4" help:"Another encode of the same source, such as one of a single pass, to compare the output's PSNR with."`
	Program  int          `placeholder:"N" help:"The program of a transport stream with several that the output was made of. Default: the one with the largest picture."`
	Progress progressMode `enum:"auto,none" default:"auto" placeholder:"HOW" help:"auto: bars on a terminal. none: nothing."`
}

// Help is shown by mapreel verify --help.
func (verifyCmd) Help() string {
	return `Both files are decoded completely and compared: frames, timestamps, video, audio, streams. No record of a job is
needed, so the output can come from any program.

Exit codes: 0 good; 1 something differs; 2 the usage is wrong, or a file is not a video; 3 the comparison could not be
made; 130 interrupted.`
}

type jobsCmd struct {
	Scratch string `env:"MAPREEL_SCRATCH" placeholder:"DIR" default:"${scratch}" help:"Folder that the jobs were started with. Default: ${scratch}."`
	JSON    bool   `name:"json" help:"Print a JSON array instead of a table."`
}

// Help is shown by mapreel jobs --help.
func (jobsCmd) Help() string { return `It also shows jobs that another process is running.` }

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
		kong.Vars{"scratch": defaultScratchDir(), "version": versionString()},
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		kong.ExplicitGroups([]kong.Group{
			{Key: "Video", Title: "Video:"},
			{Key: "Package", Title: "Package for players:"},
			{Key: "Audio", Title: "Audio:"},
			{Key: "Subtitles", Title: "Subtitles:"},
			{Key: "Previews", Title: "Previews:"},
			{Key: "Work", Title: "Work:"},
			{Key: "AWS", Title: "AWS:"},
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
		return nil, &fault.Error{Kind: fault.Invalid, Hint: "see " + help, Err: err}
	}
	switch name, _, _ := strings.Cut(selected.Command(), " "); name {
	case "transcode":
		return g.Transcode, nil
	case "preview":
		return g.Preview, nil
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
