package protect_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"testing"

	"github.com/mapreel/mapreel/pkg/isobmff/protect"
)

// What is written can be decrypted by AES in CBC mode with PKCS #7 padding, however it is divided into writes.
func TestWholeFilesAreEncryptedAsHLSWantsIt(t *testing.T) {
	t.Parallel()
	w := protect.Whole{Key: [16]byte{1, 2, 3}, Seed: "job track"}
	for _, size := range []int{0, 1, 15, 16, 17, 1000} {
		plain := bytes.Repeat([]byte("film"), size)[:size]
		var out bytes.Buffer
		in := w.Writer(&out, "10")
		for rest := plain; len(rest) > 0; {
			n := min(7, len(rest))
			if _, err := in.Write(rest[:n]); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if err := in.Close(); err != nil {
			t.Fatal(err)
		}
		if int64(out.Len()) != w.Size(int64(size)) {
			t.Fatalf("%d bytes become %d, want %d", size, out.Len(), w.Size(int64(size)))
		}
		block, err := aes.NewCipher(w.Key[:])
		if err != nil {
			t.Fatal(err)
		}
		iv, data := w.IV("10"), out.Bytes()
		cipher.NewCBCDecrypter(block, iv[:]).CryptBlocks(data, data)
		if got := data[:len(data)-int(data[len(data)-1])]; !bytes.Equal(got, plain) {
			t.Errorf("%d bytes: %q", size, got)
		}
	}
	other, again := protect.Whole{Key: w.Key, Seed: "job track 2"}, w
	if w.IV("10") == w.IV("11") || w.IV("10") == other.IV("10") || w.IV("10") != again.IV("10") {
		t.Error("files share an initialisation vector, or one has two")
	}
}
