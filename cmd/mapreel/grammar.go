package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/mapreel/mapreel/pkg/fault"
)

// runner is a command that was chosen, with its arguments.
type runner interface {
	run(context.Context, environment) error
}

// grammar is everything that can stand after "mapreel". A flag that the user did not give stays empty, so that the
// request does not hold it.
type grammar struct {
	Transcode transcode        `cmd:"" help:"Transcode a video on this machine."`
	Verify    verification     `cmd:"" help:"Prove that an output shows and sounds what its source does."`
	Play      play             `cmd:"" help:"Play an output in the browser."`
	Jobs      jobs             `cmd:"" help:"List the jobs of this machine and how far each is."`
	GC        gc               `cmd:"" name:"gc" help:"Remove what old and broken-off jobs left in the scratch folder."`
	Version   versions         `cmd:"" help:"Print the version of mapreel and of ffmpeg."`
	Batch     batch            `cmd:"" hidden:"" help:"Encode a segment for another mapreel, which starts this."`
	About     kong.VersionFlag `name:"version" help:"Print the version of mapreel."`
}

type transcode struct {
	Source string `arg:"" optional:"" name:"SOURCE" help:"The video: a path or a file:// URL."`
	Output string `short:"o" placeholder:"FILE" help:"The file to make. Its extension chooses the container: .mp4, .mkv or .webm; or .m3u8 (HLS) or .mpd (DASH), whose media go into a folder of the same name beside it. A file of that name is replaced when the new one is whole."`

	Codec      string `group:"Picture" placeholder:"NAME" help:"h264, h265, vp9 or av1. Default: h264, in .webm vp9."`
	CRF        *whole `group:"Picture" name:"crf" placeholder:"N" help:"Constant quality, lower is better. Default: 21 for h264 and 24 for h265 (of 0 to 51), 31 for vp9 and 32 for av1 (of 0 to 63)."`
	Preset     string `group:"Picture" placeholder:"NAME" help:"Speed against size. h264, h265: ultrafast to placebo, default medium. vp9: 0 (slow) to 8 (fast), default 4. av1: 0 (slow) to 13 (fast), default 8."`
	Height     *whole `group:"Picture" placeholder:"LINES" help:"Scale to this many lines; the width follows. Does not enlarge without --upscale. Default: the source's size."`
	Upscale    bool   `group:"Picture" help:"Let --height enlarge the picture."`
	FPS        string `group:"Picture" name:"fps" placeholder:"RATE" help:"Make the frame rate constant: 25, 30000/1001. Default: every frame at its own time."`
	Interlaced string `group:"Picture" placeholder:"HOW" help:"deinterlace or keep. Default: deinterlace, a frame for each frame. keep encodes fields, in h264."`

	MaxBitrate    string  `group:"Picture" placeholder:"RATE" help:"The most that constant quality may take over two seconds, in bits a second: 6M, 800k. Default: no bound."`
	Ladder        string  `group:"Package" placeholder:"NAME|FILE" help:"Renditions of .m3u8 and .mpd: web, chosen by the source's size and never larger; or a .yaml or .json file with a list of them. Default: web."`
	DASH          bool    `group:"Package" name:"dash" help:"Beside the HLS playlist write a DASH manifest over the same media."`
	SegmentLength *length `group:"Package" name:"media-segment" placeholder:"LENGTH" help:"Length of the media segments that players load. Default: 6s."`
	SingleFile    bool    `group:"Package" help:"One file for each rendition, read by ranges, instead of one for each media segment."`

	Audio        string `group:"Sound" placeholder:"CODEC" help:"auto, aac, opus, copy or none. Default: auto, which copies what the container can hold unchanged and encodes the rest as aac, in .webm as opus. All tracks are kept."`
	AudioBitrate string `group:"Sound" placeholder:"RATE" help:"Of a track that is encoded, in bits a second: 160k, 96000. Default: 160k; 80k a channel above stereo."`

	Subtitles string `group:"Subtitles" placeholder:"WHICH" help:"auto or none. Default: auto, which keeps all tracks that the container can hold: text in every one, pictures in .mkv."`

	Segment     *length  `group:"Work" placeholder:"LENGTH" help:"Wanted length of a segment: 10s, 1m30s. Default: 10s. Shorter ones spread better over the cores and lose less when the process is killed; longer ones compress a little better."`
	Jobs        *whole   `group:"Work" placeholder:"N" help:"Segments encoded at once. Default: one for each core."`
	Threads     *whole   `group:"Work" placeholder:"N" help:"Threads of one encoder. Part of the result: other counts give other bytes. Default: 2."`
	Scratch     string   `group:"Work" env:"MAPREEL_SCRATCH" placeholder:"DIR" default:"${scratch}" help:"Folder for pieces and the record of jobs. Default: ${scratch}."`
	KeepScratch bool     `group:"Work" help:"Keep the pieces after the job is done."`
	IgnoreSpace bool     `group:"Work" help:"Start also where the disk has probably too little room."`
	Request     string   `group:"Work" placeholder:"FILE" help:"Read a request from a .json or .yaml file, or from standard input with -. SOURCE, -o and flags override it. Relative paths in it start at the current folder."`
	Progress    progress `group:"Work" enum:"auto,bar,json,none" default:"auto" placeholder:"HOW" help:"auto: bars on a terminal, else nothing but warnings and errors. bar: bars, or a line every few seconds where there is no terminal. json: an event a line on standard output, the report last. none: only errors."`
}

