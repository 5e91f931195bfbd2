package preview_test

import (
	"context"
	"encoding/json"
	"fmt"
	"image"
	_ "image/jpeg"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/mapreel/mapreel/pkg/engine"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/kinds"
	"github.com/mapreel/mapreel/pkg/local"
	"github.com/mapreel/mapreel/pkg/preview"
)

// source makes a film in which each frame is grey, and differs from its neighbours: its brightness says which one it is. filter
// changes the frames, args are the encoder's.
func source(t *testing.T, name, filter string, args ...string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	graph := "color=gray:size=96x56:rate=24:duration=5,format=gray,geq=lum='40+mod(N*37\\,160)',format=yuv420p" + filter
	command := append([]string{"-v", "error", "-nostdin", "-f", "lavfi", "-i", graph}, args...)
	if out, err := exec.CommandContext(t.Context(), "ffmpeg", append(command, "file:"+path)...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return path
}

// rotated returns a copy of a film that players turn by 90 degrees.
func rotated(t *testing.T, path string) string {
	t.Helper()
	to := filepath.Join(t.TempDir(), "rotated.mp4")
	out, err := exec.CommandContext(t.Context(), "ffmpeg", "-v", "error", "-nostdin", "-i", "file:"+path, "-c", "copy", "-metadata:s:v", "rotate=90", "file:"+to).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return to
}

var x264 = []string{"-c:v", "libx264", "-preset", "ultrafast", "-crf", "10", "-g", "30", "-bf", "2"}

// frame is a frame of a film: when it is shown, in seconds from the first, and how bright it is.
type frame struct {
	at   float64
	luma byte
	key  bool
}

// framesOf returns the frames of a film, as ffprobe and ffmpeg report them.
func framesOf(t *testing.T, path string) []frame {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries", "frame=key_frame,best_effort_timestamp_time",
		"-of", "csv=p=0", "file:"+path).Output()
	if err != nil {
		t.Fatal(err)
	}
	bright := lumaOf(t, path)
	var frames []frame
	for i, line := range strings.Fields(string(out)) {
		fields := strings.Split(line, ",") // and, of some frames, side data
		at, err := strconv.ParseFloat(fields[1], 64)
		if err != nil {
			t.Fatal(err)
		}
		frames = append(frames, frame{at, bright[i], fields[0] == "1"})
	}
	first := frames[0].at
	for i := range frames {
		frames[i].at -= first
	}
	return frames
}

