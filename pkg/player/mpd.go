package player

import (
	"bytes"
	"encoding/xml"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

var (
	// addressAttributes are the attributes of an MPD that hold addresses of media (ISO/IEC 23009-1, 5.3.9).
	addressAttributes = []string{"media", "initialization", "sourceURL", "index"}
	// identifier matches an identifier in a template (5.3.9.4.4).
	identifier = regexp.MustCompile(`\$[A-Za-z]*(%0[0-9]+d)?\$`)
)

// addresses is what an MPD names.
type addresses struct {
	files     []string // paths below the served folder
	templates []string // the same, with identifiers
	ids       []string // of the representations
}

// readMPD returns what the MPD at a path names. It stops where the text is not well formed.
func readMPD(name string, text []byte) (found addresses) {
	decoder := xml.NewDecoder(bytes.NewReader(text))
	bases := []*url.URL{{Path: name}} // of the open elements
	var base *strings.Builder         // the text of an open BaseURL
	for {
		token, err := decoder.RawToken()
		if err != nil {
			return found
		}
		here := bases[len(bases)-1]
		switch token := token.(type) {
		case xml.StartElement:
			bases = append(bases, here)
			if token.Name.Local == "BaseURL" {
				base = &strings.Builder{}
			}
			for _, a := range token.Attr {
				switch {
				case slices.Contains(addressAttributes, a.Name.Local):
					found.add(here, a.Value)
				case a.Name.Local == "id" && token.Name.Local == "Representation":
					found.ids = append(found.ids, a.Value)
				}
			}
		case xml.CharData:
			if base != nil {
				base.Write(token)
			}
		case xml.EndElement:
			if len(bases) == 1 {
				return found
			}
			bases = bases[:len(bases)-1]
			if parent := bases[len(bases)-1]; token.Name.Local == "BaseURL" && base != nil {
				if u := found.add(parent, strings.TrimSpace(base.String())); u != nil { // a whole file, or a folder
					bases[len(bases)-1] = u
				}
				base = nil
			}
		}
	}
}

// add records an address, and returns it resolved; nil if it leads to another server.
func (a *addresses) add(base *url.URL, address string) *url.URL {
	address = identifier.ReplaceAllStringFunc(address, func(s string) string { // a width is no escape
		return strings.ReplaceAll(s, "%", "%25")
	})
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "" || u.Host != "" {
		return nil
	}
	u = base.ResolveReference(u)
	switch name := strings.TrimPrefix(u.Path, "/"); {
	case identifier.MatchString(name):
		a.templates = append(a.templates, name)
	case !strings.HasSuffix(name, "/"):
		a.files = append(a.files, name)
	}
	return u
}

// patterns returns expressions that match the paths which the templates stand for.
func (a *addresses) patterns() (list []*regexp.Regexp) {
	ids := make([]string, len(a.ids))
	for i, id := range a.ids {
		ids[i] = regexp.QuoteMeta(id)
	}
	for _, template := range a.templates {
		var pattern strings.Builder
		at := 0
		for _, found := range identifier.FindAllStringIndex(template, -1) {
			pattern.WriteString(regexp.QuoteMeta(template[at:found[0]]))
			switch template[found[0]:found[1]] {
			case "$$":
				pattern.WriteString(`\$`)
			case "$RepresentationID$":
				pattern.WriteString("(?:" + strings.Join(ids, "|") + ")")
			default: // a number, a time, a bit rate
				pattern.WriteString("[0-9]+")
			}
			at = found[1]
		}
		pattern.WriteString(regexp.QuoteMeta(template[at:]))
		if r, err := regexp.Compile("^" + pattern.String() + "$"); err == nil {
			list = append(list, r)
		}
	}
	return list
}
