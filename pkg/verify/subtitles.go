package verify

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/mapreel/mapreel/pkg/ffmpeg/probe"
	"github.com/mapreel/mapreel/pkg/ffmpeg/remux"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/subtitle"
)

// isBitmap reports whether a subtitle codec stores images or pages of teletext, which MP4, WebM and HLS cannot hold.
func isBitmap(s probe.Stream) bool { return !remux.IsTextSubtitle(s.Codec) && s.Codec != "webvtt" }

// subtitleChecks compares the subtitle tracks, text and bitmaps separately. bitmaps reports whether the output's container
// can hold bitmaps.
func subtitleChecks(source, output []probe.Stream, bitmaps bool) []Check {
	split := func(all []probe.Stream) (text, bitmap []probe.Stream) {
		for _, s := range all {
			if isBitmap(s) {
				bitmap = append(bitmap, s)
			} else {
				text = append(text, s)
			}
		}
		return text, bitmap
	}
	textA, bitmapA := split(source)
	textB, bitmapB := split(output)
	var checks []Check
	if len(textA)+len(textB) > 0 {
		c := Check{Name: "subtitles", Verdict: Good, Figure: strconv.Itoa(len(textB)), Limit: strconv.Itoa(len(textA))}
		if len(textA) != len(textB) {
			c.Verdict = Bad
		} else {
			for i := range textA {
				if want, got := textA[i].Language, textB[i].Language; want != "" && !film.SameLanguage(want, got) {
					c.Verdict = Bad
					c.Figure += fmt.Sprintf(", %d: language %s became %s", i+1, want, orUnknown(got))
				}
			}
		}
		checks = append(checks, c)
	}
	if len(bitmapA)+len(bitmapB) > 0 {
		c := Check{Name: "bitmap subtitles", Verdict: Good, Figure: strconv.Itoa(len(bitmapB)), Limit: strconv.Itoa(len(bitmapA))}
		if len(bitmapA) != len(bitmapB) {
			c.Verdict = Bad
			if !bitmaps {
				c.Verdict, c.Limit = Note, "this container cannot hold them"
			}
		}
		checks = append(checks, c)
	}
	return checks
}

// beside is the index of a stream that is a file of its own.
const beside = -1

// addSubtitles adds to the source the subtitle tracks that asked says are files beside it, or else known. Of these, language and flags
// are compared; the files are not read.
func (v *verification) addSubtitles(asked, known []subtitle.File) {
	if len(asked) == 0 {
		asked = known
	}
	v.beside = asked
	for _, f := range asked {
		v.source.media.Streams = append(v.source.media.Streams, probe.Stream{
			Index: beside, Type: "subtitle", Codec: string(subtitle.SubRip), Language: f.Code(), Title: f.Title, Default: f.Default, Forced: f.Forced,
		})
	}
}

// dropEmptySubtitles removes the source's subtitle tracks in which nothing is shown, if the output has fewer tracks than
// the source. note says so, if any were.
func (v *verification) dropEmptySubtitles(ctx context.Context, source probe.Media) (left probe.Media, note []Check, err error) {
	if len(streamsOf(source, "subtitle")) <= len(streamsOf(v.output.media, "subtitle")) {
		return source, nil, nil
	}
	empty := 0
	left = source
	left.Streams = nil
	for _, s := range source.Streams {
		if s.Type == "subtitle" && s.Index != beside {
			shown, err := v.anyShown(ctx, s)
			if err != nil {
				return source, nil, err
			}
			if !shown {
				empty++
				continue
			}
		}
		left.Streams = append(left.Streams, s)
	}
	if empty > 0 {
		note = []Check{{Name: "empty subtitles", Verdict: Note, Figure: fmt.Sprintf("the source has %s in which nothing is shown", Plural(empty, "track"))}}
	}
	return left, note, nil
}

// excuse turns a loss of subtitles into a note if the job that made the output said so.
func excuse(checks []Check, warnings []string) {
	for i, c := range checks {
		if c.Verdict != Bad || !strings.Contains(c.Name, "subtitles") {
			continue
		}
		if n := slices.IndexFunc(warnings, func(w string) bool { return strings.Contains(w, "left out: subtitle") }); n >= 0 {
			checks[i].Verdict, checks[i].Limit = Note, "the job said so: "+warnings[n]
		}
	}
}
