package film

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/media"
)

// Job is a request that was accepted, with all that the stages need to know. Analyse writes it to the ledger once (Split
// adds the segments' number); it is the same for the same ID.
type Job struct {
	ID                 string              `json:"id"`
	Request            Request             `json:"request"` // normalised
	Source             Source              `json:"source"`
	Encoder            string              `json:"encoder"` // version of ffmpeg that the plan was made for
	Split              bool                `json:"split,omitempty"`
	Segments           int                 `json:"segments"`
	Renditions         []Rendition         `json:"renditions,omitempty"`         // what each segment is encoded to, in one decode
	AudioRenditions    []AudioRendition    `json:"audioRenditions,omitempty"`    // what the audio branch makes
	SubtitleRenditions []SubtitleRendition `json:"subtitleRenditions,omitempty"` // and what it takes of subtitles, in one pass
	Outputs            []OutputPlan        `json:"outputs"`
	// Warnings say what of the source the outputs will not hold, or not as it was: for people, a sentence each.
	Warnings []string `json:"warnings,omitempty"`
}

// Source is the identity and the facts of a source.
type Source struct {
	URL      string        `json:"url"`
	Size     int64         `json:"size"`
	Version  string        `json:"version"`  // ETag, or modification time
	Demuxer  string        `json:"demuxer"`  // the ffmpeg demuxer that its own first bytes call for
	Origin   media.Instant `json:"origin"`   // the source's time that becomes 0 in every output: the earliest start of a stream
	Duration media.Ticks   `json:"duration"` // microseconds; 0 where unknown
	Video    *VideoTrack   `json:"video,omitempty"`
	Audio    []AudioTrack  `json:"audio,omitempty"`
	Jumps    bool          `json:"jumps,omitempty"` // its clock jumps, as Split found

	Subtitles   []SubtitleTrack `json:"subtitles,omitempty"`
	Chapters    []media.Chapter `json:"chapters,omitempty"`
	Title       string          `json:"title,omitempty"`
	Created     time.Time       `json:"created,omitzero"`
	Tags        []media.Tag     `json:"tags,omitempty"`
	Cover       *Attachment     `json:"cover,omitempty"`
	Attachments []Attachment    `json:"attachments,omitempty"`
	// Losses are the streams that no output can hold, and what else of the source is lost in any case, in words.
	Losses []string `json:"losses,omitempty"`
}

