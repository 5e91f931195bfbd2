package progressive

import (
	"math"
	"slices"

	"github.com/Eyevinn/mp4ff/mp4"
	"github.com/mapreel/mapreel/pkg/isobmff/internal/box"
	"github.com/mapreel/mapreel/pkg/isobmff/internal/ticks"
)

// fileType returns the ftyp box: the general brands and those of the codecs that have one.
func (s *Stitcher) fileType() mp4.Box {
	brands := []string{"isom", "iso6", "mp41"}
	for _, t := range s.tracks {
		for _, e := range t.entries {
			// These registered brands announce the codec.
			if kind := string(e[4:8]); (kind == "avc1" || kind == "av01") && !slices.Contains(brands, kind) {
				brands = append(brands, kind)
			}
		}
	}
	return mp4.NewFtyp(brands[0], 512, brands)
}

// moov builds the movie box. It refers to the layout's slices of chunk offsets, so that moveTo
// still changes them.
func (s *Stitcher) moov(scale uint32, l *layout) (mp4.Box, error) {
	var created uint64
	if !s.movie.Created.IsZero() {
		created = uint64(max(0, s.movie.Created.Unix()+mp4.EpochDiffS))
	}
	mvhd := mp4.CreateMvhd()
	mvhd.CreationTime, mvhd.ModificationTime, mvhd.Timescale = created, created, scale
	mvhd.NextTrackID = uint32(len(s.tracks) + 1)
	content := []mp4.Box{mvhd}
	tracks, described := s.tracks, s.movie.Tracks
	var chapters uint32
	if s.chapters != nil {
		tracks, described = append(slices.Clone(tracks), s.chapters), append(slices.Clone(described), s.chapter)
		chapters = uint32(len(tracks))
		mvhd.NextTrackID++
	}
	for i, t := range tracks {
		m := described[i]
		edts, duration := t.edits(m, scale)
		mvhd.Duration = max(mvhd.Duration, duration)
		header := box.TrakHeader{
			ID: uint32(i + 1), Created: created, MovieDuration: duration,
			MediaDuration: uint64(t.now + t.pending - t.start), AlternateGroup: m.Group, Flags: m.Flags,
		}
		if m.Handler == "vide" || m.Handler == "soun" {
			header.Chapters = chapters
		}
		m.Timescale = t.timescale
		content = append(content, box.NewTrak(box.Track(m.Track), header, edts, t.sampleTable(&l.tracks[i], l.wide)))
	}
	mvhd.Version = box.VersionFor(created, mvhd.Duration)
	if udta := s.userData(); udta != nil {
		content = append(content, udta)
	}
	moov := mp4.NewMoovBox()
	moov.Children = content
	return moov, nil
}

// edits returns the edit list of a track and its duration in the movie's timescale, rounded up so
// that no frame is cut.
func (t *stitched) edits(m Track, scale uint32) (mp4.Box, uint64) {
	length := m.Length
	if length == 0 {
		// Reordering frames does not change their total duration. The last frame lasts at least a
		// tick.
		length = max(t.now+t.pending-t.start, t.last-t.first+1) - m.Skip
	}
	length = max(length, 0)
	var entries []mp4.ElstEntry
	var total uint64
	if m.Delay > 0 {
		total = uint64(ticks.Rescale(m.Delay, int64(scale), int64(t.timescale)))
		entries = append(entries, mp4.ElstEntry{SegmentDuration: total, MediaTime: -1, MediaRateInteger: 1})
	}
	shown := ticks.RescaleUp(uint64(length), uint64(scale), uint64(t.timescale))
	start := t.first - t.start - t.lowest + m.Skip
	entries = append(entries, mp4.ElstEntry{SegmentDuration: shown, MediaTime: start, MediaRateInteger: 1})
	elst := &mp4.ElstBox{Entries: entries}
	if box.VersionFor(total, shown) == 1 || start > math.MaxInt32 {
		elst.Version = 1
	}
	edts := &mp4.EdtsBox{}
	edts.AddChild(elst)
	return edts, total + shown
}

// sampleTable returns the stbl box.
func (t *stitched) sampleTable(l *trackLayout, wide bool) mp4.Box {
	stbl := mp4.NewStblBox()
	stbl.AddChild(box.SampleDescription(t.entries))
	stbl.AddChild(runTable("stts", &t.durations, 0))
	if t.lowest != 0 || t.highest != 0 {
		stbl.AddChild(runTable("ctts", &t.offsets, -t.lowest))
	}
	if t.sync.rows < t.count {
		stbl.AddChild(syncTable(&t.sync))
	}
	stbl.AddChild(chunkTable(l))
	stbl.AddChild(sizeTable(&t.sizes))
	stbl.AddChild(offsetTable(l.offset, wide))
	if len(t.entries) == 1 {
		for _, b := range box.PreRoll(t.entries[0], t.timescale, t.durations.cursor().next(), t.count, box.MovieGroup) {
			stbl.AddChild(b)
		}
	}
	return stbl
}
