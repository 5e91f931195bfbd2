package isobmff

// Dolby describes the channels of an AC-3 or E-AC-3 track, from the dac3 or dec3 box of its sample entry (ETSI TS 102 366, annex F).
type Dolby struct {
	// Channels has a bit for each channel or pair of channels, in the order of table E.1.4 of ETSI TS 102 366, the left one in the
	// highest. It is 0 where the box does not say: channels beyond 5.1 lie in substreams that depend on others, whose places muxers
	// write differently.
	Channels uint16
	// Objects is the complexity index of Joint Object Coding (Dolby Atmos), the number of objects; 0: there are none.
	Objects int
}

// Channels of a Dolby.
const (
	dolbyLeft, dolbyCentre, dolbyRight               = 1 << 15, 1 << 14, 1 << 13
	dolbyLeftSurround, dolbyRightSurround, dolbyRear = 1 << 12, 1 << 11, 1 << 8
	dolbyLowFrequencies                              = 1
)

// dolbyModes are the full-bandwidth channels by acmod (table 4.3); 1+1 is heard as two channels.
var dolbyModes = [8]uint16{
	dolbyLeft | dolbyRight,
	dolbyCentre,
	dolbyLeft | dolbyRight,
	dolbyLeft | dolbyCentre | dolbyRight,
	dolbyLeft | dolbyRight | dolbyRear,
	dolbyLeft | dolbyCentre | dolbyRight | dolbyRear,
	dolbyLeft | dolbyRight | dolbyLeftSurround | dolbyRightSurround,
	dolbyLeft | dolbyCentre | dolbyRight | dolbyLeftSurround | dolbyRightSurround,
}

// Dolby returns what the track's sample entry says of its channels: nothing, if it is of another codec or damaged.
func (t Track) Dolby() (d Dolby) {
	child := map[string]string{"ac-3": "dac3", "ec-3": "dec3"}[t.Codec()]
	from, to, ok := findChild(t.Entry, audioEntry, child)
	if child == "" || !ok {
		return d
	}
	b := &bitReader{data: t.Entry[from+8 : to]}
	cut := func() bool { return b.at > len(b.data)*8 }
	if child == "dac3" { // F.4: fscod, bsid, bsmod
		b.read(2 + 5 + 3)
		d.Channels = dolbyChannels(b)
		if cut() {
			return Dolby{}
		}
		return d
	}
	b.read(13) // F.6: data_rate
	dependent := uint64(0)
	independent := b.read(3) + 1
	for i := range independent {
		b.read(2 + 5 + 1 + 1 + 3) // fscod, bsid, reserved, asvc, bsmod
		channels := dolbyChannels(b)
		if i == 0 { // the others are other programmes
			d.Channels = channels
		}
		b.read(3)
		if n := b.read(4); n > 0 {
			dependent += n
			b.read(9) // chan_loc
		} else {
			b.read(1)
		}
	}
	if cut() {
		return Dolby{}
	}
	if dependent > 0 {
		d.Channels = 0
	}
	b.read(7)
	if b.read(1) == 1 { // flag_ec3_extension_type_a (ETSI TS 103 420, annex C.3)
		if objects := b.read(8); !cut() {
			d.Objects = int(objects)
		}
	}
	return d
}

// dolbyChannels reads acmod and lfeon.
func dolbyChannels(b *bitReader) uint16 {
	channels := dolbyModes[b.read(3)]
	if b.read(1) == 1 {
		channels |= dolbyLowFrequencies
	}
	return channels
}
