// Package tool describes commands that users have run over a film: over its segments, its frames, its sound, the whole file, or
// what another tool made of them; and how the results are joined. It does no I/O.
//
//	req, err := tool.Parse(request) // err holds every film.Problem with its JSON pointer
//	levels, _ := tool.Levels(req.Tools)
//
// Package confine runs such a command, package join joins what it made, and package job makes units of work of it.
package tool

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/subtitle"
	"github.com/mapreel/mapreel/pkg/work"
)

// Request asks for tools to be run over a source.
type Request struct {
	Source      string         `json:"source" jsonschema:"required,minLength=1,description=The file: an absolute path"`
	Destination string         `json:"destination" jsonschema:"required,minLength=1,description=The folder for the outputs: an absolute path"`
	Tools       []Tool         `json:"tools" jsonschema:"required,minItems=1,maxItems=20,description=The commands to run"`
	Folder      string         `json:"folder,omitempty" jsonschema:"description=The folder of the tools file: commands find it as MAPREEL_TOOLS_DIR"`
	Segment     Segmenting     `json:"segment,omitzero" jsonschema:"description=How the video and the sound are divided"`
	Compute     Compute        `json:"compute,omitzero" jsonschema:"description=How many units run at once"`
	Retention   film.Retention `json:"retention,omitzero" jsonschema:"description=How long an unfinished job can be continued"`
}

// Segmenting describes how the video and the sound are divided.
type Segmenting struct {
	Seconds film.Seconds `json:"seconds,omitempty" jsonschema:"minimum=1,maximum=600,default=10,description=Target duration of a segment"`
}

// Compute says how the units of a request run.
type Compute struct {
	Concurrency int `json:"concurrency,omitempty" jsonschema:"minimum=1,maximum=10000,description=Number of pieces worked on at once. Default: one per core of this machine"`
}

// Tool is a command that is run once for each piece.
type Tool struct {
	Name    string   `json:"name" jsonschema:"required,pattern=^[a-z0-9][a-z0-9_-]{0\\,39}$,description=Lower-case letters and digits and - and _: names the units and the joined files"`
	Command []string `json:"command,omitempty" jsonschema:"minItems=1,maxItems=100,description=Program and arguments. A name with a slash is a path, relative to the folder of the tools file"`
	Script  string   `json:"script,omitempty" jsonschema:"description=Instead of command: a file beside the tools file or the text of a script that begins with #!. Without such a line /bin/sh runs it"`
	Image   string   `json:"image,omitempty" jsonschema:"maxLength=500,description=The container image to run it in. On this machine podman or docker runs it and must have it already"`
	Each    Each     `json:"each,omitzero" jsonschema:"description=What the command is run for: file or segment or sound or frames or {tool: NAME} for each result of another tool: all its files or those with a prefix and a suffix. Default: file"`
	As      As       `json:"as,omitzero" jsonschema:"description=What its input looks like"`

	Mode      work.Route `json:"mode,omitempty" jsonschema:"enum=lambda,enum=batch,enum=lambda-batch,description=For AWS. On one machine every tool runs on that machine"`
	VCPUs     int        `json:"vcpus,omitempty" jsonschema:"minimum=1,maximum=192,description=For AWS: processors on Batch"`
	GPU       bool       `json:"gpu,omitempty" jsonschema:"description=It needs a GPU: not on this machine yet"`
	Memory    int        `json:"memory,omitempty" jsonschema:"minimum=128,maximum=1048576,default=2048,description=MB of memory that each of its processes may use"`
	Disk      int        `json:"disk,omitempty" jsonschema:"minimum=1,maximum=10485760,default=4096,description=MB that its files may take"`
	Processes int        `json:"processes,omitempty" jsonschema:"minimum=1,maximum=200,default=64,description=Processes at once"`
	Timeout   int        `json:"timeout,omitempty" jsonschema:"minimum=1,maximum=86400,default=900,description=Seconds that it may take for a piece"`
	Network   bool       `json:"network,omitempty" jsonschema:"description=Let it use the network. Default: it has none"`

	Environment map[string]string `json:"environment,omitempty" jsonschema:"description=Environment variables. They are recorded with the job and are no place for passwords"`
	Secrets     Secrets           `json:"secrets,omitempty" jsonschema:"description=Names of environment variables that it gets from the environment of mapreel. Their values are never recorded. For a deployment {NAME: ARN}: where AWS Secrets Manager or the SSM Parameter Store has the value"`

	Outputs []Output `json:"outputs,omitempty" jsonschema:"maxItems=20,description=What becomes of the files that it leaves in TMP_OUTPUT_DIR. Default: all are published and numbered"`
}

