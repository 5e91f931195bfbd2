package probe

import (
	"testing"

	"github.com/mapreel/mapreel/pkg/ffmpeg/internal/output"
)

func FuzzPacketLog(f *testing.F) {
	f.Add([]byte("pts=0|pos=48|flags=K_\npts=N/A|pos=N/A|flags=__\npts=-9223372036854775808|pos=9999999999999999999|flags=K\n"), 7)
	f.Fuzz(func(t *testing.T, data []byte, at int) {
		var list []Packet
		log := &PacketLog{Each: func(p Packet) { list = append(list, p) }}
		at = min(max(at, 0), len(data))
		if _, err := log.Write(data[:at]); err == nil {
			_, _ = log.Write(data[at:]) // a line that is too long
		}
		if len(list) > len(data) {
			t.Errorf("%d packets in %d bytes", len(list), len(data))
		}
		for _, p := range list {
			if p.Pos < -1 {
				t.Errorf("a packet at byte %d", p.Pos)
			}
		}
	})
}

func FuzzPacketDump(f *testing.F) {
	f.Add([]byte("[PACKET]\ndata=\n00000000: 0000 0001 6742 c00a  ....gB..\n[/PACKET]\n[STREAM]\nextradata=\n00000000: 01ff  ..\n[/STREAM]\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		var dump packetDump
		lines := &output.Lines{Limit: output.MaxLine, Each: dump.line}
		_, _ = lines.Write(data) // a line that is too long
		size := len(dump.data.Extra)
		for _, p := range dump.data.Packets {
			size += len(p)
		}
		if size > len(data) {
			t.Errorf("%d bytes from %d", size, len(data))
		}
	})
}
