package film

import (
	"fmt"

	"github.com/mapreel/mapreel/pkg/media"
)

// File is a file that a request names besides its source. Its digest is part of the job's identity.
type File struct {
	URL    string     `json:"url"`
	Digest string     `json:"digest"`          // SHA-256, of all of it
	Size   int64      `json:"size"`            // bytes
	Pixels media.Size `json:"pixels,omitzero"` // of an image
}

// NamedFile is where a request names a file.
type NamedFile struct {
	Pointer string // of the field
	URL     *string
}

// NamedFiles returns the files that the request names besides its source, in its order. Whoever changes one changes the request.
func (r *Request) NamedFiles() (list []NamedFile) {
	for i, o := range r.Outputs {
		for k, v := range o.Video {
			if v.Overlay != nil {
				list = append(list, NamedFile{fmt.Sprintf("/outputs/%d/video/%d/overlay/image", i, k), &v.Overlay.Image})
			}
		}
	}
	return list
}

// File returns what is known of a file that the request names; the zero value if nothing is.
func (s Source) File(url string) File {
	for _, f := range s.Files {
		if f.URL == url {
			return f
		}
	}
	return File{}
}

// fileDigests returns the digests of the source's files.
func (s Source) fileDigests() (list []string) {
	for _, f := range s.Files {
		list = append(list, f.Digest)
	}
	return list
}
