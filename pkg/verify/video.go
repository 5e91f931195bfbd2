package verify

import (
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/verify/outlier"
	"github.com/mapreel/mapreel/pkg/verify/picture"
	"github.com/mapreel/mapreel/pkg/verify/shift"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/decode"
	"github.com/mapreel/mapreel/pkg/ffmpeg/filter"
	"github.com/mapreel/mapreel/pkg/ffmpeg/probe"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/media"
)

// hdLines is the number of lines from which on undeclared colours are those of HD.
const hdLines = 720

// videoFacts is the result of comparing both video streams.
type videoFacts struct {
	video                      *Video
	clock                      clock
	timing                     timing
	sourceOrigin, outputOrigin time.Duration // of the first frame, on each file's own clock
}

// compareVideo decodes both video streams side by side and compares them.
func (v *verification) compareVideo(ctx context.Context) (videoFacts, error) {
	a, b := *v.source.video, *v.output.video
	c, err := newClock(a.Timebase, b.Timebase)
	if err != nil {
		return videoFacts{}, err
	}
	f, from, to := commonFormat(cropped(a, v.region), cropped(b, v.picture))
	from.Crop, to.Crop = ffmpeg.Region(v.region), ffmpeg.Region(v.picture)
	from.Deinterlace = interlaced(a) && !interlaced(b)
	from.Filter, from.Colours = v.filter, filter.ColoursOf(a.Color.Space, a.Color.Range, f.Name(), min(a.Width, a.Height) >= hdLines)
	v.draw(&from, a, cropped(b, v.picture))
	if err := checkMemory(f); err != nil {
		return videoFacts{}, err
	}
	from.Input, from.Stream, from.Timebase = v.source.input(a.Index), a.Index, a.Timebase
	from.Threads, from.Part = film.DefaultThreads, v.source.part
	to.Input, to.Stream, to.Timebase = v.output.input(b.Index), b.Index, b.Timebase
	if v.source.jumping() || ffmpeg.NeedsOneThread(a.Codec, interlaced(a)) {
		// A decoder may report nothing of what a transport stream has lost. A job decodes that with one thread, see below.
		from.Threads = 1
	}
	compared := "yes"
	if toneMapped(a, b) {
		compared = "tone-mapped"
	}
	keys, err := v.keyframes(ctx)
	if err != nil {
		return videoFacts{}, err
	}
	compare := func(v *verification) (videoFacts, error) {
		if f.HighBitDepth {
			return compareFrames(ctx, v, f, c, from, to, compared, keys, picture.Samples16)
		}
		return compareFrames(ctx, v, f, c, from, to, compared, keys, picture.Samples8)
	}
	facts, err := compare(v)
	if err == nil && v.source.damage.String() != "" {
		// What several threads show of a damaged frame depends on which is ahead, so a job decodes it with one.
		from.Threads = 1
		return compare(v.silent())
	}
	return facts, err
}

// commonFormat returns the format in which two streams are compared, and how each is converted to
// it. The output is taken as it is; the source is converted as an encoder would have done for that
// output. An odd column or row that was cropped or added is left out of the comparison.
func commonFormat(a, b probe.Stream) (f picture.Format, source, output decode.Video) {
	aw, ah := displayedSize(a)
	bw, bh := displayedSize(b)
	f = picture.Format{Width: bw, Height: bh, HighBitDepth: b.BitDepth > 8}
	switch pixels := b.PixelFormat; {
	case strings.Contains(pixels, "444"), strings.Contains(pixels, "rgb"), strings.HasPrefix(pixels, "gbr"):
	case strings.Contains(pixels, "422"):
		f.HalfW = true
	default:
		f.HalfW, f.HalfH = true, true
	}
	if abs(int64(aw-bw)) <= 1 && abs(int64(ah-bh)) <= 1 {
		f.Width, f.Height = min(aw, bw), min(ah, bh)
		if f.Width != aw || f.Height != ah {
			source.CropWidth, source.CropHeight = f.Width, f.Height
		}
		if f.Width != bw || f.Height != bh {
			output.CropWidth, output.CropHeight = f.Width, f.Height
		}
	}
	for _, p := range []*decode.Video{&source, &output} {
		p.Width, p.Height, p.PixelFormat = f.Width, f.Height, f.Name()
	}
	source.Deinterlace = interlaced(a) && !interlaced(b)
	if media.RGB(a.PixelFormat) && !media.RGB(b.PixelFormat) {
		source.Matrix = b.Color.Space
	}
	return f, source, output
}

