package progressive

import (
	"encoding/binary"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/isobmff"
	"github.com/mapreel/mapreel/pkg/isobmff/internal/box"
	"github.com/mapreel/mapreel/pkg/media"
)

const (
	// chapterScale is the timescale of the chapter track: milliseconds, as in ffmpeg, because a
	// chapter may last for hours and a sample's duration has 32 bits.
	chapterScale = 1000
	// maxNeroChapters and maxNeroTitle are the limits of Nero's chapter list, which counts chapters
	// and a title's bytes in one byte each.
	maxNeroChapters, maxNeroTitle = 255, 255
)

// ChapterTrack returns what Check must expect of the chapter track, which is the last track of a
// movie with chapters.
func ChapterTrack(chapters []media.Chapter) Expected {
	e := Expected{Handler: "text", Samples: len(chapters)}
	for _, c := range chapters {
		e.Times = append(e.Times, chapterTick(c.Start))
	}
	if n := len(e.Times); n > 0 {
		e.First, e.Last = e.Times[0], e.Times[n-1]
	}
	return e
}

// chapterTick converts microseconds to ticks of the chapter track, rounded to nearest.
func chapterTick(us media.Ticks) int64 { return int64(us+500) / 1000 }

// chapterTrack returns the text track from which QuickTime's and Apple's players, and ffmpeg, read
// chapters (QuickTime File Format, "Chapter Lists"): each sample is a title that is shown until the
// next one. payload holds the samples, which are stored at the start of the mdat.
func chapterTrack(chapters []media.Chapter) (t *stitched, m Track, payload []byte, err error) {
	t, m = &stitched{}, Track{Track: isobmff.Track{Handler: "text", Entry: chapterEntry()}, Delay: chapterTick(chapters[0].Start)}
	chunk := isobmff.Chunk{Track: isobmff.Track{Handler: "text", Timescale: chapterScale, Entry: m.Entry}, Header: 1}
	for i, c := range chapters {
		end := chapterTick(c.End)
		if i+1 < len(chapters) {
			end = chapterTick(chapters[i+1].Start)
		}
		d := end - chapterTick(c.Start)
		if c.Start < 0 || d <= 0 || d > math.MaxUint32 {
			return t, m, nil, fault.New(fault.Internal, "chapter %d lasts from %d to %d", i+1, c.Start, c.End)
		}
		title := cutText(c.Title, math.MaxUint16)
		sample := append(binary.BigEndian.AppendUint16(nil, uint16(len(title))), title...)
		sample = append(sample, 0, 0, 0, 12, 'e', 'n', 'c', 'd', 0, 0, 1, 0) // UTF-8
		chunk.Samples = append(chunk.Samples, isobmff.Sample{Size: uint32(len(sample)), Duration: uint32(d), Sync: true})
		payload = append(payload, sample...)
	}
	chunk.Bytes = int64(len(payload))
	if err := t.add(chunk); err != nil {
		return t, m, nil, err
	}
	t.durations.add(t.pending, 1)
	return t, m, payload, nil
}

// cutText returns at most limit bytes of text, cut between characters.
func cutText(text string, limit int) string {
	text = strings.ToValidUTF8(text, "\uFFFD")
	if len(text) <= limit {
		return text
	}
	for limit > 0 && !utf8.RuneStart(text[limit]) {
		limit--
	}
	return text[:limit]
}

// chapterEntry returns a text sample description (QuickTime File Format, "Text sample description")
// that leaves the style to the player.
func chapterEntry() []byte {
	content := make([]byte, 52)
	content[7] = 1  // data reference
	content[15] = 1 // centred
	return box.Append(nil, "text", content)
}

// neroChapters returns the chapter list that Nero introduced and most other players read: up to 255
// chapters, in units of 100 ns.
func neroChapters(chapters []media.Chapter) []byte {
	chapters = chapters[:min(len(chapters), maxNeroChapters)]
	content := append([]byte{1, 0, 0, 0, 0, 0, 0, 0}, byte(len(chapters)))
	for _, c := range chapters {
		title := cutText(c.Title, maxNeroTitle)
		content = binary.BigEndian.AppendUint64(content, uint64(max(c.Start, 0))*10)
		content = append(append(content, byte(len(title))), title...)
	}
	return box.Append(nil, "chpl", content)
}
