package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
)

// localRetention is how long a job of one machine can be continued: a week, because nobody pays for the scratch by the
// hour here, and people come back after a weekend.
const localRetention = 168

// containers says which container an output's extension asks for.
var containers = map[string]film.Container{".mp4": film.MP4, ".mkv": film.Matroska, ".webm": film.WebM, ".m3u8": film.HLS, ".mpd": film.DASH}

// draft is a request in the making: the tree of its JSON, and where each value came from, so that a problem is told in
// the words that the user used.
type draft struct {
	tree  map[string]any
	flags map[string]string // JSON pointer → what on the command line set it
	file  *requestFile      // nil where there is none

	ladder *requestFile // what --ladder names; nil where there is none
}

// request makes the request that the arguments, and the file that --request names, ask for. Relative paths start at
// dir. The error is of kind fault.Invalid.
func (t transcode) request(dir string, stdin io.Reader) (film.Request, *draft, error) {
	d := &draft{tree: map[string]any{}, flags: map[string]string{}}
	switch {
	case t.Request != "":
		f, err := readRequestFile(t.Request, stdin)
		if err != nil {
			return film.Request{}, d, err
		}
		d.tree, d.file = f.tree, &f
	case t.Source == "" || t.Output == "":
		missing := "SOURCE, the video to transcode"
		if t.Source != "" {
			missing = "-o OUTPUT, the file to make"
		}
		return film.Request{}, d, fault.WithHint(fault.New(fault.Invalid, "missing %s", missing),
			"for example: mapreel transcode film.mov -o film.mp4")
	}
	if err := t.fill(d, dir); err != nil {
		return film.Request{}, d, err
	}
	data, err := json.Marshal(d.tree)
	if err != nil {
		return film.Request{}, d, fault.Wrap(fault.Invalid, err, "the request")
	}
	req, err := film.Parse(data)
	var ps film.Problems
	if errors.As(err, &ps) {
		return req, d, d.invalid(ps)
	}
	if err != nil {
		return req, d, err
	}
	if req.Source, err = localPath(req.Source, dir); err != nil {
		ps = append(ps, film.Problem{Pointer: "/source", Message: err.Error()})
	}
	if req.Destination, err = localPath(req.Destination, dir); err != nil {
		ps = append(ps, film.Problem{Pointer: "/destination", Message: err.Error()})
	}
	if len(ps) == 0 {
		ps = collisions(req)
	}
	if len(ps) > 0 {
		return req, d, d.invalid(ps)
	}
	return req, d, nil
}

// fill puts what the command line says into the tree.
func (t transcode) fill(d *draft, dir string) error {
	if t.Source == "-" {
		return fault.New(fault.Invalid, "the video cannot come from standard input: it is read in many places at once; give a file")
	}
	if t.Source != "" {
		d.set("/source", t.Source, "SOURCE")
	}
	if t.Output != "" {
		if err := t.fillOutput(d, dir); err != nil {
			return err
		}
	}
	outputs, _ := d.tree["outputs"].([]any)
	for i := range outputs {
		at := fmt.Sprintf("/outputs/%d", i)
		d.setText(at+"/video/0/codec", t.Codec, "--codec")
		d.setNumber(at+"/video/0/crf", t.CRF, "--crf")
		d.setText(at+"/video/0/maxBitrate", t.MaxBitrate, "--max-bitrate")
		d.setText(at+"/video/0/preset", t.Preset, "--preset")
		d.setNumber(at+"/video/0/height", t.Height, "--height")
		if t.Upscale {
			d.set(at+"/video/0/upscale", true, "--upscale")
		}
		d.setText(at+"/video/0/frameRate", t.FPS, "--fps")
		d.setText(at+"/video/0/interlaced", t.Interlaced, "--interlaced")
		d.setText(at+"/audio/codec", t.Audio, "--audio")
		d.setText(at+"/audio/bitrate", t.AudioBitrate, "--audio-bitrate")
		d.setText(at+"/subtitles", t.Subtitles, "--subtitles")
	}
	if err := t.fillPackages(d, len(outputs)); err != nil {
		return err
	}
	if t.Segment != nil {
		d.set("/segment/seconds", film.Seconds(*t.Segment), "--segment")
	}
	d.setNumber("/compute/concurrency", t.Jobs, "--jobs")
	d.setNumber("/compute/threads", t.Threads, "--threads")
	if retention, ok := d.tree["retention"].(map[string]any); d.tree["retention"] == nil || ok && retention["hours"] == nil {
		d.set("/retention/hours", localRetention, "")
	}
	return nil
}

// container is what the extension of -o asks for; "" where it is none.
func (t transcode) container() film.Container { return containers[filepath.Ext(t.Output)] }

