package encode

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/encode"
	"github.com/mapreel/mapreel/pkg/ffmpeg/nut"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/target"
	"github.com/mapreel/mapreel/pkg/media"
	"github.com/mapreel/mapreel/pkg/process"
	"github.com/mapreel/mapreel/pkg/work"
	"github.com/mapreel/mapreel/pkg/xpsnr"
)

// A unit keeps at most maxOriginals bytes of raw frames. Those of one rendition take at most 1/diskShare of the free space on its disk,
// because the encoders and the units that run at the same time write there, too.
const (
	maxOriginals = 512 << 20
	diskShare    = 8
	// fullDisk is so little free space that an encode may have failed for it.
	fullDisk = 16 << 20
)

// originals are the raw frames of a segment as the encoder of a rendition gets them. The first encode of a search keeps them, so that the
// measurements and the encodes that follow need not decode, scale and tone-map the source again. What comes out does not depend on
// whether they are kept.
type originals struct {
	file   encode.Originals
	size   int  // of a frame
	lead   int  // frames before those of the segment
	exact  bool // whether an encode of them gives the same bytes as one of the source
	decode bool // x264 also writes the frames as a decoder would show them
	opened *os.File
	frames *nut.Reader
	left   int // frames still to read

	weights xpsnr.Weights
}

// keepOriginals has the first encode of each search keep its frames, where there is room for them.
func (a *attempt) keepOriginals(v *encode.Video, list []encoding) {
	a.dropOriginals()
	a.kept = map[int]*originals{}
	total := int64(0)
	for i, e := range list {
		if _, sized := a.sizes[e.rendition]; sized || a.strategyOf(e.rendition) == nil || a.withoutOriginals {
			continue
		}
		r := a.job.Renditions[e.rendition]
		size := frameBytes(rawFormat(r))
		if size <= nut.MaxElided {
			continue
		}
		v.Renditions[i].Originals = encode.Originals{Path: a.originalsFile(e.rendition), Preset: r.Preset}
		frames := v.OriginalFrames(i, a.likelyFrames())
		const perFrame, header = 64, 1 << 16
		space := int64(frames)*int64(size+perFrame) + header
		// x264 would go on writing after the expected number of frames.
		decode := r.Codec == film.H264 && r.Quality.Metric == target.XPSNR && a.expectedFrames() > 0
		if decode && !a.fits(total+2*space, 2*space) {
			decode = false
		}
		if frames == 0 || !a.fits(total+space, space) {
			v.Renditions[i].Originals = encode.Originals{}
			continue
		}
		total += space
		v.Renditions[i].Originals.MaxFrames = int(space/int64(size)) + 1 // so many are larger than the expected frames with all overhead
		if decode {
			total += space
		}
		a.kept[e.rendition] = &originals{
			file: v.Renditions[i].Originals, size: size, lead: v.LeadFrames(i), decode: decode,
			exact: v.ExactOriginals(i) && a.plainFrames(v.Renditions[i]),
		}
	}
	a.writeDecoded(v, list)
}

// writeDecoded has x264 write the frames as a decoder would show them, in addition to the chunk, so that no decoder is needed to measure them.
func (a *attempt) writeDecoded(v *encode.Video, list []encoding) {
	for i, e := range list {
		if o := a.kept[e.rendition]; o != nil && o.decode {
			v.Renditions[i].Decoded = decodedFile(e.rendition)
		}
	}
}

// fits reports whether there is room for the frames of a unit, and on the disk for those of a rendition.
func (a *attempt) fits(unit, rendition int64) bool {
	free, err := process.FreeDisk(a.Dir)
	return unit <= maxOriginals && (err != nil || rendition <= free/diskShare)
}

// likelyFrames returns about how many frames the segment has, with some to spare where the index does not say; 0 = unknown.
func (a *attempt) likelyFrames() int {
	v := a.job.Source.Video
	if n := a.expectedFrames(); n > 0 || !v.FrameRate.Known() {
		return n
	}
	const spare = 2
	return int(media.Rescale(a.segment.End-a.segment.Start, v.Timebase, media.Rational{Num: v.FrameRate.Den, Den: v.FrameRate.Num})) + spare
}

