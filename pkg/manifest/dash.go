package manifest

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/Eyevinn/dash-mpd/mpd"

	"github.com/mapreel/mapreel/pkg/fault"
)

// Scheme identifiers in an MPD.
const (
	roleScheme       = "urn:mpeg:dash:role:2011"
	primaries        = "urn:mpeg:mpegB:cicp:ColourPrimaries"
	transfer         = "urn:mpeg:mpegB:cicp:TransferCharacteristics"
	matrix           = "urn:mpeg:mpegB:cicp:MatrixCoefficients"
	channelsScheme   = "urn:mpeg:mpegB:cicp:ChannelConfiguration"
	anyChannels      = "urn:mpeg:dash:23003:3:audio_channel_configuration:2011"
	accessibility    = "urn:tva:metadata:cs:AudioPurposeCS:2007"
	protectionScheme = "urn:mpeg:dash:mp4protection:2011"
	trickMode        = "http://dashif.org/guidelines/trickmode"
	dolbyChannels    = "tag:dolby.com,2014:dash:audio_channel_configuration:2011"
	dolbyObjects     = "tag:dolby.com,2018:dash:EC3_ExtensionType:2018"
	dolbyComplexity  = "tag:dolby.com,2018:dash:EC3_ExtensionComplexityIndex:2018"
)

// DASH returns a static MPD of the package, for the given path. A rendition that is one file gets a
// SegmentBase, which refers players to the sidx in the file. A rendition with one file a segment
// gets a SegmentTemplate with a SegmentTimeline.
func DASH(p Package, path string) (string, error) {
	if err := p.check(); err != nil {
		return "", err
	}
	if err := checkPath(path); err != nil {
		return "", err
	}
	m := mpd.NewMPD(mpd.STATIC_TYPE)
	m.Profiles = mpd.PROFILE_LIVE
	for r := range p.all {
		_, _, named := template(path, r)
		switch {
		case r.Index.Part:
			m.Profiles = mpd.PROFILE_ONDEMAND
		case !named:
			return "", fault.New(fault.Internal, "package: the segments of %s are neither numbered from 1 nor indexed", r.Name)
		}
	}
	m.MediaPresentationDuration = milliseconds(p.length())
	m.MinBufferTime = mpd.Seconds2DurPtr(2 * int(p.target()))
	m.MaxSegmentDuration = milliseconds(p.longest())
	if p.Title != "" {
		m.ProgramInformation = []*mpd.ProgramInformationType{{Title: p.Title}}
	}
	period := mpd.NewPeriod()
	period.Id = "0"
	start := mpd.Duration(0)
	period.Start = &start
	m.AppendPeriod(period)
	id := uint32(0)
	add := func(set *mpd.AdaptationSetType) {
		number := id
		set.Id = &number
		id++
		period.AppendAdaptationSet(set)
	}
	main := videoSets(p.Video)
	for _, rungs := range main {
		add(p.videoSet(rungs, path))
	}
	for _, renditions := range p.audioSets() {
		add(p.audioSet(renditions, path))
	}
	for _, s := range p.Subtitles {
		add(subtitleSet(s, p, path))
	}
	for _, rungs := range videoSets(p.TrickPlay) { // last: players without trick play may take the first set of each kind
		if set := p.trickPlaySet(rungs, main, path); set != nil {
			add(set)
		}
	}
	for _, t := range p.Thumbnails {
		set, err := thumbnailSet(t, path)
		if err != nil {
			return "", err
		}
		add(set)
	}
	return m.WriteToString("  ", true)
}

// videoSets divides the ladder into adaptation sets. A player may switch freely between the members
// of a set, so they share codec, dynamic range and colour.
func videoSets(renditions []Video) [][]Video {
	var out [][]Video
	for _, v := range renditions {
		i := slices.IndexFunc(out, func(set []Video) bool { return set[0].switchable(v) })
		if i < 0 {
			out = append(out, []Video{v})
			continue
		}
		out[i] = append(out[i], v)
	}
	return out
}

// switchable reports whether a player may switch between two renditions: whether they share codec,
// dynamic range and colour.
func (v Video) switchable(o Video) bool {
	codec, _, _ := strings.Cut(v.Codecs, ".")
	other, _, _ := strings.Cut(o.Codecs, ".")
	return other == codec && v.dynamicRange() == o.dynamicRange() && v.Colour == o.Colour
}

