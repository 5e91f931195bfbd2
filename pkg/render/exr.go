package render

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"math"
)

// An OpenEXR file of one part: the magic number, the version with flags, attributes up to an empty name, a table with the offset of
// each chunk, and the chunks, of 16 lines each where they are compressed with ZIP ("OpenEXR File Layout").
const (
	exrMagic     = 20000630
	exrVersion   = 2
	exrLongNames = 0x400 // the only flag that such a file may have
	exrZIP       = 3
	exrLines     = 16
	exrHalf      = 1
	exrFloat     = 2
	exrSide      = 1 << 16 // pixels: Blender's largest frame is that wide and high
	exrOffset    = 8       // bytes of an offset, and also of what a chunk begins with: its first line, and its size
)

// exrKept lists the attributes that are kept, with their types. All others are dropped, because Blender writes dates, paths and render times
// into them.
var exrKept = map[string]string{ //nolint:gochecknoglobals // constant
	"channels": "chlist", "compression": "compression", "dataWindow": "box2i", "displayWindow": "box2i", "lineOrder": "lineOrder",
	"pixelAspectRatio": "float", "screenWindowCenter": "v2f", "screenWindowWidth": "float", "chromaticities": "chromaticities",
}

// exrFile is a file whose attributes were read.
type exrFile struct {
	Picture

	header []byte // with the attributes that are kept
	data   []byte // the file
	table  int    // where the offsets begin
}

// readEXR reads what comes before the chunks.
func readEXR(data []byte) (f exrFile, err error) {
	const begin = 8
	if len(data) < begin || binary.LittleEndian.Uint32(data) != exrMagic {
		return f, errors.New("it is no OpenEXR file")
	}
	if v := binary.LittleEndian.Uint32(data[4:]); v&^exrLongNames != exrVersion {
		return f, fmt.Errorf("it is an OpenEXR file of version and flags %#x, not one part of scan lines", v)
	}
	f.data, f.header = data, append([]byte{}, data[:begin]...)
	kept := map[string][]byte{}
	rest := data[begin:]
	for len(rest) > 0 && rest[0] != 0 {
		name, kind, value, after, ok := exrAttribute(rest)
		if !ok {
			return f, errors.New("its header is cut short")
		}
		if exrKept[name] == kind {
			if _, twice := kept[name]; twice { // programs differ in which one counts
				return f, fmt.Errorf("it has the attribute %s twice", name)
			}
			kept[name] = value
			f.header = append(f.header, rest[:len(rest)-len(after)]...)
		}
		rest = after
	}
	if len(rest) == 0 {
		return f, errors.New("its header is cut short")
	}
	f.header = append(f.header, 0)
	f.table = len(data) - len(rest) + 1
	return f, f.describe(kept)
}

// exrAttribute splits the first attribute off.
func exrAttribute(data []byte) (name, kind string, value, rest []byte, ok bool) {
	var texts [2]string
	for i := range texts {
		text, after, found := bytes.Cut(data, []byte{0})
		if !found {
			return "", "", nil, nil, false
		}
		texts[i], data = string(text), after
	}
	if len(data) < 4 {
		return "", "", nil, nil, false
	}
	size, data := binary.LittleEndian.Uint32(data), data[4:]
	if int64(size) > int64(len(data)) {
		return "", "", nil, nil, false
	}
	return texts[0], texts[1], data[:size], data[size:], true
}

