// Package film defines the values of mapreel: the request of a user, the job that it becomes, and the messages between the
// stages of the state machine. It does no I/O.
//
//	req, err := film.Parse(body) // err holds every Problem with its JSON pointer
//	req, err = req.Normalise(source.Picture != nil)
//	id, err := film.ID(req, source, encoder)
package film

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/mapreel/mapreel/pkg/film/overlay"
	"github.com/mapreel/mapreel/pkg/film/protection"
	"github.com/mapreel/mapreel/pkg/film/subtitle"
	"github.com/mapreel/mapreel/pkg/film/target"
	"github.com/mapreel/mapreel/pkg/price"
	"github.com/mapreel/mapreel/pkg/render"
	"github.com/mapreel/mapreel/pkg/work"
)

// Request is the input of StartExecution. Only Source, Destination and one named output are required.
type Request struct {
	Source string `json:"source" jsonschema:"required,minLength=1,description=The video: s3://bucket/key; on one machine also an absolute path or an https address; on AWS an https address below webSources of the deployment. A pattern such as frames/%05d.png or frames/*.exr names an image sequence and a name that ends in .blend a Blender scene"`
	// Join names the sources that follow Source in one film.
	Join        []string        `json:"join,omitempty" jsonschema:"maxItems=100,description=Sources that follow the first in one film. Their picture is scaled and padded to the size of the first and their sound gets its rate and channels"`
	Destination string          `json:"destination" jsonschema:"required,minLength=1,description=The folder for the outputs: s3://bucket/prefix/ or on one machine an absolute path"`
	Program     int             `json:"program,omitempty" jsonschema:"minimum=1,maximum=65535,description=The program of a transport stream with several. Default: the one with the largest picture"`
	Sequence    Sequence        `json:"sequence,omitzero" jsonschema:"description=How the files of an image sequence are read as video"`
	Render      render.Settings `json:"render,omitzero" jsonschema:"description=How the frames of a Blender scene are rendered"`
	Part        Part            `json:"part,omitzero" jsonschema:"description=The part of the source that the outputs show. Default: all of it"`
	// SubtitleFiles follow the source's own subtitle tracks.
	SubtitleFiles []subtitle.File `json:"subtitleFiles,omitempty" jsonschema:"maxItems=20,description=Files that become further subtitle tracks of the source after its own"`

	Outputs   []Output   `json:"outputs" jsonschema:"required,minItems=1,maxItems=20,description=The files to make"`
	Segment   Segmenting `json:"segment,omitzero" jsonschema:"description=How the video is divided into segments"`
	Compute   Compute    `json:"compute,omitzero" jsonschema:"description=Where the work runs; on one machine only concurrency and threads apply"`
	Retention Retention  `json:"retention,omitzero" jsonschema:"description=How long an unfinished job can be continued"`
}

// Output is one file, or a package of renditions for adaptive streaming.
type Output struct {
	Name      string    `json:"name" jsonschema:"required,minLength=1,description=File name without its extension"`
	Container Container `json:"container,omitempty" jsonschema:"enum=mp4,enum=mkv,enum=webm,enum=hls,enum=dash,enum=cmaf,enum=stills,enum=poster,enum=sprites,enum=gif,enum=webp,enum=avif,enum=clip,enum=frames,default=mp4,description=mp4 and mkv and webm are files; hls and dash are packages for players; cmaf is a package with both manifests; the others are previews: pictures at regular moments; the best picture of the first minute; sheets of thumbnails; animations of a part of the video; clip is a silent mp4; frames keeps the frames of a Blender scene in a folder"`
	Preset    string    `json:"preset,omitempty" jsonschema:"enum=archive,enum=editing-proxy,enum=phone,enum=web,description=Named settings for what the output does not say itself. Parse puts them in its place"`
	Video     []Video   `json:"video,omitempty" jsonschema:"maxItems=12,description=Video renditions: one in a file and up to 12 in a package"`
	Ladder    Ladder    `json:"ladder,omitempty" jsonschema:"enum=web,description=Renditions of a package selected by the size of the source. Codec and preset and crf come from the only entry of video. Default without video: web"`
	Package   *Package  `json:"package,omitempty" jsonschema:"description=How the media of a package are divided"`
	Audio     *Audio    `json:"audio,omitempty" jsonschema:"description=How all audio tracks are encoded"`
	// TargetSize replaces the CRF of the video.
	TargetSize Bytes `json:"targetSize,omitempty" jsonschema:"minimum=10000,maximum=10000000000000,description=Size of the file with its audio and all else. The video gets what the rest leaves. Instead of crf"`

	Preview   *Preview  `json:"preview,omitempty" jsonschema:"description=Which pictures a preview shows"`
	Subtitles Subtitles `json:"subtitles,omitempty" jsonschema:"enum=auto,enum=none,default=auto,description=auto keeps all tracks that the container can hold; none drops them"`

	SubtitleTracks   Choice `json:"subtitleTracks,omitempty" jsonschema:"minLength=1,description=The subtitle tracks to keep by number or language in the output's order (separated by commas): 1 or eng. Default: all"`
	DefaultSubtitles Choice `json:"defaultSubtitles,omitempty" jsonschema:"minLength=1,description=The subtitle track that is shown by default by number or language; none: no track is. Default: as in the source"`
	ForcedSubtitles  Choice `json:"forcedSubtitles,omitempty" jsonschema:"minLength=1,description=The subtitle tracks that are marked as forced: shown where others are off. By number or language; none: no track is. Default: as in the source"`
}

