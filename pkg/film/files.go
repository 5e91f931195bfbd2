package film

import (
	"fmt"

	"github.com/mapreel/mapreel/pkg/film/subtitle"
	"github.com/mapreel/mapreel/pkg/media"
)

// File is a file that a request names besides its source. Its digest is part of the job's identity.
type File struct {
	URL    string          `json:"url"`
	Digest string          `json:"digest"`           // SHA-256, of all of it
	Size   int64           `json:"size"`             // bytes
	Pixels media.Size      `json:"pixels,omitzero"`  // of an image
	Format subtitle.Format `json:"format,omitempty"` // of subtitles
}

// NamedFile is where a request names a file.
type NamedFile struct {
	Pointer string // of the field
	URL     *string
	Text    bool // it holds subtitles, otherwise an image
	Video   bool // it follows the source in a joined film
	Sound   bool // it is the sound of a scene's film
}

// NamedFiles returns the files that the request names besides its source, in its order. Whoever changes one changes the request.
func (r *Request) NamedFiles() (list []NamedFile) {
	for i, o := range r.Outputs {
		for k, v := range o.Video {
			if v.Burn != nil && v.Burn.File != "" {
				list = append(list, NamedFile{Pointer: fmt.Sprintf("/outputs/%d/video/%d/burn/file", i, k), URL: &v.Burn.File, Text: true})
			}
			if v.Overlay != nil {
				list = append(list, NamedFile{Pointer: fmt.Sprintf("/outputs/%d/video/%d/overlay/image", i, k), URL: &v.Overlay.Image})
			}
		}
	}
	for i := range r.Join {
		list = append(list, NamedFile{Pointer: JoinPointer(i + 1), URL: &r.Join[i], Video: true})
	}
	if r.Render.Sound != "" {
		list = append(list, NamedFile{Pointer: SoundPointer, URL: &r.Render.Sound, Sound: true})
	}
	for i := range r.SubtitleFiles {
		list = append(list, NamedFile{Pointer: fmt.Sprintf("/subtitleFiles/%d/file", i), URL: &r.SubtitleFiles[i].File, Text: true})
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

// checkSubtitleFiles returns the problems of the files of subtitles.
func (r Request) checkSubtitleFiles() (ps Problems) {
	if n := len(r.SubtitleFiles); n > subtitle.MaxFiles {
		return Problems{{"/subtitleFiles", fmt.Sprintf("%d files; at most %d", n, subtitle.MaxFiles)}}
	}
	add := func(i int, pointer, message string) {
		ps = append(ps, Problem{fmt.Sprintf("/subtitleFiles/%d%s", i, pointer), message})
	}
	for i, f := range r.SubtitleFiles {
		f.Check(func(pointer, message string) { add(i, pointer, message) })
	}
	subtitle.CheckDefaults(r.SubtitleFiles, add)
	return ps
}

// AddSubtitles adds the subtitle tracks that files give the source. Its Files are known.
func (s *Source) AddSubtitles(files []subtitle.File) {
	for _, f := range files {
		t := SubtitleTrack{File: f.File, Codec: string(s.File(f.File).Format), IsText: true, Language: f.Code(), Title: f.Title, Default: f.Default}
		if f.Forced {
			t.Flags = []string{"forced"}
		}
		s.Subtitles = append(s.Subtitles, t)
	}
}
