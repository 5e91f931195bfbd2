package recipe

import (
	"fmt"
	"strings"
)

// hole is the length of a hole in the frames' times, in seconds.
const hole = 3

// pictures are what the frames show, as a filter after the test picture.
var pictures = map[string]string{
	"":      "",
	"still": "trim=end_frame=30,tpad=stop=-1:stop_mode=clone", // nothing moves after 30 frames
	"fades": "fade=out:st=1:d=0.5,fade=in:st=2:d=0.5",
	"noise": "noise=alls=30:allf=t:all_seed=7",
}

// timing says when frames are shown.
type timing struct {
	filter string // of the frames; RATE is their rate
	bsf    string // of the packets
	tick   string // timebase of the encoder; "" is a frame's length
}

var timings = map[string]timing{
	"":        {},
	"dropped": {filter: "select='not(between(mod(n,48),10,25))*not(eq(mod(n,7),3))'"},
	"jitter":  {filter: "settb=1/90000,setpts='N*90000/(RATE)+floor(random(1)*50000/(RATE))'", tick: "1/90000"},
	"hole":    {filter: fmt.Sprintf("setpts='PTS+gte(N,40)*%d/TB'", hole)},
	"hourly":  {filter: "select='lt(n,6)',settb=1/1000,setpts='N*3600000'", tick: "1/1000"},
	"doubled": {filter: "fps=RATE"}, // each picture twice
	"equal":   {bsf: `setts=ts=if(eq(mod(N\,10)\,5)\,PREV_OUTPTS\,PTS)`},
}

// clock is what the clock of a transport or program stream does.
type clock struct {
	starts [2]string // of the parts, in seconds
	jumps  bool
}

var clocks = map[string]clock{
	"":      {},
	"wraps": {starts: [2]string{"95442.3", ""}}, // at 2³³ ticks of 90 kHz: 95443.7 s
	"ahead": {[2]string{"10", "45"}, true},
	"back":  {[2]string{"45", "10"}, true},
}

// changes are what differs in the second part, as a filter and an option.
var changes = map[string][2]string{
	"":       {},
	"size":   {"scale=120:68", ""},
	"aspect": {"setsar=4/3", ""},
	"depth":  {"", "yuv420p10le"},
	"format": {"", "yuv444p"},
}

// programs are the clocks of a second program of a transport stream, in seconds.
var programs = map[string]string{"": "", "same clock": "0", "own clock": "30000"}

// videoSource returns the input of so many frames, beginning with the given one.
func (r Recipe) videoSource(first, frames int) string {
	rate := fraction(r.Rate)
	source := fmt.Sprintf("testsrc2=size=%s:rate=%s", r.Size, r.Rate)
	switch {
	case r.Times == "doubled":
		first, frames = first/2, frames/2
		source = fmt.Sprintf("testsrc2=size=%s:rate=%g/%g", r.Size, rate.num, 2*rate.den)
	case r.Interlaced():
		first, frames = 2*first, 2*frames
		source = fmt.Sprintf("testsrc2=size=%s:rate=%g/%g", r.Size, 2*rate.num, rate.den)
	}
	return fmt.Sprintf("%s,trim=start_frame=%d:end_frame=%d,setpts=PTS-STARTPTS", source, first, first+frames)
}

