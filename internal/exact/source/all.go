package source

import (
	"slices"
	"strings"
	"time"

	"github.com/mapreel/mapreel/pkg/film"
)

// encode makes a source in one run of ffmpeg, from lists of arguments.
func encode(lists ...[]string) func(*builder) error {
	return func(b *builder) error { return b.ffmpeg(append(lists, []string{b.out})...) }
}

// remux makes a source from the plain MP4 by copying. before and after are the arguments around
// "-i".
func remux(before, after string) func(*builder) error {
	return func(b *builder) error {
		if err := b.plain(); err != nil {
			return err
		}
		return b.ffmpeg(split(before), split("-i plain.mp4"), split("-map 0 -c copy "+after), []string{b.out})
	}
}

// plain makes plain.mp4, from which others are copied.
func (b *builder) plain() error {
	return b.ffmpeg(usualVideo(), usualAudio(), x264(""), aac(), split("plain.mp4"))
}

// shift copies the plain MP4 with its video and its audio shifted against each other by the given
// seconds.
func shift(video, audio string) func(*builder) error {
	return func(b *builder) error {
		if err := b.plain(); err != nil {
			return err
		}
		return b.ffmpeg(split("-itsoffset "+video+" -i plain.mp4 -itsoffset "+audio+" -i plain.mp4 -map 0:v -map 1:a -c copy"), []string{b.out})
	}
}

const dropFrames = "select='not(between(mod(n,48),10,25))*not(eq(mod(n,7),3))'"

const hdr10 = "-c:v libx265 -preset ultrafast -pix_fmt yuv420p10le -x265-params " +
	"log-level=none:keyint=36:min-keyint=36:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc:range=limited:hdr10=1:repeat-headers=1:" +
	"master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50):max-cll=1000,400"

// All returns the sources of the matrix, in the order of its table.
func All() []Source {
	return slices.Concat(codingSources(), broadcastSources(), streamSources(), partSources(), pictureSources(), trackSources(), fromSources(), legacySources(), containerSources(), sequenceSources(), sceneSources(), audioSources(), metadataSources(), sizeSources(), changeSources(), foundSources())
}

// codingSources differ in how the video is coded and timed.
func codingSources() []Source {
	return []Source{
		{Name: "H.264, open GOP, pyramid B", File: "in.mp4", make: encode(usualVideo(), usualAudio(),
			x264("-bf 5 -x264-params open-gop=1:b-pyramid=normal:b-adapt=0"), aac())},
		{Name: "H.264, open GOP, Matroska", File: "in.mkv", make: encode(usualVideo(), usualAudio(),
			x264("-bf 5 -x264-params open-gop=1:b-pyramid=normal:b-adapt=0"), aac())},
		{Name: "H.264, open GOP, MPEG-TS", File: "in.ts", make: encode(usualVideo(), usualAudio(),
			x264("-bf 5 -x264-params open-gop=1:b-pyramid=normal:b-adapt=0"), aac())},
		{Name: "HEVC, open GOP, pyramid B", File: "in.mp4", make: encode(usualVideo(), usualAudio(),
			split("-c:v libx265 -preset ultrafast -x265-params log-level=none:open-gop=1:b-pyramid=1:bframes=4:b-adapt=0:keyint=36:min-keyint=36 -tag:v hvc1"), aac())},
		{Name: "HEVC, open GOP, MPEG-TS", File: "in.ts", make: encode(usualVideo(), usualAudio(),
			split("-c:v libx265 -preset ultrafast -x265-params log-level=none:open-gop=1:b-pyramid=1:bframes=4:b-adapt=0:keyint=36:min-keyint=36"), aac())},
		{Name: "one keyframe in a minute", File: "in.mp4", Segment: 10 * time.Second, make: encode(videoInput("160x90", "12", "60"), audioInput(48000, 2, "60"),
			x264("-g 9999 -sc_threshold 0"), aac())},
		{Name: "one keyframe in a minute, MPEG-TS", File: "in.ts", Segment: 10 * time.Second, make: encode(videoInput("160x90", "12", "60"), audioInput(48000, 2, "60"),
			x264("-g 9999 -sc_threshold 0"), aac())},
		{Name: "all-intra ProRes in MOV", File: "in.mov", make: encode(usualVideo(), usualAudio(), split("-c:v prores_ks -profile:v 0 -c:a pcm_s16le"))},
		{Name: "variable frame rate with gaps, MP4", File: "in.mp4", Previews: true, make: encode(usualVideo(), usualAudio(), []string{"-vf", dropFrames}, split("-fps_mode vfr"), x264(""), aac())},
		{Name: "variable frame rate with gaps, Matroska", File: "in.mkv", make: encode(usualVideo(), usualAudio(), []string{"-vf", dropFrames}, split("-fps_mode vfr"), x264(""), aac())},
		{Name: "30000/1001", File: "in.mp4", Previews: true, make: encode(videoInput("160x90", "30000/1001", "6"), usualAudio(), x264(""), aac())},
		{Name: "24000/1001 in Matroska", File: "in.mkv", make: encode(videoInput("160x90", "24000/1001", "6"), usualAudio(), x264(""), aac())},
	}
}

