package encode

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/mapreel/mapreel/pkg/ffmpeg"
	"github.com/mapreel/mapreel/pkg/ffmpeg/filter"
	"github.com/mapreel/mapreel/pkg/ffmpeg/internal/option"
	"github.com/mapreel/mapreel/pkg/media"
)

// filters returns the graph: it selects frames by ticks, logs them, then shapes them for each
// rendition. A rendition whose filters use neighbouring frames gets the frames around the segment
// too. Each branch then selects its own frames, and the log has all of them. The log also has the first
// frame after those, if there is one: trim ends decoding when it sees that.
func (v Video) filters() string {
	deinterlaced, separate := 0, false
	for _, r := range v.Renditions {
		if r.Deinterlace {
			deinterlaced++
		}
		separate = separate || r.Grid != nil
	}
	for _, p := range v.Pictures {
		if p.Deinterlace {
			deinterlaced++
		}
	}
	allDeinterlaced := deinterlaced == len(v.Renditions)+len(v.Pictures)
	separate = separate || len(v.Pictures) > 0 || deinterlaced > 0 && !allDeinterlaced
	shared := v.ordered()
	if v.Rotation != 0 {
		// Fields are rows of a frame, so frames are deinterlaced before they are turned.
		shared = append(shared, v.deinterlacer())
		shared = append(shared, map[int]string{90: "transpose=clock", 180: "hflip,vflip", 270: "transpose=cclock"}[v.Rotation])
	} else if allDeinterlaced {
		shared = append(shared, v.deinterlacer())
	}
	if !separate {
		shared = append(shared, trim(v.Start, nil)...)
	}
	shared = append(shared, ffmpeg.FrameLogFilters())
	if !separate {
		shared = append(shared, trim(nil, v.decodeEnd())...)
	}
	led := ""
	if deinterlaced == 0 || allDeinterlaced {
		led = v.sharedLead()
	}
	if led != "" {
		shared = append(append(shared, trim(v.Start, nil)...), led)
	}

	branch := func(i int, r Rendition) string {
		r = r.furthest()
		var chain []string
		if r.Deinterlace && !allDeinterlaced && v.Rotation == 0 {
			chain = append(chain, v.deinterlacer())
		}
		switch {
		case r.Grid != nil:
			chain = append(chain, v.partOnly()...)
			chain = append(chain, r.Grid.filters(v.encodeEnd(r)))
		case led != "" && v.padding(r).lead > 0:
			chain = append(chain, trim(nil, v.encodeEnd(r))...)
		case separate:
			chain = append(chain, trim(v.Start, v.encodeEnd(r))...)
		case v.End != nil && *v.encodeEnd(r) < *v.decodeEnd(): // another rendition's encoder looks further ahead
			chain = append(chain, trim(nil, v.encodeEnd(r))...)
		}
		if r.Only != nil {
			chain = append(chain, r.Only.filter())
		}
		chain = append(chain, r.filters(v.laid(i)))
		if v.Size != (media.Size{}) && !r.SAR.Known() {
			chain = append(chain, "setsar=0") // scaling by unify may have set one
		}
		return strings.Join(chain, ",")
	}
	graph := fmt.Sprintf("[0:%d]%s", v.Stream, strings.Join(shared, ","))
	var branches []string
	for i, r := range v.Renditions {
		chain := branch(i, r)
		if led == "" && v.padding(r).lead > 0 {
			chain += "," + v.leadFilters(r, strconv.Itoa(i))
		}
		branches = append(branches, chain+v.splitOriginals(i))
	}
	for i, p := range v.Pictures {
		chain := p.filters(v.Start)
		if p.Deinterlace && !allDeinterlaced && v.Rotation == 0 {
			chain = v.deinterlacer() + "," + chain
		}
		branches = append(branches, chain+"["+pictureLabel(i)+"]")
	}
	if len(branches) == 1 {
		return graph + "," + branches[0]
	}
	graph += ",split=" + strconv.Itoa(len(branches))
	var rest strings.Builder
	for i, b := range branches {
		graph += fmt.Sprintf("[s%d]", i)
		fmt.Fprintf(&rest, ";[s%d]%s", i, b)
	}
	return graph + rest.String()
}

// partOnly returns the filter that leaves out the frames before and after the part of the source that is encoded, so that none of them
// is shown at a time of a constant frame rate within it.
func (v Video) partOnly() []string {
	var start, end *int64
	if v.Begins {
		start = v.Start
	}
	if v.Ends {
		end = v.End
	}
	return trim(start, end)
}

// ordered returns the filters that give all frames one form and ascending times.
func (v Video) ordered() []string {
	chain := append(v.Input.Filters(), v.unify()...)
	chain = append(chain, v.Clock.filters(v.Timebase)...)
	if v.Unordered {
		chain = append(chain, `setpts=max(PREV_OUTPTS+1\,PTS)`) // the first has no PREV_OUTPTS: max then takes the second
	}
	return chain
}