// Subtitles selects the treatment of subtitle tracks.
type Subtitles string

const (
	SubtitlesAuto Subtitles = "auto" // kept in a format of the container: mov_text in MP4, the same or SRT in Matroska, WebVTT else
	SubtitlesNone Subtitles = "none" // left out, together with attached fonts
)

// Container is the format of an output file.
type Container string

const (
	MP4      Container = "mp4"
	Matroska Container = "mkv"
	WebM     Container = "webm"

	HLS  Container = "hls"
	DASH Container = "dash"
	CMAF Container = "cmaf" // HLS and DASH with the same media

	Stills       Container = "stills"  // a picture at regular moments
	Poster       Container = "poster"  // one of the first minute, neither black nor blurred
	Sprites      Container = "sprites" // sheets of thumbnails
	GIF          Container = "gif"     // animations of parts of the film
	AnimatedWebP Container = "webp"
	AnimatedAVIF Container = "avif"
	Clip         Container = "clip" // silent MP4

	Frames Container = "frames" // of a scene: a folder with all of them
)

// Packaged reports whether c is a package of renditions for players, not a file.
func (c Container) Packaged() bool { return c == HLS || c == DASH || c == CMAF }

// Remuxed reports whether ffmpeg writes c on the worker's disk, from the movie that Merge has joined.
// Other files are joined by the store.
func (c Container) Remuxed() bool { return c == Matroska || c == WebM }

// Ladder names a set of renditions.
type Ladder string

// Web is a ladder for browsers and phones, from the size of the source downwards.
const Web Ladder = "web"

// Package describes how the media of a package are divided.
type Package struct {
	Seconds    Seconds              `json:"seconds,omitempty" jsonschema:"minimum=1,maximum=30,default=6,description=Duration of a media segment"`
	Keyframes  Seconds              `json:"keyframes,omitempty" jsonschema:"minimum=1,maximum=30,default=2,description=Longest distance of keyframes. Each media segment starts with one; scrubbing shows no other frames"`
	SingleFile bool                 `json:"singleFile,omitempty" jsonschema:"description=One file for each rendition with segments as byte ranges instead of one file for each segment"`
	Encryption *protection.Settings `json:"encryption,omitempty" jsonschema:"description=How the media are encrypted. All packages of a request are encrypted alike. Default: not at all"`
	Thumbnails Thumbnails           `json:"thumbnails,omitempty" jsonschema:"enum=auto,enum=none,default=auto,description=auto adds what players show while the viewer scrubs or plays fast: sheets of thumbnails and a small rendition of one keyframe a second"`
}

// Thumbnails selects what a package has for scrubbing, in addition to the keyframes of its renditions.
type Thumbnails string

const (
	ThumbnailsAuto Thumbnails = "auto"
	ThumbnailsNone Thumbnails = "none"
)

// VideoCodec names a video format that mapreel encodes.
type VideoCodec string

const (
	H264 VideoCodec = "h264"
	H265 VideoCodec = "h265"
	VP9  VideoCodec = "vp9"
	AV1  VideoCodec = "av1"
)