// plainFrames reports whether the frames that an encoder gets have nothing that NUT does not keep and an encoder may write.
func (a *attempt) plainFrames(r encode.Rendition) bool {
	p := a.job.Source.Video
	location := p.Color.ChromaLocation != ""
	if location && !strings.HasPrefix(a.tools.Version, "5.") {
		return false // newer encoders get the location of chroma from the frames (7.1), whatever the option says
	}
	return p.HDR == media.HDR{} && r.HDR == media.HDR{} && p.Interlaced == "" && (r.Color.ChromaLocation != "") == location
}

func (a *attempt) originalsFile(rendition int) string {
	return filepath.Join(a.Dir, fmt.Sprintf("%d-originals.nut", rendition))
}

// decodedFile returns the name of the file that gets a rendition's frames as a decoder would show them.
func decodedFile(rendition int) string { return fmt.Sprintf("%d-decoded", rendition) }

// endOriginals ends the first encode: of frames that were not kept as expected, none are used.
func (a *attempt) endOriginals(ctx context.Context) error {
	for i, o := range a.kept {
		if whole, err := o.whole(); err != nil || !whole {
			a.Log.DebugContext(ctx, "raw frames are not kept, the source is decoded again for each measurement", "error", err)
			a.dropOriginalsOf(i)
			continue
		}
		messages, err := hasMessages(a.file(i))
		if err != nil {
			return err
		}
		o.exact = o.exact && !messages
	}
	return nil
}

