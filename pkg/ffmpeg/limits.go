package ffmpeg

// MaxPixels is the largest frame that is decoded, as width times height: 16384 x 8704, the maximum
// of H.265's level 7.2 and AV1's level 7.3.
const MaxPixels = 16384 * 8704

// AllocationLimits returns the options, before -i, that bound what a demuxer and a decoder allocate
// on a file's mere claim: the size of an allocation, the size of a frame, the number of streams.
func AllocationLimits() []string {
	// 1 GiB holds the largest frame in any format of at most 8 bytes a pixel. 1000 streams are
	// ffmpeg's own default.
	return []string{"-max_alloc", "1073741824", "-max_pixels", "142606336", "-max_streams", "1000"}
}