// Video describes how a video rendition is encoded. CRF is a pointer because 0 means lossless, not the default.
type Video struct {
	Codec  VideoCodec `json:"codec,omitempty" jsonschema:"enum=h264,enum=h265,enum=vp9,enum=av1,description=Default h264; vp9 in webm"`
	Height int        `json:"height,omitempty" jsonschema:"minimum=16,maximum=8640,description=Lines; the width follows. Default: that of the source. Does not enlarge without upscale"`
	CRF    *int       `json:"crf,omitempty" jsonschema:"minimum=0,maximum=63,description=Constant quality: lower is better. Default 21 (h264) 24 (h265) 31 (vp9) 32 (av1)"`
	// Quality replaces CRF: each segment finds its own.
	Quality *target.Quality `json:"quality,omitempty" jsonschema:"description=How good each segment is to look; it finds its own CRF. Instead of crf"`
	// Bitrate replaces CRF: each segment finds the one that gives its share.
	Bitrate Bitrate `json:"bitrate,omitempty" jsonschema:"minimum=20000,maximum=1000000000,description=Average bit rate of the video. A fast first pass shares the bits out so that all segments are about equally good. Instead of crf"`
	// MaxBitrate limits the bit rate, averaged over any two seconds.
	MaxBitrate Bitrate    `json:"maxBitrate,omitempty" jsonschema:"minimum=50000,maximum=1000000000,description=Limit of the bit rate averaged over two seconds. Default: no limit; in a ladder by size"`
	Upscale    bool       `json:"upscale,omitempty" jsonschema:"description=Allow height to enlarge the video"`
	Interlaced Interlaced `json:"interlaced,omitempty" jsonschema:"enum=deinterlace,enum=keep,default=deinterlace,description=Treatment of interlaced frames. keep encodes them as fields with h264 only"`
	FrameRate  FrameRate  `json:"frameRate,omitzero" jsonschema:"description=Make the frame rate constant: 30 or 30000/1001. Default: every frame keeps its timestamp"`
	Crop       string     `json:"crop,omitempty" jsonschema:"pattern=^(auto|[0-9]+:[0-9]+:[0-9]+:[0-9]+)$,description=The part of the picture to keep: W:H:X:Y in pixels of the source as it is shown; or auto: what is not black in frames sampled over the film"`
	Pad        string     `json:"pad,omitempty" jsonschema:"pattern=^[0-9]+:[0-9]+$,description=The frame W:H in whose middle the picture is put with black around it. It is made smaller to fit; larger only with upscale"`
	Tune       string     `json:"tune,omitempty" jsonschema:"minLength=1,description=What the encoder is to favour. h264: film animation grain stillimage psnr ssim fastdecode; h265: animation grain psnr ssim fastdecode"`
	Filter     string     `json:"filter,omitempty" jsonschema:"minLength=1,maxLength=1000,description=Filters of ffmpeg for each frame by itself before it is scaled: nlmeans=s=3. Those that need other frames or change its size are refused by name"`
	// Overlay lies over every frame.
	Overlay *overlay.Overlay `json:"overlay,omitempty" jsonschema:"description=A PNG that lies over every frame such as a logo"`
	Burn    *subtitle.Burn   `json:"burn,omitempty" jsonschema:"description=Subtitles that are drawn into the picture"`
	// EncoderOptions are the encoder's own, of those that package encoderoption allows.
	EncoderOptions string `json:"encoderOptions,omitempty" jsonschema:"minLength=1,maxLength=1000,description=Options of the encoder under its own names: aq-mode=3:qcomp=0.7. What would make a seam or what mapreel sets itself is refused by name"`
	Profile        string `json:"profile,omitempty" jsonschema:"minLength=1,description=What the stream may use of its format. h264: baseline main high high10; h265: main main10"`
	Level          string `json:"level,omitempty" jsonschema:"minLength=1,description=The level that h264 declares and keeps to in frame size and rate: 4.1. Default: the lowest that holds the video"`
	BitDepth       int    `json:"bitDepth,omitempty" jsonschema:"minimum=8,maximum=10,description=Bits per sample: 8 or 10. Default: 8 in h264; as the source has but at most 10 in the others"`
	Grain          int    `json:"grain,omitempty" jsonschema:"minimum=1,maximum=50,description=Film grain that AV1 players add in place of the source's: 8 is usual and 50 the strongest"`
	Preset         string `json:"preset,omitempty" jsonschema:"minLength=1,description=Speed against size. h264 and h265: ultrafast to placebo; vp9: 0 to 8; av1: 0 to 13"`
}

