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
// keyframes: SVT-AV1 as ffmpeg 5.1 runs it. Each segment of the job is then one media segment.
func KeyframesUnforced(j film.Job) bool {
	return !j.Request.Compute.GPU && slices.ContainsFunc(j.Renditions, func(r film.Rendition) bool {
		return r.SegmentDuration > 0 && r.Codec == film.AV1
	})
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

// SegmentLength returns the wanted length of the job's segments.
func SegmentLength(j film.Job) time.Duration {
	if KeyframesUnforced(j) {
		return PackageSegmentLength(j)
	}
	return time.Duration(j.Request.Segment.Seconds)
}
