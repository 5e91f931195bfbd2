package verify

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg/probe"
	"github.com/mapreel/mapreel/pkg/film"
)

// choose makes v compare the output with the tracks of the source that it is to have: those that choices select, or else what
// the job says.
func (v *verification) choose(choices film.Choices, known film.Chosen) error {
	chosen := known
	if !choices.IsZero() {
		var audio []film.AudioTrack
		for _, s := range v.source.listed {
			audio = append(audio, film.AudioTrack{Codec: s.Codec, Channels: s.Channels, Language: s.Language, Title: s.Title})
		}
		var subtitles []film.SubtitleTrack
		for _, s := range streamsOf(v.source.media, "subtitle") {
			subtitles = append(subtitles, film.SubtitleTrack{Codec: s.Codec, Language: s.Language, Title: s.Title})
		}
		var ps film.Problems
		if chosen, ps = choices.Choose(audio, subtitles); len(ps) > 0 {
			return fault.New(fault.Invalid, "source: %s", ps[0].Message)
		}
	}
	v.chosen = chosen
	if chosen.IsZero() {
		return nil
	}
	v.source.audio = v.chosenAudio()
	subtitles := v.chosenSubtitles()
	streams := slices.DeleteFunc(slices.Clone(v.source.media.Streams), func(s probe.Stream) bool {
		return s.Type == "subtitle" || s.Type == "audio"
	})
	v.source.media.Streams = slices.Concat(streams, v.source.audio, subtitles)
	return nil
}

// chosenAudio returns the audio tracks of the source that the output is to have, with the flags that they are to have.
func (v *verification) chosenAudio() (list []probe.Stream) {
	for _, i := range v.chosen.AudioTracks(len(v.source.listed)) {
		s := v.source.listed[i]
		if !slices.ContainsFunc(v.source.audio, func(a probe.Stream) bool { return a.Index == s.Index }) {
			continue // it has no packets
		}
		s.Default = v.chosen.AudioDefault(i, s.Default)
		for _, form := range v.chosen.Forms(s.Channels) {
			s := s
			s.Channels = form.Channels
			if form.Second && !isPlaylist(v.output.media.Format) { // in a package, groups have the same names and defaults
				s.Default, s.Title = false, form.TitleOf(s.Title)
			}
			list = append(list, s)
		}
	}
	return list
}

func (v *verification) chosenSubtitles() (list []probe.Stream) {
	all := streamsOf(v.source.media, "subtitle")
	for _, i := range v.chosen.SubtitleTracks(len(all)) {
		s := all[i]
		s.Default = v.chosen.SubtitleDefault(i, s.Default)
		s.Forced = v.chosen.SubtitleForced(i, s.Forced)
		list = append(list, s)
	}
	return list
}

// choiceChecks says which tracks were left out on purpose, and checks the flags that subtitles were to get.
func (v *verification) choiceChecks(source probe.Media) (checks []Check) {
	if v.chosen.IsZero() {
		return nil
	}
	var kept []string
	for _, c := range []struct {
		numbers []int
		kind    string
	}{{v.chosen.Audio, "audio"}, {v.chosen.Subtitles, "subtitles"}} {
		if c.numbers != nil {
			kept = append(kept, c.kind+" "+strings.Trim(fmt.Sprint(c.numbers), "[]"))
		}
	}
	if v.chosen.Downmix > 0 || v.chosen.Second > 0 {
		kept = append(kept, "mixed audio")
	}
	if n := len(v.chosen.Bitrates); n > 0 {
		kept = append(kept, fmt.Sprintf("audio at %s", Plural(n, "rate")))
	}
	if len(kept) > 0 {
		checks = append(checks, Check{Name: "chosen tracks", Verdict: Note, Figure: strings.Join(kept, ", ")})
	}
	if v.chosen.DefaultSubtitles == 0 && v.chosen.ForcedSubtitles == nil || v.output.media.Format == "dash" {
		return checks // libavformat does not report them of DASH
	}
	a, b := streamsOf(source, "subtitle"), streamsOf(v.output.media, "subtitle")
	c := Check{Name: "subtitle flags", Verdict: Good, Figure: "as wanted"}
	if len(a) != len(b) {
		return checks // another check counts them
	}
	var wrong []string
	for i := range a {
		if v.chosen.DefaultSubtitles != 0 && a[i].Default != b[i].Default {
			wrong = append(wrong, fmt.Sprintf("%d: default is %t", i+1, b[i].Default))
		}
		if v.chosen.ForcedSubtitles != nil && a[i].Forced != b[i].Forced {
			wrong = append(wrong, fmt.Sprintf("%d: forced is %t", i+1, b[i].Forced))
		}
	}
	if len(wrong) > 0 {
		c.Verdict, c.Figure = Bad, strings.Join(wrong, ", ")
	}
	return append(checks, c)
}

// sameChannels returns the output's streams, where a copied track whose number of channels changes
// within it has the source's number. ffprobe reports any of them.
func (v *verification) sameChannels(ctx context.Context, output probe.Media) (probe.Media, error) {
	for i := range min(len(v.source.audio), len(v.output.audio)) {
		a, b := v.source.audio[i], v.output.audio[i]
		if a.Codec != b.Codec || a.Channels == b.Channels {
			continue
		}
		want, err := probe.Channels(ctx, v.tools, v.source.in, a.Index, v.source.listing(ctx))
		if err != nil {
			return output, err
		}
		got, err := probe.Channels(ctx, v.tools, v.output.in, b.Index, v.output.listing(ctx))
		if err != nil {
			return output, err
		}
		if len(want) > 1 && slices.Equal(want, got) {
			output.Streams = slices.Clone(output.Streams)
			at := slices.IndexFunc(output.Streams, func(s probe.Stream) bool { return s.Index == b.Index })
			output.Streams[at].Channels = a.Channels
		}
	}
	return output, nil
}
