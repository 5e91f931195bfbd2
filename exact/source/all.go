package source

import (
	"slices"
	"strings"
	"time"

	"github.com/mapreel/mapreel/pkg/film"
)

// encoded is a source that one run of ffmpeg makes from lists of arguments.
func encoded(lists ...[]string) func(*kitchen) error {
	return func(k *kitchen) error { return k.ffmpeg(append(lists, []string{k.out})...) }
}

// remade is a source that is made of the plain MP4 by copying: before and after are the arguments around "-i".
func remade(before, after string) func(*kitchen) error {
	return func(k *kitchen) error {
		if err := k.plain(); err != nil {
			return err
		}
		return k.ffmpeg(words(before), words("-i plain.mp4"), words("-map 0 -c copy "+after), []string{k.out})
	}
}

// plain makes plain.mp4, from which others are copied.
func (k *kitchen) plain() error {
	return k.ffmpeg(filmArgs(), stereo(), x264(""), aac(), words("plain.mp4"))
}

// apart is the plain film with its picture and its sound shifted against each other by copying.
func apart(picture, sound string) func(*kitchen) error {
	return func(k *kitchen) error {
		if err := k.plain(); err != nil {
			return err
		}
		return k.ffmpeg(words("-itsoffset "+picture+" -i plain.mp4 -itsoffset "+sound+" -i plain.mp4 -map 0:v -map 1:a -c copy"), []string{k.out})
	}
}

const holes = "select='not(between(mod(n,48),10,25))*not(eq(mod(n,7),3))'"

const hdr10 = "-c:v libx265 -preset ultrafast -pix_fmt yuv420p10le -x265-params " +
	"log-level=none:keyint=36:min-keyint=36:colorprim=bt2020:transfer=smpte2084:colormatrix=bt2020nc:range=limited:hdr10=1:repeat-headers=1:" +
	"master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50):max-cll=1000,400"

// All are the sources of the matrix, in the order of its table.
func All() []Source {
	return slices.Concat(pictures(), transport(), old(), containers(), sounds(), kept(), sizes())
}

// pictures differ in how the picture is coded and timed.
func pictures() []Source {
	return []Source{
		{Name: "H.264, open GOP, pyramid B", File: "in.mp4", Quick: true, make: encoded(filmArgs(), stereo(),
			x264("-bf 5 -x264-params open-gop=1:b-pyramid=normal:b-adapt=0"), aac())},
		{Name: "H.264, open GOP, Matroska", File: "in.mkv", make: encoded(filmArgs(), stereo(),
			x264("-bf 5 -x264-params open-gop=1:b-pyramid=normal:b-adapt=0"), aac())},
		{Name: "H.264, open GOP, MPEG-TS", File: "in.ts", make: encoded(filmArgs(), stereo(),
			x264("-bf 5 -x264-params open-gop=1:b-pyramid=normal:b-adapt=0"), aac())},
		{Name: "HEVC, open GOP, pyramid B", File: "in.mp4", make: encoded(filmArgs(), stereo(),
			words("-c:v libx265 -preset ultrafast -x265-params log-level=none:open-gop=1:b-pyramid=1:bframes=4:b-adapt=0:keyint=36:min-keyint=36 -tag:v hvc1"), aac())},
		{Name: "HEVC, open GOP, MPEG-TS", File: "in.ts", make: encoded(filmArgs(), stereo(),
			words("-c:v libx265 -preset ultrafast -x265-params log-level=none:open-gop=1:b-pyramid=1:bframes=4:b-adapt=0:keyint=36:min-keyint=36"), aac())},
		{Name: "one keyframe in a minute", File: "in.mp4", Segment: 10 * time.Second, make: encoded(picture("160x90", "12", "60"), beeps(48000, 2, "60"),
			x264("-g 9999 -sc_threshold 0"), aac())},
		{Name: "one keyframe in a minute, MPEG-TS", File: "in.ts", Segment: 10 * time.Second, make: encoded(picture("160x90", "12", "60"), beeps(48000, 2, "60"),
			x264("-g 9999 -sc_threshold 0"), aac())},
		{Name: "all-intra ProRes in MOV", File: "in.mov", make: encoded(filmArgs(), stereo(), words("-c:v prores_ks -profile:v 0 -c:a pcm_s16le"))},
		{Name: "variable rate with holes, MP4", File: "in.mp4", Quick: true, make: encoded(filmArgs(), stereo(), []string{"-vf", holes}, words("-fps_mode vfr"), x264(""), aac())},
		{Name: "variable rate with holes, Matroska", File: "in.mkv", make: encoded(filmArgs(), stereo(), []string{"-vf", holes}, words("-fps_mode vfr"), x264(""), aac())},
		{Name: "30000/1001", File: "in.mp4", make: encoded(picture("160x90", "30000/1001", "6"), stereo(), x264(""), aac())},
		{Name: "24000/1001 in Matroska", File: "in.mkv", make: encoded(picture("160x90", "24000/1001", "6"), stereo(), x264(""), aac())},
	}
}

