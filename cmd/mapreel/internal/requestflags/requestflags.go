// Package requestflags makes a request of the arguments and flags of a command, and of a file.
//
//	req, draft, err := flags.Read(os.Stdin, requestflags.On(dir)) // draft names the flag that caused a problem
package requestflags

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mapreel/mapreel/cmd/mapreel/internal/check"
	"github.com/mapreel/mapreel/cmd/mapreel/internal/flagvalue"
	"github.com/mapreel/mapreel/cmd/mapreel/internal/requestfile"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/subtitle"
	"github.com/mapreel/mapreel/pkg/local"
	"github.com/mapreel/mapreel/pkg/origin"
	"github.com/mapreel/mapreel/pkg/price"
)

// LocalRetentionHours is how long an unfinished job of one machine can be continued: a week, because a local disk has no
// hourly price, and users return after a weekend.
const LocalRetentionHours = 168

// containers maps the extension of an output to its container.
var containers = map[string]film.Container{".mp4": film.MP4, ".mkv": film.Matroska, ".webm": film.WebM, ".m3u8": film.HLS, ".mpd": film.DASH}

// Place says where the source and the outputs of a request are.
type Place struct {
	// Source and Destination return the location that a text of the user names: an absolute path or a URL.
	Source, Destination func(string) (string, error)
	// Here says that paths are those of this machine, whose files can be looked at.
	Here bool
	// RetentionHours is set where the request does not say how long the job can be continued; 0: it is left to the engine.
	RetentionHours int
	// ConcurrencyFlag is the name of the command's flag for Flags.Concurrency.
	ConcurrencyFlag string
	// Command is an example of a complete command line, for a hint.
	Command string
}

// On returns the place of requests for this machine, where relative paths are relative to dir.
func On(dir string) Place {
	return Place{
		Source:      func(s string) (string, error) { return SourceLocation(s, dir) },
		Destination: func(s string) (string, error) { return OutputLocation(s, dir) },
		Here:        true, RetentionHours: LocalRetentionHours, ConcurrencyFlag: "--jobs",
		Command: "mapreel transcode film.mov -o film.mp4",
	}
}

// Read returns the request that the arguments and the file of --request describe. The error is of kind fault.Invalid.
func (t Flags) Read(stdin io.Reader, at Place) (film.Request, *requestfile.Draft, error) {
	d := requestfile.NewDraft()
	switch {
	case t.Source == local.Pipe && t.Request == local.Pipe:
		return film.Request{}, d, fault.New(fault.Invalid, "standard input cannot be both the video and the request")
	case t.Request != "":
		f, err := requestfile.Read(t.Request, stdin)
		if err != nil {
			return film.Request{}, d, err
		}
		d.Tree, d.File = f.Tree, &f
	case t.Source == "" || t.Output == "" && t.Frames == "":
		missing := "SOURCE, the video to transcode"
		if t.Source != "" {
			missing = "-o OUTPUT, the file to make"
		}
		return film.Request{}, d, fault.WithHint(fault.New(fault.Invalid, "missing %s", missing), "for example: "+at.Command)
	}
	if err := t.applyFlags(d, at); err != nil {
		return film.Request{}, d, err
	}
	return Parse(d, at)
}

// Parse returns the request of a draft. The error is of kind fault.Invalid.
func Parse(d *requestfile.Draft, at Place) (film.Request, *requestfile.Draft, error) {
	data, err := json.Marshal(d.Tree)
	if err != nil {
		return film.Request{}, d, fault.Wrap(fault.Invalid, err, "the request")
	}
	req, err := film.Parse(data)
	var ps film.Problems
	if errors.As(err, &ps) {
		return req, d, d.Invalid(ps)
	}
	if err != nil {
		return req, d, err
	}
	if req.Source, err = at.Source(req.Source); err != nil {
		ps = append(ps, film.Problem{Pointer: "/source", Message: err.Error()})
	}
	if req.Destination, err = at.Destination(req.Destination); err != nil {
		ps = append(ps, film.Problem{Pointer: "/destination", Message: err.Error()})
	}
	for _, f := range req.NamedFiles() {
		if *f.URL, err = at.Source(*f.URL); err != nil {
			ps = append(ps, film.Problem{Pointer: f.Pointer, Message: err.Error()})
		}
	}
	if len(ps) == 0 && at.Here {
		ps = check.Paths(req)
	}
	if len(ps) > 0 {
		return req, d, d.Invalid(ps)
	}
	return req, d, nil
}