// partSources are encoded in part, from between two frames on and in the middle of groups of pictures, with seams inside.
func partSources() []Source {
	part := film.Part{Start: film.Seconds(1610 * time.Millisecond), End: film.Seconds(4900 * time.Millisecond)}
	openGOP := x264("-bf 5 -x264-params open-gop=1:b-pyramid=normal:b-adapt=0")
	list := []Source{
		{Name: "part of MP4, open GOP", File: "in.mp4", make: encode(usualVideo(), usualAudio(), openGOP, aac())},
		{Name: "part of Matroska, open GOP", File: "in.mkv", make: encode(usualVideo(), usualAudio(), openGOP, split("-c:a ac3"))},
		{Name: "part of MPEG-TS, open GOP", File: "in.ts", make: encode(usualVideo(), usualAudio(), openGOP, aac())},
		{Name: "part of MP4, one keyframe", File: "in.mp4", make: encode(usualVideo(), usualAudio(), x264("-g 9999 -sc_threshold 0"), aac())},
		{Name: "part of Matroska, variable frame rate", File: "in.mkv", make: encode(usualVideo(), usualAudio(), []string{"-vf", dropFrames}, split("-fps_mode vfr"), x264(""), split("-c:a flac"))},
		{Name: "part of MP4, interlaced", File: "in.mp4", Interlaced: true, make: encode(videoInput("160x96", "48", "6"), usualAudio(),
			[]string{"-vf", "tinterlace=mode=interleave_top,fieldorder=tff"}, x264("-flags +ildct+ilme"), aac())},
		{Name: "part of MOV, PCM", File: "in.mov", make: encode(usualVideo(), usualAudio(), x264(""), split("-c:a pcm_s16le"))},
	}
	for i := range list {
		list[i].Part, list[i].Segment = part, time.Second
	}
	return list
}

// broadcastSources are streams without an index that were broadcast, or look like it.
func broadcastSources() []Source {
	return []Source{
		{Name: "MPEG-TS, start offset", File: "in.ts", Previews: true, make: remux("", "-output_ts_offset 1000")},
		{Name: "MPEG-TS, clock wraps", File: "in.ts", Quick: true, make: remux("", "-output_ts_offset 95440")},
		{Name: "MPEG-TS, clock wraps late", File: "in.ts", Segment: 20 * time.Second, make: func(b *builder) error {
			if err := b.ffmpeg(videoInput("160x90", "12", "100"), audioInput(48000, 2, "100"), x264(""), aac(), split("plain.mp4")); err != nil {
				return err
			}
			return b.ffmpeg(split("-i plain.mp4 -map 0 -c copy -output_ts_offset 95370"), []string{b.out})
		}},
		{Name: "MPEG-TS, broken packet", File: "in.ts", Quick: true, make: damage(func(ts []byte) []byte {
			at := len(ts) / 2 / 188 * 188
			for i := at + 8; i < at+2*188; i++ {
				if i%188 > 4 {
					ts[i] ^= byte(i * 7)
				}
			}
			return ts
		})},
		{Name: "MPEG-TS, lost packets", File: "in.ts", make: damage(func(ts []byte) []byte {
			at := len(ts) / 2 / 188 * 188
			return append(ts[:at:at], ts[at+12*188:]...)
		})},
		{Name: "MPEG-TS, cut off within a packet", File: "in.ts", make: damage(func(ts []byte) []byte { return ts[5*188+100 : len(ts)*5/6+77] })},
		{Name: "MPEG-TS, clock jumps ahead", File: "in.ts", make: splice("10", "45")},
		{Name: "MPEG-TS, clock jumps back", File: "in.ts", Quick: true, make: splice("45", "10")},
		{Name: "MPEG-TS, recordings joined, audio overlaps", File: "in.ts", make: joined("0", "3.03", videoInput("160x90", "24", "3"), audioInput(48000, 2, "3.4"), x264(""), split("-c:a mp2"))},
		{Name: "MPEG-TS, clock jumps back at the audio", File: "in.ts", make: joined("45", "10", videoInput("160x90", "24", "3"), audioInput(48000, 2, "3"), x264(""), split("-c:a ac3"))},
		{Name: "MPEG-TS, a frame in 5 s, intra refresh", File: "in.ts", make: encode(videoInput("64x36", "1/5", "20"), audioInput(48000, 2, "20"), x264("-bf 0 -x264-params intra-refresh=1"), aac())},
		{Name: "MPEG-TS, clock jumps, audio encoded", File: "in.ts", make: func(b *builder) error {
			for i, offset := range []string{"1000", "100"} {
				name := []string{"a.ts", "b.ts"}[i]
				if err := b.ffmpeg(usualVideo(), usualAudio(), x264(""), split("-c:a mp2 -output_ts_offset "+offset), []string{name}); err != nil {
					return err
				}
			}
			return b.join(b.out, "a.ts", "b.ts")
		}},
		{Name: "MPEG-2 interlaced, MPEG-TS", File: "in.ts", Interlaced: true, make: encode(videoInput("160x96", "50", "6"), usualAudio(),
			split("-vf tinterlace=interleave_top,fieldorder=tff -c:v mpeg2video -flags +ilme+ildct -bf 2 -g 15 -q:v 3 -c:a mp2"))},
		{Name: "MPEG-2 program stream", File: "in.mpg", make: encode(videoInput("160x96", "25", "6"), usualAudio(), split("-c:v mpeg2video -bf 2 -g 15 -q:v 3 -c:a mp2"))},
	}
}

