// Package burnin prepares subtitles for being drawn into the picture of a film, so that what a frame shows depends on its time alone.
//
//	script, err := burnin.Parse(data)  // ASS, as ffmpeg writes it
//	script.Restyle()                   // of subtitles without a style of their own
//	err = script.Settle()
//	text := script.Moved(10 * time.Second)
//
// libass moves an event out of the way of those that are on screen already, and leaves it there when they have gone: what it shows follows
// from the frames before. Settle therefore makes one event of those that would lie over each other.
package burnin

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mapreel/mapreel/pkg/fault"
)

// Script is a file of Advanced SubStation Alpha.
type Script struct {
	header []string // all lines before the first event
	events []event
}

// event is a line of text and when it is shown.
type event struct {
	layer      string
	start, end time.Duration
	style      string
	middle     string // name, margins and effect: the fields between style and text
	text       string
}

// Limits of a script: an event each second for a day, and far more bytes than a person reads in that time.
const (
	maxEvents = 1 << 17
	maxBytes  = 32 << 20
)

// fields are those of an event, in the order in which ffmpeg writes them.
const fields = "Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text"

// Parse reads a script. An error is of kind Corrupt or Unsupported.
func Parse(data []byte) (*Script, error) {
	if len(data) > maxBytes {
		return nil, fault.New(fault.Unsupported, "the subtitles have more than %d MiB", maxBytes>>20)
	}
	s := &Script{}
	within := false
	for line := range strings.Lines(string(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf")))) {
		line = strings.TrimRight(line, "\r\n")
		text, ok := strings.CutPrefix(line, "Dialogue:")
		if !ok {
			if !within && !strings.HasPrefix(line, "Comment:") {
				s.header = append(s.header, line)
			}
			continue
		}
		within = true
		e, err := parseEvent(text)
		if err != nil {
			return nil, err
		}
		if s.events = append(s.events, e); len(s.events) > maxEvents {
			return nil, fault.New(fault.Unsupported, "more than %d subtitles", maxEvents)
		}
	}
	slices.SortStableFunc(s.events, func(a, b event) int { return int(min(max(a.start-b.start, -1), 1)) })
	return s, nil
}

// Events returns how many events s has.
func (s *Script) Events() int { return len(s.events) }

func parseEvent(text string) (e event, err error) {
	f := strings.SplitN(text, ",", 10)
	if len(f) < 10 {
		return e, fault.New(fault.Corrupt, "%.60q is no subtitle with the fields %s", text, fields)
	}
	e = event{layer: strings.TrimSpace(f[0]), style: f[3], middle: strings.Join(f[4:9], ","), text: f[9]}
	if e.start, err = parseClock(f[1]); err == nil {
		e.end, err = parseClock(f[2])
	}
	return e, err
}

var clock = regexp.MustCompile(`^\s*([0-9]{1,4}):([0-9]{2}):([0-9]{2})[.:]([0-9]{2})\s*$`)

// parseClock parses the time of an event, in hundredths of a second.
func parseClock(text string) (time.Duration, error) {
	m := clock.FindStringSubmatch(text)
	if m == nil {
		return 0, fault.New(fault.Corrupt, "%.40q is no time of a subtitle", text)
	}
	var t time.Duration
	for i, unit := range [...]time.Duration{time.Hour, time.Minute, time.Second, 10 * time.Millisecond} {
		v, _ := strconv.ParseInt(m[i+1], 10, 64) // few digits
		t += time.Duration(v * int64(unit))
	}
	return t, nil
}

func formatClock(t time.Duration) string {
	n := max(t, 0).Round(10*time.Millisecond) / (10 * time.Millisecond)
	return fmt.Sprintf("%d:%02d:%02d.%02d", n/360_000, n/6000%60, n/100%60, n%100)
}

// Font is the name of the font of subtitles that have no style: one that goes with mapreel, so that every machine draws the same.
const Font = "Go"

// Restyle gives all events one style: white with a dark edge, low in the middle.
func (s *Script) Restyle() {
	s.header = []string{
		"[Script Info]", "ScriptType: v4.00+", "PlayResX: 640", "PlayResY: 360", "ScaledBorderAndShadow: yes", "WrapStyle: 0", "",
		"[V4+ Styles]",
		"Format: Name, Fontname, Fontsize, PrimaryColour, SecondaryColour, OutlineColour, BackColour, Bold, Italic, Underline, StrikeOut, " +
			"ScaleX, ScaleY, Spacing, Angle, BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding",
		"Style: Default," + Font + ",22,&H00FFFFFF,&H00FFFFFF,&H00101010,&H80000000,0,0,0,0,100,100,0,0,1,1.6,0.6,2,20,20,18,1", "",
		"[Events]", "Format: " + fields,
	}
	for i := range s.events {
		s.events[i].layer, s.events[i].style = "0", "Default"
	}
}

var (
	tags = regexp.MustCompile(`\{[^}]*\}`)
	// placed matches the tags that say where an event is, so that it does not move out of the way of others.
	placed = regexp.MustCompile(`\\(pos|move)\(`)
	// moving matches the tags that change an event while it is shown: those of a part of it would begin anew.
	moving    = regexp.MustCompile(`\\(t\(|fad|[kK])`)
	alignment = regexp.MustCompile(`\\an?([0-9]+)`)
)

// row is where events lie that may be in each other's way.
type row struct{ layer, at string }

// Settle makes one event of those that are on screen at the same time and place, from one change to the next: what began first is the
// lowest. Events that say where they are stay as they are. Others that change while they are shown, or that have several styles, are an error of
// kind Unsupported if they overlap.
func (s *Script) Settle() error {
	rows := map[row][]event{}
	var kept []event
	for _, e := range s.events {
		switch all := strings.Join(tags.FindAllString(e.text, -1), ""); {
		case e.end <= e.start:
		case placed.MatchString(all):
			kept = append(kept, e)
		default:
			r := row{layer: e.layer}
			if m := alignment.FindStringSubmatch(all); m != nil {
				r.at = m[1]
			}
			rows[r] = append(rows[r], e)
		}
	}
	for _, list := range rows {
		settled, err := settle(list)
		if err != nil {
			return err
		}
		kept = append(kept, settled...)
	}
	slices.SortFunc(kept, func(a, b event) int {
		if a.start != b.start {
			return int(min(max(a.start-b.start, -1), 1))
		}
		return strings.Compare(a.layer+a.text, b.layer+b.text)
	})
	s.events = kept
	return nil
}

// settle is Settle for the events of a row, which begin in order.
func settle(list []event) (out []event, err error) {
	for len(list) > 0 {
		n, end := 1, list[0].end
		for n < len(list) && list[n].start < end {
			end = max(end, list[n].end)
			n++
		}
		group := list[:n]
		if list = list[n:]; n == 1 {
			out = append(out, group[0])
			continue
		}
		if out, err = merge(out, group); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// merge appends to out the events that a group of overlapping ones becomes.
func merge(out, group []event) ([]event, error) {
	var changes []time.Duration
	for _, e := range group {
		if e.style != group[0].style || moving.MatchString(strings.Join(tags.FindAllString(e.text, -1), "")) {
			return nil, fault.WithHint(fault.New(fault.Unsupported, "the subtitles at %v overlap, and have different styles or effects: where they lie would depend on the frames before",
				e.start), "convert them to SubRip, which has no styles (ffmpeg -i SUBTITLES.ass SUBTITLES.srt)")
		}
		changes = append(changes, e.start, e.end)
	}
	slices.Sort(changes)
	changes = slices.Compact(changes)
	for i := 1; i < len(changes); i++ {
		var texts []string
		for _, e := range group {
			if e.start <= changes[i-1] && changes[i] <= e.end {
				texts = append(texts, e.text)
			}
		}
		if len(texts) == 0 {
			continue
		}
		slices.Reverse(texts)
		one := group[0]
		one.start, one.end, one.text = changes[i-1], changes[i], strings.Join(texts, `{\r}\N`)
		out = append(out, one)
	}
	return out, nil
}

// Moved returns the script with all events later by delay. What would be before 0 is cut off.
func (s *Script) Moved(delay time.Duration) []byte {
	var b bytes.Buffer
	for _, line := range s.header {
		b.WriteString(line + "\n")
	}
	for _, e := range s.events {
		if e.end+delay <= 0 {
			continue
		}
		fmt.Fprintf(&b, "Dialogue: %s,%s,%s,%s,%s,%s\n", e.layer, formatClock(e.start+delay), formatClock(e.end+delay), e.style, e.middle, e.text)
	}
	return b.Bytes()
}