// applyFlags writes the arguments and flags into the tree.
func (t Flags) applyFlags(d *requestfile.Draft, at Place) error {
	if t.Source != "" {
		d.Set("/source", t.Source, "SOURCE")
	}
	if err := t.applyJoin(d); err != nil {
		return err
	}
	if t.Output != "" {
		if err := t.applyOutput(d, at); err != nil {
			return err
		}
	}
	if t.Frames != "" {
		if err := t.applyFrames(d, at); err != nil {
			return err
		}
	}
	if t.More != nil {
		if err := t.More(d); err != nil {
			return err
		}
	}
	d.SetNumber("/program", (*int)(t.Program), "--program")
	t.PartFlags.Apply(d)
	t.SubtitleFileFlags.apply(d)
	video := t.videoFlags()
	if t.FPS != "" && t.SourceFPS == "" && readsFrames(d, at) {
		d.SetText("/sequence/frameRate", t.FPS, "--fps")
		video = slices.DeleteFunc(video, func(f videoFlag) bool { return f.flag == "--fps" })
	}
	t.SequenceFlags.Apply(d)
	outputs, _ := d.Tree["outputs"].([]any)
	for i := range outputs {
		output := fmt.Sprintf("/outputs/%d", i)
		for _, v := range video {
			d.Set(output+"/video/0/"+v.field, v.value, v.flag)
			if fields, ok := v.value.(map[string]any); ok {
				for name := range fields {
					d.Flags[output+"/video/0/"+v.field+"/"+name] = v.flag
				}
			}
		}
		d.SetText(output+"/targetSize", t.TargetSize, "--target-size")
		d.SetText(output+"/audio/codec", t.Audio, "--audio")
		d.SetText(output+"/audio/bitrate", t.AudioBitrate, "--audio-bitrate")
		d.SetText(output+"/subtitles", t.Subtitles, "--subtitles")
		t.TrackFlags.apply(d, output)
		if t.Loudness != nil {
			d.Set(output+"/audio/loudness", *t.Loudness, "--loudness")
		}
	}
	if err := t.applyPackageFlags(d, len(outputs), at); err != nil {
		return err
	}
	if err := t.applyNamed(d); err != nil {
		return err
	}
	if t.GPU {
		d.Set("/compute/gpu", true, "--gpu")
	}
	d.SetText("/segment/goal", t.Goal, "--goal")
	if t.Deadline != nil {
		d.Set("/compute/deadline", film.Seconds(*t.Deadline), "--deadline")
	}
	if t.Segment != nil {
		d.Set("/segment/seconds", film.Seconds(*t.Segment), "--segment")
	}
	d.SetNumber("/compute/concurrency", (*int)(t.Concurrency), at.ConcurrencyFlag)
	if t.Budget != nil {
		d.Set("/compute/budget", price.Money(*t.Budget), "--budget")
	}
	d.SetNumber("/compute/threads", (*int)(t.Threads), "--threads")
	retention, ok := d.Tree["retention"].(map[string]any)
	if at.RetentionHours > 0 && (d.Tree["retention"] == nil || ok && retention["hours"] == nil) {
		d.Set("/retention/hours", at.RetentionHours, "")
	}
	return nil
}

// videoFlag is a flag that sets a field of a rendition.
type videoFlag struct {
	field, flag string
	value       any
}

// videoFlags returns the flags about renditions that were given.
func (t Flags) videoFlags() (list []videoFlag) {
	add := func(given bool, field, flag string, value any) {
		if given {
			list = append(list, videoFlag{field, flag, value})
		}
	}
	text := func(value, field, flag string) { add(value != "", field, flag, value) }
	number := func(value *flagvalue.WholeNumber, field, flag string) { add(value != nil, field, flag, value) }
	text(string(film.CodecNamed(t.Codec)), "codec", "--codec")
	number(t.CRF, "crf", "--crf")
	if t.Target != nil {
		add(true, "quality", "--target", t.Target.Fields())
	}
	add(t.Preset != "" && !t.named(), "preset", "--preset", t.Preset)
	number(t.Height, "height", "--height")
	add(t.Upscale, "upscale", "--upscale", true)
	text(t.Tune, "tune", "--tune")
	text(t.EncoderOptions, "encoderOptions", "--encoder-options")
	text(t.Profile, "profile", "--profile")
	text(t.Level, "level", "--level")
	number(t.BitDepth, "bitDepth", "--bit-depth")
	number(t.Grain, "grain", "--grain")
	text(t.Crop, "crop", "--crop")
	text(t.Filter, "filter", "--filter")
	text(t.Pad, "pad", "--pad")
	if t.BurnSubtitles != "" {
		b := subtitle.ParseBurn(t.BurnSubtitles)
		field, value := "track", b.Track
		if b.File != "" {
			field, value = "file", b.File
		}
		add(true, "burn", "--burn-subtitles", map[string]any{field: value})
	}
	if t.Overlay != nil {
		add(true, "overlay", "--overlay", t.Overlay.Fields())
	}
	text(t.Bitrate, "bitrate", "--bitrate")
	text(t.MaxBitrate, "maxBitrate", "--max-bitrate")
	text(t.FPS, "frameRate", "--fps")
	text(t.Interlaced, "interlaced", "--interlaced")
	return list
}