// lumaOf returns the brightness of the frames of a film, after a filter.
func lumaOf(t *testing.T, path string, filters ...string) []byte {
	t.Helper()
	filters = append(filters, "scale=1:1:flags=area:out_range=pc", "format=gray")
	out, err := exec.CommandContext(t.Context(), "ffmpeg", "-v", "error", "-nostdin", "-i", "file:"+path, "-an", "-vf", strings.Join(filters, ","),
		"-fps_mode", "passthrough", "-f", "rawvideo", "-").Output()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// run makes previews, and returns the folder that has them and the document.
func run(ctx context.Context, t *testing.T, source, scratch string, segment time.Duration, observe func(local.Event), outputs ...film.Output) (string, preview.Document, error) {
	t.Helper()
	dir := t.TempDir()
	for i := range outputs {
		outputs[i].Name = "out"
	}
	request, err := json.Marshal(film.Request{
		Source: source, Destination: dir, Outputs: outputs, Segment: film.Segmenting{Seconds: film.Seconds(segment)},
	})
	if err != nil {
		t.Fatal(err)
	}
	tools, err := ffmpeg.Find(ctx, ffmpeg.FindOptions{})
	if err != nil {
		t.Fatal(err)
	}
	_, err = local.Run(ctx, request, local.Options{Scratch: scratch, Registry: kinds.All(tools, kinds.Options{}), Jobs: 2, Observe: observe})
	var d preview.Document
	if err != nil {
		return dir, d, err
	}
	data, err := os.ReadFile(filepath.Join(dir, "out.preview.json"))
	if err == nil {
		err = json.Unmarshal(data, &d)
	}
	return dir, d, err
}

func decode(t *testing.T, path string) image.Image {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close() //nolint:errcheck // it was only read
	img, _, err := image.Decode(f)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// brightness returns that of the middle of a picture.
func brightness(img image.Image) int {
	b := img.Bounds()
	r, _, _, _ := img.At(b.Dx()/2, b.Dy()/2).RGBA()
	return int(r >> 8)
}

func TestAStillShowsTheFrameThatIsOnScreen(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		path string
		size image.Point
	}{
		"constant rate":       {source(t, "a.mp4", "", x264...), image.Pt(96, 56)},
		"variable rate":       {source(t, "a.mkv", ",select='if(lt(n\\,48)\\,not(mod(n\\,5))\\,if(lt(n\\,100)\\,eq(n\\,60)\\,1))'", slices.Concat([]string{"-fps_mode", "vfr"}, x264)...), image.Pt(96, 56)},
		"late start, fields":  {source(t, "a.ts", ",setfield=tff", slices.Concat(x264, []string{"-flags", "+ildct+ilme", "-x264opts", "tff=1", "-output_ts_offset", "7.3"})...), image.Pt(96, 56)},
		"anamorphic, rotated": {rotated(t, source(t, "a.mov", ",setsar=4/3", x264...)), image.Pt(42, 96)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			frames := framesOf(t, c.path)
			dir, d, err := run(t.Context(), t, c.path, t.TempDir(), time.Second, nil, film.Output{Container: film.Stills})
			if err != nil {
				t.Fatal(err)
			}
			files := d.Previews[0].Files
			if want := int(math.Ceil(time.Duration(d.Duration).Seconds())); len(files) != want || want < 5 {
				t.Fatalf("%d stills of %v", len(files), time.Duration(d.Duration))
			}
			for k, f := range files {
				if f.Start != film.Seconds(k)*film.Seconds(time.Second) || k > 0 && files[k-1].End != f.Start {
					t.Errorf("still %d is of %v to %v", k, f.Start, f.End)
				}
				shown := frames[0]
				for _, frame := range frames {
					if frame.at <= float64(k)+1e-4 { // ffprobe rounds to microseconds
						shown = frame
					}
				}
				img := decode(t, filepath.Join(dir, f.Path))
				if got := brightness(img); got < int(shown.luma)-6 || got > int(shown.luma)+6 {
					t.Errorf("still %d has brightness %d; the frame at %.3f s has %d", k, got, shown.at, shown.luma)
				}
				if got := img.Bounds().Size(); got != c.size {
					t.Errorf("still %d has %v pixels instead of %v", k, got, c.size)
				}
			}
			if files[len(files)-1].End != d.Duration {
				t.Errorf("the last still is of a time until %v, the film ends at %v", files[len(files)-1].End, d.Duration)
			}
		})
	}
}

func TestPreviewsOfKeyframesDecodeNothingElse(t *testing.T) {
	t.Parallel()
	for name, path := range map[string]string{
		"closed GOPs": source(t, "a.mp4", "", x264...),
		"Matroska":    source(t, "c.mkv", "", x264...),
		"open GOPs":   source(t, "a.mkv", "", slices.Concat(x264, []string{"-x264opts", "open-gop=1:b-pyramid=none"})...),
		"stream":      source(t, "a.ts", "", x264...),
		"h265":        source(t, "b.mkv", "", "-c:v", "libx265", "-preset", "ultrafast", "-x265-params", "keyint=30:min-keyint=30:scenecut=0:log-level=error"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			keys := slices.DeleteFunc(framesOf(t, path), func(f frame) bool { return !f.key })
			if len(keys) != 4 { // at most 30 of 120 frames from one to the next
				t.Fatalf("the source has %d keyframes", len(keys))
			}
			for _, every := range []time.Duration{time.Second, 400 * time.Millisecond} {
				decoded, damage := int64(0), ""
				observe := func(e local.Event) {
					switch {
					case e.Type == engine.Done && strings.HasPrefix(e.Unit, film.VideoKind+"/"):
						decoded += e.Count
					case e.Type == engine.Warning:
						damage += e.Error
					}
				}
				dir, d, err := run(t.Context(), t, path, t.TempDir(), time.Second, observe,
					film.Output{Container: film.Stills, Preview: &film.Preview{Every: film.Seconds(every), Keyframes: true}})
				if err != nil {
					t.Fatal(err)
				}
				if int(decoded) != len(keys) || damage != "" {
					t.Errorf("%d frames were decoded for %d keyframes: %s", decoded, len(keys), damage)
				}
				if want := int(math.Ceil(float64(d.Duration) / float64(every))); len(d.Previews[0].Files) != want {
					t.Errorf("%d stills, want %d", len(d.Previews[0].Files), want)
				}
				for _, f := range d.Previews[0].Files {
					shown := keys[0]
					for _, key := range keys {
						if key.at <= time.Duration(f.Start).Seconds()+1e-4 {
							shown = key
						}
					}
					if got := brightness(decode(t, filepath.Join(dir, f.Path))); got < int(shown.luma)-6 || got > int(shown.luma)+6 {
						t.Errorf("%v: brightness %d; the keyframe at %.3f s has %d", time.Duration(f.Start), got, shown.at, shown.luma)
					}
				}
			}
		})
	}
}

