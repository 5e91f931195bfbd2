package verify

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/verify/shift"
)

// The kinds of Edit.
const (
	Missing  = "missing"  // frames of the source that the output does not show
	Added    = "added"    // frames of the output that the source does not have there: repeated ones, or others
	Swapped  = "swapped"  // two neighbours are exchanged
	Repeated = "repeated" // a frame shows the one before it instead of its own
	Late     = "late"     // frames show the one before their own
	Early    = "early"    // frames show the one after their own
)

// Edit is a place where the output's frames differ from the source's, described as an editing operation
// such as removing or repeating frames. Kind is one of the constants above.
type Edit struct {
	Kind  string       `json:"kind"`
	First int          `json:"first"` // frame: of the source where Missing, else of the output
	Last  int          `json:"last"`
	At    film.Seconds `json:"at"` // of First, after the first frame
	Until film.Seconds `json:"until"`
	// From is the earliest frame that First may be, where the picture is still.
	From int `json:"from"`
}

func (e Edit) String() string {
	one := e.First == e.Last
	at := ClockTime(time.Duration(e.At))
	if !one {
		at += "–" + ClockTime(time.Duration(e.Until))
	}
	which := fmt.Sprintf("frame %d (%s)", e.First, at)
	switch {
	case e.Kind == Swapped:
		which = fmt.Sprintf("frames %d and %d (%s)", e.First, e.Last, at)
	case !one:
		which = fmt.Sprintf("frames %d to %d (%s)", e.First, e.Last, at)
	case e.From < e.First:
		which = fmt.Sprintf("one of frames %d to %d (%s, where nothing moves)", e.From, e.First, at)
	}
	is := map[bool]string{true: " is ", false: " are "}[one]
	switch e.Kind {
	case Missing:
		return which + is + "missing"
	case Added:
		return which + is + "added"
	case Swapped:
		return which + " are exchanged"
	case Repeated:
		return which + " repeats the frame before it"
	case Late:
		return which + is + "late by one frame"
	}
	return which + is + "early by one frame"
}

// maxEditsNamed is how many edits a check names.
const maxEditsNamed = 3

// describeEdits lists edits in words.
func describeEdits(edits []Edit) string {
	var list []string
	for _, e := range edits[:min(len(edits), maxEditsNamed)] {
		list = append(list, e.String())
	}
	if n := len(edits) - maxEditsNamed; n > 0 {
		list = append(list, fmt.Sprintf("and %d more", n))
	}
	return strings.Join(list, "; ")
}

// countEdits returns what is missing and added: what timestamps say (t), and where the pictures after a place are shifted
// against their times. times returns the time of a frame of the source and of one of the output.
func countEdits(t timing, shows []shift.Shown, list []shift.Section, sourceFrames int, sourceTime, outputTime func(int) time.Duration) []Edit {
	missing, added := slices.Clone(t.lostFrames), slices.Clone(t.extraFrames)
	edit := func(kind string, r frameRange, from int) Edit {
		at := sourceTime
		if kind == Added {
			at = outputTime
		}
		return Edit{kind, r.first, r.last, film.Seconds(at(r.first)), film.Seconds(at(r.last)), from}
	}
	var edits []Edit
	by := 0
	for _, s := range list {
		switch d := s.By - by; {
		case d > 0:
			at := int(shows[s.First].Own) + s.By - d
			edits = append(edits, edit(Missing, frameRange{at, at + d - 1}, at-(s.First-1-s.Sure)))
		case d < 0:
			edits = append(edits, edit(Added, frameRange{s.First, s.First - d - 1}, s.Sure+1))
		}
		by = s.By
	}
	// What lies at the end by its time is shown after all, if everything is shifted there.
	if n := len(shows); n > 0 && by != 0 {
		end := int(shows[n-1].Own)
		if i := len(missing) - 1; by > 0 && i >= 0 && missing[i].last == sourceFrames-1 && missing[i].first == end+1 {
			if missing[i].first += by; missing[i].first > missing[i].last {
				missing = missing[:i]
			}
		}
		if i := len(added) - 1; by < 0 && i >= 0 && added[i].last == n-1 {
			if added[i].first -= by; added[i].first > added[i].last {
				added = added[:i]
			}
		}
		if over := end + by - (sourceFrames - 1); by > 0 && over > 0 && len(missing) == 0 { // cannot be: there is no such frame
			edits = slices.DeleteFunc(edits, func(e Edit) bool { return e.First >= sourceFrames })
		}
		if by < 0 && len(t.extraFrames) == 0 { // the count is right: the film's last frames are gone
			missing = append(missing, frameRange{end + by + 1, end})
		}
		if by > 0 && len(t.lostFrames) == 0 && len(edits) > 0 {
			added = append(added, frameRange{n - by, n - 1})
		}
	}
	for _, r := range missing {
		edits = append(edits, edit(Missing, r, r.first))
	}
	for _, r := range added {
		edits = append(edits, edit(Added, r, r.first))
	}
	slices.SortStableFunc(edits, func(a, b Edit) int { return int(min(max(a.At-b.At, -1), 1)) })
	return edits
}

// orderEdits groups frames that show a neighbour of their own source frame.
func orderEdits(wrong []Wrong) []Edit {
	var edits []Edit
	for i := 0; i < len(wrong); {
		w := wrong[i]
		late := w.Shows < w.Expected
		n := 1
		for i+n < len(wrong) && wrong[i+n].Frame == w.Frame+n && (wrong[i+n].Shows < wrong[i+n].Expected) == late {
			n++
		}
		e := Edit{Early, w.Frame, wrong[i+n-1].Frame, w.At, wrong[i+n-1].At, w.Frame}
		switch {
		case !late && n == 1 && i+1 < len(wrong) && wrong[i+1].Frame == w.Frame+1:
			e.Kind, e.Last, e.Until, n = Swapped, wrong[i+1].Frame, wrong[i+1].At, 2
		case late && n == 1:
			e.Kind = Repeated
		case late:
			e.Kind = Late
		}
		edits = append(edits, e)
		i += n
	}
	return edits
}

// frameRange is a range of frames, with both ends.
type frameRange struct{ first, last int }

// extend adds a frame to the last range, or begins another.
func extend(list []frameRange, frame int) []frameRange {
	if n := len(list); n > 0 && list[n-1].last == frame-1 {
		list[n-1].last = frame
		return list
	}
	return append(list, frameRange{frame, frame})
}
