package recipe

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Step makes a file from those before it: ffmpeg runs, a text is written, or bytes change.
type Step struct {
	Args []string // of ffmpeg; the last is the file that it writes

	To     string // the file that Text or Change makes
	Text   string
	From   []string // files that Change joins and changes
	Change func([]byte) []byte
	Says   string // what Change does
}

// Output returns the name of the file that the step makes.
func (s Step) Output() string {
	if s.Args != nil {
		return s.Args[len(s.Args)-1]
	}
	return s.To
}

// String returns the step as a command or, for a change of bytes, as a comment.
func (s Step) String() string {
	switch {
	case s.Args != nil:
		words := []string{"ffmpeg"}
		for _, a := range slices.Concat(quiet, s.Args) {
			if strings.ContainsAny(a, " '\"()*;|\\") || a == "" {
				a = "'" + strings.ReplaceAll(a, "'", `'\''`) + "'"
			}
			words = append(words, a)
		}
		return strings.Join(words, " ")
	case s.Change != nil:
		return fmt.Sprintf("# %s: %s of %s", s.To, s.Says, strings.Join(s.From, " and "))
	}
	return fmt.Sprintf("printf %%s %s >%s", strconv.Quote(s.Text), s.To)
}

var quiet = []string{"-v", "error", "-nostdin", "-y"}

const subtitleText = "1\n00:00:00,500 --> 00:00:01,000\nFirst line\n\n2\n00:00:01,500 --> 00:00:02,500\nSecond – ü\n\n"

const chapterText = ";FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=700\ntitle=One\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=700\nEND=1500\ntitle=Two\n"

// Steps returns what makes the source. The last step makes the file that File names.
func (r Recipe) Steps() []Step {
	c := containers[r.Container]
	var steps []Step
	if r.Subtitles {
		steps = append(steps, Step{To: "in.srt", Text: subtitleText})
	}
	var parts []string
	for i := range r.parts() {
		name := fmt.Sprintf("part%d%s", i, c.extension)
		steps = append(steps, Step{Args: append(r.encode(i), name)})
		parts = append(parts, name)
	}
	whole := parts[0]
	if len(parts) > 1 {
		whole = "joined" + c.extension
		if c.joins {
			steps = append(steps, Step{From: parts, To: whole, Says: "the bytes", Change: func(b []byte) []byte { return b }})
		} else {
			list := "ffconcat version 1.0\n"
			for _, p := range parts {
				list += "file " + p + "\n"
			}
			steps = append(steps, Step{To: "list.txt", Text: list}, Step{Args: words("-f concat -i list.txt -map 0 -c copy", c.args, whole)})
		}
	}
	copied := func(name, before, after string) {
		to := name + c.extension
		steps = append(steps, Step{Args: words(before, "-i", whole, "-map 0 -c copy", after, c.args, to)})
		whole = to
	}
	if r.Rotation != "" {
		copied("rotated", "", "-metadata:s:v:0 rotate="+r.Rotation)
	}
	if e := edits[r.Edit]; e.change != nil {
		steps = append(steps, Step{From: []string{whole}, To: "edited" + c.extension, Says: e.says, Change: e.change})
		whole = "edited" + c.extension
	} else if r.Edit != "" {
		copied("cut", e.before, e.after)
	}
	if r.Cover || r.Chapters {
		steps = append(steps, r.annotate(whole)...)
		whole = steps[len(steps)-1].Output()
	}
	if r.Program != "" {
		steps = append(steps, r.addProgram(whole)...)
		whole = steps[len(steps)-1].Output()
	}
	if r.Damage != "" {
		d := damages[r.Damage]
		steps = append(steps, Step{
			From: []string{whole}, To: "damaged" + c.extension, Says: fmt.Sprintf("%s, %d at %d ‰", d.says, r.DamageBy, r.DamageAt),
			Change: func(data []byte) []byte { return d.change(r, data) },
		})
		whole = "damaged" + c.extension
	}
	last := &steps[len(steps)-1]
	if last.Args != nil {
		last.Args[len(last.Args)-1] = r.File()
	} else {
		last.To = r.File()
	}
	return steps
}

// annotate returns what copies a file and adds cover and chapters.
func (r Recipe) annotate(whole string) (steps []Step) {
	c := containers[r.Container]
	before, after, inputs := "", "-map 0", 1
	switch {
	case r.Cover && has("mkv", r.Container):
		after += " -attach cover.jpg -metadata:s:t:0 mimetype=image/jpeg"
	case r.Cover:
		before, after, inputs = "-i cover.jpg", "-map 0 -map 1 -disposition:v:1 attached_pic", 2
	}
	if r.Cover {
		steps = append(steps, Step{Args: words("-f lavfi -i color=red:size=64x64 -frames:v 1 cover.jpg")})
	}
	if r.Chapters {
		steps = append(steps, Step{To: "chapters.txt", Text: chapterText})
		before, after = before+" -i chapters.txt", after+fmt.Sprintf(" -map_chapters %d", inputs)
	}
	return append(steps, Step{Args: words("-i", whole, before, "-c copy", after, c.args, "more"+c.extension)})
}

