// Package verify proves that an output shows and sounds what its source does, from the two files alone.
//
// It decodes both. Frames are counted, paired by their times, and each pair is measured (PSNR and SSIM, as ffmpeg's
// filters of that name give them); a frame that shows a neighbour of its source frame is found by its picture. Sound is
// compared by cross-correlation at places all over the film, so that an offset and a drift show. What the streams say of
// themselves (tracks, languages, chapters, colour) is compared too. Nothing that a job recorded is used: where seams lie
// is read from the output's own bytes.
//
//	report, err := verify.Files(ctx, tools, "film.mkv", "film.mp4", verify.Options{})
//	fmt.Println(report.Verdict, report.Checks)
//
// Memory holds some pictures, 64 bytes a frame, and no sound: that lies in a temporary file of 57 MB an hour and track.
package verify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/media"
)

// Options is how Files works. The zero value is sensible.
type Options struct {
	// OnProgress is told how far the work is, from one goroutine at a time. It must not block.
	OnProgress func(Progress)
}

// Progress is how far Files is. A total of 0 is not known.
type Progress struct {
	Frames, AllFrames int64
	Sound, AllSound   time.Duration // decoded, of all tracks of both files
}

// Files compares an output with its source. Both are absolute paths; the output may also be an HLS playlist or a DASH
// manifest whose files lie beside it. A difference is no error: it is in the report. An error says that the two
// could not be compared: of kind NotFound, Invalid (no video), Corrupt (damaged so that nothing can be read), or what
// ffmpeg's failure is.
func Files(ctx context.Context, tools ffmpeg.Tools, source, output string, options Options) (Report, error) {
	v := &verification{tools: tools, onProgress: options.OnProgress}
	var err error
	if v.source, err = v.open(ctx, source, false); err != nil {
		return Report{}, fmt.Errorf("source: %w", err)
	}
	if v.output, err = v.open(ctx, output, true); err != nil {
		return Report{}, fmt.Errorf("output: %w", err)
	}
	report := Report{Source: source, Output: output}
	if err := v.run(ctx, &report); err != nil {
		return Report{}, err
	}
	report.settle()
	return report, nil
}

// file is one of the two.
type file struct {
	in        ffmpeg.Input
	container string
	media     ffmpeg.Media
	video     *ffmpeg.Stream
	audio     []ffmpeg.Stream
	complaint complaints
}

type verification struct {
	tools          ffmpeg.Tools
	source, output *file

	mu         sync.Mutex
	progress   Progress
	onProgress func(Progress)
}

func (v *verification) open(ctx context.Context, path string, playlists bool) (*file, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fault.Wrap(fault.KindOf(err), err, "open")
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.IsDir() {
		return nil, fault.New(fault.Invalid, "%s is a folder; name the file in it", path)
	}
	head := make([]byte, ffmpeg.SniffLength)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, fault.Wrap(fault.KindOf(err), err, "read "+path)
	}
	container, ok := sniffPlaylist(head[:n])
	if !ok || !playlists {
		if container, err = ffmpeg.Sniff(head[:n], filepath.Base(path)); err != nil {
			return nil, err
		}
	}
	got := &file{in: ffmpeg.Input{Location: path, Demuxer: container.Demuxer}, container: container.Name}
	if got.media, err = ffmpeg.Probe(ctx, v.tools, got.in); err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Base(path), err)
	}
	got.media.Format = formatOf(container, got.media.Format)
	if container.Demuxer == "hls" {
		text, err := io.ReadAll(io.LimitReader(io.MultiReader(bytes.NewReader(head[:n]), f), longestPlaylist))
		if err != nil {
			return nil, fault.Wrap(fault.KindOf(err), err, "read "+path)
		}
		listed(&got.media, string(text))
	}
	got.video, got.audio = videoOf(got.media), streamsOf(got.media, "audio")
	if got.video == nil && len(got.audio) == 0 {
		return nil, fault.New(fault.Invalid, "%s has neither picture nor sound", filepath.Base(path))
	}
	return got, nil
}

