package packaging

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/mapreel/mapreel/pkg/blob"
	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film"
	"github.com/mapreel/mapreel/pkg/film/protection"
	"github.com/mapreel/mapreel/pkg/isobmff"
	"github.com/mapreel/mapreel/pkg/isobmff/protect"
	"github.com/mapreel/mapreel/pkg/manifest"
	"github.com/mapreel/mapreel/pkg/work"
)

// ReadKeys reads the file of keys that settings name.
func ReadKeys(ctx context.Context, resolve work.Resolver, s protection.Settings) (protection.Keys, error) {
	const what = "the file of keys"
	store, key, err := resolve(ctx, s.Keys)
	if err != nil {
		return protection.Keys{}, fmt.Errorf("%s: %w", what, err)
	}
	data, err := blob.ReadRange(ctx, store, key, 0, protection.MaxFile+1)
	if fault.KindOf(err) == fault.NotFound {
		return protection.Keys{}, fault.WithHint(fault.Wrap(fault.Invalid, err, what), "give the command with its keys again, or check the path")
	}
	if err != nil {
		return protection.Keys{}, fmt.Errorf("%s: %w", what, err)
	}
	if len(data) > protection.MaxFile {
		return protection.Keys{}, fault.New(fault.Invalid, "%s has more than %d bytes", what, protection.MaxFile)
	}
	return protection.Parse(data)
}

// Protection encrypts the media of a job's packages. A nil Protection leaves them as they are.
type Protection struct {
	settings protection.Settings
	keys     protection.Keys
	job      string
}

// NewProtection returns what encrypts a job's packages: nil, unless its request says so. The keys must be those that the job began
// with.
func NewProtection(ctx context.Context, resolve work.Resolver, j film.Job) (*Protection, error) {
	s := j.Request.Encryption()
	if s == nil {
		return nil, nil //nolint:nilnil // most jobs encrypt nothing
	}
	keys, err := ReadKeys(ctx, resolve, *s)
	if err != nil {
		return nil, err
	}
	if keys.Fingerprint() != s.Fingerprint {
		return nil, fault.WithHint(fault.New(fault.Invalid, "the keys have changed since the job began"), "run the same command again: it begins a new job")
	}
	return &Protection{*s, keys, j.ID}, nil
}

// track returns how a track is encrypted. handler is that of its track, name that of its rendition.
func (p *Protection) track(handler, name string) (protect.Track, protection.Key, error) {
	kind := protection.Video
	if handler == "soun" {
		kind = protection.Audio
	}
	key, err := p.keys.For(kind)
	t := protect.Track{Scheme: protect.Scheme(p.settings.Scheme), KID: key.KID, Key: key.Bytes(), Seed: p.job + " " + name, PSSH: commonPSSH(key.KID)}
	for _, s := range p.keys.Systems {
		if s.KID == key.KID {
			t.PSSH = append(t.PSSH, s.PSSH...)
		}
	}
	return t, key, err
}

// whole reports whether whole media segments are encrypted.
func (p *Protection) whole() bool { return p != nil && p.settings.Scheme == protection.AES128 }

// Samples reports whether the samples of media segments are encrypted: not those of a Protection that is nil, or of whole files.
func (p *Protection) Samples() bool { return p != nil && !p.whole() }

// Init returns an initialisation segment of a rendition as players get it.
func (p *Protection) Init(init []byte, handler, name string) ([]byte, error) {
	if !p.Samples() {
		return init, nil
	}
	e, err := p.Encryptor(init, handler, name)
	if err != nil {
		return nil, err
	}
	return e.Init(), nil
}

// Encryptor returns what encrypts the samples of a rendition.
func (p *Protection) Encryptor(init []byte, handler, name string) (*protect.Encryptor, error) {
	track, _, err := p.track(handler, name)
	if err != nil {
		return nil, err
	}
	return protect.New(init, track)
}

// Write writes the file of a media segment by calling write, encrypted if whole files are. name is that of the rendition, start the
// segment's.
func (p *Protection) Write(w io.Writer, handler, name string, start int64, write func(io.Writer) error) error {
	if !p.whole() {
		return write(w)
	}
	files, err := p.files(handler, name)
	if err != nil {
		return err
	}
	out := files.Writer(w, fmt.Sprint(start))
	if err := write(out); err != nil {
		return err
	}
	return out.Close()
}

