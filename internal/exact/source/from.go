package source

// From is how mapreel gets a source.
type From string

const (
	FromServer From = "server"             // a web server that gives any part of it
	FromStream From = "server, as a whole" // a web server that gives all of it only
	FromPipe   From = "pipe"
)

// fromSources come from elsewhere than a file.
func fromSources() []Source {
	film := func(b *builder) error {
		return b.ffmpeg(videoInput("160x90", "24", "5"), audioInput(48000, 2, "5"), x264("-g 24"), split("-c:a aac"), []string{b.out})
	}
	return []Source{
		{Name: "from a web server, Matroska", File: "in a%20b.mkv", make: film, From: FromServer},
		{Name: "from a web server, MP4 with its index last", File: "in.mp4", make: film, From: FromServer},
		{Name: "from a web server without ranges", File: "in.mkv", make: film, From: FromStream},
		{Name: "through a pipe, MPEG-TS", File: "in.ts", make: film, From: FromPipe},
	}
}
