package film

import (
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/mapreel/mapreel/pkg/media"
)

// MaxJoin is how many sources a request may add to its first one. Each is probed while the job is planned.
const MaxJoin = 100

// JoinPointer returns the pointer of the field that names source i of a joined film: the first is the request's source.
func JoinPointer(i int) string {
	if i == 0 {
		return "/source"
	}
	return fmt.Sprintf("/join/%d", i-1)
}

// JoinedSource is one of the sources that a job joins to a film.
type JoinedSource struct {
	Source Source `json:"source"` // its times are those of its own clock
	// Shift is added to times of its video, in ticks of the film's video track, to get those of the film.
	Shift media.Ticks `json:"shift"`
	// Renditions are those of the job as they are made of this source.
	Renditions []Rendition `json:"renditions,omitempty"`
}

// Start returns when the first frame of the source is shown in a film with this timebase, in its ticks.
func (s JoinedSource) Start(timebase media.Rational) media.Ticks {
	return s.InFilm(s.Source.Video.Start, timebase)
}

// End is Start for the end of the last frame.
func (s JoinedSource) End(timebase media.Rational) media.Ticks {
	return s.InFilm(s.Source.Video.End, timebase)
}

// InFilm converts a time of the source's video to that of a film with this timebase.
func (s JoinedSource) InFilm(t media.Ticks, timebase media.Rational) media.Ticks {
	return media.Rescale(t, s.Source.Video.Timebase, timebase) + s.Shift
}

// Of returns the job as the units see it that encode the joined source at index i: with its video track, on the film's clock.
func (j Job) Of(i int) Job {
	if len(j.Source.Joined) == 0 {
		return j
	}
	one, film := j.Source.Joined[i], *j.Source.Video
	src, video := one.Source, *one.Source.Video
	video.Timebase, video.Start, video.End = film.Timebase, one.Start(film.Timebase), one.End(film.Timebase)
	src.Video, src.Origin, src.Audio = &video, j.Source.Origin, nil
	j.Source, j.Renditions = src, one.Renditions
	return j
}

// joinedVersions identify the sources that follow the first one.
func (s Source) joinedVersions() (list []string) {
	for i, one := range s.Joined {
		if i > 0 {
			list = append(list, fmt.Sprintf("%s %d %s", one.Source.URL, one.Source.Size, one.Source.Version))
		}
	}
	return list
}

// JoinedAudioUnit returns the name of the unit that joins audio track i of the sources. It is of the same kind as audio parts.
func JoinedAudioUnit(i int) string { return fmt.Sprintf("%s/joined-%05d", AudioKind, i) }

// JoinPhase is the name of the phase that joins the audio tracks of several sources.
const JoinPhase = "join"

// JoinedAudio holds the facts of a joined audio track.
type JoinedAudio struct {
	StoredObject
}

// JoinsAudio reports which audio tracks of the film have to be joined: those that a rendition is made of.
func (j Job) JoinsAudio() (tracks []int) {
	if len(j.Source.Joined) == 0 {
		return nil
	}
	for i := range j.Source.Audio {
		if slices.ContainsFunc(j.AudioRenditions, func(r AudioRendition) bool { return r.Track == i }) {
			tracks = append(tracks, i)
		}
	}
	return tracks
}

// checkJoin returns the problems of the sources that follow the first one, and of what cannot be asked of several sources.
func (r Request) checkJoin() (ps Problems) {
	if len(r.Join) == 0 {
		return nil
	}
	add := func(pointer, format string, args ...any) {
		ps = append(ps, Problem{pointer, fmt.Sprintf(format, args...)})
	}
	if n := len(r.Join); n > MaxJoin {
		add("/join", "%d sources; at most %d", n, MaxJoin)
	}
	if IsScene(r.Source) {
		add("/join", "a Blender scene cannot be joined; render it first")
	}
	for i, url := range r.Join[:min(len(r.Join), MaxJoin)] {
		if problem := checkJoinable(url); problem != "" {
			add(JoinPointer(i+1), "%s", problem)
		}
	}
	if r.Part != (Part{}) {
		add("/part", "joined sources are taken whole; leave out one of the two")
	}
	if r.Program != 0 {
		add("/program", "joined sources have no programs; leave out one of the two")
	}
	for i, out := range r.Outputs {
		ps = append(ps, out.checkJoined(fmt.Sprintf("/outputs/%d", i))...)
	}
	return ps
}

// checkJoinable returns the problem of the address of a source that follows another, or "".
func checkJoinable(url string) string {
	switch {
	case url == "":
		return "is required"
	case len(url) > maxAddress:
		return fmt.Sprintf("is %d bytes long; at most %d", len(url), maxAddress)
	case strings.ContainsRune(url, 0) || !utf8.ValidString(url):
		return fmt.Sprintf("%q has bytes that are not text", url)
	case IsScene(url):
		return "a Blender scene cannot be joined; render it first"
	case strings.HasPrefix(url, "https://") || strings.HasPrefix(url, "http://"):
		return "only the first source can come from a web server; download the others first"
	}
	return ""
}

// checkJoined returns the problems of what an output cannot have of joined sources. at is its pointer.
func (o Output) checkJoined(at string) (ps Problems) {
	refuse := func(is bool, field, what string) {
		if is {
			ps = append(ps, Problem{at + field, "joined sources cannot have " + what + " yet; join them to a file first, and take that as the source"})
		}
	}
	refuse(o.Container.Packaged(), "/container", "a package for players")
	refuse(o.Container.Preview() || o.Container == Frames, "/container", "a preview")
	if o.Audio != nil && o.Audio.Codec == AudioCopy {
		ps = append(ps, Problem{at + "/audio/codec", "the sound of joined sources is always encoded, so that it has no seam; leave the codec out"})
	}
	for i, v := range o.Video {
		field := fmt.Sprintf("/video/%d", i)
		refuse(v.FrameRate != FrameRate{}, field+"/frameRate", "a constant frame rate")
		refuse(v.Crop != "", field+"/crop", "a part of the picture")
		refuse(v.Interlaced == KeepInterlaced, field+"/interlaced", "interlaced video")
		refuse(v.Overlay != nil, field+"/overlay", "an overlay")
		refuse(v.Burn != nil, field+"/burn", "burnt subtitles")
		refuse(v.Quality != nil, field+"/quality", "a target quality")
	}
	return ps
}