func damage(change func([]byte) []byte) func(*builder) error {
	return func(b *builder) error {
		if err := b.plain(); err != nil {
			return err
		}
		if err := b.ffmpeg(split("-i plain.mp4 -map 0 -c copy whole.ts")); err != nil {
			return err
		}
		return b.edit("whole.ts", b.out, change)
	}
}

// joined makes a file of two encodes of the same arguments, whose clocks begin at the given seconds.
func joined(first, second string, args ...[]string) func(*builder) error {
	return func(b *builder) error {
		for i, offset := range []string{first, second} {
			if err := b.ffmpeg(slices.Concat(args, [][]string{split("-output_ts_offset " + offset), {[]string{"a.ts", "b.ts"}[i]}})...); err != nil {
				return err
			}
		}
		return b.join(b.out, "a.ts", "b.ts")
	}
}

// splice makes a file of two recordings, each with its own clock.
func splice(first, second string) func(*builder) error {
	return func(b *builder) error {
		if err := b.plain(); err != nil {
			return err
		}
		if err := b.ffmpeg(split("-i plain.mp4 -map 0 -c copy -output_ts_offset " + first + " a.ts")); err != nil {
			return err
		}
		if err := b.ffmpeg(split("-i plain.mp4 -map 0 -c copy -output_ts_offset " + second + " b.ts")); err != nil {
			return err
		}
		return b.join(b.out, "a.ts", "b.ts")
	}
}

