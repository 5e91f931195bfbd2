package requestflags

import "github.com/mapreel/mapreel/cmd/mapreel/internal/requestfile"

// EncryptionFlags say how the media of packages are encrypted.
type EncryptionFlags struct {
	Encryption string   `group:"Package" enum:",cbcs,cenc,aes-128" default:"" placeholder:"SCHEME" help:"Encrypt the media: cbcs or cenc (common encryption, for HLS and DASH), or aes-128 (whole media segments, HLS alone). Needs keys. Default with keys: cbcs."`
	Keys       string   `group:"Package" placeholder:"FILE" help:"File with the keys: lines of KID:KEY, each 32 hexadecimal digits, after audio= or video= for one kind of tracks alone; or a CPIX document, as SPEKE answers. Keys appear in no record and no message."`
	Key        []string `group:"Package" sep:"none" placeholder:"KID:KEY" help:"A key, in place of --keys; may be given several times. Other users of this machine can see it in the command line."`
	KeyURL     string   `group:"Package" name:"key-url" placeholder:"URL" help:"Where players of HLS get the key, relative to a media playlist or absolute; {kid} stands for its identifier. skd:// is for FairPlay."`
}

// given reports whether the media are to be encrypted.
func (e EncryptionFlags) given() bool { return e.Encryption != "" || e.Keys != "" || e.KeyURL != "" }

// apply writes the flags into the package of an output.
func (e EncryptionFlags) apply(d *requestfile.Draft, output string, at Place) error {
	d.SetText(output+"/package/encryption/scheme", e.Encryption, "--encryption")
	d.SetText(output+"/package/encryption/keyUrl", e.KeyURL, "--key-url")
	if e.Keys == "" {
		return nil
	}
	keys, err := at.Destination(e.Keys)
	d.SetText(output+"/package/encryption/keys", keys, "--keys")
	return err
}
