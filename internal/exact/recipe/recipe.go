// Package recipe draws sources at random. A recipe says how a source is coded, timed, muxed and
// damaged, and what a job should make of it. It is a pure function of a seed, and becomes commands of
// ffmpeg and changes of bytes that make the source.
//
//	r := recipe.Draw(17, 0)
//	path, err := r.Make(ctx, dir)
//
// A source has a few seconds of a small moving test picture and of beeps, as those of package source.
package recipe

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/mapreel/mapreel/pkg/film"
)

// Recipe describes a source and the job on it. The properties of Plain are the usual ones; what
// fails is easier to understand the fewer others it has.
type Recipe struct {
	Container string // a key of containers
	Codec     string // a key of videoCodecs; "none" is a source without video
	Format    string // pixel format; "" is yuv420p
	GOP       string // see gops
	Rate      string // frames a second, as 24 or 30000/1001
	Times     string // see timings
	Size      string // width x height
	Frames    int    // that the test picture has, before Times drops any
	Picture   string // see pictures

	Start      string // seconds at which the file's clock begins
	VideoDelay string // seconds by which the video begins later than the audio
	Edit       string // see edits
	Clock      string // see clocks
	Scan       string // "" is progressive; tff and bff are interlaced
	Change     string // see changes
	Aspect     string // of a pixel; "" is square
	Rotation   string // degrees
	Colour     string // see colours
	Subtitles  bool
	Cover      bool
	Chapters   bool
	Program    string // see programs

	Tracks []Track // of audio

	Damage   string // see damages
	DamageAt int    // where it begins, in per mille of the file
	DamageBy int    // how much, in the unit of Damage

	Segment   time.Duration   // target length of a segment of the job
	Output    film.Container  // of the job
	OutCodec  film.VideoCodec // of the job; "" is the default of the container
	ByteOrder uint64          `json:"-"` // seeds the choice of damaged bytes
}

// Track is an audio track.
type Track struct {
	Codec    string // a key of audioCodecs
	Rate     int    // Hz
	Channels int
	Delay    string // seconds by which it begins later than the file
	Gap      string // seconds at which 0.4 s are missing; "" is no gap
	Length   string // "" is that of the video; short and long differ
	Change   string // "" is none; channels and rate change in the middle, appears begins there undeclared
	Language string
}

// Plain returns the recipe of a source without anything unusual.
func Plain() Recipe {
	return Recipe{
		Container: "mp4", Codec: "h264", Rate: "24", Size: "96x54", Frames: 96,
		Tracks: []Track{plainTrack()}, Segment: 2 * time.Second, Output: film.MP4,
	}
}

func plainTrack() Track { return Track{Codec: "aac", Rate: 48000, Channels: 2} }

// Property is a property of a recipe that is not that of Plain. Usual returns the recipe with the
// usual one in its place.
type Property struct {
	Name  string
	Text  string
	Usual func(Recipe) Recipe
}

// Properties returns what is unusual about a recipe.
func (r Recipe) Properties() (list []Property) {
	plain, mine := reflect.ValueOf(Plain()), reflect.ValueOf(r)
	for i := range mine.NumField() {
		name := mine.Type().Field(i).Name
		switch name {
		case "Tracks", "ByteOrder":
			continue
		case "DamageAt", "DamageBy":
			if r.Damage == "" {
				continue
			}
		}
		if mine.Field(i).Equal(plain.Field(i)) {
			continue
		}
		list = append(list, Property{name, fmt.Sprintf("%s %v", name, mine.Field(i)), func(r Recipe) Recipe {
			reflect.ValueOf(&r).Elem().Field(i).Set(plain.Field(i))
			return r
		}})
	}
	for n := range r.Tracks {
		list = append(list, r.trackProperties(n)...)
	}
	if len(r.Tracks) == 0 {
		list = append(list, Property{"Tracks", "no audio", func(r Recipe) Recipe {
			r.Tracks = Plain().Tracks
			return r
		}})
	}
	return list
}

// trackProperties returns what is unusual about the n-th audio track. That there is more than one is
// unusual too.
func (r Recipe) trackProperties(n int) (list []Property) {
	prefix := fmt.Sprintf("Track%d", n+1)
	if len(r.Tracks) > 1 {
		list = append(list, Property{prefix, prefix, func(r Recipe) Recipe {
			r.Tracks = slices.Delete(slices.Clone(r.Tracks), n, n+1)
			return r
		}})
	}
	plain, mine := reflect.ValueOf(plainTrack()), reflect.ValueOf(r.Tracks[n])
	for i := range mine.NumField() {
		if mine.Field(i).Equal(plain.Field(i)) {
			continue
		}
		name := prefix + mine.Type().Field(i).Name
		list = append(list, Property{name, fmt.Sprintf("%s %v", name, mine.Field(i)), func(r Recipe) Recipe {
			r.Tracks = slices.Clone(r.Tracks)
			reflect.ValueOf(&r.Tracks[n]).Elem().Field(i).Set(plain.Field(i))
			return r
		}})
	}
	return list
}

// Formats returns the recipe in MP4 with H.264 and AAC. These can only be usual together where one
// does not fit the other's container.
func (r Recipe) Formats() Recipe {
	plain := Plain()
	r.Container, r.Format = plain.Container, ""
	if r.Codec != "none" {
		r.Codec = plain.Codec
	}
	r.Tracks = slices.Clone(r.Tracks)
	for i := range r.Tracks {
		r.Tracks[i].Codec = plainTrack().Codec
	}
	return r
}

// Usual makes the named properties usual.
func (r Recipe) Usual(names []string) (Recipe, error) {
	for _, name := range names {
		if name == "Formats" {
			r = r.Formats()
			continue
		}
		all := r.Properties()
		i := slices.IndexFunc(all, func(p Property) bool { return p.Name == name })
		if i < 0 {
			return r, fmt.Errorf("%s is no unusual property of this recipe", name)
		}
		r = all[i].Usual(r)
	}
	return r, nil
}

// String lists what is unusual.
func (r Recipe) String() string {
	var words []string
	for _, p := range r.Properties() {
		words = append(words, p.Text)
	}
	if len(words) == 0 {
		return "plain"
	}
	return strings.Join(words, ", ")
}

// Raw reports whether the source has no timestamps, so that the job must be told its frame rate.
func (r Recipe) Raw() bool { return containers[r.Container].raw }

// ToneMapped reports whether the job turns HDR into SDR, so that the colours of its output differ.
func (r Recipe) ToneMapped() bool { return r.Colour == hdr10 && r.OutCodec != film.H265 }

// Interlaced reports whether the video has fields.
func (r Recipe) Interlaced() bool { return r.Scan != "" }

// File returns the name of the source's file.
func (r Recipe) File() string { return "in" + containers[r.Container].extension }
