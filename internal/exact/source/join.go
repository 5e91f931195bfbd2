package source

// joinedClips makes three clips of different size, frame rate, container and sound, and beside them what ffmpeg's filter concat joins them
// to without loss. Each has seams inside, and the one in the middle is silent.
func joinedClips(b *builder) error {
	for _, clip := range [][][]string{
		{videoInput("160x90", "24", "5"), audioInput(48000, 2, "5"), x264("-bf 2"), split("-c:a pcm_s16le a.mov")},
		{videoInput("120x120", "20", "4"), x264("-bf 2"), split("b.mkv")},
		{videoInput("320x180", "25", "6"), audioInput(44100, 1, "6"), split("-c:v mpeg4 -q:v 2 -g 15 -c:a aac c.mp4")},
	} {
		if err := b.ffmpeg(clip...); err != nil {
			return err
		}
	}
	b.created = nil // they are read together with what they make
	const graph = "[1:v]scale=90:90:flags=bicubic,pad=160:90:34:0[b];[2:v]scale=160:90:flags=bicubic[c];" +
		"[2:a]aresample=48000,aformat=channel_layouts=stereo,atrim=end=6,apad=whole_dur=6[z];anullsrc=r=48000:cl=stereo:d=4[y];" +
		"[0:v][0:a][b][y][c][z]concat=n=3:v=1:a=1[v][a]"
	return b.ffmpeg(split("-i a.mov -i b.mkv -i c.mp4 -filter_complex"), []string{graph},
		split("-map [v] -map [a] -fps_mode passthrough -enc_time_base 1:600 -video_track_timescale 600 -c:v libx264 -preset ultrafast -qp 0 -c:a pcm_s16le"), []string{b.out})
}
