package film_test

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/mapreel/mapreel/pkg/film"
	"pgregory.net/rapid"
)

func TestCheckRefusesTextThatIsNotUTF8(t *testing.T) {
	// A request from Go code. In JSON, it would silently name another file.
	r := film.Request{Source: "/in\xff", Destination: "/out\xff", Outputs: []film.Output{{Name: "a\xff"}}}
	var got []string
	for _, p := range r.Check() {
		got = append(got, p.Pointer)
	}
	if diff := cmp.Diff([]string{"/source", "/destination", "/outputs/0/name"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Players, and playlists of packages, have one subtitle track that is shown by default.
func TestTwoFilesOfSubtitlesThatAreShownByDefaultAreRefused(t *testing.T) {
	const request = `{"source": "/in", "destination": "/out", "outputs": [{"name": "a"}], "subtitleFiles": [{"file": "/a.srt"},
		{"file": "/b.srt", "default": true}, {"file": "/c.srt"%s}]}`
	if _, err := film.Parse(fmt.Appendf(nil, request, "")); err != nil {
		t.Error(err)
	}
	_, err := film.Parse(fmt.Appendf(nil, request, `, "default": true`))
	if want := "invalid request: /subtitleFiles/2/default: only one track can have default: true, and the one at index 1 already has it"; err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestErrOfNoProblemsIsNil(t *testing.T) {
	if err := (film.Problems{}).Err(); err != nil {
		t.Errorf("got %v", err)
	}
	err := film.Problems{{Pointer: "/a", Message: "is wrong"}, {Message: "is odd"}}.Err()
	if got, want := err.Error(), "invalid request: /a: is wrong\nis odd"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// normalised returns the JSON tree of a normalised request.
func normalised(t *testing.T, body string, hasVideo bool) any {
	t.Helper()
	r, err := film.Parse([]byte(body))
	if err != nil {
		t.Fatal(err)
	}
	if r, err = r.Normalise(hasVideo); err != nil {
		t.Fatal(err)
	}
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var tree any
	if err := json.Unmarshal(data, &tree); err != nil {
		t.Fatal(err)
	}
	return tree
}

// anyRequest generates valid requests.
func anyRequest() *rapid.Generator[film.Request] {
	return rapid.Custom(func(t *rapid.T) film.Request {
		text := rapid.StringMatching(`[^\x00]{1,30}`)
		r := film.Request{Source: text.Draw(t, "source"), Destination: text.Draw(t, "destination")}
		containers := rapid.SampledFrom([]film.Container{"", film.MP4, film.Matroska, film.WebM})
		for i := range rapid.IntRange(1, 5).Draw(t, "outputs") {
			name := rapid.StringMatching(`[a-z<&>é"' %#][^/\\\x00-\x1f\x7f]{0,20}`).Draw(t, "name")
			out := film.Output{Name: fmt.Sprint(name, i), Container: containers.Draw(t, "container")}
			if rapid.Bool().Draw(t, "video") {
				out.Video = []film.Video{anyVideo(t, out.Container)}
			}
			if rapid.Bool().Draw(t, "audio") {
				codecs := []film.AudioCodec{"", film.AudioAuto, film.AudioCopy, film.Opus, film.AudioNone}
				if out.Container != film.WebM {
					codecs = append(codecs, film.AAC)
				}
				out.Audio = &film.Audio{Codec: rapid.SampledFrom(codecs).Draw(t, "codec")}
				if rapid.Bool().Draw(t, "has bitrate") {
					out.Audio.Bitrate = film.Bitrate(rapid.Int64Range(6_000, 1_536_000).Draw(t, "bitrate"))
				}
			}
			r.Outputs = append(r.Outputs, out)
		}
		optional := func(label string, low, high int) int {
			return rapid.OneOf(rapid.Just(0), rapid.IntRange(low, high)).Draw(t, label)
		}
		r.Segment.Seconds = film.Seconds(rapid.OneOf(rapid.Just(int64(0)), rapid.Int64Range(1e9, 600e9)).Draw(t, "segment"))
		r.Compute = film.Compute{
			Mode:        rapid.SampledFrom([]film.ComputeMode{"", film.Lambda, film.Batch, film.LambdaBatch}).Draw(t, "mode"),
			Concurrency: optional("concurrency", 1, 10_000),
			Threads:     optional("threads", 1, 64),
		}
		r.Retention.Hours = optional("hours", 1, 720)
		return r
	})
}

func anyVideo(t *rapid.T, in film.Container) film.Video {
	codecs := map[film.Container][]film.VideoCodec{
		"": {"", film.H264, film.H265, film.AV1}, film.MP4: {"", film.H264, film.H265, film.AV1},
		film.Matroska: {"", film.H264, film.H265, film.VP9, film.AV1}, film.WebM: {"", film.VP9, film.AV1},
	}
	v := film.Video{Codec: rapid.SampledFrom(codecs[in]).Draw(t, "codec")}
	if rapid.Bool().Draw(t, "has height") {
		v.Height = rapid.IntRange(16, 8640).Draw(t, "height")
	}
	if rapid.Bool().Draw(t, "has crf") {
		v.CRF = new(rapid.IntRange(0, 51).Draw(t, "crf"))
	}
	if v.Codec == film.H264 && rapid.Bool().Draw(t, "has preset") {
		v.Preset = rapid.SampledFrom([]string{"ultrafast", "medium", "placebo"}).Draw(t, "preset")
	}
	if v.Codec == film.AV1 && rapid.Bool().Draw(t, "has grain") {
		v.Grain = rapid.IntRange(1, 50).Draw(t, "grain")
	}
	if v.Codec == film.H265 && rapid.Bool().Draw(t, "has options") {
		v.EncoderOptions, v.BitDepth = "sao=0:ref=2", rapid.SampledFrom([]int{0, 8, 10}).Draw(t, "depth")
	}
	return v
}

// again returns r after a round trip through JSON.
func again(t rapid.TB, r film.Request) film.Request {
	t.Helper()
	data, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	got, err := film.Parse(data)
	if err != nil {
		t.Fatalf("%s is not accepted: %v", data, err)
	}
	return got
}

func TestRequestsSurviveTheirJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := anyRequest().Draw(t, "request")
		if diff := cmp.Diff(r, again(t, r)); diff != "" {
			t.Fatalf("as made (-want +got):\n%s", diff)
		}
		n, err := r.Normalise(true)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(n, again(t, n)); diff != "" {
			t.Fatalf("normalised (-want +got):\n%s", diff)
		}
	})
}
