package probe

import "github.com/mapreel/mapreel/pkg/media"

// Media describes a source. Its strings come from the source: they are data, with any content.
type Media struct {
	Format   string // ffprobe's name: "mov,mp4,m4a,3gp,3g2,mj2"
	Start    int64  // microseconds; the earliest timestamp of any stream
	HasStart bool
	Duration int64 // microseconds; -1 = unknown
	Size     int64 // bytes; -1 = unknown
	Streams  []Stream
	Programs []Program // of a transport stream, in the order of its table
	Chapters []media.Chapter
	Tags     map[string]string // keys in lower case
}

// Program is one of the programmes that share a transport stream. Each has its own clock.
type Program struct {
	Number  int // program_number (ISO/IEC 13818-1, 2.4.4.4); DVB's service_id
	Name    string
	Streams []int // their indexes
}

// Stream describes one stream of a source. A field that does not apply to its type, or that ffprobe
// does not know, is zero.
type Stream struct {
	Index    int
	ID       int    // the container's number for it: the PID in a transport stream; 0 = unknown
	Type     string // "video", "audio", "subtitle", "attachment", "data"
	Codec    string // ffmpeg's name: "h264", "hevc", "aac"; "" = unknown
	Tag      string // the container's code for it: "avc1"
	Timebase media.Rational
	StartPTS *int64 // ticks
	// DurationTS is in ticks; -1 = unknown. Many containers do not store it for each stream.
	DurationTS int64
	Frames     int64 // as the container declares; -1 = unknown
	BitRate    int64 // bits a second; -1 = unknown

	Width, Height int
	SAR           media.Rational // sample aspect ratio
	PixelFormat   string
	BitDepth      int
	// Reordered is how many frames a decoder holds back to show them in order; 0 = it has no B-frames.
	Reordered  int
	FieldOrder string // "progressive", "tt", "bb", "tb", "bt"; "" = unknown
	Color      media.Color
	HDR        media.HDR
	// DolbyVision is the profile of Dolby Vision; 0 = not Dolby Vision.
	DolbyVision int
	Rotation    int            // degrees clockwise to turn the frames: 0, 90, 180 or 270; ffmpeg does so by default
	AverageRate media.Rational // frames a second over the whole stream
	BaseRate    media.Rational // the lowest rate of which all timestamps are multiples (ffprobe's r_frame_rate)
	AttachedPic bool           // a cover image, not a video

	SampleRate    int
	Channels      int
	ChannelLayout string
	FrameSize     int // samples in each packet, if the codec has one size; 0 = unknown or varying

	Language string // ISO 639; "" = not declared
	Title    string
	Default  bool
	Forced   bool
	// Flags are the other dispositions that describe a stream's purpose: ffmpeg's names, in
	// ffmpeg's order.
	Flags []string
	Tags  map[string]string // keys in lower case
}

// Complete reports whether the codec's parameters are known, so that the stream can be decoded. In
// a transport stream they are unknown until ffprobe sees a packet.
func (s Stream) Complete() bool {
	switch s.Type {
	case "video":
		return s.Codec != "" && s.Width > 0 && s.Height > 0
	case "audio":
		return s.Codec != "" && s.Channels > 0 && s.SampleRate > 0
	}
	return true
}

// FrameRate returns the rate that an encoder of the stream gets: the average where the container
// declares one, because that is what rate control needs. It is zero where no rate is known.
func (s Stream) FrameRate() media.Rational {
	for _, r := range []media.Rational{s.AverageRate, s.BaseRate} {
		if r.Known() {
			return r
		}
	}
	return media.Rational{}
}
