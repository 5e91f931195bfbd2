package film

import (
	"strings"
	"time"

	"github.com/mapreel/mapreel/pkg/media"
)

// Source identifies a source and describes what it holds.
type Source struct {
	URL     string `json:"url"`
	Size    int64  `json:"size"`
	Version string `json:"version"` // ETag, or modification time
	Demuxer string `json:"demuxer"` // the ffmpeg demuxer for the format that the first bytes show
	// Rate is the number of frames a second of a raw stream, which has no timestamps, as the request
	// says; zero for any other source.
	Rate media.Rational `json:"rate,omitzero"`
	// Sequence describes the files of an image sequence, whose pattern URL is; nil for any other source.
	Sequence *FrameSequence `json:"sequence,omitempty"`
	// ProbeBytes is how far ffmpeg must read to see all streams; 0 for its default.
	ProbeBytes int64         `json:"probeBytes,omitempty"`
	Origin     media.Instant `json:"origin"`   // the source's time that becomes 0 in every output: the earliest start of a stream
	Duration   media.Ticks   `json:"duration"` // microseconds; 0 where unknown
	Video      *VideoTrack   `json:"video,omitempty"`
	Audio      []AudioTrack  `json:"audio,omitempty"`
	Jumps      bool          `json:"jumps,omitempty"` // its clock jumps, as Split found
	// Damaged reports that packets of the video may have lost bytes, as Split found. What several threads
	// of a decoder show of them depends on which is ahead, and the decoder may report nothing.
	Damaged bool `json:"damaged,omitempty"`
	// FileStart is the earliest time of any stream of the file, in microseconds, where streams of
	// other programmes begin before Origin. nil: that is Origin.
	FileStart *media.Ticks `json:"fileStart,omitempty"`
	// Joined are the sources of a film that is joined from several, in order. The other fields then describe the film.
	Joined []JoinedSource `json:"joined,omitempty"`
	// Cut is the part of the source that the job takes; nil: all of it.
	Cut *Cut `json:"cut,omitempty"`

	// Picture is the part of the frame outside of which every sampled frame is black; nil: the whole frame, or no output asks for it.
	Picture *Region `json:"picture,omitempty"`

	// Files are those that the request names besides the source.
	Files []File `json:"files,omitempty"`

	Subtitles   []SubtitleTrack `json:"subtitles,omitempty"`
	Chapters    []media.Chapter `json:"chapters,omitempty"`
	Title       string          `json:"title,omitempty"`
	Created     time.Time       `json:"created,omitzero"`
	Tags        []media.Tag     `json:"tags,omitempty"`
	Cover       *Attachment     `json:"cover,omitempty"`
	Attachments []Attachment    `json:"attachments,omitempty"`
	// Losses describe the streams that no output can hold, and whatever else of the source is lost
	// in any case.
	Losses []string `json:"losses,omitempty"`
}

// VideoTrack is a source's video stream.
type VideoTrack struct {
	Stream    int            `json:"stream"`          // ffmpeg's stream index
	Codec     string         `json:"codec,omitempty"` // ffmpeg's name
	Timebase  media.Rational `json:"timebase"`
	Start     media.Ticks    `json:"start"`            // of the first frame shown
	End       media.Ticks    `json:"end"`              // end of the last frame, according to the index
	Frames    int            `json:"frames,omitempty"` // 0 where the index does not hold it
	Width     int            `json:"width"`            // as coded
	Height    int            `json:"height"`
	FrameRate media.Rational `json:"frameRate"` // frames per second as Num/Den, on average; Num 0 where unknown
	// ConstantRate is the frame rate if it is constant, apart from rounded timestamps; else zero.
	ConstantRate media.Rational `json:"constantRate,omitzero"`

	SampleAspect media.Rational `json:"sampleAspect,omitzero"` // width of a pixel to its height, as coded; zero where unknown
	Rotation     int            `json:"rotation,omitempty"`    // clockwise degrees by which players rotate it: 0, 90, 180 or 270
	PixelFormat  string         `json:"pixelFormat,omitempty"` // ffmpeg's name; "" where unknown
	Depth        int            `json:"depth,omitempty"`       // bits per sample; 0 where unknown
	Interlaced   string         `json:"interlaced,omitempty"`  // field order: "tff" or "bff"; "" for progressive video
	Color        media.Color    `json:"color,omitzero"`
	HDR          media.HDR      `json:"hdr,omitzero"`
	DolbyVision  int            `json:"dolbyVision,omitempty"` // its profile; 0 for none
	Unordered    bool           `json:"unordered,omitempty"`   // only a decoder can tell when its frames are shown
	X264Build    int            `json:"x264Build,omitempty"`   // build of the encoder x264, where decoders must know it; else 0
}

