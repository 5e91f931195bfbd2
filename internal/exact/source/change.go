package source

import (
	"bytes"
	"encoding/binary"
	"errors"
)

// changeSources change within the source, or end before their index says.
func changeSources() []Source {
	const vp8 = "-c:v libvpx -deadline realtime -cpu-used 8 -b:v 2M -g 36 -c:a libopus"
	const hevc = "-c:v libx265 -preset ultrafast -x265-params log-level=none:keyint=36:repeat-headers=1 -c:a mp2"
	return []Source{
		{Name: "size changes, VP8", File: "in.webm", make: recordings(".webm", vp8, "-vf null", "-vf scale=240:136", "-vf null")},
		{Name: "aspect changes, MPEG-2", File: "in.ts", make: recordings(".ts", "-c:v mpeg2video -q:v 3 -g 15 -c:a mp2", "-vf setsar=1", "-vf setsar=4/3")},
		{Name: "8 to 10 bits, HEVC", File: "in.ts", make: recordings(".ts", hevc, "-pix_fmt yuv420p", "-pix_fmt yuv420p10le")},
		{Name: "index first, end missing", File: "in.mp4", Quick: true, make: func(b *builder) error {
			if err := b.ffmpeg(usualVideo(), usualAudio(), x264(""), aac(), split("-movflags faststart whole.mp4")); err != nil {
				return err
			}
			return b.edit("whole.mp4", b.out, func(mp4 []byte) []byte { return mp4[:len(mp4)*7/10] })
		}},
		{Name: "edit list before the first sync sample", File: "in.mp4", make: func(b *builder) error {
			if err := b.ffmpeg(usualVideo(), x264("-movflags negative_cts_offsets whole.mp4")); err != nil {
				return err
			}
			return b.edit("whole.mp4", b.out, beginBeforeSync)
		}},
	}
}

// recordings makes a source of recordings of 3 s that follow each other, all encoded with codec and
// each with arguments of its own.
func recordings(extension, codec string, each ...string) func(*builder) error {
	return func(b *builder) error {
		list := "ffconcat version 1.0\n"
		for i, args := range each {
			name := string(rune('a'+i)) + extension
			if err := b.ffmpeg(videoInput("160x90", "24", "3"), audioInput(48000, 2, "3"), split(args), split(codec), []string{name}); err != nil {
				return err
			}
			list += "file " + name + "\nduration 3\n"
		}
		if err := b.writeText("list.txt", list); err != nil {
			return err
		}
		return b.ffmpeg(split("-f concat -i list.txt -map 0 -c copy"), []string{b.out})
	}
}

// beginBeforeSync changes an MP4 of one video track: its first sample is not a sync sample any more,
// and its edit list begins 10 frames later, before the first that is.
func beginBeforeSync(mp4 []byte) []byte {
	stss, elst := bytes.Index(mp4, []byte("stss")), bytes.Index(mp4, []byte("elst"))
	stts := bytes.Index(mp4, []byte("stts"))
	if stss < 0 || elst < 0 || stts < 0 {
		panic(errors.New("the clip has no edit list or no sync samples"))
	}
	copy(mp4[stss+12:stss+16], mp4[stss+16:stss+20])
	length := binary.BigEndian.Uint32(mp4[stts+16:]) // of a frame
	duration, start := binary.BigEndian.Uint32(mp4[elst+12:]), binary.BigEndian.Uint32(mp4[elst+16:])
	binary.BigEndian.PutUint32(mp4[elst+12:], duration-10*1000/24)
	binary.BigEndian.PutUint32(mp4[elst+16:], start+10*length)
	return mp4
}
