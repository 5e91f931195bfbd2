package intake_test

import (
	"encoding/json"
	"maps"
	"strings"
	"testing"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/intake"
)

func (d *deployment) created(t *testing.T, key string) json.RawMessage {
	t.Helper()
	event, err := json.Marshal(map[string]any{"detail": map[string]any{
		"bucket": map[string]any{"name": d.bucket}, "object": map[string]any{"key": key, "etag": "e1", "sequencer": "1"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return event
}

func TestAnUploadIsStartedWithItsSidecar(t *testing.T) {
	d := deploy(t)
	for _, c := range []struct{ key, sidecar, want string }{
		{"in/a.mkv", "", `{"destination":"s3://BUCKET/out/a.mkv/","outputs":[{"name":"video"}],"source":"s3://BUCKET/in/a.mkv"}`},
		{`in/x/b "c"\ ü.mkv`, "", `{"destination":"s3://BUCKET/out/x/b \"c\"\\ ü.mkv/","outputs":[{"name":"video"}],"source":"s3://BUCKET/in/x/b \"c\"\\ ü.mkv"}`},
		{"in/d.mkv", `{"outputs":[{"name":"small","video":[{"height":720}]}]}`, `{"destination":"s3://BUCKET/out/d.mkv/","outputs":[{"name":"small","video":[{"height":720}]}],"source":"s3://BUCKET/in/d.mkv"}`},
		{"in/e.mkv", `{"destination":"s3://BUCKET/out/there/","outputs":[{"name":"e"}]}`, `{"destination":"s3://BUCKET/out/there/","outputs":[{"name":"e"}],"source":"s3://BUCKET/in/e.mkv"}`},
	} {
		d.upload(t, c.key, "film")
		if c.sidecar != "" {
			d.upload(t, c.key+intake.Sidecar, strings.ReplaceAll(c.sidecar, "BUCKET", d.bucket))
			if _, err := d.Upload(t.Context(), d.created(t, c.key+intake.Sidecar)); err != nil {
				t.Error(err)
			}
		}
		before := d.states.Started()
		for range 2 { // events come at least once
			if _, err := d.Upload(t.Context(), d.created(t, c.key)); err != nil {
				t.Fatalf("%s: %v", c.key, err)
			}
		}
		after := d.states.Started()
		maps.DeleteFunc(after, func(name, _ string) bool { return before[name] != "" })
		if len(after) != 1 {
			t.Fatalf("%s started %v", c.key, after)
		}
		for name, input := range after {
			if want := strings.ReplaceAll(c.want, "BUCKET", d.bucket); input != want {
				t.Errorf("%s started with\n%s, want\n%s", name, input, want)
			}
		}
	}
}

func TestABadSidecarStartsNothingAndIsReported(t *testing.T) {
	d := deploy(t)
	for sidecar, want := range map[string]string{
		`{"outputs":`: "ends too early",
		`[]`:          "must be a JSON object",
		`{"outputs":[{"name":"a","video":[{"crf":99}]}]}`:           "99 is outside 0 to 51",
		`{"source":"s3://other/film.mkv","outputs":[{"name":"a"}]}`: "another source",
		`{"destination":"s3://other/","outputs":[{"name":"a"}]}`:    "in no place of this deployment",
	} {
		d.messages = nil
		d.upload(t, "in/film.mkv", "film")
		d.upload(t, "in/film.mkv"+intake.Sidecar, sidecar)
		_, err := d.Upload(t.Context(), d.created(t, "in/film.mkv"))
		if fault.KindOf(err) != fault.Invalid || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", sidecar, err, want)
		}
		if len(d.messages) != 2 || !strings.Contains(d.messages[1], want) || !strings.Contains(d.messages[1], "in/film.mkv") {
			t.Errorf("%s: message %q", sidecar, d.messages)
		}
	}
	if got := d.states.Started(); len(got) != 0 {
		t.Errorf("started %v", got)
	}
}

func TestAnOutputStartsNoJob(t *testing.T) {
	d := deploy(t)
	d.Sources[0].Prefix, d.Destinations[0].Prefix = "", "" // one existing bucket for both
	d.upload(t, "in/film.mkv", "film")
	if _, err := d.Upload(t.Context(), d.created(t, "in/film.mkv")); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"out/film.mkv/video.mp4", "film.mkv", intake.Submitted + "0a/film.mkv"} { // the rule of a bucket sees them too
		d.upload(t, key, "film")
		if _, err := d.Upload(t.Context(), d.created(t, key)); err != nil {
			t.Fatal(err)
		}
	}
	if got := d.states.Started(); len(got) != 1 {
		t.Errorf("started %v", got)
	}
	for _, input := range d.states.Started() {
		if !strings.Contains(input, `"destination":"s3://`+d.bucket+`/out/film.mkv/"`) {
			t.Errorf("started with %s", input)
		}
	}
	d.upload(t, "in/film.mkv"+intake.Sidecar, `{"destination":"s3://`+d.bucket+`/in/film/","outputs":[{"name":"a"}]}`)
	if _, err := d.Upload(t.Context(), d.created(t, "in/film.mkv")); err == nil || !strings.Contains(err.Error(), "would start another") {
		t.Errorf("error %v", err)
	}
}
