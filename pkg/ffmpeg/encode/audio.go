package encode

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/internal/option"
)

// Audio is one audio stream, or a part of it, to copy or encode to a file.
type Audio struct {
	Input  ffmpeg.Input
	Stream int // index of the stream in the input

	Codec string // "copy", "aac" or "opus"
	// SourceCodec is the stream's own codec. A copy of "aac" loses the ADTS headers that it has in
	// MPEG-TS; packets without them are unchanged.
	SourceCodec string
	Bitrate     int // bits a second; 0 = the encoder's default
	Channels    int // 0 = the source's
	// Layout is the channel layout to encode, by ffmpeg's name; "" = the nearest to the source's of
	// the codec's own configurations.
	Layout     string
	SampleRate int // Hz; 0 = the source's, or 48000 for Opus, which has no other

	// Seek is where reading starts, in microseconds of the source; nil = its start. It must be at
	// least a second before Start, because a decoder needs some packets before its samples are
	// right. Samples before Start are dropped.
	Seek *int64
	// Start and End select the samples Start ≤ n < End, counted at SampleRate (which must then be
	// set) from the source's time 0; nil = open. Not for "copy".
	Start, End *int64
	// First is the source sample at which resampling begins, counted at the source's rate from its
	// time 0; nil = the first one read. A resampler puts its first output sample on its first input
	// sample. So a part's samples equal those of a single pass only if First is a whole number of
	// the resampler's periods after the track's first sample.
	First *int64
	// Grid is the position of the track's first sample, counted as First is. It is for sources
	// whose packets all have the same number of samples but whose clock is coarser than a sample
	// (Matroska's milliseconds). The first frame after a seek is then moved to its position counted
	// from the track's start, unless it is further from there than the clock's rounding explains:
	// the source has lost samples. nil = the clock is exact.
	Grid *int64
	// Gain amplifies the samples, in hundredths of a decibel. Samples are floating-point numbers then, which are never clipped; nil = they
	// are left as they are.
	Gain *int64
	// Measure makes ffmpeg write no file, and what LoudnessLog reads to descriptor 3 (RunOptions.Pipe). The samples are those that Gain
	// amplifies.
	Measure bool
	// PCM asks for the samples themselves, in addition to the encoded form.
	PCM *PCMRange

	// From and To select the packets of a copy to Matroska that begin in From ≤ t < To, in milliseconds, its ticks; nil = open. Until is
	// where reading ends, in microseconds.
	From, To, Until *int64

	Threads int    // less than 1 counts as 1
	Muxer   string // "mp4" (fragmented, ffmpeg.Offset seconds late) or "matroska"
	Path    string // of the audio part
}

// PCMRange makes ffmpeg write the samples Start ≤ n < End, counted as in Audio, to descriptor 3
// (RunOptions.Pipe): little-endian, 16 bits, the Channels of each sample interleaved.
type PCMRange struct {
	Start, End int64
	Channels   int
}

// audioFragment is the duration of a fragment of an audio part, in microseconds: long enough that
// boxes are small compared with the media, short enough that the muxer buffers little.
const audioFragment = 5_000_000

// AudioEncoder returns ffmpeg's encoder for "aac" or "opus"; ok is false for anything else,
// including "copy".
func AudioEncoder(codec string) (name string, ok bool) {
	name, ok = map[string]string{"aac": "aac", "opus": "libopus"}[codec]
	return name, ok
}

