package film

import (
	"fmt"
	"regexp"
	"strconv"
)

// Region is a rectangle of a video's frame, in pixels of the frame as it is shown: after rotation. All numbers are even, because
// chroma is stored for pairs of pixels.
type Region struct {
	Width  int `json:"width"`
	Height int `json:"height"`
	X      int `json:"x,omitempty"`
	Y      int `json:"y,omitempty"`
}

// String returns the text form, such as "1920:800:0:140".
func (r Region) String() string { return fmt.Sprintf("%d:%d:%d:%d", r.Width, r.Height, r.X, r.Y) }

// AutoCrop is the crop that leaves out what is black in all frames that were sampled of the source.
const AutoCrop = "auto"

// region and frame match the text forms of a Region, and of a size.
var (
	region = regexp.MustCompile(`^([0-9]{1,5}):([0-9]{1,5}):([0-9]{1,5}):([0-9]{1,5})$`)
	frame  = regexp.MustCompile(`^([0-9]{1,5}):([0-9]{1,5})$`)
)

// ParseRegion parses "1920:800:0:140": width, height, and the place of the upper left corner.
func ParseRegion(s string) (Region, error) {
	m := region.FindStringSubmatch(s)
	if m == nil {
		return Region{}, fmt.Errorf("%.40q is neither auto nor a region W:H:X:Y such as 1920:800:0:140", s)
	}
	n := numbers(m[1:])
	r := Region{n[0], n[1], n[2], n[3]}
	switch {
	case r.Width < minHeight || r.Height < minHeight:
		return r, fmt.Errorf("%s: less than %d pixels are left", s, minHeight)
	case (r.Width|r.Height|r.X|r.Y)%2 != 0:
		return r, fmt.Errorf("%s: all four numbers must be even, because chroma is stored for pairs of pixels", s)
	}
	return r, nil
}

// ParseFrame parses the size of a padded frame, such as "1920:1080".
func ParseFrame(s string) (width, height int, err error) {
	m := frame.FindStringSubmatch(s)
	if m == nil {
		return 0, 0, fmt.Errorf("%.40q is not a size W:H such as 1920:1080", s)
	}
	n := numbers(m[1:])
	switch width, height = n[0], n[1]; {
	case width < 64 || height < 64 || width > 2*maxHeight || height > maxHeight: // 64: SVT-AV1's smallest frame
		return width, height, fmt.Errorf("%s is outside 64:64 to %d:%d", s, 2*maxHeight, maxHeight)
	case (width|height)%2 != 0:
		return width, height, fmt.Errorf("%s: both numbers must be even, because chroma is stored for pairs of pixels", s)
	}
	return width, height, nil
}

// numbers converts texts of few digits.
func numbers(list []string) []int {
	out := make([]int, len(list))
	for i, text := range list {
		out[i], _ = strconv.Atoi(text) // digits only
	}
	return out
}

// checkPicture returns the problems of what a rendition does to the picture. at is its pointer.
func (v Video) checkPicture(at string) (ps Problems) {
	if v.Crop != "" && v.Crop != AutoCrop {
		if _, err := ParseRegion(v.Crop); err != nil {
			ps = append(ps, Problem{at + "/crop", err.Error()})
		}
	}
	if v.Pad != "" {
		if _, _, err := ParseFrame(v.Pad); err != nil {
			ps = append(ps, Problem{at + "/pad", err.Error()})
		} else if v.Height != 0 {
			ps = append(ps, Problem{at + "/pad", "the frame has the size of pad; leave out height"})
		}
	}
	if v.Burn != nil {
		v.Burn.Check(func(pointer, message string) { ps = append(ps, Problem{at + "/burn" + pointer, message}) })
		if v.Interlaced == KeepInterlaced {
			ps = append(ps, Problem{at + "/burn", "mixes the rows of both fields; leave out interlaced keep, so that the video is deinterlaced first"})
		}
	}
	if v.Overlay != nil {
		v.Overlay.Check(func(pointer, message string) { ps = append(ps, Problem{at + "/overlay" + pointer, message}) })
		if v.Interlaced == KeepInterlaced {
			ps = append(ps, Problem{at + "/overlay", "mixes the rows of both fields; leave out interlaced keep, so that the video is deinterlaced first"})
		}
	}
	return ps
}

// WantsAutoCrop reports whether any output is cropped to what is not black.
func (r Request) WantsAutoCrop() bool {
	for _, o := range r.Outputs {
		for _, v := range o.Video {
			if v.Crop == AutoCrop {
				return true
			}
		}
	}
	return false
}
