package plan

import (
	"slices"
	"time"

	"github.com/mapreel/mapreel/pkg/film"
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
func ChoosesKeyframes(r film.Rendition, gpu bool) bool { return r.Codec == film.AV1 && !gpu }

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
	for _, r := range j.Renditions {
		length = max(length, GridOf(r).Interval())
	}
	return length
}
