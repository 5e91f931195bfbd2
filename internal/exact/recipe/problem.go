package recipe

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/mapreel/mapreel/pkg/film"
)

// Problem says why ffmpeg cannot make the source, or "". It knows what would make no sense, and what
// ffmpeg's muxers and encoders document.
func (r Recipe) Problem() string {
	for _, find := range []func() string{r.formatProblem, r.timeProblem, r.shapeProblem, r.joinProblem, r.damageProblem, r.laterProblem} {
		if problem := find(); problem != "" {
			return problem
		}
	}
	for i, t := range r.Tracks {
		if problem := r.trackProblem(t); problem != "" {
			return fmt.Sprintf("audio %d: %s", i+1, problem)
		}
	}
	return ""
}

// Doubtful says why ffmpeg may misread the source, so that one pass is no measure of it, or "". Such a
// source is not drawn.
func (r Recipe) Doubtful() string {
	return first(
		when(r.Rate == "1/5" && has("ts m2ts", r.Container), "ffmpeg takes steps of the decode times for jumps"),
		when(r.Container == "mpg" && (r.Size == "64x36" || r.Picture == "fades"), "ffmpeg writes several frames into one packet, and wrong times for them"),
		when(r.Container == "mxf" && r.Damage == "end" && r.GOP == "intra", "without the index, ffmpeg shows each frame one later"),
		when(r.Container == "mpg" && r.Change != "" && r.Damage != "" && r.DamageAt > 490 && r.DamageAt < 530,
			"what tells how far the clock steps back is damaged"),
		when(r.Codec == "mpeg4" && r.Change == "size" && has("ts m2ts", r.Container),
			"ffmpeg shows no frame before the change, and the frame after it has the same time"),
		when(r.parts() > 1 && r.Clock == "" && fraction(r.Rate).num < 20*fraction(r.Rate).den && has("ts m2ts mpg", r.Container),
			"ffmpeg takes a step back by a frame of 0.1 s for a jump where it decodes, and for none where it copies"),
		when(r.Times == "hourly" && r.OutCodec == film.H265, "ffmpeg reads no composition offsets of 2^28 ticks"))
}

// when returns the problem where it is one.
func when(is bool, problem string) string {
	if is {
		return problem
	}
	return ""
}

// first returns the first problem.
func first(problems ...string) string {
	for _, p := range problems {
		if p != "" {
			return p
		}
	}
	return ""
}

func (r Recipe) formatProblem() string {
	c, codec := containers[r.Container], videoCodecs[r.Codec]
	if r.Codec == "none" {
		plain := Plain()
		plain.Container, plain.Codec, plain.Tracks, plain.Segment, plain.Start = r.Container, r.Codec, r.Tracks, r.Segment, r.Start
		plain.Damage, plain.DamageAt, plain.DamageBy, plain.ByteOrder = r.Damage, r.DamageAt, r.DamageBy, r.ByteOrder
		return first(
			when(len(r.Tracks) == 0, "there is nothing to see or hear"),
			when(r.String() != plain.String(), "a property of video without video"),
			when(has("frag sidx noidx ctts mxf", r.Container), "fragments need keyframes"))
	}
	return first(
		when(!has(c.video, r.Codec), "the container does not hold the codec"),
		when(r.Format != "" && !has(codec.formats, r.Format), "the codec does not have the pixel format"),
		when(r.GOP != "" && !has(codec.gops, r.GOP), "the codec does not have that structure"),
		when(codec.rates != "" && !has(codec.rates, r.Rate), "the codec does not have the frame rate"),
		when(r.Container == "mxf" && r.Rate == "30", "MXF has no 30 frames a second"),
		when(r.Subtitles && (c.subtitles == "" || r.parts() > 1), "no subtitles"),
		when(r.Output == "webm" && r.OutCodec != "", "WebM has VP9"),
		when(r.Colour == "full" && !has("h264 hevc vp9", r.Codec), "no full range"),
		when(r.Colour != "" && r.Format == "gray", "no colours"))
}