func (p Package) videoSet(rungs []Video, path string) *mpd.AdaptationSetType {
	set := mpd.NewAdaptationSet()
	set.ContentType, set.MimeType = "video", mpd.MIME_TYPE_VIDEO_MP4
	first := rungs[0]
	align(set, first.Rendition)
	protected(set, first.Rendition)
	set.Par = first.pictureAspect()
	for _, v := range rungs {
		set.MaxWidth, set.MaxHeight = max(set.MaxWidth, uint32(v.Width)), max(set.MaxHeight, uint32(v.Height))
	}
	// An essential property makes a player that cannot show this dynamic range choose the SDR set.
	// If there is none, the property is supplemental and the player tries this set.
	properties := &set.SupplementalProperties
	if first.dynamicRange() != "SDR" && slices.ContainsFunc(p.Video, func(v Video) bool { return v.dynamicRange() == "SDR" }) {
		properties = &set.EssentialProperties
	}
	for i, scheme := range []mpd.AnyURI{primaries, transfer, matrix} {
		if c := first.Colour[i]; c > 0 {
			*properties = append(*properties, &mpd.DescriptorType{SchemeIdUri: scheme, Value: strconv.Itoa(c)})
		}
	}
	set.Roles = []*mpd.DescriptorType{{SchemeIdUri: roleScheme, Value: "main"}}
	for _, v := range rungs {
		r := p.representation(v.Rendition, path)
		r.Width, r.Height = uint32(v.Width), uint32(v.Height)
		r.Sar = "1:1"
		if v.PixelAspect.known() {
			r.Sar = mpd.RatioType(fmt.Sprintf("%d:%d", v.PixelAspect.Num, v.PixelAspect.Den))
		}
		if f := v.averageRate(); f.known() {
			r.FrameRate = mpd.FrameRateType(strconv.FormatInt(f.Num, 10))
			if f.Den > 1 {
				r.FrameRate = mpd.FrameRateType(fmt.Sprintf("%d/%d", f.Num, f.Den))
			}
		}
		set.AppendRepresentation(r)
	}
	return set
}

// maxPlayout is how much faster than normally a rendition for trick play may be played: one frame a
// second is then shown as often as the frames of a film.
const maxPlayout = 24

// trickPlaySet returns the adaptation set with which players replace those sets of main that they can
// switch to it from (DASH-IF IOP 4.3, 3.2.9); nil if there is none.
func (p Package) trickPlaySet(rungs []Video, main [][]Video, path string) *mpd.AdaptationSetType {
	var of []string
	for id, set := range main { // sets are numbered in this order
		if set[0].switchable(rungs[0]) {
			of = append(of, strconv.Itoa(id))
		}
	}
	if len(of) == 0 {
		return nil
	}
	set := p.videoSet(rungs, path)
	set.Roles = nil
	set.EssentialProperties = append(set.EssentialProperties, &mpd.DescriptorType{SchemeIdUri: trickMode, Value: strings.Join(of, " ")})
	for i, r := range set.Representations {
		r.MaxPlayoutRate = maxPlayout
		frames := 0
		for _, s := range rungs[i].Segments {
			frames += s.Frames
		}
		if len(rungs[i].Keyframes) == frames {
			independent := false
			r.CodingDependency = &independent
		}
	}
	return set
}

// align declares that the segments of all members of a set begin at the same times, and with a sync
// sample. In a rendition that is one file, the parts that its sidx lists are subsegments of one
// segment (ISO/IEC 23009-1, 8.3.3 and example G.1).
func align(set *mpd.AdaptationSetType, r Rendition) {
	if r.Index.Part {
		set.SubsegmentAlignment, set.SubsegmentStartsWithSAP = true, 1
		return
	}
	set.SegmentAlignment, set.StartWithSAP = true, 1
}

// protected declares how the members of a set are encrypted: all with one key.
func protected(set *mpd.AdaptationSetType, r Rendition) {
	p := r.Protection
	if p == nil {
		return
	}
	general := &mpd.ContentProtectionType{DefaultKID: p.KID}
	general.SchemeIdUri, general.Value = protectionScheme, p.Scheme
	set.ContentProtections = append(set.ContentProtections, general)
	for _, s := range p.Systems {
		c := &mpd.ContentProtectionType{DefaultKID: p.KID}
		c.SchemeIdUri, c.Value = mpd.AnyURI("urn:uuid:"+s.ID), s.Name
		if s.PSSH != "" {
			c.Pssh = &mpd.PsshType{Value: s.PSSH}
		}
		set.ContentProtections = append(set.ContentProtections, c)
	}
}

// pictureAspect returns the display aspect ratio in lowest terms.
func (v Video) pictureAspect() mpd.RatioType {
	w, h := int64(v.Width), int64(v.Height)
	if v.PixelAspect.known() {
		w, h = w*v.PixelAspect.Num, h*v.PixelAspect.Den
	}
	a, b := w, h
	for b > 0 {
		a, b = b, a%b
	}
	return mpd.RatioType(fmt.Sprintf("%d:%d", w/a, h/a))
}

func subtitleSet(s Subtitle, p Package, path string) *mpd.AdaptationSetType {
	set := mpd.NewAdaptationSet()
	set.ContentType, set.MimeType, set.Lang = "text", mpd.MIME_TYPE_SUBTITLE_VTT, tag(s.Language)
	role := "subtitle"
	switch {
	case s.Forced:
		role = "forced-subtitle"
	case s.Captions:
		role = "caption"
	}
	set.Roles = []*mpd.DescriptorType{{SchemeIdUri: roleScheme, Value: role}}
	if s.Default {
		set.Roles = append(set.Roles, &mpd.DescriptorType{SchemeIdUri: roleScheme, Value: "main"})
	}
	if text := label(s.Title, s.Language, ""); text != "" {
		set.Labels = []*mpd.LabelType{{Value: text}}
	}
	r := &mpd.RepresentationType{Id: s.Name, Bandwidth: rate32(average([]span{{p.length(), s.File.Size}}))}
	r.BaseURLs = []*mpd.BaseURLType{mpd.NewBaseURL(uri(path, s.File.Path))}
	set.AppendRepresentation(r)
	return set
}

