package film

import (
	"fmt"

	"github.com/mapreel/mapreel/pkg/film/subtitle"
)

// BurntSubtitles are subtitles that are drawn into the picture, as the unit BurnUnit reads them.
type BurntSubtitles struct {
	Stream int    `json:"stream"`
	File   string `json:"file,omitempty"` // URL of the subtitle file; "": they are a track of the source
	Codec  string `json:"codec"`          // ffmpeg's name
}

// BurnFacts are the facts of a unit that reads subtitles for the picture: a script of Advanced SubStation Alpha whose times count from the
// beginning of the whole source.
type BurnFacts struct {
	StoredObject
	Events int `json:"events"` // 0: nothing is ever shown, and there is no object
}

// BurnPhase is the name of the phase that reads the subtitles that are drawn into pictures, before they are encoded.
const BurnPhase = "burn"

// BurnUnit returns the name of the unit that reads Job.Burns[i].
func BurnUnit(i int) string { return fmt.Sprintf("%s/burn-%05d", SidecarKind, i) }

// Burnt returns the subtitles that b draws into the picture of s, or what is wrong with it and the field.
func (s Source) Burnt(b subtitle.Burn) (_ BurntSubtitles, pointer, problem string) {
	if b.File != "" {
		return BurntSubtitles{File: b.File, Codec: string(s.File(b.File).Format)}, "", ""
	}
	chosen, ps := Choices{Subtitles: Choice(b.Track)}.Choose(nil, s.Subtitles)
	if len(ps) > 0 {
		return BurntSubtitles{}, "/track", ps[0].Message
	}
	t := s.Subtitles[chosen.Subtitles[0]-1]
	if !t.IsText {
		return BurntSubtitles{}, "/track", fmt.Sprintf("subtitle track %d (%s) holds pictures; only text can be drawn into the video", chosen.Subtitles[0], t.Codec)
	}
	return BurntSubtitles{Stream: t.Stream, File: t.File, Codec: t.Codec}, "", ""
}