// container returns the container that the extension of -o selects, or "" if it selects none.
func (t Flags) container() film.Container { return containers[filepath.Ext(t.Output)] }

// applyPackageFlags writes the flags of packages into the outputs.
func (t Flags) applyPackageFlags(d *requestfile.Draft, outputs int, place Place) error {
	if err := t.checkPackageFlags(); err != nil {
		return err
	}
	var rungs []any
	if t.Ladder != "" && t.Ladder != string(film.Web) {
		var err error
		if d.Ladder, rungs, err = readLadder(t.Ladder); err != nil {
			return err
		}
	}
	for i := range outputs {
		at := fmt.Sprintf("/outputs/%d", i)
		switch {
		case rungs != nil:
			if t.Height != nil || t.MaxBitrate != "" || t.Bitrate != "" {
				return fault.New(fault.Invalid, "--ladder: %s sets the size and the bit rate of each rendition; leave out --height, --bitrate and --max-bitrate", t.Ladder)
			}
			d.Set(at+"/video", t.withDefaults(d, at, rungs), "--ladder")
		case t.Ladder != "":
			d.Set(at+"/ladder", t.Ladder, "--ladder")
		case t.Output != "" && t.container().Packaged() && t.Request == "" && t.Height == nil && t.MaxBitrate == "" && t.Bitrate == "":
			d.Set(at+"/ladder", string(film.Web), "--output")
		}
		if t.DASH {
			if err := addDASH(d, i); err != nil {
				return err
			}
		}
		if t.SegmentLength != nil {
			d.Set(at+"/package/seconds", film.Seconds(*t.SegmentLength), "--media-segment")
		}
		if t.Keyframes != nil {
			d.Set(at+"/package/keyframes", film.Seconds(*t.Keyframes), "--keyframes")
		}
		if t.Thumbnails != "" {
			d.Set(at+"/package/thumbnails", t.Thumbnails, "--thumbnails")
		}
		if t.SingleFile {
			d.Set(at+"/package/singleFile", true, "--single-file")
		}
		if err := t.EncryptionFlags.apply(d, at, place); err != nil {
			return fault.Wrap(fault.Invalid, err, "--keys")
		}
	}
	return nil
}

// withDefaults returns the rungs of a ladder's file, with the flags about renditions in the fields that a rung does not
// set. at is the pointer of their output.
func (t Flags) withDefaults(d *requestfile.Draft, at string, rungs []any) []any {
	list := slices.Clone(rungs)
	for i, rung := range rungs {
		fields, ok := rung.(map[string]any)
		if !ok {
			continue // the validation of the request reports it
		}
		fields = maps.Clone(fields)
		for _, v := range t.videoFlags() {
			if fields[v.field] == nil {
				fields[v.field] = v.value
				d.Flags[fmt.Sprintf("%s/video/%d/%s", at, i, v.field)] = v.flag
			}
		}
		list[i] = fields
	}
	return list
}

// checkPackageFlags returns an error if flags of packages are used with an output that is one file.
func (t Flags) checkPackageFlags() error {
	if t.Output == "" || t.container().Packaged() {
		return nil
	}
	var used []string
	for _, f := range []struct {
		name string
		set  bool
	}{
		{"--ladder", t.Ladder != ""},
		{"--dash", t.DASH},
		{"--media-segment", t.SegmentLength != nil},
		{"--keyframes", t.Keyframes != nil},
		{"--thumbnails", t.Thumbnails != ""},
		{"--single-file", t.SingleFile},
		{"--encryption", t.EncryptionFlags.given()},
	} {
		if f.set {
			used = append(used, f.name)
		}
	}
	if len(used) == 0 {
		return nil
	}
	return fault.WithHint(fault.New(fault.Invalid, "%s: %s is one file, not a package for players", strings.Join(used, ", "), filepath.Base(t.Output)),
		"name the package's playlist: -o "+strings.TrimSuffix(t.Output, filepath.Ext(t.Output))+".m3u8")
}

