package probe

import (
	"strings"
	"testing"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/media"
)

func TestAnOldFFprobeIsRefused(t *testing.T) {
	for version, accepted := range map[string]bool{"5.1.9-0+deb12u1": true, "7.1": true, "4.4.2": false, "": false} {
		_, err := parseStreams([]byte(`{"program_version":{"version":"` + version + `"}}`))
		if accepted != (err == nil) || err != nil && (fault.KindOf(err) != fault.Unsupported || !strings.Contains(fault.HintOf(err), "install")) {
			t.Errorf("%q: error %v of kind %q with hint %q", version, err, fault.KindOf(err), fault.HintOf(err))
		}
	}
}

func FuzzProbe(f *testing.F) {
	f.Add([]byte(`{"program_version":{"version":"5.1.9"},"streams":[{"index":0,"codec_type":"video","time_base":"1/12800","start_pts":-512,"side_data_list":[{"side_data_type":"Display Matrix","rotation":-90},` +
		`{"side_data_type":"Mastering display metadata","red_x":"35400/50000","red_y":"1/0"}],"tags":{"LANGUAGE":"und"}}],"chapters":[{"start_time":"1","end_time":"0"}],"format":{"duration":"N/A"}}`))
	f.Add([]byte(`{"program_version":{"version":"5.1.9"},"streams":[{"index":0,"codec_type":"audio","sample_rate":"99999999999"}]}`))
	f.Add([]byte(`{"program_version":{"version":"5.1.9"},"streams":[{"side_data_list":[{"side_data_type":"Display Matrix","rotation":"1e400"}]}]}`))
	f.Add([]byte(`{}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		probed, err := parseStreams(text)
		if err != nil {
			if kind := fault.KindOf(err); kind != fault.Corrupt && kind != fault.Unsupported {
				t.Errorf("error %v of kind %q", err, kind)
			}
			return
		}
		if probed.Duration < -1 || probed.Size < -1 {
			t.Errorf("out of range: %+v", probed)
		}
		for _, s := range probed.Streams {
			if s.Timebase != (media.Rational{}) && !s.Timebase.Known() || s.Width < 0 || s.Height < 0 || s.SampleRate < 0 || s.Channels < 0 ||
				s.DurationTS < -1 || s.Rotation%90 != 0 || s.Rotation < 0 || s.Rotation > 270 || s.Index < 0 {
				t.Errorf("out of range: %+v", s)
			}
		}
		for _, c := range probed.Chapters {
			if c.Start > c.End {
				t.Errorf("a chapter ends before it starts: %+v", c)
			}
		}
	})
}

func TestBitDepthIsDerivedFromThePixelFormat(t *testing.T) {
	for format, want := range map[string]int{
		"yuv420p": 8, "yuv420p10le": 10, "yuv422p12be": 12, "gray16le": 16, "p010le": 10, "p216le": 16, "yuvj420p": 8, "nv12": 8, "gbrp9le": 9, "": 0,
		"rgb24": 8, "rgba": 8, "rgb48be": 16, "rgba64be": 16, "bgr48le": 16, "ya16be": 16,
	} {
		if got := bitDepth("", format); got != want {
			t.Errorf("bitDepth(%q) = %d, want %d", format, got, want)
		}
	}
}
