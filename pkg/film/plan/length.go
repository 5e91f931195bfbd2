package plan

import (
	"math"
	"slices"
	"time"

	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/media"
)

// RenditionSegmentLength returns how long the media segments of a rendition for packages are; 0 for
// a rendition for files.
func RenditionSegmentLength(r film.Rendition) time.Duration {
	return time.Duration(r.SegmentDuration) * time.Microsecond
}

// KeyframesUnforced reports whether one of the job's encoders cannot be told where to put
// keyframes. Each segment of the job is then one media segment.
func KeyframesUnforced(j film.Job) bool {
	return slices.ContainsFunc(j.Renditions, func(r film.Rendition) bool {
		return r.SegmentDuration > 0 && ChoosesKeyframes(r, j.Request.Compute.GPU)
	})
}

// ChoosesKeyframes reports whether a rendition's encoder can only be told how far its keyframes are
// apart, not where they are: SVT-AV1 as ffmpeg 5.1 runs it.
func ChoosesKeyframes(r film.Rendition, gpu bool) bool {
	return r.Codec == film.AV1 && !gpu && !r.AV1Forced
}

// PackageSegmentLength returns how long the media segments of the job's packages are: the same in
// all of them. It is 0 for a job without packages.
func PackageSegmentLength(j film.Job) time.Duration {
	for _, r := range j.Renditions {
		if r.SegmentDuration > 0 {
			return RenditionSegmentLength(r)
		}
	}
	return 0
}

// SegmentLength returns the wanted length of the job's segments. It is not shorter than the interval of
// a package's keyframes, each of which belongs to a segment of its own otherwise.
func SegmentLength(j film.Job) time.Duration {
	if KeyframesUnforced(j) {
		return PackageSegmentLength(j)
	}
	length := time.Duration(j.Request.Segment.Seconds)
	switch { // without a length that is asked for
	case length == 0 && j.Request.Compute.Deadline > 0:
		length = lengthInTime(j)
	case length == 0 && j.Request.Segment.Goal == film.GoalTime:
		length = fastLength(j)
	case length == 0:
		length = balancedLength(j)
	}
	if j.Keyframes {
		return max(length, keyframesLength(j))
	}
	for _, r := range j.Renditions {
		length = max(length, GridOf(r).Interval())
	}
	return length
}

// IndexedSegmentLength returns the wanted length of the segments of a job whose source has an index. They are longer where the source
// has little data for what the index covers, as a slide show or a file that only claims to be long: starting ffmpeg takes longer than encoding
// what is in short ones. A source that has to be split shows how long it is.
func IndexedSegmentLength(j film.Job, index Index) time.Duration {
	if KeyframesUnforced(j) {
		return SegmentLength(j)
	}
	const (
		few   = 32       // segments of any source
		bytes = 64 << 10 // of a segment beyond these: ten seconds of 50 kbit/s
	)
	x := index.bounded()
	covered := j.Source.Video.Timebase.Duration(media.Ticks(min(distance(x.Start, x.End), math.MaxInt64)))
	return max(SegmentLength(j), covered/time.Duration(max(few, j.Source.Size/bytes)))
}

// atOnce is AWS's default quota of functions that run at once. A film with more segments has to wait for some of them, so a request
// for the shortest time gets longer segments there. It does not follow the deployment, because the same request must have the same
// segments everywhere.
const atOnce = 1000

// maxGoalLength bounds segments of sources that claim to be endless.
const maxGoalLength = time.Minute

const (
	// maxKeyframesLength is the length of the segments of a job that decodes keyframes alone. In ten seconds there are few, and
	// starting ffmpeg would take most of the time.
	maxKeyframesLength = 15 * time.Minute
	// keyframesPixels bounds the pictures of such a segment, which lie on the worker's disk: some 600 MB of PNG.
	keyframesPixels = 1 << 28
)

// keyframesLength returns the wanted length of segments of which keyframes alone are decoded.
func keyframesLength(j film.Job) time.Duration {
	var pixels float64 // a second
	for _, p := range j.Pictures {
		pixels += float64(p.Size.Width) * float64(p.Size.Height) * min(float64(p.Rate.Num)/float64(p.Rate.Den), keyframesRate)
	}
	return time.Duration(min(keyframesPixels/pixels, maxKeyframesLength.Seconds()) * float64(time.Second))
}

// keyframesRate bounds the rate of pictures at given times: their grid is finer than they are apart.
const keyframesRate = 25
