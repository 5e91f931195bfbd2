package origin

import (
	"fmt"
	"strings"
)

// WebRootsVariable is the variable of a deployment's functions and Batch jobs with the roots of the web servers that sources may be on.
// ParseWebRoots reads it, and infra sets it.
const WebRootsVariable = "MAPREEL_WEB_SOURCES"

// ParseWebRoots reads https roots, as Below takes them, with spaces between them.
func ParseWebRoots(text string) ([]string, error) {
	var roots []string
	for root := range strings.FieldsSeq(text) {
		if !strings.HasPrefix(root, httpsScheme) || !Below(root+"x", []string{root}) {
			return nil, fmt.Errorf("%.100q is not an https URL that ends with a slash, such as https://example.com/films/, without user and query", root)
		}
		roots = append(roots, root)
	}
	return roots, nil
}
