package encode

import (
	"math"
	"slices"
	"strings"
	"testing"
)

func TestQualityIsReadFromTheFilters(t *testing.T) {
	t.Parallel()
	text := "frame:0    pts:0       pts_time:0\nlavfi.ssim.All=0.991000\nframe:1    pts:1       pts_time:0.04\nlavfi.ssim.All=0.971000\n"
	g := &ssimGauge{}
	for part := range slices.Chunk([]byte(text), 7) {
		if _, err := g.Write(part); err != nil {
			t.Fatal(err)
		}
	}
	if q, err := g.quality(); err != nil || math.Abs(q.mean-0.981) > 1e-9 || q.worst != 0.971 || q.frames != 2 {
		t.Errorf("ssim: %+v, %v", q, err)
	}
	for _, bad := range []string{"lavfi.ssim.All=x\n", "lavfi.ssim.All=nan\n", strings.Repeat("x", 2000)} {
		if _, err := (&ssimGauge{}).Write([]byte(bad)); err == nil {
			t.Errorf("%.30q is accepted", bad)
		}
	}
	q, err := readVMAF([]byte(`{"version": "2.3.1", "frames": [{"frameNum": 0, "metrics": {"integer_motion": 0, "vmaf": 97.4}}, {"frameNum": 1, "metrics": {"vmaf": 91.4}}]}`))
	if err != nil || math.Abs(q.mean-94.4) > 1e-9 || q.worst != 91.4 || q.frames != 2 {
		t.Errorf("vmaf: %+v, %v", q, err)
	}
	for _, bad := range []string{`{"frames": [{"metrics": {"psnr": 40}}]}`, "<VMAF/>", ""} {
		if _, err := readVMAF([]byte(bad)); err == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}
