// Package shift finds where one sequence of frames lacks frames of another, or has more, by their pictures.
package shift

import (
	"math"
	"slices"

	"github.com/mapreel/mapreel/pkg/verify/picture"
)

const (
	// shiftReach is how many frames before and after its own place in time a frame of the output is looked for in the
	// source: a second of most films.
	shiftReach = 30
	// A frame shows another frame of the source than its own if its error against that one is at most maxShiftError of
	// that against its own, and it lies at least minShiftWeight of the way from its own to the other. Correct encodes of
	// real film lie 0.62 of the way at most towards another. Both are choices.
	maxShiftError, minShiftWeight = 0.35, 0.7
	// maxOwnError is the error, as a part of the motion, below which a frame is certain to show its own.
	maxOwnError = 0.3
	// changeCost is how many frames must be explained better before the sequences are taken to be shifted against each
	// other. Of shorter stretches each frame is reported.
	changeCost = 3
)

// Search finds for each frame of the output the frame of the source that it shows. It holds the block means of the
// last frames of both.
type Search struct {
	source, output []searched

	Shows []Shown // one per frame of the output
}

// searched is a frame that others are compared with.
type searched struct {
	number int
	small  []float32
}

// Shown is what a frame of the output shows.
type Shown struct {
	Own    int32 // number of the source frame of its time
	Best   int32 // number of the source frame that it resembles most
	Paired bool  // own is the frame at its time, not only the nearest
	Sure   bool  // the frame shows best and no other; without motion, no one can tell

	ownError, bestError float32
}

// AddSource takes the next frame of the source.
func (s *Search) AddSource(number int, small []float32) {
	s.source = remember(s.source, number, small)
	for _, o := range s.output {
		s.compare(o, s.source[len(s.source)-1])
	}
}

// AddOutput takes the next frame of the output. own is the number of the source's frame at its time, which was the last
// one to be added.
func (s *Search) AddOutput(small []float32, own int, paired bool) {
	n := len(s.Shows)
	s.output = remember(s.output, n, small)
	found := Shown{Own: int32(own), Best: int32(own), Paired: paired}
	motion := math.Inf(1)
	for _, f := range s.source {
		switch f.number {
		case own:
			found.ownError = float32(MeanSquare(small, f.small))
		case own - 1:
			if of := s.find(own); of != nil {
				motion = MeanSquare(f.small, of)
			}
		}
	}
	found.bestError = found.ownError
	found.Sure = paired && !math.IsInf(motion, 1) && motion >= picture.MinMotion && float64(found.ownError) < maxOwnError*motion
	s.Shows = append(s.Shows, found)
	for _, f := range s.source {
		s.compare(s.output[len(s.output)-1], f)
	}
}

func (s *Search) find(source int) []float32 {
	for _, f := range s.source {
		if f.number == source {
			return f.small
		}
	}
	return nil
}

// compare looks whether a frame of the output resembles one of the source more than those before.
func (s *Search) compare(output, source searched) {
	found := &s.Shows[output.number]
	if float64(found.ownError) < picture.MinMotion/2 || int(found.Own) == source.number {
		return // too near to its own
	}
	err := MeanSquare(output.small, source.small)
	if err >= float64(found.bestError) || err > maxShiftError*float64(found.ownError) {
		return
	}
	own := s.find(int(found.Own))
	if own == nil {
		return
	}
	motion := MeanSquare(own, source.small)
	if motion < picture.MinMotion || (float64(found.ownError)-err+motion)/(2*motion) < minShiftWeight {
		return
	}
	found.Best, found.bestError, found.Sure = int32(source.number), float32(err), true
}

// remember appends a frame and forgets the one that is out of reach, whose memory it reuses.
func remember(list []searched, number int, small []float32) []searched {
	var free []float32
	if len(list) > shiftReach {
		free = list[0].small
		copy(list, list[1:])
		list = list[:len(list)-1]
	}
	return append(list, searched{number, append(free[:0], small...)})
}