// whole reports whether all frames were kept: ffmpeg wrote the file up to its end, and there are no more than expected. The exit code of ffmpeg
// does not tell an error of the disk at the very end.
func (o *originals) whole() (bool, error) {
	f, err := os.Open(o.file.Path)
	if err != nil {
		return false, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	info, err := f.Stat()
	if err != nil || info.Size() >= int64(o.file.MaxFrames)*int64(o.size) {
		return false, err
	}
	return nut.Ends(f, info.Size())
}

// Messages that encoders write for side data of frames, which NUT does not keep: captions as ATSC wraps them, and x264's packing of two views in
// a frame, whose NAL unit follows its length.
var (
	captionMessage = []byte("\xb5\x00\x31GA94")
	packingMessage = []byte("\x06\x2d")
)

// packingAt is where packingMessage begins in a NAL unit with its length, whose first three bytes are 0.
const packingAt = 4

// hasMessages reports whether the encoder of a chunk wrote side data of its frames.
func hasMessages(path string) (bool, error) {
	f, err := os.Open(path)
	if err != nil {
		return false, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	const block = 1 << 20
	data := make([]byte, 0, block+len(captionMessage))
	for {
		n, err := f.Read(data[len(data) : len(data)+block])
		data = data[:len(data)+n]
		if bytes.Contains(data, captionMessage) || hasPacking(data) {
			return true, nil
		}
		if errors.Is(err, io.EOF) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		kept := copy(data, data[max(0, len(data)-len(captionMessage)):]) // a message may go on in the next block
		data = data[:kept]
	}
}

// hasPacking reports whether data has a NAL unit that begins with packingMessage.
func hasPacking(data []byte) bool {
	for {
		at := bytes.Index(data, packingMessage)
		if at < 0 {
			return false
		}
		if at >= packingAt && bytes.Equal(data[at-packingAt:at-1], []byte{0, 0, 0}) {
			return true
		}
		data = data[at+1:]
	}
}

// dropOriginals removes what is kept.
func (a *attempt) dropOriginals() {
	for i := range a.kept {
		a.dropOriginalsOf(i)
	}
	a.kept = nil
}

func (a *attempt) dropOriginalsOf(rendition int) {
	o := a.kept[rendition]
	delete(a.kept, rendition)
	if o == nil {
		return
	}
	if o.opened != nil {
		_ = o.opened.Close() // it was only read
	}
	_ = os.Remove(o.file.Path) // or it goes with the unit's folder
	_ = os.Remove(filepath.Join(a.Dir, decodedFile(rendition)))
}

// originalsFail reports whether an encode may have failed because frames were kept: the disk is full, or ffmpeg wrote more than it may.
func (a *attempt) originalsFail(failure error) bool {
	if len(a.kept) == 0 {
		return false
	}
	var excess *process.Excess
	if errors.As(failure, &excess) && (excess.Resource == process.FileSize || excess.Resource == process.Written) {
		return true
	}
	free, err := process.FreeDisk(a.Dir)
	return err == nil && free < fullDisk
}

// rewind makes next return the first frame of the segment, and at most so many.
func (o *originals) rewind(count int) (err error) {
	if o.opened == nil {
		o.opened, err = os.Open(o.file.Path)
	} else {
		_, err = o.opened.Seek(0, io.SeekStart)
	}
	if err != nil {
		return err
	}
	if o.frames, err = nut.NewReader(o.opened, o.size); err != nil {
		return fault.Wrap(fault.Corrupt, err, "frames that were kept")
	}
	o.left = o.lead + count
	for range o.lead {
		if _, err := o.next(); err != nil {
			return err
		}
	}
	return nil
}

// next returns the next frame, which is valid until the next call; nil after the last one.
func (o *originals) next() ([]byte, error) {
	if o.left == 0 {
		return nil, nil
	}
	o.left--
	frame, err := o.frames.Next()
	if errors.Is(err, io.EOF) {
		return nil, nil
	}
	if err != nil {
		return nil, fault.Wrap(fault.Corrupt, err, "frames that were kept")
	}
	return frame, nil
}

// decodedFrames opens what x264 wrote of the frames of a rendition, from the first frame of the segment; nil where it is not whole, as on a disk
// that was full for a moment: x264 then leaves a hole.
func (a *attempt) decodedFrames(rendition, frames int) (*os.File, error) {
	o := a.kept[rendition]
	if o == nil || !o.decode {
		return nil, nil
	}
	f, err := os.Open(filepath.Join(a.Dir, decodedFile(rendition)))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err == nil {
		stat, ok := info.Sys().(*syscall.Stat_t)
		const block = 512
		if !ok || stat.Blocks*block < info.Size() || info.Size() < int64(o.lead+frames)*int64(o.size) {
			return nil, f.Close()
		}
		_, err = f.Seek(int64(o.lead)*int64(o.size), io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// reuse encodes the frames that were kept, with what the searches try next; done is false where some are not kept, or are not exact.
func (a *attempt) reuse(ctx context.Context, d decoding) (done bool, err error) {
	list := a.encodings()
	for _, e := range list {
		if o := a.kept[e.rendition]; o == nil || !o.exact {
			return false, nil
		}
	}
	v, err := a.videoOf(ctx, d.from, list, nil)
	if err != nil {
		return false, err
	}
	v.FromOriginals = true
	if v.Frames > 0 {
		v.Frames = max(v.Frames, len(d.times))
	}
	for i, e := range list {
		o := a.kept[e.rendition]
		v.Renditions[i].Originals = o.file
	}
	a.writeDecoded(&v, list)
	ctx, observe, stop := a.watchPace(ctx)
	defer stop()
	_, err = ffmpeg.Run(ctx, a.tools.FFmpeg, encode.VideoArgs(v), ffmpeg.RunOptions{
		Dir: a.Dir, Pipe: &ffmpeg.FrameLog{}, Limits: a.limits(ctx, v.Frames),
		OnProgress: func(p ffmpeg.Progress) {
			observe(p.Frame)
			a.report(work.Amount{Media: media.Ticks(max(p.OutTime, 0)), Count: a.inSegment(p.Frame), Bytes: max(p.Bytes, 0)})
		},
	})
	return true, err
}
