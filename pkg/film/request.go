// Package job defines what mapreel works on: the request a user makes, the job it becomes, and the messages that the
// stages of the state machine hand to one another. It holds values and rules, and does no I/O.
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
)

// Request is what a user asks for: the input of StartExecution. Only Source, Destination and one named output are
// required.
type Request struct {
	Source      string     `json:"source" jsonschema:"required,description=The video: s3://bucket/key on AWS or an absolute path on one machine"`
	Destination string     `json:"destination" jsonschema:"required,description=The folder that receives the outputs: s3://bucket/prefix/ or an absolute path"`
	Outputs     []Output   `json:"outputs" jsonschema:"required,minItems=1,description=The files to make"`
	Segment     Segmenting `json:"segment,omitzero" jsonschema:"description=How the video is divided"`
	Compute     Compute    `json:"compute,omitzero" jsonschema:"description=Where the work runs; on one machine only concurrency and threads count"`
	Retention   Retention  `json:"retention,omitzero" jsonschema:"description=How long a job that did not finish can be continued"`
}

// Output is one file, or a package of renditions for adaptive streaming.
type Output struct {
	Name      string    `json:"name" jsonschema:"required,description=File name without its extension"`
	Container Container `json:"container,omitempty" jsonschema:"enum=mp4,enum=mkv,enum=webm,enum=hls,enum=dash,enum=cmaf,default=mp4,description=A file; or a package for players: hls, dash, or cmaf for both over the same segments"`
	Video     []Video   `json:"video,omitempty" jsonschema:"maxItems=12,description=How the picture is encoded; a file holds one, a package any number"`
	Ladder    Ladder    `json:"ladder,omitempty" jsonschema:"enum=web,description=Renditions of a package chosen by the source's size. Its codec and preset and crf come from the one entry that video may have. Default where video is left out: web"`
	Package   *Package  `json:"package,omitempty" jsonschema:"description=How a package is cut"`
	Audio     *Audio    `json:"audio,omitempty" jsonschema:"description=How the sound is kept; all tracks"`
	Subtitles Subtitles `json:"subtitles,omitempty" jsonschema:"enum=auto,enum=none,default=auto,description=auto keeps all tracks that the container can hold"`
}

// Subtitles says what becomes of subtitle tracks.
type Subtitles string

const (
	SubtitlesAuto Subtitles = "auto" // kept, in the form that the container holds: mov_text, what they are or SRT, WebVTT
	SubtitlesNone Subtitles = "none" // left out, and attached fonts with them
)

// Container is the format of an output file.
type Container string

const (
	MP4      Container = "mp4"
	Matroska Container = "mkv"
	WebM     Container = "webm"

	HLS  Container = "hls"
	DASH Container = "dash"
	CMAF Container = "cmaf" // HLS and DASH over the same media
)

// Packaged says whether c is a package of renditions for players, and not a file.
func (c Container) Packaged() bool { return c == HLS || c == DASH || c == CMAF }

// Ladder names a choice of renditions.
type Ladder string

// Web is a ladder for browsers and phones, from the source's size downwards.
const Web Ladder = "web"

// Package says how a package is cut.
type Package struct {
	Seconds    Seconds `json:"seconds,omitempty" jsonschema:"minimum=1,maximum=30,default=6,description=Length of a media segment"`
	SingleFile bool    `json:"singleFile,omitempty" jsonschema:"description=One file for each rendition, whose segments are byte ranges, instead of one for each segment"`
}

// VideoCodec names a video format that mapreel encodes.
type VideoCodec string

const (
	H264 VideoCodec = "h264"
	H265 VideoCodec = "h265"
	VP9  VideoCodec = "vp9"
	AV1  VideoCodec = "av1"
)

// Video says how a picture is encoded. CRF is a pointer because 0, lossless, is a choice of its own.
type Video struct {
	Codec  VideoCodec `json:"codec,omitempty" jsonschema:"enum=h264,enum=h265,enum=vp9,enum=av1,description=Default h264; vp9 in webm"`
	Height int        `json:"height,omitempty" jsonschema:"minimum=16,maximum=8640,description=Lines; the width follows. Default: as the source. Does not enlarge unless upscale says so"`
	CRF    *int       `json:"crf,omitempty" jsonschema:"minimum=0,maximum=63,description=Constant quality: lower is better. Default 21 (h264) 24 (h265) 31 (vp9) 32 (av1)"`
	// MaxBitrate bounds what constant quality may take over any two seconds.
	MaxBitrate Bitrate    `json:"maxBitrate,omitempty" jsonschema:"description=The most that constant quality may take: averaged over two seconds. Default: no bound; in a ladder by its size"`
	Upscale    bool       `json:"upscale,omitempty" jsonschema:"description=Let height enlarge the picture"`
	Interlaced Interlaced `json:"interlaced,omitempty" jsonschema:"enum=deinterlace,enum=keep,default=deinterlace,description=What becomes of interlaced frames. keep encodes them as fields in h264"`
	FrameRate  FrameRate  `json:"frameRate,omitzero" jsonschema:"description=Make the frame rate constant: 30 or 30000/1001. Default: every frame at its own time"`
	Preset     string     `json:"preset,omitempty" jsonschema:"description=Speed against size. h264 and h265: ultrafast to placebo; vp9: 0 to 8; av1: 0 to 13"`
}

