package decode

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/internal/option"
	"github.com/mapreel/mapreel/pkg/ffmpeg/internal/output"
)

// Bars looks for black bars in single frames of a video stream.
type Bars struct {
	Input  ffmpeg.Input
	Stream int
	At     []int64 // microseconds from the beginning of the input; each opens the input once more
}

// blackLimit is how bright, of 255, a row or column may be on average and be black: what analogue tapes have in their bars.
const blackLimit = 24

// BarsArgs returns the arguments of ffmpeg that decode one frame at each time, and write the rectangle of it that is not black to
// descriptor 3, for a BarsLog.
func BarsArgs(b Bars) []string {
	args := append([]string{"-hide_banner", "-nostdin", "-loglevel", "error", "-nostats"}, ffmpeg.AllocationLimits()...)
	var graph []string
	for i, at := range b.At {
		args = append(args, "-threads", "1")
		if at > 0 {
			args = append(args, "-ss", option.Seconds(at))
		}
		args = append(append(args, b.Input.Options()...), "-i", b.Input.URL())
		chain := append(b.Input.Filters(), fmt.Sprintf(`cropdetect=limit=%d/255:round=2:skip=0:reset=1`, blackLimit), `metadata=mode=print:file=pipe\\:3`)
		graph = append(graph, fmt.Sprintf("[%d:%d]%s[v%d]", i, b.Stream, strings.Join(chain, ","), i))
	}
	args = append(args, "-filter_complex", strings.Join(graph, ";"))
	for i := range b.At {
		args = append(args, "-map", fmt.Sprintf("[v%d]", i), "-frames:v", "1", "-f", "null", "-")
	}
	return args
}

// Rectangle is the part of a frame that is not black, by its first and last column and row.
type Rectangle struct{ X1, X2, Y1, Y2 int }

// BarsLog is an io.Writer that collects what BarsArgs writes to descriptor 3. A frame that is black as a whole is left out. The zero
// value is ready to use.
type BarsLog struct {
	Frames []Rectangle

	next  Rectangle
	lines output.Lines
}

// Write takes more of the log's text.
func (l *BarsLog) Write(data []byte) (int, error) {
	if l.lines.Each == nil {
		l.lines = output.Lines{Limit: output.MaxLine, Each: l.line}
	}
	return l.lines.Write(data)
}

// line takes a line such as "lavfi.cropdetect.x1=0". Those of a frame come in the order x1, x2, y1, y2.
func (l *BarsLog) line(line []byte) error {
	key, text, ok := strings.Cut(string(line), "=")
	name, isOurs := strings.CutPrefix(key, "lavfi.cropdetect.")
	if !ok || !isOurs {
		return nil
	}
	to := map[string]*int{"x1": &l.next.X1, "x2": &l.next.X2, "y1": &l.next.Y1, "y2": &l.next.Y2}[name]
	if to == nil {
		return nil
	}
	var err error
	if *to, err = strconv.Atoi(text); err != nil {
		return fmt.Errorf("cropdetect reports %q", line)
	}
	if r := l.next; name == "y2" && r.X1 < r.X2 && r.Y1 < r.Y2 {
		l.Frames = append(l.Frames, r)
	}
	return nil
}
