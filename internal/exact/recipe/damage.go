package recipe

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
)

// edit is what an edit list does, or what makes one.
type edit struct {
	before, after string // arguments of a copy by ffmpeg around its input
	change        func([]byte) []byte
	says          string
}

var edits = map[string]edit{
	"":        {},
	"cut":     {before: "-ss 1.3"},                                                             // frames before the first are there and not shown
	"moved":   {before: "-ss 1.3", after: "-output_ts_offset 0.5 -avoid_negative_ts disabled"}, // two edits
	"presync": {change: beginBeforeSync, says: "the edit list begins 10 frames later, before the first sync sample"},
}

// beginBeforeSync changes an MP4 whose first track is video of 24 frames a second: its first sample
// is not a sync sample any more, and its edit list begins 10 frames later, before the first that is.
func beginBeforeSync(mp4 []byte) []byte {
	stss, elst, stts := bytes.Index(mp4, []byte("stss")), bytes.Index(mp4, []byte("elst")), bytes.Index(mp4, []byte("stts"))
	if stss < 0 || elst < 0 || stts < 0 || binary.BigEndian.Uint32(mp4[stss+8:]) < 2 {
		return mp4
	}
	copy(mp4[stss+12:stss+16], mp4[stss+16:stss+20])
	length := binary.BigEndian.Uint32(mp4[stts+16:]) // of a frame
	duration, start := binary.BigEndian.Uint32(mp4[elst+12:]), binary.BigEndian.Uint32(mp4[elst+16:])
	binary.BigEndian.PutUint32(mp4[elst+12:], duration-10*1000/24)
	binary.BigEndian.PutUint32(mp4[elst+16:], start+10*length)
	return mp4
}

// damage is how bytes get lost or wrong.
type damage struct {
	says   string
	change func(Recipe, []byte) []byte
	only   string // containers; "" is any
	most   int    // of DamageBy
}

// packetSize is that of a transport stream.
const packetSize = 188

var damages = map[string]damage{
	"end": {"the end is missing", func(r Recipe, b []byte) []byte { return b[:r.damaged(b)] }, "", 1},
	"begin": {"the begin is missing", func(r Recipe, b []byte) []byte {
		return b[r.damaged(b)/3:]
	}, "ts mpg", 1},
	"flips": {"bytes are flipped", func(r Recipe, b []byte) []byte {
		random := rand.New(rand.NewPCG(r.ByteOrder, 1))
		at := r.damaged(b)
		for range r.DamageBy {
			b[min(at+random.IntN(600), len(b)-1)] ^= byte(1 + random.IntN(255))
		}
		return b
	}, "", 20},
	"packets": {"transport packets are missing", func(r Recipe, b []byte) []byte {
		at := r.damaged(b) / packetSize * packetSize
		return append(b[:at:at], b[min(at+r.DamageBy*packetSize, len(b)):]...)
	}, "ts", 30},
	"zeros": {"bytes are zero", func(r Recipe, b []byte) []byte {
		at := r.damaged(b)
		clear(b[at:min(at+r.DamageBy*100, len(b))])
		return b
	}, "", 20},
}

// damaged returns where the damage of a file begins.
func (r Recipe) damaged(b []byte) int { return len(b) * r.DamageAt / 1000 }
