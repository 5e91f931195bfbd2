package decode

import "testing"

func FuzzAudioLog(f *testing.F) {
	f.Add([]byte("frame:0    pts:0       pts_time:0\nlavfi.astats.Overall.Number_of_samples=1024\nframe:1 pts:1024 pts_time:0.02\nlavfi.astats.Overall.Number_of_samples=2048\n"))
	f.Add([]byte("frame:0 pts:9223372036854775807\nlavfi.astats.Overall.Number_of_samples=4e18\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		l := &AudioLog{}
		_, _ = l.Write(data) // a line that it does not know
		if l.Total < 0 || len(l.Runs) > len(data) {
			t.Errorf("%d samples in %d runs from %d bytes", l.Total, len(l.Runs), len(data))
		}
		for i := 1; i < len(l.Runs); i++ {
			if l.Runs[i].First < l.Runs[i-1].First {
				t.Errorf("run %d begins at sample %d, before the last at %d", i, l.Runs[i].First, l.Runs[i-1].First)
			}
		}
	})
}
