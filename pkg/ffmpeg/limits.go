package ffmpeg

import "time"

// Limits are what a program may take of the machine. A zero field sets no bound. Linux holds the program to them, from a
// moment after its start; what it took before counts. Other systems hold it to none.
//
// A program beyond its CPU time ends with an error of kind OutOfTime, beyond the others with one of kind OutOfSpace.
type Limits struct {
	// Memory is how many bytes of private memory it may have. Its address space may be twice that and 8 GiB more, because
	// threads, allocators and shared libraries reserve what they never touch.
	Memory   int64
	CPU      time.Duration // of all its threads together; rounded up to a second
	FileSize int64         // bytes of the largest file that it may write
}

const (
	// maxOpenFiles is enough for a remux of hundreds of attachments, and for the devices of a GPU.
	maxOpenFiles = 1024
	// reservedMemory is what the address space has beyond twice the private memory: a dynamic ffmpeg maps 300 MiB of
	// libraries, and glibc reserves 64 MiB for each of up to 100 threads.
	reservedMemory = 8 << 30
)

// MaxPixels is the largest picture that is decoded, in width times height: 16384 x 8704, the largest of any level of H.265
// (7.2) and AV1 (7.3).
const MaxPixels = 16384 * 8704

// bounds are the options, before -i, that bound what a decoder and a demuxer allocate for what a file merely claims: an
// allocation, the size of a picture, the number of streams.
func bounds() []string {
	// 1 GiB holds the largest picture in any format of 8 bytes a pixel or fewer. 1000 streams are ffmpeg's own default.
	return []string{"-max_alloc", "1073741824", "-max_pixels", "142606336", "-max_streams", "1000"}
}

// probeLimits bound ffprobe: it holds the sample tables of a film of days, and some of the largest pictures; it reads and
// decodes a few seconds at most, and writes no file; what stands for it, a script around it, may write a small one. A
// minute of computing is no network's fault, so it is over before probeTime is and nobody tries again: gigabytes of zeros
// behind a sound head, in which a demuxer looks for more.
var probeLimits = Limits{Memory: 4 << 30, CPU: probeTime / 2, FileSize: 64 << 20}

// Memory is a generous bound of the private memory that encoding v takes: for each rendition what the encoders keep of
// pictures at their slowest presets, besides the decoder's. 0, no bound, on a GPU, whose driver maps all of its memory.
func (v Video) memory(width, height int) int64 {
	const (
		base    = 2 << 30 // programs, tables, and small pictures' overheads
		perPic  = 6       // bytes a pixel: 4:4:4 of 16 bits
		decoder = 64      // 16 reference pictures, and those in flight between threads and filters
		encoder = 300     // look-ahead of 250 (x264 placebo: 60; x265: 250; SVT-AV1: 120) with what stands beside each
	)
	pixels := int64(max(width, 16)) * int64(max(height, 16))
	total := base + pixels*perPic*int64(decoder+4*max(v.Threads, 1))
	for _, r := range v.Renditions {
		if r.GPU {
			return 0
		}
		// What is scaled is never larger than its source.
		total += pixels * perPic * int64(encoder+8*max(v.Threads, 1))
	}
	return total
}

// VideoLimits bound the encode of v, a source of that size in pixels, of which frames lie in the segment (0 = unknown).
// CPU is left to the caller, who knows the time there is.
func VideoLimits(v Video, width, height, frames int) Limits {
	l := Limits{Memory: v.memory(width, height)}
	if frames > 0 {
		// No encoder makes more than twice of what it was given raw. A segment may hold some more frames than promised.
		l.FileSize = 64<<20 + 2*6*int64(width)*int64(height)*int64(frames+1000)
	}
	return l
}