// transport are streams without an index that were broadcast, or look like it.
func transport() []Source {
	return []Source{
		{Name: "MPEG-TS, start offset", File: "in.ts", make: remade("", "-output_ts_offset 1000")},
		{Name: "MPEG-TS, clock wraps", File: "in.ts", Quick: true, make: remade("", "-output_ts_offset 95440")},
		{Name: "MPEG-TS, clock wraps late", File: "in.ts", Segment: 20 * time.Second, make: func(k *kitchen) error {
			if err := k.ffmpeg(picture("160x90", "12", "100"), beeps(48000, 2, "100"), x264(""), aac(), words("plain.mp4")); err != nil {
				return err
			}
			return k.ffmpeg(words("-i plain.mp4 -map 0 -c copy -output_ts_offset 95370"), []string{k.out})
		}},
		{Name: "MPEG-TS, broken packet", File: "in.ts", Quick: true, make: damaged(func(ts []byte) []byte {
			at := len(ts) / 2 / 188 * 188
			for i := at + 8; i < at+2*188; i++ {
				if i%188 > 4 {
					ts[i] ^= byte(i * 7)
				}
			}
			return ts
		})},
		{Name: "MPEG-TS, lost packets", File: "in.ts", make: damaged(func(ts []byte) []byte {
			at := len(ts) / 2 / 188 * 188
			return append(ts[:at:at], ts[at+12*188:]...)
		})},
		{Name: "MPEG-TS, cut off within a packet", File: "in.ts", make: damaged(func(ts []byte) []byte { return ts[5*188+100 : len(ts)*5/6+77] })},
		{Name: "MPEG-TS, clock jumps ahead", File: "in.ts", make: spliced("10", "45")},
		{Name: "MPEG-TS, clock jumps back", File: "in.ts", Quick: true, make: spliced("45", "10")},
		{Name: "MPEG-TS, clock jumps, sound encoded", File: "in.ts", make: func(k *kitchen) error {
			for i, offset := range []string{"1000", "100"} {
				name := []string{"a.ts", "b.ts"}[i]
				if err := k.ffmpeg(filmArgs(), stereo(), x264(""), words("-c:a mp2 -output_ts_offset "+offset), []string{name}); err != nil {
					return err
				}
			}
			return k.join(k.out, "a.ts", "b.ts")
		}},
		{Name: "MPEG-2 interlaced, MPEG-TS", File: "in.ts", Interlaced: true, make: encoded(picture("160x96", "50", "6"), stereo(),
			words("-vf tinterlace=interleave_top,fieldorder=tff -c:v mpeg2video -flags +ilme+ildct -bf 2 -g 15 -q:v 3 -c:a mp2"))},
		{Name: "MPEG-2 program stream", File: "in.mpg", make: encoded(picture("160x96", "25", "6"), stereo(), words("-c:v mpeg2video -bf 2 -g 15 -q:v 3 -c:a mp2"))},
	}
}

func damaged(change func([]byte) []byte) func(*kitchen) error {
	return func(k *kitchen) error {
		if err := k.plain(); err != nil {
			return err
		}
		if err := k.ffmpeg(words("-i plain.mp4 -map 0 -c copy whole.ts")); err != nil {
			return err
		}
		return k.edit("whole.ts", k.out, change)
	}
}

// spliced are two recordings in one file, each with a clock of its own.
func spliced(first, second string) func(*kitchen) error {
	return func(k *kitchen) error {
		if err := k.plain(); err != nil {
			return err
		}
		if err := k.ffmpeg(words("-i plain.mp4 -map 0 -c copy -output_ts_offset " + first + " a.ts")); err != nil {
			return err
		}
		if err := k.ffmpeg(words("-i plain.mp4 -map 0 -c copy -output_ts_offset " + second + " b.ts")); err != nil {
			return err
		}
		return k.join(k.out, "a.ts", "b.ts")
	}
}

