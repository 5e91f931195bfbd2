package requestflags

import (
	"fmt"

	"github.com/mapreel/mapreel/cmd/mapreel/internal/requestfile"
	"github.com/mapreel/mapreel/pkg/film/subtitle"
)

// SubtitleFileFlags name files with subtitles.
type SubtitleFileFlags struct {
	SubtitleFile []subtitle.Wish `group:"Subtitles" sep:"none" placeholder:"[LANG:]FILE" help:"Add a subtitle track of a file beside the source, in SubRip, WebVTT or ASS: de:film.de.srt. Its times count from the beginning of the source. It follows the source's own tracks, also for the flags about subtitles. May be repeated."`
}

// apply writes the files into the request.
func (t SubtitleFileFlags) apply(d *requestfile.Draft) {
	if len(t.SubtitleFile) == 0 {
		return
	}
	const flag = "--subtitle-file"
	var list []any
	for _, f := range t.SubtitleFile {
		fields := map[string]any{"file": f.File}
		if f.Language != "" {
			fields["language"] = f.Language
		}
		list = append(list, fields)
	}
	d.Set("/subtitleFiles", list, flag)
	for i := range list {
		for _, name := range []string{"file", "language"} {
			d.Flags[fmt.Sprintf("/subtitleFiles/%d/%s", i, name)] = flag
		}
	}
}

// Files returns the files, whose paths locate makes absolute.
func (t SubtitleFileFlags) Files(locate func(string) (string, error)) (list []subtitle.File, err error) {
	for _, f := range t.SubtitleFile {
		if f.File, err = locate(f.File); err != nil {
			return nil, err
		}
		list = append(list, subtitle.File(f))
	}
	return list, nil
}
