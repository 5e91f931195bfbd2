package film

import "strings"

// folderDigits is how many digits of a job's ID name the folders of its packages. They separate the
// media of two jobs that make the same output one after the other: a player never mixes the
// playlist of one with the media of the other, a cache may keep every file for ever, and a job that
// fails leaves the package of the previous one intact.
const folderDigits = 8

// Values of Cache-Control for the files of a package (RFC 9111 and RFC 8246).
const (
	// CacheForever is for all files in a package's folder: each job has its own folder, and writes
	// the same bytes whenever it runs. A year is long enough to stand for ever.
	CacheForever = "public, max-age=31536000, immutable"
	// CacheBriefly is for the playlists and manifests that players open: the next job with that
	// output replaces them.
	CacheBriefly = "public, max-age=6"
)

// MediaFolder returns the folder of a package's media, relative to the destination: NAME/3f2a90c1.
func MediaFolder(output, id string) string { return output + "/" + id[:folderDigits] }

// PreviewFolder returns the folder, relative to the destination, that has the folders with the previews of a name.
func PreviewFolder(output string) string { return output + ".preview" }

// IsMediaFolder reports whether a folder below a package's name is named as the folder of a job is.
func IsMediaFolder(name string) bool {
	return len(name) == folderDigits && strings.Trim(name, "0123456789abcdef") == ""
}