// Interlaced selects the treatment of interlaced frames.
type Interlaced string

const (
	Deinterlace    Interlaced = "deinterlace" // each becomes a progressive frame; the frame rate stays the same
	KeepInterlaced Interlaced = "keep"
)

// AudioCodec names an audio format, or a treatment of audio tracks.
type AudioCodec string

const (
	AudioAuto AudioCodec = "auto" // copied if the container can hold it unchanged, else AAC, or Opus in WebM
	AudioCopy AudioCodec = "copy"
	AAC       AudioCodec = "aac"
	Opus      AudioCodec = "opus"
	AudioNone AudioCodec = "none"
)

// Audio describes which audio tracks an output has, and how they are encoded.
type Audio struct {
	Codec    AudioCodec `json:"codec,omitempty" jsonschema:"enum=auto,enum=copy,enum=aac,enum=opus,enum=none,default=auto"`
	Bitrate  Bitrate    `json:"bitrate,omitempty" jsonschema:"minimum=6000,maximum=1536000,description=Bit rate of a track that is encoded. Default 160k; 80k per channel above stereo"`
	Bitrates []Bitrate  `json:"bitrates,omitempty" jsonschema:"minItems=1,maxItems=8,description=In packages: several bit rates of each track instead of one. Each is a rendition that players switch to as the network allows; no track is copied then unless second is set: the rates are those of the second renditions then"`
	Tracks   Choice     `json:"tracks,omitempty" jsonschema:"minLength=1,description=The audio tracks to keep by number or language in the output's order (separated by commas): 1 or eng. Default: all"`
	Downmix  Mix        `json:"downmix,omitempty" jsonschema:"enum=stereo,enum=mono,description=Mix tracks with more channels to this. Default: all channels are kept"`
	Second   Mix        `json:"second,omitempty" jsonschema:"enum=stereo,enum=mono,description=Add a second rendition of each track with more channels that is mixed to this; it is encoded in any case. In packages it is a group of its own"`
	Loudness Loudness   `json:"loudness,omitempty" jsonschema:"minimum=-50,maximum=-5,description=Loudness that each track is amplified or attenuated to in LUFS (EBU R 128): -23. Less where true peaks would exceed -1 dBTP. All tracks are encoded then. Default: as in the source"`
	Default  Choice     `json:"default,omitempty" jsonschema:"minLength=1,description=The audio track that plays by default by number or language. Default: as in the source"`
}

// Segmenting describes how the video is divided into segments.
type Segmenting struct {
	Seconds Seconds `json:"seconds,omitempty" jsonschema:"minimum=1,maximum=600,description=Target duration of a segment. Default: chosen by goal or compute.deadline for the source and its outputs"`
	Goal    Goal    `json:"goal,omitempty" jsonschema:"enum=time,enum=cost,enum=balanced,description=Selects the duration where seconds is not set: time is short segments that are done soonest on AWS and cost is long ones that waste least on starting; balanced is 10 to 30 s: longer where frames are less work. Default: balanced"`
}

// Goal is what the length of segments is chosen for.
type Goal string

// Goals.
const (
	GoalTime     Goal = "time"
	GoalCost     Goal = "cost"
	GoalBalanced Goal = "balanced"
)

// ComputeMode selects where segments are encoded on AWS.
type ComputeMode = work.Route

const (
	Lambda      = work.RouteLambda
	Batch       = work.RouteBatch
	LambdaBatch = work.RouteLambdaBatch // Lambda first, then Batch for a segment that cannot finish there
)

// Compute describes where the work runs and how much of it in parallel.
type Compute struct {
	Mode        ComputeMode `json:"mode,omitempty" jsonschema:"enum=lambda,enum=batch,enum=lambda-batch,default=lambda-batch"`
	GPU         bool        `json:"gpu,omitempty" jsonschema:"description=Encode with NVENC; always on Batch"`
	Concurrency int         `json:"concurrency,omitempty" jsonschema:"minimum=1,maximum=10000,description=Number of segments encoded at once. Default 1000; on one machine the number of cores"`
	Budget      price.Money `json:"budget,omitempty" jsonschema:"description=US dollars that the job may cost on AWS by list prices. It stops before it is expected to exceed them and keeps what is finished: the same request with a higher budget continues. Without effect on one machine where a job costs nothing"`
	Deadline    Seconds     `json:"deadline,omitempty" jsonschema:"minimum=1,maximum=604800,description=Seconds in which the job is to be done on AWS. Selects the longest segments with which that is expected where segment.seconds is not set whatever segment.goal is; a job that is not expected to make it is refused before any work. On one machine it selects the segments alone"`
	Threads     int         `json:"threads,omitempty" jsonschema:"minimum=1,maximum=64,description=Threads per encoder. Different numbers give different bytes. Default 2; on AWS the processors that the function memory of the deployment buys"`
}