func (p *Protection) files(handler, name string) (protect.Whole, error) {
	track, _, err := p.track(handler, name)
	return protect.Whole{Key: track.Key, Seed: track.Seed}, err
}

// Resize sets the sizes in facts to those of segments after encryption.
func (p *Protection) Resize(facts *film.MediaFacts, segments []isobmff.Segment) {
	for i, s := range segments {
		m := &facts.Segments[i]
		m.Size = s.Bytes
		if p.whole() {
			m.Size, m.Keyframes = protect.Whole{}.Size(s.Bytes), nil // of which players could decrypt no part
			continue
		}
		for k := range m.Keyframes {
			n := slices.IndexFunc(s.Fragments, func(f isobmff.Fragment) bool { return f.Start == m.Keyframes[k].Start })
			m.Keyframes[k].Offset, m.Keyframes[k].Size = s.Fragments[n].Keyframe.Offset, s.Fragments[n].Keyframe.Length
		}
	}
}

// Describe says in a rendition of a package how it is encrypted.
func (p *Protection) Describe(r *manifest.Rendition, handler, name string) error {
	if p == nil {
		return nil
	}
	_, key, err := p.track(handler, name)
	if err != nil {
		return err
	}
	id := hex.EncodeToString(key.KID[:])
	d := &manifest.Protection{Scheme: string(p.settings.Scheme), KID: uuid(id)}
	method := map[protection.Scheme]string{protection.CBCS: "SAMPLE-AES", protection.CENC: "SAMPLE-AES-CTR", protection.AES128: "AES-128"}[p.settings.Scheme]
	if url := strings.ReplaceAll(p.settings.KeyURL, "{kid}", id); url != "" {
		line := fmt.Sprintf("#EXT-X-KEY:METHOD=%s,URI=%q", method, url)
		switch {
		case p.whole():
			files, err := p.files(handler, name)
			if err != nil {
				return err
			}
			at := r.Start
			for _, s := range r.Segments {
				d.PerSegment = append(d.PerSegment, fmt.Sprintf("%s,IV=0x%X\n", line, files.IV(fmt.Sprint(at))))
				at += s.Duration
			}
		case strings.HasPrefix(url, "skd://"):
			d.Lines = line + `,KEYFORMAT="com.apple.streamingkeydelivery",KEYFORMATVERSIONS="1"` + "\n"
		default:
			d.Lines = line + `,KEYFORMAT="identity"` + "\n"
		}
	}
	if !p.whole() {
		d.Systems = append(d.Systems,
			manifest.System{ID: clearKey, Name: "ClearKey1.0"},
			manifest.System{ID: commonSystem, PSSH: base64.StdEncoding.EncodeToString(commonPSSH(key.KID))})
	}
	for _, s := range p.keys.Systems {
		if s.KID != key.KID {
			continue
		}
		d.Lines += s.Media
		d.Session += s.Session
		if !p.whole() {
			d.Systems = append(d.Systems, manifest.System{ID: s.ID, PSSH: base64.StdEncoding.EncodeToString(s.PSSH)})
		}
	}
	r.Protection = d
	return nil
}

// Systems of ISO/IEC 23001-7: the W3C's common header, and DASH-IF's ClearKey.
const (
	commonSystem = "1077efec-c0b2-4d02-ace3-3c1e52e2fb4b"
	clearKey     = "e2719d58-a985-b3c9-781a-b030af78d30e"
)

// commonPSSH returns the header that names a key for any system.
func commonPSSH(kid [16]byte) []byte {
	system, _ := hex.DecodeString(strings.ReplaceAll(commonSystem, "-", "")) // a constant
	var b bytes.Buffer
	b.Write([]byte{0, 0, 0, 52, 'p', 's', 's', 'h', 1, 0, 0, 0})
	b.Write(system)
	b.Write([]byte{0, 0, 0, 1})
	b.Write(kid[:])
	b.Write([]byte{0, 0, 0, 0})
	return b.Bytes()
}

// uuid puts hyphens into 32 hexadecimal digits.
func uuid(id string) string {
	return strings.Join([]string{id[:8], id[8:12], id[12:16], id[16:20], id[20:]}, "-")
}
