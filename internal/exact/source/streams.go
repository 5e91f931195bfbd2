package source

import "time"

// streamSources have streams that begin late, hold nothing, or belong to several programs.
func streamSources() []Source {
	return []Source{
		{Name: "MPEG-TS, audio 25 s late", File: "in.ts", Segment: 10 * time.Second, make: func(b *builder) error {
			late := append(split("-itsoffset 25"), audioInput(48000, 2, "5")...)
			return b.ffmpeg(videoInput("160x90", "6", "30"), late, split("-map 0 -map 1"), x264(""), split("-c:a ac3"), []string{b.out})
		}},
		{Name: "MPEG-TS, two programs", File: "in.ts", make: func(b *builder) error {
			if err := b.ffmpeg(usualVideo(), usualAudio(), x264(""), split("-c:a mp2 large.ts")); err != nil {
				return err
			}
			if err := b.ffmpeg(videoInput("80x46", "24", "6"), audioInput(48000, 1, "6"), x264(""), split("-c:a mp2 -output_ts_offset 30000 small.ts")); err != nil {
				return err
			}
			return b.ffmpeg(split("-copyts -i large.ts -i small.ts -map 0 -map 1 -c copy -program title=A:st=0:st=1 -program title=B:st=2:st=3"), []string{b.out})
		}},
		{Name: "empty audio track, Matroska", File: "in.mkv", make: encode(usualVideo(), usualAudio(), usualAudio(),
			split("-map 0 -map 1 -map 2"), x264(""), split("-c:a ac3 -bsf:a:1 noise=drop=1"))},
		{Name: "empty audio track, MPEG-TS", File: "in.ts", make: encode(usualVideo(), usualAudio(), usualAudio(),
			split("-map 0 -map 1 -map 2"), x264(""), split("-c:a ac3 -bsf:a:1 noise=drop=1"))},
		{Name: "MP4, packed B-frames", File: "in.mp4", Quick: true, make: fromAVI("libxvid", "")},
		{Name: "Matroska, packed B-frames", File: "in.mkv", make: fromAVI("libxvid", "-fflags +genpts")},
		{Name: "MP4, B-frames without presentation times", File: "in.mp4", make: fromAVI("mpeg4", "")},
	}
}

// fromAVI encodes to AVI, which has no presentation times, and copies that to another container.
func fromAVI(codec, flags string) func(*builder) error {
	return func(b *builder) error {
		if err := b.ffmpeg(usualVideo(), usualAudio(), split("-c:v "+codec+" -q:v 3 -g 36 -bf 2 -c:a libmp3lame -b:a 128k plain.avi")); err != nil {
			return err
		}
		return b.ffmpeg(split(flags+" -i plain.avi -map 0 -c copy"), []string{b.out})
	}
}
