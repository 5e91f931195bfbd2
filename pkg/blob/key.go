package blob

import (
	"strings"

	"github.com/mapreel/mapreel/pkg/fault"
)

// Reserved is the prefix of the names that stores use for unfinished objects. No name in a key may
// begin with it, and List never yields such an object.
const Reserved = ".mapreel-tmp-"

// maxKey is the length of the longest key in bytes. It is S3's limit; every store applies it, so
// that a job can move between stores.
const maxKey = 1024

// CheckKey returns an error of kind fault.Invalid unless key is a relative path of one or more
// names joined by single slashes, none of them "." or "..". Everything else that a file name may
// contain is allowed: spaces, #, %, quotes, letters of any script.
func CheckKey(key string) error {
	if len(key) > maxKey {
		return fault.New(fault.Invalid, "key %.40q… is longer than %d bytes", key, maxKey)
	}
	if strings.ContainsRune(key, 0) {
		return fault.New(fault.Invalid, "key %q contains a zero byte", key)
	}
	for name := range strings.SplitSeq(key, "/") {
		switch {
		case name == "":
			return fault.New(fault.Invalid, "key %q has an empty name: keys are relative paths such as a/b", key)
		case name == ".", name == "..":
			return fault.New(fault.Invalid, "key %q contains %q: keys must stay inside the store", key, name)
		case strings.HasPrefix(name, Reserved):
			return fault.New(fault.Invalid, "key %q: names that begin with %s are reserved", key, Reserved)
		}
	}
	return nil
}
