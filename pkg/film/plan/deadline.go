package plan

import (
	"cmp"
	"fmt"
	"time"

	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/target"
)

// Balanced segments, and those for a deadline, follow from what a job is expected to take on AWS. A deadline selects the longest ones, which
// waste least, with which the job is expected to be done in time. What is expected is whole numbers computed from the request and the source,
// and no measurement or simulation, because the same request must have the same segments on every machine. A test compares it with
// pkg/forecast.

// Work of encoders for a megapixel of each frame at the default preset, in microseconds of a core of the machine that mapreel was developed on.
// Decoding takes decodeWork of the source's.
var (
	encodeWork = map[film.VideoCodec]int64{film.H264: 42000, film.H265: 130000, film.VP9: 140000, film.AV1: 60000}
	decodeWork = int64(5000)
	// usualProbes is how often a segment with a target quality is encoded, in percent, where there are no drafts.
	usualProbes = int64(240)
	// With drafts, a segment is encoded once as a draft, and so often with its own preset, in percent.
	usualDrafted = int64(130)
	// keptPixels is the largest picture of which a search can keep the frames of a segment of usual length, so that it need not decode the source
	// again.
	keptPixels = int64(1280 * 720)
	// draftWork is what a draft of SVT-AV1 takes, in percent of the default preset. Those of x264 and x265 are in presetWork.
	draftWork = int64(45)
	// compareWork is how many microseconds it takes to compare a megapixel. Filters of ffmpeg take longer than XPSNR.
	compareWork = map[target.Metric]int64{target.XPSNR: 9000, target.SSIM: 15000, target.VMAF: 15000}
	// A segment with a bit rate is encoded about so often, after a first pass that takes so much of an encode, in percent.
	usualSizings, passWork = int64(2), int64(70)
	// presetWork is in percent of the default preset, of x264 and x265.
	presetWork = map[string]int64{
		"ultrafast": 18, "superfast": 25, "veryfast": 40, "faster": 60, "fast": 80, "medium": 100, "slow": 160, "slower": 300, "veryslow": 520, "placebo": 1200,
	}
)

// FrameWork returns about how many microseconds of a core a frame of the source takes: to decode it, and to encode it to every
// rendition.
func FrameWork(j film.Job) int64 {
	v := j.Source.Video
	if v == nil {
		return 0
	}
	decode := int64(v.Width) * int64(v.Height) * decodeWork / 1e6
	micros := decode
	for _, r := range j.Renditions {
		percent := presetWork[r.Preset]
		if percent == 0 {
			percent = 100
		}
		pixels := int64(r.Width) * int64(r.Height)
		work := pixels * encodeWork[r.Codec] / 1e6 * percent / 100
		if r.Quality.Target != 0 {
			work = searchWork(r, work, decode)
		}
		if r.Sized() {
			work = usualSizings*(work+decode) + decode + pixels*encodeWork[r.Codec]/1e6*passWork/100
		}
		micros += work
	}
	return micros
}

// searchWork returns how many microseconds the search for a target takes for a frame, whose encode takes work and whose decoding takes
// decode. The first decode is not counted. Where frames are not kept, each probe decodes the source twice: for the encoder, and to compare. Filters
// of ffmpeg compare with the source in any case.
func searchWork(r film.Rendition, work, decode int64) int64 {
	pixels := int64(r.Width) * int64(r.Height)
	compare := pixels * compareWork[r.Quality.Metric] / 1e6
	again := decode
	if pixels <= keptPixels {
		again = 0
	}
	if again > 0 || r.Quality.Metric != target.XPSNR {
		compare += decode
	}
	draft := r.Search().Draft
	if draft == (target.Draft{}) {
		return (usualProbes*(work+compare) + (usualProbes-100)*again) / 100
	}
	faster := pixels * encodeWork[r.Codec] / 1e6 * cmp.Or(presetWork[draft.Preset], draftWork) / 100
	return faster + compare + usualDrafted*(work+again+compare)/100
}

// What is expected of AWS: functions with the default memory of 3,008 MiB, which have 1.7 processors, each 85 % as fast as such a core; a
// start of 0.6 s; one unit in a hundred that takes twice as long, which a job has to wait for; and 18 s in which it starts, is planned,
// merges and ends. Batch needs 296 s for its first instance.
const (
	functionSpeed = 170 * 85 // in 1/10,000 of a core
	unitStart     = 600 * time.Millisecond
	slowest       = 2
	aroundUnits   = 18 * time.Second
	firstInstance = 296 * time.Second
)

// usualRate is the frame rate of a source that has none, and maxRate the highest that is counted with.
const (
	usualRate = 25
	maxRate   = 1000
)

