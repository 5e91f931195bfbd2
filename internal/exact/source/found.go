package source

import (
	"time"

	"github.com/mapreel/mapreel/internal/exact/recipe"
	"github.com/mapreel/mapreel/pkg/film"
)

// foundSources are the faults that make exact-random found, as the simplest recipes that had them.
func foundSources() []Source {
	return []Source{
		// verify took what the decoder shows for damage, which is hard to encode, for a broken frame.
		found("zeros among the media data, MP4", func(r *recipe.Recipe) {
			r.Container, r.Rate, r.Size, r.Frames = "first", "12", "160x90", 48
			r.Damage, r.DamageAt, r.DamageBy = "zeros", 216, 13
			r.Tracks[0].Codec, r.Tracks[0].Channels, r.Tracks[0].Gap = "mp3", 1, "1.1"
			r.Segment = 10 * time.Second
		}),
		// After the join, times of frames step back and go on before the latest. verify called some
		// missing and added.
		found("recordings joined, times step back, WebM", func(r *recipe.Recipe) {
			r.Container, r.Codec, r.Rate, r.Size, r.Frames = "ts", "hevc", "25", "64x36", 74
			r.Output, r.Segment, r.Tracks[0].Change = film.WebM, 3*time.Second, "rate"
		}),
		// A transport stream does not say how much of Opus is priming: none of it may be subtracted.
		found("Opus, MPEG-TS to Matroska", func(r *recipe.Recipe) {
			r.Container, r.Output, r.Frames, r.Tracks[0].Codec = "ts", film.Matroska, 48, "opus"
		}),
		// The start that a transport stream declares of a track behind a jump is on another clock.
		found("MPEG-TS, audio begins behind a jump of the clock", func(r *recipe.Recipe) {
			r.Container, r.Clock, r.Tracks[0].Change = "ts", "ahead", "appears"
		}),
		// The first frame of the last segment is concealed with parts of the frame before it.
		found("MPEG-TS, a keyframe lost packets", func(r *recipe.Recipe) {
			r.Container, r.Damage, r.DamageAt, r.DamageBy = "ts", "packets", 782, 9
		}),
		// The decoder reports nothing of these, and what it shows depends on its number of threads.
		found("MPEG-TS, H.264 lost packets without a word", func(r *recipe.Recipe) {
			r.Container, r.Rate, r.Size, r.Frames, r.Tracks = "ts", "50", "160x90", 150, nil
			r.Damage, r.DamageAt, r.DamageBy = "packets", 452, 25
		}),
		found("MPEG-TS, H.265 lost packets without a word", func(r *recipe.Recipe) {
			r.Container, r.Codec, r.Format, r.Rate, r.Size, r.Frames = "ts", "hevc", "yuv420p10le", "30000/1001", "160x90", 150
			r.Damage, r.DamageAt, r.DamageBy, r.Segment = "packets", 459, 27, 10*time.Second
		}),
		// What the decoder shows of the damaged frame depends on its number of threads.
		found("MPEG-TS, MPEG-2 lost packets", func(r *recipe.Recipe) {
			r.Container, r.Codec, r.Rate, r.Size, r.Frames = "ts", "mpeg2", "30", "128x72", 90
			r.Damage, r.DamageAt, r.DamageBy = "packets", 332, 15
			r.Tracks[0].Channels = 1
		}),
		// The video is decoded more than 10 s ahead of the sound that plays with it.
		found("MPEG-TS, a frame in five seconds, sound later", func(r *recipe.Recipe) {
			r.Container, r.Rate, r.Tracks[0].Delay = "ts", "1/5", "0.123"
		}),
		// libavcodec shows other interlaced B-frames with several threads.
		found("MPEG-4 Part 2, interlaced, from within a GOP", func(r *recipe.Recipe) {
			r.Container, r.Codec, r.Scan, r.Rate, r.Size, r.Frames, r.Edit = "first", "mpeg4", "tff", "24000/1001", "128x72", 72, "moved"
		}),
		found("BDAV, AC-3 whose channels change", func(r *recipe.Recipe) {
			r.Container, r.Tracks[0].Codec, r.Tracks[0].Channels, r.Tracks[0].Change = "m2ts", "ac3", 1, "channels"
		}),
		found("MPEG-PS that begins within a pack", func(r *recipe.Recipe) {
			r.Container, r.Codec, r.Size, r.Damage, r.DamageAt, r.Tracks[0].Codec = "mpg", "mpeg1", "128x72", "begin", 348, "ac3"
		}),
		// The packet was copied with a duration of 0, so that no player played it.
		found("QuickTime, the last packet of ALAC has no duration", func(r *recipe.Recipe) {
			r.Container, r.Cover, r.Rate, r.Frames = "mov", true, "10", 180
			r.Tracks[0].Codec, r.Tracks[0].Rate, r.Tracks[0].Delay = "alac", 8000, "12"
		}),
		// Matroska cannot hide what the edit list hides.
		found("an edit list within a packet, MP4 to Matroska", func(r *recipe.Recipe) {
			r.Edit, r.Output = "moved", film.Matroska
		}),
		// What it hides of these was heard.
		found("an edit list over ALAC, QuickTime to Matroska", func(r *recipe.Recipe) {
			r.Container, r.Edit, r.Output, r.Tracks[0].Codec = "mov", "moved", film.Matroska, "alac"
		}),
		found("an edit list over PCM, QuickTime to Matroska", func(r *recipe.Recipe) {
			r.Container, r.Edit, r.Output, r.Tracks[0].Codec = "mov", "moved", film.Matroska, "pcm_s16le"
		}),
		// ffmpeg's decoder skips all B-frames, with exit status 0, where the first that it sees has no reference.
		found("MPEG-4 Part 2, interlaced B-frames after open GOPs, NUT", func(r *recipe.Recipe) {
			r.Container, r.Codec, r.Scan, r.Rate, r.Size, r.Frames, r.GOP = "nut", "mpeg4", "bff", "60", "128x72", 300, "far"
		}),
		found("MPEG-4 Part 2, interlaced B-frames after open GOPs, MP4", func(r *recipe.Recipe) {
			r.Codec, r.Scan, r.Rate, r.Size, r.Frames, r.GOP = "mpeg4", "tff", "25", "128x72", 300, "far"
		}),
		// The pictures of the package's thumbnails have an odd size, which zscale refuses.
		found("HDR10, pixel aspect 110:109, CMAF", func(r *recipe.Recipe) {
			r.Container, r.Codec, r.Format, r.Colour = "ctts", "hevc", "yuv420p10le", "hdr10"
			r.Rate, r.Size, r.Frames, r.Aspect, r.Output, r.OutCodec = "25", "160x90", 50, "110/109", film.CMAF, film.H265
		}),
		found("an edit list over AC-3, MP4 to Matroska", func(r *recipe.Recipe) {
			r.Codec, r.Format, r.GOP, r.Rate, r.Size, r.Frames = "hevc", "yuv444p", "open", "24000/1001", "64x36", 48
			r.Edit, r.Output, r.Tracks[0].Codec = "cut", film.Matroska, "ac3"
		}),
		found("MPEG-TS, two frames closer than a tick of WebM", func(r *recipe.Recipe) {
			r.Container, r.Codec, r.GOP, r.Times, r.Rate, r.Size, r.Frames = "ts", "hevc", "intra", "equal", "24000/1001", "64x36", 120
			r.VideoDelay, r.Output, r.Tracks[0].Channels = "1.7", film.WebM, 4
		}),
		found("NUT, chapters from before the first frame", func(r *recipe.Recipe) {
			r.Container, r.Codec, r.Rate, r.Times, r.Frames, r.Chapters = "nut", "mpeg4", "60", "doubled", 120, true
			r.Tracks[0].Codec = "flac"
		}),
		// The decoder conceals what is missing of a B-frame, and only warns of it.
		found("3GPP, a damaged B-frame without an error", func(r *recipe.Recipe) {
			r.Container, r.GOP, r.Rate, r.Times, r.Size, r.Frames, r.Output = "3gp", "pyramid", "50", "jitter", "128x72", 100, film.CMAF
			r.Damage, r.DamageAt, r.DamageBy = "flips", 485, 4
		}),
		// ffmpeg's muxer writes an error in the place of the size of the packet that is cut.
		found("MP4 fragments, AV1, cut within a packet", func(r *recipe.Recipe) {
			r.Container, r.Codec, r.Rate, r.Size, r.Frames, r.Output = "frag", "av1", "25", "160x96", 74, film.Matroska
			r.Tracks[0].Codec, r.Damage, r.DamageAt, r.DamageBy = "opus", "end", 465, 1
		}),
		// ffmpeg reads a wrong time of the first long frame after short ones.
		found("Ogg, two tracks of Vorbis whose frames have two lengths", func(r *recipe.Recipe) {
			r.Container, r.Codec, r.GOP, r.Rate, r.Size, r.Frames, r.Output = "ogv", "vp8", "one", "50", "97x55", 250, film.WebM
			second := r.Tracks[0]
			r.Tracks[0].Codec, second.Codec, second.Language = "vorbis", "vorbis", "fre"
			r.Tracks = append(r.Tracks, second)
		}),
		// The first pack begins after 90 kB of packets.
		found("MPEG-PS of large packs, begins within one", func(r *recipe.Recipe) {
			r.Container, r.Codec, r.GOP, r.Rate, r.Size, r.Frames, r.Picture = "mpg", "mpeg1", "nob", "50", "160x96", 150, "noise"
			r.Tracks, r.Damage, r.DamageAt, r.DamageBy = nil, "begin", 225, 1
		}),
	}
}

// found makes a source of the plain recipe with a change.
func found(name string, change func(*recipe.Recipe)) Source {
	r := recipe.Plain()
	change(&r)
	if problem := r.Problem(); problem != "" {
		panic(name + ": " + problem) // a constant of this package
	}
	container := r.Output
	if container == film.MP4 {
		container = ""
	}
	return Source{
		Name: name, File: r.File(), Segment: r.Segment, Codec: r.OutCodec, Output: container, Interlaced: r.Interlaced(),
		make: func(b *builder) error {
			_, err := r.Make(b.ctx, b.dir)
			for _, s := range r.Steps() {
				b.created = append(b.created, s.Output())
			}
			return err
		},
	}
}
