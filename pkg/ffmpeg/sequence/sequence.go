// Package sequence finds the frames of an image sequence among the files of a folder, and examines them: their
// order, their sizes, and what their headers declare.
//
//	frames := sequence.Frames(pattern, files)
//	found, err := sequence.Examine(ctx, pattern, frames, open)
package sequence

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math/big"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/media"
)

// File is a file of the folder.
type File struct {
	Name    string
	Size    int64
	Version string // changes whenever its bytes may have changed
}

// MaxFrames is the largest number of frames: eleven hours of 24 frames a second.
const MaxFrames = 1_000_000

// Frames returns those of the files that the pattern names, in the order of their numbers.
func Frames(p media.Pattern, files []File) []File {
	frames := slices.DeleteFunc(slices.Clone(files), func(f File) bool { return !p.Match(f.Name) })
	slices.SortFunc(frames, func(a, b File) int { return compareNatural(a.Name, b.Name) })
	return frames
}

// compareNatural compares names, with runs of digits as numbers: "a9" comes before "a10".
func compareNatural(a, b string) int {
	x, y := a, b
	for x != "" && y != "" {
		n, m := leadingDigits(x), leadingDigits(y)
		if n > 0 && m > 0 {
			p, q := strings.TrimLeft(x[:n], "0"), strings.TrimLeft(y[:m], "0")
			if c := cmp.Or(cmp.Compare(len(p), len(q)), cmp.Compare(p, q)); c != 0 {
				return c
			}
			x, y = x[n:], y[m:]
			continue
		}
		if x[0] != y[0] {
			return cmp.Compare(x[0], y[0])
		}
		x, y = x[1:], y[1:]
	}
	return cmp.Or(cmp.Compare(len(x), len(y)), cmp.Compare(a, b))
}

// leadingDigits returns how many digits s begins with.
func leadingDigits(s string) int {
	n := 0
	for n < len(s) && s[n] >= '0' && s[n] <= '9' {
		n++
	}
	return n
}

// Version returns a digest of the frames' names, sizes and versions: it changes whenever the sequence may have.
func Version(frames []File) (digest string, size int64) {
	sum := sha256.New()
	for _, f := range frames {
		fmt.Fprintf(sum, "%q %d %q\n", f.Name, f.Size, f.Version)
		size += f.Size
	}
	return hex.EncodeToString(sum.Sum(nil)[:16]), size
}

// gaps returns names of frames that are missing between the first and the last, at most limit of them, and how many there are. A sequence whose
// names differ in more than one number has none. The numbers of some renderers are a constant step apart.
func gaps(frames []File, limit int) (missing []string, n int64) {
	if len(frames) < 2 {
		return nil, 0
	}
	first, last := frames[0].Name, frames[len(frames)-1].Name
	prefix, suffix := 0, 0
	for prefix < min(len(first), len(last)) && first[prefix] == last[prefix] {
		prefix++
	}
	for prefix > 0 && first[prefix-1] >= '0' && first[prefix-1] <= '9' {
		prefix-- // the number begins with the digits that both have in common
	}
	for suffix < min(len(first), len(last))-prefix && first[len(first)-1-suffix] == last[len(last)-1-suffix] {
		suffix++
	}
	suffix -= leadingDigits(first[len(first)-suffix:]) // likewise those that it ends with
	head, tail, width := first[:prefix], first[len(first)-suffix:], len(first)-suffix-prefix
	numbers := make([]int64, len(frames))
	for i, f := range frames {
		text, ok := strings.CutPrefix(f.Name, head)
		if ok {
			text, ok = strings.CutSuffix(text, tail)
		}
		if !ok || text == "" || leadingDigits(text) != len(text) || len(text) > 18 {
			return nil, 0
		}
		value, _ := new(big.Int).SetString(text, 10)
		numbers[i] = value.Int64()
	}
	step := numbers[1] - numbers[0]
	for i := 2; i < len(numbers); i++ {
		step = min(step, numbers[i]-numbers[i-1])
	}
	if len(numbers) < 3 {
		step = 1
	}
	for i := 1; i < len(numbers) && step > 0; i++ {
		for k := numbers[i-1] + step; k < numbers[i]; k += step {
			if len(missing) == limit {
				n += (numbers[i] - k + step - 1) / step
				break
			}
			n++
			missing = append(missing, fmt.Sprintf("%s%0*d%s", head, width, k, tail))
		}
	}
	return missing, n
}

