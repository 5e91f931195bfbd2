package plan

import (
	"cmp"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/media"
)

// addPreview plans an output of pictures: the pictures that every segment gives, and the files that are made of them. Outputs of
// one name are listed in one file, so they are one output of the job. problem says what is wrong with the size of its sheets, "" if
// nothing is.
func addPreview(j *film.Job, out film.Output) (problem string) {
	p, v := *out.Preview, *j.Source.Video
	pictures := film.Pictures{Shown: true, Format: p.Format}
	if len(p.Times) > 0 {
		pictures.Rate = media.Rational{Num: 1000, Den: 1}
		for _, t := range p.Times {
			pictures.Times = append(pictures.Times, time.Duration(t).Milliseconds())
		}
	} else {
		pictures.Rate = rateOf(p.Every)
	}
	planned := film.PreviewPlan{
		Form: out.Container, Format: p.Format, Archive: p.Archive, Columns: p.Columns, Rows: p.Rows, Unit: film.MaxStillsUnit,
		Milliseconds: slices.ContainsFunc(slices.Concat(p.Times, []film.Seconds{p.Every}), func(t film.Seconds) bool { return time.Duration(t)%time.Second != 0 }),
	}
	switch {
	case out.Container.Animated():
		pictures.Rate, pictures.Shown, pictures.Format = reduced(media.Rational(p.FPS)), false, film.QOI
		planned.Unit, planned.Every, planned.Length = 0, micros(p.Every), micros(p.Length)
	case out.Container == film.Sprites:
		pictures.Format, planned.Unit = film.QOI, int64(p.Columns)*int64(p.Rows)
	case out.Container == film.Poster:
		pictures.Limit = posterCandidates
	}
	pictures.Size, pictures.Scaled = pictureSize(v, p)
	pictures.ToneMap, pictures.Deinterlace = v.Color.HDR(), v.Interlaced != ""
	planned.Pictures = indexOfPictures(j, pictures)
	i := slices.IndexFunc(j.Outputs, func(o film.OutputPlan) bool { return o.Container == film.PreviewSet && o.Name == out.Name })
	if i < 0 {
		i = len(j.Outputs)
		j.Outputs = append(j.Outputs, film.OutputPlan{
			Name: out.Name, File: out.File(), Container: film.PreviewSet, Folder: film.MediaFolder(film.PreviewFolder(out.Name), j.ID),
		})
	}
	j.Outputs[i].Previews = append(j.Outputs[i].Previews, planned)
	if lines := p.Rows * pictures.Size.Height; lines > film.MaxSheet {
		return fmt.Sprintf("%d rows of %d pixels make a sheet of %d; at most %d", p.Rows, pictures.Size.Height, lines, film.MaxSheet)
	}
	return ""
}

// indexOfPictures returns the index of a sequence of pictures in the job, which gets it if it has none such.
func indexOfPictures(j *film.Job, p film.Pictures) int {
	if i := slices.IndexFunc(j.Pictures, p.Equal); i >= 0 {
		return i
	}
	j.Pictures = append(j.Pictures, p)
	return len(j.Pictures) - 1
}

// keyframesSuffice reports whether a request needs nothing but keyframes: all of its outputs are previews that allow it. A keyframe of
// fields may have only one of them, and deinterlacing needs the frames next to it.
func keyframesSuffice(req film.Request, src film.Source) bool {
	if src.Video == nil || src.Video.Interlaced != "" || src.Cut != nil { // a part may begin between two keyframes
		return false
	}
	return len(req.Outputs) > 0 && !slices.ContainsFunc(req.Outputs, func(o film.Output) bool { return o.Preview == nil || !o.Preview.Keyframes })
}

// posterCandidates is how many pictures a poster is chosen from: one of every two seconds of the first minute.
const posterCandidates = 30

func micros(s film.Seconds) media.Ticks { return media.Ticks(time.Duration(s).Microseconds()) }

// rateOf returns how many pictures a second are an interval apart.
func rateOf(every film.Seconds) media.Rational {
	return reduced(media.Rational{Num: 1_000_000, Den: int64(every) / 1000})
}

func reduced(r media.Rational) media.Rational {
	n := gcd(r.Num, r.Den)
	return media.Rational{Num: r.Num / n, Den: r.Den / n}
}

// pictureSize returns the size of a preview's pictures in square pixels, and that of the video before it is cropped or padded.
// The number of lines of the video stays, its columns follow from the shape of its pixels.
func pictureSize(v film.VideoTrack, p film.Preview) (size, scaled media.Size) {
	source := displaySize(v)
	width, height := int64(max(source.Width, 1)), int64(max(source.Height, 1))
	if sar := v.SampleAspect; sar.Known() {
		if v.Rotation%180 != 0 {
			sar = media.Rational{Num: sar.Den, Den: sar.Num}
		}
		width = max(divide(width*min(sar.Num, maxShape), min(sar.Den, maxShape)), 1)
	}
	want := media.Rational(p.Aspect)
	if !want.Known() {
		want = media.Rational{Num: width, Den: height}
	}
	size.Width = int(min(width, maxPicture))
	switch p.Fit {
	case film.FitPad:
		size.Width = int(min(max(width, divide(height*want.Num, want.Den)), maxPicture))
	case film.FitCrop:
		size.Width = int(min(width, max(divide(height*want.Num, want.Den), 1), maxPicture))
	}
	if p.Width > 0 {
		size.Width = min(p.Width, size.Width)
	}
	size.Height = int(min(max(divide(int64(size.Width)*want.Den, want.Num), 1), maxPicture))
	scaled = size
	wider := width*want.Den > height*want.Num // than the picture
	switch {
	case p.Fit == film.FitPad && wider, p.Fit == film.FitCrop && !wider:
		scaled.Height = int(max(divide(int64(size.Width)*height, width), 1))
	case p.Fit != "":
		scaled.Width = int(max(divide(int64(size.Height)*width, height), 1))
	}
	if p.Fit == film.FitPad {
		scaled = media.Size{Width: min(scaled.Width, size.Width), Height: min(scaled.Height, size.Height)}
	} else {
		scaled = media.Size{Width: max(scaled.Width, size.Width), Height: max(scaled.Height, size.Height)}
	}
	return size, scaled
}