// describe sets the picture from the attributes.
func (f *exrFile) describe(attributes map[string][]byte) error {
	if c := attributes["compression"]; len(c) != 1 || c[0] != exrZIP {
		return fmt.Errorf("its compression is %v, not ZIP", c)
	}
	if o := attributes["lineOrder"]; len(o) != 1 || o[0] != 0 {
		return fmt.Errorf("the order of its lines is %v, not from the top", o)
	}
	window := attributes["dataWindow"]
	if len(window) != 16 || !bytes.Equal(window, attributes["displayWindow"]) || !bytes.Equal(window[:8], make([]byte, 8)) {
		return errors.New("its data is not the whole picture")
	}
	f.Width, f.Height = int(int32(binary.LittleEndian.Uint32(window[8:])))+1, int(int32(binary.LittleEndian.Uint32(window[12:])))+1
	if f.Width <= 0 || f.Height <= 0 || f.Width > exrSide || f.Height > exrSide {
		return fmt.Errorf("it has %d x %d pixels", f.Width, f.Height)
	}
	switch channels := attributes["channels"]; {
	case bytes.Equal(channels, exrChannels("BGR", exrHalf)):
		f.Format = EXR
	case bytes.Equal(channels, exrChannels("ABGR", exrHalf)):
		f.Format, f.Alpha = EXR, true
	case bytes.Equal(channels, exrChannels("BGR", exrFloat)):
		f.Format = EXR32
	case bytes.Equal(channels, exrChannels("ABGR", exrFloat)):
		f.Format, f.Alpha = EXR32, true
	default:
		return fmt.Errorf("its channels are %.100q, not R, G and B, with or without A", channels)
	}
	return nil
}

// exrChannels returns the list of channels that have a letter for a name, a type of sample, and a sample for each pixel.
func exrChannels(letters string, kind byte) (list []byte) {
	for _, l := range []byte(letters) {
		list = append(list, l, 0, kind, 0, 0, 0)
		list = append(list, 0, 0, 0, 0) // no hint that it is perceptually linear, and what is reserved
		list = append(list, 1, 0, 0, 0, 1, 0, 0, 0)
	}
	return append(list, 0)
}

// lineBytes returns the size of a line, which has all samples of one channel after those of another.
func (p Picture) lineBytes() int {
	channels, bytes := 3, 2
	if p.Alpha {
		channels++
	}
	if p.Format == EXR32 {
		bytes = 4
	}
	return p.Width * channels * bytes
}

// chunks calls use with each chunk as it is stored, and with its lines.
func (f *exrFile) chunks(use func(chunk, lines []byte)) error {
	n := (f.Height + exrLines - 1) / exrLines
	if len(f.data)-f.table < n*exrOffset {
		return errors.New("its table is cut short")
	}
	for i := range n {
		at := binary.LittleEndian.Uint64(f.data[f.table+i*exrOffset:])
		if at > uint64(len(f.data)) || uint64(len(f.data))-at < exrOffset {
			return fmt.Errorf("chunk %d lies outside of the file", i)
		}
		chunk := f.data[at:]
		line, size := binary.LittleEndian.Uint32(chunk), int64(binary.LittleEndian.Uint32(chunk[4:]))
		if int64(line) != int64(i*exrLines) || size > int64(len(chunk)-exrOffset) {
			return fmt.Errorf("chunk %d is not that of line %d", i, i*exrLines)
		}
		chunk = chunk[:exrOffset+size]
		lines, err := exrInflate(chunk[exrOffset:], min(exrLines, f.Height-i*exrLines)*f.lineBytes())
		if err != nil {
			return fmt.Errorf("chunk %d: %w", i, err)
		}
		use(chunk, lines)
	}
	return nil
}

// exrInflate returns the size bytes that a chunk holds. Where compressing would not make it smaller, it has them as they are. Otherwise each
// byte is stored as the difference from the one before, and those with even numbers come before those with odd ones.
func exrInflate(data []byte, size int) ([]byte, error) {
	if len(data) == size {
		return data, nil
	}
	if len(data) > size {
		return nil, errors.New("it is larger than its lines")
	}
	compressed := bytes.NewReader(data)
	r, err := zlib.NewReader(compressed)
	if err != nil {
		return nil, err
	}
	parts := make([]byte, size)
	if _, err := io.ReadFull(r, parts); err != nil {
		return nil, err
	}
	if n, err := r.Read(make([]byte, 1)); n > 0 || !errors.Is(err, io.EOF) { // the checksum is read now
		return nil, errors.Join(errors.New("it has more than its lines"), err)
	}
	if compressed.Len() > 0 {
		return nil, errors.New("it has something after its lines")
	}
	const bias = 128
	for i := range parts[1:] {
		parts[i+1] += parts[i] - bias
	}
	whole, half := make([]byte, size), (size+1)/2
	for i := range whole {
		whole[i] = parts[i/2+i%2*half]
	}
	return whole, nil
}