// legacySources are in formats that describe time poorly.
func legacySources() []Source {
	mpeg4 := "-c:v mpeg4 -q:v 3 -g 36 "
	return []Source{
		{Name: "AVI, MPEG-4 with B-frames", File: "in.avi", make: encode(usualVideo(), usualAudio(), split(mpeg4+"-bf 2 -c:a libmp3lame -b:a 128k"))},
		{Name: "AVI, packed B-frames", File: "in.avi", make: encode(usualVideo(), usualAudio(), split("-c:v libxvid -q:v 3 -g 36 -bf 2 -c:a libmp3lame -b:a 128k"))},
		{Name: "AVI, MP3 of variable rate", File: "in.avi", make: encode(usualVideo(), usualAudio(), split(mpeg4+"-c:a libmp3lame -q:a 4"))},
		{Name: "AVI, Motion JPEG, PCM", File: "in.avi", make: encode(usualVideo(), usualAudio(), split("-c:v mjpeg -q:v 3 -c:a pcm_s16le"))},
		{Name: "AVI, H.264", File: "in.avi", make: encode(usualVideo(), usualAudio(), x264(""), split("-c:a libmp3lame"))},
		{Name: "WMV with audio", File: "in.wmv", make: encode(usualVideo(), usualAudio(), split("-c:v wmv2 -q:v 3 -g 36 -c:a wmav2 -b:a 128k"))},
		{Name: "FLV, H.264", File: "in.flv", make: remux("", "")},
		{Name: "FLV, Sorenson", File: "in.flv", make: encode(usualVideo(), audioInput(44100, 2, "6"), split("-c:v flv -q:v 3 -g 36 -c:a libmp3lame"))},
		{Name: "WebM, VP9, Opus", File: "in.webm", make: encode(usualVideo(), usualAudio(), split("-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -b:v 0 -crf 25 -g 36 -c:a libopus"))},
		{Name: "WebM, VP8, Vorbis", File: "in.webm", make: encode(usualVideo(), usualAudio(), split("-c:v libvpx -deadline realtime -cpu-used 8 -b:v 1M -g 36 -c:a libvorbis"))},
		{Name: "Ogg, Theora, Vorbis", File: "in.ogv", make: encode(usualVideo(), usualAudio(), split("-c:v libtheora -q:v 8 -g 36 -c:a libvorbis"))},
		{Name: "DV", File: "in.dv", Interlaced: true, make: encode(videoInput("720x576", "25", "3"), audioInput(48000, 2, "3"), split("-c:v dvvideo -pix_fmt yuv420p -flags +ilme+ildct"))},
		{Name: "slides of six seconds in segments of a minute", File: "in.mp4", make: encode(videoInput("160x90", "1/6", "150"), audioInput(48000, 2, "150"), x264(""), aac()), Segment: time.Minute},
		{Name: "AV1 in a package", File: "in.mp4", make: encode(usualVideo(), usualAudio(), x264(""), aac()), Codec: film.AV1, Output: film.DASH},
		{Name: "AV1 in MP4", File: "in.mp4", make: encode(usualVideo(), usualAudio(), split("-c:v libsvtav1 -preset 12 -crf 25 -g 36"), aac())},
		{Name: "MXF, MPEG-2", File: "in.mxf", make: encode(videoInput("160x96", "25", "6"), usualAudio(), split("-c:v mpeg2video -bf 2 -g 15 -q:v 3 -c:a pcm_s16le -ar 48000"))},
	}
}

// containerSources hold the same content in different containers.
func containerSources() []Source {
	return []Source{
		{Name: "MP4, moov last", File: "in.mp4", make: remux("", "")},
		{Name: "MP4, moov first", File: "in.mp4", make: remux("", "-movflags +faststart")},
		{Name: "edit list: cut by copying", File: "in.mp4", Quick: true, make: remux("-ss 2.3", "")},
		{Name: "edit list: empty edit", File: "in.mp4", make: shift("0.7", "0")},
		{Name: "edit list: Motion JPEG, cut within a frame", File: "in.mov", make: func(b *builder) error {
			if err := b.ffmpeg(usualVideo(), usualAudio(), split("-c:v mjpeg -q:v 3 -pix_fmt yuvj420p"), aac(), split("whole.mov")); err != nil {
				return err
			}
			return b.ffmpeg(split("-ss 1.33 -i whole.mov -map 0 -c copy"), []string{b.out})
		}},
		{Name: "edit list: several edits", File: "in.mp4", make: remux("-ss 2.3", "-output_ts_offset 0.5 -avoid_negative_ts disabled")},
		{Name: "fragmented MP4, mfra", File: "in.mp4", make: remux("", "-movflags frag_keyframe+empty_moov+default_base_moof")},
		{Name: "fragmented MP4, sidx", File: "in.mp4", make: remux("", "-movflags dash+global_sidx+frag_keyframe")},
		{Name: "fragmented MP4, no index", File: "in.mp4", make: remux("", "-movflags frag_keyframe+empty_moov+skip_trailer")},
		{Name: "Matroska", File: "in.mkv", make: remux("", "")},
		{Name: "Matroska, no Cues, no duration", File: "in.mkv", Quick: true, make: func(b *builder) error {
			if err := b.plain(); err != nil {
				return err
			}
			return b.pipe(b.out, split("-i plain.mp4 -map 0 -c copy -f matroska"))
		}},
		{Name: "Matroska, cut off", File: "in.mkv", make: func(b *builder) error {
			if err := b.plain(); err != nil {
				return err
			}
			if err := b.ffmpeg(split("-i plain.mp4 -map 0 -c copy whole.mkv")); err != nil {
				return err
			}
			return b.edit("whole.mkv", b.out, func(b []byte) []byte { return b[:len(b)*4/5] })
		}},
		{Name: "WTV", File: "in.wtv", make: encode(videoInput("160x96", "25", "6"), usualAudio(), split("-c:v mpeg2video -bf 2 -g 15 -q:v 3 -c:a mp2"))},
		{Name: "APNG", File: "in.png", make: encode(videoInput("160x90", "10", "3"), split("-f apng"))},
		{Name: "NUT", File: "in.nut", make: remux("", "")},
		{Name: "name: #1 %d 'ü\"|*? -x", File: "odd #1 %03d 'ü\"|*? -x.mp4", Quick: true, make: remux("", "")},
		{Name: "name: starts with -", File: "-y.ts", make: remux("", "")},
	}
}

