package ffmpeg

import (
	"testing"
	"unicode/utf8"
)

func FuzzDamageLog(f *testing.F) {
	f.Add([]byte("[h264 @ 0x55d0] error while decoding MB 1 2\n"), 3)
	f.Add([]byte("corrupt decoded frame"), 1)
	f.Fuzz(func(t *testing.T, data []byte, at int) {
		whole, parts := &DamageLog{}, &DamageLog{}
		_, _ = whole.Write(data) // it takes everything
		at = min(max(at, 0), len(data))
		_, _ = parts.Write(data[:at])
		_, _ = parts.Write(data[at:])
		if whole.String() != parts.String() {
			t.Errorf("%q in one write, %q in two", whole, parts)
		}
		if len(whole.lines.partial) > maxLogLine || len(whole.String()) > maxLogLine || !utf8.ValidString(whole.String()) && utf8.Valid(data) {
			t.Errorf("it keeps %d bytes and says %q", len(whole.lines.partial), whole)
		}
	})
}