// representation describes a rendition's segments. Bandwidth is the peak rate, so that
// minBufferTime holds for every segment.
func (p Package) representation(r Rendition, path string) *mpd.RepresentationType {
	out := &mpd.RepresentationType{Id: r.Name, Bandwidth: rate32(peak(r.spans(), p.target()))}
	out.Codecs = r.Codecs
	offset := uint64(p.MediaTimeOffset) * uint64(r.Timescale)
	base := mpd.MultipleSegmentBaseType{SegmentTimeline: timeline(r)}
	base.Timescale = &r.Timescale
	base.PresentationTimeOffset = &offset
	if init, media, ok := template(path, r); ok {
		if strings.Contains(media, "$Number") { // with $Time$, libavformat 5.1 would take it for the first available number
			one := uint32(1)
			base.StartNumber = &one
		}
		out.SegmentTemplate = &mpd.SegmentTemplateType{Initialization: init, Media: media, MultipleSegmentBaseType: base}
		return out
	}
	base.SegmentTimeline = nil
	base.Initialization = &mpd.URLType{Range: byteRange(r.Init)}
	base.IndexRange = byteRange(r.Index)
	base.IndexRangeExact = true
	out.SegmentBase = &base.SegmentBaseType
	out.BaseURLs = []*mpd.BaseURLType{mpd.NewBaseURL(uri(path, r.Init.Path))}
	return out
}

func byteRange(r Resource) string { return fmt.Sprintf("%d-%d", r.Offset, r.Offset+r.Size-1) }

// timeline lists the segments' durations, with runs of equal ones folded. Only the first start time
// is written; the others follow from it.
func timeline(r Rendition) *mpd.SegmentTimelineType {
	out := &mpd.SegmentTimelineType{}
	for i, s := range r.Segments {
		if n := len(out.S); n > 0 && out.S[n-1].D == uint64(s.Duration) {
			out.S[n-1].R++
			continue
		}
		row := &mpd.S{D: uint64(s.Duration)}
		if i == 0 {
			start := uint64(r.Start)
			row.T = &start
		}
		out.S = append(out.S, row)
	}
	return out
}

// template returns the SegmentTemplate's initialization and media attributes. ok is false unless
// every segment is a whole file, named by its number from 1 ($Number$) or by the timestamp at which
// it starts ($Time$).
func template(from string, r Rendition) (init, media string, ok bool) {
	if r.Init.Part || slices.ContainsFunc(r.Segments, func(s Segment) bool { return s.Part }) {
		return "", "", false
	}
	numbers, times := make([]int64, len(r.Segments)), make([]int64, len(r.Segments))
	at := r.Start
	for i, s := range r.Segments {
		numbers[i], times[i] = int64(i)+1, at
		at += s.Duration
	}
	if init, media, ok = templateOf(from, r, "Number", numbers, 9); ok {
		return init, media, ok
	}
	return templateOf(from, r, "Time", times, 1)
}

// templateOf returns the template in which the identifier takes the given values, one a segment. It
// tries widths of the formatted number from widest down to 1. libavformat reads only one digit of a
// width, so widest is at most 9.
func templateOf(from string, r Rendition, identifier string, values []int64, widest int) (init, media string, ok bool) {
	first := r.Segments[0].Path
	for width := widest; width > 0; width-- {
		digits := fmt.Sprintf("%0*d", width, values[0])
		at := strings.LastIndex(first, digits)
		if at < 0 {
			continue
		}
		before, after := first[:at], first[at+len(digits):]
		same := true
		for i, s := range r.Segments {
			same = same && s.Path == fmt.Sprintf("%s%0*d%s", before, width, values[i], after)
		}
		if !same {
			continue
		}
		variable := "$" + identifier + "$"
		if width > 1 {
			variable = fmt.Sprintf("$%s%%0%dd$", identifier, width)
		}
		// The placeholder survives URI escaping. A path that contains it already has no template.
		const placeholder = "~number~"
		escape := func(s string) string { return strings.ReplaceAll(s, "$", "$$") }
		name := uri(from, before+placeholder+after)
		if strings.Count(name, placeholder) != 1 {
			continue
		}
		return escape(uri(from, r.Init.Path)), strings.Replace(escape(name), placeholder, variable, 1), true
	}
	return "", "", false
}

// milliseconds returns nanoseconds rounded up to the milliseconds of an MPD's duration, so that no
// frame lies after the end.
func milliseconds(nanoseconds int64) *mpd.Duration {
	d := mpd.Duration((nanoseconds + 999_999) / 1_000_000 * int64(time.Millisecond))
	return &d
}

func rate32(rate int64) uint32 { return uint32(min(cmp.Or(rate, 1), math.MaxUint32)) }