// audioSources differ in their audio: its position, its length and its format.
func audioSources() []Source {
	return []Source{
		{Name: "no audio", File: "in.mp4", make: encode(usualVideo(), x264(""))},
		{Name: "no audio, MPEG-TS", File: "in.ts", make: encode(usualVideo(), x264(""))},
		{Name: "audio only, M4A", File: "in.m4a", make: encode(usualAudio(), aac())},
		{Name: "audio only, MP3", File: "in.mp3", make: encode(usualAudio(), split("-c:a libmp3lame -q:a 4"))},
		{Name: "audio only, FLAC", File: "in.flac", make: encode(usualAudio(), split("-c:a flac"))},
		{Name: "audio longer", File: "in.mp4", make: encode(usualVideo(), audioInput(48000, 2, "9"), x264(""), aac())},
		{Name: "audio shorter", File: "in.mp4", make: encode(usualVideo(), audioInput(48000, 2, "4"), x264(""), aac())},
		{Name: "audio later", File: "in.mp4", make: shift("0", "0.3")},
		{Name: "audio later, Matroska", File: "in.mkv", make: shift("0", "0.3")},
		{Name: "audio later, MPEG-TS", File: "in.ts", make: shift("0", "0.3")},
		{Name: "audio earlier, Matroska", File: "in.mkv", Quick: true, make: shift("0.7", "0")},
		{Name: "audio earlier, MPEG-TS", File: "in.ts", make: shift("0.7", "0")},
		{Name: "two languages", File: "in.mkv", make: encode(usualVideo(), usualAudio(), usualAudio(), split("-map 0:v -map 1:a -map 2:a"), x264(""), aac(),
			split("-metadata:s:a:0 language=ger -metadata:s:a:0 title=Deutsch -metadata:s:a:1 language=fre -disposition:a:0 0 -disposition:a:1 default"))},
		{Name: "5.1 AC-3", File: "in.mkv", make: encode(usualVideo(), audioInput(48000, 6, "6"), split("-filter:a channelmap=channel_layout=5.1"), x264(""), split("-c:a ac3 -b:a 384k"))},
		{Name: "7.1 Vorbis", File: "in.mkv", make: encode(usualVideo(), audioInput(48000, 8, "6"), split("-filter:a channelmap=channel_layout=7.1"), x264(""), split("-c:a libvorbis"))},
		{Name: "5.1 PCM", File: "in.mov", make: encode(usualVideo(), audioInput(48000, 6, "6"), split("-filter:a channelmap=channel_layout=5.1"), x264(""), split("-c:a pcm_s16le"))},
		{Name: "mono, MP2, MPEG-TS", File: "in.ts", make: encode(usualVideo(), audioInput(48000, 1, "6"), x264(""), split("-c:a mp2"))},
		{Name: "44.1 kHz", File: "in.mp4", make: encode(usualVideo(), audioInput(44100, 2, "6"), x264(""), aac())},
		{Name: "44.1 kHz PCM", File: "in.mov", make: encode(usualVideo(), audioInput(44100, 2, "6"), x264(""), split("-c:a pcm_s16le"))},
		{Name: "96 kHz FLAC", File: "in.mkv", make: encode(usualVideo(), audioInput(96000, 2, "6"), x264(""), split("-c:a flac"))},
		{Name: "audio with a gap", File: "in.mkv", make: encode(usualVideo(), usualAudio(), split("-af aselect='not(between(t,2.4,3.1))'"), x264(""), split("-c:a pcm_s16le"))},
	}
}

