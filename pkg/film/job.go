package film

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film/overlay"
	"github.com/mapreel/mapreel/pkg/film/subtitle"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/render"
)

// Job is an accepted request with everything that its units need to know. The planner writes it to
// the ledger once, and for a source without an index again with the number of segments, once that
// is known. It is the same for the same ID.
type Job struct {
	ID                 string              `json:"id"`
	Request            Request             `json:"request"` // normalised
	Source             Source              `json:"source"`
	Encoder            string              `json:"encoder"` // version of ffmpeg that the plan was made for
	Split              bool                `json:"split,omitempty"`
	Render             *render.Job         `json:"render,omitempty"` // of a scene: how its frames are made
	Segments           int                 `json:"segments"`
	Renditions         []Rendition         `json:"renditions,omitempty"`         // each segment is encoded to all of them, in one decode
	Pictures           []Pictures          `json:"pictures,omitempty"`           // that each segment gives in the same decode
	Keyframes          bool                `json:"keyframes,omitempty"`          // nothing but keyframes is decoded; Renditions is empty
	AudioRenditions    []AudioRendition    `json:"audioRenditions,omitempty"`    // made by audio units
	SubtitleRenditions []SubtitleRendition `json:"subtitleRenditions,omitempty"` // made by the sidecar unit, in one pass
	Burns              []BurntSubtitles    `json:"burns,omitempty"`              // drawn into pictures; each is read by a unit of its own
	Outputs            []OutputPlan        `json:"outputs"`
	// Warnings describe what the outputs lose of the source or change in it, one sentence each.
	Warnings []string `json:"warnings,omitempty"`
}

// OutputPlan is an output as planned: the renditions it holds, and what else of the source.
type OutputPlan struct {
	Name        string    `json:"name"`
	File        string    `json:"file"` // of a package: the playlist or manifest that players open
	Container   Container `json:"container"`
	Renditions  []int     `json:"renditions,omitempty"`  // indexes into Job.Renditions, largest first; none: no video
	TrickPlay   []int     `json:"trickPlay,omitempty"`   // the same, of the renditions that have keyframes only; one for each codec
	Audio       []int     `json:"audio,omitempty"`       // indexes into Job.AudioRenditions
	Subtitles   []int     `json:"subtitles,omitempty"`   // indexes into Job.SubtitleRenditions
	Chosen      Chosen    `json:"chosen,omitzero"`       // which tracks of the source Audio and Subtitles are
	Cover       bool      `json:"cover,omitempty"`       // the source's
	Attachments bool      `json:"attachments,omitempty"` // all of the source's
	Folder      string    `json:"folder,omitempty"`      // of a package's media in the destination; each job has its own
	SingleFile  bool      `json:"singleFile,omitempty"`
	Manifest    string    `json:"manifest,omitempty"` // the DASH manifest that a package has in addition to File

	Previews []PreviewPlan `json:"previews,omitempty"` // of an output of pictures, which has nothing else; or the thumbnails of a package
}

// HasSidecar reports whether the job has a sidecar unit: whether it takes subtitles, a cover or
// attachments from its source.
func (j Job) HasSidecar() bool {
	return len(j.SubtitleRenditions) > 0 || slices.ContainsFunc(j.Outputs, func(p OutputPlan) bool { return p.Cover || p.Attachments })
}

// Packages returns the outputs that are packages with rendition r.
func (j Job) Packages(r int) []OutputPlan {
	var list []OutputPlan
	for _, out := range j.Outputs {
		if out.Container.Packaged() && (slices.Contains(out.Renditions, r) || slices.Contains(out.TrickPlay, r)) {
			list = append(list, out)
		}
	}
	return list
}

