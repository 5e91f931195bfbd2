package source

// streamSources have video streams whose packets do not say when their frames are shown.
func streamSources() []Source {
	return []Source{
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