// input is how f is read for one of its streams. A broadcast's clock may jump, and then ffmpeg's one pass over all of its
// streams is what counts; where it does not, that pass only counts from another 0, as every stream does.
func (f *file) input(stream int) ffmpeg.Input {
	in := f.in
	if in.Demuxer != "mpegts" && in.Demuxer != "mpeg" {
		return in
	}
	in.Jumps = &ffmpeg.Jumps{Start: f.media.Start}
	if f.video != nil && f.video.Index != stream {
		in.Jumps.Beside = append(in.Jumps.Beside, f.video.Index)
	}
	for _, a := range f.audio {
		if a.Index != stream {
			in.Jumps.Beside = append(in.Jumps.Beside, a.Index)
		}
	}
	return in
}

func formatOf(c ffmpeg.Container, probed string) string {
	if isPlaylist(c.Demuxer) {
		return c.Demuxer
	}
	return probed
}

// sniffPlaylist recognises what packages for players begin with. Their demuxers may open local files only.
func sniffPlaylist(head []byte) (ffmpeg.Container, bool) {
	text := bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), " \t\r\n")
	switch {
	case bytes.HasPrefix(text, []byte("#EXTM3U")):
		return ffmpeg.Container{Name: "HLS", Demuxer: "hls"}, true
	case bytes.HasPrefix(text, []byte("<")) && bytes.Contains(text[:min(len(text), 4096)], []byte("<MPD")):
		return ffmpeg.Container{Name: "DASH", Demuxer: "dash"}, true
	}
	return ffmpeg.Container{}, false
}