// Segment is a half-open range [Start, End) of source presentation timestamps, in ticks of the
// video track's timebase. The segments of a job cover the track without gap or overlap. Frames
// before the first segment belong to it, and frames after the last segment to that one.
type Segment struct {
	Index  int         `json:"index"`
	Last   bool        `json:"last,omitempty"`
	Start  media.Ticks `json:"start"`
	End    media.Ticks `json:"end"`
	Seek   media.Ticks `json:"seek"`             // the sync frame from which decoding gives every frame of the segment
	Frames int         `json:"frames,omitempty"` // number of frames according to the index; 0 where the index does not hold it
	// RunUp is how many source chunks before the segment's own its decoder reads, because that one does
	// not begin with a keyframe.
	RunUp int `json:"runUp,omitempty"`

	// CutStart and CutEnd report that the job's part of the source begins or ends with the segment: the frames before Start, or from
	// End on, belong to no segment.
	CutStart bool `json:"cutStart,omitempty"`
	CutEnd   bool `json:"cutEnd,omitempty"`
	// Skipped is how many source chunks come before that of the first segment.
	Skipped int `json:"skipped,omitempty"`

	// Source is the index of the segment's source in Source.Joined. SourceBegins and SourceEnds report that the segment is the first
	// or the last of that source. The times of the segment are those of the film.
	Source       int  `json:"source,omitempty"`
	SourceBegins bool `json:"sourceBegins,omitempty"`
	SourceEnds   bool `json:"sourceEnds,omitempty"`

	// LeadSync is the sync frame from which decoding also gives the frame before the segment, for
	// filters that need it.
	LeadSync media.Ticks `json:"leadSync"`
	// NextKeyframe is the sync frame after Seek; nil where there is none. ffmpeg's seek in Matroska
	// is imprecise, and this keeps it between the two.
	NextKeyframe *media.Ticks `json:"nextKeyframe,omitempty"`
	// MidScene reports that the segment begins where a single-pass encode would have no keyframe,
	// as far as the index shows.
	MidScene bool `json:"midScene,omitempty"`
	// Boundary says why the segment begins where it does; "" for the first one.
	Boundary Boundary `json:"boundary,omitempty"`
}

// Boundary is a reason why a segment begins where it does.
type Boundary string

const (
	AtSceneCut     Boundary = "scene cut"         // a keyframe that the source's encoder chose: a new segment costs nothing there
	AtInterval     Boundary = "keyframe interval" // where a single-pass encode would force a keyframe
	AtKeyframe     Boundary = "keyframe"          // of the source: a decoder can begin there
	AtLength       Boundary = "length"            // the wanted length is reached, and no keyframe is near
	AtMediaSegment Boundary = "media segment"     // a multiple of the length of a package's media segments
	AtSourceChunk  Boundary = "source chunk"      // where Split has cut the source
	AtJoin         Boundary = "join"              // another source follows
)

// OpenStart reports whether the segment also has the frames before Start: it is the first of the source.
func (s Segment) OpenStart() bool { return (s.Index == 0 || s.SourceBegins) && !s.CutStart }

// OpenEnd reports whether the segment also has the frames from End on: it is the last of the source.
func (s Segment) OpenEnd() bool { return (s.Last || s.SourceEnds) && !s.CutEnd }

// SourceChunk returns the number of the source chunk that holds the segment, where the source was split.
func (s Segment) SourceChunk() int { return s.Index + s.Skipped }

// MediaTimeOffset is how many seconds the media time of a package runs ahead of the output's. An
// encoder's priming lies before time 0; the offset leaves room for it without negative times.
const MediaTimeOffset = 10

// InterleavePeriod is the duration of an interleaved range: how much of a track is stored before
// the next track's turn.
const InterleavePeriod = time.Second

// MediaPath returns the path, in its package's folder, of the media segment that starts at the
// given media time.
func MediaPath(rendition string, start int64) string {
	return fmt.Sprintf("%s/%d.m4s", rendition, start)
}

// MaxSeams bounds OutputFacts.Seams: the outcome of a job must fit into a payload of Step Functions.
const MaxSeams = 1000

