package movieindex

import (
	"context"
	"encoding/binary"
	"io"
	"slices"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/isobmff/internal/box"
)

// configurations are the boxes within a sample entry that hold a codec's parameters, by sample entry.
var configurations = map[string]string{
	"avc1": "avcC", "avc3": "avcC",
	"hvc1": "hvcC", "hev1": "hvcC",
}

// visualEntry is how many bytes of a visual sample entry precede its boxes (ISO/IEC 14496-12, 12.1.3).
const visualEntry = 78

// Packets holds the beginnings of some packets of a track, and its decoder configuration record: the
// parameters of the codec that the container stores outside of packets.
type Packets struct {
	Data  [][]byte
	Extra []byte
}

// ReadPackets returns the first packet that a demuxer gives of a track of H.264 or HEVC and then, for
// each time of Sync in ascending order, the packet of that sync sample; at most limit bytes of each.
// ok is false where a demuxer has to be asked: of other codecs and several sample entries, and where
// the edit list or damage leave samples out.
func (t *Track) ReadPackets(ctx context.Context, file io.ReaderAt, size int64, times []int64, limit int) (packets Packets, ok bool, err error) {
	if t.Irregular || t.Missing > 0 || t.Hidden > 0 || len(t.Presentation) == 0 {
		return packets, false, nil
	}
	if packets.Extra, err = configuration(&box.Reader{File: file, Size: size}, t.tables.stsd); err != nil || packets.Extra == nil {
		return packets, false, err
	}
	wanted := []int{t.first}
	for _, at := range times {
		i, found := slices.BinarySearch(t.Sync, at)
		if !found || t.syncSamples[i] <= wanted[len(wanted)-1] {
			return packets, false, nil
		}
		wanted = append(wanted, t.syncSamples[i])
	}
	type extent struct{ start, end uint64 }
	var extents []extent
	err = eachExtent(file, t.tables, wanted[len(wanted)-1]+1, func(n int, start, end uint64) {
		if n == wanted[min(len(extents), len(wanted)-1)] {
			extents = append(extents, extent{start, end})
		}
	})
	if err != nil || len(extents) < len(wanted) {
		return packets, false, ignoreCorrupt(err)
	}
	for _, e := range extents {
		if err := ctx.Err(); err != nil {
			return packets, false, err
		}
		if e.end < e.start || e.end > uint64(size) {
			return packets, false, nil
		}
		data := make([]byte, min(e.end-e.start, uint64(limit)))
		if err := box.ReadFull(file, data, int64(e.start)); err != nil {
			return packets, false, err
		}
		packets.Data = append(packets.Data, data)
	}
	return packets, true, nil
}

// configuration returns the decoder configuration record of a sample description box, nil where it
// has not one entry of a known kind with one record.
func configuration(r *box.Reader, stsd box.Box) ([]byte, error) {
	if stsd.End-stsd.Body < 8 {
		return nil, nil
	}
	head, err := r.Bytes(stsd.Body, 8)
	if err != nil {
		return nil, err
	}
	if binary.BigEndian.Uint32(head[4:]) != 1 {
		return nil, nil
	}
	entry, err := r.Header(stsd.Body+8, stsd.End)
	if err != nil {
		return nil, ignoreCorrupt(err)
	}
	kind, known := configurations[entry.Type]
	if !known || entry.End-entry.Body < visualEntry {
		return nil, nil
	}
	var record []byte
	found := 0
	err = r.Children(box.Box{Type: entry.Type, Start: entry.Start, Body: entry.Body + visualEntry, End: entry.End}, func(b box.Box) error {
		if b.Type != kind {
			return nil
		}
		content, err := r.Content(b, box.MaxSmall)
		record = slices.Clone(content)
		found++
		return err
	})
	if err != nil || found != 1 {
		return nil, ignoreCorrupt(err)
	}
	return record, nil
}

// ignoreCorrupt returns nil for damage: a demuxer, which may read on, is asked then.
func ignoreCorrupt(err error) error {
	if fault.KindOf(err) == fault.Corrupt {
		return nil
	}
	return err
}

// byTime sorts sync samples by the time at which they are shown, with their numbers.
type byTime struct {
	times   []int64
	numbers []int
}

func (s byTime) Len() int           { return len(s.times) }
func (s byTime) Less(i, j int) bool { return s.times[i] < s.times[j] }
func (s byTime) Swap(i, j int) {
	s.times[i], s.times[j] = s.times[j], s.times[i]
	s.numbers[i], s.numbers[j] = s.numbers[j], s.numbers[i]
}
