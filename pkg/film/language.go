package film

// Terminology returns the terminology code of ISO 639-2 for the bibliographic one, which files have as often: "deu" for
// "ger". Any other text stays as it is.
func Terminology(code string) string {
	if t, ok := terminology[code]; ok {
		return t
	}
	return code
}

var terminology = map[string]string{
	"alb": "sqi", "arm": "hye", "baq": "eus", "bur": "mya", "chi": "zho", "cze": "ces", "dut": "nld", "fre": "fra", "geo": "kat",
	"ger": "deu", "gre": "ell", "ice": "isl", "mac": "mkd", "mao": "mri", "may": "msa", "per": "fas", "rum": "ron", "slo": "slk",
	"tib": "bod", "wel": "cym",
}
