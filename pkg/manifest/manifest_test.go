package manifest

import (
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/Eyevinn/dash-mpd/mpd"
	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
	"pgregory.net/rapid"

	"github.com/mapreel/mapreel/pkg/fault"
)

var update = flag.Bool("update", false, "rewrite the expected manifests in testdata")

// Each file of testdata holds a package as JSON and the manifests that describe it.
func TestManifestsOfPackages(t *testing.T) {
	paths, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(paths) == 0 {
		t.Fatalf("no testdata: %v", err)
	}
	for _, file := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) {
			archive, err := txtar.ParseFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var p Package
			decoder := json.NewDecoder(strings.NewReader(string(archive.Files[0].Data)))
			decoder.DisallowUnknownFields()
			if err := decoder.Decode(&p); err != nil {
				t.Fatal(err)
			}
			files, err := HLS(p, "film.m3u8")
			if err != nil {
				t.Fatal(err)
			}
			text, err := DASH(p, "film.mpd")
			if err != nil {
				t.Fatal(err)
			}
			got := archive.Files[:1:1]
			for _, f := range append(files, File{"film.mpd", text + "\n"}) {
				got = append(got, txtar.File{Name: f.Path, Data: []byte(f.Text)})
			}
			if *update {
				archive.Files = got
				if err := os.WriteFile(file, txtar.Format(archive), 0o666); err != nil {
					t.Fatal(err)
				}
			}
			if diff := cmp.Diff(string(txtar.Format(&txtar.Archive{Files: archive.Files})), string(txtar.Format(&txtar.Archive{Files: got}))); diff != "" {
				t.Errorf("manifests differ: -want +got\n%s", diff)
			}
			if err := Check(folder(p, files), "film.m3u8"); err != nil {
				t.Errorf("Check reports:\n%v", err)
			}
		})
	}
}

// folder returns a package's files. They contain only the bytes that Check reads; the rest are
// zeros.
func folder(p Package, playlists []File) fstest.MapFS {
	out := fstest.MapFS{}
	put := func(r Resource, head string) {
		f := out[r.Path]
		if f == nil {
			f = &fstest.MapFile{}
			out[r.Path] = f
		}
		if missing := r.Offset + r.Size - int64(len(f.Data)); missing > 0 {
			f.Data = append(f.Data, make([]byte, missing)...)
		}
		copy(f.Data[r.Offset:], head)
	}
	for r := range p.all {
		put(r.Init, "\x00\x00\x00\x18ftyp")
		if r.Index.Part {
			put(r.Index, "\x00\x00\x00\x18sidx")
		}
		for _, s := range r.Segments {
			put(s.Resource, "\x00\x00\x00\x18moof")
		}
	}
	for _, v := range p.iFrames() {
		if len(v.Keyframes) > 0 {
			put(v.Init, "\x00\x00\x00\x18ftyp")
		}
		for _, k := range v.Keyframes {
			put(k.Resource, "\x00\x00\x00\x18moof")
		}
	}
	for _, s := range p.Subtitles {
		put(s.File, "WEBVTT\n\n")
	}
	for _, f := range playlists {
		out[f.Path] = &fstest.MapFile{Data: []byte(f.Text)}
	}
	return out
}

