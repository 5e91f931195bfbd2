package film

import (
	"encoding/hex"
	"fmt"
	"regexp"

	"github.com/mapreel/mapreel/pkg/media"
)

// Sequence says how the files of an image sequence are read as video. The zero value is for any other source.
type Sequence struct {
	FrameRate  FrameRate `json:"frameRate,omitzero" jsonschema:"description=Frames per second: 24 or 24000/1001. Required for an image sequence"`
	Background string    `json:"background,omitempty" jsonschema:"pattern=^#[0-9a-fA-F]{6}$,description=The colour behind transparent frames as #rrggbb in sRGB. Default: black"`
}

var backgroundColour = regexp.MustCompile(`^#[0-9a-fA-F]{6}$`)

// Check returns the problems that can be found without the source.
func (s Sequence) Check() Problems {
	if s.Background != "" && !backgroundColour.MatchString(s.Background) {
		return Problems{{"/sequence/background", fmt.Sprintf("%q is not a colour such as #204060", s.Background)}}
	}
	return nil
}

// checkSequence returns the problems of what the request says of an image sequence.
func (r Request) checkSequence() Problems {
	if r.Sequence == (Sequence{}) {
		return nil
	}
	if IsScene(r.Source) {
		return r.Sequence.Check()
	}
	if _, ok := media.ParsePattern(r.Source); !ok {
		return Problems{{"/sequence", "the source is not an image sequence, which is named by a pattern such as frames/%05d.png"}}
	}
	return r.Sequence.Check()
}

// RGB returns the colour behind transparent frames.
func (s Sequence) RGB() (rgb [3]uint8) {
	if backgroundColour.MatchString(s.Background) {
		_, _ = hex.Decode(rgb[:], []byte(s.Background[1:])) // six digits, as the expression says
	}
	return rgb
}

// FrameSequence describes the files of an image sequence, as they were found.
type FrameSequence struct {
	Extension  string         `json:"extension"` // by which ffmpeg tells their format
	Rate       media.Rational `json:"rate"`
	Alpha      bool           `json:"alpha,omitempty"` // any frame may be transparent
	Deep       bool           `json:"deep,omitempty"`  // any frame has more than 8 bits a sample
	Mixed      bool           `json:"mixed,omitempty"` // samples are not stored alike in all frames
	Background [3]uint8       `json:"background,omitzero"`
	// Numbers are those of the frames of a scene, which the job renders itself, as render.FormatFrames writes them.
	Numbers string `json:"numbers,omitempty"`
}
