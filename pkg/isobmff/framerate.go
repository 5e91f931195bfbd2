package isobmff

import (
	"bytes"
	"encoding/binary"
	"math"
	"slices"

	"github.com/mapreel/mapreel/pkg/isobmff/internal/box"
	"github.com/mapreel/mapreel/pkg/media"
)

// WithFrameRate returns a sample entry of H.264 or H.265 whose sequence parameter sets declare a frame
// rate, or none if rate is not known. x264 declares the container's timescale there: 1000 frames a
// second for frames that are timed in milliseconds. x265 declares the rate that it gets for its rate
// control, also of a variable rate. Frames keep the container's times in any case. Entries of other
// codecs, and parameter sets without video usability information or with parts that x264 and x265 do
// not write, stay as they are.
func WithFrameRate(entry []byte, rate media.Rational) []byte {
	child, rewrite := "", avcWithFrameRate
	switch (Track{Entry: entry}).Codec() {
	case "avc1", "avc3":
		child = "avcC"
	case "hvc1", "hev1":
		child, rewrite = "hvcC", hevcWithFrameRate
	}
	from, to, ok := findChild(entry, visualEntry, child)
	if !ok {
		return entry
	}
	config, ok := rewrite(entry[from+8:to], rate)
	if !ok {
		return entry
	}
	content := box.Append(bytes.Clone(entry[8:from]), child, config)
	return box.Append(nil, string(entry[4:8]), append(content, entry[to:]...))
}

// avcWithFrameRate rewrites an AVCDecoderConfigurationRecord (ISO/IEC 14496-15, 5.3.3.1).
func avcWithFrameRate(config []byte, rate media.Rational) ([]byte, bool) {
	const head = 6 // before the first parameter set
	if len(config) < head {
		return nil, false
	}
	sets, rest, ok := replaceUnits(config[head:], int(config[head-1]&0x1f), func(nal []byte) ([]byte, bool) { return withTiming(nal, rate, false) })
	return slices.Concat(config[:head], sets, rest), ok
}

// hevcWithFrameRate rewrites an HEVCDecoderConfigurationRecord (ISO/IEC 14496-15, 8.3.3.1).
func hevcWithFrameRate(config []byte, rate media.Rational) ([]byte, bool) {
	const head = 23 // before the first array of NAL units
	if len(config) < head {
		return nil, false
	}
	out, rest := bytes.Clone(config[:head]), config[head:]
	for range config[head-1] {
		if len(rest) < 3 {
			return nil, false
		}
		kind := rest[0] & 0x3f
		units, after, ok := replaceUnits(rest[3:], int(binary.BigEndian.Uint16(rest[1:])), func(nal []byte) ([]byte, bool) {
			if kind != 33 { // not a sequence parameter set
				return nal, true
			}
			return withTiming(nal, rate, true)
		})
		if !ok {
			return nil, false
		}
		out, rest = append(append(out, rest[:3]...), units...), after
	}
	return append(out, rest...), true
}

// replaceUnits replaces n NAL units, each of which follows its length in two bytes. It also returns
// what follows them.
func replaceUnits(data []byte, n int, replace func([]byte) ([]byte, bool)) (out, rest []byte, ok bool) {
	for range n {
		if len(data) < 2 {
			return nil, nil, false
		}
		length := 2 + int(binary.BigEndian.Uint16(data))
		if len(data) < length {
			return nil, nil, false
		}
		nal, ok := replace(data[2:length])
		if !ok || len(nal) > math.MaxUint16 {
			return nil, nil, false
		}
		out = append(binary.BigEndian.AppendUint16(out, uint16(len(nal))), nal...)
		data = data[length:]
	}
	return out, data, true
}

// withTiming rewrites a sequence parameter set. A tick is the duration of a frame in H.265, and that of
// a field in H.264, half as long (ISO/IEC 14496-10, E.2.1). It is not declared that all frames are one
// duration apart: the container may round their times, and a source may leave frames out.
func withTiming(nal []byte, rate media.Rational, hevc bool) ([]byte, bool) {
	r := &bitReader{data: bytes.ReplaceAll(nal, []byte{0, 0, 3}, []byte{0, 0})}
	find, fields := r.toTiming, int64(2)
	if hevc {
		find, fields = r.toHEVCTiming, 1
	}
	if !find() {
		return nil, false
	}
	w := &bitWriter{}
	w.copy(r.data, 0, r.at)
	if rate.Known() && rate.Num <= math.MaxUint32/2 && rate.Den <= math.MaxUint32 {
		w.write(1, 1)
		w.write(uint64(rate.Den), 32)
		w.write(uint64(fields*rate.Num), 32)
		w.write(0, 1) // fixed_frame_rate_flag, vui_poc_proportional_to_timing_flag
		if hevc {
			w.write(0, 1) // vui_hrd_parameters_present_flag
		}
	} else {
		w.write(0, 1)
	}
	if r.read(1) == 1 {
		r.at += 64
		if flag := r.read(1); hevc && (flag == 1 || r.read(1) == 1) {
			return nil, false
		}
	}
	end := len(r.data)*8 - 1 // of the payload: the last bit that is set ends it
	for end >= 0 && bit(r.data, end) == 0 {
		end--
	}
	if r.at > end {
		return nil, false
	}
	w.copy(r.data, r.at, end+1)
	return escape(w.data), true
}