// Interlaced says what becomes of interlaced frames.
type Interlaced string

const (
	Deinterlace    Interlaced = "deinterlace" // each becomes a whole frame; the frame rate stays
	KeepInterlaced Interlaced = "keep"
)

// AudioCodec names how sound is kept.
type AudioCodec string

const (
	AudioAuto AudioCodec = "auto" // copied where the container can hold it unchanged, else AAC, or Opus in WebM
	AudioCopy AudioCodec = "copy"
	AAC       AudioCodec = "aac"
	Opus      AudioCodec = "opus"
	AudioNone AudioCodec = "none"
)

// Audio says how every audio track is kept.
type Audio struct {
	Codec   AudioCodec `json:"codec,omitempty" jsonschema:"enum=auto,enum=copy,enum=aac,enum=opus,enum=none,default=auto"`
	Bitrate Bitrate    `json:"bitrate,omitempty" jsonschema:"description=Of a track that is encoded. Default 160k; 80k a channel above stereo"`
}

// Segmenting says how the video is divided.
type Segmenting struct {
	Seconds Seconds `json:"seconds,omitempty" jsonschema:"minimum=1,maximum=600,default=10,description=Wanted length of a segment"`
}

// ComputeMode says where segments are encoded on AWS.
type ComputeMode string

const (
	Lambda      ComputeMode = "lambda"
	Batch       ComputeMode = "batch"
	LambdaBatch ComputeMode = "lambda-batch" // Lambda first, Batch for a segment that cannot finish there
)

// Compute says where and how wide the work runs.
type Compute struct {
	Mode        ComputeMode `json:"mode,omitempty" jsonschema:"enum=lambda,enum=batch,enum=lambda-batch,default=lambda-batch"`
	GPU         bool        `json:"gpu,omitempty" jsonschema:"description=Encode with NVENC; always on Batch"`
	Concurrency int         `json:"concurrency,omitempty" jsonschema:"minimum=1,maximum=10000,description=Segments encoded at once. Default 1000; on one machine its number of cores"`
	Threads     int         `json:"threads,omitempty" jsonschema:"minimum=1,maximum=64,description=Threads of one encoder. Part of the result: encoders give other bytes with other counts. Default 2"`
}

// Retention says how long the records and pieces of a job are kept.
type Retention struct {
	Hours int `json:"hours,omitempty" jsonschema:"minimum=1,maximum=720,default=2,description=Beyond the job's expected end"`
}

// Bitrate is in bits per second. In JSON it is a number, or a string such as "160k" or "2.5M".
type Bitrate int64

// bitrate is the text form: whole or decimal digits, and k for thousand or M for million.
var bitrate = regexp.MustCompile(`^([0-9]+)(?:\.([0-9]+))?([kM]?)$`)

// maxBitrate is where ParseBitrate stops: a gigabit a second is beyond any sound.
const maxBitrate = 1_000_000_000

// ParseBitrate reads "160k", "2.5M" or "96000": a whole number of bits a second, at least 1.
func ParseBitrate(s string) (Bitrate, error) {
	bad := fmt.Errorf("%.40q is not a bit rate such as 160k", s)
	m := bitrate.FindStringSubmatch(s)
	if m == nil {
		return 0, bad
	}
	places := map[string]int{"": 0, "k": 3, "M": 6}[m[3]]
	decimals := strings.TrimRight(m[2], "0")
	if len(decimals) > places {
		return 0, bad
	}
	v, err := strconv.ParseInt(m[1]+decimals+strings.Repeat("0", places-len(decimals)), 10, 64)
	if err != nil || v < 1 || v > maxBitrate {
		return 0, bad
	}
	return Bitrate(v), nil
}

func (b *Bitrate) UnmarshalJSON(data []byte) error {
	var s string
	if bytes.HasPrefix(data, []byte(`"`)) {
		if err := json.Unmarshal(data, &s); err != nil {
			return err
		}
		v, err := ParseBitrate(s)
		*b = v
		return err
	}
	v, err := strconv.ParseFloat(string(data), 64) // JSON may write 160000 as 1.6e5
	if err != nil || v < 1 || v > maxBitrate || v != math.Trunc(v) {
		return errors.New("must be a whole number of bits a second, or a string such as \"160k\"")
	}
	*b = Bitrate(v)
	return nil
}

func (b Bitrate) String() string {
	if b%1000 == 0 {
		return strconv.FormatInt(int64(b)/1000, 10) + "k"
	}
	return strconv.FormatInt(int64(b), 10)
}

// MarshalText keeps a Bitrate readable: "160k".
func (b Bitrate) MarshalText() ([]byte, error) { return []byte(b.String()), nil }

// Seconds is a length of time that JSON holds as a number of seconds. It keeps nanoseconds.
type Seconds time.Duration

// maxSeconds is where reading a Seconds stops: far below what a time.Duration holds, far above any limit here, and
// small enough that a float64 tells its nanoseconds apart.
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
