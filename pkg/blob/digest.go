package blob

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"

	"github.com/mapreel/mapreel/pkg/fault"
)

// digestRange is how many bytes of an object's start and end Digest reads: the tables of a film, or its first minutes'.
const digestRange = 256 << 10

// Digest returns a hash of the first and the last 256 KiB of an object of the given size. It tells an output from another of
// the same size without reading all of it.
func Digest(ctx context.Context, store Store, key string, size int64) (string, error) {
	sum := sha256.New()
	for _, offset := range []int64{0, max(0, size-digestRange)} {
		want := min(digestRange, size-offset)
		body, err := store.Open(ctx, key, offset, want)
		if err != nil {
			return "", err
		}
		n, err := io.Copy(sum, io.LimitReader(body, want))
		_ = body.Close() // it was only read
		if err != nil {
			return "", err
		}
		if n != want {
			return "", fault.New(fault.Transient, "%d bytes were read of %d", n, want)
		}
	}
	return hex.EncodeToString(sum.Sum(nil)[:16]), nil
}