func (r Recipe) timeProblem() string {
	c, codec := containers[r.Container], videoCodecs[r.Codec]
	free := c.ticks && codec.fine
	bframes := has("h264 hevc mpeg4 xvid mpeg2 mpeg1", r.Codec) && r.GOP != "nob" && r.GOP != "intra" && r.GOP != "refresh"
	return first(
		when((r.Times == "jitter" || r.Times == "hourly") && !free, "times are multiples of a frame"),
		when(r.Times == "hourly" && has("ts m2ts mpg wtv flv", r.Container), "the clock is short"),
		when((r.Times == "hole" || r.Times == "dropped") && (!c.ticks || codec.rates != ""), "the rate is constant"),
		when(r.Times == "hole" && r.Frames < 44, "the hole is after the end"),
		when(r.Times == "equal" && (!has("mkv ts", r.Container) || bframes), "times must differ"),
		when(r.Times == "doubled" && r.Frames < 8, "few frames"),
		when(r.Times != "" && (r.Scan != "" || r.parts() > 1), "times of parts"),
		when(r.Times == "hourly" && r.Picture == "still", "few frames"),
		when(r.Container == "mpg" && r.GOP == "intra" && has("96x54 64x36", r.Size), "two frames in one packet, with one time"),
		when(r.Start != "" && (r.Clock != "" || has("avi mxf ogv wtv wmv h264 hevc", r.Container)), "no start"),
		when(r.VideoDelay != "" && (!c.ticks || r.parts() > 1 || r.Container == "wtv"), "no delay"),
		when(r.Clock != "" && !has("ts m2ts", r.Container), "no clock"),
		when(r.Edit != "" && !has("mp4 first mov ctts", r.Container), "no edit list"),
		when(r.Edit == "presync" && (r.Container != "ctts" || r.Rate != "24" || r.GOP != "" || r.Frames < 60 || r.Start != "" || r.VideoDelay != "" || r.Times != ""), "not the usual layout"),
		when(r.Edit != "" && r.Edit != "presync" && r.Frames < 48, "little is left"),
		when(r.Edit == "cut" && r.Codec == "av1", "ffmpeg's decoder shows frames that the edit list hides"),
		when(r.Edit != "" && r.Edit != "presync" && fraction(r.Rate).num*2 > float64(r.Frames)*fraction(r.Rate).den, "little is left"))
}

func (r Recipe) shapeProblem() string {
	codec := videoCodecs[r.Codec]
	width, height, _ := strings.Cut(r.Size, "x")
	w, err := strconv.Atoi(width)
	h, err2 := strconv.Atoi(height)
	if err != nil || err2 != nil {
		return "no size"
	}
	odd := w%2 != 0 || h%2 != 0
	return first(
		when(odd && codec.even && r.Format != "yuv444p", "odd size"),
		when(odd && r.Codec == "hevc", "odd size"),
		when((r.Codec == "av1" || r.OutCodec == film.H265) && min(w, h) < 64, "too small for the encoder"),
		when(r.Scan != "" && (!codec.fields || h%4 != 0 || odd || r.GOP == "refresh"), "no fields"),
		when(r.Scan != "" && r.Picture == "still", "no fields"),
		when(r.Scan != "" && r.Rotation != "", "one pass turns frames before it joins their fields"),
		when(r.Rotation != "" && !has("mp4 first mov", r.Container), "no rotation"))
}

func (r Recipe) joinProblem() string {
	if r.parts() == 1 {
		return ""
	}
	video := false
	switch r.Change {
	case "":
		video = true
	case "size":
		video = has("webm mkv", r.Container) && has("vp8 vp9", r.Codec) || has("ts m2ts mpg", r.Container)
	case "aspect":
		video = has("ts m2ts mpg", r.Container)
	case "depth", "format":
		video = has("ts m2ts", r.Container) && has("h264 hevc", r.Codec)
	}
	return first(
		when(!video, "the container does not hold the change"),
		when(r.Change != "" && (r.Format != "" || r.Scan != ""), "two formats"),
		when(r.Change == "" && !containers[r.Container].joins, "no joining"),
		when(r.Frames < 24, "few frames"),
		when(r.Clock != "" && r.Start != "", "two clocks"))
}

