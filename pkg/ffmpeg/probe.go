package ffmpeg

import (
	"context"
	"encoding/json"
	"maps"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/media"
)

const (
	// probeTime bounds ffprobe, also on a slow network.
	probeTime = 2 * time.Minute
	// probeBytes and probeMicros are how far ffprobe reads to learn about the streams. Larger than ffmpeg's defaults
	// (5 MB, 5 s), for streams that begin late in a transport stream; still small beside any film.
	probeBytes  = "20000000"
	probeMicros = "10000000"
	// probeOutput bounds ffprobe's answer. 10,000 chapters take 3 MB.
	probeOutput = 16 << 20
)

// Media is what a source holds. Strings come from the source: they are data, of any content.
type Media struct {
	Format   string // ffprobe's name: "mov,mp4,m4a,3gp,3g2,mj2"
	Start    int64  // microseconds; the earliest timestamp of any stream
	HasStart bool
	Duration int64 // microseconds; -1 = unknown
	Bitrate  int64 // bits a second; -1 = unknown
	Size     int64 // bytes; -1 = unknown
	Streams  []Stream
	Chapters []media.Chapter
	Tags     map[string]string // keys in lower case
}

// Stream is one stream of a source. A field that does not fit the type, or that ffprobe does not know, is zero.
type Stream struct {
	Index    int
	Type     string // "video", "audio", "subtitle", "attachment", "data"
	Codec    string // ffmpeg's name: "h264", "hevc", "aac"; "" = unknown
	Tag      string // the container's code for it: "avc1"
	Profile  string
	Level    int
	Timebase media.Rational
	StartPTS *int64 // ticks
	// DurationTS is in ticks; -1 = unknown. Many containers do not say it for each stream.
	DurationTS int64
	Frames     int64 // as the container says; -1 = unknown
	BitRate    int64 // bits a second; -1 = unknown

	Width, Height int
	SAR           media.Rational // sample aspect ratio
	PixelFormat   string
	BitDepth      int
	FieldOrder    string // "progressive", "tt", "bb", "tb", "bt"; "" = unknown
	Color         media.Color
	HDR           media.HDR
	// DolbyVision is the profile of Dolby Vision; 0 = not Dolby Vision.
	DolbyVision int
	Rotation    int            // degrees clockwise that the pictures need: 0, 90, 180 or 270; ffmpeg applies it by itself
	AverageRate media.Rational // frames a second over the whole stream
	BaseRate    media.Rational // the lowest rate of which all timestamps are multiples (ffprobe's r_frame_rate)
	BFrames     bool           // pictures are stored in another order than they are shown
	AttachedPic bool           // a cover picture, not a film

	SampleRate     int
	Channels       int
	ChannelLayout  string
	FrameSize      int // samples in each packet, where the codec has one size; 0 = unknown or varying
	InitialPadding int // samples to drop at the start, as the container says

	ExtradataSize int64
	Language      string // ISO 639; "" = not said
	Title         string
	Default       bool
	Forced        bool
	// Flags are the other dispositions that say what a stream is for, by ffmpeg's names, in the order of flags.
	Flags []string
	Tags  map[string]string // keys in lower case
}

// flags are the dispositions that containers keep beside default and forced.
var flags = []string{"hearing_impaired", "visual_impaired", "comment", "dub", "original", "captions", "descriptions"}

// Probe asks ffprobe what an input holds, within two minutes. Streams come in the order of their index.
func Probe(ctx context.Context, t Tools, in Input) (Media, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, probeTime,
		fault.New(fault.Transient, "ffprobe took more than %v", probeTime))
	defer cancel()
	media, err := probe(ctx, t, probeArgs(in), parseProbe)
	if err != nil {
		return Media{}, err
	}
	for i, s := range media.Streams {
		if !s.asksFrame() {
			continue
		}
		frame, err := probe(ctx, t, frameProbeArgs(in, s.Index), parseFrame)
		if err != nil {
			return Media{}, err
		}
		frame.complete(&media.Streams[i])
	}
	return media, nil
}

