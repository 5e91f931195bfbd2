package film

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/text/language"

	"github.com/mapreel/mapreel/pkg/media"
)

// Choice selects tracks of a source by numbers from 1 and by languages, in the output's order: "2,eng". Empty selects all.
type Choice string

// NoTrack selects none, where a Choice says which tracks have a flag, not which are kept.
const NoTrack Choice = "none"

// choice matches the text of a Choice.
var choice = regexp.MustCompile(`^ *([0-9]{1,3}|[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*)( *, *([0-9]{1,3}|[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*))* *$`)

// items returns what c lists, in lower case.
func (c Choice) items() []string {
	list := strings.Split(strings.ToLower(string(c)), ",")
	for i := range list {
		list[i] = strings.TrimSpace(list[i])
	}
	return list
}

// normalise returns c in the form that all texts of the same meaning have.
func (c Choice) normalise() Choice {
	if c == "" {
		return ""
	}
	return Choice(strings.Join(c.items(), ","))
}

// check returns the problem of c, or "".
func (c Choice) check(none bool) string {
	if c == "" || none && c == NoTrack || choice.MatchString(string(c)) {
		return ""
	}
	text := "%.60q lists no tracks by number or language, such as 1,eng"
	if none {
		text += ", and is not none"
	}
	return fmt.Sprintf(text, string(c))
}

// pick returns the numbers from 1 of the tracks that c selects, each once. languages are those of all tracks. missing is the first item
// that selects none.
func (c Choice) pick(languages []string) (numbers []int, missing string) {
	for _, item := range c.items() {
		found := false
		for i, l := range languages {
			n, err := strconv.Atoi(item)
			if err == nil && n != i+1 || err != nil && !sameTongue(item, l) {
				continue
			}
			if found = true; !slices.Contains(numbers, i+1) {
				numbers = append(numbers, i+1)
			}
		}
		if !found {
			return nil, item
		}
	}
	return numbers, ""
}

// sameTongue reports whether a track of language l is what a user means by item: a region that item names must be that of l.
func sameTongue(item, l string) bool {
	if l == "" {
		return item == "und"
	}
	if strings.Contains(item, "-") {
		return strings.EqualFold(item, l)
	}
	return SameLanguage(item, l)
}

// SameLanguage reports whether two codes name one language: files have "ger" or "deu", playlists "de".
func SameLanguage(a, b string) bool {
	if strings.EqualFold(a, b) {
		return true
	}
	base := func(code string) (language.Base, error) {
		code, _, _ = strings.Cut(strings.ToLower(code), "-")
		return language.ParseBase(media.Terminology(code))
	}
	x, errX := base(a)
	y, errY := base(b)
	return errX == nil && errY == nil && x == y
}

// Chosen holds the tracks that an output takes of its source, by their numbers from 1, in the output's order, and their flags. The
// zero value is all tracks with their own flags.
type Chosen struct {
	Audio            []int `json:"audio,omitempty"`
	Subtitles        []int `json:"subtitles,omitempty"`
	DefaultAudio     int   `json:"defaultAudio,omitempty"`     // the only one that plays by default; 0: as in the source
	DefaultSubtitles int   `json:"defaultSubtitles,omitempty"` // likewise; -1: none does
	ForcedSubtitles  []int `json:"forcedSubtitles,omitempty"`  // the only ones with the flag; -1: none has it

	Downmix int `json:"downmix,omitempty"` // channels to which audio tracks with more are mixed; 0: they are not
	Second  int `json:"second,omitempty"`  // channels of a further rendition of each audio track with more; 0: none

	Bitrates     []Bitrate `json:"bitrates,omitempty"`     // of each audio track in packages, or of its second rendition; none: a track has one
	RatesOfMixes bool      `json:"ratesOfMixes,omitempty"` // Bitrates are of second renditions only, because the tracks are copied
}

// IsZero reports whether c is the zero value.
func (c Chosen) IsZero() bool {
	return c.Downmix == 0 && c.Second == 0 && len(c.Bitrates) == 0 && c.Audio == nil && c.Subtitles == nil && c.DefaultAudio == 0 && c.DefaultSubtitles == 0 && c.ForcedSubtitles == nil
}

// Choices are what a request says of an output's tracks.
type Choices struct {
	Audio, DefaultAudio                          Choice
	Downmix, Second                              Mix
	Subtitles, DefaultSubtitles, ForcedSubtitles Choice
	Bitrates                                     []Bitrate
	RatesOfMixes                                 bool
}