// Each names what a tool is run for: a part of the source, or the results of another tool.
type Each struct {
	Part Part
	Tool string
	// Of Tool, only the files whose names begin and end so. Empty: all.
	Prefix, Suffix []string
}

// Part is a form of the source.
type Part string

const (
	File    Part = "file"
	Segment Part = "segment" // a part of the video, as a movie
	Frames  Part = "frames"  // the frames of a segment, as pictures
	Sound   Part = "sound"   // a part of an audio track
)

// otherTool is the form of an Each that names another tool.
type otherTool struct {
	Tool   string   `json:"tool"`
	Prefix []string `json:"prefix,omitempty"`
	Suffix []string `json:"suffix,omitempty"`
}

// UnmarshalJSON reads "segment" or {"tool": "other", "suffix": [".wav"]}.
func (e *Each) UnmarshalJSON(data []byte) error {
	const form = "must be file, segment, sound, frames, or {tool: NAME}, to which prefix and suffix can be added"
	if bytes.HasPrefix(data, []byte("{")) {
		var of otherTool
		decoder := json.NewDecoder(bytes.NewReader(data))
		decoder.DisallowUnknownFields()
		if err := decoder.Decode(&of); err != nil || of.Tool == "" || slices.Contains(of.Prefix, "") || slices.Contains(of.Suffix, "") {
			return errors.New(form)
		}
		*e = Each{Tool: of.Tool, Prefix: of.Prefix, Suffix: of.Suffix}
		return nil
	}
	var part Part
	if err := json.Unmarshal(data, &part); err != nil {
		return errors.New(form)
	}
	switch part {
	case File, Segment, Frames, Sound:
		*e = Each{Part: part}
		return nil
	}
	return errors.New(form)
}

// MarshalJSON returns the form that UnmarshalJSON reads.
func (e Each) MarshalJSON() ([]byte, error) {
	if e.Tool != "" {
		return json.Marshal(otherTool{e.Tool, e.Prefix, e.Suffix})
	}
	return json.Marshal(e.Part)
}

// IsZero reports whether nothing is named.
func (e Each) IsZero() bool { return e.Part == "" && e.Tool == "" }

// Matches reports whether the tool gets the file of that name: its path below TMP_OUTPUT_DIR of the other tool.
func (e Each) Matches(name string) bool { return matches(name, e.Prefix, e.Suffix) }

// As describes the input of a tool.
type As struct {
	Format   string       `json:"format,omitempty" jsonschema:"enum=mp4,enum=mkv,enum=wav,enum=flac,enum=jpg,enum=png,description=Segments: mp4 (H.264 of high quality: the default) or mkv (FFV1: lossless). Sound: wav (default) or flac. Frames: jpg (default) or png"`
	Width    int          `json:"width,omitempty" jsonschema:"minimum=16,maximum=16384,description=Columns of segments and frames; the rows follow. Default: those of the source"`
	Every    film.Seconds `json:"every,omitempty" jsonschema:"minimum=0.001,maximum=600,description=Frames: only the first at or after each multiple of this time. Default: all"`
	Context  film.Seconds `json:"context,omitempty" jsonschema:"minimum=0.001,maximum=10,description=Frames: those of this time before and after the piece are in MAPREEL_BEFORE_DIR and MAPREEL_AFTER_DIR. Default: none"`
	Rate     int          `json:"rate,omitempty" jsonschema:"minimum=8000,maximum=192000,default=16000,description=Sound: samples a second"`
	Channels int          `json:"channels,omitempty" jsonschema:"minimum=1,maximum=8,default=1,description=Sound: channels"`
	Track    int          `json:"track,omitempty" jsonschema:"minimum=1,maximum=100,default=1,description=Sound: which audio track of the source"`
	Cut      Cut          `json:"cut,omitempty" jsonschema:"enum=exact,enum=silence,default=exact,description=For sound: where a piece ends. exact: at its full length. silence: at the quietest point within 3 seconds of that"`
}