// StartAt makes the source's timeline begin at t, unless it begins earlier.
func (s *Source) StartAt(t media.Instant) {
	if t.In(media.Microseconds) < s.Origin.In(media.Microseconds) {
		s.Origin = t
	}
}

// Subsampled reports whether chroma has half the resolution in both directions (4:2:0).
func (v VideoTrack) Subsampled() bool {
	return strings.Contains(v.PixelFormat, "420") || strings.HasPrefix(v.PixelFormat, "nv12") || strings.HasPrefix(v.PixelFormat, "p010")
}

// FullChroma reports whether chroma has the resolution of luma (4:4:4), or the samples are RGB.
func (v VideoTrack) FullChroma() bool { return strings.Contains(v.PixelFormat, "444") || v.RGB() }

// RGB reports whether samples are red, green and blue, not luma and chroma.
func (v VideoTrack) RGB() bool { return media.RGB(v.PixelFormat) }

// AudioTrack is a source's audio stream.
type AudioTrack struct {
	Stream     int            `json:"stream"`
	Codec      string         `json:"codec"` // ffmpeg's name
	SampleRate int            `json:"sampleRate"`
	Channels   int            `json:"channels"`
	Layout     string         `json:"layout,omitempty"`  // of the channels: ffmpeg's name; "" where the source declares none
	BitRate    int64          `json:"bitRate,omitempty"` // bits a second, as the source declares; 0 where it does not
	Timebase   media.Rational `json:"timebase"`
	Start      media.Ticks    `json:"start"`              // of the first sample that is played
	Duration   media.Ticks    `json:"duration,omitempty"` // 0 where the container does not declare it exactly
	Language   string         `json:"language,omitempty"`
	Title      string         `json:"title,omitempty"`
	Default    bool           `json:"default,omitempty"`
	Flags      []string       `json:"flags,omitempty"` // other dispositions, by ffmpeg's names: comment, visual_impaired

	Clock SampleClock `json:"clock,omitempty"`
}

// SampleClock describes how exactly a worker that starts to read an audio track in its middle can
// number the samples.
type SampleClock string

const (
	ClockUnknown SampleClock = ""       // not at all: the track is read from its beginning
	ClockExact   SampleClock = "exact"  // timestamps count samples
	ClockFramed  SampleClock = "framed" // timestamps are rounded, but all packets hold the same number of samples
)

// SubtitleTrack is a source's subtitle stream.
type SubtitleTrack struct {
	Stream   int      `json:"stream"`
	File     string   `json:"file,omitempty"`   // the URL of the file beside the source that holds it, as its only stream
	Codec    string   `json:"codec"`            // ffmpeg's name
	IsText   bool     `json:"isText,omitempty"` // text, which can be converted to other text codecs; else bitmaps
	Language string   `json:"language,omitempty"`
	Title    string   `json:"title,omitempty"`
	Default  bool     `json:"default,omitempty"`
	Flags    []string `json:"flags,omitempty"` // other dispositions, by ffmpeg's names: forced, hearing_impaired
}

// Attachment is a file within the source: a font, a cover picture.
type Attachment struct {
	Stream int    `json:"stream"`
	Codec  string `json:"codec,omitempty"` // of a picture
	Name   string `json:"name"`
	MIME   string `json:"mime"`
}