// toHEVCTiming reads a sequence parameter set of H.265 (ISO/IEC 23008-2, 7.3.2.2.1 and E.2.1) up to its
// vui_timing_info_present_flag. It returns false if the set has none or ends before, and for what x265
// does not write there: sub-layers, scaling lists, PCM, reference picture sets.
func (r *bitReader) toHEVCTiming() bool {
	r.read(16 + 4)
	if r.read(3) != 0 { // sps_max_sub_layers_minus1
		return false
	}
	r.read(1 + 96) // the flag, profile_tier_level
	r.golomb()
	if r.golomb() == 3 { // 4:4:4
		r.read(1)
	}
	r.golomb()
	r.golomb()
	if r.read(1) == 1 { // conformance_window_flag
		r.golombs(4)
	}
	r.golombs(3)
	r.read(1)
	r.golombs(3 + 6)
	if r.read(1) == 1 { // scaling_list_enabled_flag
		return false
	}
	r.read(2)
	if r.read(1) == 1 || r.golomb() != 0 || r.read(1) == 1 { // pcm_enabled_flag, num_short_term_ref_pic_sets, long_term_ref_pics_present_flag
		return false
	}
	r.read(2)
	if r.read(1) == 0 { // vui_parameters_present_flag
		return false
	}
	r.toChromaLocation()
	r.read(3)
	if r.read(1) == 1 { // default_display_window_flag
		r.golombs(4)
	}
	return !r.ended()
}

// toTiming reads a sequence parameter set of H.264 (ISO/IEC 14496-10, 7.3.2.1.1 and E.1.1) up to its
// timing_info_present_flag. It returns false if the set has none or ends before.
func (r *bitReader) toTiming() bool {
	if r.read(8)&0x1f != 7 {
		return false
	}
	profile := r.read(8)
	r.read(16)
	r.golomb()
	switch profile {
	case 100, 110, 122, 244, 44, 83, 86, 118, 128, 138, 139, 134, 135:
		lists := 8
		if r.golomb() == 3 { // 4:4:4
			r.read(1)
			lists = 12
		}
		r.golomb()
		r.golomb()
		r.read(1)
		if r.read(1) == 1 {
			for i := range lists {
				r.scalingList(i)
			}
		}
	}
	r.golomb()
	switch r.golomb() { // pic_order_cnt_type
	case 0:
		r.golomb()
	case 1:
		r.read(1)
		r.golomb()
		r.golomb()
		for n := r.golomb(); n > 0 && !r.ended(); n-- {
			r.golomb()
		}
	}
	r.golomb()
	r.read(1)
	r.golomb()
	r.golomb()
	if r.read(1) == 0 { // frame_mbs_only_flag
		r.read(1)
	}
	r.read(1)
	if r.read(1) == 1 { // frame_cropping_flag
		r.golombs(4)
	}
	if r.read(1) == 0 { // vui_parameters_present_flag
		return false
	}
	r.toChromaLocation()
	return !r.ended()
}

// toChromaLocation reads the first part of the video usability information, which H.264 and H.265 have in
// common, up to chroma_sample_loc_type_bottom_field.
func (r *bitReader) toChromaLocation() {
	if r.read(1) == 1 && r.read(8) == 255 { // aspect_ratio_idc: Extended_SAR
		r.read(32)
	}
	if r.read(1) == 1 { // overscan_info_present_flag
		r.read(1)
	}
	if r.read(1) == 1 { // video_signal_type_present_flag
		r.read(4)
		if r.read(1) == 1 { // colour_description_present_flag
			r.read(24)
		}
	}
	if r.read(1) == 1 { // chroma_loc_info_present_flag
		r.golombs(2)
	}
}

// scalingList reads the flag of a scaling list and the list (7.3.2.1.1.1).
func (r *bitReader) scalingList(i int) {
	if r.read(1) == 0 {
		return
	}
	size, last := 16, int64(8)
	if i >= 6 {
		size = 64
	}
	for range size {
		k := int64(r.golomb()) // a signed one: 0, 1, -1, 2, -2, …
		delta := (k + 1) / 2
		if k%2 == 0 {
			delta = -delta
		}
		if last = (last + delta) & 255; last == 0 {
			return
		}
	}
}

// bitReader reads bits, and zeros after the end.
type bitReader struct {
	data []byte
	at   int
}

func bit(data []byte, at int) byte { return data[at/8] >> (7 - at%8) & 1 }

func (r *bitReader) ended() bool { return r.at >= len(r.data)*8 }

func (r *bitReader) read(n int) (value uint64) {
	for range n {
		value <<= 1
		if !r.ended() {
			value |= uint64(bit(r.data, r.at))
		}
		r.at++
	}
	return value
}

// golomb reads an unsigned Exp-Golomb code (9.1), with at most 32 leading zeros.
func (r *bitReader) golomb() uint64 {
	zeros := 0
	for zeros < 32 && !r.ended() && r.read(1) == 0 {
		zeros++
	}
	return 1<<zeros - 1 + r.read(zeros)
}

// golombs reads n codes.
func (r *bitReader) golombs(n int) {
	for range n {
		r.golomb()
	}
}

// bitWriter appends bits.
type bitWriter struct {
	data []byte
	at   int
}

func (w *bitWriter) write(value uint64, n int) {
	for i := n - 1; i >= 0; i-- {
		if w.at%8 == 0 {
			w.data = append(w.data, 0)
		}
		w.data[w.at/8] |= byte(value>>i&1) << (7 - w.at%8)
		w.at++
	}
}

func (w *bitWriter) copy(data []byte, from, to int) {
	for i := from; i < to; i++ {
		w.write(uint64(bit(data, i)), 1)
	}
}

// escape inserts the bytes that keep start codes out of a NAL unit (7.4.1).
func escape(rbsp []byte) (nal []byte) {
	zeros := 0
	for _, b := range rbsp {
		if zeros >= 2 && b <= 3 {
			nal, zeros = append(nal, 3), 0
		}
		if nal = append(nal, b); b == 0 {
			zeros++
		} else {
			zeros = 0
		}
	}
	return nal
}
