package main

import (
	"net/mail"
	"net/url"
	"slices"
	"strings"
)

// outside is how a deployment meets its users.
type outside struct {
	api         bool     // an HTTPS API for jobs
	apiIssuer   string   // of the tokens that the API accepts; "": calls are signed for IAM
	apiAudience []string // of those tokens
	apiRate     float64  // requests a second that the API answers; twice as many at once
	notify      []string // email addresses and https URLs that get a message about each job that ended
	delivery    string   // none (default) or cloudfront: how outputs reach players
	corsOrigins []string // of the pages that may play from CloudFront; none: any
}

const (
	defaultAPIRate = 10    // each call may read a job's whole record
	mostAPIRate    = 10000 // API Gateway's default quota for an account and region (Developer Guide, "Quotas")
)

// outside reads the settings. The media bucket is the only one whose policy a deployment can extend.
func (p *parser) outside(destinationBuckets []string) outside {
	s := outside{
		api: p.flag("api", false), apiIssuer: p.text("apiIssuer"), apiAudience: split(p.text("apiAudience")),
		apiRate: p.number("apiRate", defaultAPIRate, 1, mostAPIRate),
		notify:  split(p.text("notify")), delivery: p.choice("delivery", "none", "cloudfront"), corsOrigins: split(p.text("corsOrigins")),
	}
	for _, name := range []string{"apiIssuer", "apiAudience", "apiRate"} {
		if v := p.text(name); v != "" && !s.api {
			p.bad("%s=%s has no effect without api=true", name, v)
		}
	}
	if s.api && (s.apiIssuer == "") != (len(s.apiAudience) == 0) {
		p.bad("apiIssuer and apiAudience belong together: give both for tokens (JWT), or neither for signatures (IAM)")
	}
	if u, ok := secureURL(s.apiIssuer); s.apiIssuer != "" && (!ok || u.RawQuery != "") {
		p.bad("apiIssuer=%s: give the https URL of the issuer of tokens, as in their claim iss", s.apiIssuer)
	}
	for i, to := range s.notify {
		address, err := mail.ParseAddress(to)
		_, isURL := secureURL(to)
		switch {
		case !isURL && (err != nil || address.Address != to):
			p.bad("notify: %q is neither an email address nor an https URL", to)
		case slices.Contains(s.notify[:i], to):
			p.bad("notify: %s is listed twice", to)
		}
	}
	if s.delivery == "cloudfront" && len(destinationBuckets) > 0 {
		p.bad("delivery=cloudfront needs the media bucket, because a deployment cannot change the policy of destinationBuckets; leave out one of the two")
	}
	if s.delivery == "cloudfront" && p.text("kmsKey") != "" {
		p.bad("delivery=cloudfront cannot read what kmsKey encrypts: the key's policy would have to allow it; leave out one of the two")
	}
	if len(s.corsOrigins) > 0 && s.delivery != "cloudfront" {
		p.bad("corsOrigins=%s has no effect without delivery=cloudfront", strings.Join(s.corsOrigins, ","))
	}
	for _, origin := range s.corsOrigins {
		u, err := url.Parse(origin)
		if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || origin != u.Scheme+"://"+u.Host {
			p.bad("corsOrigins: %q is not an origin, such as https://films.example.com", origin)
		}
	}
	return s
}

// secureURL parses an absolute https URL without user and fragment.
func secureURL(text string) (*url.URL, bool) {
	u, err := url.Parse(text)
	return u, err == nil && u.Scheme == "https" && u.Host != "" && u.User == nil && u.Fragment == ""
}