// The encoder refuses timebases of more than a second.
func TestAVIFStillsMayBeSecondsApart(t *testing.T) {
	t.Parallel()
	path := source(t, "a.mp4", "", x264...)
	dir, d, err := run(t.Context(), t, path, t.TempDir(), 10*time.Second, nil,
		film.Output{Container: film.Stills, Preview: &film.Preview{Every: film.Seconds(2 * time.Second), Format: film.AVIF}})
	if err != nil {
		t.Fatal(err)
	}
	if len(d.Previews[0].Files) < 3 {
		t.Errorf("%d stills", len(d.Previews[0].Files))
	}
	frames := framesOf(t, path)
	for i, f := range d.Previews[0].Files {
		var shown frame
		for _, one := range frames {
			if one.at <= float64(2*i)+1e-4 {
				shown = one
			}
		}
		if got := int(lumaOf(t, filepath.Join(dir, f.Path))[0]); got < int(shown.luma)-6 || got > int(shown.luma)+6 {
			t.Errorf("still %d has brightness %d; the frame at %.3f s has %d", i, got, shown.at, shown.luma)
		}
	}
}

func TestStillsAtGivenTimesDecodeTheirSegmentsAlone(t *testing.T) {
	t.Parallel()
	path := source(t, "a.mp4", "", x264...)
	frames := framesOf(t, path)
	times := []film.Seconds{film.Seconds(4900 * time.Millisecond), film.Seconds(40 * time.Millisecond), film.Seconds(1249 * time.Millisecond), film.Seconds(40 * time.Millisecond)}
	units := 0
	dir, d, err := run(t.Context(), t, path, t.TempDir(), time.Second, func(e local.Event) {
		if e.Type == engine.Done && strings.HasPrefix(e.Unit, film.VideoKind+"/") {
			units++
		}
	}, film.Output{Container: film.Stills, Preview: &film.Preview{Times: times}},
		film.Output{Container: film.Stills, Preview: &film.Preview{Times: times[:1], Format: film.AVIF}})
	if err != nil {
		t.Fatal(err)
	}
	still := filepath.Join(dir, d.Previews[1].Files[0].Path)
	if got, want := lumaOf(t, still)[0], brightness(decode(t, filepath.Join(dir, d.Previews[0].Files[2].Path))); int(got) < want-6 || int(got) > want+6 {
		t.Errorf("the AVIF still has brightness %d, the JPEG of the same frame %d", got, want)
	}
	if units != 2 {
		t.Errorf("%d segments were decoded, want the first and the last of 4", units)
	}
	var names []string
	for _, f := range d.Previews[0].Files {
		names = append(names, filepath.Base(f.Path))
		shown := frames[0]
		for _, frame := range frames {
			if frame.at <= time.Duration(f.Start).Seconds()+1e-4 {
				shown = frame
			}
		}
		if got := brightness(decode(t, filepath.Join(dir, f.Path))); got < int(shown.luma)-6 || got > int(shown.luma)+6 {
			t.Errorf("%v: brightness %d; the frame at %.3f s has %d", time.Duration(f.Start), got, shown.at, shown.luma)
		}
	}
	if diff := cmp.Diff([]string{"out-000000040.jpg", "out-000001249.jpg", "out-000004900.jpg"}, names); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	_, _, err = run(t.Context(), t, path, t.TempDir(), time.Second, nil,
		film.Output{Container: film.Stills, Preview: &film.Preview{Times: []film.Seconds{film.Seconds(5 * time.Second)}}})
	if err == nil || !strings.Contains(err.Error(), "no still at 5s: the film is 5s long") {
		t.Errorf("a still after the film's end: %v", err)
	}
}

