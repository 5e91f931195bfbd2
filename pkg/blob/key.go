package blob

import (
	"strings"

	"github.com/mapreel/mapreel/pkg/fault"
)

// Reserved begins the names that stores keep for their own unfinished work. No part of a key may begin with it, and
// List never shows such an object.
const Reserved = ".mapreel-tmp-"

// maxKey is the longest key in bytes: S3's limit, which every store keeps so that a job may move between them.
const maxKey = 1024

// CheckKey returns an error of kind fault.Invalid unless key is a relative path of one or more names joined by single
// slashes, none of them "." or "..". Anything else that a file's name may hold is allowed: spaces, #, %, quotes,
// letters of any script.
func CheckKey(key string) error {
	if len(key) > maxKey {
		return fault.New(fault.Invalid, "key %.40q… is longer than %d bytes", key, maxKey)
	}
	if strings.ContainsRune(key, 0) {
		return fault.New(fault.Invalid, "key %q holds a zero byte", key)
	}
	for name := range strings.SplitSeq(key, "/") {
		switch {
		case name == "":
			return fault.New(fault.Invalid, "key %q has an empty name: keys are relative paths such as a/b", key)
		case name == ".", name == "..":
			return fault.New(fault.Invalid, "key %q holds %q: keys must not climb", key, name)
		case strings.HasPrefix(name, Reserved):
			return fault.New(fault.Invalid, "key %q: names that begin with %s are reserved", key, Reserved)
		}
	}
	return nil
}