// filmPackage returns a package with a ladder of two rungs, two languages and subtitles.
func filmPackage() Package {
	const segments = 3
	rendition := func(name, codecs string, timescale uint32, size int64) Rendition {
		r := Rendition{
			Name: name, Playlist: name + ".m3u8", Codecs: codecs, Timescale: timescale, Start: 10 * int64(timescale),
			Init: Resource{Path: name + "/init.mp4", Size: 700},
		}
		for n := range int64(segments) {
			r.Segments = append(r.Segments, Segment{Resource{Path: fmt.Sprintf("%s/%05d.m4s", name, n+1), Size: size + n*100}, 4 * int64(timescale), 0})
		}
		return r
	}
	p := Package{MediaTimeOffset: 10}
	for _, rung := range []struct {
		name          string
		width, height int
		size          int64
	}{{"video-720p", 1280, 720, 900_000}, {"video-360p", 640, 360, 200_000}} {
		v := Video{
			Rendition: rendition(rung.name, "avc1.640028", 12800, rung.size), Width: rung.width, Height: rung.height, FrameRate: Ratio{25, 1},
			IFrames: rung.name + "-iframes.m3u8",
		}
		for n, s := range v.Segments {
			v.Keyframes = append(v.Keyframes, Keyframe{v.Start + int64(n)*4*12800, Resource{Path: s.Path, Size: s.Size / 10}})
		}
		p.Video = append(p.Video, v)
	}
	for _, language := range []string{"eng", "ger"} {
		p.Audio = append(p.Audio, Audio{
			Rendition: rendition("audio-"+language, "mp4a.40.2", 48000, 64_000), Language: language, Channels: 2, SampleRate: 48000, Default: language == "eng",
		})
	}
	p.Subtitles = []Subtitle{{Name: "text-eng", Playlist: "text-eng.m3u8", File: Resource{Path: "text-eng.vtt", Size: 2000}, Language: "eng"}}
	return p
}

