package recipe

import (
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/mapreel/mapreel/pkg/film"
)

// Draw returns the recipe of a seed. What ffmpeg cannot mux is drawn again; where that shows only
// when it is tried, the caller draws the next attempt.
func Draw(seed, attempt uint64) Recipe {
	d := drawing{rand.New(rand.NewPCG(seed, attempt))}
	for {
		r := d.recipe()
		if r.Problem() == "" && r.Doubtful() == "" {
			return drawing{rand.New(rand.NewPCG(seed, attempt+laterNumbers))}.later(r)
		}
	}
}

// drawing draws properties one after the other.
type drawing struct{ *rand.Rand }

// rarely is true once in n times.
func (d drawing) rarely(n int) bool { return d.IntN(n) == 0 }

// one draws from a list.
func one[T any](d drawing, list ...T) T { return list[d.IntN(len(list))] }

// sometimes draws from a list once in n times, and returns the zero value else.
func sometimes[T any](d drawing, n int, list ...T) (v T) {
	if len(list) > 0 && d.rarely(n) {
		return one(d, list...)
	}
	return v
}

// keys draws a key of a map that is not "" once in n times, and returns "" else.
func keys[T any](d drawing, n int, m map[string]T) string {
	return sometimes(d, n, slices.DeleteFunc(slices.Sorted(maps.Keys(m)), func(k string) bool { return k == "" })...)
}

// maxFrames bounds what a source costs: at 240 frames a second, it has two segments still.
const maxFrames = 300

func (d drawing) recipe() Recipe {
	r := Recipe{Container: one(d, firstContainers()...), ByteOrder: d.Uint64()}
	if d.rarely(3) { // these hold most, and are most common
		r.Container = one(d, "mp4", "mkv", "ts")
	}
	c := containers[r.Container]
	r.Codec = one(d, strings.Fields(c.video)...)
	if d.rarely(25) {
		r.Codec = "none"
	}
	codec := videoCodecs[r.Codec]
	r.Format = sometimes(d, 5, strings.Fields(codec.formats)...)
	r.GOP = sometimes(d, 2, strings.Fields(codec.gops)...)
	r.Rate = one(d, "24", "25", "30000/1001", "24000/1001", "12", "50", "60", "240", "10", "1/5")
	if codec.rates != "" {
		r.Rate = one(d, strings.Fields(codec.rates)...)
	}
	r.Times = keys(d, 3, timings)
	r.Size = one(d, "96x54", "64x36", "160x96", "160x90", "128x72", "97x55")
	rate := fraction(r.Rate)
	r.Frames = int(math.Ceil(rate.num / rate.den * one(d, 2, 3, 4, 5.0)))
	r.Frames = min(max(2, r.Frames/2)*2, maxFrames) // parts are halves
	r.Picture = keys(d, 6, pictures)
	r.Start = sometimes(d, 6, "0.7", "10", "1000", "40000")
	r.VideoDelay = sometimes(d, 8, "0.3", "0.7", "1.7")
	r.Edit = keys(d, 6, edits)
	r.Clock = keys(d, 5, clocks)
	r.Scan = sometimes(d, 6, "tff", "bff")
	r.Change = keys(d, 6, changes)
	r.Aspect = sometimes(d, 8, "64/45", "4/3", "853/720", "110/109", "1/2")
	r.Rotation = sometimes(d, 10, "90", "180", "270")
	r.Colour = sometimes(d, 6, "bt2020", "bt601", "bt709", "full")
	r.Subtitles = d.rarely(8)
	for range one(d, 1, 1, 1, 1, 2, 2, 3, 0) {
		r.Tracks = append(r.Tracks, d.track(c))
	}
	if d.rarely(4) {
		r.Damage = one(d, slices.Sorted(maps.Keys(damages))...)
		r.DamageAt = 200 + d.IntN(700)
		r.DamageBy = 1 + d.IntN(damages[r.Damage].most)
	}
	r.Segment = one(d, time.Second, time.Second, 2*time.Second, 3*time.Second, 10*time.Second)
	r.Output, r.OutCodec = film.MP4, sometimes(d, 8, film.H265)
	if d.rarely(4) {
		r.Output, r.OutCodec = one(d, film.Matroska, film.WebM), ""
	}
	return r
}

func (d drawing) track(c container) Track {
	t := Track{Rate: 48000, Channels: 2}
	if list := strings.Fields(c.audio); len(list) > 0 {
		t.Codec = one(d, list...)
	}
	codec := audioCodecs[t.Codec]
	if d.rarely(2) {
		t.Rate = one(d, 44100, 32000, 22050, 96000, 8000)
	}
	if codec.channels > 0 && d.rarely(2) {
		t.Channels = one(d, slices.DeleteFunc(slices.Sorted(maps.Keys(layouts)), func(n int) bool { return n > codec.channels })...)
	}
	t.Delay = sometimes(d, 6, "0.3", "0.123", "1.4")
	t.Gap = sometimes(d, 10, "0.5", "1.1")
	t.Length = sometimes(d, 6, "short", "long")
	t.Change = sometimes(d, 10, "channels", "rate")
	t.Language = sometimes(d, 4, "ger", "fre", "und")
	return t
}

// has reports whether a list of words has one.
func has(list, word string) bool { return slices.Contains(strings.Fields(list), word) }