// cleanEXR is Clean for OpenEXR.
func cleanEXR(data []byte, want Picture) ([]byte, error) {
	f, err := readEXR(data)
	if err != nil {
		return nil, err
	}
	if f.Picture != want {
		return nil, fmt.Errorf("it is %v, not %v", f.Picture, want)
	}
	clean := append(make([]byte, 0, len(data)), f.header...)
	var chunks []byte
	at := uint64(len(clean) + (want.Height+exrLines-1)/exrLines*exrOffset)
	err = f.chunks(func(chunk, _ []byte) {
		clean = binary.LittleEndian.AppendUint64(clean, at+uint64(len(chunks)))
		chunks = append(chunks, chunk...)
	})
	return append(clean, chunks...), err
}

// ShowEXR returns an OpenEXR frame as a PNG of 8 bits: its linear values with the curve of sRGB, what is brighter than white as white,
// and over black where it is transparent. That is not what the scene's view transform would show.
func ShowEXR(data []byte) ([]byte, error) {
	f, err := readEXR(data)
	if err != nil {
		return nil, err
	}
	const largest = 1 << 28 // pixels, of which no planned frame has so many
	if int64(f.Width)*int64(f.Height) > largest {
		return nil, fmt.Errorf("it has %d x %d pixels", f.Width, f.Height)
	}
	picture, y := image.NewRGBA(image.Rect(0, 0, f.Width, f.Height)), 0
	err = f.chunks(func(_, lines []byte) {
		for ; len(lines) > 0; lines = lines[f.lineBytes():] {
			f.showLine(picture.Pix[y*picture.Stride:], lines)
			y++
		}
	})
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	err = (&png.Encoder{CompressionLevel: png.BestSpeed}).Encode(&b, picture)
	return b.Bytes(), err
}

// showLine writes the pixels of a line.
func (f *exrFile) showLine(pixels, line []byte) {
	sample := func(at int) float64 { return float64(halfFloat(binary.LittleEndian.Uint16(line[at*2:]))) }
	if f.Format == EXR32 {
		sample = func(at int) float64 { return float64(math.Float32frombits(binary.LittleEndian.Uint32(line[at*4:]))) }
	}
	first := 0 // of the channels: blue
	if f.Alpha {
		first = 1
	}
	for x := range f.Width {
		for c := range 3 {
			pixels[x*4+2-c] = displayed(sample((first+c)*f.Width + x))
		}
		pixels[x*4+3] = math.MaxUint8
	}
}

// displayed returns a linear value with the curve of sRGB (IEC 61966-2-1), in 8 bits.
func displayed(v float64) byte {
	switch {
	case !(v > 0): // also what is not a number
		return 0
	case v >= 1:
		return math.MaxUint8
	case v <= 0.0031308:
		v *= 12.92
	default:
		v = 1.055*math.Pow(v, 1/2.4) - 0.055
	}
	return byte(math.Round(v * math.MaxUint8))
}

// halfFloat returns the value of a number of 16 bits (IEEE 754, binary16).
func halfFloat(h uint16) float32 {
	sign, exponent, fraction := uint32(h>>15)<<31, uint32(h>>10)&0x1f, uint32(h)&0x3ff
	switch exponent {
	case 0: // subnormal
		return math.Float32frombits(sign | math.Float32bits(float32(fraction)/(1<<24)))
	case 0x1f: // infinite, or not a number
		return math.Float32frombits(sign | 0xff<<23 | fraction<<13)
	}
	return math.Float32frombits(sign | (exponent+127-15)<<23 | fraction<<13)
}
