package movieindex

import (
	"bytes"
	"slices"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/isobmff/internal/box"
)

// encrypted are the sample entries of encrypted video and audio: those of Common Encryption (ISO/IEC
// 14496-12, 8.12, and 23001-7) and FairPlay's own.
var encrypted = []string{"encv", "enca", "drmi", "drms"}

// maxEntries limits the sample entries of a track that are looked at. Files have one, rarely a few.
const maxEntries = 64

// encryption returns the scheme that a sample description box declares: "cenc" or another one, or the
// sample entry's own name where it declares none. It is "" if no entry is encrypted.
func encryption(r *box.Reader, stsd box.Box) (string, error) {
	at := stsd.Body + 8 // version, flags, number of entries
	for n := 0; n < maxEntries && at < stsd.End; n++ {
		entry, err := r.Header(at, stsd.End)
		if err != nil {
			if fault.KindOf(err) == fault.Corrupt {
				return "", nil // ffprobe judges what follows the last whole entry
			}
			return "", err
		}
		if slices.Contains(encrypted, entry.Type) {
			content, err := r.Content(entry, box.MaxSmall)
			if err != nil {
				return "", err
			}
			// SchemeTypeBox: size, type, version and flags, scheme.
			if i := bytes.Index(content, []byte("schm")); i >= 0 && len(content) >= i+12 && printable(content[i+8:i+12]) {
				return string(content[i+8 : i+12]), nil
			}
			return entry.Type, nil
		}
		at = entry.End
	}
	return "", nil
}

// printable reports whether a four-character code can be shown.
func printable(code []byte) bool {
	return !bytes.ContainsFunc(code, func(c rune) bool { return c < ' ' || c > '~' })
}

// encryptedError refuses a track whose samples are noise without a key.
func encryptedError(t Track, scheme string) error {
	kind := map[string]string{"vide": "video", "soun": "audio"}[t.Handler]
	return fault.WithHint(fault.New(fault.Unsupported, "track %d (%s) is encrypted (%s)", t.ID, kind, scheme), "decrypt the file first: mapreel has no keys")
}