// old are formats that have little to say about time.
func old() []Source {
	mpeg4 := "-c:v mpeg4 -q:v 3 -g 36 "
	return []Source{
		{Name: "AVI, MPEG-4 with B-frames", File: "in.avi", make: encoded(filmArgs(), stereo(), words(mpeg4+"-bf 2 -c:a libmp3lame -b:a 128k"))},
		{Name: "AVI, packed B-frames", File: "in.avi", Quick: true, make: encoded(filmArgs(), stereo(), words("-c:v libxvid -q:v 3 -g 36 -bf 2 -c:a libmp3lame -b:a 128k"))},
		{Name: "AVI, MP3 of variable rate", File: "in.avi", make: encoded(filmArgs(), stereo(), words(mpeg4+"-c:a libmp3lame -q:a 4"))},
		{Name: "AVI, Motion JPEG, PCM", File: "in.avi", make: encoded(filmArgs(), stereo(), words("-c:v mjpeg -q:v 3 -c:a pcm_s16le"))},
		{Name: "AVI, H.264", File: "in.avi", make: encoded(filmArgs(), stereo(), x264(""), words("-c:a libmp3lame"))},
		{Name: "WMV with sound", File: "in.wmv", make: encoded(filmArgs(), stereo(), words("-c:v wmv2 -q:v 3 -g 36 -c:a wmav2 -b:a 128k"))},
		{Name: "FLV, H.264", File: "in.flv", make: remade("", "")},
		{Name: "FLV, Sorenson", File: "in.flv", make: encoded(filmArgs(), beeps(44100, 2, "6"), words("-c:v flv -q:v 3 -g 36 -c:a libmp3lame"))},
		{Name: "WebM, VP9, Opus", File: "in.webm", make: encoded(filmArgs(), stereo(), words("-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -b:v 0 -crf 25 -g 36 -c:a libopus"))},
		{Name: "WebM, VP8, Vorbis", File: "in.webm", make: encoded(filmArgs(), stereo(), words("-c:v libvpx -deadline realtime -cpu-used 8 -b:v 1M -g 36 -c:a libvorbis"))},
		{Name: "Ogg, Theora, Vorbis", File: "in.ogv", make: encoded(filmArgs(), stereo(), words("-c:v libtheora -q:v 8 -g 36 -c:a libvorbis"))},
		{Name: "DV", File: "in.dv", Interlaced: true, make: encoded(picture("720x576", "25", "3"), beeps(48000, 2, "3"), words("-c:v dvvideo -pix_fmt yuv420p -flags +ilme+ildct"))},
		{Name: "AV1 in MP4", File: "in.mp4", make: encoded(filmArgs(), stereo(), words("-c:v libsvtav1 -preset 12 -crf 25 -g 36"), aac())},
		{Name: "MXF, MPEG-2", File: "in.mxf", make: encoded(picture("160x96", "25", "6"), stereo(), words("-c:v mpeg2video -bf 2 -g 15 -q:v 3 -c:a pcm_s16le -ar 48000"))},
	}
}

// containers hold the same film in other ways.
func containers() []Source {
	return []Source{
		{Name: "MP4, moov last", File: "in.mp4", make: remade("", "")},
		{Name: "MP4, moov first", File: "in.mp4", make: remade("", "-movflags +faststart")},
		{Name: "edit list: cut by copying", File: "in.mp4", Quick: true, make: remade("-ss 2.3", "")},
		{Name: "edit list: empty edit", File: "in.mp4", make: apart("0.7", "0")},
		{Name: "edit list: several edits", File: "in.mp4", make: remade("-ss 2.3", "-output_ts_offset 0.5 -avoid_negative_ts disabled")},
		{Name: "fragmented MP4, mfra", File: "in.mp4", make: remade("", "-movflags frag_keyframe+empty_moov+default_base_moof")},
		{Name: "fragmented MP4, sidx", File: "in.mp4", make: remade("", "-movflags dash+global_sidx+frag_keyframe")},
		{Name: "fragmented MP4, no index", File: "in.mp4", Quick: true, make: remade("", "-movflags frag_keyframe+empty_moov+skip_trailer")},
		{Name: "Matroska", File: "in.mkv", make: remade("", "")},
		{Name: "Matroska, no Cues, no duration", File: "in.mkv", Quick: true, make: func(k *kitchen) error {
			if err := k.plain(); err != nil {
				return err
			}
			return k.pipe(k.out, words("-i plain.mp4 -map 0 -c copy -f matroska"))
		}},
		{Name: "Matroska, cut off", File: "in.mkv", make: func(k *kitchen) error {
			if err := k.plain(); err != nil {
				return err
			}
			if err := k.ffmpeg(words("-i plain.mp4 -map 0 -c copy whole.mkv")); err != nil {
				return err
			}
			return k.edit("whole.mkv", k.out, func(b []byte) []byte { return b[:len(b)*4/5] })
		}},
		{Name: "NUT", File: "in.nut", make: remade("", "")},
		{Name: "name: #1 %d 'ü\"|*? -x", File: "odd #1 %03d 'ü\"|*? -x.mp4", Quick: true, make: remade("", "")},
		{Name: "name: starts with -", File: "-y.ts", make: remade("", "")},
	}
}

