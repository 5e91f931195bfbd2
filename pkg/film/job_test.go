package film_test

import (
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/overlay"
	"github.com/mapreel/mapreel/pkg/film/protection"
	"github.com/mapreel/mapreel/pkg/film/subtitle"
	"github.com/mapreel/mapreel/pkg/film/target"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/render"
	"pgregory.net/rapid"
)

func TestNormaliseFillsInDefaults(t *testing.T) {
	golden(t, "normalise.txtar", func(t *testing.T, name string, input []byte) string {
		r, err := film.Parse(input)
		if err != nil {
			t.Fatal(err)
		}
		r, err = r.Normalise(!strings.HasSuffix(name, "-of-audio"))
		if err != nil {
			return problemsOf(t, err).Error() + "\n"
		}
		data, err := json.MarshalIndent(r, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		return string(data) + "\n"
	})
}

func TestNormaliseIsIdempotentAndKeepsItsReceiver(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := anyRequest().Draw(t, "request")
		before := again(t, r)
		once, err := r.Normalise(true)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(before, r); diff != "" {
			t.Fatalf("the request changed (-before +after):\n%s", diff)
		}
		if ps := once.Check(); len(ps) > 0 {
			t.Fatalf("a normalised request has problems: %v", ps)
		}
		twice, err := once.Normalise(true)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(once, twice); diff != "" {
			t.Fatalf("(-once +twice):\n%s", diff)
		}
	})
}