// Help is shown by mapreel transcode --help.
func (transcode) Help() string {
	return `The video is divided into segments that are encoded side by side and joined without a seam. Whatever interrupts the
work, the same command again does only what is missing.

Examples:

    mapreel transcode film.mov -o film.mp4
    mapreel transcode film.mkv -o small.mp4 --codec h265 --height 720 --crf 26
    mapreel transcode film.mp4 -o film.webm --codec av1 --audio-bitrate 96k
    mapreel transcode film.mp4 -o site/film.m3u8 --ladder web --dash
    mapreel transcode --request film.yaml --progress json

Exit codes: 0 done; 1 failed; 2 the request or the usage is wrong; 130 interrupted.`
}

type verification struct {
	Source string `arg:"" name:"SOURCE" help:"The video that the output was made of: a path or a file:// URL."`
	Output string `arg:"" name:"OUTPUT" help:"What was made of it: a file, or an HLS playlist or DASH manifest with its files beside it."`

	JSON     bool     `name:"json" help:"Print the report as JSON instead of a table."`
	Plot     string   `placeholder:"FILE.svg" help:"Draw PSNR over time, with the keyframes and seams of the output. A file of that name is replaced."`
	Progress progress `enum:"auto,none" default:"auto" placeholder:"HOW" help:"auto: bars on a terminal. none: nothing."`
}

// Help is shown by mapreel verify --help.
func (verification) Help() string {
	return `Both files are decoded from the first frame to the last and compared: frames, timestamps, picture, sound, streams. Nothing
that a job recorded is used, so the output may be any program's.

Exit codes: 0 good; 1 something differs; 2 the usage is wrong, or a file is no video; 3 the two could not be compared;
130 interrupted.`
}

type jobs struct {
	Scratch string `env:"MAPREEL_SCRATCH" placeholder:"DIR" default:"${scratch}" help:"Folder that the jobs were started with. Default: ${scratch}."`
	JSON    bool   `name:"json" help:"Print a JSON array instead of a table."`
}

// Help is shown by mapreel jobs --help.
func (jobs) Help() string { return `It can be asked while another process runs a job.` }

type versions struct{}

// progress is how a run is shown while it works.
type progress string

const (
	showAuto progress = "auto"
	showBar  progress = "bar"
	showJSON progress = "json"
	showNone progress = "none"
)

// whole is a whole number, with an error message for people.
type whole int

func (w *whole) UnmarshalText(text []byte) error {
	n, err := strconv.Atoi(string(text))
	if err != nil {
		return fmt.Errorf("%q is not a whole number", text)
	}
	*w = whole(n)
	return nil
}

// length is a length of time: "10s", "1m30s", or a number of seconds.
type length time.Duration

func (l *length) UnmarshalText(text []byte) error {
	d, err := time.ParseDuration(string(text))
	if err != nil {
		if d, err = time.ParseDuration(string(text) + "s"); err != nil {
			return fmt.Errorf("%q is not a length of time such as 10s or 1m30s", text)
		}
	}
	*l = length(d)
	return nil
}

// parse reads the command line. It returns nil without an error where --help or --version was asked for and is
// printed. An error is of kind fault.Invalid.
func parse(args []string, stdout, stderr io.Writer) (runner, error) {
	var g grammar
	answered := false
	parser, err := kong.New(&g,
		kong.Name("mapreel"),
		kong.Description("Transcode a large video in segments, side by side, into one file without a seam."),
		kong.Vars{"scratch": defaultScratch(), "version": ownVersion()},
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		kong.ExplicitGroups([]kong.Group{
			{Key: "Picture", Title: "Picture:"},
			{Key: "Package", Title: "Package for players:"},
			{Key: "Sound", Title: "Sound:"},
			{Key: "Subtitles", Title: "Subtitles:"},
			{Key: "Work", Title: "Work:"},
		}),
		kong.WithHyphenPrefixedParameters(true), // so that --crf -1 is told to be too small, and a name may begin with -
		kong.ValueFormatter(helpOf),
		kong.Writers(stdout, stderr),
		kong.Exit(func(int) { answered = true }),
	)
	if err != nil {
		return nil, fault.Wrap(fault.Internal, err, "build the command line")
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	chosen, err := parser.Parse(args)
	if answered {
		return nil, nil
	}
	if err != nil {
		help := "mapreel --help"
		var at *kong.ParseError
		if errors.As(err, &at) && at.Context.Selected() != nil {
			help = "mapreel " + at.Context.Selected().Name + " --help"
		}
		return nil, &fault.Error{Kind: fault.Invalid, Hint: "see " + help, Err: err}
	}
	switch name, _, _ := strings.Cut(chosen.Command(), " "); name {
	case "transcode":
		return g.Transcode, nil
	case "verify":
		return g.Verify, nil
	case "play":
		return g.Play, nil
	case "gc":
		return g.GC, nil
	case "jobs":
		return g.Jobs, nil
	case "batch":
		return g.Batch, nil
	default:
		return g.Version, nil
	}
}

// helpOf is a flag's help with the environment variable that stands for it.
func helpOf(v *kong.Value) string {
	if len(v.Tag.Envs) == 0 {
		return v.Help
	}
	return v.Help + " Also $" + strings.Join(v.Tag.Envs, ", $") + "."
}

// defaultScratch is a folder for what can be made again, or "" where the system names none.
func defaultScratch() string {
	cache, err := os.UserCacheDir()
	if err != nil {
		return ""
	}
	return filepath.Join(cache, "mapreel")
}

// scratchFolder is the absolute form of what --scratch says.
func scratchFolder(flag string) (string, error) {
	if flag == "" {
		return "", fault.WithHint(fault.New(fault.Invalid, "this system names no folder for scratch"),
			"give one by --scratch or MAPREEL_SCRATCH")
	}
	dir, err := filepath.Abs(flag)
	if err != nil {
		return "", fault.Wrap(fault.Invalid, err, "--scratch")
	}
	return dir, nil
}