// sounds differ in where, how long, and what is heard.
func sounds() []Source {
	return []Source{
		{Name: "no sound", File: "in.mp4", make: encoded(filmArgs(), x264(""))},
		{Name: "no sound, MPEG-TS", File: "in.ts", make: encoded(filmArgs(), x264(""))},
		{Name: "sound only, M4A", File: "in.m4a", Quick: true, make: encoded(stereo(), aac())},
		{Name: "sound only, MP3", File: "in.mp3", make: encoded(stereo(), words("-c:a libmp3lame -q:a 4"))},
		{Name: "sound only, FLAC", File: "in.flac", make: encoded(stereo(), words("-c:a flac"))},
		{Name: "sound longer", File: "in.mp4", make: encoded(filmArgs(), beeps(48000, 2, "9"), x264(""), aac())},
		{Name: "sound shorter", File: "in.mp4", make: encoded(filmArgs(), beeps(48000, 2, "4"), x264(""), aac())},
		{Name: "sound later", File: "in.mp4", make: apart("0", "0.3")},
		{Name: "sound later, Matroska", File: "in.mkv", make: apart("0", "0.3")},
		{Name: "sound later, MPEG-TS", File: "in.ts", make: apart("0", "0.3")},
		{Name: "sound earlier, Matroska", File: "in.mkv", Quick: true, make: apart("0.7", "0")},
		{Name: "sound earlier, MPEG-TS", File: "in.ts", make: apart("0.7", "0")},
		{Name: "two languages", File: "in.mkv", make: encoded(filmArgs(), stereo(), stereo(), words("-map 0:v -map 1:a -map 2:a"), x264(""), aac(),
			words("-metadata:s:a:0 language=ger -metadata:s:a:0 title=Deutsch -metadata:s:a:1 language=fre -disposition:a:0 0 -disposition:a:1 default"))},
		{Name: "5.1 AC-3", File: "in.mkv", make: encoded(filmArgs(), beeps(48000, 6, "6"), words("-filter:a channelmap=channel_layout=5.1"), x264(""), words("-c:a ac3 -b:a 384k"))},
		{Name: "5.1 PCM", File: "in.mov", make: encoded(filmArgs(), beeps(48000, 6, "6"), words("-filter:a channelmap=channel_layout=5.1"), x264(""), words("-c:a pcm_s16le"))},
		{Name: "mono, MP2, MPEG-TS", File: "in.ts", make: encoded(filmArgs(), beeps(48000, 1, "6"), x264(""), words("-c:a mp2"))},
		{Name: "44.1 kHz", File: "in.mp4", make: encoded(filmArgs(), beeps(44100, 2, "6"), x264(""), aac())},
		{Name: "44.1 kHz PCM", File: "in.mov", make: encoded(filmArgs(), beeps(44100, 2, "6"), x264(""), words("-c:a pcm_s16le"))},
		{Name: "96 kHz FLAC", File: "in.mkv", make: encoded(filmArgs(), beeps(96000, 2, "6"), x264(""), words("-c:a flac"))},
		{Name: "sound with a hole", File: "in.mkv", make: encoded(filmArgs(), stereo(), words("-af aselect='not(between(t,2.4,3.1))'"), x264(""), words("-c:a pcm_s16le"))},
	}
}