// MeanSquare returns the mean squared difference of two lists of block means.
func MeanSquare(a, b []float32) float64 {
	b = b[:len(a)]
	var sum float32
	for i, v := range a {
		d := v - b[i]
		sum += d * d
	}
	return float64(sum) / float64(max(len(a), 1))
}

// Section is a run of frames of the output that are shifted alike.
type Section struct {
	First int // frame of the output
	By    int // how many frames later in the source than its time is what a frame shows
	Sure  int // the change happened after this frame of the output: the last one before that is known to be shifted otherwise
}

// Sections divides the output where the shift changes, such that as few frames as possible show something else. The first
// begins at frame 0. sourceFrames is the number of the source's frames.
func Sections(shows []Shown, sourceFrames int) []Section {
	shifts := []int{0}
	count := map[int]int{}
	for _, f := range shows {
		if by := int(f.Best - f.Own); f.Sure && by != 0 {
			if count[by]++; count[by] == changeCost {
				shifts = append(shifts, by)
			}
		}
	}
	if len(shows) == 0 || len(shifts) == 1 && len(count) == 0 {
		return []Section{{}}
	}
	// What is left at the end, of the source or of the output, is a shift that is known beforehand.
	left := 0
	for i := len(shows) - 1; i >= 0 && !shows[i].Paired; i-- {
		left--
	}
	if left == 0 {
		left = sourceFrames - 1 - int(shows[len(shows)-1].Own)
	}
	if left != 0 && count[left] > 0 && count[left] < changeCost {
		shifts = append(shifts, left)
	}
	// The cheapest path through the shifts, frame by frame.
	cost := make([]int, len(shifts))
	from := make([][]uint8, len(shows))
	for i := range shifts[1:] {
		cost[i+1] = changeCost
	}
	for m, f := range shows {
		from[m] = make([]uint8, len(shifts))
		cheapest := 0
		for i := range shifts {
			if cost[i] < cost[cheapest] {
				cheapest = i
			}
		}
		next := make([]int, len(shifts))
		for i, by := range shifts {
			next[i], from[m][i] = cost[i], uint8(i)
			if change := cost[cheapest] + changeCost; m > 0 && change < cost[i] {
				next[i], from[m][i] = change, uint8(cheapest)
			}
			if f.Sure && int(f.Best-f.Own) != by {
				next[i]++
			}
		}
		cost = next
	}
	state := 0
	for i, by := range shifts {
		if by != left {
			cost[i] += changeCost
		}
		if cost[i] < cost[state] {
			state = i
		}
	}
	path := make([]int, len(shows))
	for m := len(shows) - 1; m >= 0; m-- {
		path[m] = shifts[state]
		state = int(from[m][state])
	}
	list := []Section{{By: path[0], Sure: -1}}
	for m := 1; m < len(path); m++ {
		if path[m] == path[m-1] {
			continue
		}
		first := m
		for first < len(path)-1 && path[first+1] == path[m] && !(shows[first].Sure && int(shows[first].Best-shows[first].Own) == path[m]) {
			first++ // frames without motion may belong to either side; the first that is known begins the section
		}
		sure := first - 1
		for sure > list[len(list)-1].First && !(shows[sure].Sure && int(shows[sure].Best-shows[sure].Own) == path[m-1]) {
			sure--
		}
		list = append(list, Section{first, path[m], sure})
		m = first
	}
	return list
}

// Any reports whether anything is shifted.
func Any(list []Section) bool {
	return slices.ContainsFunc(list, func(s Section) bool { return s.By != 0 })
}

// Targets returns the frame of the source that each frame of the output is to show, -1 for none.
func Targets(shows []Shown, list []Section) []int {
	all := make([]int, len(shows))
	by := 0
	for i, f := range shows {
		for len(list) > 0 && list[0].First <= i {
			by, list = list[0].By, list[1:]
		}
		if all[i] = int(f.Own) + by; !f.Paired && by == 0 {
			all[i] = -1
		}
	}
	return all
}