// keyframeFilters returns the filters of one sequence of pictures of keyframes. Those of the first log the frames.
func (v Video) keyframeFilters(i int) string {
	key := "select=key"
	if v.Skip { // a keyframe that is repaired by the frames after it needs those before it
		key = "select='key*eq(pict_type,PICT_TYPE_I)'"
	}
	chain := append([]string{key}, v.ordered()...)
	if i == 0 {
		chain = append(chain, ffmpeg.FrameLogFilters())
	}
	return strings.Join(append(chain, v.Pictures[i].filters(v.Start)), ",")
}

// writable matches the pixel formats to which unify converts: the usual ones, all of which ffmpeg's
// scaler can write.
var writable = regexp.MustCompile(`^(yuv4(20|22|44)p(10le|12le)?|nv12|p010le|gbrp(10le|12le)?|gray|gray10le|rgb24)$`)

// unify returns the filters that give all frames one size and one pixel format. They do nothing to
// frames that have them. Of ffmpeg's filters only scale accepts frames that change, so it comes
// first.
func (v Video) unify() []string {
	if v.Size == (media.Size{}) {
		return nil
	}
	chain := []string{fmt.Sprintf("scale=%d:%d:flags=bicubic:interl=-1", v.Size.Width, v.Size.Height)}
	if writable.MatchString(v.PixelFormat) {
		chain = append(chain, "format="+v.PixelFormat)
	}
	return chain
}

// deinterlacer returns the filter bwdif. It uses the frames next to each one, so it precedes trim.
// It halves the timebase, which settb restores.
func (v Video) deinterlacer() string {
	return fmt.Sprintf("bwdif=mode=send_frame:deint=interlaced,settb=%s", v.Timebase)
}

// trim returns the filter that keeps the frames start ≤ pts < end; nil = open.
func trim(start, end *int64) []string {
	if start == nil && end == nil {
		return nil
	}
	return []string{"trim=" + ptsRange(start, end)}
}

// ptsRange returns the parameters of trim and atrim that select start ≤ pts < end; nil = open.
func ptsRange(start, end *int64) string {
	var bounds []string
	if start != nil {
		bounds = append(bounds, fmt.Sprintf("start_pts=%d", *start))
	}
	if end != nil {
		bounds = append(bounds, fmt.Sprintf("end_pts=%d", *end))
	}
	return strings.Join(bounds, ":")
}

// filters returns the filters that convert the source's frames to those of the grid, up to end.
// With a start time, fps emits every frame from there on, even if the source's first frame is
// later. If the source ends before end, its last frame is repeated.
func (g Grid) filters(end *int64) string {
	rate := fmt.Sprintf("setpts=PTS-(%d),fps=fps=%s:start_time=0:round=near", g.Origin, g.Rate)
	if end == nil {
		return fmt.Sprintf("%s,trim=start_pts=%d", rate, g.First)
	}
	return fmt.Sprintf("%s,tpad=stop=-1:stop_mode=clone,trim=start_pts=%d:end_pts=%d", rate, g.First, *end)
}

// filters returns the filters that crop, scale, convert and mark the selected frames for one
// rendition. laid are those that lay its overlay over them.
func (r Rendition) filters(laid []string) string {
	var chain []string
	chain = append(chain, r.Region.Filters()...)
	if r.Crop != (media.Size{}) {
		chain = append(chain, fmt.Sprintf("crop=%d:%d:0:0", r.Crop.Width, r.Crop.Height))
	} else if r.Width == 0 && r.Height == 0 {
		// Chroma is stored for pairs of columns (4:2:0, 4:2:2) and rows (4:2:0), so an odd last one
		// has none.
		if crop := evenCrop(r.PixelFormat); crop != "" {
			chain = append(chain, crop)
		}
	}
	if r.ToneMap != nil {
		chain = append(chain, r.ToneMap.filters())
	}
	chain = append(chain, r.chosen()...)
	if r.Width != 0 || r.Height != 0 {
		scale := fmt.Sprintf("scale=%s:%s:flags=bicubic", sizeOption(r.Width), sizeOption(r.Height))
		switch {
		case r.From != nil:
			scale += r.conversion()
		case r.FromRGB:
			scale += ":out_color_matrix=bt709:out_range=tv"
		case option.Declared(r.Color.Range): // a format that implies a range would change it
			scale += ":in_range=" + r.Color.Range + ":out_range=" + r.Color.Range
		}
		if r.Interlaced != "" {
			scale += ":interl=1"
		}
		chain = append(chain, scale)
	}
	chain = append(chain, laid...)
	if option.Declared(r.PixelFormat) {
		chain = append(chain, "format="+r.PixelFormat)
	}
	if r.Frame != (media.Size{}) {
		chain = append(chain, r.pad()...)
	}
	if r.SAR.Known() {
		// By default setsar rounds to terms of 100.
		chain = append(chain, fmt.Sprintf("setsar=sar=%s:max=%d", r.SAR, max(r.SAR.Num, r.SAR.Den)))
	}
	chain = append(chain, r.parameters()...)
	if len(chain) == 0 {
		return "null"
	}
	return strings.Join(chain, ",")
}