func TestNormaliseReportsEveryVideoSettingForASourceWithoutVideo(t *testing.T) {
	r := film.Request{
		Source: "/in", Destination: "/out",
		Outputs: []film.Output{
			{Name: "a", Video: []film.Video{{}}},
			{Name: "b"},
			{Name: "c", Video: []film.Video{{Height: 720}}},
		},
	}
	_, err := r.Normalise(false)
	var got []string
	for _, p := range problemsOf(t, err) {
		got = append(got, p.Pointer)
	}
	if diff := cmp.Diff([]string{"/outputs/0/video", "/outputs/2/video"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// full returns a normalised request in which no field is zero.
func full(t *testing.T) film.Request {
	t.Helper()
	r, err := film.Parse([]byte(`{
		"source": "s3://b/in/film.mkv", "destination": "s3://b/out/film/", "program": 2,
		"outputs": [{"name": "film", "container": "hls",
			"video": [{"codec": "h264", "height": 1080, "crf": 21, "preset": "medium", "maxBitrate": "6M",
				"upscale": true, "frameRate": "30000/1001", "interlaced": "keep"}],
			"package": {"seconds": 6, "singleFile": true},
			"audio": {"codec": "aac", "bitrate": "160k"}}],
		"segment": {"seconds": 10, "goal": "balanced"},
		"compute": {"mode": "batch", "gpu": true, "concurrency": 500, "budget": 2.5, "deadline": 600, "threads": 4},
		"retention": {"hours": 5}}`))
	if err != nil {
		t.Fatal(err)
	}
	if r, err = r.Normalise(true); err != nil {
		t.Fatal(err)
	}
	r.Outputs[0].Preview = &film.Preview{ // for other containers
		Every: film.Seconds(time.Second), Length: film.Seconds(time.Second), FPS: film.FrameRate{Num: 12, Den: 5}, Columns: 4, Rows: 3, Format: film.JPEG, Width: 320, Aspect: film.Aspect{Num: 4, Den: 3}, Fit: film.FitCrop, Archive: true,
		Times: []film.Seconds{film.Seconds(time.Second)}, Keyframes: true,
	}
	r.Part = film.Part{Start: 1, End: 2, Duration: 3, Chapters: "4"} // they exclude each other
	r.Outputs[0].Video[0].Crop, r.Outputs[0].Video[0].Pad, r.Outputs[0].Video[0].Tune = film.AutoCrop, "1920:1080", "film"
	v := &r.Outputs[0].Video[0]
	r.Outputs[0].Preset = "web" // Parse takes it away
	v.EncoderOptions, v.Profile, v.Level, v.BitDepth, v.Grain, v.Filter = "aq-mode=3", "high", "4.1", 8, 4, "hflip"
	r.Outputs[0].TargetSize, r.Outputs[0].Video[0].Bitrate = 700_000_000, 2_000_000
	r.Outputs[0].Video[0].Quality = &target.Quality{Metric: target.XPSNR, Target: 42, Min: 18, Max: 36}
	v.Overlay = &overlay.Overlay{Image: "s3://b/in/logo.png", At: overlay.Center, Height: 9, Margin: new(2), Opacity: 50}
	v.Burn = &subtitle.Burn{Track: "deu", File: "s3://b/in/burn.srt"} // they exclude each other
	r.SubtitleFiles = []subtitle.File{{File: "s3://b/in/film.srt", Language: "de", Title: "a", Default: true, Forced: true}}
	r.Join = []string{"s3://b/in/more.mp4"}
	r.Sequence = film.Sequence{FrameRate: film.FrameRate{Num: 24, Den: 1}, Background: "#204060"}
	r.Render = render.Settings{
		Frames: "1-9", Step: 2, Engine: render.Cycles, Samples: 4, Width: 64, Height: 36, Percentage: 50, Scene: "a", Camera: "b", ViewLayer: "c",
		Files: []string{"d"}, Format: render.PNG16, Device: render.CPU, Unit: 3, FirstLook: true, Redo: "4", Tiles: "2x2", Sound: "s3://b/in/music.flac",
	}
	r.Outputs[0].Audio.Tracks, r.Outputs[0].Audio.Default, r.Outputs[0].SubtitleTracks = "1,eng", "eng", "2"
	r.Outputs[0].Audio.Loudness = -2300
	r.Outputs[0].Audio.Bitrates = []film.Bitrate{64_000} // in place of the one bit rate
	r.Outputs[0].Audio.Downmix, r.Outputs[0].Audio.Second = film.Stereo, film.Mono
	r.Outputs[0].DefaultSubtitles, r.Outputs[0].ForcedSubtitles = "2", "none"
	r.Outputs[0].Package.Encryption = &protection.Settings{Scheme: protection.CBCS, Keys: "s3://b/in/keys", KeyURL: "key", Fingerprint: "3f"}
	r.Outputs[0].Ladder = film.Web // Parse refuses it together with a list of renditions
	return r
}

var sampleSource = film.Source{URL: "s3://b/in/film.mkv", Size: 123456789, Version: `"abc"`, Demuxer: "matroska"}

func id(t *testing.T, r film.Request, src film.Source, encoder string) string {
	t.Helper()
	got, err := film.ID(r, src, encoder)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestIDIsStable(t *testing.T) {
	// A different ID means that jobs begun with an older mapreel are not continued. If that is
	// intended, raise Format.
	r := full(t)
	// Fields that older requests do not have.
	r.Render = render.Settings{}
	r.Program, r.Sequence, r.Part, r.Segment.Goal, r.Compute.Budget, r.Compute.Deadline, r.Outputs[0].Preview = 0, film.Sequence{}, film.Part{}, "", 0, 0, nil
	r.Outputs[0].Video[0].Crop, r.Outputs[0].Video[0].Pad, r.Outputs[0].Video[0].Tune = "", "", ""
	v := &r.Outputs[0].Video[0]
	r.Outputs[0].Preset = ""
	v.EncoderOptions, v.Profile, v.Level, v.BitDepth, v.Grain, v.Filter = "", "", "", 0, 0, ""
	r.Outputs[0].TargetSize, v.Bitrate = 0, 0
	r.Outputs[0].Video[0].Quality, v.Overlay, v.Burn, r.SubtitleFiles, r.Join = nil, nil, nil, nil, nil
	r.Outputs[0].Package.Encryption = nil
	r.Outputs[0].Audio = &film.Audio{Codec: film.AAC, Bitrate: 160_000}
	r.Outputs[0].SubtitleTracks, r.Outputs[0].DefaultSubtitles, r.Outputs[0].ForcedSubtitles = "", "", ""
	if got, want := id(t, r, sampleSource, "ffmpeg 5.1.6"), "050db7b48ee140f768e0"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestIDDependsOnlyOnWhatChangesTheOutputs(t *testing.T) {
	free := []string{"/compute/mode", "/compute/concurrency", "/compute/budget", "/retention/hours"}
	base := id(t, full(t), sampleSource, "5.1")
	seen := map[string]string{base: "nothing"}
	expect := func(what, got string) {
		t.Helper()
		previous, taken := seen[got]
		switch {
		case slices.Contains(free, what):
			if got != base {
				t.Errorf("the ID changes with %s", what)
			}
		case taken:
			t.Errorf("a change of %s gives the same ID as a change of %s", what, previous)
		}
		seen[got] = what
	}
	var leaves int
	for i := range leavesOf(t, new(full(t))) {
		r := full(t) // a new one for each leaf: leaves share memory with the request
		leaf := leavesOf(t, &r)[i]
		change(t, leaf.value)
		expect(leaf.pointer, id(t, r, sampleSource, "5.1"))
		leaves++
	}
	if leaves < 15 {
		t.Errorf("found %d fields, want at least 15: the request is not visited", leaves)
	}
	for i, src := range []film.Source{
		{URL: "s3://b/in/film.mk", Size: sampleSource.Size, Version: sampleSource.Version},
		{URL: sampleSource.URL, Size: sampleSource.Size + 1, Version: sampleSource.Version},
		{URL: sampleSource.URL, Size: sampleSource.Size, Version: `"abd"`},
	} {
		expect(fmt.Sprintf("source %d", i), id(t, full(t), src, "5.1"))
	}
	for _, digest := range []string{"a", "b"} { // of an overlay
		src := sampleSource
		src.Files = []film.File{{URL: "s3://b/in/logo.png", Digest: digest}}
		expect("the content of a file "+digest, id(t, full(t), src, "5.1"))
	}
	for _, version := range []string{"a", "b"} { // of a source that is joined to the first
		src := sampleSource
		src.Joined = []film.JoinedSource{{Source: sampleSource}, {Source: film.Source{URL: "s3://b/in/more.mp4", Version: version}}}
		expect("the version of a joined source "+version, id(t, full(t), src, "5.1"))
	}
	expect("the encoder", id(t, full(t), sampleSource, "5.1.7"))

	// What probing finds follows from the source's bytes.
	probed := sampleSource
	probed.Demuxer, probed.Duration, probed.Audio = "mov", 7, []film.AudioTrack{{Codec: "aac"}}
	if got := id(t, full(t), probed, "5.1"); got != base {
		t.Errorf("the ID changes with what probing found")
	}
}

// leaf is a field of a request.
type leaf struct {
	pointer string
	value   reflect.Value
}

// leavesOf lists the settable fields of a request.
func leavesOf(t *testing.T, r *film.Request) (list []leaf) {
	t.Helper()
	var visit func(at string, v reflect.Value)
	visit = func(at string, v reflect.Value) {
		switch v.Kind() {
		case reflect.Pointer:
			visit(at, v.Elem())
		case reflect.Slice:
			if v.Len() == 0 {
				t.Fatalf("%s is empty; set it in full", at)
			}
			for i := range v.Len() {
				visit(fmt.Sprintf("%s/%d", at, i), v.Index(i))
			}
		case reflect.Struct:
			for f, inner := range v.Fields() {
				name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
				visit(at+"/"+name, inner)
			}
		default:
			if v.IsZero() {
				t.Fatalf("%s is zero; set it in full", at)
			}
			list = append(list, leaf{at, v})
		}
	}
	visit("", reflect.ValueOf(r))
	return list
}

// change sets v to another value.
func change(t *testing.T, v reflect.Value) {
	t.Helper()
	switch v.Kind() {
	case reflect.String:
		v.SetString(v.String() + "x")
	case reflect.Bool:
		v.SetBool(!v.Bool())
	case reflect.Int, reflect.Int64:
		v.SetInt(v.Int() + 1)
	case reflect.Float64:
		v.SetFloat(v.Float() + 1)
	default:
		t.Fatalf("cannot change a %v", v.Type())
	}
}

func TestJobRoundTripsThroughJSON(t *testing.T) {
	want := film.Job{
		ID: jobID, Request: full(t), Encoder: "5.1", Split: true, Segments: 3,
		Source: film.Source{
			URL: "/in", Size: 1, Version: "v", Demuxer: "mov", Duration: 5,
			Origin: media.Instant{Ticks: -3, Timebase: media.Microseconds},
			Video:  &film.VideoTrack{Timebase: media.Microseconds, Start: -3, End: 9, Frames: 2, Width: 4, Height: 2, Rotation: 90},
			Audio: []film.AudioTrack{
				{Stream: 1, Codec: "aac", SampleRate: 48000, Channels: 2, Timebase: media.Microseconds, Language: "deu"},
			},
		},
		Renditions:      []film.Rendition{{Codec: film.H264, CRF: 0, Preset: "medium"}},
		AudioRenditions: []film.AudioRendition{{Codec: film.AAC, Bitrate: 160_001, Mux: film.MP4}},
		Outputs:         []film.OutputPlan{{Name: "a", File: "a.mp4", Container: film.MP4, Audio: []int{0}}},
	}
	data, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got film.Job
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