func TestCheckReportsEachViolation(t *testing.T) {
	for name, c := range map[string]struct {
		damage func(*Package, map[string]*string, fstest.MapFS)
		want   string
	}{
		"nothing": {func(*Package, map[string]*string, fstest.MapFS) {}, ""},
		"no independent segments": {func(_ *Package, text map[string]*string, _ fstest.MapFS) {
			*text["film.m3u8"] = strings.Replace(*text["film.m3u8"], "#EXT-X-INDEPENDENT-SEGMENTS\n", "", 1)
		}, "no EXT-X-INDEPENDENT-SEGMENTS"},
		"no codecs": {func(_ *Package, text map[string]*string, _ fstest.MapFS) {
			*text["film.m3u8"] = strings.ReplaceAll(*text["film.m3u8"], `,CODECS="avc1.640028,mp4a.40.2"`, "")
		}, "no CODECS"},
		"a target duration that is too short": {func(_ *Package, text map[string]*string, _ fstest.MapFS) {
			*text["video-720p.m3u8"] = strings.Replace(*text["video-720p.m3u8"], "TARGETDURATION:4", "TARGETDURATION:3", 1)
		}, "longer than the target of 3"},
		"rungs that are not aligned": {func(_ *Package, text map[string]*string, _ fstest.MapFS) {
			*text["video-360p.m3u8"] = strings.Replace(*text["video-360p.m3u8"], "EXTINF:4.000000", "EXTINF:3.960000", 1)
		}, "segment 2 starts -40000 µs from that of video-720p.m3u8"},
		"a rung that lacks a segment": {func(_ *Package, text map[string]*string, _ fstest.MapFS) {
			*text["video-360p.m3u8"] = strings.Replace(*text["video-360p.m3u8"], "#EXTINF:4.000000,\nvideo-360p/00003.m4s\n", "", 1)
		}, "2 segments, but video-720p.m3u8 has 3"},
		"a declared bandwidth that is too low": {func(_ *Package, text map[string]*string, _ fstest.MapFS) {
			*text["film.m3u8"] = strings.Replace(*text["film.m3u8"], "BANDWIDTH=19", "BANDWIDTH=9", 1)
		}, "the peak is"},
		"an average above the peak": {func(_ *Package, text map[string]*string, _ fstest.MapFS) {
			*text["film.m3u8"] = strings.Replace(*text["film.m3u8"], "AVERAGE-BANDWIDTH=", "AVERAGE-BANDWIDTH=9", 1)
		}, "above BANDWIDTH"},
		"a group that does not exist": {func(_ *Package, text map[string]*string, _ fstest.MapFS) {
			*text["film.m3u8"] = strings.Replace(*text["film.m3u8"], `,AUDIO="audio"`, `,AUDIO="other"`, 1)
		}, `no AUDIO group "other"`},
		"two defaults": {func(_ *Package, text map[string]*string, _ fstest.MapFS) {
			*text["film.m3u8"] = strings.Replace(*text["film.m3u8"], "DEFAULT=NO", "DEFAULT=YES", 1)
		}, "has a second default"},
		"a missing file": {func(_ *Package, _ map[string]*string, files fstest.MapFS) { delete(files, "video-720p/00002.m4s") }, "no file video-720p/00002.m4s"},
		"a segment that is an HTML page": {func(_ *Package, _ map[string]*string, files fstest.MapFS) {
			copy(files["audio-eng/00001.m4s"].Data, "<html>..")
		}, `starts with "<html>.."`},
		"a keyframe's range beyond the file's end": {func(_ *Package, text map[string]*string, _ fstest.MapFS) {
			*text["video-720p-iframes.m3u8"] = strings.Replace(*text["video-720p-iframes.m3u8"], "BYTERANGE:90000@0", "BYTERANGE:990000@0", 1)
		}, "which has 900000"},
		"no I-frame playlist": {func(_ *Package, text map[string]*string, _ fstest.MapFS) {
			lines := strings.SplitAfter(*text["film.m3u8"], "\n")
			lines = slices.DeleteFunc(lines, func(l string) bool { return strings.Contains(l, "I-FRAME") })
			*text["film.m3u8"] = strings.Join(lines, "")
		}, "no I-frame playlist"},
		"no end of the list": {func(_ *Package, text map[string]*string, _ fstest.MapFS) {
			*text["audio-ger.m3u8"] = strings.Replace(*text["audio-ger.m3u8"], "#EXT-X-ENDLIST\n", "", 1)
		}, "no EXT-X-ENDLIST"},
		"a path out of the package": {func(_ *Package, text map[string]*string, _ fstest.MapFS) {
			*text["audio-ger.m3u8"] = strings.Replace(*text["audio-ger.m3u8"], "audio-ger/00001.m4s", "../../etc/passwd", 1)
		}, "leads out of the package"},
		"a file that is not a playlist": {func(_ *Package, _ map[string]*string, files fstest.MapFS) {
			files["film.m3u8"] = &fstest.MapFile{Data: []byte("nonsense")}
		}, "cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			p := filmPackage()
			texts, err := HLS(p, "film.m3u8")
			if err != nil {
				t.Fatal(err)
			}
			byName := map[string]*string{}
			for i := range texts {
				byName[texts[i].Path] = &texts[i].Text
			}
			before := folder(p, texts)
			files := folder(p, texts)
			c.damage(&p, byName, files)
			for _, f := range texts {
				if string(before[f.Path].Data) != f.Text {
					files[f.Path] = &fstest.MapFile{Data: []byte(f.Text)}
				}
			}
			err = Check(files, "film.m3u8")
			if c.want == "" {
				if err != nil {
					t.Errorf("reports\n%v\nfor a correct package", err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.want) || fault.KindOf(err) != fault.Corrupt {
				t.Errorf("got %v\nwant %q", err, c.want)
			}
		})
	}
}

func TestPackagesThatCannotBeDescribedAreRefused(t *testing.T) {
	for name, change := range map[string]func(*Package){
		"empty":                    func(p *Package) { *p = Package{} },
		"no segments":              func(p *Package) { p.Video[0].Segments = nil },
		"no codec":                 func(p *Package) { p.Audio[0].Codecs = "" },
		"a name used twice":        func(p *Package) { p.Video[1].Name = p.Video[0].Name },
		"a name with a space":      func(p *Package) { p.Video[1].Name = "a b" },
		"an absolute path":         func(p *Package) { p.Video[0].Segments[0].Path = "/etc/passwd" },
		"a path out of it":         func(p *Package) { p.Audio[0].Playlist = "../a.m3u8" },
		"a segment of 0 ticks":     func(p *Package) { p.Audio[0].Segments[1].Duration = 0 },
		"keyframes out of order":   func(p *Package) { p.Video[0].Keyframes[1].Start = p.Video[0].Keyframes[0].Start },
		"an index of another file": func(p *Package) { p.Video[0].Index = Resource{Path: "x.mp4", Size: 9, Part: true} },
		"no width":                 func(p *Package) { p.Video[0].Width = 0 },
	} {
		p := filmPackage()
		change(&p)
		if _, err := HLS(p, "film.m3u8"); fault.KindOf(err) != fault.Internal {
			t.Errorf("%s: HLS gives %v", name, err)
		}
		if _, err := DASH(p, "film.mpd"); fault.KindOf(err) != fault.Internal {
			t.Errorf("%s: DASH gives %v", name, err)
		}
	}
}

func TestPeakIsTheHighestRateOfAnyWindow(t *testing.T) {
	second := int64(1_000_000_000)
	for name, c := range map[string]struct {
		spans []span
		want  int64
	}{
		"one span":                         {[]span{{4 * second, 1000}}, 2000},
		"the highest of equal lengths":     {[]span{{4 * second, 1000}, {4 * second, 2000}, {4 * second, 500}}, 4000},
		"a short span joins its neighbour": {[]span{{4 * second, 1000}, {second, 1000}, {4 * second, 1000}}, 3200},
		"half the target counts":           {[]span{{4 * second, 1000}, {2 * second, 1000}}, 4000},
		"no span is long enough":           {[]span{{second, 1000}}, 8000},
	} {
		if got := peak(c.spans, 4); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

func TestFrameRatesFollowFromTheFramesOfEachSegment(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		declared         Ratio
		frames           []int // of the segments, 4 s each
		average, highest Ratio
	}{
		"unknown":                 {Ratio{}, nil, Ratio{}, Ratio{}},
		"frames unknown":          {Ratio{30000, 1001}, nil, Ratio{30000, 1001}, Ratio{30000, 1001}},
		"some frames unknown":     {Ratio{24, 1}, []int{0, 96, 96}, Ratio{24, 1}, Ratio{24, 1}},
		"constant":                {Ratio{25, 1}, []int{100, 100, 100}, Ratio{25, 1}, Ratio{25, 1}},
		"constant but for a tick": {Ratio{24000, 1001}, []int{96, 96, 96}, Ratio{24000, 1001}, Ratio{24000, 1001}},
		"not declared":            {Ratio{}, []int{96, 96, 96}, Ratio{24, 1}, Ratio{24, 1}},
		"variable":                {Ratio{25, 1}, []int{40, 240, 20}, Ratio{25, 1}, Ratio{60000, 1000}},
		"declared as the highest": {Ratio{60, 1}, []int{40, 240, 20}, Ratio{25, 1}, Ratio{60000, 1000}},
	} {
		v := filmPackage().Video[0]
		v.FrameRate = c.declared
		for i, n := range c.frames {
			v.Segments[i].Frames = n
		}
		if got := v.averageRate(); got != c.average {
			t.Errorf("%s: average rate %v, want %v", name, got, c.average)
		}
		if got := v.highestRate(4); got != c.highest {
			t.Errorf("%s: highest rate %v, want %v", name, got, c.highest)
		}
	}
}

func TestLanguageTagsAreTheShortestCodes(t *testing.T) {
	for code, want := range map[string]string{"ger": "de", "deu": "de", "eng": "en", "und": "", "": "", "gsw": "gsw", "pt-BR": "pt-BR", "x!": ""} {
		if got := tag(code); got != want {
			t.Errorf("%q is %q, want %q", code, got, want)
		}
	}
}

func TestReferencesLeadToTheirFiles(t *testing.T) {
	for _, c := range [][3]string{
		{"film.m3u8", "a/b.m4s", "a/b.m4s"},
		{"a/video.m3u8", "a/b.m4s", "b.m4s"},
		{"a/x/video.m3u8", "a/y/b.m4s", "../y/b.m4s"},
		{"film.m3u8", "a b/ü#?.m4s", "a%20b/%C3%BC%23%3F.m4s"},
		{"film.m3u8", "a:b.m4s", "./a:b.m4s"},
	} {
		if got := uri(c[0], c[1]); got != c[2] {
			t.Errorf("from %s to %s: %s, want %s", c[0], c[1], got, c[2])
		}
	}
}

// For any segments, HLS and DASH declare the same times, which differ from the segments' only by
// rounding.
func TestManifestsDeclareTheSegmentsTimes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p := filmPackage()
		p.Subtitles = nil
		timescale := rapid.Uint32Range(1000, 100_000).Draw(t, "timescale")
		single := rapid.Bool().Draw(t, "single file")
		var durations []int64
		for range rapid.IntRange(1, 40).Draw(t, "segments") {
			durations = append(durations, int64(timescale)*2+rapid.Int64Range(0, int64(timescale)*4).Draw(t, "more"))
		}
		for i := range p.Video {
			v := &p.Video[i]
			v.Timescale, v.Start, v.Segments, v.Keyframes = timescale, 10*int64(timescale), nil, nil
			at := int64(800)
			if single {
				v.Index = Resource{Path: v.Name + ".mp4", Offset: 700, Size: 100, Part: true}
				v.Init = Resource{Path: v.Name + ".mp4", Size: 700, Part: true}
			}
			start := v.Start
			for n, d := range durations {
				size := rapid.Int64Range(100, 2000).Draw(t, "size")
				r := Resource{Path: fmt.Sprintf("%s/%d.m4s", v.Name, n+1), Size: size}
				if single {
					r = Resource{Path: v.Name + ".mp4", Offset: at, Size: size, Part: true}
				}
				v.Segments = append(v.Segments, Segment{r, d, 0})
				r.Size = size / 2
				v.Keyframes = append(v.Keyframes, Keyframe{start, r})
				start += d
				at += size
			}
		}
		for i := range p.Audio {
			a := &p.Audio[i]
			a.Segments = a.Segments[:1]
			a.Segments[0].Size = 500
		}
		files, err := HLS(p, "x/film.m3u8")
		if err != nil {
			t.Fatal(err)
		}
		if err := Check(folder(p, files), "x/film.m3u8"); err != nil {
			t.Fatalf("Check reports\n%v\nfor %v", err, files)
		}
		var sum float64
		var n int
		for line := range strings.Lines(files[0].Text) {
			var d float64
			if c, _ := fmt.Sscanf(line, "#EXTINF:%f,", &d); c == 1 {
				sum += d
				want := float64(sumOf(durations[:n+1])) / float64(timescale)
				if n++; math.Abs(sum-want) > 1.1e-6 {
					t.Fatalf("segment %d ends at %f, want %f", n, sum, want)
				}
			}
		}
		text, err := DASH(p, "x/film.mpd")
		if err != nil {
			t.Fatal(err)
		}
		m, err := mpd.ReadFromString(text)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		r := m.Periods[0].AdaptationSets[0].Representations[0]
		if single {
			if got, want := r.SegmentBase.Initialization.Range+" "+r.SegmentBase.IndexRange, "0-699 700-799"; got != want {
				t.Fatalf("SegmentBase names %s, want %s", got, want)
			}
			return
		}
		line, offset := r.SegmentTemplate.SegmentTimeline, r.SegmentTemplate.PresentationTimeOffset
		var got []int64
		for _, s := range line.S {
			for range s.R + 1 {
				got = append(got, int64(s.D))
			}
		}
		if !slices.Equal(got, durations) || *line.S[0].T-*offset != 0 {
			t.Fatalf("the timeline declares durations %v from %d, want %v", got, *line.S[0].T-*offset, durations)
		}
	})
}

func sumOf(list []int64) (sum int64) {
	for _, v := range list {
		sum += v
	}
	return sum
}

func FuzzParsePlaylist(f *testing.F) {
	texts, err := HLS(filmPackage(), "film.m3u8")
	if err != nil {
		f.Fatal(err)
	}
	for _, t := range texts {
		f.Add(t.Text)
	}
	f.Add("#EXTM3U\n#EXTINF:1,\n#EXT-X-BYTERANGE:5\na\n")
	f.Fuzz(func(_ *testing.T, text string) { _, _ = parsePlaylist(text) })
}
