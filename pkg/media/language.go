package media

// Terminology returns the terminology code (ISO 639-2/T) for a bibliographic code (ISO 639-2/B), as
// files use both: "deu" for "ger". It returns any other text unchanged.
func Terminology(code string) string {
	if t, ok := terminology[code]; ok {
		return t
	}
	return code
}

// terminology maps the codes of ISO 639-2/B that differ from ISO 639-2/T.
var terminology = map[string]string{
	"alb": "sqi", "arm": "hye", "baq": "eus", "bur": "mya", "chi": "zho", "cze": "ces", "dut": "nld", "fre": "fra", "geo": "kat",
	"ger": "deu", "gre": "ell", "ice": "isl", "mac": "mkd", "mao": "mri", "may": "msa", "per": "fas", "rum": "ron", "slo": "slk",
	"tib": "bod", "wel": "cym",
}