// videoOptions returns the filters and the encoder of the i-th part.
func (r Recipe) videoOptions(i int) []string {
	codec, change := videoCodecs[r.Codec], [2]string{}
	if i > 0 {
		change = changes[r.Change]
	}
	var filters []string
	add := func(f string) {
		if f != "" {
			filters = append(filters, f)
		}
	}
	add(pictures[r.Picture])
	if r.Picture == "still" {
		add(fmt.Sprintf("trim=end_frame=%d", r.encoded()))
	}
	add(change[0])
	if r.Interlaced() {
		add(map[string]string{"tff": "tinterlace=interleave_top,fieldorder=tff", "bff": "tinterlace=interleave_bottom,fieldorder=bff"}[r.Scan])
	}
	if r.Aspect != "" && r.Change != "aspect" {
		add("setsar=" + r.Aspect + ":max=1000")
	}
	if r.Colour == "full" {
		add("scale=out_range=pc")
	}
	t := timings[r.Times]
	add(strings.ReplaceAll(t.filter, "RATE", r.Rate))
	var args []string
	if len(filters) > 0 {
		args = append(args, "-vf", strings.Join(filters, ","))
	}
	args = append(args, words("-fps_mode:v passthrough -threads:v 1", codec.args, gopArgs(r.Codec, r.GOP, r.Colour))...)
	args = append(args, "-pix_fmt", r.pixelFormat(change[1]))
	if r.Interlaced() {
		args = append(args, r.fieldOptions()...)
	}
	if t.tick != "" {
		args = append(args, "-enc_time_base:v", t.tick)
	}
	if t.bsf != "" {
		args = append(args, "-bsf:v", t.bsf)
	}
	return append(args, words(colours[r.Colour])...)
}

// encoded returns how many frames each part encodes, before Times drops any, as fields where there
// are any.
func (r Recipe) encoded() int {
	n := r.Frames / r.parts()
	switch {
	case r.Times == "doubled":
		return n / 2
	case r.Interlaced():
		return 2 * n
	}
	return n
}

func (r Recipe) pixelFormat(changed string) string {
	switch {
	case changed != "":
		return changed
	case r.Format != "":
		return r.Format
	case usualFormats[r.Codec] != "":
		return usualFormats[r.Codec]
	}
	return "yuv420p"
}

func (r Recipe) fieldOptions() []string {
	switch r.Codec {
	case "h264":
		return words("-flags +ilme+ildct")
	case "prores":
		return words("-flags +ildct")
	}
	return words("-flags:v +ilme+ildct")
}

// length returns how long the track is in a video of so many seconds.
func (t Track) length(seconds float64) float64 {
	if t.late() {
		return seconds - fraction(t.Delay).num
	}
	switch t.Length {
	case "short":
		return seconds * 0.6
	case "long":
		return seconds + 1.5
	}
	return seconds
}

// late reports whether the track begins after ffmpeg has looked for streams: after 5 s.
func (t Track) late() bool { return t.Delay != "" && fraction(t.Delay).num > 5 }

// source returns the input of the n-th track's i-th part: beeps whose pitch differs from channel to
// channel and from track to track.
func (t Track) source(n, i int, seconds float64) string {
	rate, channels := t.Rate, t.Channels
	if i > 0 {
		switch t.Change {
		case "channels":
			channels = 3 - min(channels, 2)
		case "rate":
			rate = changedRate(rate)
		}
	}
	var list []string
	for c := range channels {
		list = append(list, fmt.Sprintf("0.5*sin(2*PI*%d*t)*lt(mod(t+0.75,1),0.05)", 1000+100*c+130*n))
	}
	source := fmt.Sprintf("aevalsrc='%s':s=%d:d=%.3f:c=%s", strings.Join(list, "|"), rate, seconds, layouts[channels])
	if t.Gap != "" {
		source += fmt.Sprintf(",aselect='not(between(t,%s,%s+0.4))'", t.Gap, t.Gap)
	}
	return source
}

func changedRate(rate int) int {
	if rate == 48000 {
		return 44100
	}
	return 48000
}

// options returns the encoder of the n-th track.
func (t Track) options(n, _ int) []string {
	var args []string
	fields := strings.Fields(audioCodecs[t.Codec].args)
	for i := 0; i+1 < len(fields); i += 2 {
		args = append(args, stream(fields[i], n), fields[i+1])
	}
	if t.Language != "" {
		args = append(args, fmt.Sprintf("-metadata:s:a:%d", n), "language="+t.Language)
	}
	return args
}

// stream makes an option that of the n-th audio track.
func stream(option string, n int) string {
	return fmt.Sprintf("%s:a:%d", strings.TrimSuffix(option, ":a"), n)
}