// kept have more than picture and sound.
func kept() []Source {
	const srt = "1\n00:00:00,500 --> 00:00:02,000\nFirst line\n\n2\n00:00:03,000 --> 00:00:05,500\nSecond – ü\n\n"
	const chapters = ";FFMETADATA1\ntitle=A title; with = signs\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=0\nEND=2500\ntitle=One\n[CHAPTER]\nTIMEBASE=1/1000\nSTART=2500\nEND=6000\ntitle=Two\n"
	texts := func(subtitles string) func(*kitchen) error {
		return func(k *kitchen) error {
			if err := k.plain(); err != nil {
				return err
			}
			if err := k.text("in.srt", srt); err != nil {
				return err
			}
			// ffmpeg's own format wants its special signs escaped.
			if err := k.text("meta.txt", strings.ReplaceAll(chapters, "title; with = ", `title\; with \= `)); err != nil {
				return err
			}
			return k.ffmpeg(words("-i plain.mp4 -i in.srt -i meta.txt -map 0 -map 1 -map_metadata 2 -map_chapters 2 -c copy -metadata:s:s:0 language=ger -c:s "+subtitles), []string{k.out})
		}
	}
	cover := func(k *kitchen) error {
		if err := k.plain(); err != nil {
			return err
		}
		if err := k.ffmpeg(words("-f lavfi -i color=red:size=64x64 -frames:v 1 cover.jpg")); err != nil {
			return err
		}
		if err := k.ffmpeg(words("-i plain.mp4 -i cover.jpg -map 1 -map 0 -c copy -disposition:v:0 attached_pic"), []string{k.out}); err != nil {
			return err
		}
		return nil
	}
	return []Source{
		{Name: "subtitles, chapters, title, Matroska", File: "in.mkv", make: texts("srt")},
		{Name: "subtitles, chapters, title, MP4", File: "in.mp4", make: texts("mov_text")},
		{Name: "cover art, MP4", File: "in.mp4", Quick: true, make: cover},
		{Name: "rotated", File: "in.mp4", make: remade("", "-metadata:s:v:0 rotate=90")},
		{Name: "anamorphic", File: "in.mp4", make: encoded(filmArgs(), stereo(), words("-vf setsar=64/45"), x264(""), aac())},
		{Name: "HDR10 to H.265", File: "in.mkv", Codec: film.H265, make: encoded(filmArgs(), stereo(), words(hdr10), aac())},
		{Name: "HDR10 to H.264", File: "in.mkv", ToneMapped: true, make: encoded(filmArgs(), stereo(), words(hdr10), aac())},
	}
}

// sizes are at the ends of what there is.
func sizes() []Source {
	return []Source{
		{Name: "odd size, 4:2:0", File: "in.webm", make: encoded(picture("161x91", "24", "4"), beeps(48000, 2, "4"), words("-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -b:v 0 -crf 25 -g 36 -c:a libopus"))},
		{Name: "odd size, 4:4:4", File: "in.mp4", make: encoded(picture("161x91", "24", "4"), beeps(48000, 2, "4"), x264("-pix_fmt yuv444p"), aac())},
		{Name: "4:2:2", File: "in.mp4", make: encoded(filmArgs(), stereo(), x264("-pix_fmt yuv422p"), aac())},
		{Name: "4:4:4", File: "in.mp4", make: encoded(filmArgs(), stereo(), x264("-pix_fmt yuv444p"), aac())},
		{Name: "half a second", File: "in.mp4", make: encoded(picture("160x90", "24", "0.5"), beeps(48000, 2, "0.5"), x264(""), aac())},
		{Name: "half a second, MPEG-TS", File: "in.ts", make: encoded(picture("160x90", "24", "0.5"), beeps(48000, 2, "0.5"), x264(""), aac())},
		{Name: "one frame", File: "in.mp4", Quick: true, make: encoded(filmArgs(), words("-frames:v 1"), x264(""))},
		{Name: "one frame, MPEG-TS", File: "in.ts", make: encoded(filmArgs(), words("-frames:v 1"), x264(""))},
		{Name: "3 hours", File: "in.mp4", Segment: 5 * time.Minute, make: func(k *kitchen) error {
			if err := k.ffmpeg(picture("64x36", "6", "60"), beeps(16000, 1, "60"), x264(""), words("-c:a aac -b:a 24k minute.mp4")); err != nil {
				return err
			}
			return k.ffmpeg(words("-stream_loop 179 -i minute.mp4 -map 0 -c copy"), []string{k.out})
		}},
	}
}