// OutputFacts describe a published output.
type OutputFacts struct {
	URL     string `json:"url"`
	Size    int64  `json:"size"`
	Version string `json:"version"`
	Digest  string `json:"digest,omitempty"` // of its start and end: distinguishes files of the same size
	Frames  int    `json:"frames"`
	Tracks  int    `json:"tracks"`
	// Seams are the times after the first frame at which a segment begins that was encoded for itself, at most MaxSeams.
	Seams []Seconds `json:"seams,omitempty"`

	Part   *Part  `json:"part,omitempty"`   // of the source that the output shows; nil: all of it
	Chosen Chosen `json:"chosen,omitzero"`  // the tracks of the source that the request asked for, by their numbers; zero: all
	Joined int    `json:"joined,omitempty"` // number of sources that the film is joined from; 0: it has one
	// SubtitleFiles are further subtitle tracks of the source.
	SubtitleFiles []subtitle.File `json:"subtitleFiles,omitempty"`
	Rate          media.Rational  `json:"sourceRate,omitzero"` // frames a second that the request gave a raw source, which has no timestamps
	Video         []VideoFacts    `json:"video,omitempty"`     // one for each rendition, in their order
	Previews      []PreviewFacts  `json:"previews,omitempty"`

	// Of a package: the folder of its media, their size in bytes, and its DASH manifest, if it has
	// one in addition to URL.
	Folder   string `json:"folder,omitempty"`
	Media    int64  `json:"media,omitempty"`
	Manifest string `json:"manifest,omitempty"`
}

// PreviewFacts describe a preview.
type PreviewFacts struct {
	Form   Container     `json:"form"`
	Format PictureFormat `json:"format,omitempty"`
	Width  int           `json:"width"`
	Height int           `json:"height"`
	Files  int64         `json:"files"`
	Size   int64         `json:"size"` // bytes, of all files
}

// VideoFacts describe the video of an output.
type VideoFacts struct {
	Codec      VideoCodec      `json:"codec"`
	Width      int             `json:"width"`
	Height     int             `json:"height"`
	CRF        int             `json:"crf"` // does not apply where Quality is set
	Quality    *QualityReport  `json:"quality,omitempty"`
	Bitrate    *BitrateReport  `json:"bitrate,omitempty"` // with an average bit rate, or a size of the file, instead of CRF
	MaxBitrate Bitrate         `json:"maxBitrate,omitzero"`
	Preset     string          `json:"preset"`
	Crop       Region          `json:"crop,omitzero"`      // the part of the source's frame that is shown; zero: all
	Filter     string          `json:"filter,omitempty"`   // of ffmpeg, which the frames went through
	Burn       *BurntSubtitles `json:"burn,omitempty"`     // the subtitles that are drawn into the picture
	Overlay    overlay.Laid    `json:"overlay,omitzero"`   // what lies over every frame
	Picture    Region          `json:"picture,omitzero"`   // the part of the output's frame that is not padding; zero: all
	FrameRate  media.Rational  `json:"frameRate,omitzero"` // on average, unless Constant; zero for a single frame
	Constant   bool            `json:"constant,omitempty"` // whether the request made the frame rate constant
}

// Bytes returns the size of the output: of a file, or of a package's media.
func (f OutputFacts) Bytes() int64 {
	if f.Folder != "" {
		return f.Media
	}
	return f.Size
}

// ID names the work that a normalised request asks for: the same source, request and encoder give
// the same ID, so that running again continues. Route, concurrency and budget do not change the result
// and are not part of the ID.
func ID(req Request, src Source, encoder string) (string, error) {
	req.Compute.Mode, req.Compute.Concurrency, req.Compute.Budget, req.Retention = "", 0, 0, Retention{}
	data, err := json.Marshal(struct {
		Format  int // of plans and stored objects: raise it when a change makes those of older versions unusable
		Request Request
		URL     string
		Size    int64
		Version string
		Encoder string
		Files   []string `json:",omitempty"` // digests, of those that the request names besides the source
		Joined  []string `json:",omitempty"` // of the sources that follow the first one
	}{14, req, src.URL, src.Size, src.Version, encoder, src.fileDigests(), src.joinedVersions()})
	if err != nil {
		return "", fault.Wrap(fault.Internal, err, "naming the job")
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:10]), nil
}
