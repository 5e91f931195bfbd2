package requestflags

import (
	"fmt"
	"strings"

	"github.com/mapreel/mapreel/cmd/mapreel/internal/requestfile"
	"github.com/mapreel/mapreel/pkg/film"
)

// TrackFlags select tracks of the source, and say which of them play by default.
type TrackFlags struct {
	AudioTracks  string `group:"Audio" placeholder:"LIST" help:"Keep these audio tracks, by number or language and in this order: 1, eng, 2,deu. Default: all."`
	DefaultAudio string `group:"Audio" placeholder:"TRACK" help:"The audio track that plays by default, by number or language. Default: as in the source."`

	Downmix     string `group:"Audio" enum:",stereo,mono" default:"" placeholder:"MIX" help:"Mix tracks with more channels to stereo or mono."`
	SecondAudio string `group:"Audio" enum:",stereo,mono" default:"" placeholder:"MIX" help:"Add a second rendition of each track with more channels, mixed to stereo or mono, for what cannot play them."`

	AudioBitrates string `group:"Audio" placeholder:"LIST" help:"In packages: several bit rates of each track, between which players switch: 64k,128k,192k. No track is copied then; with --second-audio the rates are those of the second renditions."`

	SubtitleTracks   string `group:"Subtitles" placeholder:"LIST" help:"Keep these subtitle tracks, by number or language and in this order. Default: all."`
	DefaultSubtitles string `group:"Subtitles" complete:"none" placeholder:"TRACK" help:"The subtitle track that is shown by default, by number or language, or none. Default: as in the source."`
	ForcedSubtitles  string `group:"Subtitles" complete:"none" placeholder:"LIST" help:"The subtitle tracks that are marked as forced, which players show where subtitles are off, or none. Default: as in the source."`
}

// trackField is a field of an output and the flag that sets it.
type trackField struct {
	field, flag string
	value       string
}

func (t TrackFlags) fields() []trackField {
	return []trackField{
		{"/audio/tracks", "--audio-tracks", t.AudioTracks},
		{"/audio/default", "--default-audio", t.DefaultAudio},
		{"/audio/downmix", "--downmix", t.Downmix},
		{"/audio/second", "--second-audio", t.SecondAudio},
		{"/subtitleTracks", "--subtitle-tracks", t.SubtitleTracks},
		{"/defaultSubtitles", "--default-subtitles", t.DefaultSubtitles},
		{"/forcedSubtitles", "--forced-subtitles", t.ForcedSubtitles},
	}
}

// The field and the flag of several bit rates.
const (
	bitratesField = "/audio/bitrates"
	bitratesFlag  = "--audio-bitrates"
)

// apply writes the flags into the output at a pointer.
func (t TrackFlags) apply(d *requestfile.Draft, output string) {
	for _, f := range t.fields() {
		d.SetText(output+f.field, f.value, f.flag)
	}
	if t.AudioBitrates == "" {
		return
	}
	var rates []any
	for i, rate := range strings.Split(t.AudioBitrates, ",") {
		rates = append(rates, strings.TrimSpace(rate))
		d.Flags[fmt.Sprintf("%s%s/%d", output, bitratesField, i)] = bitratesFlag
	}
	d.Set(output+bitratesField, rates, bitratesFlag)
}

// Choices returns what the flags say. The problem of one that cannot be read begins with its flag.
func (t TrackFlags) Choices() (c film.Choices, problem string) {
	c = film.Choices{
		Audio: film.Choice(t.AudioTracks), DefaultAudio: film.Choice(t.DefaultAudio), Subtitles: film.Choice(t.SubtitleTracks),
		Downmix: film.Mix(t.Downmix), Second: film.Mix(t.SecondAudio),
		DefaultSubtitles: film.Choice(t.DefaultSubtitles), ForcedSubtitles: film.Choice(t.ForcedSubtitles),
	}
	if t.AudioBitrates != "" {
		var err error
		if c.Bitrates, err = film.ParseBitrates(t.AudioBitrates); err != nil {
			return c, bitratesFlag + ": " + err.Error()
		}
	}
	for _, p := range c.Check() {
		for _, f := range t.fields() {
			if f.field == p.Pointer {
				return c, f.flag + ": " + p.Message
			}
		}
	}
	return c, ""
}