func probe[T any](ctx context.Context, t Tools, args []string, parse func([]byte) (T, error)) (T, error) {
	out := &limitedBuffer{limit: probeOutput}
	if _, err := Run(ctx, t.FFprobe, args, RunOptions{Stdout: out, Limits: probeLimits}); err != nil {
		var none T
		return none, err
	}
	return parse(out.Bytes())
}

func probeArgs(in Input) []string {
	args := []string{"-hide_banner", "-loglevel", "warning", "-probesize", probeBytes, "-analyzeduration", probeMicros}
	args = append(append(args, bounds()...), in.options()...)
	return append(args, "-print_format", "json=compact=1", "-show_format", "-show_streams", "-show_chapters", "-i", in.url())
}

// asksFrame says whether just the decoder knows what is asked of a stream: HDR10 metadata often lie in the pictures' own
// stream only, and containers and parsers of DV and MPEG-4 say nothing of fields.
func (s Stream) asksFrame() bool {
	if s.Type != "video" || s.AttachedPic {
		return false
	}
	return s.Color.Transfer == "smpte2084" && s.HDR.Mastering == nil || s.FieldOrder == "" && !slices.Contains(wholeFrames, s.Codec)
}

// wholeFrames are codecs that know no fields. (And "": of what has no codec nothing can be decoded.)
var wholeFrames = []string{"", "vp8", "vp9", "av1", "theora", "png", "gif", "webp"}

// frameProbeArgs decode the first picture of one stream for what it says of itself.
func frameProbeArgs(in Input, stream int) []string {
	args := []string{"-hide_banner", "-loglevel", "warning", "-probesize", probeBytes, "-analyzeduration", probeMicros}
	args = append(append(args, bounds()...), in.options()...)
	return append(args, "-print_format", "json=compact=1", "-select_streams", strconv.Itoa(stream),
		"-read_intervals", "%+#1", "-show_frames", "-show_entries", "frame=interlaced_frame,top_field_first,side_data_list", "-i", in.url())
}

// The answer of ffprobe, as far as it is read. Numbers that ffprobe may write as text are json.Number or string.
type (
	probeAnswer struct {
		Streams  []probeStream  `json:"streams"`
		Chapters []probeChapter `json:"chapters"`
		Format   probeFormat    `json:"format"`
	}
	probeFormat struct {
		Name      string            `json:"format_name"`
		StartTime string            `json:"start_time"`
		Duration  string            `json:"duration"`
		Size      string            `json:"size"`
		BitRate   string            `json:"bit_rate"`
		Tags      map[string]string `json:"tags"`
	}
	probeChapter struct {
		StartTime string            `json:"start_time"`
		EndTime   string            `json:"end_time"`
		Tags      map[string]string `json:"tags"`
	}
	probeStream struct {
		Index            int               `json:"index"`
		CodecName        string            `json:"codec_name"`
		CodecType        string            `json:"codec_type"`
		CodecTag         string            `json:"codec_tag_string"`
		Profile          string            `json:"profile"`
		Level            int               `json:"level"`
		TimeBase         string            `json:"time_base"`
		StartPTS         *int64            `json:"start_pts"`
		DurationTS       *int64            `json:"duration_ts"`
		Frames           string            `json:"nb_frames"`
		BitRate          string            `json:"bit_rate"`
		Width            int               `json:"width"`
		Height           int               `json:"height"`
		BFrames          int               `json:"has_b_frames"`
		SAR              string            `json:"sample_aspect_ratio"`
		PixelFormat      string            `json:"pix_fmt"`
		FieldOrder       string            `json:"field_order"`
		ColorRange       string            `json:"color_range"`
		ColorSpace       string            `json:"color_space"`
		ColorTransfer    string            `json:"color_transfer"`
		ColorPrimaries   string            `json:"color_primaries"`
		ChromaLocation   string            `json:"chroma_location"`
		BaseRate         string            `json:"r_frame_rate"`
		AverageRate      string            `json:"avg_frame_rate"`
		BitsPerRawSample string            `json:"bits_per_raw_sample"`
		SampleRate       string            `json:"sample_rate"`
		Channels         int               `json:"channels"`
		ChannelLayout    string            `json:"channel_layout"`
		InitialPadding   int               `json:"initial_padding"`
		ExtradataSize    int64             `json:"extradata_size"`
		Disposition      map[string]int    `json:"disposition"`
		Tags             map[string]string `json:"tags"`
		SideData         []probeSideData   `json:"side_data_list"`
	}
	probeSideData struct {
		Type       string      `json:"side_data_type"`
		Rotation   json.Number `json:"rotation"`
		RedX       string      `json:"red_x"`
		RedY       string      `json:"red_y"`
		GreenX     string      `json:"green_x"`
		GreenY     string      `json:"green_y"`
		BlueX      string      `json:"blue_x"`
		BlueY      string      `json:"blue_y"`
		WhiteX     string      `json:"white_point_x"`
		WhiteY     string      `json:"white_point_y"`
		Min        string      `json:"min_luminance"`
		Max        string      `json:"max_luminance"`
		MaxContent int64       `json:"max_content"`
		MaxAverage int64       `json:"max_average"`
		DVProfile  int         `json:"dv_profile"`
	}
)

