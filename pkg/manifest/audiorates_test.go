package manifest

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// ratesPackage returns a package with a ladder of so many rungs, each from the lowest, and audio at so many rates.
func ratesPackage(rungs, rates int, codecs ...string) Package {
	p := filmPackage()
	video, audio := p.Video[0], p.Audio[0]
	p.Video, p.Audio = nil, nil
	for _, codec := range codecs {
		for n := range rungs {
			v := video
			v.Name, v.Codecs, v.Height, v.Width = fmt.Sprintf("%s-%d", codec[:4], n), codec, 100*(n+1), 200*(n+1)
			p.Video = append(p.Video, v)
		}
	}
	for n := range rates {
		a := audio
		a.Name, a.Group = fmt.Sprintf("audio-%d", n), fmt.Sprintf("sound-%d", n)
		a.Playlist = a.Name + ".m3u8"
		p.Audio, p.AudioRates = append(p.Audio, a), append(p.AudioRates, a.Group)
	}
	return p
}

func TestLowRungsHaveLowRatesOfAudio(t *testing.T) {
	t.Parallel()
	const avc, hevc = "avc1.640028", "hvc1.2.4.L93.B0"
	mixed := ratesPackage(2, 2, avc)
	other := mixed.Audio[0]
	other.Name, other.Group = "other", "mixed"
	mixed.Audio = append([]Audio{other}, mixed.Audio...)
	for name, c := range map[string]struct {
		p    Package
		want string
	}{
		"as many rungs":            {ratesPackage(3, 3, avc), "avc1-0 sound-0, avc1-1 sound-1, avc1-2 sound-2"},
		"more rungs":               {ratesPackage(5, 2, avc), "avc1-0 sound-0, avc1-1 sound-0, avc1-2 sound-1, avc1-3 sound-1, avc1-4 sound-1"},
		"fewer rungs":              {ratesPackage(2, 3, avc), "avc1-0 sound-1, avc1-0 sound-0, avc1-1 sound-2"},
		"one rung":                 {ratesPackage(1, 3, avc), "avc1-0 sound-2, avc1-0 sound-1, avc1-0 sound-0"},
		"a ladder for each codec":  {ratesPackage(2, 2, avc, hevc), "avc1-0 sound-0, avc1-1 sound-1, hvc1-0 sound-0, hvc1-1 sound-1"},
		"no video":                 {ratesPackage(0, 2, avc), " sound-1,  sound-0"},
		"beside a group of mixes":  {mixed, "avc1-0 mixed, avc1-1 mixed, avc1-0 sound-0, avc1-1 sound-1"},
		"one rate, thus no groups": {filmPackage(), "video-720p audio, video-360p audio"},
	} {
		var got []string
		for _, pair := range c.p.pairs(c.p.groups()) {
			video := ""
			if pair.video != nil {
				video = pair.video.Name
			}
			got = append(got, video+" "+pair.group.id)
		}
		if diff := cmp.Diff(c.want, strings.Join(got, ", ")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

func TestCheckReportsRatesThatAreNotAligned(t *testing.T) {
	t.Parallel()
	p := ratesPackage(2, 2, "avc1.640028")
	for i := range p.Video {
		p.Video[i].Playlist, p.Video[i].IFrames = p.Video[i].Name+".m3u8", p.Video[i].Name+"-iframes.m3u8"
	}
	check := func() error {
		files, err := HLS(p, "film.m3u8")
		if err != nil {
			t.Fatal(err)
		}
		return Check(folder(p, files), "film.m3u8")
	}
	if err := check(); err != nil {
		t.Fatal(err)
	}
	segments := append([]Segment(nil), p.Audio[1].Segments...)
	segments[0].Duration -= 4800
	segments[1].Duration += 4800
	p.Audio[1].Segments = segments
	if err := check(); err == nil || !strings.Contains(err.Error(), "segment 2 starts -100000 µs from that of group sound-") {
		t.Errorf("segments that begin 0.1 s earlier: %v", err)
	}
}
