package main

import (
	"cmp"
	"math"
	"slices"
)

// box is left, top, right and bottom, in pixels.
type box [4]float64

func (b box) area() float64 { return math.Max(b[2]-b[0], 0) * math.Max(b[3]-b[1], 0) }

// overlap returns the area that two boxes share, divided by that which they cover together.
func (b box) overlap(o box) float64 {
	shared := box{math.Max(b[0], o[0]), math.Max(b[1], o[1]), math.Min(b[2], o[2]), math.Min(b[3], o[3])}.area()
	all := b.area() + o.area() - shared
	if all <= 0 {
		return 0
	}
	return shared / all
}

// object is what was found in a frame.
type object struct {
	Label string
	Score float64
	Box   box
}

// distinct returns the objects that overlap none before them too much.
func distinct(list []object, overlap float64) (kept []object) {
	for _, o := range list {
		if !slices.ContainsFunc(kept, func(k object) bool { return k.Box.overlap(o.Box) > overlap }) {
			kept = append(kept, o)
		}
	}
	return kept
}

// frame is a frame with what was found in it alone.
type frame struct {
	us      int64 // its time
	objects []object
}

// distance returns how many milliseconds lie between two frames. Times in microseconds are rounded where the film was cut, and may differ by
// one or two between cuts.
func (f frame) distance(o frame) int64 {
	const ms, half = 1000, 500
	return (max(f.us-o.us, o.us-f.us) + half) / ms
}

// reach is how far before and after a frame others are looked at, in milliseconds. The context that tools.yaml asks for is longer.
const reach = 250

// track is an object in the frames around one.
type track struct {
	object
	weight float64 // of its frames, each with its score
	sum    box     // of its boxes, each with its weight
	edges  [2]box  // the last box before and after
}

// smooth returns the objects of frame i. Each is the mean of those at the same place in the frames around it, and is there if it is
// in enough of them: one that a single frame lacks is there, and one that only a single frame has is not. Nothing but the frames within
// reach has an effect, so that the result does not depend on where the film was cut.
func smooth(frames []frame, i int, threshold float64) []object {
	type near struct {
		at, side int
		distance int64
	}
	around := []near{{at: i}}
	for k := i - 1; k >= 0 && frames[i].distance(frames[k]) <= reach; k-- {
		around = append(around, near{k, 0, frames[i].distance(frames[k])})
	}
	for k := i + 1; k < len(frames) && frames[k].distance(frames[i]) <= reach; k++ {
		around = append(around, near{k, 1, frames[k].distance(frames[i])})
	}
	slices.SortStableFunc(around, func(a, b near) int { return cmp.Or(cmp.Compare(a.distance, b.distance), cmp.Compare(a.side, b.side)) })
	var tracks []*track
	total := 0.0
	for _, n := range around {
		weight := 1 - float64(n.distance)/(reach+50)
		total += weight
		used := map[*track]bool{}
		for _, o := range frames[n.at].objects {
			t := nearest(tracks, o, n.side, used)
			if t == nil {
				t = &track{object: o, edges: [2]box{o.Box, o.Box}}
				tracks = append(tracks, t)
			}
			used[t] = true
			t.edges[n.side] = o.Box
			if n.distance == 0 {
				t.edges = [2]box{o.Box, o.Box}
			}
			t.weight += weight * o.Score
			for c := range o.Box {
				t.sum[c] += weight * o.Score * o.Box[c]
			}
		}
	}
	var list []object
	for _, t := range tracks {
		if t.weight/total < threshold {
			continue
		}
		o := object{Label: t.Label, Score: t.weight / total}
		for c := range o.Box {
			o.Box[c] = t.sum[c] / t.weight
		}
		list = append(list, o)
	}
	const same = 0.6
	slices.SortStableFunc(list, func(a, b object) int { return cmp.Compare(b.Score, a.Score) })
	return distinct(list, same)
}

// nearest returns the track that an object continues.
func nearest(tracks []*track, o object, side int, used map[*track]bool) (best *track) {
	most := 0.3
	for _, t := range tracks {
		if t.Label != o.Label || used[t] {
			continue
		}
		if v := t.edges[side].overlap(o.Box); v > most {
			most, best = v, t
		}
	}
	return best
}