// fillPackages puts what the command line says of packages into the outputs.
func (t transcode) fillPackages(d *draft, outputs int) error {
	if err := t.onePackage(); err != nil {
		return err
	}
	var rungs []any
	if t.Ladder != "" && t.Ladder != string(film.Web) {
		var err error
		if d.ladder, rungs, err = readLadder(t.Ladder); err != nil {
			return err
		}
	}
	for i := range outputs {
		at := fmt.Sprintf("/outputs/%d", i)
		switch {
		case rungs != nil:
			if t.Codec != "" || t.CRF != nil || t.Preset != "" || t.Height != nil || t.MaxBitrate != "" {
				return fault.New(fault.Invalid, "--ladder: %s says how each rendition is encoded; leave out --codec, --crf, --preset, --height and --max-bitrate", t.Ladder)
			}
			d.set(at+"/video", rungs, "--ladder")
		case t.Ladder != "":
			d.set(at+"/ladder", t.Ladder, "--ladder")
		case t.Output != "" && t.container().Packaged() && t.Request == "" && t.Height == nil && t.MaxBitrate == "":
			d.set(at+"/ladder", string(film.Web), "--output")
		}
		if t.DASH {
			if err := d.addDASH(i); err != nil {
				return err
			}
		}
		if t.SegmentLength != nil {
			d.set(at+"/package/seconds", film.Seconds(*t.SegmentLength), "--media-segment")
		}
		if t.SingleFile {
			d.set(at+"/package/singleFile", true, "--single-file")
		}
	}
	return nil
}

// onePackage refuses what is said of packages where -o names a file.
func (t transcode) onePackage() error {
	if t.Output == "" || t.container().Packaged() {
		return nil
	}
	var said []string
	for _, f := range []struct {
		name string
		set  bool
	}{
		{"--ladder", t.Ladder != ""},
		{"--dash", t.DASH},
		{"--media-segment", t.SegmentLength != nil},
		{"--single-file", t.SingleFile},
	} {
		if f.set {
			said = append(said, f.name)
		}
	}
	if len(said) == 0 {
		return nil
	}
	return fault.WithHint(fault.New(fault.Invalid, "%s: %s is one file, not a package for players", strings.Join(said, ", "), filepath.Base(t.Output)),
		"name the package's playlist: -o "+strings.TrimSuffix(t.Output, filepath.Ext(t.Output))+".m3u8")
}

// addDASH asks for a DASH manifest beside the playlist of the i-th output.
func (d *draft) addDASH(i int) error {
	outputs, _ := d.tree["outputs"].([]any)
	output, _ := outputs[i].(map[string]any)
	container, _ := output["container"].(string)
	switch c := film.Container(container); {
	case c == film.HLS:
		d.set(fmt.Sprintf("/outputs/%d/container", i), string(film.CMAF), "--dash")
	case !c.Packaged():
		return fault.New(fault.Invalid, "--dash: output %d of %s is one file, not a package for players; its container must be hls", i, d.file.name)
	}
	return nil
}

// readLadder reads the list of renditions in a file: an object whose only field is video, as in an output of a request.
func readLadder(name string) (*requestFile, []any, error) {
	f, err := readRequestFile(name, strings.NewReader(""))
	if errors.Is(err, fs.ErrNotExist) {
		err = fault.New(fault.Invalid, "%s is neither the name of a ladder (web is one) nor a file", name)
	}
	if err != nil && !errors.Is(err, errNoObject) {
		return nil, nil, fault.Wrap(fault.Invalid, err, "--ladder")
	}
	rungs, ok := f.tree["video"].([]any)
	if !ok || len(rungs) == 0 || len(f.tree) != 1 {
		return nil, nil, fault.WithHint(fault.New(fault.Invalid, "--ladder: %s must hold the field video, a list of renditions, and no other", name),
			"for example: video: [{height: 1080, maxBitrate: 6M}, {height: 720}]")
	}
	return &f, rungs, nil
}

// fillOutput divides the path of -o into destination, name and container.
func (t transcode) fillOutput(d *draft, dir string) error {
	const flag = "--output"
	if list, ok := d.tree["outputs"].([]any); ok && len(list) > 1 {
		return fault.New(fault.Invalid, "%s: names one file, but %s asks for %d outputs", flag, d.file.name, len(list))
	}
	path, err := localPath(t.Output, dir)
	if err != nil {
		return fault.Wrap(fault.Invalid, err, flag)
	}
	if info, err := os.Stat(path); err == nil && info.IsDir() || strings.HasSuffix(t.Output, string(filepath.Separator)) {
		return fault.New(fault.Invalid, "%s: %s is a folder; name the file to make, such as %s",
			flag, t.Output, filepath.Join(t.Output, "film.mp4"))
	}
	base := filepath.Base(path)
	ext := filepath.Ext(base)
	container, known := containers[ext]
	switch _, lower := containers[strings.ToLower(ext)]; {
	case base == ext && known:
		return fault.New(fault.Invalid, "%s: %s is only an extension; name the file, such as film%s", flag, base, ext)
	case known:
	case lower:
		return fault.New(fault.Invalid, "%s: write the extension of %s in small letters: %s", flag, base, strings.ToLower(ext))
	case strings.EqualFold(ext, ".m4v"):
		return fault.New(fault.Invalid, "%s: %s: choose .mp4, which is the same format, or .mkv or .webm", flag, base)
	case ext == "":
		return fault.New(fault.Invalid, "%s: %s has no extension; .mp4, .mkv, .webm, .m3u8 or .mpd chooses the container", flag, base)
	default:
		return fault.New(fault.Invalid, "%s: %s is not a container that mapreel writes; choose .mp4, .mkv, .webm, .m3u8 or .mpd", flag, ext)
	}
	if d.tree["outputs"] == nil || isEmptyList(d.tree["outputs"]) {
		d.tree["outputs"] = []any{map[string]any{}}
	}
	d.set("/destination", filepath.Dir(path), flag)
	d.set("/outputs/0/name", strings.TrimSuffix(base, ext), flag)
	d.set("/outputs/0/container", string(container), flag)
	return nil
}