func (r Recipe) damageProblem() string {
	d := damages[r.Damage]
	return first(
		when(r.Damage != "" && d.only != "" && !has(d.only, r.Container), "not that damage"),
		when(r.Damage != "" && r.Codec == "prores", "the damaged part of a frame shows whatever ffmpeg's buffer held before"),
		when(r.Damage == "end" && r.Codec == "hevc", "the missing part of the last frame shows whatever ffmpeg's buffer held before"),
		when(r.Damage == "end" && has("mp4 mov ctts 3gp", r.Container), "the index is at the end"))
}

// laterProblem looks at the properties of later.
func (r Recipe) laterProblem() string {
	late := slices.ContainsFunc(r.Tracks, Track.late)
	return first(
		when((r.Cover || r.Chapters) && (r.Edit != "" || r.Start != "" || r.Rotation != "" || r.parts() > 1), "a copy would change more"),
		when(r.Cover && !has("mp4 first mov mkv", r.Container), "no cover"),
		when(r.Chapters && !has("mp4 first mov mkv webm nut", r.Container), "no chapters"),
		when(r.Chapters && r.Output.Packaged(), "packages have no chapters"),
		when(r.Program != "" && (r.Container != "ts" || r.parts() > 1 || r.Start != "" || r.VideoDelay != "" || r.Times != ""), "not one clock"),
		when(r.Colour == hdr10 && (r.Codec != "hevc" || r.Format != "yuv420p10le" || r.Output == film.WebM), "no HDR10"),
		when(late && (fraction(r.Rate).num/fraction(r.Rate).den > 12 || r.Frames < 180 || r.Times != "" || r.Output.Packaged()), "the video ends earlier"),
		when(r.Subtitles && r.Start == "40000" && has("mp4 first mov ctts 3gp", r.Container), "ffmpeg writes no times of subtitles so late"),
		when(r.Output.Packaged() && (r.Subtitles || len(r.Tracks) == 0 && r.Codec == "none"), "packages differ there"))
}

func (r Recipe) trackProblem(t Track) string {
	c, codec := containers[r.Container], audioCodecs[t.Codec]
	rate := strconv.Itoa(t.Rate)
	return first(
		when(!has(c.audio, t.Codec), "the container does not hold the codec"),
		when(codec.rates != "" && !has(codec.rates, rate), "the codec does not have the rate"),
		when(t.Channels > codec.channels || layouts[t.Channels] == "", "the codec does not have the layout"),
		when(r.Container == "mxf" && t.Rate != 48000, "MXF has 48 kHz"),
		when(r.Container == "flv" && t.Codec == "mp3" && !has("44100 22050", rate), "FLV has other rates"),
		when(r.Container == "flv" && len(r.Tracks) > 1, "FLV has one track"),
		when((t.Delay != "" || t.Gap != "") && (!c.ticks || r.parts() > 1 || r.Container == "wtv"), "no delay"),
		when(t.Gap != "" && r.Edit == "cut", "ffmpeg counts the samples that the edit list hides, and the gap has none"),
		when(t.Change == "appears" && r.Container != "ts" && r.Container != "m2ts", "no table that changes"),
		when(t.Change == "appears" && fraction(r.Rate).num/fraction(r.Rate).den <= 12, "the clock steps back by nearly 0.1 s, a jump for a decoder but not for a copy"),
		when(t.Change != "" && (!c.joins || !has("mp2 ac3 eac3 aac mp3", t.Codec) || t.Channels > 2), "no change"),
		when(t.Change == "rate" && !has("48000 44100", rate), "no change of that rate"),
		when(t.Length != "" && r.parts() > 1, "parts have one length"))
}