// parseProbe reads the answer to probeArgs. What is not such an answer is an error of kind Corrupt.
func parseProbe(text []byte) (Media, error) {
	var answer probeAnswer
	if err := json.Unmarshal(text, &answer); err != nil {
		return Media{}, fault.Wrap(fault.Corrupt, err, "read the answer of ffprobe")
	}
	probed := Media{
		Format: answer.Format.Name, Tags: lowerKeys(answer.Format.Tags),
		Duration: microsOr(answer.Format.Duration, -1), Size: count(answer.Format.Size, -1),
		Bitrate: count(answer.Format.BitRate, -1),
	}
	probed.Start, probed.HasStart = micros(answer.Format.StartTime)
	for _, s := range answer.Streams {
		stream, err := s.stream()
		if err != nil {
			return Media{}, err
		}
		probed.Streams = append(probed.Streams, stream)
	}
	for _, c := range answer.Chapters {
		start, ok := micros(c.StartTime)
		end, ok2 := micros(c.EndTime)
		if ok && ok2 && start <= end {
			probed.Chapters = append(probed.Chapters, media.Chapter{Start: media.Ticks(start), End: media.Ticks(end), Title: lowerKeys(c.Tags)["title"]})
		}
	}
	return probed, nil
}

// firstFrame is what a stream's first picture says.
type firstFrame struct {
	hdr    media.HDR
	fields string // as Stream.FieldOrder
}

// complete adds to a stream what it did not say itself.
func (f firstFrame) complete(s *Stream) {
	if s.HDR.Mastering == nil {
		s.HDR.Mastering = f.hdr.Mastering
	}
	if s.HDR.Light == nil {
		s.HDR.Light = f.hdr.Light
	}
	if s.FieldOrder == "" {
		s.FieldOrder = f.fields
	}
}

// parseFrame reads the answer to frameProbeArgs. A stream without pictures says nothing.
func parseFrame(text []byte) (f firstFrame, err error) {
	var answer struct {
		Frames []struct {
			Interlaced int             `json:"interlaced_frame"`
			TopFirst   int             `json:"top_field_first"`
			SideData   []probeSideData `json:"side_data_list"`
		} `json:"frames"`
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return f, fault.Wrap(fault.Corrupt, err, "read the answer of ffprobe")
	}
	for _, frame := range answer.Frames {
		for _, side := range frame.SideData {
			side.addTo(&f.hdr)
		}
		switch {
		case frame.Interlaced == 0:
			f.fields = "progressive"
		case frame.TopFirst != 0:
			f.fields = "tt"
		default:
			f.fields = "bb"
		}
	}
	return f, nil
}

