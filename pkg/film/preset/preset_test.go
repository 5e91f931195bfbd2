package preset_test

import (
	"encoding/json"
	"errors"
	"testing"

	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/preset"
)

func TestAPresetFillsInWhatAnOutputDoesNotSay(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ output, want string }{
		{`{}`, `{"audio":{"codec":"aac"},"video":[{"codec":"h264","crf":23,"height":720,"maxBitrate":"4M","preset":"medium","profile":"high"}]}`},
		{`{"video":[{"crf":18}],"audio":{"bitrate":"96k"}}`, `{"audio":{"bitrate":"96k","codec":"aac"},"video":[{"codec":"h264","crf":18,"height":720,"maxBitrate":"4M","preset":"medium","profile":"high"}]}`},
		{`{"video":[{"codec":"av1"}],"audio":{"codec":"none"}}`, `{"audio":{"codec":"none"},"video":[{"codec":"av1"}]}`},
		{`{"container":"hls"}`, `{"audio":{"codec":"aac"},"container":"hls","ladder":"web","video":[{"codec":"h264","crf":23,"preset":"medium","profile":"high"}]}`},
		{`{"video":[{"pad":"1280:720"}],"audio":{"codec":"copy"}}`, `{"audio":{"codec":"copy"},"video":[{"codec":"h264","crf":23,"maxBitrate":"4M","pad":"1280:720","preset":"medium","profile":"high"}]}`},
		{`{"video":[{"quality":{"target":40},"bitDepth":10}],"audio":{"codec":"copy"}}`, `{"audio":{"codec":"copy"},"video":[{"bitDepth":10,"codec":"h264","height":720,"maxBitrate":"4M","preset":"medium","quality":{"target":40}}]}`},
		{`{"video":"x"}`, `{"audio":{"codec":"aac"},"video":"x"}`}, // the request's check reports it
	} {
		p, ok := preset.Named("phone")
		if !ok {
			t.Fatal("there is no preset phone")
		}
		var output map[string]any
		if err := json.Unmarshal([]byte(c.output), &output); err != nil {
			t.Fatal(err)
		}
		p.Apply(output)
		if got, err := json.Marshal(output); err != nil || string(got) != c.want {
			t.Errorf("%s: %s, %v, want %s", c.output, got, err, c.want)
		}
	}
}

// A request has one bit rate of audio or several, and what it says itself counts.
func TestOneBitrateAndSeveralExcludeEachOther(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ preset, output, want string }{
		{`{"bitrate":"96k"}`, `{"bitrates":["64k","128k"]}`, `{"bitrates":["64k","128k"]}`},
		{`{"bitrates":["64k","128k"]}`, `{"bitrate":"96k"}`, `{"bitrate":"96k"}`},
		{`{"bitrates":["64k","128k"]}`, `{"tracks":"1"}`, `{"bitrates":["64k","128k"],"tracks":"1"}`},
	} {
		var settings, audio map[string]any
		if err := errors.Join(json.Unmarshal([]byte(c.preset), &settings), json.Unmarshal([]byte(c.output), &audio)); err != nil {
			t.Fatal(err)
		}
		p := preset.Preset{Output: map[string]any{"audio": settings}}
		p.Apply(map[string]any{"audio": audio})
		if got, err := json.Marshal(audio); err != nil || string(got) != c.want {
			t.Errorf("%s with the preset %s: %s, %v, want %s", c.output, c.preset, got, err, c.want)
		}
	}
}

func TestEveryShippedPresetMakesValidRequestsAndSaysWhy(t *testing.T) {
	t.Parallel()
	for _, p := range preset.Shipped() {
		if p.Description == "" || len(p.Reasons) == 0 {
			t.Errorf("%s has no reasons", p.Name)
		}
		for _, container := range []string{"mp4", "mkv", "hls"} {
			req, err := film.Parse([]byte(`{"source":"/a.mkv","destination":"/b/","outputs":[{"name":"a","container":"` + container + `","preset":"` + p.Name + `"}]}`))
			if err != nil {
				t.Errorf("%s in %s: %v", p.Name, container, err)
				continue
			}
			if o := req.Outputs[0]; o.Preset != "" || len(o.Video) != 1 || o.Video[0].CRF == nil {
				t.Errorf("%s in %s is not applied: %+v", p.Name, container, o)
			}
		}
	}
	const want = `invalid request: /outputs/0/preset: "best" is not a preset; there are: archive, editing-proxy, phone, web`
	if _, err := film.Parse([]byte(`{"source":"/a.mkv","destination":"/b/","outputs":[{"name":"a","preset":"best"}]}`)); err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

func TestFilesOfPresetsAreChecked(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"description":"d","output":{"video":[{"codec":"h264"}]}}`: "",
		`{"output":{}}`:                             "it has no output, the settings that it gives",
		`{"output":{"name":"a"}}`:                   "/output/name: a preset sets video, audio, subtitles, package",
		`{"output":{"video":[{},{}]}}`:              "/output/video: a preset has one rendition",
		`{"output":{"audio":{}},"destination":"/"}`: `json: unknown field "destination"`,
	} {
		_, err := preset.Parse("mine", []byte(text))
		if got := ""; err != nil && err.Error() != want || err == nil && want != got {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
	if _, err := preset.Parse("../x", nil); err == nil {
		t.Error("a path is taken for a name")
	}
}
