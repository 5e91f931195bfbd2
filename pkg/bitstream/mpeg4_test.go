package bitstream

import (
	"encoding/hex"
	"testing"
)

func TestFieldsOfMPEG4(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, layer string
		want        bool
	}{
		{"interlaced, B-frames", "000001b0f1000001b5a9130000010000000120" + "08d48d0801e50404091c103f", true},
		{"progressive, B-frames", "000001b0f1000001b5a9130000010000000120" + "08d48d0800cd04040914103f", false},
		{"interlaced, low delay", "000001b001000001b589130000010000000120" + "00c48d8800cd0404091c4300", false},
		{"progressive, Xvid", "000001b0f5000001b509000001000000012008bc040684" + "00670c101024518f", false},
		{"interlaced, the layer is cut", "00000120" + "08d48d0801e5040409", false},
		{"another start code", "000001b6" + "08d48d0801e50404091c103f", false},
		{"nothing", "", false},
	} {
		data, err := hex.DecodeString(c.layer)
		if err != nil {
			t.Fatal(err)
		}
		for where, p := range map[string]Packet{"extradata": {Extra: data}, "first packet": {Data: data, Extra: []byte{0, 0, 1}}} {
			if got := MPEG4Fields(p); got != c.want {
				t.Errorf("%s, in the %s: %t", c.name, where, got)
			}
		}
	}
}
