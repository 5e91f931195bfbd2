package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/cmd/mapreel/internal/requestfile"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
)

// buildRequest parses a command line, with | between its words, and returns its request in the current folder.
func buildRequest(t *testing.T, line, stdin string) (film.Request, error) {
	t.Helper()
	cmd, err := parse(strings.Split("transcode|"+line, "|"), t.Output(), t.Output())
	if err != nil {
		return film.Request{}, err
	}
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	req, _, err := cmd.(transcodeCmd).request(dir, strings.NewReader(stdin))
	return req, err
}

func TestArgumentsBecomeARequest(t *testing.T) {
	dir := chdirTemp(t)
	if err := os.WriteFile("film.yaml", []byte("source: in/film.mkv\ndestination: /out\noutputs:\n- name: film\n  audio: {codec: opus, bitrate: 96k}\n"+
		"- name: small\n  video: [{height: 360}]\nsegment: {seconds: 7.5}\nretention: {hours: 3}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("one.json", []byte(`{"source": "file:///in/a%20b.mkv", "destination": "out", "outputs": [{"name": "x", "container": "mkv"}]}`), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile("rungs.yaml", []byte("video:\n- {height: 720, preset: slow, codec: h264}\n- {height: 360, frameRate: 24}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ line, stdin, want string }{
		{
			"film.mov|-o|film.mp4", "",
			`{"source":"DIR/film.mov","destination":"DIR","outputs":[{"name":"film","container":"mp4"}],"retention":{"hours":168}}`,
		},
		{
			"/in/a #1%20 'x' é.mov|-o|../out/ü b.c.webm", "",
			`{"source":"/in/a #1%20 'x' é.mov","destination":"UP/out","outputs":[{"name":"ü b.c","container":"webm"}],"retention":{"hours":168}}`,
		},
		{
			"file:///in/a%20b%23.mov|-o|file:///out/x.mkv", "",
			`{"source":"/in/a b#.mov","destination":"/out","outputs":[{"name":"x","container":"mkv"}],"retention":{"hours":168}}`,
		},
		{
			"a.mp4|-o|/o/b.mp4|--codec|h265|--crf|0|--preset|slow|--height|720|--upscale|--fps|29.97|--interlaced|keep|--audio|opus|--audio-bitrate|96k|--segment|1m5s|--jobs|3|--threads|4", "",
			`{"source":"DIR/a.mp4","destination":"/o","outputs":[{"name":"b","container":"mp4","video":[{"codec":"h265","height":720,"crf":0,"upscale":true,"interlaced":"keep","frameRate":"30000/1001","preset":"slow"}],` +
				`"audio":{"codec":"opus","bitrate":"96k"}}],"segment":{"seconds":65},"compute":{"concurrency":3,"threads":4},"retention":{"hours":168}}`,
		},
		{
			"a.mp4|-o|/o/b.m3u8|--audio-bitrates|64k, 128k", "",
			`{"source":"DIR/a.mp4","destination":"/o","outputs":[{"name":"b","container":"hls","ladder":"web","audio":{"bitrates":["64k","128k"]}}],"retention":{"hours":168}}`,
		},
		{
			"a.mp4|-o|/o/b.mp4|--segment|2.5", "",
			`{"source":"DIR/a.mp4","destination":"/o","outputs":[{"name":"b","container":"mp4"}],"segment":{"seconds":2.5},"retention":{"hours":168}}`,
		},
		{
			"--request|film.yaml", "",
			`{"source":"DIR/in/film.mkv","destination":"/out","outputs":[{"name":"film","audio":{"codec":"opus","bitrate":"96k"}},{"name":"small","video":[{"height":360}]}],` +
				`"segment":{"seconds":7.5},"retention":{"hours":3}}`,
		},
		{
			"--request|film.yaml|other.mkv|--crf|30|--audio|none", "",
			`{"source":"DIR/other.mkv","destination":"/out","outputs":[{"name":"film","video":[{"crf":30}],"audio":{"codec":"none","bitrate":"96k"}},` +
				`{"name":"small","video":[{"height":360,"crf":30}],"audio":{"codec":"none"}}],"segment":{"seconds":7.5},"retention":{"hours":3}}`,
		},
		{
			"/s.mkv|-o|/o/x.mpd|--ladder|rungs.yaml|--codec|hevc|--preset|fast|--crf|30|--fps|24|--upscale|--interlaced|deinterlace|--media-segment|4s|--keyframes|1s", "",
			`{"source":"/s.mkv","destination":"/o","outputs":[{"name":"x","container":"dash","video":[` +
				`{"codec":"h264","height":720,"crf":30,"upscale":true,"interlaced":"deinterlace","frameRate":"24","preset":"slow"},` +
				`{"codec":"h265","height":360,"crf":30,"upscale":true,"interlaced":"deinterlace","frameRate":"24","preset":"fast"}],"package":{"seconds":4,"keyframes":1}}],"retention":{"hours":168}}`,
		},
		{
			"--request|one.json|-o|/o/b.webm", "",
			`{"source":"/in/a b.mkv","destination":"/o","outputs":[{"name":"b","container":"webm"}],"retention":{"hours":168}}`,
		},
		{
			"--request|-|--threads|1", `{"source": "/s.mkv", "destination": "/o", "outputs": [{"name": "x"}], "compute": {"concurrency": 1000}}`,
			`{"source":"/s.mkv","destination":"/o","outputs":[{"name":"x"}],"compute":{"concurrency":1000,"threads":1},"retention":{"hours":168}}`,
		},
		{
			"--request|-|/s.mkv|-o|/o/x.mkv", "outputs:\n",
			`{"source":"/s.mkv","destination":"/o","outputs":[{"name":"x","container":"mkv"}],"retention":{"hours":168}}`,
		},
	} {
		t.Run(test.line, func(t *testing.T) {
			req, err := buildRequest(t, test.line, test.stdin)
			if err != nil {
				t.Fatal(err)
			}
			got, err := json.Marshal(req)
			if err != nil {
				t.Fatal(err)
			}
			want := strings.NewReplacer("DIR", dir, "UP", filepath.Dir(dir)).Replace(test.want)
			if diff := cmp.Diff(want, string(got)); diff != "" {
				t.Errorf("request (-want +got):\n%s", diff)
			}
		})
	}
}

func TestProblemsNameTheFlagOrThePlaceInTheFile(t *testing.T) {
	dir := chdirTemp(t)
	for name, text := range map[string]string{
		"in.mp4":      "x",
		"folder/x":    "",
		"many.yaml":   "source: /s\ndestination: /o\noutputs:\n  - name: a\n    video:\n      - crf: 20\n  - name: b\n    sound: loud\n",
		"shape.yaml":  "source: [1]\ndestination: /o\noutputs: none\n",
		"syntax.yaml": "source: a\n  destination: [\n",
		"twice.yaml":  "source: a\nsource: b\n",
		"alias.yaml":  "source: &a /s\ndestination: *a\n",
		"two.yaml":    "source: a\n---\nsource: b\n",
		"list.yaml":   "- a\n",
		"empty.yaml":  "",
		"syntax.json": "{\"source\": \"a\",\n  \"destination\": }\n",
		"crf.json":    "{\"source\": \"/s\", \"destination\": \"/o\",\n  \"outputs\": [{\"name\": \"x\", \"video\": [{\"crf\": 99}]}]}",
		"cut.json":    "{\"source\": \"a\"",
		"tail.json":   "{}\n}",
		"far.yaml":    "source: gs://bucket/key\ndestination: /o\noutputs: [{name: x}]\n",
		"same.yaml":   "source: in.mp4\ndestination: .\noutputs:\n- name: in\n",
	} {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir("x.mkv", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Link("in.mp4", "link.mp4"); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ line, want string }{
		{"in.mp4|-o|o.mp4|--crf|99", "--crf: 99 is outside 0 to 51 for h264"},
		{"in.mp4|-o|o.mp4|--bitrate|2M|--crf|20", "--bitrate: each segment finds the CRF that gives the bit rate; leave out crf"},
		{"in.mp4|-o|o.mp4|--target-size|700MB", `--target-size: "700MB" is not a size such as 700M`},
		{"in.mp4|-o|o.m3u8|--target-size|700M|--height|360", "--target-size: a package has several renditions, of which players load one; set the bitrate of each"},
		{"in.mp4|-o|o.mp4|--codec|divx", `--codec: "divx" is not one of h264, h265, vp9, av1`},
		{"in.mp4|-o|o.webm|--codec|h264", "--codec: webm cannot hold h264"},
		{"in.mp4|-o|o.webm|--audio|aac", "--audio: webm cannot hold aac; choose opus"},
		{"in.mp4|-o|o.mp4|--audio|mp3", `--audio: "mp3" is not one of auto, copy, aac, opus, none`},
		{"in.mp4|-o|o.m3u8|--audio-bitrates|64k,lots", `--audio-bitrates: "lots" is not a bit rate such as 160k`},
		{"in.mp4|-o|o.mp4|--audio-bitrates|64k,128k", `--audio-bitrates: a file has one bit rate; set bitrate, or choose hls, dash or cmaf`},
		{"in.mp4|-o|o.m3u8|--audio-bitrates|64k,5k", `--audio-bitrates: 5k is outside 6k to 1536k`},
		{"in.mp4|-o|o.mp4|--audio-bitrate|lots", `--audio-bitrate: "lots" is not a bit rate such as 160k`},
		{"in.mp4|-o|o.mp4|--segment|0", "--segment: 0 is too small; leave it out for the default"},
		{"in.mp4|-o|o.mp4|--segment|1h", "--segment: 1h0m0s is outside 1s to 10m0s"},
		{"in.mp4|-o|o.mp4|--jobs|0|--threads|0", "--jobs: 0 is too small; leave it out for the default\n--threads: 0 is too small; leave it out for the default"},
		{"in.mp4|-o|o.mp4|--jobs|-1|--threads|65", "--jobs: -1 is outside 1 to 10000\n--threads: 65 is outside 1 to 64"},
		{"in.mp4|-o|o.mp4|--height|8", "--height: 8 is outside 16 to 8640"},
		{"in.mp4|-o|o.mp4|--fps|30/0", `--fps: "30/0" is not a frame rate such as 25 or 30000/1001`},
		{"in.mp4|-o|o.mp4|--interlaced|drop|--upscale", "--interlaced: \"drop\" is not one of deinterlace, keep\n--upscale: has no effect without height or pad"},
		{"in.mp4|-o|o.mp4|--preset|warp|--codec|av1", `--preset: "warp" is neither a preset of an encoder, such as medium or 8, nor named settings`},
		{"in.mp4|-o|o.mov", "--output: mapreel cannot write .mov; use .mp4, .mkv, .webm, .m3u8 or .mpd"},
		{"in.mp4|-o|o", "--output: o has no extension; .mp4, .mkv, .webm, .m3u8 or .mpd selects the container"},
		{"in.mp4|-o|o.m4v", "--output: o.m4v: use .mp4, which is the same format, or .mkv or .webm"},
		{"in.mp4|-o|O.MP4", "--output: write the extension of O.MP4 in lower case: .mp4"},
		{"in.mp4|-o|.mp4", "--output: .mp4 is only an extension; name a file, such as film.mp4"},
		{"in.mp4|-o|folder", "--output: folder is a folder; name a file, such as folder/film.mp4"},
		{"in.mp4|-o|new/", "--output: new/ is a folder; name a file, such as new/film.mp4"},
		{"in.mp4|-o|x.mkv", "--output: x.mkv is a folder; name a file, such as x.mkv/film.mp4"},
		{"in.mp4|-o|in.mp4", "--output: DIR/in.mp4 is the source; choose another name"},
		{"in.mp4|-o|folder/../in.mp4", "--output: DIR/in.mp4 is the source; choose another name"},
		{"in.mp4|-o|link.mp4", "--output: DIR/link.mp4 is the source; choose another name"},
		{"folder|-o|o.mp4", "SOURCE: DIR/folder is a folder; name a video in it"},
		{"-|--request|-", "standard input cannot be both the video and the request"},
		{"ftp://b/k.mp4|-o|o.mp4", "SOURCE: ftp://b/k.mp4 is not a file on this machine; give a path, or a file://, https:// or s3:// URL"},
		{"https://u:secret@[::1/k|-o|o.mp4", "SOURCE: the source is not a well-formed address: escape what is no letter, digit or -._~ in user, password and query as %XX"},
		{"in.mp4|-o|s3:///o.mp4", "--output: s3:///o.mp4 names no bucket"},
		{"file://host/k.mp4|-o|o.mp4", "SOURCE: file://host/k.mp4 is on another machine; a file:// URL has three slashes: file:///folder/film.mp4"},
		{"file:///a?b.mp4|-o|o.mp4", "SOURCE: file:///a?b.mp4: in a file:// URL write %3F for ? and %23 for #, or give a path instead"},
		{"file:///a%.mp4|-o|o.mp4", "SOURCE: file:///a%.mp4 is not a URL: in a file:// URL write %25 for %, or give a path instead"},
		{"in.mp4|-o|https://host/o.mp4", "--output: https://host/o.mp4 is not a file on this machine; give a path, or a file://, https:// or s3:// URL"},
		{"--request|none.yaml", "read the request: none.yaml: no such file or directory"},
		{"--request|many.yaml", `many.yaml:8:5: /outputs/1/sound: is not a field; the fields are: audio, container, defaultSubtitles, forcedSubtitles, ladder, name, package, preset, preview, subtitleTracks, subtitles, targetSize, video`},
		{"--request|crf.json", "crf.json:2:40: /outputs/0/video/0/crf: 99 is outside 0 to 51 for h264"},
		{"--request|crf.json|--crf|98", "--crf: 98 is outside 0 to 51 for h264"},
		{"--request|many.yaml|-o|o.mp4", "--output: names one file, but many.yaml has 2 outputs"},
		{"--request|shape.yaml", "shape.yaml:3:1: /outputs: must be a list\nshape.yaml:1:1: /source: must be a string"},
		{"--request|shape.yaml|in.mp4|-o|o.mp4", "shape.yaml:3:1: /outputs: must be a list"},
		{"--request|syntax.yaml", "syntax.yaml: line 1, column 9: "},
		{"--request|twice.yaml", `twice.yaml: line 2, column 1: mapping key "source" already defined at [1:1]`},
		{"--request|alias.yaml", "alias.yaml: line 2, column 14: a request cannot use YAML aliases"},
		{"--request|two.yaml", "two.yaml: the file has more than one YAML document"},
		{"--request|list.yaml", "list.yaml: the request must be an object with source, destination and outputs"},
		{"--request|empty.yaml", "empty.yaml: the request must be an object with source, destination and outputs"},
		{"--request|syntax.json", "syntax.json: not JSON: line 2, column 18: invalid character '}' looking for beginning of value"},
		{"--request|cut.json", "cut.json: not JSON: it ends too early"},
		{"--request|tail.json", "tail.json: not JSON: line 2, column 1: text follows its end"},
		{"--request|far.yaml", "far.yaml:1:1: /source: gs://bucket/key is not a file on this machine; give a path, or a file://, https:// or s3:// URL"},
		{"--request|same.yaml", "same.yaml:4:3: /outputs/0/name: DIR/in.mp4 is the source; choose another name"},
		{"--request|-", "standard input: the request must be an object with source, destination and outputs"},
	} {
		t.Run(test.line, func(t *testing.T) {
			_, err := buildRequest(t, test.line, "")
			if fault.KindOf(err) != fault.Invalid {
				t.Fatalf("error %v of kind %q, want Invalid", err, fault.KindOf(err))
			}
			want, got := strings.ReplaceAll(test.want, "DIR", dir), strings.Join(errorMessages(err), "\n")
			if test.line == "--request|syntax.yaml" && strings.HasPrefix(got, want) && !strings.Contains(got, "\n") {
				return // the parser's own words follow
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("error (-want +got):\n%s", diff)
			}
		})
	}
}

func TestAProblemOfSeveralOutputsIsReportedOnce(t *testing.T) {
	chdirTemp(t)
	_, err := buildRequest(t, "--request|-|--crf|99", "{source: /s, destination: /o, outputs: [{name: a}, {name: b}]}")
	if got, want := strings.Join(errorMessages(err), "\n"), "--crf: 99 is outside 0 to 51 for h264"; got != want {
		t.Errorf("error %q, want %q", got, want)
	}
}

func FuzzRequestFile(f *testing.F) {
	for _, seed := range []string{
		`{"source": "/s", "destination": "/o", "outputs": [{"name": "x", "video": [{"crf": 99}]}]}`,
		"source: /s\ndestination: /o\noutputs:\n- name: x\n  video: [{crf: 20}]\n",
		"a: &x [1]\nb: *x\n", "? {a: b}\n: c\n", "!!binary x", "- - - -", "{a: [}", "\t", "a: |\n  b", "1: 2\n~: 3", "a: .inf",
	} {
		f.Add([]byte(seed), true)
		f.Add([]byte(seed), false)
	}
	f.Fuzz(func(t *testing.T, data []byte, asJSON bool) {
		ext := ".yaml"
		if asJSON {
			ext = ".json"
		}
		file, err := requestfile.Parse(ext, data)
		if err != nil {
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("error of several lines: %q", err)
			}
			return
		}
		text, err := json.Marshal(file.Tree)
		if err != nil {
			return // numbers that JSON lacks
		}
		_, err = film.Parse(text)
		var ps film.Problems
		d := requestfile.Draft{Tree: file.Tree, Flags: map[string]string{}, File: &file}
		if err != nil && !errors.As(err, &ps) {
			t.Fatalf("an error without problems: %v", err)
		}
		for _, p := range ps {
			if d.Describe(p) == "" {
				t.Errorf("problem %v has no text", p)
			}
		}
	})
}

func TestOtherNamesOfCodecsAreAccepted(t *testing.T) {
	for name, want := range map[string]film.VideoCodec{
		"hevc": film.H265, "HEVC": film.H265, "libx265": film.H265, "avc": film.H264, "libx264": film.H264, "H264": film.H264,
		"libsvtav1": film.AV1,
	} {
		dir := chdirTemp(t)
		b := newCLITest(t, nil)
		if code := b.main(t.Context(), []string{"transcode", "in.mp4", "-o", dir + "/o.mp4", "--codec", name}); code != exitDone {
			t.Errorf("--codec %s: exit code %d, %s", name, code, &b.err)
		} else if got := b.req.Outputs[0].Video[0].Codec; got != want {
			t.Errorf("--codec %s: %s, want %s", name, got, want)
		}
	}
}

func TestWhatIsPublishedIsNamedToTheRun(t *testing.T) {
	dir := chdirTemp(t)
	b := newCLITest(t, nil)
	if code := b.main(t.Context(), []string{"transcode", "in.mp4", "-n", "-o", dir + "/o.m3u8", "--dash"}); code != exitDone {
		t.Fatalf("exit code %d, %s", code, &b.err)
	}
	want := []string{dir + "/o.m3u8", dir + "/o", dir + "/o.mpd"}
	if diff := cmp.Diff(want, b.opts.Outputs); diff != "" || !b.opts.KeepOutputs {
		t.Errorf("kept %v; (-want +got):\n%s", b.opts.KeepOutputs, diff)
	}
}