// Expected returns about how long a job takes on AWS with segments of a length, so many at once, besides the start of instances; 0 where
// that is not known, as of previews and sound alone, or on GPUs.
func Expected(j film.Job, length time.Duration, concurrency int) time.Duration {
	whole := time.Duration(j.Source.Duration) * time.Microsecond
	if whole <= 0 || FrameWork(j) == 0 || len(j.Renditions) == 0 || j.Request.Compute.GPU || length <= 0 {
		return 0
	}
	length = min(length, whole)
	unit := unitStart + expectedWork(j, length)
	units := int64((whole + length - 1) / length)
	slots := int64(min(max(concurrency, 1), atOnce))
	rounds := (units + slots - 1) / slots
	if rounds > int64(maxExpected/unit) {
		return maxExpected
	}
	return (aroundUnits + time.Duration(rounds-1)*unit + slowest*unit).Round(time.Second)
}

// expectedWork returns about how long a function works on a segment of a length.
func expectedWork(j film.Job, length time.Duration) time.Duration {
	rate, over := int64(usualRate), int64(1)
	if r := j.Source.Video.ConstantRate; r.Known() {
		rate, over = r.Num, r.Den
		if rate/over >= maxRate { // a source may claim anything
			rate, over = maxRate, 1
		}
	}
	frames := length.Milliseconds() * rate / over // thousandths
	return time.Duration(frames*FrameWork(j)/1000*10_000/functionSpeed) * time.Microsecond
}

// maxExpected bounds what is expected of sources that claim to be endless.
const maxExpected = 1000 * time.Hour

// lengths are the lengths of segments that are selected from, the cheapest first: see the plots of docs/speed.md.
var lengths = []time.Duration{film.CheapSegment, 20 * time.Second, 15 * time.Second, film.BalancedSegment, 6 * time.Second, film.FastSegment}

// lengthInTime returns the longest length with which the job is expected to meet its deadline, and otherwise the fastest. It follows
// neither the request's concurrency nor its route, which change no bytes.
func lengthInTime(j film.Job) time.Duration {
	deadline, fastest := time.Duration(j.Request.Compute.Deadline), fastLength(j)
	for _, length := range lengths {
		if length <= fastest {
			break
		}
		if expected := Expected(j, length, atOnce); expected <= deadline {
			return length
		}
	}
	return fastest
}

// fastLength returns the length of segments with which a job is done soonest.
func fastLength(j film.Job) time.Duration {
	return max(film.FastSegment, min(time.Duration(j.Source.Duration/atOnce)*time.Microsecond, maxGoalLength))
}

const (
	// balancedWork is how long a function is expected to work at most on a segment that is longer than film.BalancedSegment. Each segment
	// costs about a second of a core: a start, and frames that the encoder sees besides its own. Ten seconds of 480 lines take five in all, but
	// those of 1080 lines 23.
	balancedWork = 12500 * time.Millisecond
	// balancedUnits is how many of such segments a film has at least, so that several cores have work.
	balancedUnits = 6
)

// balancedLength returns the longest length with which segments are neither long to wait for nor few; at least film.BalancedSegment.
func balancedLength(j film.Job) time.Duration {
	if j.Source.Video == nil || len(j.Renditions) == 0 || j.Request.Compute.GPU {
		return film.BalancedSegment
	}
	for _, r := range j.Renditions {
		// SVT-AV1 takes no longer for more segments. Where each segment finds its own CRF, shorter ones adapt better to the film.
		if r.Codec == film.AV1 || r.Quality.Target != 0 || r.Sized() {
			return film.BalancedSegment
		}
	}
	most := time.Duration(j.Source.Duration) * time.Microsecond / balancedUnits
	for _, length := range lengths {
		if length <= film.BalancedSegment {
			break
		}
		if length <= most && expectedWork(j, length) <= balancedWork {
			return length
		}
	}
	return film.BalancedSegment
}

// CheckDeadline refuses a job that is not expected to meet its deadline on AWS.
func CheckDeadline(j film.Job) error {
	deadline, length := time.Duration(j.Request.Compute.Deadline), SegmentLength(j)
	expected := Expected(j, length, j.Request.Compute.Concurrency)
	if expected > 0 && j.Request.Compute.Mode == film.Batch {
		expected += firstInstance
	}
	if deadline == 0 || expected <= deadline {
		return nil
	}
	message := fmt.Sprintf("the job is expected to take about %v on AWS, in segments of %v and %d at once; allow that, or choose a faster preset, fewer renditions, or more at once",
		expected, length, j.Request.Compute.Concurrency)
	return film.Problems{{Pointer: "/compute/deadline", Message: message}}.Err()
}