func TestAnAnimationHasTheFramesOfOnePassWhateverTheSegments(t *testing.T) {
	t.Parallel()
	path := source(t, "a.mp4", ",setpts=PTS*1.03", x264...)
	want := lumaOf(t, path, "setpts=PTS-STARTPTS", "fps=10")
	outputs := func() []film.Output {
		every := film.Preview{Every: film.Seconds(2 * time.Second), Width: 48}
		return []film.Output{{Container: film.GIF, Preview: &every}, {Container: film.Clip, Preview: &every}}
	}
	digests, news := map[string]bool{}, 0
	count := func(e local.Event) {
		var s preview.SliceNews
		if e.Type == preview.NewSlice && json.Unmarshal(e.Detail, &s) == nil && s.End-s.Start == s.Length && strings.HasPrefix(s.Key, "out.preview/") {
			news++
		}
	}
	for _, segment := range []time.Duration{time.Second, 3 * time.Second} {
		dir, d, err := run(t.Context(), t, path, t.TempDir(), segment, count, outputs()...)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range d.Previews {
			var got []byte
			for _, f := range p.Files {
				got = append(got, lumaOf(t, filepath.Join(dir, f.Path))...)
				digests[f.Digest] = true
			}
			if len(got) != len(want) {
				t.Fatalf("segments of %v, %s: %d frames instead of %d", segment, p.Form, len(got), len(want))
			}
			for k := range got {
				// A palette is coarser than the frames, which differ from their neighbours by 37.
				if diff := int(got[k]) - int(want[k]); diff < -14 || diff > 14 {
					t.Errorf("segments of %v, %s: frame %d has brightness %d instead of %d", segment, p.Form, k, got[k], want[k])
				}
			}
		}
	}
	if news != 2*6 {
		t.Errorf("%d announcements of 6 slices in 2 runs", news)
	}
	if len(digests) != 6 { // three files of each
		t.Errorf("the bytes depend on the segments: %d different files instead of 6", len(digests))
	}
}

func TestPreviewsOfAnInterruptedJobHaveTheSameBytes(t *testing.T) {
	t.Parallel()
	path := source(t, "a.mp4", "", x264...)
	outputs := func() []film.Output {
		return []film.Output{
			{Container: film.Sprites, Preview: &film.Preview{Every: film.Seconds(time.Second), Width: 32, Columns: 2, Rows: 1}},
			{Container: film.Stills, Preview: &film.Preview{Archive: true}},
			{Container: film.Poster},
		}
	}
	_, want, err := run(t.Context(), t, path, t.TempDir(), time.Second, nil, outputs()...)
	if err != nil {
		t.Fatal(err)
	}
	scratch := t.TempDir()
	stopped := fmt.Errorf("stopped by the test")
	for _, kind := range []string{film.VideoKind, film.SliceKind} {
		ctx, stop := context.WithCancelCause(t.Context())
		dir, _, err := run(ctx, t, path, scratch, time.Second, func(e local.Event) {
			if e.Type == engine.Done && strings.HasPrefix(e.Unit, kind+"/") {
				stop(stopped)
			}
		}, outputs()...)
		if err == nil {
			t.Fatalf("it was not stopped")
		}
		if _, err := os.Stat(filepath.Join(dir, "out.preview.json")); !os.IsNotExist(err) {
			t.Errorf("the list is there although the job was stopped: %v", err)
		}
	}
	_, got, err := run(t.Context(), t, path, scratch, time.Second, nil, outputs()...)
	if err != nil {
		t.Fatal(err)
	}
	ignorePaths := cmp.FilterPath(func(p cmp.Path) bool {
		return slices.Contains([]string{"Path", "Cues", "Storyboard"}, p.Last().String()[1:])
	}, cmp.Ignore())
	if diff := cmp.Diff(want, got, ignorePaths); diff != "" {
		t.Errorf("(-at once +after interruptions):\n%s", diff)
	}
	if n := len(got.Previews[0].Files); n != 3 {
		t.Errorf("%d sheets of 2 tiles for 5 seconds", n)
	}
}
