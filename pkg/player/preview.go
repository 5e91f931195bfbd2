package player

import (
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
)

// previewKind is the Kind of a list of previews.
const previewKind = "preview"

// pictureTypes maps extensions to media types of the files that previews have in addition to types.
var pictureTypes = map[string]string{
	".json": "application/json", ".jpg": "image/jpeg", ".png": "image/png", ".gif": "image/gif", ".webp": "image/webp", ".avif": "image/avif",
}

// isPreviews reports whether a file lists previews.
func isPreviews(name string) bool { return strings.HasSuffix(name, film.PreviewFile) }

// previews lists the lists of previews directly in a folder.
func previews(root *os.Root) ([]Entry, error) {
	files, err := fs.ReadDir(root.FS(), ".")
	if err != nil {
		return nil, fault.Wrap(fault.Invalid, err, "list the folder")
	}
	var out []Entry
	for _, f := range files {
		if f.Type().IsRegular() && isPreviews(f.Name()) {
			out = append(out, Entry{Name: f.Name(), Kind: previewKind})
		}
	}
	return out, nil
}

// pictureType returns the media type of a file of the player's previews, or of a sheet of thumbnails in
// a package; "" for any other.
func (p *Player) pictureType(name string) string {
	for _, e := range p.entries {
		inside := strings.HasPrefix(name, strings.TrimSuffix(e.Name, path.Ext(e.Name))+"/")
		if ext := strings.ToLower(path.Ext(name)); (e.Kind == "hls" || e.Kind == "dash") && inside && ext == ".jpg" {
			return pictureTypes[ext]
		}
		if e.Kind == previewKind && (name == e.Name || inside) {
			return pictureTypes[strings.ToLower(path.Ext(name))]
		}
	}
	return ""
}
