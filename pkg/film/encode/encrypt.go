package encode

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/packaging"
	"github.com/mapreel/mapreel/pkg/isobmff"
)

// encrypt encrypts the media segments of rendition r, and returns what reads their samples until remove is called. It replaces the
// elements of segments, and sets the sizes in facts. The samples of one media segment are in memory at a time.
func (a *attempt) encrypt(
	p *packaging.Protection, facts *film.MediaFacts, r int, segments []isobmff.Segment, payload func() io.Reader,
) (encrypted func() io.Reader, remove func(), err error) {
	if !p.Samples() {
		p.Resize(facts, segments)
		return payload, func() {}, nil
	}
	name := a.job.Renditions[r].Name
	track := isobmff.Track{Handler: "vide", Timescale: facts.Timescale, Entry: facts.Entry, Width: facts.Width, Height: facts.Height, Enabled: true}
	init, err := track.DelayedInit(facts.Delay)
	if err != nil {
		return nil, nil, err
	}
	e, err := p.Encryptor(init, "vide", name)
	if err != nil {
		return nil, nil, err
	}
	path := filepath.Join(a.Dir, fmt.Sprintf("encrypted-%d", r))
	out, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, nil, err
	}
	remove = func() { _, _ = out.Close(), os.Remove(path) } // a working file of the attempt
	defer func() {
		if err != nil {
			remove()
		}
	}()
	in, length := payload(), int64(0)
	for i, s := range segments {
		size := int64(0)
		for _, f := range s.Fragments {
			size += f.Bytes
		}
		samples := make([]byte, size)
		if _, err := io.ReadFull(in, samples); err != nil {
			return nil, nil, fault.Wrap(fault.Corrupt, err, "read the samples of a media segment")
		}
		if segments[i], err = e.Segment(s, samples); err != nil {
			return nil, nil, err
		}
		if _, err := out.Write(samples); err != nil {
			return nil, nil, err
		}
		length += size
	}
	p.Resize(facts, segments)
	return func() io.Reader { return io.NewSectionReader(out, 0, length) }, remove, nil
}