// addDASH adds a DASH manifest to the i-th output.
func addDASH(d *requestfile.Draft, i int) error {
	outputs, _ := d.Tree["outputs"].([]any)
	output, _ := outputs[i].(map[string]any)
	container, _ := output["container"].(string)
	switch c := film.Container(container); {
	case c == film.HLS:
		d.Set(fmt.Sprintf("/outputs/%d/container", i), string(film.CMAF), "--dash")
	case !c.Packaged():
		return fault.New(fault.Invalid, "--dash: output %d of %s is one file, not a package for players; its container must be hls", i, d.File.Name)
	}
	return nil
}

// readLadder reads a list of renditions from a file: an object with the single field video, as in an output of a request.
func readLadder(name string) (*requestfile.File, []any, error) {
	f, err := requestfile.Read(name, strings.NewReader(""))
	if errors.Is(err, fs.ErrNotExist) {
		err = fault.New(fault.Invalid, "%s is neither a ladder (the only one is web) nor a file", name)
	}
	if err != nil && !errors.Is(err, requestfile.ErrNotObject) {
		return nil, nil, fault.Wrap(fault.Invalid, err, "--ladder")
	}
	rungs, ok := f.Tree["video"].([]any)
	if !ok || len(rungs) == 0 || len(f.Tree) != 1 {
		return nil, nil, fault.WithHint(fault.New(fault.Invalid, "--ladder: %s must have one field, video, with a list of renditions", name),
			"for example: video: [{height: 1080, maxBitrate: 6M}, {height: 720}]")
	}
	return &f, rungs, nil
}

// applyOutput splits the path of -o into destination, name and container.
func (t Flags) applyOutput(d *requestfile.Draft, at Place) error {
	const flag = "--output"
	if list, ok := d.Tree["outputs"].([]any); ok && len(list) > 1 {
		return fault.New(fault.Invalid, "%s: names one file, but %s has %d outputs", flag, d.File.Name, len(list))
	}
	path, err := at.Destination(t.Output)
	if err != nil {
		return fault.Wrap(fault.Invalid, err, flag)
	}
	folder, base := splitLocation(path)
	if at.Here && !origin.Remote(path) && isFolder(path) || strings.HasSuffix(t.Output, string(filepath.Separator)) {
		return fault.New(fault.Invalid, "%s: %s is a folder; name a file, such as %s",
			flag, t.Output, filepath.Join(t.Output, "film.mp4"))
	}
	ext := filepath.Ext(base)
	container, known := containers[ext]
	switch _, lower := containers[strings.ToLower(ext)]; {
	case base == ext && known:
		return fault.New(fault.Invalid, "%s: %s is only an extension; name a file, such as film%s", flag, base, ext)
	case known:
	case lower:
		return fault.New(fault.Invalid, "%s: write the extension of %s in lower case: %s", flag, base, strings.ToLower(ext))
	case strings.EqualFold(ext, ".m4v"):
		return fault.New(fault.Invalid, "%s: %s: use .mp4, which is the same format, or .mkv or .webm", flag, base)
	case ext == "":
		return fault.New(fault.Invalid, "%s: %s has no extension; .mp4, .mkv, .webm, .m3u8 or .mpd selects the container", flag, base)
	default:
		return fault.New(fault.Invalid, "%s: mapreel cannot write %s; use .mp4, .mkv, .webm, .m3u8 or .mpd", flag, ext)
	}
	if d.Tree["outputs"] == nil || requestfile.IsEmptyList(d.Tree["outputs"]) {
		d.Tree["outputs"] = []any{map[string]any{}}
	}
	d.Set("/destination", folder, flag)
	d.Set("/outputs/0/name", strings.TrimSuffix(base, ext), flag)
	d.Set("/outputs/0/container", string(container), flag)
	return nil
}

// splitLocation splits an absolute path or a URL into its folder and its last element. The folder of a URL ends with a slash.
func splitLocation(location string) (folder, base string) {
	if urlScheme.MatchString(location) {
		i := strings.LastIndexByte(location, '/') + 1
		return location[:i], location[i:]
	}
	return filepath.Dir(location), filepath.Base(location)
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
