package film

import (
	"github.com/mapreel/mapreel/pkg/film/target"
	"github.com/mapreel/mapreel/pkg/media"
)

// SplitFacts are the facts of the split unit.
type SplitFacts struct {
	Chunks int    `json:"chunks"`
	Index  string `json:"index"` // key in scratch
	// Jumps reports that the source's clock jumps. A worker that reads another of its streams must
	// handle the same jumps.
	Jumps bool `json:"jumps,omitempty"`
	// AudioStarts are when the audio tracks begin, in microseconds of a source whose clock jumps, as
	// it is read across the jumps; nil for a track without packets.
	AudioStarts []*media.Ticks `json:"audioStarts,omitempty"`
	// Damaged reports that packets of the video may have lost bytes. So it seems, too, where recordings
	// were joined.
	Damaged bool `json:"damaged,omitempty"`
	// ConstantRate reports that the frames are at VideoTrack.ConstantRate.
	ConstantRate bool `json:"constantRate,omitempty"`
}

// SegmentFacts are the facts of a video unit.
type SegmentFacts struct {
	Chunks []Chunk     `json:"chunks"` // one per rendition, in their order; none where no frame was decoded
	Frames int         `json:"frames"`
	First  media.Ticks `json:"first"` // timestamps of the first and the last frame
	Last   media.Ticks `json:"last"`
	// Pictures are those of each of Job.Pictures, in their order; none where no frame was decoded.
	Pictures []PictureChunk `json:"pictures,omitempty"`
	Damage   string         `json:"damage,omitempty"` // what the index declares and the source does not hold
}

// Chunk describes the encoded video of a segment in one rendition. Its key is empty if the
// rendition has no frame in the segment.
type Chunk struct {
	StoredObject
	Frames int         `json:"frames"`
	First  media.Ticks `json:"first"` // presentation times of the first and last frame: ticks of Rendition.OutputTimebase on the output's timeline
	Last   media.Ticks `json:"last"`

	Media *MediaFacts `json:"media,omitempty"` // of a rendition for packages

	Quality *QualityFacts `json:"quality,omitempty"` // of a rendition with a target
	Sizing  *SizingFacts  `json:"sizing,omitempty"`  // of a rendition with a bit rate or a size
}

// SizingFacts say how a segment found the CRF that gives it its share of the bytes.
type SizingFacts struct {
	Wanted   float64        `json:"wanted"`   // bytes
	Duration media.Ticks    `json:"duration"` // microseconds
	Probe    target.Probe   `json:"probe"`    // the one that was kept
	Probes   []target.Probe `json:"probes"`   // all, in their order
}

// StoredObject locates an object in scratch, with what Merge needs to check it.
type StoredObject struct {
	Key    string `json:"key"` // in scratch
	Size   int64  `json:"size"`
	Header int64  `json:"header"` // bytes before the media data; 0 for an object that Merge does not stitch itself
}

// MediaFacts describe the media segments that a worker made of a segment for packages. They lie
// where they are served, or for packages of single files one after the other in the chunk.
type MediaFacts struct {
	Entry     []byte `json:"entry"`     // the sample description, a box of ISO BMFF
	Timescale uint32 `json:"timescale"` // ticks per second, of all times here
	Width     uint32 `json:"width"`     // as shown, 16.16 fixed point
	Height    uint32 `json:"height"`
	Delay     int64  `json:"delay,omitempty"` // by which composition is later than presentation; the edit list says so
	// OpenEnd reports that nothing more could be decoded after the last segment. Where it ends is then not known.
	OpenEnd bool `json:"openEnd,omitempty"`
	// ShortestFrame is how long the shortest frame of video lasts, apart from those whose timestamps are
	// too close to be of a film.
	ShortestFrame int64          `json:"shortestFrame,omitempty"`
	Segments      []MediaSegment `json:"segments"`
}

// MediaSegment is one file of a package, or a range of one.
type MediaSegment struct {
	Start     int64      `json:"start"` // media time, which runs MediaTimeOffset seconds ahead of the output's
	End       int64      `json:"end"`
	Size      int64      `json:"size"`
	Frames    int        `json:"frames,omitempty"` // of video
	Keyframes []Keyframe `json:"keyframes,omitempty"`
}

// Keyframe locates a frame within its media segment that can be decoded without others.
type Keyframe struct {
	Start  int64 `json:"start"` // media time
	Offset int64 `json:"offset"`
	Size   int64 `json:"size"`
}

// AudioFacts are the facts of an audio unit. Its key is empty if the source has no audio there.
type AudioFacts struct {
	StoredObject
	Samples int            `json:"samples"`         // packets of the codec
	Begin   media.Ticks    `json:"begin,omitempty"` // of Scale: decode time of the first packet, counted from the track's first
	Scale   media.Rational `json:"scale"`
	Last    media.Ticks    `json:"last"`   // of Scale: decode time of the last packet, counted as Begin
	Skip    media.Ticks    `json:"skip"`   // of Scale: priming, before the first sample that is played
	Delay   media.Ticks    `json:"delay"`  // of Scale: when that sample is played, on the output's timeline; if negative, what lies before 0 is cut off
	Length  media.Ticks    `json:"length"` // of Scale: the duration that is played, from that sample to the end of the part

	// CodecDelay is by how much reading a track in Matroska makes it earlier, in microseconds.
	CodecDelay media.Ticks `json:"codecDelay,omitempty"`

	// Encoded reports that the track could not be copied, and was encoded as the rendition's Fallback
	// says.
	Encoded bool `json:"encoded,omitempty"`

	Head *Overlap `json:"head,omitempty"` // packets around the part's start, and some before them
	Tail *Overlap `json:"tail,omitempty"` // packets around its end
}

// Overlap describes an audio part's packets around an edge. Merge chooses from it where the part is
// joined to its neighbour. Packets are counted from the track's first.
type Overlap struct {
	First  int      `json:"first"`            // number of the first packet described
	Sums   []uint32 `json:"sums"`             // CRC-32 of each packet
	Shapes []byte   `json:"shapes,omitempty"` // transform shape of each packet; packets of equal shape fit side by side
	RMS    []int32  `json:"rms,omitempty"`    // root mean square of the samples that each packet completes
}

// SidecarFacts are the facts of the sidecar unit.
type SidecarFacts struct {
	Subtitles   []SubtitleFacts `json:"subtitles,omitempty"` // as in Job.SubtitleRenditions
	Cover       *StoredObject   `json:"cover,omitempty"`
	Attachments []StoredObject  `json:"attachments,omitempty"` // as in Source.Attachments; without a key where one is left out
}

// SubtitleFacts describe a subtitle rendition.
type SubtitleFacts struct {
	StoredObject
	Events  int            `json:"events"` // 0: no subtitle is ever shown, and there is no object
	Samples int            `json:"samples,omitempty"`
	Scale   media.Rational `json:"scale,omitzero"`
	Last    media.Ticks    `json:"last,omitempty"` // of Scale: when the last sample begins, on the output's timeline
}