// run fills the report in.
func (v *verification) run(ctx context.Context, r *Report) error {
	switch {
	case (v.source.video == nil) != (v.output.video == nil):
		lost := Check{Name: "picture", Verdict: Bad, Figure: "lost"}
		if v.source.video == nil {
			lost.Figure = "the source has none"
		}
		r.Checks = append(r.Checks, lost)
	case v.source.video != nil:
		v.progress.AllFrames = frameEstimate(*v.source.video, v.source.media)
	}
	pairs := min(len(v.source.audio), len(v.output.audio))
	v.progress.AllSound = time.Duration(int64(2*pairs)*max(v.source.media.Duration, 0)) * time.Microsecond

	var found pictureFacts
	tracks := make([][2]*heard, pairs)
	defer func() {
		for _, pair := range tracks {
			for _, h := range pair {
				if h != nil {
					h.close()
				}
			}
		}
	}()
	group, gctx := errgroup.WithContext(ctx)
	if v.source.video != nil && v.output.video != nil {
		group.Go(func() (err error) {
			found, err = v.pictures(gctx)
			return err
		})
	}
	group.Go(func() error { // one track after the other, so that sound takes a core or two and no more
		for i := range tracks {
			if err := v.hear(gctx, i, &tracks[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err := group.Wait(); err != nil {
		if cause := context.Cause(ctx); cause != nil {
			return fault.Wrap(fault.KindOf(cause), cause, "compare")
		}
		return err
	}

	if found.picture != nil {
		r.Picture = found.picture
		r.Checks = append(r.Checks, frameChecks(*found.picture, found.clock, found.timing)...)
		r.Checks = append(r.Checks, pictureChecks(*found.picture)...)
	}
	for i, pair := range tracks {
		s, err := v.soundOf(ctx, i, pair, tracks[0], found)
		if err != nil {
			return err
		}
		r.Sound = append(r.Sound, s)
		r.Checks = append(r.Checks, soundChecks(s, found.picture != nil, pairs)...)
	}
	r.Checks = append(r.Checks, v.output.complaint.check())
	r.Checks = append(r.Checks, kept(v.source.media, v.output.media, v.output.container == "Matroska")...)
	if r.Picture != nil {
		if c, ok := seamsCheck(*r.Picture); ok {
			r.Checks = append(r.Checks, c)
		}
	}
	return nil
}

// frameEstimate is about how many frames a stream has, for the progress alone.
func frameEstimate(s ffmpeg.Stream, m ffmpeg.Media) int64 {
	if s.Frames > 0 {
		return s.Frames
	}
	if s.AverageRate.Known() && m.Duration > 0 {
		return int64(float64(m.Duration) / 1e6 * float64(s.AverageRate.Num) / float64(s.AverageRate.Den))
	}
	return 0
}

func (v *verification) tell(change func(*Progress)) {
	if v.onProgress == nil {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	change(&v.progress)
	v.onProgress(v.progress)
}

// pictureFacts is what the walk over both streams of pictures gives.
type pictureFacts struct {
	picture                    *Picture
	clock                      clock
	timing                     timing
	sourceOrigin, outputOrigin time.Duration // of the first frame, on each file's own clock
}

// pictures decodes both films side by side and compares them.
func (v *verification) pictures(ctx context.Context) (pictureFacts, error) {
	a, b := *v.source.video, *v.output.video
	c, err := newClock(a.Timebase, b.Timebase)
	if err != nil {
		return pictureFacts{}, err
	}
	f, from, to := common(a, b)
	from.Input, from.Stream, from.Timebase = v.source.input(a.Index), a.Index, a.Timebase
	from.Threads = film.DefaultThreads // what a damaged source decodes to is what it does with these
	to.Input, to.Stream, to.Timebase = v.output.input(b.Index), b.Index, b.Timebase
	compared := "yes"
	if toneMapped(a, b) {
		compared = "tone-mapped"
	}
	keys, err := v.keyframes(ctx)
	if err != nil {
		return pictureFacts{}, err
	}
	if f.deep {
		return films(ctx, v, f, c, from, to, compared, keys, wide)
	}
	return films(ctx, v, f, c, from, to, compared, keys, narrow)
}

// common is the format that two streams are compared in, and how each gets there: the output as it is, the source as an
// encoder would have made the output of it. Odd columns and rows that were cut, or added, are left out.
func common(a, b ffmpeg.Stream) (f format, source, output ffmpeg.Pictures) {
	aw, ah := shown(a)
	bw, bh := shown(b)
	f = format{width: bw, height: bh, deep: b.BitDepth > 8}
	switch pixels := b.PixelFormat; {
	case strings.Contains(pixels, "444"), strings.Contains(pixels, "rgb"), strings.HasPrefix(pixels, "gbr"):
	case strings.Contains(pixels, "422"):
		f.halfW = true
	default:
		f.halfW, f.halfH = true, true
	}
	if magnitude(int64(aw-bw)) <= 1 && magnitude(int64(ah-bh)) <= 1 {
		f.width, f.height = min(aw, bw), min(ah, bh)
		if f.width != aw || f.height != ah {
			source.CropWidth, source.CropHeight = f.width, f.height
		}
		if f.width != bw || f.height != bh {
			output.CropWidth, output.CropHeight = f.width, f.height
		}
	}
	for _, p := range []*ffmpeg.Pictures{&source, &output} {
		p.Width, p.Height, p.PixelFormat = f.width, f.height, f.name()
	}
	source.Deinterlace = interlaced(a) && !interlaced(b)
	return f, source, output
}

func interlaced(s ffmpeg.Stream) bool {
	switch s.FieldOrder {
	case "tt", "bb", "tb", "bt":
		return true
	}
	return false
}

// films is pictures for one kind of sample.
func films[S sample](ctx context.Context, v *verification, f format, c clock, from, to ffmpeg.Pictures, compared string, keys []keyframe,
	convert func([]byte, []S),
) (pictureFacts, error) {
	source, output := newFeed(from, f, &v.source.complaint), newFeed(to, f, &v.output.complaint)
	var facts pictureFacts
	group, gctx := errgroup.WithContext(ctx)
	for _, d := range []*feed{source, output} {
		group.Go(func() error { return d.run(gctx, v.tools.FFmpeg) })
	}
	group.Go(func() error {
		defer source.close()
		defer output.close()
		a := &window3[S]{read: reader(source, f, convert)}
		b := &window3[S]{read: reader(output, f, convert)}
		if err := errors.Join(a.start(), b.start()); err != nil {
			return err
		}
		if !a.current.ok && !b.current.ok {
			return fault.New(fault.Corrupt, "no frame of either video could be decoded")
		}
		var err error
		if facts.sourceOrigin, err = elapsed(a.current.ticks, from.Timebase); err != nil {
			return err
		}
		if facts.outputOrigin, err = elapsed(b.current.ticks, to.Timebase); err != nil {
			return err
		}
		clock, t, s, err := walk(f, c, a, b, compared == "yes", func(frames int) {
			if frames%10 == 0 {
				v.tell(func(p *Progress) { p.Frames = int64(frames) })
			}
		})
		if err != nil {
			return err
		}
		facts.clock, facts.timing = clock, t
		facts.picture = pictureOf(clock, t, s, source.times(), output.times(), compared, keys)
		return nil
	})
	return facts, group.Wait()
}

// pictureOf sums up what the walk found. Times are ticks of each stream's frames.
func pictureOf(c clock, t timing, s shows, source, output []int64, compared string, keys []keyframe) *Picture {
	at := func(frame int) time.Duration { return c.duration(c.outputTime(output[frame])) }
	p := &Picture{
		SourceFrames: len(source), OutputFrames: len(output), Lost: t.lost, Extra: t.extra, Compared: compared,
		TimeError: Worst{c.duration(max(magnitude(t.low), magnitude(t.high))).Seconds(), t.worst.frame, film.Seconds(t.worst.at)},
		Tick:      c.duration(c.output).Seconds(),
	}
	decodable := map[int64]bool{}
	for _, k := range keys {
		decodable[k.ticks] = true
		p.Seams = append(p.Seams, Seam{At: film.Seconds(c.duration(c.outputTime(k.ticks))), Restart: k.restart})
	}
	if compared != "yes" {
		return p
	}
	if len(s.frames) == 0 {
		p.Compared = "no two frames belong together"
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
		frame := int(s.frames[low])
		return Measure{sum / float64(len(series)), Worst{float64(series[low]), frame, film.Seconds(at(frame))}}
	}
	p.PSNR, p.SSIM = measure(s.psnr), measure(s.ssim)
	below := drops(s.psnr)
	for i, frame := range s.frames { // see leastDip
		if next := int(frame) + 1; next < len(output) && decodable[output[next]] && below[i] < leastDip {
			s.leans[i] = min(s.leans[i], 0)
		}
	}
	for _, i := range wrongFrames(s.leans) {
		frame := int(s.frames[i])
		belongs := frame + int(s.shift[i])
		shows := belongs - 1
		if s.toNext[i] {
			shows = belongs + 1
		}
		p.Wrong = append(p.Wrong, Wrong{frame, film.Seconds(at(frame)), shows, belongs})
	}
	for _, i := range brokenFrames(s.psnr, below) {
		frame := int(s.frames[i])
		p.Broken = append(p.Broken, Broken{frame, film.Seconds(at(frame)), float64(s.psnr[i])})
	}
	p.Series = make([]Point, len(s.frames))
	for i, frame := range s.frames {
		p.Series[i] = Point{at(int(frame)), s.psnr[i]}
	}
	return p
}

// keyframes reads from the output where decoding can start, in ticks of what is decoded.
func (v *verification) keyframes(ctx context.Context) ([]keyframe, error) {
	b := *v.output.video
	list, known, err := keyframes(ctx, v.tools, v.output.in, b.Index)
	zero := int64(0)
	if v.output.input(b.Index).Jumps != nil { // then frames are counted from the file's start
		zero = int64(media.Rescale(media.Ticks(v.output.media.Start), media.Microseconds, b.Timebase))
	}
	for i := range list {
		list[i].ticks -= zero
		list[i].restart = list[i].restart && known
	}
	return list, err
}

// hear decodes a track of both files.
func (v *verification) hear(ctx context.Context, track int, into *[2]*heard) error {
	group, ctx := errgroup.WithContext(ctx)
	for i, f := range []*file{v.source, v.output} {
		group.Go(func() error {
			told := int64(0)
			h, err := listen(ctx, v.tools, f.input(f.audio[track].Index), f.audio[track], &f.complaint, func(samples int64) {
				if more := samples - told; more >= 10*ffmpeg.SoundRate {
					told = samples
					v.tell(func(p *Progress) { p.Sound += time.Duration(more) * time.Second / ffmpeg.SoundRate })
				}
			})
			into[i] = h
			return err
		})
	}
	return group.Wait()
}

// soundOf compares a decoded track. Without a picture, times count from the first sample of the first track.
func (v *verification) soundOf(ctx context.Context, track int, pair, first [2]*heard, found pictureFacts) (Sound, error) {
	source, output := pair[0], pair[1]
	from, to := found.sourceOrigin, found.outputOrigin
	if found.picture == nil {
		from, to = first[0].start(), first[1].start()
	}
	places, silent, err := listenTo(ctx, source, output, from, to)
	if err != nil {
		return Sound{}, err
	}
	frame := codecFrame(v.source.audio[track], v.output.audio[track])
	if found.picture == nil && isPlaylist(v.output.media.Format) {
		if early := priming(places, frame); early > 0 {
			to += early
			if places, silent, err = listenTo(ctx, source, output, from, to); err != nil {
				return Sound{}, err
			}
		}
	}
	s := Sound{
		Track: track + 1, SourceSamples: source.log.Total, OutputSamples: output.log.Total,
		SourceRate: source.rate, OutputRate: output.rate, Silent: silent, Places: []soundAt{},
		Start:  ((output.start() - to) - (source.start() - from)).Seconds(),
		End:    ((output.end() - to) - (source.end() - from)).Seconds(),
		Longer: (output.length() - source.length()).Seconds(),
		Lost:   (source.sounds() - output.sounds()).Seconds(),
		Frame:  frame.Seconds(),
	}
	for _, p := range places {
		s.Places = append(s.Places, soundAt{p.At.Seconds(), p.Offset.Seconds(), p.Match, p.Silent, p.Vague.Seconds(), p.Onset})
	}
	return s, nil
}

// priming is how much earlier a track begins than its first sample that is to be heard. Media segments have no edit lists
// that would hide what an encoder needs to begin (AAC's 1024 or 2112 samples), and without a picture nothing else tells.
func priming(places []Place, frame time.Duration) time.Duration {
	i := slices.IndexFunc(places, func(p Place) bool { return p.Match >= alike && !p.Silent })
	if i < 0 || places[i].Offset < 0 || places[i].Offset >= 3*frame {
		return 0
	}
	return places[i].Offset
}

// usualFrame is a codec's frame where none is known: 20 ms is Opus's; FLAC's and Vorbis's are about as long at most.
const usualFrame = 20 * time.Millisecond

// codecFrame is the longest packet of either codec: sound is padded to the one, or was to the other.
func codecFrame(streams ...ffmpeg.Stream) time.Duration {
	longest := time.Duration(0)
	for _, s := range streams {
		d := usualFrame
		if s.FrameSize > 0 && s.SampleRate > 0 {
			d = time.Duration(s.FrameSize) * time.Second / time.Duration(s.SampleRate)
		}
		longest = max(longest, d)
	}
	return longest
}

// complaints collects what decoders say of a file. Both of its decodes write here.
type complaints struct {
	mu    sync.Mutex
	rest  []byte
	count int
	first string
}

// complaint is a line that is about the stream: it comes from a decoder or demuxer, or is ffmpeg's word on one's failure.
var complaint = regexp.MustCompile(`^\[(h264|hevc|vp[89]|av1|libdav1d|libaom-av1|aac(_latm)?|opus|vorbis|mp[123]float|mp3|e?ac3|flac|alac|` +
	`mpeg[12]video|mpeg4|prores|mov,[^ ]*|matroska,webm|hls|dash) @ |^Error while decoding|^Error submitting|corrupt decoded frame`)

// address is what tells two decoders of the same run apart, and nothing to a reader.
var address = regexp.MustCompile(` @ 0x[0-9a-f]+\]`)

// longestLine bounds a line of what is collected.
const longestLine = 4096

func (c *complaints) Write(data []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for line := range bytes.Lines(data) {
		c.rest = append(c.rest, line[:min(len(line), longestLine-min(len(c.rest), longestLine))]...)
		if !bytes.HasSuffix(line, []byte("\n")) {
			continue
		}
		text := strings.TrimSpace(string(c.rest))
		c.rest = c.rest[:0]
		if complaint.MatchString(text) {
			c.count++
			if c.first == "" {
				c.first = address.ReplaceAllString(text, "]")
			}
		}
	}
	return len(data), nil
}

func (c *complaints) check() Check {
	if c.count == 0 {
		return Check{Name: "decoding", Verdict: Good, Figure: "without an error"}
	}
	return Check{Name: "decoding", Verdict: Bad, Figure: fmt.Sprintf("%s, the first: %s", things(c.count, "error"), c.first)}
}
