package httpblob

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net/http"
	"strconv"
	"strings"
)

// factsOf returns what a response to a range says of the whole file.
func factsOf(resp *http.Response) Facts {
	f := Facts{Size: -1, Version: versionOf(resp.Header)}
	f.Modified, _ = http.ParseTime(resp.Header.Get("Last-Modified"))
	switch resp.StatusCode {
	case http.StatusOK:
		f.Size = resp.ContentLength
	case http.StatusPartialContent, http.StatusRequestedRangeNotSatisfiable:
		_, total, found := strings.Cut(resp.Header.Get("Content-Range"), "/")
		if size, err := strconv.ParseInt(strings.TrimSpace(total), 10, 64); found && err == nil && size >= 0 {
			f.Size, f.Ranges = size, true
		}
	}
	return f
}

// versionOf returns the version of a file: the ETag if it is a strong one, which alone stands for the same bytes, else the time of the
// last change.
func versionOf(h http.Header) string {
	if tag := h.Get("ETag"); len(tag) > 2 && strings.HasPrefix(tag, `"`) && strings.HasSuffix(tag, `"`) {
		return tag
	}
	if _, err := http.ParseTime(h.Get("Last-Modified")); err == nil {
		return h.Get("Last-Modified")
	}
	return ""
}

// check returns an error unless facts are of the version that must be read.
func (s *Store) check(facts Facts, version string) error {
	if version != "" && facts.Version != version {
		return s.changed()
	}
	s.shared.mu.Lock()
	defer s.shared.mu.Unlock()
	// A time is exact to a second only.
	if known := s.shared.facts; known != nil && known.Version == version && facts.Size >= 0 && facts.Size != known.Size {
		return s.changed()
	}
	return nil
}

// isCertificate reports whether a server could not prove who it is.
func isCertificate(err error) bool {
	var verify *tls.CertificateVerificationError
	var unknown x509.UnknownAuthorityError
	var host x509.HostnameError
	return errors.As(err, &verify) || errors.As(err, &unknown) || errors.As(err, &host)
}
