// Package protect encrypts the media of packages as ISO/IEC 23001-7 (common encryption) describes: cenc, which is AES in
// counter mode, and cbcs, which is AES in CBC mode over every tenth block of video. The headers of slices stay in clear.
//
//	e, err := protect.New(init, protect.Track{Scheme: protect.CBCS, KID: kid, Key: key, Seed: seed})
//	init = e.Init()
//	segment, err = e.Segment(segment, samples) // samples are encrypted in place
//
// Nothing is random: initialisation vectors follow from the track's seed and, for cenc, from the decode time of the sample. So equal
// input gives equal bytes, and tracks and jobs with different seeds share no vector under one key.
package protect

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/Eyevinn/mp4ff/mp4"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/isobmff"
)

// Scheme is a scheme of common encryption.
type Scheme string

const (
	CENC Scheme = "cenc"
	CBCS Scheme = "cbcs"
)

// Track says how a track is encrypted.
type Track struct {
	Scheme Scheme
	KID    [16]byte
	Key    [16]byte
	Seed   string // distinguishes the tracks that are encrypted with the key, of all jobs
	PSSH   []byte // boxes of content protection systems for the initialisation segment; may be empty
}

// Encryptor encrypts the segments of a track. It may be used by several goroutines.
type Encryptor struct {
	track Track
	init  []byte
	data  *mp4.InitProtectData
	sum   [sha256.Size]byte
}

// New returns an encryptor for the track that an initialisation segment describes.
func New(init []byte, track Track) (*Encryptor, error) {
	e := &Encryptor{track: track, sum: sha256.Sum256([]byte("mapreel " + track.Seed))}
	file, err := mp4.DecodeFile(bytes.NewReader(init))
	if err != nil || file.Init == nil {
		return nil, fault.New(fault.Internal, "read the initialisation segment: %v", err)
	}
	boxes, err := psshBoxes(track.PSSH)
	if err != nil {
		return nil, err
	}
	iv := e.sum[:16] // the constant vector of cbcs
	if track.Scheme == CENC {
		iv = e.sum[:8] // only its length counts
	}
	if e.data, err = mp4.InitProtect(file.Init, track.Key[:], iv, string(track.Scheme), track.KID[:], boxes); err != nil {
		return nil, fault.Wrap(fault.Unsupported, err, "encrypt the track")
	}
	var out bytes.Buffer
	if err := file.Init.Encode(&out); err != nil {
		return nil, fault.Wrap(fault.Internal, err, "write the initialisation segment")
	}
	e.init = out.Bytes()
	return e, nil
}

// Init returns the initialisation segment of the encrypted track.
func (e *Encryptor) Init() []byte { return e.init }

// psshBoxes reads protection system headers.
func psshBoxes(data []byte) (list []*mp4.PsshBox, err error) {
	for r := bytes.NewReader(data); r.Len() > 0; {
		at := uint64(len(data) - r.Len())
		box, err := mp4.DecodeBox(at, r)
		if err != nil {
			return nil, fault.New(fault.Invalid, "a protection system header is damaged: %v", err)
		}
		pssh, ok := box.(*mp4.PsshBox)
		if !ok {
			return nil, fault.New(fault.Invalid, "a protection system header is a box of type %q, not pssh", box.Type())
		}
		list = append(list, pssh)
	}
	return list, nil
}

// Segment returns a media segment with the boxes that say how its samples are encrypted, and encrypts the samples, which lie one after
// the other, in place.
func (e *Encryptor) Segment(s isobmff.Segment, samples []byte) (isobmff.Segment, error) {
	var whole bytes.Buffer
	if err := s.Write(&whole, bytes.NewReader(samples)); err != nil {
		return s, err
	}
	file, err := mp4.DecodeFile(&whole)
	if err != nil || len(file.Segments) != 1 || len(file.Segments[0].Fragments) != len(s.Fragments) {
		return s, fault.New(fault.Internal, "read the media segment at %d: %v", s.Start, err)
	}
	frags := file.Segments[0].Fragments
	iv := e.sum[:16]
	if e.track.Scheme == CENC {
		// Every sample lasts a tick or more, and the encryptor adds 1 for each sample: no two samples of a track share a vector.
		iv = binary.BigEndian.AppendUint64(nil, binary.BigEndian.Uint64(e.sum[:8])+frags[0].Moof.Traf.Tfdt.BaseMediaDecodeTime())
	}
	if _, err := mp4.EncryptFragments(frags, e.track.Key[:], iv, e.data); err != nil {
		return s, fault.Wrap(fault.Unsupported, err, fmt.Sprintf("encrypt the media segment at %d", s.Start))
	}
	out := s
	out.Bytes, out.Fragments = 0, nil
	for i, f := range s.Fragments {
		var text bytes.Buffer
		if err := frags[i].Encode(&text); err != nil {
			return s, fault.Wrap(fault.Internal, err, "write the media segment")
		}
		header := text.Len() - int(f.Bytes)
		if header <= 0 || len(samples) < int(f.Bytes) {
			return s, fault.New(fault.Internal, "an encrypted fragment has %d bytes, of which %d are samples", text.Len(), f.Bytes)
		}
		copy(samples, text.Bytes()[header:])
		samples = samples[f.Bytes:]
		f.Keyframe = isobmff.Extent{Offset: out.Bytes, Length: f.Keyframe.Length + int64(header-len(f.Header))}
		f.Header = bytes.Clone(text.Bytes()[:header])
		out.Fragments = append(out.Fragments, f)
		out.Bytes += int64(header) + f.Bytes
	}
	return out, nil
}

// Whole encrypts whole files, as HLS's METHOD=AES-128 does: AES in CBC mode with padding (PKCS #7).
type Whole struct {
	Key  [16]byte
	Seed string
}

// IV returns the initialisation vector of a file.
func (w Whole) IV(name string) (iv [16]byte) {
	sum := sha256.Sum256([]byte("mapreel " + w.Seed + " " + name))
	copy(iv[:], sum[:])
	return iv
}

// Size returns how large a file of so many bytes becomes.
func (Whole) Size(bytes int64) int64 { return (bytes/aes.BlockSize + 1) * aes.BlockSize }

// Writer returns a writer that encrypts the file of that name to out. Close writes the last block.
func (w Whole) Writer(out io.Writer, name string) io.WriteCloser {
	block, err := aes.NewCipher(w.Key[:])
	if err != nil {
		panic(err) // the key has 16 bytes
	}
	iv := w.IV(name)
	return &wholeWriter{out: out, mode: cipher.NewCBCEncrypter(block, iv[:])}
}

type wholeWriter struct {
	out  io.Writer
	mode cipher.BlockMode
	rest []byte // that are no whole block yet
}

func (w *wholeWriter) Write(p []byte) (int, error) {
	data := append(w.rest, p...)
	whole := len(data) / aes.BlockSize * aes.BlockSize
	w.mode.CryptBlocks(data[:whole], data[:whole])
	_, err := w.out.Write(data[:whole])
	w.rest = bytes.Clone(data[whole:])
	return len(p), err
}

func (w *wholeWriter) Close() error {
	n := aes.BlockSize - len(w.rest)
	_, err := w.Write(bytes.Repeat([]byte{byte(n)}, n))
	return err
}
