package film

import "strings"

// folderDigits are the digits of a job's ID in the name of its packages' folders. They keep the media of two jobs apart
// that one after the other make the same output: a player never reads one's playlist and the other's media, a
// cache may keep every file for ever, and a job that fails leaves the package of the one before it whole.
const folderDigits = 8

// What caches are told of a package's files (Cache-Control, RFC 9111 and RFC 8246).
const (
	// CacheForever holds for all files in a package's folder: another job has another folder, and the same job writes the
	// same bytes. A year stands for ever.
	CacheForever = "public, max-age=31536000, immutable"
	// CacheBriefly holds for what players open, which the next job of that name replaces.
	CacheBriefly = "public, max-age=6"
)

// MediaFolder is where the media of a package lie, from the destination on: NAME/3f2a90c1.
func MediaFolder(output, id string) string { return output + "/" + id[:folderDigits] }

// IsMediaFolder says whether a folder beneath a package's name may be one of a job's: whether it is named as such.
func IsMediaFolder(name string) bool {
	return len(name) == folderDigits && strings.Trim(name, "0123456789abcdef") == ""
}