// metadataSources have more than video and audio.
func metadataSources() []Source {
	const srt = "1\n00:00:00,500 --> 00:00:02,000\nFirst line\n\n2\n00:00:03,000 --> 00:00:05,500\nSecond – ü\n\n"
	const chapters = ";FFMETADATA1\ntitle=A title; with = signs\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=2500\ntitle=One\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=2500\nEND=6000\ntitle=Two\n"
	texts := func(subtitles string) func(*builder) error {
		return func(b *builder) error {
			if err := b.plain(); err != nil {
				return err
			}
			if err := b.writeText("in.srt", srt); err != nil {
				return err
			}
			// ffmpeg's metadata format wants special characters escaped.
			if err := b.writeText("meta.txt", strings.ReplaceAll(chapters, "title; with = ", `title\; with \= `)); err != nil {
				return err
			}
			return b.ffmpeg(split("-i plain.mp4 -i in.srt -i meta.txt -map 0 -map 1 -map_metadata 2 -map_chapters 2 -c copy -metadata:s:s:0 language=ger -c:s "+subtitles), []string{b.out})
		}
	}
	cover := func(b *builder) error {
		if err := b.plain(); err != nil {
			return err
		}
		if err := b.ffmpeg(split("-f lavfi -i color=red:size=64x64 -frames:v 1 cover.jpg")); err != nil {
			return err
		}
		if err := b.ffmpeg(split("-i plain.mp4 -i cover.jpg -map 1 -map 0 -c copy -disposition:v:0 attached_pic"), []string{b.out}); err != nil {
			return err
		}
		return nil
	}
	return []Source{
		{Name: "subtitles, chapters, title, Matroska", File: "in.mkv", make: texts("srt")},
		{Name: "subtitles, chapters, title, MP4", File: "in.mp4", make: texts("mov_text")},
		{Name: "cover art, MP4", File: "in.mp4", make: cover},
		{Name: "rotated", File: "in.mp4", make: remux("", "-metadata:s:v:0 rotate=90")},
		{Name: "anamorphic", File: "in.mp4", make: encode(usualVideo(), usualAudio(), split("-vf setsar=64/45"), x264(""), aac())},
		{Name: "pixel aspect 853:720", File: "in.mkv", make: encode(usualVideo(), usualAudio(), split("-vf setsar=853/720:max=1000"), x264(""), aac())},
		{Name: "HDR10 to H.265", File: "in.mkv", Codec: film.H265, make: encode(usualVideo(), usualAudio(), split(hdr10), aac())},
		{Name: "HDR10 to H.264", File: "in.mkv", ToneMapped: true, make: encode(usualVideo(), usualAudio(), split(hdr10), aac())},
	}
}

// sizeSources have extreme sizes and lengths.
func sizeSources() []Source {
	return []Source{
		{Name: "odd size, 4:2:0", File: "in.webm", make: encode(videoInput("161x91", "24", "4"), audioInput(48000, 2, "4"), split("-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -b:v 0 -crf 25 -g 36 -c:a libopus"))},
		{Name: "odd size, 4:4:4", File: "in.mp4", make: encode(videoInput("161x91", "24", "4"), audioInput(48000, 2, "4"), x264("-pix_fmt yuv444p"), aac())},
		{Name: "4:2:2", File: "in.mp4", make: encode(usualVideo(), usualAudio(), x264("-pix_fmt yuv422p"), aac())},
		{Name: "4:4:4", File: "in.mp4", make: encode(usualVideo(), usualAudio(), x264("-pix_fmt yuv444p"), aac())},
		{Name: "half a second", File: "in.mp4", make: encode(videoInput("160x90", "24", "0.5"), audioInput(48000, 2, "0.5"), x264(""), aac())},
		{Name: "half a second, MPEG-TS", File: "in.ts", make: encode(videoInput("160x90", "24", "0.5"), audioInput(48000, 2, "0.5"), x264(""), aac())},
		{Name: "one frame", File: "in.mp4", Quick: true, make: encode(usualVideo(), split("-frames:v 1"), x264(""))},
		{Name: "one frame, MPEG-TS", File: "in.ts", make: encode(usualVideo(), split("-frames:v 1"), x264(""))},
		{Name: "3 hours", File: "in.mp4", Segment: 5 * time.Minute, make: func(b *builder) error {
			if err := b.ffmpeg(videoInput("64x36", "6", "60"), audioInput(16000, 1, "60"), x264(""), split("-c:a aac -b:a 24k minute.mp4")); err != nil {
				return err
			}
			return b.ffmpeg(split("-stream_loop 179 -i minute.mp4 -map 0 -c copy"), []string{b.out})
		}},
	}
}