// SubtitleTrack is a source's subtitle stream.
type SubtitleTrack struct {
	Stream   int      `json:"stream"`
	Codec    string   `json:"codec"`            // ffmpeg's name
	IsText   bool     `json:"isText,omitempty"` // text, which can become text of another form; else pictures
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

// VideoTrack is a source's video stream.
type VideoTrack struct {
	Stream    int            `json:"stream"` // ffmpeg's stream index
	Timebase  media.Rational `json:"timebase"`
	Start     media.Ticks    `json:"start"`            // of the first frame shown
	End       media.Ticks    `json:"end"`              // end of the last frame, as the index says
	Frames    int            `json:"frames,omitempty"` // 0 where the index does not say
	Width     int            `json:"width"`            // as coded
	Height    int            `json:"height"`
	FrameRate media.Rational `json:"frameRate"` // frames per second as Num/Den; Num 0 where unknown

	SampleAspect media.Rational `json:"sampleAspect,omitzero"` // width of a pixel to its height, as coded; zero where unknown
	Rotation     int            `json:"rotation,omitempty"`    // degrees clockwise that are applied: 0, 90, 180 or 270
	PixelFormat  string         `json:"pixelFormat,omitempty"` // ffmpeg's name; "" where unknown
	Depth        int            `json:"depth,omitempty"`       // bits of a sample; 0 where unknown
	Interlaced   string         `json:"interlaced,omitempty"`  // which field is shown first, "tff" or "bff"; "" for whole frames
	Color        media.Color    `json:"color,omitzero"`
	HDR          media.HDR      `json:"hdr,omitzero"`
	DolbyVision  int            `json:"dolbyVision,omitempty"` // its profile; 0 for none
}

// Subsampled says whether colour is stored once for two columns and two rows (4:2:0).
func (p VideoTrack) Subsampled() bool {
	return strings.Contains(p.PixelFormat, "420") || strings.HasPrefix(p.PixelFormat, "nv12") || strings.HasPrefix(p.PixelFormat, "p010")
}

// RGB says whether samples are red, green and blue, not light and colour.
func (p VideoTrack) RGB() bool {
	for _, prefix := range []string{"gbr", "rgb", "bgr", "argb", "abgr", "0rgb", "0bgr", "pal8", "x2rgb", "x2bgr"} {
		if strings.HasPrefix(p.PixelFormat, prefix) {
			return true
		}
	}
	return false
}

// AudioTrack is a source's audio stream.
type AudioTrack struct {
	Stream     int            `json:"stream"`
	Codec      string         `json:"codec"` // ffmpeg's name
	SampleRate int            `json:"sampleRate"`
	Channels   int            `json:"channels"`
	Timebase   media.Rational `json:"timebase"`
	Start      media.Ticks    `json:"start"`              // of the first sample heard
	Duration   media.Ticks    `json:"duration,omitempty"` // 0 where the container does not say it exactly
	Language   string         `json:"language,omitempty"`
	Title      string         `json:"title,omitempty"`
	Default    bool           `json:"default,omitempty"`
	Flags      []string       `json:"flags,omitempty"` // other dispositions, by ffmpeg's names: comment, visual_impaired

	Clock SampleClock `json:"clock,omitempty"`
}

// Rendition is one encoded form of the picture.
type Rendition struct {
	// Name tells the renditions of packages apart, also in their files' paths: "1080p". Empty for files.
	Name   string     `json:"name,omitempty"`
	Codec  VideoCodec `json:"codec"`
	CRF    int        `json:"crf"`
	Preset string     `json:"preset"`
	Width  int        `json:"width"` // of what is encoded, in its own pixels
	Height int        `json:"height"`

	Crop  media.Size `json:"crop,omitzero"`  // what is kept of the source's picture, from its upper left; zero: all
	Inner media.Size `json:"inner,omitzero"` // the picture in the middle of what is encoded, with black around it; zero: no black

	PixelFormat  string         `json:"pixelFormat"`           // ffmpeg's name
	SampleAspect media.Rational `json:"sampleAspect,omitzero"` // width of a pixel to its height; zero where unknown
	ToneMap      bool           `json:"toneMap,omitempty"`     // from HDR to BT.709
	Deinterlace  bool           `json:"deinterlace,omitempty"` // a frame for each frame
	Interlaced   string         `json:"interlaced,omitempty"`  // encoded as fields: which one is shown first, "tff" or "bff"
	Rate         media.Rational `json:"rate,omitzero"`         // frames a second, made constant; zero: the source's own times

	MaxBitrate Bitrate `json:"maxBitrate,omitempty"` // 0: constant quality takes what it needs
	// SegmentDuration is how far the media segments of a package lie apart, in microseconds: the first frame at or after each
	// multiple, counted from the picture's start, begins one. 0 where the rendition is for a file.
	SegmentDuration media.Ticks `json:"segmentDuration,omitempty"`
}

// NeedsNeighbours says whether a frame's neighbours have a part in it: those before a segment are then to be decoded too.
func (r Rendition) NeedsNeighbours() bool { return r.Deinterlace || r.Rate.Num > 0 }

// OutputTimebase is the timebase of the rendition's pieces: the source's timescale, or one in which each frame of a constant
// rate lasts a whole number of ticks, and fine enough (as ffmpeg's, at least 10,000 a second) for the start.
func (r Rendition) OutputTimebase(p VideoTrack) media.Rational {
	if r.Rate.Num == 0 {
		return media.Rational{Num: 1, Den: p.Timebase.Den}
	}
	scale := r.Rate.Num
	for scale < 10_000 {
		scale *= 2
	}
	return media.Rational{Num: 1, Den: scale}
}

// AudioRendition is one encoded or copied form of an audio track.
type AudioRendition struct {
	Track   int        `json:"track"` // index into Source.Audio
	Codec   AudioCodec `json:"codec"` // copy, aac or opus
	Bitrate Bitrate    `json:"bitrate,omitempty"`
	Mux     Container  `json:"mux"` // mp4 for pieces that Merge stitches itself, mkv for those that ffmpeg remuxes

	// A long sound is encoded in Parts of Step samples at Rate samples a second, the last of them open; all are 0 where
	// it is made in one pass.
	Rate  int         `json:"rate,omitempty"`
	Step  media.Ticks `json:"step,omitempty"`
	Parts int         `json:"parts,omitempty"`
}

// SubtitleRendition is one form of a subtitle track.
type SubtitleRendition struct {
	Track int       `json:"track"` // index into Source.Subtitles
	Codec string    `json:"codec"` // copy, mov_text, subrip or webvtt
	Mux   Container `json:"mux"`   // mp4 for pieces that Merge stitches itself, mkv for those that ffmpeg remuxes, hls for WebVTT files
}

// OutputPlan is an output as planned: which rendition, sounds and subtitles it holds, and what else of the source.
type OutputPlan struct {
	Name        string    `json:"name"`
	File        string    `json:"file"` // of a package: what players open
	Container   Container `json:"container"`
	Renditions  []int     `json:"renditions,omitempty"` // indexes into Job.Renditions, largest first; none: no picture
	Audio       []int     `json:"audio,omitempty"`
	Subtitles   []int     `json:"subtitles,omitempty"`   // indexes into Job.SubtitleRenditions
	Cover       bool      `json:"cover,omitempty"`       // the source's
	Attachments bool      `json:"attachments,omitempty"` // all of the source's
	Folder      string    `json:"folder,omitempty"`      // of a package's media in the destination; another for each job
	SingleFile  bool      `json:"singleFile,omitempty"`
	Manifest    string    `json:"manifest,omitempty"` // the DASH manifest that a package has beside File
}

// HasSidecar says whether a job takes anything of its source that is neither picture nor sound and must be read for it:
// whether it has a text unit.
func (j Job) HasSidecar() bool {
	return len(j.SubtitleRenditions) > 0 || slices.ContainsFunc(j.Outputs, func(p OutputPlan) bool { return p.Cover || p.Attachments })
}

// Segment is a half-open range [Start, End) of source presentation timestamps, in ticks of the picture's timebase. The
// segments of a job cover its picture without gap or overlap; what lies before the first or after the last belongs to
// those.
type Segment struct {
	Index  int         `json:"index"`
	Last   bool        `json:"last,omitempty"`
	Start  media.Ticks `json:"start"`
	End    media.Ticks `json:"end"`
	Seek   media.Ticks `json:"seek"`             // the sync frame from which decoding gives every frame of the segment
	Frames int         `json:"frames,omitempty"` // how many the index promises; 0 where it does not say

	// LeadSync is the sync frame from which decoding also gives the frame before the first, for filters that look at it.
	LeadSync media.Ticks `json:"leadSync"`
	// NextKeyframe is the sync frame after Seek, nil where there is none. ffmpeg's seek in Matroska is imprecise, and
	// with it stays between the two.
	NextKeyframe *media.Ticks `json:"nextKeyframe,omitempty"`
	// MidScene: the segment begins where one long encode would have no keyframe, as far as the index tells.
	MidScene bool `json:"midScene,omitempty"`
}

// SegmentFacts are what came of encoding a segment.
type SegmentFacts struct {
	Chunks []Chunk     `json:"chunks"` // one a rendition, in their order; none where no frame was decoded
	Frames int         `json:"frames"`
	First  media.Ticks `json:"first"` // timestamps of the first and the last frame
	Last   media.Ticks `json:"last"`
	Tail   media.Ticks `json:"tail"`             // duration of the last frame, as the source says; 0 where it doesn't
	Route  string      `json:"route,omitempty"`  // why it ran where it ran, if not at the first place
	Damage string      `json:"damage,omitempty"` // what the source does not hold although its index says so
}

// Chunk is a segment in one rendition. It has no key where none of its frames lies in the segment.
type Chunk struct {
	StoredObject
	Frames int         `json:"frames"`
	First  media.Ticks `json:"first"` // when its first and last frame are shown: ticks of Rendition.OutputTimebase on the output's timeline
	Last   media.Ticks `json:"last"`

	Media *MediaFacts `json:"media,omitempty"` // of a rendition for packages
}

// StoredObject is what Merge needs to find and check a piece.
type StoredObject struct {
	Key    string `json:"key"` // in scratch
	Size   int64  `json:"size"`
	Header int64  `json:"header"` // bytes before the media data; 0 where the piece is not ours to stitch
}

// MediaFacts are what a worker made of a segment for packages: media segments, which lie where they are served, or for
// packages of single files one after the other in the piece.
type MediaFacts struct {
	Entry     []byte         `json:"entry"`     // the sample description, a box of ISO BMFF
	Timescale uint32         `json:"timescale"` // ticks per second, of all times here
	Width     uint32         `json:"width"`     // as shown, 16.16 fixed point
	Height    uint32         `json:"height"`
	Segments  []MediaSegment `json:"segments"`
}

// MediaSegment is one file of a package, or a range of one.
type MediaSegment struct {
	Start     int64      `json:"start"` // media time, which runs Lead seconds ahead of the output's
	End       int64      `json:"end"`
	Size      int64      `json:"size"`
	Frames    int        `json:"frames,omitempty"` // of pictures
	Keyframes []Keyframe `json:"keyframes,omitempty"`
}

// Keyframe is where in its media segment a frame lies that can be decoded alone.
type Keyframe struct {
	Start  int64 `json:"start"` // media time
	Offset int64 `json:"offset"`
	Size   int64 `json:"size"`
}

// MediaTimeOffset is how many seconds the media time of a package runs ahead of the output's: room for an encoder's priming, which
// lies before time 0, without a negative number.
const MediaTimeOffset = 10

// Packages are the outputs that are packages with the r-th rendition.
func (j Job) Packages(r int) []OutputPlan {
	var list []OutputPlan
	for _, out := range j.Outputs {
		if out.Container.Packaged() && slices.Contains(out.Renditions, r) {
			list = append(list, out)
		}
	}
	return list
}

// MediaPath is where the media segment that starts at the given time lies, in its package's folder.
func MediaPath(rendition string, start int64) string {
	return fmt.Sprintf("%s/%d.m4s", rendition, start)
}

// AudioFacts are what came of one piece of sound.
type AudioFacts struct {
	StoredObject
	Samples int            `json:"samples"`         // packets of the codec
	Begin   media.Ticks    `json:"begin,omitempty"` // of Scale: decode time of the first packet, counted from the sound's first
	Scale   media.Rational `json:"scale"`
	Last    media.Ticks    `json:"last"`   // of Scale: decode time of the last packet, counted as Begin
	Skip    media.Ticks    `json:"skip"`   // of Scale: priming, before the first sample that is heard
	Delay   media.Ticks    `json:"delay"`  // of Scale: when that one is heard, on the output's timeline; negative is cut off
	Length  media.Ticks    `json:"length"` // of Scale: how much is heard, from there to the piece's end

	Head *Overlap `json:"head,omitempty"` // around a piece's start, with what came before it
	Tail *Overlap `json:"tail,omitempty"` // around its end
}

// SidecarFacts are what came of the text unit.
type SidecarFacts struct {
	Subtitles   []SubtitleFacts `json:"subtitles,omitempty"` // as in Job.SubtitleRenditions
	Cover       *StoredObject   `json:"cover,omitempty"`
	Attachments []StoredObject  `json:"attachments,omitempty"` // as in Source.Attachments
	Warnings    []string        `json:"warnings,omitempty"`
}

// SubtitleFacts is one form of a subtitle track.
type SubtitleFacts struct {
	StoredObject
	Events  int            `json:"events"` // 0: nothing is ever shown, and the piece is not there
	Samples int            `json:"samples,omitempty"`
	Scale   media.Rational `json:"scale,omitzero"`
	Last    media.Ticks    `json:"last,omitempty"` // of Scale: when the last sample begins, on the output's timeline
}

// OutputFacts describe a published output.
type OutputFacts struct {
	URL     string `json:"url"`
	Size    int64  `json:"size"`
	Version string `json:"version"`
	Digest  string `json:"digest,omitempty"` // of its start and end: tells it from another file of the same size
	Frames  int    `json:"frames"`
	Tracks  int    `json:"tracks"`

	// Of a package: where its media lie, how many bytes they are, and its DASH manifest, where it has one beside URL.
	Folder   string `json:"folder,omitempty"`
	Media    int64  `json:"media,omitempty"`
	Manifest string `json:"manifest,omitempty"`
}

// Bytes is what the output weighs: a file its size, a package its media.
func (f OutputFacts) Bytes() int64 {
	if f.Folder != "" {
		return f.Media
	}
	return f.Size
}

// DefaultThreads is how many threads an encoder gets where the request does not say. It is part of the job and not
// of the machine, because encoders give other bytes with other counts: the same request must give the same file
// everywhere. Two is what a Lambda function of 3.5 GB has.
const DefaultThreads = 2

// Normalise fills in what the request, which Check finds nothing wrong with, leaves open. The receiver keeps what it
// has. hasPicture says whether the source has a video stream; where it has none, settings for one are Problems.
func (r Request) Normalise(hasPicture bool) (Request, error) {
	var ps Problems
	r.Outputs = slices.Clone(r.Outputs)
	for i := range r.Outputs {
		o := &r.Outputs[i]
		o.Container = cmp.Or(o.Container, MP4)
		switch {
		case !hasPicture && len(o.Video) > 0:
			ps = append(ps, Problem{fmt.Sprintf("/outputs/%d/video", i), "the source has no picture; leave this out to keep its sound"})
		case hasPicture && len(o.Video) == 0:
			if o.Container.Packaged() {
				o.Ladder = cmp.Or(o.Ladder, Web)
			}
			o.Video = []Video{{}}
			if codec := defaultCodec(o.Container); r.Compute.GPU && !encoders[codec].nvenc {
				ps = append(ps, Problem{
					fmt.Sprintf("/outputs/%d/video", i),
					fmt.Sprintf("%s, the default in %s, cannot be encoded on a GPU; choose a codec", codec, o.Container),
				})
			}
		}
		o.Video = slices.Clone(o.Video)
		for j := range o.Video {
			v := &o.Video[j]
			v.Codec = cmp.Or(v.Codec, defaultCodec(o.Container))
			e := encoders[v.Codec]
			if v.CRF == nil {
				v.CRF = &e.crf
			}
			v.Preset = cmp.Or(v.Preset, e.preset)
			v.Interlaced = cmp.Or(v.Interlaced, Deinterlace)
		}
		if o.Container.Packaged() {
			p := Package{}
			if o.Package != nil {
				p = *o.Package
			}
			p.Seconds = cmp.Or(p.Seconds, Seconds(defaultMedia))
			o.Package = &p
		}
		if o.Audio == nil {
			o.Audio = &Audio{}
		}
		o.Subtitles = cmp.Or(o.Subtitles, SubtitlesAuto)
		o.Audio = &Audio{Codec: cmp.Or(o.Audio.Codec, AudioAuto), Bitrate: o.Audio.Bitrate}
	}
	r.Segment.Seconds = cmp.Or(r.Segment.Seconds, Seconds(10*time.Second))
	r.Compute.Mode = cmp.Or(r.Compute.Mode, LambdaBatch)
	if r.Compute.GPU {
		r.Compute.Mode = Batch
	}
	r.Compute.Concurrency = cmp.Or(r.Compute.Concurrency, 1000)
	r.Compute.Threads = cmp.Or(r.Compute.Threads, DefaultThreads)
	r.Retention.Hours = cmp.Or(r.Retention.Hours, 2)
	return r, ps.Err()
}

// ID names the work that a normalised request asks for: the same source, request and encoder give the same ID, so that
// running again continues. Where and how wide it runs does not change the result and does not count.
func ID(req Request, src Source, encoder string) (string, error) {
	req.Compute.Mode, req.Compute.Concurrency, req.Retention = "", 0, Retention{}
	data, err := json.Marshal(struct {
		Format  int // of pieces and plans: raise it when a change here makes old scratch unusable
		Request Request
		URL     string
		Size    int64
		Version string
		Encoder string
	}{6, req, src.URL, src.Size, src.Version, encoder})
	if err != nil {
		return "", fault.Wrap(fault.Internal, err, "naming the job")
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:10]), nil
}
