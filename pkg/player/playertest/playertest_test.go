package playertest

import (
	"flag"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/mapreel/mapreel/pkg/isobmff"
	"github.com/mapreel/mapreel/pkg/manifest"
)

// The clip has 6 s at 25 frames per second. It is encoded as two segments of a job, each cut into media
// segments of 1 s.
const (
	frames    = 150
	rate      = 25
	timescale = 12800
	lead      = 10
	seconds   = frames / rate
)

func ffmpeg(t testing.TB, args ...string) {
	t.Helper()
	if out, err := exec.Command("ffmpeg", append([]string{"-v", "error", "-nostdin", "-y"}, args...)...).CombinedOutput(); err != nil {
		t.Fatalf("ffmpeg %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// encode encodes as a worker does: into fragments whose timestamps are 10 s later than the source's.
func encode(t testing.TB, out, args string) {
	t.Helper()
	ffmpeg(t, append(strings.Fields(args), "-f", "mp4", "-movflags", "empty_moov+default_base_moof+frag_discont+delay_moov+frag_keyframe",
		"-use_editlist", "0", "-avoid_negative_ts", "disabled", "-output_ts_offset", "10", out)...)
}

// track writes the segments of a worker's files into a package. It returns their rendition and keyframes
// for the playlists.
func track(t testing.TB, folder, name string, single bool, pieces []string, cuts [][]int64, ends []int64) (manifest.Rendition, []manifest.Keyframe) {
	t.Helper()
	r := manifest.Rendition{Name: name, Playlist: name + ".m3u8"}
	var keyframes []manifest.Keyframe
	var all []isobmff.Segment
	var parts []string
	var init []byte
	for n, path := range pieces {
		f, err := os.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		info, _ := f.Stat()
		piece, extents, err := isobmff.ReadFragments(f, info.Size())
		if err != nil {
			t.Fatal(err)
		}
		var payload []io.Reader
		for _, e := range extents {
			payload = append(payload, io.NewSectionReader(f, e.Offset, e.Length))
		}
		end := piece.End()
		if ends != nil {
			end = ends[n]
		}
		stretches, err := piece.Cut(cuts[n], end)
		if err != nil {
			t.Fatal(err)
		}
		delay := int64(0)
		if piece.Track.Handler == "vide" {
			delay = 2 * timescale / rate // frames that are reordered
		}
		if n == 0 {
			if init, err = piece.Track.DelayedInit(delay); err != nil {
				t.Fatal(err)
			}
			if r.Codecs, err = piece.Track.Codecs(); err != nil {
				t.Fatal(err)
			}
			r.Timescale, r.Start = piece.Track.Timescale, stretches[0].Start
		}
		samples := io.MultiReader(payload...)
		for _, stretch := range stretches {
			segment, err := isobmff.NewSegment([]isobmff.SampleRun{stretch}, delay)
			if err != nil {
				t.Fatal(err)
			}
			var file strings.Builder
			if err := segment.Write(&file, samples); err != nil {
				t.Fatal(err)
			}
			all = append(all, segment)
			parts = append(parts, file.String())
		}
		if n+1 < len(pieces) {
			continue
		}
		head := len(init)
		if single {
			sidx, err := piece.Track.Sidx(all)
			if err != nil {
				t.Fatal(err)
			}
			r.Init = manifest.Resource{Path: name + ".mp4", Size: int64(len(init)), Part: true}
			r.Index = manifest.Resource{Path: name + ".mp4", Offset: int64(len(init)), Size: int64(len(sidx)), Part: true}
			head += len(sidx)
			write(t, folder, name+".mp4", string(init)+string(sidx)+strings.Join(parts, ""))
		} else {
			r.Init = manifest.Resource{Path: name + "/init.mp4", Size: int64(len(init))}
			write(t, folder, name+"/init.mp4", string(init))
		}
		at := int64(head)
		for i, s := range all {
			resource := manifest.Resource{Path: fmt.Sprintf("%s/%05d.m4s", name, i+1), Size: s.Bytes}
			if single {
				resource = manifest.Resource{Path: name + ".mp4", Offset: at, Size: s.Bytes, Part: true}
			} else {
				write(t, folder, resource.Path, parts[i])
			}
			r.Segments = append(r.Segments, manifest.Segment{Resource: resource, Duration: s.Duration})
			for _, fragment := range s.Fragments {
				k := resource
				k.Offset, k.Size, k.Part = k.Offset+fragment.Keyframe.Offset, fragment.Keyframe.Length, true
				keyframes = append(keyframes, manifest.Keyframe{Start: fragment.Start, Resource: k})
			}
			at += s.Bytes
		}
	}
	return r, keyframes
}

func write(t testing.TB, folder, name, content string) {
	t.Helper()
	path := filepath.Join(folder, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(content), 0o666); err != nil {
		t.Fatal(err)
	}
}

// makePackage creates a package of two rungs, two audio renditions and subtitles.
func makePackage(t testing.TB, single bool) string {
	t.Helper()
	work, folder := t.TempDir(), t.TempDir()
	p := manifest.Package{MediaTimeOffset: lead}
	tick := func(frame int64) int64 { return lead*timescale + frame*timescale/rate }
	for _, rung := range []struct{ width, height int }{{320, 180}, {160, 90}} {
		name := fmt.Sprintf("video-%dp", rung.height)
		var pieces []string
		for n, at := range []int{0, 75} {
			path := filepath.Join(work, fmt.Sprintf("%s-%d.mp4", name, n))
			encode(t, path, fmt.Sprintf("-f lavfi -i testsrc2=size=%dx%d:rate=%d:duration=%d -vf trim=start_pts=%d:end_pts=%d -copyts -fps_mode passthrough -enc_time_base 1/25 "+
				"-video_track_timescale %d -c:v libx264 -preset veryfast -bf 3 -g 25 -keyint_min 25 -sc_threshold 0 -pix_fmt yuv420p", rung.width, rung.height, rate, seconds, at, at+75, timescale))
			pieces = append(pieces, path)
		}
		r, keyframes := track(t, folder, name, single, pieces, [][]int64{{tick(25), tick(50)}, {tick(100), tick(125)}}, []int64{tick(75), tick(150)})
		p.Video = append(p.Video, manifest.Video{
			Rendition: r, Width: rung.width, Height: rung.height, FrameRate: manifest.Ratio{Num: rate, Den: 1}, Keyframes: keyframes, IFrames: name + "-iframes.m3u8",
		})
	}
	for i, language := range []string{"eng", "deu"} {
		path := filepath.Join(work, language+".mp4")
		encode(t, path, fmt.Sprintf("-f lavfi -i sine=frequency=%d:sample_rate=48000:duration=%d -ac 2 -c:a aac", 440*(i+1), seconds))
		var cuts []int64
		for s := range int64(seconds - 1) {
			cuts = append(cuts, (lead+s+1)*48000)
		}
		r, _ := track(t, folder, "audio-"+language, single, []string{path}, [][]int64{cuts}, nil)
		p.Audio = append(p.Audio, manifest.Audio{Rendition: r, Language: language, Channels: 2, SampleRate: 48000, Default: i == 0})
	}
	subtitles := "WEBVTT\n" + manifest.TimestampMap(lead) + "\n\n00:00:01.000 --> 00:00:02.000\nHello\n"
	write(t, folder, "text-eng.vtt", subtitles)
	p.Subtitles = []manifest.Subtitle{{Name: "text-eng", Playlist: "text-eng.m3u8", File: manifest.Resource{Path: "text-eng.vtt", Size: int64(len(subtitles))}, Language: "eng"}}
	files, err := manifest.HLS(p, "film.m3u8")
	if err != nil {
		t.Fatal(err)
	}
	mpd, err := manifest.DASH(p, "film.mpd")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range append(files, manifest.File{Path: "film.mpd", Text: mpd}) {
		write(t, folder, f.Path, f.Text)
	}
	if err := manifest.Check(os.DirFS(folder), "film.m3u8"); err != nil {
		t.Errorf("Check finds\n%v", err)
	}
	return folder
}

var all = flag.Bool("all", false, "play each kind of package in each player")

func TestPlayersPlayEveryRung(t *testing.T) {
	for name, single := range map[string]bool{"a file for each segment": false, "a file for each rendition": true} {
		t.Run(name, func(t *testing.T) {
			folder := makePackage(t, single)
			for _, playlist := range []string{"film.m3u8", "film.mpd"} {
				t.Run(playlist, func(t *testing.T) {
					if single != (playlist == "film.mpd") && !*all {
						t.Skip("only with -all: make players")
					}
					r := Play(t, folder, playlist, Options{Frames: frames, Duration: seconds})
					if len(r.Rungs) != 2 || r.AudioTracks != 2 || len(r.Seeks) != 5 || len(r.Switches) != 3 {
						t.Errorf("the player reports %+v", r)
					}
					if testing.Verbose() {
						t.Logf("%+v", r)
					}
				})
			}
		})
	}
}

// ffprobe must find the source's frames at the source's times, in the multivariant playlist and in the
// MPD.
func TestFfprobeFindsTheFramesOfTheSource(t *testing.T) {
	folder := makePackage(t, false)
	for _, playlist := range []string{"film.m3u8", "film.mpd", "video-180p.m3u8"} {
		// libavformat refuses a .vtt in an MPD unless all extensions are allowed.
		allowed := []string{}
		if strings.HasSuffix(playlist, ".mpd") {
			allowed = []string{"-allowed_extensions", "ALL"}
		}
		args := append(allowed, "-v", "error", "-select_streams", "v:0", "-show_entries", "frame=pts_time", "-of", "csv=p=0", filepath.Join(folder, playlist))
		cmd := exec.Command("ffprobe", args...)
		var stderr strings.Builder
		cmd.Stderr = &stderr
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("ffprobe of %s: %v\n%s", playlist, err, stderr.String())
		}
		var times []float64
		for field := range strings.FieldsFuncSeq(string(out), func(r rune) bool { return r == '\n' || r == ',' }) {
			at, err := strconv.ParseFloat(field, 64)
			if err != nil {
				t.Fatal(err)
			}
			times = append(times, at)
		}
		slices.Sort(times)
		if len(times) != frames {
			t.Fatalf("%s has %d frames, want %d", playlist, len(times), frames)
		}
		for n, at := range times {
			if want := lead + float64(n)/rate; math.Abs(at-want) > 2e-5 {
				t.Fatalf("%s: frame %d at %f, want %f", playlist, n, at, want)
			}
		}
	}
}

func TestCheckNamesEveryProblem(t *testing.T) {
	good := Played{Rung: "320x180", Size: "320x180", Ended: true, Duration: 6, Frames: 150}
	for want, change := range map[string]func(*Report){
		"":                   func(*Report) {},
		"stalled 2 times":    func(r *Report) { r.Plays[0].Stalls = 2 },
		"did not end":        func(r *Report) { r.Plays[0].Ended = false },
		"has gaps":           func(r *Report) { r.Plays[0].Gaps = 1 },
		"jumped 1 times":     func(r *Report) { r.Plays[0].Jumps = 1 },
		"has 149 frames":     func(r *Report) { r.Plays[0].Frames = 149 },
		"showed 160x90":      func(r *Report) { r.Plays[0].Size = "160x90" },
		"starts at 0.100":    func(r *Report) { r.Plays[0].Start = 0.1 },
		"lasts 7.000":        func(r *Report) { r.Plays[0].Duration = 7 },
		"no switch to 1x1":   func(r *Report) { r.Switches = []Switch{{To: "1x1"}} },
		"seek to 3.000":      func(r *Report) { r.Seeks = []Seek{{Target: 3, Arrived: true}} },
		"nothing was played": func(r *Report) { r.Plays = nil },
		"hls.js: boom":       func(r *Report) { r.Problems = []string{"hls.js: boom"} },
	} {
		r := Report{Plays: []Played{good}}
		change(&r)
		got := strings.Join(check(r, Options{Frames: 150, Duration: 6}), "\n")
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
