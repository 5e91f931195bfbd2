package protection_test

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/mapreel/mapreel/pkg/fault"
	"github.com/mapreel/mapreel/pkg/film/protection"
)

const (
	kid1, kid2 = "00112233445566778899aabbccddeeff", "ffeeddcc-bbaa-9988-7766-554433221100"
	key1, key2 = "0f1e2d3c4b5a69788796a5b4c3d2e1f0", "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf"
)

func TestKeysOfLines(t *testing.T) {
	t.Parallel()
	keys, err := protection.Parse([]byte("# film\n\nvideo=" + kid1 + ":" + key1 + "\r\n" + kid2 + ":" + key2 + "\n"))
	if err != nil {
		t.Fatal(err)
	}
	for kind, want := range map[protection.Kind]string{protection.Video: key1, protection.Audio: key2} {
		k, err := keys.For(kind)
		if got := fmt.Sprintf("%x", k.Bytes()); err != nil || got != want {
			t.Errorf("%s: %s, %v", kind, got, err)
		}
	}
	other, err := protection.Parse([]byte(kid1 + ":" + key2))
	if err != nil || other.Fingerprint() == keys.Fingerprint() {
		t.Errorf("other keys have the same fingerprint: %v", err)
	}
	only, _ := protection.Parse([]byte("audio=" + kid1 + ":" + key1))
	if _, err := only.For(protection.Video); fault.KindOf(err) != fault.Invalid {
		t.Errorf("a key for audio was taken for video: %v", err)
	}
}

// Nothing that is shown has a key: neither an error nor the values themselves.
func TestNothingShowsAKey(t *testing.T) {
	t.Parallel()
	k, err := protection.ParseKey(kid1 + ":" + key1)
	if err != nil {
		t.Fatal(err)
	}
	keys := protection.Keys{List: []protection.Key{k}}
	for _, text := range []string{fmt.Sprint(k), fmt.Sprintf("%v %+v %#v %s", k, keys, k, k), keys.Fingerprint()} {
		if strings.Contains(text, key1) || strings.Contains(text, "15 30 45") {
			t.Errorf("%s", text)
		}
	}
	for _, text := range []string{
		"", "#\n", kid1, kid1 + ":" + key1[1:], kid1 + ":" + key1 + "0", "x=" + kid1 + ":" + key1, key1, kid1 + ":" + key1 + "\n" + kid1 + ":" + key2,
		"<CPIX>" + key1, "<CPIX></CPIX>", cpix(key1, "", ""), strings.Repeat("a", 100),
	} {
		_, err := protection.Parse([]byte(text))
		if fault.KindOf(err) != fault.Invalid || strings.Contains(err.Error(), key1) || strings.Contains(err.Error(), key1[1:]) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func cpix(plain, track, signal string) string {
	return `<?xml version="1.0"?><cpix:CPIX xmlns:cpix="urn:dashif:org:cpix" xmlns:pskc="urn:ietf:params:xml:ns:keyprov:pskc"><cpix:ContentKeyList>
<cpix:ContentKey kid="` + kid2 + `"><cpix:Data><pskc:Secret><pskc:PlainValue>` + plain + `</pskc:PlainValue></pskc:Secret></cpix:Data></cpix:ContentKey></cpix:ContentKeyList>
<cpix:DRMSystemList><cpix:DRMSystem kid="` + kid2 + `" systemId="EDEF8BA9-79D6-4ACE-A3C8-27DCD51D21ED"><cpix:PSSH>AAAA</cpix:PSSH>
<cpix:HLSSignalingData playlist="media">` + signal + `</cpix:HLSSignalingData><cpix:HLSSignalingData playlist="master">` + signal + `</cpix:HLSSignalingData></cpix:DRMSystem></cpix:DRMSystemList>
<cpix:ContentKeyUsageRuleList><cpix:ContentKeyUsageRule kid="` + kid2 + `" intendedTrackType="` + track + `"/></cpix:ContentKeyUsageRuleList></cpix:CPIX>`
}

func TestKeysOfCPIX(t *testing.T) {
	t.Parallel()
	line := `#EXT-X-KEY:METHOD=SAMPLE-AES,URI="data:text/plain;base64,AAAA",KEYFORMAT="urn:uuid:edef8ba9-79d6-4ace-a3c8-27dcd51d21ed"`
	plain := base64.StdEncoding.EncodeToString([]byte("0123456789abcdef"))
	keys, err := protection.Parse([]byte(cpix(plain, "HD", base64.StdEncoding.EncodeToString([]byte(line)))))
	if err != nil {
		t.Fatal(err)
	}
	k, err := keys.For(protection.Video)
	if got := k.Bytes(); err != nil || string(got[:]) != "0123456789abcdef" || fmt.Sprintf("%x", k.KID) != strings.ReplaceAll(kid2, "-", "") {
		t.Errorf("%v, %v", k, err)
	}
	if _, err := keys.For(protection.Audio); err == nil {
		t.Error("a key for HD is taken for audio")
	}
	s := keys.Systems[0]
	if s.ID != "edef8ba9-79d6-4ace-a3c8-27dcd51d21ed" || s.Media != line+"\n" || s.Session != line+"\n" || len(s.PSSH) != 3 {
		t.Errorf("%+v", s)
	}
	if _, err := protection.Parse([]byte(cpix(plain, "", base64.StdEncoding.EncodeToString([]byte("#EXT-X-MAP:URI=\"https://evil\""))))); fault.KindOf(err) != fault.Invalid {
		t.Errorf("a line that is about no key: %v", err)
	}
}

func TestSettingsAreChecked(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		settings    protection.Settings
		hls, single bool
		want        string
	}{
		{protection.Settings{Keys: "k"}, false, true, ""},
		{protection.Settings{Scheme: protection.AES128, Keys: "k", KeyURL: "u"}, true, false, ""},
		{protection.Settings{Scheme: protection.AES128, Keys: "k", KeyURL: "u"}, false, true, "scheme scheme"},
		{protection.Settings{Scheme: protection.AES128}, true, false, "keyUrl keys"},
		{protection.Settings{Scheme: "rot13", Keys: "k", KeyURL: "a\"b"}, true, false, "scheme keyUrl"},
	} {
		var got []string
		c.settings.Check(c.hls, c.single, func(field, _ string) { got = append(got, field) })
		if strings.Join(got, " ") != c.want {
			t.Errorf("%+v: %v, want %s", c.settings, got, c.want)
		}
	}
}
