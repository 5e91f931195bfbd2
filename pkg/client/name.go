package client

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"path"
	"regexp"
	"strings"
)

var unnamed = regexp.MustCompile(`[^A-Za-z0-9_-]+`)

const (
	maxStem   = 48 // characters of a source's name in that of a job, which may have 80
	nameBytes = 6  // of the hash: enough to tell a user's jobs apart, and short enough to type
)

// JobName returns the name of the job for a request: the name of its source, and a hash of the request and of what identifies the
// content of the source, such as its size and time. The same request for the same source has the same name, so that a submit which
// is repeated starts nothing twice.
func JobName(source string, request json.RawMessage, identity ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(append(identity, string(request)), "\x00")))
	base := path.Base(strings.ReplaceAll(source, `\`, "/"))
	stem := strings.Trim(unnamed.ReplaceAllString(strings.TrimSuffix(base, path.Ext(base)), "-"), "-")
	if stem == "" {
		stem = "job"
	}
	return stem[:min(len(stem), maxStem)] + "-" + hex.EncodeToString(sum[:nameBytes])
}
