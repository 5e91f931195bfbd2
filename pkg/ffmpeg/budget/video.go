package budget

import (
	"time"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/process"
)

// Video describes an encode of a segment.
type Video struct {
	Source
	Width, Height int   // of the source's frames, as it declares them
	Frames        int64 // that are decoded or written, the larger; 0 = unknown
	Threads       int   // of the decoder and of each encoder
	Renditions    []Picture
	Pictures      []Picture // that are taken of the frames, each a file of its own
	GPU           bool      // whose driver maps all of its memory, so that a limit would stop it
}

// Picture is what an encode of a rendition depends on.
type Picture struct {
	Width, Height int
	Codec         string // "h264", "h265", "vp9", "av1"
}

const (
	programMemory = 2 << 30 // programs, tables, and overhead of small frames
	pixelBytes    = 6       // 4:4:4 of 16 bits
	decodedFrames = 64      // 16 references, and those in flight between threads and filters
	floatPixel    = 12      // of three colours while HDR is tone-mapped
	pictureFrames = 16      // of a picture, in flight between the filters and the encoder
	encodedFrames = 300     // a look-ahead of 250 (x264 placebo: 60; x265: 250; SVT-AV1: 120) with the data of each
)

func pixels(width, height int) int64 { return int64(max(width, 16)) * int64(max(height, 16)) }

// memory returns a generous bound on the private memory that the encode needs: the decoder's frames,
// and for each rendition the frames that its encoder holds at the slowest preset.
func (v Video) memory() int64 {
	if v.GPU {
		return process.None
	}
	threads := int64(max(v.Threads, 1))
	decoded := max(pixels(v.Width, v.Height), ffmpeg.ChangedPixels)
	total := programMemory + decoded*pixelBytes*(decodedFrames+4*threads)
	for _, r := range v.Renditions {
		total += pixels(r.Width, r.Height) * pixelBytes * (encodedFrames + 8*threads)
	}
	for _, p := range v.Pictures {
		total += pixels(p.Width, p.Height) * floatPixel * pictureFrames
	}
	return total
}

// encodeTime returns how much CPU time an encoded pixel takes at most: ten times that of the codec's
// slowest preset. x264's placebo takes half a microsecond on a slow core, SVT-AV1's 0 ten.
func (p Picture) encodeTime() time.Duration {
	switch p.Codec {
	case "h264":
		return 5 * time.Microsecond
	case "h265", "vp9":
		return 50 * time.Microsecond
	}
	return 100 * time.Microsecond
}

// pictureTime is how much CPU time a pixel of a picture takes at most: ten times that of WebP, the slowest.
const pictureTime = 5 * time.Microsecond

// Limits returns the limits of the encode. No encoder's output exceeds its raw input by much, and a
// segment may have some more frames than announced.
func (v Video) Limits() process.Limits {
	const spareFrames = 1000
	written, seconds := int64(slackBytes), v.reading().Seconds()
	for _, r := range v.Renditions {
		frames := float64(v.Frames + spareFrames)
		size := float64(pixels(r.Width, r.Height))
		written += int64(min(2*3*size*frames, 1<<60)) // 2 bytes for each of 1.5 samples a pixel
		seconds += frames * size * r.encodeTime().Seconds()
	}
	for _, p := range v.Pictures { // no format is larger than its pixels by much
		size := float64(v.Frames+spareFrames) * float64(pixels(p.Width, p.Height))
		written += int64(min(pixelBytes*size, 1<<60))
		seconds += size * pictureTime.Seconds()
	}
	l := limits(v.memory(), written, time.Duration(min(seconds, maxWall.Seconds())*float64(time.Second)))
	if v.Frames == 0 {
		l.CPU, l.Wall, l.Written, l.FileSize = maxWall, maxWall, process.None, process.None // the worker's time and disk bound it
	}
	return l
}

// Need returns about how much memory an encode takes at an ordinary preset, by which a machine decides
// how many run side by side: frames of the decoder, and the look-ahead of each encoder.
func (v Video) Need() int64 {
	const (
		base    = 200 << 20
		decoder = 16  // frames, of 8 bits in 4:2:0
		picture = 4   // frames of a picture, in 4:4:4
		encoder = 100 // the same: a look-ahead of 40 and the references, with the data of each
	)
	total := int64(base) + pixels(v.Width, v.Height)*3/2*decoder
	for _, r := range v.Renditions {
		total += pixels(r.Width, r.Height) * 3 / 2 * encoder
	}
	for _, p := range v.Pictures {
		total += pixels(p.Width, p.Height) * 3 * picture
	}
	return total
}

// Assembly returns the limits of an animation, or a sheet, that is made of pictures. A palette is chosen from all of them, which
// are in memory meanwhile.
func Assembly(pictures, width, height int) process.Limits {
	size := float64(pictures) * float64(pixels(width, height))
	memory := programMemory + int64(min(size*floatPixel, 1<<50))
	cpu := time.Duration(min(size*assemblyTime.Seconds(), maxWall.Seconds())*float64(time.Second)) + slack
	return limits(memory, slackBytes+int64(min(size*pixelBytes, 1<<60)), cpu)
}

// assemblyTime is how much CPU time a pixel of an animation takes at most: ten times that of AV1, the slowest.
const assemblyTime = 20 * time.Microsecond