func interlaced(s probe.Stream) bool {
	switch s.FieldOrder {
	case "tt", "bb", "tb", "bt":
		return true
	}
	return false
}

// decodeBoth decodes the source and the output side by side, and calls use with windows on their first frames. The source
// begins lead frames late. It returns the times of all frames that were decoded.
func decodeBoth[S picture.Sample](ctx context.Context, v *verification, f picture.Format, from, to decode.Video, lead int, convert func([]byte, []S),
	use func(source, output *frameWindow[S]) error,
) (sourceTimes, outputTimes []int64, err error) {
	source := newVideoDecoder(from, v.source.decoding(from.Stream), f, io.MultiWriter(&v.source.decoderErrors, &v.source.damage))
	source.dir = v.drawing.folder
	output := newVideoDecoder(to, v.output.decoding(to.Stream), f, &v.output.decoderErrors)
	group, gctx := errgroup.WithContext(ctx)
	for _, d := range []*videoDecoder{source, output} {
		group.Go(func() error { return d.run(gctx, v.tools.FFmpeg) })
	}
	group.Go(func() error {
		defer source.close()
		defer output.close()
		a := &frameWindow[S]{read: frameReader(source, f, convert)}
		b := &frameWindow[S]{read: frameReader(output, f, convert)}
		if err := errors.Join(a.start(), b.start()); err != nil {
			return err
		}
		for range lead {
			if err := a.advance(); err != nil {
				return err
			}
		}
		a.previous.ok = false
		return use(a, b)
	})
	err = group.Wait()
	return source.times(), output.times(), err
}

// compareFrames implements compareVideo for one type of sample.
func compareFrames[S picture.Sample](ctx context.Context, v *verification, f picture.Format, c clock, from, to decode.Video, compared string, keys []keyframe,
	convert func([]byte, []S),
) (videoFacts, error) {
	lead, err := leadingFrames(ctx, v, f, from, to, convert)
	if err != nil {
		return videoFacts{}, err
	}
	var facts videoFacts
	var pairs framePairs
	search := &shift.Search{}
	source, output, err := decodeBoth(ctx, v, f, from, to, lead, convert, func(a, b *frameWindow[S]) (err error) {
		if !a.current.ok && !b.current.ok {
			return fault.New(fault.Corrupt, "no frame of either video could be decoded")
		}
		if facts.sourceOrigin, err = elapsed(a.current.ticks, from.Timebase); err != nil {
			return err
		}
		if facts.outputOrigin, err = elapsed(b.current.ticks, to.Timebase); err != nil {
			return err
		}
		facts.clock, facts.timing, pairs, err = walk(f, c, a, b, compared == "yes", search, func(frames int) {
			if frames%10 == 0 {
				v.reportProgress(func(p *Progress) { p.Frames = int64(frames) })
			}
		})
		return err
	})
	if err != nil {
		return videoFacts{}, err
	}
	list := shift.Sections(search.Shows, len(source))
	if shift.Any(list) { // then a picture is compared with the one that it shows, and not with another at its time
		_, _, err = decodeBoth(ctx, v.silent(), f, from, to, lead, convert, func(a, b *frameWindow[S]) (err error) {
			pairs, err = walkShifted(f, a, b, shift.Targets(search.Shows, list))
			return err
		})
		if err != nil {
			return videoFacts{}, err
		}
	}
	facts.video = videoReport(facts.clock, facts.timing, pairs, source, output, compared, keys)
	facts.video.Leading = lead
	facts.video.SourceFrames -= lead
	facts.video.Edits = countEdits(facts.timing, search.Shows, list, len(source),
		func(i int) time.Duration { return facts.clock.duration(facts.clock.sourceTime(source[i])) },
		func(i int) time.Duration { return facts.clock.duration(facts.clock.outputTime(output[i])) })
	return facts, nil
}