// IsZero reports whether c is the zero value: all tracks are kept as they are.
func (c Choices) IsZero() bool {
	return c.Audio == "" && c.DefaultAudio == "" && c.Downmix == "" && c.Second == "" && len(c.Bitrates) == 0 &&
		c.Subtitles == "" && c.DefaultSubtitles == "" && c.ForcedSubtitles == ""
}

// Choices returns what o says of its tracks.
func (o Output) Choices() Choices {
	c := Choices{Subtitles: o.SubtitleTracks, DefaultSubtitles: o.DefaultSubtitles, ForcedSubtitles: o.ForcedSubtitles}
	if o.Audio != nil {
		c.Audio, c.DefaultAudio, c.Downmix, c.Second = o.Audio.Tracks, o.Audio.Default, o.Audio.Downmix, o.Audio.Second
		c.Bitrates, c.RatesOfMixes = o.Audio.Bitrates, len(o.Audio.Bitrates) > 0 && o.Audio.Codec == AudioCopy
	}
	return c
}

// Choose returns the tracks that c selects of a source's. Pointers of Problems are those of an output's fields.
func (c Choices) Choose(audio []AudioTrack, subtitles []SubtitleTrack) (chosen Chosen, ps Problems) {
	var spoken, written []string
	for _, t := range audio {
		spoken = append(spoken, t.Language)
	}
	for _, t := range subtitles {
		written = append(written, t.Language)
	}
	pick := func(pointer, kind string, c Choice, languages []string, within []int, have func() string) []int {
		switch c {
		case "":
			return nil
		case NoTrack:
			return []int{-1}
		}
		numbers, missing := c.pick(languages)
		if missing != "" {
			ps = append(ps, Problem{pointer, fmt.Sprintf("the source has no %s track %s; %s", kind, missing, have())})
			return nil
		}
		if within == nil {
			return numbers
		}
		kept := slices.DeleteFunc(numbers, func(n int) bool { return !slices.Contains(within, n) })
		if len(kept) == 0 {
			ps = append(ps, Problem{pointer, fmt.Sprintf("%s track %s is not among those that are kept", kind, c)})
		}
		return kept
	}
	first := func(numbers []int) int {
		if len(numbers) == 0 {
			return 0
		}
		return numbers[0]
	}
	heard := func() string { return listAudio(audio) }
	chosen.Downmix, chosen.Second = c.Downmix.Channels(), c.Second.Channels()
	chosen.Bitrates, chosen.RatesOfMixes = c.Bitrates, c.RatesOfMixes
	chosen.Audio = pick("/audio/tracks", "audio", c.Audio, spoken, nil, heard)
	chosen.DefaultAudio = first(pick("/audio/default", "audio", c.DefaultAudio, spoken, chosen.Audio, heard))
	read := func() string { return listSubtitles(subtitles) }
	chosen.Subtitles = pick("/subtitleTracks", "subtitle", c.Subtitles, written, nil, read)
	chosen.DefaultSubtitles = first(pick("/defaultSubtitles", "subtitle", c.DefaultSubtitles, written, chosen.Subtitles, read))
	chosen.ForcedSubtitles = pick("/forcedSubtitles", "subtitle", c.ForcedSubtitles, written, chosen.Subtitles, read)
	return chosen, ps
}

// listAudio says which audio tracks there are, in a message.
func listAudio(tracks []AudioTrack) string {
	var list []string
	for i, t := range tracks {
		list = append(list, describeTrack(i, t.Language, t.Codec, channels(t.Channels), t.Title))
	}
	return listTracks(list)
}

func channels(n int) string {
	if n == 1 {
		return "mono"
	}
	return fmt.Sprintf("%d channels", n)
}

// listSubtitles says which subtitle tracks there are, in a message.
func listSubtitles(tracks []SubtitleTrack) string {
	var list []string
	for i, t := range tracks {
		list = append(list, describeTrack(i, t.Language, t.Codec, t.Title))
	}
	return listTracks(list)
}

func listTracks(list []string) string {
	const most = 20 // in one message
	switch n := len(list); {
	case n == 0:
		return "it has none"
	case n > most:
		list = append(list[:most:most], fmt.Sprintf("and %d more", n-most))
	}
	return "it has " + strings.Join(list, "; ")
}

