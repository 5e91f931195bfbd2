package film

import (
	"cmp"
	"fmt"

	"github.com/mapreel/mapreel/pkg/film/protection"
)

// Encryption returns how the request's packages are encrypted; nil: they are not.
func (r Request) Encryption() *protection.Settings {
	for _, o := range r.Outputs {
		if o.Container.Packaged() && o.Package != nil {
			return o.Package.Encryption
		}
	}
	return nil
}

// checkEncryption returns the problems of how packages are encrypted.
func (r Request) checkEncryption() (ps Problems) {
	first := -1
	for i, o := range r.Outputs[:min(len(r.Outputs), maxOutputs)] {
		c := cmp.Or(o.Container, MP4)
		if !c.Packaged() {
			continue
		}
		var s protection.Settings
		if o.Package != nil && o.Package.Encryption != nil {
			s = o.Package.Encryption.Normalise()
			at := fmt.Sprintf("/outputs/%d", i)
			s.Check(c == HLS, o.Package.SingleFile, func(field, problem string) {
				ps = append(ps, Problem{at + "/package/encryption/" + field, problem})
			})
			for j, v := range o.Video[:min(len(o.Video), maxRungs)] {
				if v.Codec == VP9 {
					ps = append(ps, Problem{fmt.Sprintf("%s/video/%d/codec", at, j), "vp9 cannot be encrypted here; choose h264, h265 or av1"})
				}
			}
		}
		if first < 0 {
			first = i
			continue
		}
		var other protection.Settings // of the first package
		if p := r.Outputs[first].Package; p != nil && p.Encryption != nil {
			other = p.Encryption.Normalise()
		}
		if other != s {
			ps = append(ps, Problem{fmt.Sprintf("/outputs/%d/package/encryption", i), "all packages of a request are encrypted alike, because they share their media segments"})
		}
	}
	return ps
}