func (s probeStream) stream() (Stream, error) {
	if s.Index < 0 {
		return Stream{}, fault.New(fault.Corrupt, "ffprobe names a stream %d", s.Index)
	}
	stream := Stream{
		Index: s.Index, Type: s.CodecType, Codec: known(s.CodecName), Tag: s.CodecTag, Profile: known(s.Profile),
		Level: s.Level, Timebase: rational(s.TimeBase, "/"), StartPTS: s.StartPTS, DurationTS: -1,
		Frames: count(s.Frames, -1), BitRate: count(s.BitRate, -1), Width: max(s.Width, 0), Height: max(s.Height, 0),
		SAR: rational(s.SAR, ":"), PixelFormat: known(s.PixelFormat), FieldOrder: known(s.FieldOrder),
		Color: media.Color{
			Range: known(s.ColorRange), Space: known(s.ColorSpace), Transfer: known(s.ColorTransfer),
			Primaries: known(s.ColorPrimaries), ChromaLocation: known(s.ChromaLocation),
		},
		AverageRate: rational(s.AverageRate, "/"), BaseRate: rational(s.BaseRate, "/"), BFrames: s.BFrames > 0,
		AttachedPic: s.Disposition["attached_pic"] != 0, Default: s.Disposition["default"] != 0,
		Forced: s.Disposition["forced"] != 0, SampleRate: int(min(count(s.SampleRate, 0), math.MaxInt32)),
		Channels: max(s.Channels, 0), ChannelLayout: known(s.ChannelLayout), InitialPadding: max(s.InitialPadding, 0),
		ExtradataSize: max(s.ExtradataSize, 0), Tags: lowerKeys(s.Tags),
	}
	if s.DurationTS != nil && *s.DurationTS >= 0 {
		stream.DurationTS = *s.DurationTS
	}
	if stream.Language = stream.Tags["language"]; stream.Language == "und" {
		stream.Language = ""
	}
	stream.Title = stream.Tags["title"]
	for _, flag := range flags {
		if s.Disposition[flag] != 0 {
			stream.Flags = append(stream.Flags, flag)
		}
	}
	if stream.Type == "video" {
		stream.BitDepth = bitDepth(s.BitsPerRawSample, stream.PixelFormat)
	}
	if stream.Type == "audio" {
		stream.FrameSize = frameSize(stream.Codec, stream.Profile)
	}
	for _, side := range s.SideData {
		switch side.Type {
		case "Display Matrix":
			stream.Rotation = clockwise(side.Rotation)
		case "DOVI configuration record":
			stream.DolbyVision = side.DVProfile
		default:
			side.addTo(&stream.HDR)
		}
	}
	return stream, nil
}

// addTo takes HDR10 metadata. Mastering data with a part missing says nothing and is left out.
func (s probeSideData) addTo(hdr *media.HDR) {
	switch s.Type {
	case "Mastering display metadata":
		parts := []string{s.RedX, s.RedY, s.GreenX, s.GreenY, s.BlueX, s.BlueY, s.WhiteX, s.WhiteY}
		var v [8]int64
		for i, part := range parts {
			value, ok := scaled(part, 50000)
			if !ok {
				return
			}
			v[i] = value
		}
		low, ok := scaled(s.Min, 10000)
		high, ok2 := scaled(s.Max, 10000)
		if !ok || !ok2 {
			return
		}
		hdr.Mastering = &media.Mastering{
			Red: [2]int64{v[0], v[1]}, Green: [2]int64{v[2], v[3]}, Blue: [2]int64{v[4], v[5]}, White: [2]int64{v[6], v[7]},
			Max: high, Min: low,
		}
	case "Content light level metadata":
		if s.MaxContent >= 0 && s.MaxAverage >= 0 && s.MaxContent|s.MaxAverage != 0 {
			hdr.Light = &media.ContentLight{MaxCLL: s.MaxContent, MaxFALL: s.MaxAverage}
		}
	}
}

// known drops the words that mean "no answer".
func known(word string) string {
	switch word {
	case "unknown", "unspecified", "N/A", "none":
		return ""
	}
	return word
}