// AudioArgs returns the arguments of ffmpeg that make a. The timestamps are the source's plus
// ffmpeg.Offset seconds, which keeps the priming packet of AAC, before time 0. Standard output
// carries the progress.
func AudioArgs(a Audio) []string {
	threads := strconv.Itoa(max(a.Threads, 1))
	args := append(option.Progress(), a.Input.TimestampOptions()...)
	if a.Seek != nil && *a.Seek > 0 {
		args = append(args, "-noaccurate_seek", "-seek_timestamp", "1", "-ss", option.Seconds(*a.Seek+int64(a.Input.TimestampOffset)*1_000_000))
	}
	args = append(append(args, ffmpeg.AllocationLimits()...), "-threads", threads)
	args = append(args, a.Input.Options()...)
	args = append(args, "-i", a.Input.URL(), "-map", fmt.Sprintf("0:%d", a.Stream),
		"-map_metadata", "-1", "-map_chapters", "-1", "-vn", "-sn", "-dn")
	if a.Measure {
		args = append(args, "-af", a.filters(a.rate(), a.Start, a.End)+","+measuring, "-f", "null", "-")
		return append(args, a.Input.ClockOutput()...)
	}
	args = append(args, a.codecOptions()...)
	args = append(args, "-fflags", "+bitexact", "-flags:a", "+bitexact", "-avoid_negative_ts", "disabled",
		"-output_ts_offset", a.offset())
	if a.Muxer == "mp4" {
		// delay_moov: the muxer takes the sample description of AC-3 and similar codecs from the
		// first packets.
		args = append(args, "-use_editlist", "0", "-movflags", "delay_moov+default_base_moof+frag_discont",
			"-frag_duration", strconv.Itoa(audioFragment))
	}
	args = append(args, "-f", option.Name(a.Muxer), option.FileURL(a.Path))
	if l := a.PCM; l != nil {
		args = append(args, "-map", fmt.Sprintf("0:%d", a.Stream), "-map_metadata", "-1", "-map_chapters", "-1",
			"-af", a.filters(a.rate(), &l.Start, &l.End), "-c:a", "pcm_s16le", "-ac", strconv.Itoa(l.Channels), "-f", "s16le", "pipe:3")
	}
	return append(args, a.Input.ClockOutput()...)
}

// SamplesArgs returns the arguments of ffmpeg that decode the samples Start ≤ n < End of a, which are set as SampleRate and Layout are.
// Descriptor 3 gets them as 32-bit floating-point numbers, beginning with the first that the source has.
func SamplesArgs(a Audio) []string { return samplesArgs(a, "-f", "f32le", "pipe:3") }

// FirstSampleArgs returns the arguments of ffmpeg that decode the first of those samples. Descriptor 3 gets a PacketLog, whose only time
// is the number of that sample. It has none where the source has no such samples.
func FirstSampleArgs(a Audio) []string {
	return samplesArgs(a, "-frames:a", "1", "-f", "framecrc", "pipe:3")
}

func samplesArgs(a Audio, output ...string) []string {
	a.Measure = true // floating-point numbers, whatever the source has
	args := append(option.Progress(), a.Input.TimestampOptions()...)
	args = append(append(args, ffmpeg.AllocationLimits()...), "-threads", strconv.Itoa(max(a.Threads, 1)))
	args = append(args, a.Input.Options()...)
	args = append(args, "-i", a.Input.URL(), "-map", fmt.Sprintf("0:%d", a.Stream), "-map_metadata", "-1", "-map_chapters", "-1", "-vn", "-sn", "-dn",
		"-af", a.filters(a.rate(), a.Start, a.End), "-c:a", "pcm_f32le", "-avoid_negative_ts", "disabled")
	return append(args, output...)
}

// offset returns the value of -output_ts_offset. Filters restore what ffmpeg subtracts from a clock
// that jumps; a copy has no filters.
func (a Audio) offset() string {
	if a.Codec == "copy" {
		return a.Input.OutputOffset()
	}
	return strconv.Itoa(ffmpeg.Offset)
}

// rate returns the requested sample rate; 0 = the source's.
func (a Audio) rate() int {
	if a.SampleRate == 0 && a.Codec == "opus" {
		return 48000
	}
	return a.SampleRate
}

func (a Audio) codecOptions() []string {
	if a.Codec == "copy" {
		// FLAC in MP4 is a standard by now; ffmpeg before 6.0 still calls it experimental.
		args := []string{"-c:a", "copy", "-copytb", "1", "-strict", "experimental"}
		if a.Until != nil {
			args = append(args, "-to", option.Seconds(*a.Until))
		}
		if list := a.packetFilters(); len(list) > 0 {
			args = append(args, "-bsf:a", strings.Join(list, ","))
		}
		return args
	}
	encoder, ok := AudioEncoder(a.Codec)
	if !ok {
		encoder = option.Name(a.Codec) // ffmpeg rejects it with a clear message
	}
	args := []string{"-af", a.filters(a.rate(), a.Start, a.End), "-c:a", encoder}
	if a.Bitrate > 0 {
		args = append(args, "-b:a", strconv.Itoa(a.Bitrate))
	}
	if a.Channels > 0 {
		args = append(args, "-ac", strconv.Itoa(a.Channels))
	}
	return args
}

