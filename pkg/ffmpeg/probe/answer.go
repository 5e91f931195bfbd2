package probe

import (
	"encoding/json"
	"maps"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/internal/option"
	"github.com/mapreel/mapreel/pkg/ffmpeg/internal/output"
	"github.com/mapreel/mapreel/pkg/media"
)

// The parts of ffprobe's answer that are used. Numbers that ffprobe may write as strings are
// json.Number or string.
type (
	probeAnswer struct {
		Program  probeVersion   `json:"program_version"`
		Programs []probeProgram `json:"programs"`
		Streams  []probeStream  `json:"streams"`
		Chapters []probeChapter `json:"chapters"`
		Format   probeFormat    `json:"format"`
	}
	probeVersion struct {
		Version string `json:"version"`
	}
	probeFormat struct {
		Name      string            `json:"format_name"`
		StartTime string            `json:"start_time"`
		Duration  string            `json:"duration"`
		Size      string            `json:"size"`
		Tags      map[string]string `json:"tags"`
	}
	probeProgram struct {
		Number  int               `json:"program_num"`
		Tags    map[string]string `json:"tags"`
		Streams []struct {
			Index int `json:"index"`
		} `json:"streams"`
	}
	probeChapter struct {
		StartTime string            `json:"start_time"`
		EndTime   string            `json:"end_time"`
		Tags      map[string]string `json:"tags"`
	}
	probeStream struct {
		Index            int               `json:"index"`
		ID               string            `json:"id"`
		Reordered        int               `json:"has_b_frames"`
		CodecName        string            `json:"codec_name"`
		CodecType        string            `json:"codec_type"`
		CodecTag         string            `json:"codec_tag_string"`
		Profile          string            `json:"profile"`
		TimeBase         string            `json:"time_base"`
		StartPTS         *int64            `json:"start_pts"`
		DurationTS       *int64            `json:"duration_ts"`
		Frames           string            `json:"nb_frames"`
		BitRate          string            `json:"bit_rate"`
		Width            int               `json:"width"`
		Height           int               `json:"height"`
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

// parseStreams parses the answer to streamArgs. A malformed answer is an error of kind Corrupt, one of
// an ffprobe that is too old an error of kind Unsupported.
func parseStreams(text []byte) (Media, error) {
	var answer probeAnswer
	if err := json.Unmarshal(text, &answer); err != nil {
		return Media{}, fault.Wrap(fault.Corrupt, err, "parse the answer of ffprobe")
	}
	if err := ffmpeg.CheckVersion("ffprobe", answer.Program.Version); err != nil {
		return Media{}, err
	}
	probed := Media{
		Format: answer.Format.Name, Tags: lowerKeys(answer.Format.Tags),
		Duration: microsOr(answer.Format.Duration, -1), Size: output.Count(answer.Format.Size, -1),
	}
	probed.Start, probed.HasStart = output.Micros(answer.Format.StartTime)
	for _, s := range answer.Streams {
		stream, err := s.stream()
		if err != nil {
			return Media{}, err
		}
		probed.Streams = append(probed.Streams, stream)
	}
	for _, p := range answer.Programs {
		program := Program{Number: p.Number, Name: lowerKeys(p.Tags)["service_name"]}
		for _, s := range p.Streams {
			program.Streams = append(program.Streams, s.Index)
		}
		probed.Programs = append(probed.Programs, program)
	}
	for _, c := range answer.Chapters {
		start, ok := output.Micros(c.StartTime)
		end, ok2 := output.Micros(c.EndTime)
		if ok && ok2 && start <= end {
			probed.Chapters = append(probed.Chapters, media.Chapter{Start: media.Ticks(start), End: media.Ticks(end), Title: lowerKeys(c.Tags)["title"]})
		}
	}
	return probed, nil
}

// firstFrame is the metadata of a stream's first frame.
type firstFrame struct {
	hdr    media.HDR
	fields string // as Stream.FieldOrder
}

// complete adds what the stream itself did not declare.
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

// parseFrame parses the first frame of the answer to frameArgs. For a stream without frames the result is zero.
func parseFrame(text []byte) (f firstFrame, err error) {
	var answer struct {
		Frames []struct {
			Interlaced int             `json:"interlaced_frame"`
			TopFirst   int             `json:"top_field_first"`
			SideData   []probeSideData `json:"side_data_list"`
		} `json:"frames"`
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return f, fault.Wrap(fault.Corrupt, err, "parse the answer of ffprobe")
	}
	for _, frame := range answer.Frames[:min(1, len(answer.Frames))] {
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

// stream converts s to a Stream.
func (s probeStream) stream() (Stream, error) {
	if s.Index < 0 {
		return Stream{}, fault.New(fault.Corrupt, "ffprobe names a stream %d", s.Index)
	}
	stream := Stream{
		Index: s.Index, Type: s.CodecType, Codec: known(s.CodecName), Tag: s.CodecTag,
		Reordered: s.Reordered, Timebase: output.Rational(s.TimeBase, "/"), StartPTS: s.StartPTS, DurationTS: -1,
		Frames: output.Count(s.Frames, -1), BitRate: output.Count(s.BitRate, -1), Width: max(s.Width, 0), Height: max(s.Height, 0),
		SAR: output.Rational(s.SAR, ":"), PixelFormat: known(s.PixelFormat), FieldOrder: known(s.FieldOrder),
		Color: media.Color{
			Range: known(s.ColorRange), Space: known(s.ColorSpace), Transfer: known(s.ColorTransfer),
			Primaries: known(s.ColorPrimaries), ChromaLocation: known(s.ChromaLocation),
		},
		AverageRate: output.Rational(s.AverageRate, "/"), BaseRate: output.Rational(s.BaseRate, "/"),
		AttachedPic: s.Disposition["attached_pic"] != 0, Default: s.Disposition["default"] != 0,
		Forced: s.Disposition["forced"] != 0, SampleRate: int(min(output.Count(s.SampleRate, 0), math.MaxInt32)),
		Channels: max(s.Channels, 0), ChannelLayout: known(s.ChannelLayout), Tags: lowerKeys(s.Tags),
	}
	if id, err := strconv.ParseInt(s.ID, 0, 32); err == nil && id > 0 {
		stream.ID = int(id)
	}
	if s.DurationTS != nil && *s.DurationTS >= 0 {
		stream.DurationTS = *s.DurationTS
	}
	if stream.Language = stream.Tags["language"]; stream.Language == "und" {
		stream.Language = ""
	}
	stream.Title = stream.Tags["title"]
	for _, flag := range option.Dispositions {
		if s.Disposition[flag] != 0 {
			stream.Flags = append(stream.Flags, flag)
		}
	}
	if stream.Type == "video" {
		stream.BitDepth = bitDepth(s.BitsPerRawSample, stream.PixelFormat)
	}
	if stream.Type == "audio" {
		stream.FrameSize = frameSize(stream.Codec, s.Profile)
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

// addTo sets hdr from HDR10 metadata. It ignores mastering metadata that lacks a part.
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

// known returns word, or "" for the words that mean "unknown".
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
		// Of keys that differ only in case, the one in lower case wins, else the first in the
		// alphabet.
		folded := strings.ToLower(key)
		if _, exists := lower[folded]; folded == key || !exists {
			lower[folded] = tags[key]
		}
	}
	return lower
}

// scaled parses "35400/50000" and returns it in units of 1/unit, rounded. ok is false unless the
// result fits 32 bits.
func scaled(text string, unit int64) (n int64, ok bool) {
	left, right, ok := strings.Cut(text, "/")
	if !ok {
		return 0, false
	}
	num, den := output.Count(left, -1), output.Count(right, 0)
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

// clockwise converts ffprobe's counter-clockwise angle to the clockwise rotation that ffmpeg
// applies, in quarter turns.
func clockwise(angle json.Number) int {
	degrees, err := angle.Float64()
	if err != nil || math.IsNaN(degrees) || math.Abs(degrees) > 360 {
		return 0
	}
	quarter := int(math.Round(-degrees/90)) % 4
	return (quarter + 4) % 4 * 90
}

// bitDepth returns the bit depth that the stream declares or that its pixel format's name contains
// ("yuv420p10le", "p010le", "rgb48be"), else 8. It is 0 if both are unknown.
func bitDepth(declared, pixelFormat string) int {
	if n := output.Count(declared, 0); n > 0 && n <= 16 {
		return int(n)
	}
	if pixelFormat == "" {
		return 0
	}
	name := strings.TrimSuffix(strings.TrimSuffix(pixelFormat, "le"), "be")
	switch name { // packed: the number counts the bits of all samples of a pixel
	case "rgb48", "bgr48", "rgba64", "bgra64", "ya16":
		return 16
	}
	for _, depth := range []int{9, 10, 12, 14, 16} {
		if number := strconv.Itoa(depth); strings.HasSuffix(name, "p"+number) || strings.HasSuffix(name, "gray"+number) ||
			name == "p0"+number || name == "p2"+number || name == "p4"+number {
			return depth
		}
	}
	return 8
}

// frameSize returns the number of samples in each packet of a codec, or 0 if it is unknown or
// varies: ISO/IEC 14496-3 (AAC; twice as many with SBR), 11172-3 (MP3), ATSC A/52 (AC-3: six blocks
// of 256).
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

// microsOr parses seconds as microseconds; fallback replaces what is unknown or negative.
func microsOr(text string, fallback int64) int64 {
	if us, ok := output.Micros(text); ok && us >= 0 {
		return us
	}
	return fallback
}
