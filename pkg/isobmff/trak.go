package isobmff

import (
	"encoding/binary"

	"github.com/Eyevinn/mp4ff/mp4"
)

// Boxes that a piece and a movie share.

// pieceTrak returns a trak without samples, for a fragmented file.
func pieceTrak(t Track) (*mp4.TrakBox, error) {
	stbl := mp4.NewStblBox()
	for _, b := range []mp4.Box{stsd([][]byte{t.Entry}), &mp4.SttsBox{}, &mp4.StscBox{}, &mp4.StszBox{}, &mp4.StcoBox{}} {
		stbl.AddChild(b)
	}
	return newTrak(t, trakHeader{id: 1}, nil, stbl), nil
}

// trakHeader is what a trak says besides its track's description. Durations are 0 in a fragmented file.
type trakHeader struct {
	id             uint32
	created        uint64 // seconds since 1904
	movieDuration  uint64 // in the movie's timescale
	mediaDuration  uint64 // in the track's
	alternateGroup int
	chapters       uint32   // ID of the track that holds its chapters; 0: none
	flags          []string // what it is for
}

func newTrak(t Track, h trakHeader, edts, stbl mp4.Box) *mp4.TrakBox {
	trak := mp4.NewTrakBox()
	tkhd := &mp4.TkhdBox{
		Version: wide(h.created, h.movieDuration), Flags: 2, TrackID: h.id,
		CreationTime: h.created, ModificationTime: h.created, Duration: h.movieDuration,
		AlternateGroup: int16(h.alternateGroup), Matrix: mp4.UnityMatrix(),
		Width: mp4.Fixed32(t.Width), Height: mp4.Fixed32(t.Height),
	}
	if t.Enabled {
		tkhd.Flags |= 1
	}
	if t.Handler == "soun" {
		tkhd.Volume = 0x0100
	}
	trak.AddChild(tkhd)
	if edts != nil {
		trak.AddChild(edts)
	}
	if h.chapters != 0 {
		trak.AddChild(rawBox("tref", appendBox(nil, "chap", binary.BigEndian.AppendUint32(nil, h.chapters))))
	}
	mdia := mp4.NewMdiaBox()
	mdia.AddChild(&mp4.MdhdBox{
		Version: wide(h.created, h.mediaDuration), CreationTime: h.created, ModificationTime: h.created,
		Timescale: t.Timescale, Duration: h.mediaDuration, Language: languageCode(t.Language),
	})
	mdia.AddChild(&mp4.HdlrBox{HandlerType: t.Handler, Name: handlerName(t)})
	minf := mp4.NewMinfBox()
	minf.AddChild(mediaHeader(t))
	dinf := &mp4.DinfBox{}
	dinf.AddChild(mp4.CreateDref())
	minf.AddChild(dinf)
	minf.AddChild(stbl)
	mdia.AddChild(minf)
	trak.AddChild(mdia)
	about := kinds(h.flags)
	if t.Name != "" {
		about = appendBox(about, "name", []byte(t.Name))
	}
	if about != nil {
		trak.AddChild(rawBox("udta", about))
	}
	return trak
}

// handlerName is the track's title where it has one, for players that show nothing else, and ffmpeg's names elsewhere.
func handlerName(t Track) string {
	switch {
	case t.Name != "":
		return t.Name
	case t.Handler == "vide":
		return "VideoHandler"
	case t.Handler == "soun":
		return "SoundHandler"
	case t.Handler == "sbtl":
		return "SubtitleHandler"
	}
	return "DataHandler"
}

func mediaHeader(t Track) mp4.Box {
	switch t.Handler {
	case "vide":
		return mp4.CreateVmhd()
	case "soun":
		return mp4.CreateSmhd()
	case "subt":
		return &mp4.SthdBox{}
	case "text":
		return baseHeader()
	}
	return &mp4.NmhdBox{}
}

// stsd returns a sample description with the given entries, bytes untouched.
func stsd(entries [][]byte) *mp4.StsdBox {
	box := mp4.NewStsdBox()
	for _, e := range entries {
		box.Children = append(box.Children, rawBox(string(e[4:8]), e[8:]))
		box.SampleCount++
	}
	return box
}

// wide returns the version, 1 for 64 bits, that a header with these times needs.
func wide(times ...uint64) byte {
	for _, t := range times {
		if t > 1<<32-1 {
			return 1
		}
	}
	return 0
}

func appendBox(to []byte, kind string, content []byte) []byte {
	return append(appendHeader(to, kind, 8+len(content)), content...)
}
