package picture

// Whether a frame has its colours. An encoder keeps the mean colour of a block of eight by eight
// samples almost exactly, however few bits it has, and takes noise away, which has no mean. Not a
// measurement but a choice: the means must differ by half of what they are, and a frame with less
// colour than minColour says nothing.
const (
	colourBlock   = 8  // samples of chroma
	minColour     = 36 // mean square of the distance from grey, of 255 levels: a distance of 6
	maxColourLoss = 0.5
)

// ColourLost reports whether an output's frame lacks the colours of its source's, or has others.
func ColourLost[S Sample](f Format, output, source []S) bool {
	scale := 255 / f.peak()
	grey := (f.peak() + 1) / 2
	var colour, loss float64
	blocks := 0
	planes := f.planes()
	for _, p := range planes[1:] {
		for y := 0; y+colourBlock <= p.height; y += colourBlock {
			for x := 0; x+colourBlock <= p.width; x += colourBlock {
				var a, b int64
				for row := y; row < y+colourBlock; row++ {
					at := p.at + row*p.width + x
					for i, v := range source[at : at+colourBlock] {
						a += int64(v)
						b += int64(output[at+i])
					}
				}
				const n = colourBlock * colourBlock
				own, got := (float64(a)/n-grey)*scale, (float64(b)/n-grey)*scale
				colour += own * own
				loss += (got - own) * (got - own)
				blocks++
			}
		}
	}
	return blocks > 0 && colour >= minColour*float64(blocks) && loss >= maxColourLoss*colour
}
