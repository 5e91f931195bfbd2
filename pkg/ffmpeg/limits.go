package ffmpeg

import (
	"strconv"

	"github.com/mapreel/mapreel/pkg/media"
)

// MaxPixels is the largest frame that is decoded, as width times height: 16384 x 8704, the maximum
// of H.265's level 7.2 and AV1's level 7.3.
const MaxPixels = 16384 * 8704

// ChangedPixels is the size of frame, as width times height, that a source may change to in its middle,
// whatever its first: 4096 x 2304. Its first size bounds nothing, because frames of another size are
// scaled after they are decoded.
const ChangedPixels = 4096 * 2304

// AllocationLimits returns the options, before -i, that bound what a demuxer and a decoder allocate
// on a file's mere claim: the size of an allocation, the size of a frame, the number of streams.
func AllocationLimits() []string { return allocationLimits(MaxPixels) }

// DecodingLimits returns AllocationLimits for a stream whose first frame is known to have a size. A
// stream that claims another for each of its frames would have the decoder clear gigabytes for each.
// A zero size is not known.
func DecodingLimits(first media.Size) []string {
	const coded = 2 // a coded frame is larger than what it shows, by less than that
	pixels := int64(first.Width) * int64(first.Height)
	if pixels <= 0 {
		return AllocationLimits()
	}
	return allocationLimits(min(max(coded*pixels, ChangedPixels), MaxPixels))
}

func allocationLimits(pixels int64) []string {
	// 1 GiB holds the largest frame in any format of at most 8 bytes a pixel. 1000 streams are
	// ffmpeg's own default.
	return []string{"-max_alloc", "1073741824", "-max_pixels", strconv.FormatInt(pixels, 10), "-max_streams", "1000"}
}