func lowerKeys(tags map[string]string) map[string]string {
	if len(tags) == 0 {
		return nil
	}
	lower := make(map[string]string, len(tags))
	for _, key := range slices.Sorted(maps.Keys(tags)) {
		// Where keys differ only in case, the one already in lower case counts, else the first in the alphabet.
		small := strings.ToLower(key)
		if _, taken := lower[small]; small == key || !taken {
			lower[small] = tags[key]
		}
	}
	return lower
}

// rational reads "1/12800" or "16:9". What is not positive in both parts is unknown.
func rational(text, separator string) media.Rational {
	left, right, ok := strings.Cut(text, separator)
	if !ok {
		return media.Rational{}
	}
	r := media.Rational{Num: count(left, 0), Den: count(right, 0)}
	if !r.Known() {
		return media.Rational{}
	}
	return r
}

// scaled reads "35400/50000" and returns it in units of 1/unit, rounded. Only what lies within a 32-bit field is a value.
func scaled(text string, unit int64) (int64, bool) {
	left, right, ok := strings.Cut(text, "/")
	if !ok {
		return 0, false
	}
	num, den := count(left, -1), count(right, 0)
	if num < 0 || den <= 0 {
		return 0, false
	}
	value := new(big.Int).Mul(big.NewInt(num), big.NewInt(2*unit))
	value.Add(value, big.NewInt(den))
	value.Quo(value, new(big.Int).Mul(big.NewInt(2), big.NewInt(den)))
	if !value.IsInt64() || value.Int64() > math.MaxUint32 {
		return 0, false
	}
	return value.Int64(), true
}

// maxMicros is 100,000 years: far above any media, far below where sums overflow.
const maxMicros = 100_000 * 366 * 24 * 3600 * 1_000_000

// micros reads ffprobe's seconds, "-1.000023", as microseconds, without floating point.
func micros(text string) (int64, bool) {
	digits, negative := strings.CutPrefix(text, "-")
	whole, fraction, _ := strings.Cut(digits, ".")
	s, err := strconv.ParseUint(whole, 10, 63)
	if err != nil || s > maxMicros/1_000_000 {
		return 0, false
	}
	fraction = (fraction + "000000")[:6]
	f, err := strconv.ParseUint(fraction, 10, 63)
	if err != nil {
		return 0, false
	}
	us := int64(s)*1_000_000 + int64(f)
	if negative {
		us = -us
	}
	return us, true
}

func microsOr(text string, fallback int64) int64 {
	if us, ok := micros(text); ok && us >= 0 {
		return us
	}
	return fallback
}

// clockwise turns ffprobe's angle, counted against the clock, into the quarter turns that ffmpeg will apply.
func clockwise(angle json.Number) int {
	degrees, err := angle.Float64()
	if err != nil || math.IsNaN(degrees) || math.Abs(degrees) > 360 {
		return 0
	}
	quarter := int(math.Round(-degrees/90)) % 4
	return (quarter + 4) % 4 * 90
}

// bitDepth is what the stream says, or what the name of its pixel format says ("yuv420p10le", "p010le"), else 8.
func bitDepth(stated, pixelFormat string) int {
	if n := count(stated, 0); n > 0 && n <= 16 {
		return int(n)
	}
	if pixelFormat == "" {
		return 0
	}
	name := strings.TrimSuffix(strings.TrimSuffix(pixelFormat, "le"), "be")
	for _, depth := range []int{9, 10, 12, 14, 16} {
		if number := strconv.Itoa(depth); strings.HasSuffix(name, "p"+number) || strings.HasSuffix(name, "gray"+number) ||
			name == "p0"+number || name == "p2"+number || name == "p4"+number {
			return depth
		}
	}
	return 8
}

// frameSize is the number of samples in each packet of a codec: ISO/IEC 14496-3 (AAC; twice with SBR), 11172-3 (MP3),
// ATSC A/52 (AC-3: six blocks of 256).
func frameSize(codec, profile string) int {
	switch codec {
	case "aac":
		if strings.HasPrefix(profile, "HE-AAC") {
			return 2048
		}
		return 1024
	case "mp3", "mp2":
		return 1152
	case "ac3":
		return 1536
	}
	return 0
}
