package tool_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/tool"
)

// request returns a request with these tools, which are JSON.
func request(tools string) []byte {
	return fmt.Appendf(nil, `{"source": "/in/film.mp4", "destination": "/out", "tools": [%s]}`, tools)
}

func TestDefaultsFollowFromWhatAToolGets(t *testing.T) {
	t.Parallel()
	req, err := tool.Parse(request(`{"name": "a", "command": ["a"], "each": "sound"}, {"name": "b", "script": "#!/bin/sh\nb", "each": {"tool": "a"}, "timeout": 5000,
		"outputs": [{"join": "lines", "path": "x/"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	want := []tool.Tool{
		{
			Name: "a", Command: []string{"a"}, Each: tool.Each{Part: tool.Sound}, As: tool.As{Format: "wav", Rate: 16000, Channels: 1, Track: 1, Cut: tool.Exactly},
			Memory: 2048, Disk: 4096, Processes: 64, Timeout: 900, Outputs: []tool.Output{{Join: tool.JoinNone}},
		},
		{
			Name: "b", Script: "#!/bin/sh\nb", Each: tool.Each{Tool: "a"}, Memory: 2048, Disk: 4096, Processes: 64, Timeout: 5000,
			Outputs: []tool.Output{{Join: tool.JoinLines, Path: "x", Times: tool.DefaultTimes}},
		},
	}
	if diff := cmp.Diff(want, req.Tools); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if req.Segment.Seconds != 60e9 {
		t.Errorf("sound is divided into pieces of %v", req.Segment.Seconds)
	}
	if a, b := req.Tools[0].Route(), req.Tools[1].Route(); a != "lambda" || b != "batch" {
		t.Errorf("routes %s and %s", a, b)
	}
}

func TestWrongToolsAreRefusedWithTheirPlace(t *testing.T) {
	t.Parallel()
	for tools, want := range map[string]string{
		`{"name": "a"}`: "/tools/0: needs a command or a script",
		`{"name": "a", "command": ["x"], "script": "#!x"}`:       "/tools/0/script: command and script exclude each other",
		`{"name": "../a", "command": ["x"]}`:                     "/tools/0/name: ",
		`{"name": "a", "command": []}`:                           "/tools/0/command: ",
		`{"name": "a", "command": ["x"], "picture": "y"}`:        "/tools/0/picture: is not a field",
		`{"name": "a", "command": ["x"], "each": "shot"}`:        "/tools/0/each: must be file, segment, sound, frames, or {tool: NAME}",
		`{"name": "a", "command": ["x"], "each": {"tool": "b"}}`: `/tools/0/each: there is no tool "b"`,
		`{"name": "a", "command": ["x"], "each": {"tool": "a"}}`: "/tools: tools wait for each other: a needs a",
		`{"name": "a", "command": ["x"], "each": {"tool": "b"}}, {"name": "b", "command": ["x"], "each": {"tool": "a"}, "outputs": [{"path": "b"}]}`: "/tools: tools wait for each other: a needs b needs a",
		`{"name": "a", "command": ["x"]}, {"name": "a", "command": ["x"], "outputs": [{"path": "b"}]}`:                                               "/tools/1/name: is the name of another tool, too",
		`{"name": "a", "command": ["x"]}, {"name": "b", "command": ["x"], "outputs": [{"path": "/"}]}`:                                               "/tools/1/outputs/0/path: must be a folder below the destination",
		`{"name": "a", "command": ["x"]}, {"name": "b", "command": ["x"]}`:                                                                           "/tools/1/outputs/0: its numbered files would lie between those of the tool a",
		`{"name": "a", "command": ["x"], "outputs": [{"path": "x/../../y"}]}`:                                                                        "/tools/0/outputs/0/path: must be a folder below the destination",
		`{"name": "a", "command": ["x"], "outputs": [{"suffix": ["../x"]}]}`:                                                                         "/tools/0/outputs/0/suffix/0: ",
		`{"name": "a", "command": ["x"], "outputs": [{"times": ["t"]}]}`:                                                                             "/tools/0/outputs/0/times: has a meaning with join: lines only",
		`{"name": "a", "command": ["x"], "outputs": [{"join": "glue"}]}`:                                                                             "/tools/0/outputs/0/join: ",
		`{"name": "a", "command": ["x"], "as": {"rate": 8000}}`:                                                                                      "/tools/0/as/rate: has no meaning for this tool's input",
		`{"name": "a", "command": ["x"], "each": "sound", "as": {"format": "png"}}`:                                                                  "/tools/0/as/format: must be wav or flac for this tool's input",
		`{"name": "a", "command": ["x"], "each": "sound", "as": {"context": 1}}`:                                                                     "/tools/0/as/context: has no meaning for this tool's input",
		`{"name": "a", "command": ["x"], "timeout": 100000}`:                                                                                         "/tools/0/timeout: ",
		`{"name": "a", "command": ["x"], "memory": 1.5}`:                                                                                             "/tools/0/memory: must be a whole number",
		`{"name": "a", "command": ["x"], "environment": {"TMP_OUTPUT_DIR": "/"}}`:                                                                    "/tools/0/environment/TMP_OUTPUT_DIR: mapreel sets TMP_OUTPUT_DIR itself",
		`{"name": "a", "command": ["x"], "environment": {"A=B": "x"}}`:                                                                               "/tools/0/environment/A=B: ",
		`{"name": "a", "command": ["x"], "environment": {"A": 1}}`:                                                                                   "/tools/0/environment/A: must be a string",
		`{"name": "a", "command": ["x"], "secrets": {"HOME": "arn:aws:ssm:eu-west-1:123456789012:parameter/x"}}`:                                     "/tools/0/secrets/HOME: mapreel sets HOME itself",
		`{"name": "a", "command": ["x"], "secrets": {"KEY": "arn:aws:secretsmanager:eu-west-1:123456789012:secret:x"}}`:                              "/tools/0/secrets/KEY: must be the whole ARN of a secret",
		`{"name": "a", "command": ["x"], "secrets": {"KEY": ""}}`:                                                                                    "/tools/0/secrets: must be a list of names of environment variables, or for a deployment {NAME: ARN}",
		`{"name": "a", "command": ["x"], "secrets": {"KEY": "arn:aws:ssm:eu-west-1:123456789012:parameter/x"}, "environment": {"KEY": "x"}}`:         "/tools/0/environment/KEY: is one of the secrets, too",
		`{"name": "a", "command": ["x"], "secrets": ["MAPREEL_X"]}`:                                                                                  "/tools/0/secrets/0: mapreel sets MAPREEL_X itself",
		`{"name": "a", "command": ["x"], "each": "sound", "outputs": [{"join": "video"}]}`:                                                           "/tools/0/outputs/0/join: video needs each: frames or each: segment",
		`{"name": "a", "command": ["x"], "each": "segment", "outputs": [{"join": "audio"}]}`:                                                         "/tools/0/outputs/0/join: audio needs each: sound",
		`{"name": "a", "command": ["x"], "each": "frames", "as": {"every": 1}, "outputs": [{"join": "video"}]}`:                                      "/tools/0/outputs/0/join: video needs all frames: leave out every",
		`{"name": "a", "command": ["x"], "outputs": [{"video": {"crf": 20}}]}`:                                                                       "/tools/0/outputs/0/video: has a meaning with join: video only",
		`{"name": "a", "command": ["x"], "outputs": [{"subtitles": [{"tool": "b"}]}]}`:                                                               "/tools/0/outputs/0/subtitles: has a meaning with join: video only",
		`{"name": "a", "command": ["x"], "each": "frames", "outputs": [{"join": "video", "subtitles": [{"tool": "b"}]}]}`:                            "/tools/0/outputs/0/subtitles/0/tool: there is no tool \"b\"",
		`{"name": "a", "command": ["x"], "each": "frames", "outputs": [{"join": "video", "subtitles": [{"tool": "a"}]}]}`:                            "/tools/0/outputs/0/subtitles/0/tool: a has no output with join: cues",
		`{"name": "a", "command": ["x"], "each": "frames", "outputs": [{"join": "video", "subtitles": [{"tool": "a", "language": "d e"}]}]}`:         "/tools/0/outputs/0/subtitles/0/language: ",
		`{"name": "b", "command": ["x"], "outputs": [{"path": "b", "join": "cues"}]}, {"name": "c", "command": ["x"], "outputs": [{"path": "c", "join": "cues"}]},
			{"name": "a", "command": ["x"], "each": "frames", "outputs": [{"join": "video", "subtitles": [{"tool": "b", "default": true}, {"tool": "c", "default": true}]}]}`: "/tools/2/outputs/0/subtitles/1/default: only one track can have default: true, and the one at index 0 already has it",
		`{"name": "a", "command": ["x"], "each": "frames", "outputs": [{"join": "video", "video": {"crf": 99}}]}`:                                                           "/tools/0/outputs/0/video/crf: 99 is outside 0 to 51 for h264",
		`{"name": "a", "command": ["x"], "each": "frames", "outputs": [{"join": "video", "video": {"crop": "auto"}}]}`:                                                      "/tools/0/outputs/0/video/crop: cannot be used with join: video",
		`{"name": "a", "command": ["x"], "each": "frames", "outputs": [{"join": "video", "films": [{"container": "cmaf", "ladder": "net"}]}]}`:                              "/tools/0/outputs/0/films/0/ladder: ",
		`{"name": "a", "command": ["x"], "each": "frames", "outputs": [{"join": "video", "films": [{}, {"name": "b", "video": [{"crf": 99}]}]}]}`:                           "/tools/0/outputs/0/films/1/video/0/crf: 99 is outside 0 to 51 for h264",
		`{"name": "a", "command": ["x"], "each": "frames", "outputs": [{"join": "video", "films": [{}, {}]}]}`:                                                              "/tools/0/outputs/0/films/1/name: \"a.mp4\" is the name of an earlier output",
		`{"name": "a", "command": ["x"], "each": "frames", "outputs": [{"join": "video", "films": [{"video": [{"burn": {"track": "1"}}]}]}]}`:                               "/tools/0/outputs/0/films/0/video/0/burn: cannot be used with join: video",
		`{"name": "a", "command": ["x"], "each": "frames", "outputs": [{"join": "video", "films": [{"container": "hls", "video": [{"crop": "auto"}]}]}]}`:                   "/tools/0/outputs/0/films/0/video/0/crop: cannot be used with join: video",
		`{"name": "a", "command": ["x"], "each": "frames", "outputs": [{"join": "video", "films": [{"container": "stills", "preview": {"every": 1, "keyframes": true}}]}]}`: "/tools/0/outputs/0/films/0/preview/keyframes: cannot be used with join: video",
		`{"name": "a", "command": ["x"], "each": "frames", "outputs": [{"join": "video", "films": [{"container": "hls", "subtitleTracks": "1"}]}]}`:                         "/tools/0/outputs/0/films/0/subtitleTracks: the output has no subtitles",
		`{"name": "b", "command": ["x"], "outputs": [{"path": "b", "join": "cues"}]},
			{"name": "a", "command": ["x"], "each": "frames", "outputs": [{"join": "video", "subtitles": [{"tool": "b"}], "films": [{"defaultSubtitles": "1"}]}]}`: "/tools/1/outputs/0/films/0/defaultSubtitles: cannot be used with join: video",
		`{"name": "a", "command": ["x"], "each": "frames", "outputs": [{"join": "video", "films": [{"subtitles": "auto"}]}]}`:                                                                  "/tools/0/outputs/0/films/0/subtitles: the subtitles of the source are left out",
		`{"name": "a", "command": ["x"], "each": "frames", "outputs": [{"join": "video", "films": [{}], "video": {"crf": 20}}]}`:                                                               "/tools/0/outputs/0/video: video and films exclude each other",
		`{"name": "a", "command": ["x"], "each": "frames", "outputs": [{"join": "video", "films": [{"container": "hls"}]}, {"join": "video", "films": [{"container": "dash", "name": "A"}]}]}`: "/tools/0/outputs/1/films/0/name: a is the name of an earlier film",
		`{"name": "a", "command": ["x"], "each": "frames", "outputs": [{"join": "video", "films": [{"container": "hls"}]},
			{"join": "video", "path": "b", "films": [{"name": "c"}, {"container": "dash", "package": {"seconds": 4}}]}]}`: "/tools/0/outputs/1/films/1/package/seconds: 4s is different from the 6s of an earlier package; all packages of a tool have the same",
		`{"name": "a", "command": ["x"], "outputs": [{"films": [{}]}]}`:                                                                          "/tools/0/outputs/0/films: has a meaning with join: video only",
		`{"name": "a", "command": ["x"], "each": "frames", "outputs": [{"join": "video", "prefix": ["a"]}, {"join": "video", "prefix": ["b"]}]}`: "/tools/0/outputs/1/path: a.mp4 is the name of an earlier film: give one of them another name or path",
	} {
		_, err := tool.Parse(request(tools))
		var ps film.Problems
		if fault.KindOf(err) != fault.Invalid || !errors.As(err, &ps) || !strings.HasPrefix(ps[0].String(), want) {
			t.Errorf("%s\n got %v\nwant %s", tools, err, want)
		}
	}
	if _, err := tool.Parse(make([]byte, 10<<20)); err == nil || !strings.Contains(err.Error(), "too long") {
		t.Errorf("ten megabytes: got %v", err)
	}
}

func TestLevelsFollowTheNeedsOfTools(t *testing.T) {
	t.Parallel()
	tools := []tool.Tool{{Name: "c", Each: tool.Each{Tool: "b"}}, {Name: "a"}, {Name: "b", Each: tool.Each{Tool: "a"}}, {Name: "d"}, {Name: "e", Each: tool.Each{Tool: "a"}}}
	got, err := tool.Levels(tools)
	if diff := cmp.Diff([][]int{{1, 3}, {2, 4}, {0}}, got); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestEachSurvivesJSON(t *testing.T) {
	t.Parallel()
	for _, want := range []tool.Each{{Part: tool.Frames}, {Tool: "x"}, {Tool: "x", Prefix: []string{"a"}, Suffix: []string{".srt", ".vtt"}}} {
		data, err := json.Marshal(want)
		var got tool.Each
		if err == nil {
			err = json.Unmarshal(data, &got)
		}
		if err != nil || !cmp.Equal(want, got) {
			t.Errorf("%s: got %+v, %v", data, got, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(request(`{"name": "a", "command": ["a"], "each": "sound"}`))
	f.Add(request(`{"name": "a", "script": "#!x", "each": {"tool": "a"}, "outputs": [{"join": "cues", "suffix": [".srt"]}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		req, err := tool.Parse(data)
		if err != nil {
			if fault.KindOf(err) != fault.Invalid {
				t.Errorf("refused as %s", fault.KindOf(err))
			}
			return
		}
		for _, r := range req.Tools {
			for _, o := range r.Outputs {
				if strings.Contains("/"+o.Path+"/", "/../") || strings.HasPrefix(o.Path, "/") {
					t.Errorf("accepts the path %q", o.Path)
				}
			}
		}
	})
}

func TestAToolThatNeedsAGPUIsRefusedOnThisMachine(t *testing.T) {
	t.Parallel()
	req, err := tool.Parse(request(`{"name": "a", "command": ["x"]}, {"name": "b", "command": ["x"], "gpu": true, "image": "debian:12", "outputs": [{"path": "b"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	ps := req.CheckLocal()
	if len(ps) != 1 || ps[0].Pointer != "/tools/1/gpu" || !strings.Contains(ps[0].Message, "not run on this machine yet") {
		t.Errorf("got %v", ps)
	}
}