// parameters returns the filter that declares the form of the frames.
func (r Rendition) parameters() []string {
	var params []string
	if option.Declared(r.Interlaced) {
		params = append(params, "field_mode="+r.Interlaced)
	}
	for _, p := range []struct{ name, value string }{
		{"range", r.Color.Range},
		{"color_primaries", r.Color.Primaries},
		{"color_trc", r.Color.Transfer},
		{"colorspace", r.Color.Space},
	} {
		switch {
		case option.Declared(p.value):
			params = append(params, p.name+"="+p.value)
		case r.From != nil: // the frames may declare what the rendition does not
			params = append(params, p.name+"=unknown")
		}
	}
	if len(params) == 0 {
		return nil
	}
	return []string{"setparams=" + strings.Join(params, ":")}
}

// pad returns the filters that centre the picture in its frame.
func (r Rendition) pad() []string {
	pad := fmt.Sprintf("pad=%d:%d:(ow-iw)/2:(oh-ih)/2", r.Frame.Width, r.Frame.Height)
	if r.Color.Range != "pc" || r.PixelFormat != "yuv420p" {
		return []string{pad}
	}
	// To ffmpeg 5.1, only the name of the format says that black is 0, not 16. The range does not change, so no sample does.
	const same = "scale=in_range=pc:out_range=pc"
	return []string{same, "format=yuvj420p", pad, same, "format=yuv420p"}
}

// conversion returns the parameters of scale that convert the colours of the source's frames to those of the rendition.
func (r Rendition) conversion() (text string) {
	format := r.PixelFormat
	if !option.Declared(format) {
		format = "yuv420p"
	}
	if !r.FromRGB {
		from := filter.ColoursOf(r.From.Color.Space, r.From.Color.Range, format, r.From.HD)
		text = ":in_color_matrix=" + from.Matrix + ":in_range=" + from.Range
	}
	to := filter.ColoursOf(r.Color.Space, r.Color.Range, format, r.HD)
	return text + ":out_color_matrix=" + to.Matrix + ":out_range=" + to.Range
}

// chosen returns the filters that the request has chosen.
func (r Rendition) chosen() []string {
	if r.From != nil {
		return chosen(r.Filter, r.From.Color, r.From.HD, r.PixelFormat)
	}
	return chosen(r.Filter, r.Color, r.HD, r.PixelFormat)
}

// chosen returns the filters of a request for frames of a colour, and none if any of them is not allowed. The samples get pixelFormat.
func chosen(text string, color media.Color, hd bool, pixelFormat string) []string {
	chain, err := filter.Parse(text)
	if err != nil {
		return nil
	}
	if !option.Declared(pixelFormat) {
		pixelFormat = "yuv420p"
	}
	return chain.Graph(filter.ColoursOf(color.Space, color.Range, pixelFormat, hd))
}

// referenceWhite is the luminance of HDR's reference white, in cd/m² (ITU-R BT.2408). It becomes
// BT.709's white.
const referenceWhite = 203

// filters returns the filters that make light linear, convert primaries to BT.709, and compress
// what is brighter than white: mobius keeps the darker part as it is.
func (m ToneMap) filters() string {
	or := func(word, fallback string) string {
		if option.Declared(word) {
			return word
		}
		return fallback
	}
	c := m.From
	return fmt.Sprintf("setparams=range=%s:color_primaries=%s:color_trc=%s:colorspace=%s,zscale=t=linear:npl=%d,format=gbrpf32le,zscale=p=bt709,"+
		"tonemap=tonemap=mobius:desat=0:peak=%d.%02d,zscale=t=bt709:m=bt709:r=tv:dither=ordered",
		or(c.Range, "tv"), or(c.Primaries, "bt2020"), or(c.Transfer, "smpte2084"), or(c.Space, "bt2020nc"), referenceWhite,
		m.Peak/referenceWhite, m.Peak%referenceWhite*100/referenceWhite)
}

// sizeOption returns a width or height of scale; 0 = keep the aspect ratio, rounded to even.
func sizeOption(size int) string {
	if size == 0 {
		return "-2"
	}
	return strconv.Itoa(size)
}

// evenCrop returns the filter that drops an odd last column or row if the format stores chroma for
// pairs, or "".
func evenCrop(pixelFormat string) string {
	const even = "trunc(i%s/2)*2"
	switch {
	case strings.Contains(pixelFormat, "420"), strings.HasPrefix(pixelFormat, "p010"), pixelFormat == "nv12", pixelFormat == "":
		return "crop=" + fmt.Sprintf(even, "w") + ":" + fmt.Sprintf(even, "h") + ":0:0"
	case strings.Contains(pixelFormat, "422"):
		return "crop=" + fmt.Sprintf(even, "w") + ":ih:0:0"
	}
	return ""
}