// videoReport summarises what the walk found. source and output are the timestamps of the frames,
// in ticks of each stream.
func videoReport(c clock, t timing, pairs framePairs, source, output []int64, compared string, keys []keyframe) *Video {
	at := func(frame int) time.Duration { return c.duration(c.outputTime(output[frame])) }
	p := &Video{
		SourceFrames: len(source), OutputFrames: len(output), Lost: t.lost, Extra: t.extra, Compared: compared,
		TimeError: Worst{c.duration(max(abs(t.low), abs(t.high))).Seconds(), t.worst.frame, film.Seconds(t.worst.at)},
		Tick:      c.duration(c.output).Seconds(),
	}
	decodable, filtered := map[int64]bool{}, map[int64]bool{}
	for _, k := range keys {
		decodable[k.ticks], filtered[k.ticks] = true, k.filtered
		p.Seams = append(p.Seams, Seam{At: film.Seconds(c.duration(c.outputTime(k.ticks))), Restart: k.encoderStart})
	}
	if compared != "yes" {
		return p
	}
	if len(pairs.frames) == 0 {
		p.Compared = "no two frames could be paired"
		return p
	}
	measure := func(series []float32) Measure {
		sum, low := 0.0, 0
		for i, v := range series {
			sum += float64(v)
			if v < series[low] {
				low = i
			}
		}
		frame := int(pairs.frames[low])
		return Measure{sum / float64(len(series)), Worst{float64(series[low]), frame, film.Seconds(at(frame))}}
	}
	p.PSNR, p.SSIM = measure(pairs.psnr), measure(pairs.ssim)
	below := outlier.Drops(pairs.psnr)
	for i, frame := range pairs.frames { // see outlier.MinDip and outlier.MaxFilteredDip
		if filtered[output[frame]] && below[i] < outlier.MaxFilteredDip {
			pairs.bias[i] = max(pairs.bias[i], 0)
		}
		if next := int(frame) + 1; next < len(output) && decodable[output[next]] && below[i] < outlier.MinDip {
			pairs.bias[i] = min(pairs.bias[i], 0)
		}
	}
	for _, i := range outlier.Wrong(pairs.bias) {
		frame := int(pairs.frames[i])
		belongs := frame + int(pairs.shift[i])
		shows := belongs - 1
		if pairs.towardsNext[i] {
			shows = belongs + 1
		}
		p.Wrong = append(p.Wrong, Wrong{frame, film.Seconds(at(frame)), shows, belongs})
	}
	broken := map[int32]bool{}
	for _, i := range outlier.Broken(pairs.psnr, below, outlier.Novelties(pairs.motion)) {
		frame := int(pairs.frames[i])
		broken[pairs.frames[i]] = true
		p.Broken = append(p.Broken, Broken{frame, film.Seconds(at(frame)), float64(pairs.psnr[i])})
	}
	whole := 2*len(pairs.colourless) > len(pairs.frames) // then the film has lost its colours, whatever else is wrong
	for _, frame := range pairs.colourless {
		switch {
		case broken[frame] && !whole: // it counts once
		case p.Colourless == nil:
			p.Colourless = &Colourless{1, int(frame), film.Seconds(at(int(frame)))}
		default:
			p.Colourless.Count++
		}
	}
	p.Series = make([]Point, len(pairs.frames))
	for i, frame := range pairs.frames {
		p.Series[i] = Point{at(int(frame)), pairs.psnr[i]}
	}
	return p
}

// keyframes lists the places in the output where decoding can start, in ticks of the decoded
// frames.
func (v *verification) keyframes(ctx context.Context) ([]keyframe, error) {
	b := *v.output.video
	list, known, err := keyframes(ctx, v.tools, v.output, b.Index)
	zero := int64(0)
	if v.output.input(b.Index).Jumps != nil { // then frames are timed from the file's start
		zero = int64(media.Rescale(media.Ticks(v.output.media.Start), media.Microseconds, b.Timebase))
	}
	for i := range list {
		list[i].ticks -= zero
		list[i].encoderStart = list[i].encoderStart && known
		list[i].filtered = b.Codec == string(film.AV1)
	}
	return list, err
}
