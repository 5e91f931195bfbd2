package film

import (
	"math/big"

	"github.com/mapreel/mapreel/pkg/film/overlay"
	"github.com/mapreel/mapreel/pkg/film/target"
	"github.com/mapreel/mapreel/pkg/media"
)

// Rendition is one encoded form of the video track.
type Rendition struct {
	// Name identifies a rendition of packages, also in the paths of their files: "1080p". It is
	// empty for files.
	Name   string     `json:"name,omitempty"`
	Codec  VideoCodec `json:"codec"`
	CRF    int        `json:"crf"`
	Preset string     `json:"preset"`
	// Quality is what each segment finds its own CRF for; zero: CRF applies.
	Quality target.Quality `json:"quality,omitzero"`
	// Bitrate is the average bit rate that the video is to have, or FileSize the size of the file SizedFile with all that it holds. Each
	// segment then finds the CRF that gives its share; both zero: CRF applies.
	Bitrate   Bitrate      `json:"bitrate,omitempty"`
	FileSize  Bytes        `json:"fileSize,omitempty"`
	SizedFile string       `json:"sizedFile,omitempty"`
	Tune      string       `json:"tune,omitempty"`   // of x264 and x265
	Filter    string       `json:"filter,omitempty"` // of ffmpeg, for each frame by itself, before it is scaled
	Overlay   overlay.Laid `json:"overlay,omitzero"` // on the picture of every frame; zero: none
	Burn      int          `json:"burn,omitempty"`   // the number from 1 of Job.Burns that is drawn into the picture; 0: none
	// EncoderOptions are "key=value:key=value" under the encoder's own names.
	EncoderOptions string `json:"encoderOptions,omitempty"`
	Profile        string `json:"profile,omitempty"` // of h264 and h265; "" = what the encoder uses
	Level          string `json:"level,omitempty"`   // of h264; "" = the lowest that holds the video
	Grain          int    `json:"grain,omitempty"`   // of AV1
	Width          int    `json:"width"`             // of the encoded frame, in pixels as stored
	Height         int    `json:"height"`

	Region Region `json:"region,omitzero"` // the part of the source's frame that is shown; zero: all

	Crop  media.Size `json:"crop,omitzero"`  // the part of the source's frame, or of Region, that is kept, from its upper left; zero: all
	Inner media.Size `json:"inner,omitzero"` // the video inside a frame that is padded with black; zero: no padding

	PixelFormat  string         `json:"pixelFormat"`           // ffmpeg's name
	SampleAspect media.Rational `json:"sampleAspect,omitzero"` // width of a pixel to its height; zero where unknown
	ToneMap      bool           `json:"toneMap,omitempty"`     // from HDR to BT.709
	Deinterlace  bool           `json:"deinterlace,omitempty"` // one output frame per input frame
	Interlaced   string         `json:"interlaced,omitempty"`  // encoded as fields, in this order: "tff" or "bff"
	Rate         media.Rational `json:"rate,omitzero"`         // constant frames per second; zero: the source's timestamps

	MaxBitrate Bitrate `json:"maxBitrate,omitempty"` // 0: constant quality without a limit
	// SegmentDuration is the duration of the media segments of a package, in microseconds. The
	// first frame at or after each multiple of it, counted from the start of the video track,
	// begins a media segment. 0 for a rendition for files.
	SegmentDuration media.Ticks `json:"segmentDuration,omitempty"`
	// Keyframes is how many keyframes each media segment has, at even distances.
	Keyframes int `json:"keyframes,omitempty"`
	// AV1Forced reports that this build of SVT-AV1 sets a keyframe where it is told. Only in packages.
	AV1Forced bool `json:"av1Forced,omitempty"`
	// TrickPlay reports that the rendition has no other frames than these keyframes: players show it
	// while they play fast, in either direction. Its frames keep the source's times.
	TrickPlay bool `json:"trickPlay,omitempty"`
}

// Picture returns the part of the frame that is not padding, zero where that is all.
func (r Rendition) Picture() Region {
	if r.Inner == (media.Size{}) {
		return Region{}
	}
	// The filter pad moves the picture to an even place.
	return Region{Width: r.Inner.Width, Height: r.Inner.Height, X: (r.Width - r.Inner.Width) / 2 &^ 1, Y: (r.Height - r.Inner.Height) / 2 &^ 1}
}

// OverlayPlace returns where the overlay lies in the frame's picture.
func (r Rendition) OverlayPlace() overlay.Place {
	size := r.Inner
	if size == (media.Size{}) {
		size = media.Size{Width: r.Width, Height: r.Height}
	}
	return r.Overlay.Place(size, r.SampleAspect)
}

// NeedsNeighbours reports whether an output frame depends on neighbours of its input frame. If so,
// the frame before a segment has to be decoded too.
func (r Rendition) NeedsNeighbours() bool { return r.Deinterlace || r.Rate.Num > 0 }