// Bounds of the arithmetic above: maxPicture is half of what JPEG can hold, maxShape is for pixels of hostile files.
const (
	maxPicture = 16_384
	maxShape   = 1 << 20
)

// divide returns a/b to the nearest whole number, for positive numbers.
func divide(a, b int64) int64 { return (a + b/2) / b }

// CheckPictures refuses previews of a source that does not say how long it is, and those with too many pictures.
func CheckPictures(j film.Job) error {
	for _, p := range j.Pictures {
		v := *j.Source.Video
		if v.End <= v.Start {
			return fault.WithHint(fault.New(fault.Unsupported, "the source does not say how long it is, so its previews cannot be planned"),
				"remux it into a container with an index, such as .mp4 or .mkv (ffmpeg -i SOURCE -map 0 -c copy NEW.mkv)")
		}
		if n := len(p.Times); n > 0 && media.Ticks(p.Times[n-1])*1000 >= v.Length() {
			return fault.New(fault.Invalid, "no still at %v: the film is %v long", time.Duration(p.Times[n-1])*time.Millisecond,
				media.Microseconds.Duration(v.Length()))
		}
		if n := p.Count(v); n > film.MaxPictures {
			return fault.New(fault.Invalid, "a preview of %d pictures; at most %d: choose a longer distance (every)", n, film.MaxPictures)
		}
	}
	return nil
}

// Slices returns the slices of all previews of a job with these segments, in the order of the film.
func Slices(j film.Job, segments []film.Segment) (list []film.Slice) {
	for o, out := range j.Outputs {
		for n, p := range out.Previews {
			pictures, v := j.Pictures[p.Pictures], *j.Source.Video
			for s := range sliceTimes(p, pictures, v) {
				s.Output, s.Preview = o, n
				s.FirstSegment = segmentAt(segments, pictures.LastTick(s.From, v))
				s.LastSegment = segmentAt(segments, pictures.LastTick(s.To-1, v))
				list = append(list, s)
			}
		}
	}
	slices.SortStableFunc(list, func(a, b film.Slice) int {
		return cmp.Compare(a.Start, b.Start)
	})
	return list
}

// sliceTimes yields the slices of a preview, with the pictures and times of each.
func sliceTimes(p film.PreviewPlan, pictures film.Pictures, v film.VideoTrack) iter.Seq[film.Slice] {
	count, length := pictures.Count(v), v.Length()
	at := func(t media.Ticks) int64 { // the first picture at or after t
		return min(int64(media.RescaleUp(t, media.Microseconds, pictures.Interval())), count)
	}
	return func(yield func(film.Slice) bool) {
		if p.Unit > 0 {
			for from := int64(0); from < count; from += p.Unit {
				to := min(from+p.Unit, count)
				if !yield(film.Slice{From: from, To: to, Start: pictures.Time(from), End: min(pictures.Time(to), length)}) {
					return
				}
			}
			return
		}
		for start := media.Ticks(0); at(start) < count; start += p.Every {
			end := start + p.Length
			s := film.Slice{From: at(start), To: at(end), Start: start, End: end}
			if end >= length {
				s.To, s.End = count, length
			}
			if s.From < s.To && !yield(s) {
				return
			}
		}
	}
}

// Needed returns the segments that have frames of slices: all that a job needs that makes nothing but previews. With keyframes alone
// these are also the segments that have the keyframe before.
func Needed(j film.Job, segments []film.Segment, list []film.Slice) []film.Segment {
	needed := make([]bool, len(segments))
	for _, s := range list {
		first := s.FirstSegment
		if j.Keyframes {
			first = min(first, segmentAt(segments, segments[first].Seek))
		}
		pictures := j.Pictures[j.Outputs[s.Output].Previews[s.Preview].Pictures]
		if len(pictures.Times) > 0 && !j.Keyframes { // some of the segments between may have none
			for k := s.From; k < s.To; k++ {
				needed[segmentAt(segments, pictures.LastTick(k, *j.Source.Video))] = true
			}
			continue
		}
		for i := first; i <= s.LastSegment; i++ {
			needed[i] = true
		}
	}
	var out []film.Segment
	for i, s := range segments {
		if needed[i] {
			out = append(out, s)
		}
	}
	return out
}

// segmentAt returns the index of the segment that has t, or of the one that is nearest to it.
func segmentAt(segments []film.Segment, t media.Ticks) int {
	i, found := slices.BinarySearchFunc(segments, t, func(s film.Segment, t media.Ticks) int { return cmp.Compare(s.Start, t) })
	if !found {
		i--
	}
	return segments[max(i, 0)].Index
}

// Objects returns how many files a preview has.
func Objects(j film.Job, p film.PreviewPlan) (n int64) {
	pictures := j.Pictures[p.Pictures]
	if p.Form == film.Stills && !p.Archive {
		return pictures.Count(*j.Source.Video)
	}
	n = int64(CountSlices(j, p))
	if p.Frames { // a file of frames for each sheet, and an initialisation segment
		n = 2*n + 1
	}
	return n
}

// CountSlices returns how many slices a preview has.
func CountSlices(j film.Job, p film.PreviewPlan) (n int) {
	for range sliceTimes(p, j.Pictures[p.Pictures], *j.Source.Video) {
		n++
	}
	return n
}