// Cut selects where pieces of sound meet.
type Cut string

const (
	Exactly   Cut = "exact"
	AtSilence Cut = "silence"
)

// Output is a selection of the files that a tool leaves, and what becomes of them.
type Output struct {
	Prefix []string `json:"prefix,omitempty" jsonschema:"maxItems=20,description=Files whose names begin with one of these. Default: all"`
	Suffix []string `json:"suffix,omitempty" jsonschema:"maxItems=20,description=Files whose names end with one of these. Default: all"`
	Path   string   `json:"path,omitempty" jsonschema:"description=A folder below the destination. Default: the destination itself"`
	Join   Join     `json:"join,omitempty" jsonschema:"enum=none,enum=lines,enum=cues,enum=video,enum=audio,default=none,description=none numbers the files. lines joins JSON lines or CSV. cues joins SRT or WebVTT. Times are shifted to those of the film. video encodes the pictures as a film with the sound of the source. audio joins sound"`
	Times  []string `json:"times,omitempty" jsonschema:"minItems=1,maxItems=20,description=lines: the fields or columns that are times in seconds. Default: time and start and end"`
	// Video has the words of a film's request.
	Video json.RawMessage `json:"video,omitempty" jsonschema:"description=join: video: how the film is encoded in the words of a request's video such as {codec: h265; crf: 24}. Default: h264"`
	// Films have the words of the outputs of a film's request.
	Films []json.RawMessage `json:"films,omitempty" jsonschema:"minItems=1,maxItems=20,description=join: video: the files and packages and previews to make of the pictures in the words of a request's outputs such as {container: cmaf; ladder: web}. The name is that of the tool unless they say another. Instead of video. Default: one mp4"`
	// Subtitles are tools whose cues the film has as subtitle tracks.
	Subtitles []Captions `json:"subtitles,omitempty" jsonschema:"minItems=1,maxItems=20,description=join: video: the subtitle tracks of the film. Each is the cues of a tool that has an output with join: cues and one at most is shown by default. The subtitles of the source are left out. Default: none"`
}

// Captions is a subtitle track of a film: the joined cues of a tool.
type Captions struct {
	Tool     string `json:"tool" jsonschema:"required,minLength=1,description=The tool: it has an output with join: cues"`
	Language string `json:"language,omitempty" jsonschema:"minLength=2,description=The language: de or deu"`
	Title    string `json:"title,omitempty" jsonschema:"minLength=1,maxLength=200,description=What players show in their menus"`
	Default  bool   `json:"default,omitempty" jsonschema:"description=Whether it is shown by default. At most one track can have true"`
}

// Track returns the track as a file of subtitles. Its name is that of no file.
func (c Captions) Track() subtitle.File {
	return subtitle.File{File: "cues:" + c.Tool, Language: c.Language, Title: c.Title, Default: c.Default}
}

// Join selects how files of all pieces become one.
type Join string

const (
	JoinNone  Join = "none"
	JoinLines Join = "lines"
	JoinCues  Join = "cues"
	JoinVideo Join = "video"
	JoinAudio Join = "audio"
)

// DefaultTimes are the fields of lines that are times.
var DefaultTimes = []string{"time", "start", "end"}

// CheckLocal returns what of a request this machine cannot do.
func (r Request) CheckLocal() (ps film.Problems) {
	for i, t := range r.Tools {
		if t.GPU {
			ps = append(ps, film.Problem{Pointer: fmt.Sprintf("/tools/%d/gpu", i), Message: "tools that need a GPU are not run on this machine yet"})
		}
	}
	return ps
}

// shortTimeout is the longest timeout of a tool that runs where a Lambda function would: the limit of those.
const shortTimeout = 900

// TimeoutOf returns how long the tool may take for a piece.
func (t Tool) TimeoutOf() time.Duration { return time.Duration(t.Timeout) * time.Second }

// Route returns the service that runs the tool on this machine: one without the time limit of a function where it needs longer.
func (t Tool) Route() work.Route {
	if t.Timeout > shortTimeout {
		return work.RouteBatch
	}
	return work.RouteLambda
}