// Found is what an examination found.
type Found struct {
	First Picture
	Alpha bool // any frame may be transparent
	Deep  bool // any frame has more than 8 bits a sample
	Mixed bool // samples are not stored alike in all frames
}

// Reader is an open file.
type Reader interface {
	io.ReaderAt
	io.Closer
}

// Opener opens the file of a frame. Close is called when its header has been read.
type Opener func(ctx context.Context, f File) (Reader, error)

// parallel is how many headers are read at once: a bucket answers each after some 30 ms.
const parallel = 32

// listed is how many frames an error names of each kind.
const listed = 5

// Examine reads the headers of all frames. One error of kind Invalid names what is wrong with any of them: gaps in their numbers,
// other sizes or formats than the first, unreadable files.
func Examine(ctx context.Context, name string, frames []File, open Opener) (Found, error) {
	switch n := len(frames); {
	case n == 0:
		return Found{}, fault.WithHint(fault.New(fault.Invalid, "no file matches %s", name), "a sequence is named by a pattern such as frames/%05d.png or 'frames/*.exr'")
	case n > MaxFrames:
		return Found{}, fault.New(fault.Unsupported, "%s matches %d files; a sequence has at most %d", name, n, MaxFrames)
	}
	pictures, problems := make([]Picture, len(frames)), make([]error, len(frames))
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(parallel)
	for i := range frames {
		group.Go(func() error {
			r, err := open(inner, frames[i])
			if err == nil {
				pictures[i], problems[i] = Read(r, frames[i].Size)
				return r.Close()
			}
			if kind := fault.KindOf(err); kind == fault.Transient || ctx.Err() != nil {
				return err
			}
			problems[i] = err
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return Found{}, err
	}
	var r report
	names, n := gaps(frames, listed)
	r.add(n, names, "missing")
	r.unreadable(frames, problems)
	return r.compare(name, frames, pictures, problems)
}

// report collects what is wrong with a sequence.
type report []string

// add adds a problem that n files have, of which names are some.
func (r *report) add(n int64, names []string, what string) {
	if n == 0 {
		return
	}
	text := strings.Join(names, ", ")
	if more := n - int64(len(names)); more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	*r = append(*r, what+": "+text)
}

// unreadable adds the files that could not be read.
func (r *report) unreadable(frames []File, problems []error) {
	var names []string
	n := int64(0)
	for i, err := range problems {
		if err == nil {
			continue
		}
		if n++; len(names) < listed {
			names = append(names, fmt.Sprintf("%s (%v)", frames[i].Name, err))
		}
	}
	r.add(n, names, "unreadable")
}

// compare compares all pictures with the first that could be read.
func (r *report) compare(name string, frames []File, pictures []Picture, problems []error) (found Found, err error) {
	var names []string
	first, n := "", int64(0)
	for i, p := range pictures {
		if problems[i] != nil {
			continue
		}
		if first == "" {
			first, found.First = frames[i].Name, p
		}
		if p.Width != found.First.Width || p.Height != found.First.Height || p.Format != found.First.Format {
			if n++; len(names) < listed {
				names = append(names, fmt.Sprintf("%s (%s, %d x %d)", frames[i].Name, p.Format, p.Width, p.Height))
			}
		}
		found.Alpha, found.Deep = found.Alpha || p.Alpha, found.Deep || p.Deep
		found.Mixed = found.Mixed || p.Form != found.First.Form
	}
	r.add(n, names, fmt.Sprintf("unlike %s (%s, %d x %d)", first, found.First.Format, found.First.Width, found.First.Height))
	if len(*r) > 0 {
		return found, fault.New(fault.Invalid, "the sequence %s is not whole: %s", name, strings.Join(*r, "; "))
	}
	return found, nil
}
