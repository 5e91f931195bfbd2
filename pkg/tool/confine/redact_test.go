package confine

import "testing"

func TestSecretsAndWhatIsTakenOutOfThemAreHidden(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		secrets    []string
		text, want string
	}{
		"none":                        {nil, "failed", "failed"},
		"an empty one":                {[]string{""}, "failed", "failed"},
		"a short one":                 {[]string{"x7"}, "key x7 is wrong", "key … is wrong"},
		"one within another":          {[]string{"hunter", "hunter22"}, "hunter22 and hunter", "… and …"},
		"with the end of its line":    {[]string{"hunter22\n"}, "key hunter22 is wrong", "key … is wrong"},
		"a line of a key":             {[]string{"-----BEGIN-----\nMIIEvQ\n-----END-----\n"}, "at MIIEvQ: bad key", "at …: bad key"},
		"a password in JSON":          {[]string{`{"user": "me", "login": {"password": "hunter22"}}`}, "me: hunter22 is wrong", "me: … is wrong"},
		"an escaped password in JSON": {[]string{`["hun\"ter"]`}, `hun"ter is wrong`, "… is wrong"},
		"a PIN in JSON":               {[]string{`{"pin": 123456, "tries": 3}`}, "123456 is wrong, 3 tries", "… is wrong, 3 tries"},
	} {
		if got := (Options{Secrets: c.secrets}).redact(c.text); got != c.want {
			t.Errorf("%s: %q becomes %q, want %q", name, c.text, got, c.want)
		}
	}
}