// addProgram returns what adds a second program to a transport stream.
func (r Recipe) addProgram(whole string) []Step {
	streams := "0"
	for i := range r.Tracks {
		streams += fmt.Sprintf(":st=%d", i+1)
	}
	first := len(r.Tracks) + 1
	return []Step{
		{Args: words("-f lavfi -i testsrc2=size=48x28:rate=25:duration=2 -f lavfi -i sine=sample_rate=48000:duration=2",
			"-c:v libx264 -preset ultrafast -c:a mp2 -output_ts_offset", programs[r.Program], "small.ts")},
		{Args: words("-copyts -i", whole, "-i small.ts -map 0 -map 1 -c copy", "-program title=Large:st="+streams,
			fmt.Sprintf("-program title=Small:st=%d:st=%d both.ts", first, first+1))},
	}
}

// parts returns how many recordings follow each other in the source.
func (r Recipe) parts() int {
	if r.Change != "" || clocks[r.Clock].jumps {
		return 2
	}
	for _, t := range r.Tracks {
		if t.Change != "" {
			return 2
		}
	}
	return 1
}

// encode returns ffmpeg's arguments for the i-th part, without the name of the output.
func (r Recipe) encode(i int) []string {
	c := containers[r.Container]
	rate := fraction(r.Rate)
	frames := r.Frames / r.parts()
	seconds := float64(frames) * rate.den / rate.num
	var inputs, maps, options []string
	video := r.Codec != "none"
	if video {
		if r.VideoDelay != "" {
			inputs = append(inputs, "-itsoffset", r.VideoDelay)
		}
		inputs = append(inputs, "-f", "lavfi", "-i", r.videoSource(i*frames, frames))
		maps = append(maps, "-map", "0:v")
		options = append(options, r.videoOptions(i)...)
	}
	for n, t := range r.Tracks {
		if t.Change == "appears" && i == 0 { // the last track alone
			continue
		}
		if t.Delay != "" {
			inputs = append(inputs, "-itsoffset", t.Delay)
		}
		inputs = append(inputs, "-f", "lavfi", "-i", t.source(n, i, t.length(r.shown(seconds))))
		input := n
		if video {
			input++
		}
		maps = append(maps, "-map", fmt.Sprintf("%d:a", input))
		options = append(options, t.options(n, i)...)
	}
	if r.Subtitles {
		input := len(r.Tracks)
		if video {
			input++
		}
		inputs = append(inputs, "-i", "in.srt")
		maps = append(maps, "-map", fmt.Sprintf("%d:s", input))
		options = append(options, "-c:s", c.subtitles, "-metadata:s:s:0", "language=ger")
	}
	if start := r.start(i, seconds); start != "" {
		options = append(options, "-output_ts_offset", start)
	}
	return slices.Concat(inputs, maps, options, strings.Fields(c.args))
}

// start returns the offset of the i-th part's clock; "" is none.
func (r Recipe) start(i int, seconds float64) string {
	if clock := clocks[r.Clock]; clock.starts[i] != "" {
		return clock.starts[i]
	}
	if !containers[r.Container].joins || i == 0 {
		return r.Start
	}
	offset := 0.0
	if r.Start != "" {
		offset = fraction(r.Start).num
	}
	return strconv.FormatFloat(offset+seconds, 'f', 6, 64)
}

// shown returns how long the video lasts, whose frames would last so many seconds at their rate.
func (r Recipe) shown(seconds float64) float64 {
	switch r.Times {
	case "hole":
		return seconds + hole
	case "hourly":
		return min(seconds, 4)
	}
	return seconds
}

// words splits lists of arguments that contain no spaces.
func words(lists ...string) []string { return strings.Fields(strings.Join(lists, " ")) }

// ratio is a fraction that a recipe writes as a number or as 30000/1001.
type ratio struct{ num, den float64 }

func fraction(s string) ratio {
	a, b, found := strings.Cut(s, "/")
	num, err := strconv.ParseFloat(a, 64)
	if err != nil {
		panic(err) // a constant of this package
	}
	if !found {
		return ratio{num, 1}
	}
	den, err := strconv.ParseFloat(b, 64)
	if err != nil {
		panic(err)
	}
	return ratio{num, den}
}
