package render

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Bounds of a job's frames.
const (
	// MaxFrames is more than an hour of 24 frames a second.
	MaxFrames = 100_000
	maxNumber = 1_048_574 // Blender's MAXFRAME
	minNumber = -maxNumber
)

var frameRange = regexp.MustCompile(`^(-?[0-9]{1,8})(?:-(-?[0-9]{1,8}))?$`)

// ParseFrames returns the numbers of the frames that text lists, such as "3,5-10", in rising order, each once. Of each range, it takes every
// step-th.
func ParseFrames(text string, step int) ([]int, error) {
	var list []int
	for part := range strings.SplitSeq(text, ",") {
		part = strings.TrimSpace(part)
		m := frameRange.FindStringSubmatch(part)
		if m == nil {
			return nil, fmt.Errorf("%.40q is neither a frame such as 17 nor a range such as 5-10", part)
		}
		first, _ := strconv.Atoi(m[1]) // digits, as the expression says
		last := first
		if m[2] != "" {
			last, _ = strconv.Atoi(m[2])
		}
		switch {
		case first < minNumber || last > maxNumber || first > maxNumber || last < minNumber:
			return nil, fmt.Errorf("%s: the frames of Blender are numbered %d to %d", part, minNumber, maxNumber)
		case last < first:
			return nil, fmt.Errorf("%s: the range ends before it begins", part)
		case (last-first)/step+1 > MaxFrames-len(list):
			return nil, fmt.Errorf("more than %d frames; divide them into several jobs", MaxFrames)
		}
		for n := first; n <= last; n += step {
			list = append(list, n)
		}
	}
	slices.Sort(list)
	list = slices.Compact(list)
	if len(list) == 0 {
		return nil, errors.New("no frame")
	}
	return list, nil
}

// FormatFrames returns the shortest text that ParseFrames reads as the same numbers with a step of 1: "1-4,9". They must rise.
func FormatFrames(numbers []int) string {
	var b strings.Builder
	for i := 0; i < len(numbers); {
		k := i + 1
		for k < len(numbers) && numbers[k] == numbers[k-1]+1 {
			k++
		}
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		b.WriteString(strconv.Itoa(numbers[i]))
		if k > i+1 {
			fmt.Fprintf(&b, "-%d", numbers[k-1])
		}
		i = k
	}
	return b.String()
}

// FileName returns the name under which a frame is published: frame_0017.png.
func FileName(number int, f Format) string {
	if number < 0 {
		return fmt.Sprintf("frame_-%04d.%s", -number, f.Extension())
	}
	return fmt.Sprintf("frame_%04d.%s", number, f.Extension())
}

// IsFileName reports whether a frame may have been published under a name, in whatever format.
func IsFileName(name string, number int) bool {
	return name == FileName(number, PNG) || name == FileName(number, EXR)
}