func describeTrack(i int, lang string, more ...string) string {
	if lang == "" {
		lang = "und"
	}
	more = slices.DeleteFunc(more, func(s string) bool { return s == "" })
	return fmt.Sprintf("%d: %s (%s)", i+1, lang, strings.Join(more, ", "))
}

// AudioTracks returns the indexes of the audio tracks that are kept, of so many.
func (c Chosen) AudioTracks(of int) []int { return kept(c.Audio, of) }

// SubtitleTracks returns the indexes of the subtitle tracks that are kept, of so many.
func (c Chosen) SubtitleTracks(of int) []int { return kept(c.Subtitles, of) }

func kept(numbers []int, of int) (list []int) {
	if numbers == nil {
		for i := range of {
			list = append(list, i)
		}
		return list
	}
	for _, n := range numbers {
		if n <= of {
			list = append(list, n-1)
		}
	}
	return list
}

// AudioDefault reports whether the audio track at index i, which the source marks as own says, plays by default.
func (c Chosen) AudioDefault(i int, own bool) bool {
	if c.DefaultAudio == 0 {
		return own
	}
	return c.DefaultAudio == i+1
}

// SubtitleDefault is AudioDefault for subtitle tracks.
func (c Chosen) SubtitleDefault(i int, own bool) bool {
	if c.DefaultSubtitles == 0 {
		return own
	}
	return c.DefaultSubtitles == i+1
}

// SubtitleForced is SubtitleDefault for the flag of forced subtitles.
func (c Chosen) SubtitleForced(i int, own bool) bool {
	if c.ForcedSubtitles == nil {
		return own
	}
	return slices.Contains(c.ForcedSubtitles, i+1)
}

// SubtitleTrack returns the subtitle track at index i of its source with the flags that it gets.
func (c Chosen) SubtitleTrack(i int, t SubtitleTrack) SubtitleTrack {
	const flag = "forced"
	t.Default = c.SubtitleDefault(i, t.Default)
	forced := c.SubtitleForced(i, slices.Contains(t.Flags, flag))
	t.Flags = slices.DeleteFunc(slices.Clone(t.Flags), func(f string) bool { return f == flag })
	if forced {
		t.Flags = append([]string{flag}, t.Flags...)
	}
	return t
}

// choiceField is a Choice of Choices with the pointer of its field in an output.
type choiceField struct {
	pointer string
	choice  Choice
	none    bool // it may be NoTrack
}

func (c Choices) fields() []choiceField {
	return []choiceField{
		{"/audio/tracks", c.Audio, false},
		{"/audio/default", c.DefaultAudio, false},
		{"/subtitleTracks", c.Subtitles, false},
		{"/defaultSubtitles", c.DefaultSubtitles, true},
		{"/forcedSubtitles", c.ForcedSubtitles, true},
	}
}

// Check returns the problems that can be found without a source. Pointers are those of an output's fields.
func (c Choices) Check() (ps Problems) {
	for _, f := range c.fields() {
		if problem := f.choice.check(f.none); problem != "" {
			ps = append(ps, Problem{f.pointer, problem})
		}
	}
	return ps
}

// checkTracks returns the problems of what o says of its tracks. at is its pointer.
func (o Output) checkTracks(at string) (ps Problems) {
	c := o.Choices()
	for _, p := range c.Check() {
		ps = append(ps, Problem{at + p.Pointer, p.Message})
	}
	for _, f := range c.fields() {
		spoken := strings.HasPrefix(f.pointer, "/audio")
		switch {
		case f.choice == "":
		case spoken && o.Audio.Codec == AudioNone:
			ps = append(ps, Problem{at + f.pointer, "the output has no audio; leave out one of the two"})
		case !spoken && o.Subtitles == SubtitlesNone:
			ps = append(ps, Problem{at + f.pointer, "the output has no subtitles; leave out one of the two"})
		}
	}
	return ps
}

// normaliseTracks returns o with its choices of tracks in one form.
func (o Output) normaliseTracks() Output {
	o.SubtitleTracks, o.DefaultSubtitles, o.ForcedSubtitles = o.SubtitleTracks.normalise(), o.DefaultSubtitles.normalise(), o.ForcedSubtitles.normalise()
	a := *o.Audio
	a.Tracks, a.Default = a.Tracks.normalise(), a.Default.normalise()
	a.Bitrates = foldRates(a.Bitrates)
	o.Audio = &a
	return o
}
