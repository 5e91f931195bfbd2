package gif

// bayer is an ordered pattern of 8 x 8 thresholds. It does not move, so a still background stays as it is.
var bayer = [8][8]int32{
	{0, 48, 12, 60, 3, 51, 15, 63},
	{32, 16, 44, 28, 35, 19, 47, 31},
	{8, 56, 4, 52, 11, 59, 7, 55},
	{40, 24, 36, 20, 43, 27, 39, 23},
	{2, 50, 14, 62, 1, 49, 13, 61},
	{34, 18, 46, 30, 33, 17, 45, 29},
	{10, 58, 6, 54, 9, 57, 5, 53},
	{42, 26, 38, 22, 41, 25, 37, 21},
}

const (
	// strength is the difference between the darkest and the lightest that the pattern makes of a colour: enough to hide the bands of a
	// sky, and too little to be seen as a pattern at the size of a preview.
	strength = 4
	// closeEnough is how far a colour may be from that of a pixel to be taken as it is, without the pattern.
	closeEnough = 24
	// tolerance is how much farther than the best colour the one on screen may be and stay there, so that noise is not stored.
	tolerance = 48
)

// quantise sets w.next to the indexes of a frame, transparent where the pixel on screen stays, and w.shown to what is then on screen. It
// returns the rectangle that changes, of at least one pixel. A pixel of the same colour as in the frame before stays: the pattern does not
// move, so what was chosen for it then would be chosen again.
func (w *Writer) quantise(frame []byte) (left, top, right, bottom int) {
	left, top, right, bottom = w.width, w.height, 0, 0
	for y := range w.height {
		first, last := w.quantiseRow(frame, y)
		if first < 0 {
			continue
		}
		left, right = min(left, first), max(right, last+1)
		top, bottom = min(top, y), y+1
	}
	w.before = append(w.before[:0], frame...)
	if right == 0 {
		return 0, 0, 1, 1
	}
	return left, top, right, bottom
}

// quantiseRow quantises a row, and returns the columns of the first and the last pixel that change; -1 = none does.
func (w *Writer) quantiseRow(frame []byte, y int) (first, last int) {
	at, pattern, first := y*w.width, &bayer[y%8], -1
	next, shown := w.next[at:at+w.width], w.shown[at:at+w.width]
	row, before := frame[3*at:3*(at+w.width)], []byte(nil)
	if w.began {
		before = w.before[3*at : 3*(at+w.width)]
	}
	for x := range next {
		r, g, b := row[3*x], row[3*x+1], row[3*x+2]
		if w.began && r == before[3*x] && g == before[3*x+1] && b == before[3*x+2] {
			next[x] = transparent
			continue
		}
		c := [3]int32{int32(r), int32(g), int32(b)}
		off := distance(c, w.palette[shown[x]])
		if w.began && off <= tolerance { // whatever is nearest
			next[x] = transparent
			continue
		}
		i := w.find(r, g, b)
		d := distance(c, w.palette[i])
		if d > closeEnough {
			move := (2*pattern[x%8] - 63) * strength / 128
			i = w.find(clamp(c[0]+move), clamp(c[1]+move), clamp(c[2]+move))
			d = distance(c, w.palette[i])
		}
		if w.began && off <= d+tolerance { // also where it has the same colour
			next[x] = transparent
			continue
		}
		next[x], shown[x] = i, i
		if first < 0 {
			first = x
		}
		last = x
	}
	return first, last
}

func clamp(v int32) byte { return byte(min(max(v, 0), 255)) }

// find returns the index of the colour of the palette that is nearest to the middle of a colour's bin.
func (w *Writer) find(r, g, b byte) uint8 {
	n := binOf(r, g, b)
	i := w.index[n]
	if i == 0 {
		i = w.search(r, g, b)
		w.index[n] = i
	}
	return uint8(i - 1)
}

// search returns one more than the index of the colour that is nearest to the middle of a colour's bin.
func (w *Writer) search(r, g, b byte) uint16 {
	const half = 1 << (8 - binBits - 1)
	middle := func(v byte) int32 { return int32(v)&^(2*half-1) + half }
	return uint16(w.nearest.find([3]int32{middle(r), middle(g), middle(b)}) + 1)
}
