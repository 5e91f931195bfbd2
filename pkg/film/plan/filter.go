package plan

import (
	"fmt"
	"strings"

	"github.com/mapreel/mapreel/pkg/ffmpeg/filter"
	"github.com/mapreel/mapreel/pkg/film"
)

// fitFilter returns an error if a filter of a rendition would damage its frames: round them to 8 bits, or mix the fields of which they
// consist.
func fitFilter(r film.Rendition) error {
	chain, err := filter.Parse(r.Filter)
	if err != nil {
		return err
	}
	if name := chain.Shallow(); name != "" && strings.Contains(r.PixelFormat, "10") {
		return fmt.Errorf("%s has 8 bits per sample, the output 10; set bitDepth 8, or leave it out", name)
	}
	if name := chain.MixesRows(); name != "" && r.Interlaced != "" {
		return fmt.Errorf("%s mixes or moves the rows of both fields; leave out interlaced keep, so that the video is deinterlaced first", name)
	}
	return nil
}
