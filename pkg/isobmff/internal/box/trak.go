package box

import (
	"encoding/binary"
	"slices"
	"strings"

	languages "golang.org/x/text/language"

	"github.com/Eyevinn/mp4ff/mp4"
)

// Track is the description of a track in its trak box. It has the fields of isobmff.Track, which
// converts to it.
type Track struct {
	Handler       string
	Timescale     uint32
	Entry         []byte
	Width, Height uint32
	Language      string
	Name          string
	Enabled       bool
}

// TrakHeader holds the fields of a trak box that do not belong to the track's description.
// Durations are 0 in a fragmented file.
type TrakHeader struct {
	ID             uint32
	Created        uint64 // seconds since 1904
	MovieDuration  uint64 // ticks of the movie's timescale
	MediaDuration  uint64 // ticks of the track's timescale
	AlternateGroup int
	Chapters       uint32   // ID of the track that holds its chapters; 0 if there is none
	Flags          []string // the track's purposes, by ffmpeg's names: "forced", "comment", …
}

// NewTrak returns a trak box with the given edit box, which may be nil, and sample table.
func NewTrak(t Track, h TrakHeader, edts, stbl mp4.Box) *mp4.TrakBox {
	trak := mp4.NewTrakBox()
	tkhd := &mp4.TkhdBox{
		Version: VersionFor(h.Created, h.MovieDuration), Flags: 2, TrackID: h.ID,
		CreationTime: h.Created, ModificationTime: h.Created, Duration: h.MovieDuration,
		AlternateGroup: int16(h.AlternateGroup), Matrix: mp4.UnityMatrix(),
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
	if h.Chapters != 0 {
		trak.AddChild(Raw("tref", Append(nil, "chap", binary.BigEndian.AppendUint32(nil, h.Chapters))))
	}
	mdia := mp4.NewMdiaBox()
	mdia.AddChild(&mp4.MdhdBox{
		Version: VersionFor(h.Created, h.MediaDuration), CreationTime: h.Created, ModificationTime: h.Created,
		Timescale: t.Timescale, Duration: h.MediaDuration, Language: LanguageCode(t.Language),
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
	userData := roles(h.Flags)
	if t.Name != "" {
		userData = Append(userData, "name", []byte(t.Name))
	}
	if userData != nil {
		trak.AddChild(Raw("udta", userData))
	}
	return trak
}

// handlerName returns the track's title, if it has one, because some players show nothing else;
// otherwise the name that ffmpeg writes.
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
		return baseMediaHeader()
	}
	return &mp4.NmhdBox{}
}

// baseMediaHeader returns the media header that QuickTime requires of a text track: no graphics
// mode, the identity matrix.
func baseMediaHeader() mp4.Box {
	gmin := []byte{0, 0, 0, 0, 0, 0x40, 0x80, 0, 0x80, 0, 0x80, 0, 0, 0, 0, 0}
	matrix := make([]byte, 36)
	matrix[1], matrix[17], matrix[32] = 1, 1, 0x40
	return Raw("gmhd", Append(Append(nil, "gmin", gmin), "text", matrix))
}

// SampleDescription returns an stsd box with the given sample entries, whose bytes are not changed.
func SampleDescription(entries [][]byte) *mp4.StsdBox {
	stsd := mp4.NewStsdBox()
	for _, e := range entries {
		stsd.Children = append(stsd.Children, Raw(string(e[4:8]), e[8:]))
		stsd.SampleCount++
	}
	return stsd
}

// VersionFor returns the version that a header with these times needs: 1, with 64-bit times, if 32
// bits are too few.
func VersionFor(times ...uint64) byte {
	for _, t := range times {
		if t > 1<<32-1 {
			return 1
		}
	}
	return 0
}

// LanguageCode returns the packed ISO 639-2/T code of an mdhd: of a code of three letters itself, else of the language
// that a tag such as "en" or "pt-BR" names.
func LanguageCode(language string) uint16 {
	if base, _, _ := strings.Cut(language, "-"); len(language) != 3 {
		if known, err := languages.ParseBase(base); err == nil {
			language = known.ISO3()
		}
	}
	if len(language) != 3 || strings.Trim(language, "abcdefghijklmnopqrstuvwxyz") != "" {
		language = "und"
	}
	var mdhd mp4.MdhdBox
	mdhd.SetLanguage(language)
	return mdhd.Language
}

// dashRoles maps ffmpeg's names of a track's purposes to the DASH role scheme (ISO/IEC 23009-1), in
// the order in which they are written. ffmpeg reads and writes the same.
var dashRoles = []struct{ flag, role string }{
	{"hearing_impaired", "caption"},
	{"captions", "caption"},
	{"comment", "commentary"},
	{"visual_impaired", "description"},
	{"descriptions", "description"},
	{"dub", "dub"},
	{"forced", "forced-subtitle"},
}

// roles returns a track's roles as kind boxes (ISO/IEC 14496-12, 8.10.4).
func roles(flags []string) (boxes []byte) {
	var written []string
	for _, r := range dashRoles {
		if slices.Contains(flags, r.flag) && !slices.Contains(written, r.role) {
			written = append(written, r.role)
			boxes = Append(boxes, "kind", []byte("\x00\x00\x00\x00urn:mpeg:dash:role:2011\x00"+r.role+"\x00"))
		}
	}
	return boxes
}