// packetFilters returns the bitstream filters of a copy.
func (a Audio) packetFilters() (list []string) {
	var outside []string
	if a.From != nil { // the filter's own timebase is not that of the packets, which the muxer has set
		outside = append(outside, fmt.Sprintf("lt(pts,%d)", *a.From))
	}
	if a.To != nil {
		outside = append(outside, fmt.Sprintf("gte(pts,%d)", *a.To))
	}
	if len(outside) > 0 {
		list = append(list, "noise=drop='"+strings.Join(outside, "+")+"'")
	}
	if a.SourceCodec == "aac" {
		list = append(list, "aac_adtstoasc")
	}
	return list
}

// encoderLayouts are the channel layouts of each codec's own configurations (ISO/IEC 14496-3, table
// 1.19; RFC 7845, 5.1.1.2). Others, such as AC-3's 5.1(side), are converted to the nearest: libopus
// refuses them, and AAC would have to describe them in a way that many players ignore. ffmpeg's
// encoder and decoder take configuration 7 of AAC for 7.1, not for 7.1(wide).
var encoderLayouts = map[string]string{
	"aac":  "mono|stereo|3.0|4.0|5.0|5.1|7.1",
	"opus": "mono|stereo|3.0|quad|5.0|5.1|6.1|7.1",
}

// channelLayout matches ffmpeg's names of channel layouts: "5.1(side)". None of its characters has a
// meaning in a filter graph.
var channelLayout = regexp.MustCompile(`^[a-z0-9.]+(\([a-z-]+\))?$`)

// gridSlack is by how many seconds rounding may move a timestamp. A Matroska tick is a millisecond;
// the muxer rounds once, and once more if a delay is subtracted.
const gridSlack = 0.0015

// maxDrift is by how many seconds audio may differ from its timestamps before silence or a cut
// corrects it: as much as goes unnoticed against the picture, and more than the jitter of
// timestamps in whole milliseconds. With aresample's default of 0.1, each codec frame that a
// broadcast loses would move everything after it by up to 0.032 s.
const maxDrift = 0.005

// filters returns the filters that resample, fill gaps in the source with silence and cut overlaps,
// so that sample n of the output is at time n of the source, and select the samples from start to
// end.
func (a Audio) filters(rate int, start, end *int64) string {
	var chain []string
	if j := a.Input.Jumps; j != nil {
		chain = append(chain, fmt.Sprintf("asetpts=PTS+round(%d/1000000/TB)", j.Start))
	}
	if a.Grid != nil {
		chain = append(chain, fmt.Sprintf(
			`asetpts=st(0\,%d+NB_SAMPLES*round((PTS-%[1]d)/NB_SAMPLES))+if(lte(abs(PTS-ld(0))\,%g*SAMPLE_RATE)\,0\,PTS-ld(0))`, *a.Grid, gridSlack))
	}
	if a.First != nil {
		chain = append(chain, fmt.Sprintf("atrim=start_pts=%d", *a.First))
	}
	resample := "aresample="
	if rate > 0 {
		resample += strconv.Itoa(rate) + ":"
	}
	chain = append(chain, resample+fmt.Sprintf("async=1:min_hard_comp=%g", maxDrift))
	format := "aformat="
	if a.Gain != nil || a.Measure {
		format += "sample_fmts=fltp:" // the mix of channels is the same then, whichever format the source and the encoder have
	}
	if channelLayout.MatchString(a.Layout) {
		chain = append(chain, format+"channel_layouts="+a.Layout)
	} else if layouts := encoderLayouts[a.Codec]; layouts != "" {
		chain = append(chain, format+"channel_layouts="+layouts)
	}
	if a.Gain != nil {
		chain = append(chain, fmt.Sprintf("volume=volume=%.2fdB:precision=float", float64(*a.Gain)/100))
	}
	if start != nil || end != nil {
		chain = append(chain, "atrim="+ptsRange(start, end))
	}
	return strings.Join(chain, ",")
}