func isEmptyList(v any) bool {
	list, ok := v.([]any)
	return ok && len(list) == 0
}

func (d *draft) setText(pointer, value, flag string) {
	if value != "" {
		d.set(pointer, value, flag)
	}
}

func (d *draft) setNumber(pointer string, value *whole, flag string) {
	if value != nil {
		d.set(pointer, int(*value), flag)
	}
}

// set puts value where pointer says, making objects and lists on the way. Where the file has something of another
// shape on that way it does nothing: the check will name it.
func (d *draft) set(pointer string, value any, flag string) {
	if flag != "" {
		d.flags[pointer] = flag
	}
	var node any = d.tree
	steps := strings.Split(pointer, "/")[1:]
	for i, step := range steps {
		last := i == len(steps)-1
		switch parent := node.(type) {
		case map[string]any:
			if last {
				parent[step] = value
				return
			}
			if parent[step] == nil || isEmptyList(parent[step]) {
				parent[step] = map[string]any{}
				if steps[i+1] == "0" {
					parent[step] = []any{map[string]any{}}
				}
			}
			node = parent[step]
		case []any:
			var index int
			if _, err := fmt.Sscan(step, &index); err != nil || index >= len(parent) {
				return
			}
			node = parent[index]
		default:
			return
		}
	}
}

// invalid is the error that tells of problems in the user's own words, each once.
func (d *draft) invalid(ps film.Problems) error {
	var said film.Problems
	for _, p := range ps {
		if q := (film.Problem{Message: d.explain(p)}); !slices.Contains(said, q) {
			said = append(said, q)
		}
	}
	return &fault.Error{Kind: fault.Invalid, Err: said}
}

// explain says a problem with the flag that it came from, or the place in the request's file.
func (d *draft) explain(p film.Problem) string {
	if d.ladder != nil {
		if _, rung, ok := strings.Cut(p.Pointer, "/video/"); ok && strings.HasPrefix(p.Pointer, "/outputs/") {
			p.Pointer = "/video/" + rung
			if line, column, ok := d.ladder.find(p.Pointer); ok {
				return fmt.Sprintf("%s:%d:%d: %s", d.ladder.name, line, column, p)
			}
		}
	}
	if flag := d.flags[p.Pointer]; flag != "" {
		return flag + ": " + p.Message
	}
	if d.file != nil {
		if line, column, ok := d.file.find(p.Pointer); ok {
			return fmt.Sprintf("%s:%d:%d: %s", d.file.name, line, column, p)
		}
	}
	var beneath []string
	for pointer, flag := range d.flags {
		if strings.HasPrefix(pointer, p.Pointer+"/") && !slices.Contains(beneath, flag) {
			beneath = append(beneath, flag)
		}
	}
	if len(beneath) > 0 && p.Pointer != "" {
		slices.Sort(beneath)
		return strings.Join(beneath, ", ") + ": " + p.Message
	}
	if d.file != nil {
		return d.file.name + ": " + p.String()
	}
	return p.String()
}

// collisions lists what the folders already hold that the request cannot mean: a source that is a folder, and outputs
// that would replace the source or a folder.
func collisions(req film.Request) (ps film.Problems) {
	source, sourceErr := os.Stat(req.Source)
	if sourceErr == nil && source.IsDir() {
		ps = append(ps, film.Problem{Pointer: "/source", Message: req.Source + " is a folder; name the video in it"})
	}
	for i, o := range req.Outputs {
		path := filepath.Join(req.Destination, o.File())
		at := fmt.Sprintf("/outputs/%d/name", i)
		info, err := os.Stat(path)
		switch {
		case path == req.Source, err == nil && sourceErr == nil && os.SameFile(info, source):
			ps = append(ps, film.Problem{Pointer: at, Message: path + " is the source; choose another name"})
		case err == nil && info.IsDir():
			ps = append(ps, film.Problem{Pointer: at, Message: path + " is a folder; choose another name"})
		}
	}
	return ps
}

// parallel is how many segments may be encoded at once here: what --jobs says, else what the request says but no more
// than there are cores, because a request made for AWS asks for a thousand. 0 is one for each core.
func (t transcode) parallel(req film.Request, cores int) int {
	if t.Jobs != nil {
		return int(*t.Jobs)
	}
	return min(req.Compute.Concurrency, cores)
}