// Retention describes how long the records and intermediate files of a job are kept.
type Retention struct {
	Hours int `json:"hours,omitempty" jsonschema:"minimum=1,maximum=720,default=2,description=Hours after the expected end of the job"`
}

// Bitrate is in bits per second. In JSON it is a number, or a string such as "160k" or "2.5M".
type Bitrate int64

// maxBitrate is the highest value of a Bitrate: a gigabit per second.
const maxBitrate = 1_000_000_000

// ParseBitrate parses "160k", "2.5M" or "96000": a whole number of bits per second, at least 1.
func ParseBitrate(s string) (Bitrate, error) {
	v, ok := parseAmount(s, "kM", maxBitrate)
	if !ok {
		return 0, fmt.Errorf("%.40q is not a bit rate such as 160k", s)
	}
	return Bitrate(v), nil
}

func (b *Bitrate) UnmarshalJSON(data []byte) (err error) {
	*b, err = unmarshalAmount(data, ParseBitrate, maxBitrate, "bits per second", "160k")
	return err
}

func (b Bitrate) String() string {
	if b%1000 == 0 {
		return strconv.FormatInt(int64(b)/1000, 10) + "k"
	}
	return strconv.FormatInt(int64(b), 10)
}

// MarshalText returns the text form, such as "160k".
func (b Bitrate) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// amount matches a whole or decimal number, with k for thousand, M for million or G for thousand million.
var amount = regexp.MustCompile(`^([0-9]+)(?:\.([0-9]+))?([kMG]?)$`)

// parseAmount parses a whole number from 1 to most, such as "2.5M", with one of these letters or none.
func parseAmount(s, letters string, most int64) (int64, bool) {
	m := amount.FindStringSubmatch(s)
	if m == nil || !strings.Contains(letters, m[3]) {
		return 0, false
	}
	places := map[string]int{"": 0, "k": 3, "M": 6, "G": 9}[m[3]]
	decimals := strings.TrimRight(m[2], "0")
	if len(decimals) > places {
		return 0, false
	}
	v, err := strconv.ParseInt(m[1]+decimals+strings.Repeat("0", places-len(decimals)), 10, 64)
	return v, err == nil && v >= 1 && v <= most
}

// unmarshalAmount reads an amount from JSON, which has it as a number or as text, such as the example.
func unmarshalAmount[T ~int64](data []byte, parse func(string) (T, error), most int64, unit, example string) (T, error) {
	if bytes.HasPrefix(data, []byte(`"`)) {
		var s string
		if err := json.Unmarshal(data, &s); err != nil {
			return 0, err
		}
		return parse(s)
	}
	v, err := strconv.ParseFloat(string(data), 64) // JSON may write 160000 as 1.6e5
	if err != nil || v < 1 || v > float64(most) || v != math.Trunc(v) {
		return 0, fmt.Errorf("must be a whole number of %s, or a string such as %q", unit, example)
	}
	return T(v), nil
}

// Seconds is a duration that is a number of seconds in JSON. It is exact to the nanosecond.
type Seconds time.Duration

// maxSeconds is the highest value of a Seconds: above all limits of a request, below that of a time.Duration, and small
// enough for a float64 to hold nanoseconds.
const maxSeconds = 1e6

func (s *Seconds) UnmarshalJSON(data []byte) error {
	v, err := strconv.ParseFloat(string(data), 64)
	if err != nil || v < 0 || v > maxSeconds {
		return errors.New("must be a number of seconds")
	}
	*s = Seconds(math.Round(v * float64(time.Second)))
	return nil
}

func (s Seconds) MarshalJSON() ([]byte, error) {
	return strconv.AppendFloat(nil, time.Duration(s).Seconds(), 'f', -1, 64), nil
}
