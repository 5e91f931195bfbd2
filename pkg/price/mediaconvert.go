package price

import "math/big"

// Video is an encoded video track, as AWS's own transcoder would count it.
type Video struct {
	Codec         string // "h264"
	Width, Height int
	Millis        int64 // how long it is
	Fast          bool  // above 30 frames a second
}

// Elsewhere is what AWS Elemental MediaConvert charges for the same minutes of output, On-Demand.
type Elsewhere struct {
	Cost Money  `json:"usd"`
	Tier string `json:"tier"` // "Basic"
	// AtLeast says that some video has a codec of the Professional tier, which costs more.
	AtLeast bool   `json:"atLeast,omitempty"`
	Minutes string `json:"minutes"` // normalised
	Prices  Date   `json:"prices"`
	Region  string `json:"region"`
}

// leastMillis is the shortest output that MediaConvert counts.
const leastMillis = 10_000

// MediaConvert prices videos at MediaConvert's Basic tier: H.264, and VP9. A minute of video counts once up to 719 lines, twice up
// to 1080 and four times above, and twice that above 30 frames a second.
func (t Table) MediaConvert(videos []Video) Elsewhere {
	e := Elsewhere{Tier: "Basic", Prices: t.Date, Region: t.Region}
	var total int64
	for _, v := range videos {
		total += max(v.Millis, leastMillis) * v.factor()
		e.AtLeast = e.AtLeast || v.Codec != "h264" && v.Codec != "vp9"
	}
	e.Minutes = big.NewRat(total, 60_000).FloatString(1)
	e.Cost = t.OfRatio(MediaConvert, total, 60_000)
	return e
}

func (v Video) factor() int64 {
	short, long := min(v.Width, v.Height), max(v.Width, v.Height)
	factor := int64(1)
	switch {
	case short > 1080 || long > 1920:
		factor = 4
	case short >= 720:
		factor = 2
	}
	if v.Fast {
		factor *= 2
	}
	return factor
}
