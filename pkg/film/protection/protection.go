// Package protection is what a request says of the encryption of a package, and the keys that it refers to. The keys themselves are in a
// file that the request names: they appear in no request, ledger, message or report.
//
//	keys, err := protection.Parse(data) // of the file: lines of KID:KEY, or CPIX
//	key, err := keys.For(protection.Video)
package protection

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"slices"
	"strings"

	"github.com/mapreel/mapreel/pkg/fault"
)

// Settings say how the media of a package are encrypted.
type Settings struct {
	Scheme Scheme `json:"scheme,omitempty" jsonschema:"enum=cbcs,enum=cenc,enum=aes-128,default=cbcs,description=cbcs and cenc are common encryption (ISO/IEC 23001-7) of the samples; aes-128 encrypts whole media segments for HLS alone"`
	Keys   string `json:"keys" jsonschema:"required,minLength=1,maxLength=4096,description=The file with the keys: s3://bucket/key or on one machine an absolute path. Lines of KID:KEY in hexadecimal digits - after audio= or video= for one kind of tracks alone - or a CPIX document"`
	KeyURL string `json:"keyUrl,omitempty" jsonschema:"maxLength=2048,description=Where players of HLS get the key: 16 bytes. Required for aes-128; for the others players that know ClearKey use it"`
	// Fingerprint of the keys makes other keys another job. The planner sets it.
	Fingerprint string `json:"fingerprint,omitempty" jsonschema:"-"`
}

// Scheme is how media are encrypted.
type Scheme string

const (
	CBCS   Scheme = "cbcs"
	CENC   Scheme = "cenc"
	AES128 Scheme = "aes-128" // whole media segments, for HLS
)

// Normalise puts defaults into the settings.
func (s Settings) Normalise() Settings {
	s.Scheme = cmp.Or(s.Scheme, CBCS)
	return s
}

// Check calls add with what is wrong with the settings, by the name of the field. hls says that the package is for HLS alone, single that
// each of its renditions is one file.
func (s Settings) Check(hls, single bool, add func(field, problem string)) {
	switch s.Normalise().Scheme {
	case CBCS, CENC:
	case AES128:
		if !hls {
			add("scheme", "aes-128 is for HLS alone; choose cbcs or cenc, or the container hls")
		}
		if single {
			add("scheme", "aes-128 encrypts whole files, of which players cannot read ranges; leave out singleFile")
		}
		if s.KeyURL == "" {
			add("keyUrl", "is required for aes-128: players get the key there")
		}
	default:
		add("scheme", fmt.Sprintf("%.50q is not one of cbcs, cenc, aes-128", s.Scheme))
	}
	if s.Keys == "" {
		add("keys", "is required: the file that has the keys")
	}
	if strings.ContainsFunc(s.KeyURL, func(r rune) bool { return r <= ' ' || r == '"' || r == 0x7f }) {
		add("keyUrl", fmt.Sprintf("%.100q is not an address: escape spaces and quotation marks", s.KeyURL))
	}
}

// Kind is a kind of tracks.
type Kind string

const (
	Video Kind = "video"
	Audio Kind = "audio"
)

// Key is a key with its identifier. Its fields are no text, so that no message shows them by mistake.
type Key struct {
	KID   [16]byte
	bytes [16]byte
	kind  Kind // "": any
}

// Bytes returns the key itself.
func (k Key) Bytes() [16]byte { return k.bytes }

// String names the key by its identifier.
func (k Key) String() string { return "key " + hex.EncodeToString(k.KID[:]) }

// GoString is String.
func (k Key) GoString() string { return k.String() }

// System is what a content protection system needs to know.
type System struct {
	ID      string // lower-case UUID
	KID     [16]byte
	PSSH    []byte // box
	Media   string // lines of HLS media playlists
	Session string // of the multivariant playlist
}

// Keys are the keys of a package.
type Keys struct {
	List    []Key
	Systems []System
}

// For returns the key of a kind of tracks: the first that is for this kind, else the first that is for any.
func (k Keys) For(kind Kind) (Key, error) {
	for _, want := range []Kind{kind, ""} {
		if i := slices.IndexFunc(k.List, func(key Key) bool { return key.kind == want }); i >= 0 {
			return k.List[i], nil
		}
	}
	return Key{}, fault.New(fault.Invalid, "there is no key for %s", kind)
}

// Fingerprint returns a hash of the keys and of what goes with them. It tells nothing of them.
func (k Keys) Fingerprint() string {
	sum := sha256.New()
	for _, key := range k.List {
		fmt.Fprintf(sum, "%x %x %s\n", key.KID, key.bytes, key.kind)
	}
	for _, s := range k.Systems {
		fmt.Fprintf(sum, "%s %x %x %q %q\n", s.ID, s.KID, s.PSSH, s.Media, s.Session)
	}
	return hex.EncodeToString(sum.Sum(nil)[:16])
}

// MaxFile is how large a file of keys may be.
const MaxFile = 1 << 20

// Parse reads a file of keys. No error has anything of its content.
func Parse(data []byte) (Keys, error) {
	var keys Keys
	var err error
	if text := bytes.TrimSpace(data); bytes.HasPrefix(text, []byte("<")) {
		keys, err = parseCPIX(text)
	} else {
		keys, err = parseLines(string(data))
	}
	if err != nil {
		return Keys{}, err
	}
	if len(keys.List) == 0 {
		return Keys{}, fault.New(fault.Invalid, "the file of keys has no key")
	}
	for i, k := range keys.List {
		for _, other := range keys.List[:i] {
			if other.KID == k.KID && other.bytes != k.bytes {
				return Keys{}, fault.New(fault.Invalid, "the file of keys has two keys with one identifier")
			}
		}
	}
	return keys, nil
}