// OutputTimebase returns the timebase of the rendition's chunks. It is the source's timescale, or
// for a constant frame rate one in which each frame lasts a whole number of ticks, with at least
// 10,000 ticks per second (as ffmpeg's), so that the start is precise too.
func (r Rendition) OutputTimebase(v VideoTrack) media.Rational {
	if r.Rate.Num == 0 {
		return media.Rational{Num: 1, Den: v.Timebase.Den}
	}
	scale := r.Rate.Num
	for scale < 10_000 {
		scale *= 2
	}
	return media.Rational{Num: 1, Den: scale}
}

// reordered is how many frames x264, x265 and NVENC's encoders, as mapreel runs them, decode before one
// that is shown earlier: B-frames refer to at most one level of other B-frames. AV1 and VP9 do not
// reorder samples.
const reordered = 2

// Delay returns by how much the composition of the rendition's media segments is later than their
// presentation, in ticks of its OutputTimebase: as long as reordered frames last, so that a frame's
// decode time can be the presentation time of the frame at its place. It is never less than two frames
// at 30 a second, because the rate of a source with a variable one may be its highest. Keyframes alone
// are not reordered.
func (r Rendition) Delay(v VideoTrack) int64 {
	if r.Codec != H264 && r.Codec != H265 || r.TrickPlay {
		return 0
	}
	rate, scale := v.FrameRate, r.OutputTimebase(v).Den
	if r.Rate.Num > 0 {
		rate = r.Rate
	}
	if !rate.Known() || rate.Num > 30*rate.Den {
		rate = media.Rational{Num: 30, Den: 1}
	}
	if rate.Num < rate.Den {
		rate = media.Rational{Num: 1, Den: 1}
	}
	frames := media.Rational{Num: rate.Den, Den: rate.Num}
	return int64(media.Rescale(reordered, frames, media.Rational{Num: 1, Den: scale})) + reordered // each may be rounded
}

// KeyframeRate returns how many keyframes a rendition of packages has per second: with TrickPlay, frames.
func (r Rendition) KeyframeRate() media.Rational {
	rate := big.NewRat(int64(r.Keyframes)*media.Microseconds.Den, max(int64(r.SegmentDuration), 1))
	return media.Rational{Num: rate.Num().Int64(), Den: rate.Denom().Int64()}
}

// AudioRendition is one encoded or copied form of an audio track.
type AudioRendition struct {
	Track   int        `json:"track"` // index into Source.Audio
	Codec   AudioCodec `json:"codec"` // copy, aac or opus
	Bitrate Bitrate    `json:"bitrate,omitempty"`
	Mux     Container  `json:"mux"` // mp4 for parts that Merge stitches itself, mkv for those that ffmpeg remuxes

	// Second reports that this is the mix beside another rendition of the track.
	Second bool `json:"second,omitempty"`

	// Loudness is the loudness of the encoded audio, in hundredths of LUFS; 0: the track's own.
	Loudness Loudness `json:"loudness,omitempty"`

	// Layout and Channels are those of the encoded audio; ffmpeg's name of the layout. Both are zero for a copy.
	Layout   string `json:"layout,omitempty"`
	Channels int    `json:"channels,omitempty"`

	// Fallback is how the track is encoded if its packets turn out not to fit the container; zero
	// unless Codec is copy, and where the request asks for a copy.
	Fallback AudioFallback `json:"fallback,omitzero"`

	// A long track is encoded in Parts of Step samples each, at Rate samples per second. The last
	// part has no fixed end. All three are 0 for a track that is made in one pass.
	Rate  int         `json:"rate,omitempty"`
	Step  media.Ticks `json:"step,omitempty"`
	Parts int         `json:"parts,omitempty"`
}

// AudioFallback holds the fields of an AudioRendition that take the place of those of a copy.
type AudioFallback struct {
	Codec    AudioCodec `json:"codec"`
	Bitrate  Bitrate    `json:"bitrate"`
	Layout   string     `json:"layout,omitempty"`
	Channels int        `json:"channels,omitempty"`
}

// Encoded returns the rendition as it is made where its track cannot be copied.
func (r AudioRendition) Encoded() AudioRendition {
	f := r.Fallback
	// Encoded audio is stitched from MP4, for every container.
	return AudioRendition{Track: r.Track, Second: r.Second, Codec: f.Codec, Bitrate: f.Bitrate, Layout: f.Layout, Channels: f.Channels, Mux: MP4}
}

// SubtitleRendition is one form of a subtitle track.
type SubtitleRendition struct {
	Track int       `json:"track"` // index into Source.Subtitles
	Codec string    `json:"codec"` // copy, mov_text, subrip or webvtt
	Mux   Container `json:"mux"`   // mp4 for objects that Merge stitches itself, mkv for those that ffmpeg remuxes, hls for WebVTT files
}
