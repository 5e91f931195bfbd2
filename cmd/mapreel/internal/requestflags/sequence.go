package requestflags

import (
	"cmp"
	"os"
	"path/filepath"
	"strings"

	"github.com/mapreel/mapreel/cmd/mapreel/internal/requestfile"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/local"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/origin"
)

// SequenceFlags say how the files of an image sequence are read.
type SequenceFlags struct {
	SourceFPS  string `group:"Image sequence" name:"source-fps" placeholder:"RATE" help:"Frames per second at which an image sequence such as 'frames/%05d.png' is read: 24, 24000/1001."`
	Background string `group:"Image sequence" placeholder:"#RRGGBB" help:"The colour behind transparent frames. Default: #000000, black."`
}

// Apply writes the flags into a request.
func (s SequenceFlags) Apply(d *requestfile.Draft) {
	d.SetText("/sequence/frameRate", s.SourceFPS, "--source-fps")
	d.SetText("/sequence/background", s.Background, "--background")
}

// applyFrames writes an output that keeps frames into a request.
func (t Flags) applyFrames(d *requestfile.Draft, at Place) error {
	const flag = "--output"
	path, err := at.Destination(t.Frames)
	if err != nil {
		return fault.Wrap(fault.Invalid, err, flag)
	}
	folder, base := splitLocation(strings.TrimSuffix(path, "/"))
	d.Set("/destination", folder, flag)
	d.Set("/outputs", []any{map[string]any{"name": base, "container": string(film.Frames)}}, flag)
	return nil
}

// Stem returns the name of a source without its extension. Of an image sequence, it is what the names of the frames begin with,
// or else the name of their folder.
func Stem(source string) string {
	if public, _, err := origin.Conceal(source); err == nil && origin.OnWeb(source) {
		source = origin.NameOf(public)
		return strings.TrimSuffix(source, filepath.Ext(source))
	}
	if source == local.Pipe {
		return origin.PipedName
	}
	pattern, ok := media.ParsePattern(source)
	if !ok {
		return strings.TrimSuffix(filepath.Base(source), filepath.Ext(source))
	}
	return cmp.Or(strings.Trim(pattern.Prefix(), " ._-"), strings.Trim(filepath.Base(filepath.Dir(source)), "./"), "sequence")
}

// readsFrames reports whether the source of a draft is frames without times of their own: an image sequence, or a Blender scene.
func readsFrames(d *requestfile.Draft, at Place) bool {
	source, _ := d.Tree["source"].(string)
	return film.IsScene(source) || isSequence(d, at)
}

// isSequence reports whether the source of a draft is an image sequence: a pattern, and not the name of a file that is there.
func isSequence(d *requestfile.Draft, at Place) bool {
	source, _ := d.Tree["source"].(string)
	if origin.OnWeb(source) { // where % escapes
		return false
	}
	if _, ok := media.ParsePattern(source); !ok {
		return false
	}
	if path, err := at.Source(source); err == nil && at.Here && !strings.Contains(path, "://") {
		_, err := os.Stat(path)
		return err != nil
	}
	return true
}

// Sequence returns how the flags say that a sequence is read. The error is of kind fault.Invalid.
func (s SequenceFlags) Sequence() (how film.Sequence, err error) {
	if s.SourceFPS != "" {
		if how.FrameRate, err = film.ParseFrameRate(s.SourceFPS); err != nil {
			return how, fault.Wrap(fault.Invalid, err, "--source-fps")
		}
	}
	how.Background = s.Background
	if ps := how.Check(); len(ps) > 0 {
		return how, fault.New(fault.Invalid, "--background: %s", ps[0].Message)
	}
	return how, nil
}