// parseLines reads lines of KID:KEY. Empty lines and those that begin with # are passed over.
func parseLines(text string) (keys Keys, err error) {
	n := 0
	for line := range strings.Lines(text) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		key, err := ParseKey(line)
		if err != nil {
			return keys, fmt.Errorf("line %d of the file of keys: %w", n, err)
		}
		keys.List = append(keys.List, key)
	}
	return keys, nil
}

// ParseKey reads KID:KEY, each 32 hexadecimal digits, KID also as a UUID, after audio= or video= if it is for one kind of tracks
// alone.
func ParseKey(text string) (k Key, err error) {
	if kind, rest, ok := strings.Cut(text, "="); ok {
		if k.kind, text = Kind(kind), rest; k.kind != Video && k.kind != Audio {
			return Key{}, fault.New(fault.Invalid, "before the equals sign stands neither audio nor video")
		}
	}
	id, key, ok := strings.Cut(text, ":")
	if !ok {
		return Key{}, fault.New(fault.Invalid, "it is not of the form KID:KEY")
	}
	if k.KID, err = parse16("identifier", id); err != nil {
		return Key{}, err
	}
	k.bytes, err = parse16("key", key)
	return k, err
}

func parse16(what, text string) (out [16]byte, err error) {
	data, err := hex.DecodeString(strings.ReplaceAll(strings.TrimSpace(text), "-", ""))
	if err != nil || len(data) != len(out) {
		return out, fault.New(fault.Invalid, "the %s is not 32 hexadecimal digits", what)
	}
	copy(out[:], data)
	return out, nil
}

// cpix is a document of the DASH Industry Forum's Content Protection Information Exchange Format, with keys in clear, as SPEKE
// answers.
type cpix struct {
	Keys []struct {
		KID   string `xml:"kid,attr"`
		Plain string `xml:"Data>Secret>PlainValue"`
	} `xml:"ContentKeyList>ContentKey"`
	Systems []struct {
		KID     string `xml:"kid,attr"`
		ID      string `xml:"systemId,attr"`
		PSSH    string `xml:"PSSH"`
		Signals []struct {
			Playlist string `xml:"playlist,attr"`
			Text     string `xml:",chardata"`
		} `xml:"HLSSignalingData"`
	} `xml:"DRMSystemList>DRMSystem"`
	Rules []struct {
		KID   string     `xml:"kid,attr"`
		Track string     `xml:"intendedTrackType,attr"`
		Video []struct{} `xml:"VideoFilter"`
		Audio []struct{} `xml:"AudioFilter"`
	} `xml:"ContentKeyUsageRuleList>ContentKeyUsageRule"`
}

// parseCPIX reads a CPIX document.
func parseCPIX(data []byte) (keys Keys, err error) {
	var doc cpix
	if err := xml.Unmarshal(data, &doc); err != nil {
		return keys, fault.New(fault.Invalid, "the file of keys is not well-formed XML")
	}
	for _, k := range doc.Keys {
		id, err := parse16("identifier of a ContentKey", k.KID)
		if err != nil {
			return keys, err
		}
		secret, err := base64.StdEncoding.DecodeString(strings.TrimSpace(k.Plain))
		if err != nil || len(secret) != 16 {
			return keys, fault.WithHint(fault.New(fault.Invalid, "a ContentKey has no PlainValue of 16 bytes"), "keys that are encrypted for a receiver cannot be read: ask for them in clear")
		}
		key := Key{KID: id}
		copy(key.bytes[:], secret)
		for _, rule := range doc.Rules {
			if other, err := parse16("", rule.KID); err != nil || other != id {
				continue
			}
			switch track := strings.ToLower(rule.Track); {
			case strings.Contains(track, "audio") || len(rule.Audio) > 0 && len(rule.Video) == 0:
				key.kind = Audio
			case track != "" && track != "all" || len(rule.Video) > 0 && len(rule.Audio) == 0: // VIDEO, SD, HD, UHD1 …
				key.kind = Video
			}
		}
		keys.List = append(keys.List, key)
	}
	for _, s := range doc.Systems {
		id, err := parse16("identifier of a DRMSystem", s.KID)
		if err != nil {
			return keys, err
		}
		system := System{ID: strings.ToLower(s.ID), KID: id}
		if _, err := parse16("systemId of a DRMSystem", s.ID); err != nil {
			return keys, err
		}
		if system.PSSH, err = base64.StdEncoding.DecodeString(strings.TrimSpace(s.PSSH)); err != nil {
			return keys, fault.New(fault.Invalid, "a PSSH is not in base64")
		}
		for _, signal := range s.Signals {
			text, err := decodeText(signal.Text)
			if err != nil {
				return keys, err
			}
			if err := checkTags(text); err != nil {
				return keys, err
			}
			if signal.Playlist == "master" {
				system.Session += text
			} else {
				system.Media += text
			}
		}
		keys.Systems = append(keys.Systems, system)
	}
	return keys, nil
}

func decodeText(text string) (string, error) {
	data, err := base64.StdEncoding.DecodeString(strings.TrimSpace(text))
	if err != nil {
		return "", fault.New(fault.Invalid, "signalling data of a DRMSystem is not in base64")
	}
	out := strings.TrimSpace(string(data))
	if out != "" {
		out += "\n"
	}
	return out, nil
}

// checkTags refuses lines of a playlist that are not about keys.
func checkTags(text string) error {
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#EXT-X-KEY:") && !strings.HasPrefix(line, "#EXT-X-SESSION-KEY:") {
			return fault.New(fault.Invalid, "HLSSignalingData has a line that is no EXT-X-KEY")
		}
	}
	return nil
}
